/*
 * Any bytes as a BOSH request: what is accepted has canonical elements that
 * read back as themselves, and lies inside its buffers.
 */
#include "session/bosh_body.h"
#include "xmpp/xml_read.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_value(const struct bosh_body *b, struct slice s)
{
    const char *start = buf_at(&b->values);

    require(s.at == NULL ||
            (s.at >= start && s.at + s.len <= start + b->values.len));
}

/* The bytes of the elements, in a body again, are the same elements. */
static void check_payload(const struct bosh_body *b, struct xml_pool *pool,
                          struct element_copier *copier)
{
    static const char head[] =
        "<body xmlns='http://jabber.org/protocol/httpbind'>"
        "<x xmlns='jabber:client'>";
    struct slice all = buf_slice(&b->payload);
    struct bosh_body again;
    struct buf text;
    struct element e;

    buf_init(&text, 1 << 22);
    bosh_body_init(&again, 1 << 22);
    require(buf_append_text(&text, head) == ERR_OK &&
            buf_append_slice(&text, all) == ERR_OK &&
            buf_append_text(&text, "</x></body>") == ERR_OK);
    require(bosh_body_read(
                &again,
                &(struct bosh_body_tools){.pool = pool, .copier = copier},
                buf_slice(&text)) == BOSH_BODY_OK);
    require(again.n_elements == 1);
    /* <x>, the payload, </x>, or <x/> */
    e = bosh_body_element(&again, 0);
    if (all.len > 0)
        require(e.bytes.len == all.len + 7 &&
                memcmp(e.bytes.at + 3, all.at, all.len) == 0);
    bosh_body_free(&again);
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice bytes = {(const char *)data, size};
    struct element_copier *copier;
    struct xml_pool *pool;
    struct bosh_body b;
    size_t i;

    if (size > 65536)
        return 0;
    require(xml_pool_new(&pool, 2) == ERR_OK);
    require(element_copier_new(&copier) == ERR_OK);
    bosh_body_init(&b, 1 << 20);
    if (bosh_body_read(
            &b, &(struct bosh_body_tools){.pool = pool, .copier = copier},
            bytes) == BOSH_BODY_OK) {
        check_value(&b, b.sid);
        check_value(&b, b.to);
        check_value(&b, b.lang);
        check_value(&b, b.content);
        for (i = 0; i < b.n_elements; i++)
            require(bosh_body_element(&b, i).bytes.len > 3 &&
                    bosh_body_element(&b, i).bytes.at[0] == '<');
        check_payload(&b, pool, copier);
    } else {
        require(b.n_elements == 0 && b.reason != NULL);
    }
    bosh_body_free(&b);
    element_copier_free(copier);
    xml_pool_free(pool);
    return 0;
}
