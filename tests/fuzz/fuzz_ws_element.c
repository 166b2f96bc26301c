/*
 * fuzz_ws_element.c - messages of RFC 7395: whatever a client sends, what comes
 * out is one clean element, an <open/> whose values survive our own writer,
 * or a condition; and the same of those from before it.
 *
 * Input: the message.
 */
#include "session/ws_legacy.h"

#include "base/utf8.h"
#include "xmpp/xml_read.h"
#include "xmpp/xml_write.h"

#include <stdint.h>
#include <stdlib.h>

#define LIMIT 65536

#define REQUIRE(fact)                                                          \
    do {                                                                       \
        if (!(fact))                                                           \
            abort();                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static struct xml_pool *pool;
static struct element_copier *copier;

static void start(void)
{
    if (pool == NULL)
        REQUIRE(xml_pool_new(&pool, 4) == ERR_OK);
    if (copier == NULL)
        REQUIRE(element_copier_new(&copier) == ERR_OK);
}

static enum ws_element_verdict read_message(struct ws_element *f,
                                            struct slice message)
{
    return ws_element_read(f, pool, copier, message, LIMIT);
}

/* H10: canonical bytes hold no markup but elements. */
static void check_element(const struct ws_element *f)
{
    struct slice s = f->element.bytes;

    REQUIRE(s.len >= 4 && s.len <= LIMIT);
    REQUIRE(s.at[0] == '<' && s.at[s.len - 1] == '>');
    REQUIRE(utf8_is_valid(s));
    REQUIRE(memmem(s.at, s.len, "<!", 2) == NULL);
    REQUIRE(memmem(s.at, s.len, "<?", 2) == NULL);
    REQUIRE(f->element.kind != ELEMENT_OPEN);
    REQUIRE(f->element.kind != ELEMENT_CLOSE);
    REQUIRE(f->element.kind != ELEMENT_STREAM);
    REQUIRE(f->element.kind != ELEMENT_FEATURES);
}

/* Where the scope of a server's stream must be added to make a message of
 * the element: behind its name, unless it declares a namespace itself.  0:
 * it has a prefix, and a declaration more would be a change. */
static size_t scope_place(struct slice s, bool *has_scope)
{
    const char *end = memchr(s.at, '>', s.len); /* escaped in attributes */
    size_t name = 1;

    REQUIRE(end != NULL);
    *has_scope = memmem(s.at, (size_t)(end - s.at), " xmlns=", 7) != NULL;
    while (strchr(" />", s.at[name]) == NULL && s.at[name] != ':')
        name++;
    return s.at[name] == ':' ? 0 : name;
}

/* Read again as a message, it gives the same bytes:
 * out(parse(out(parse(x)))) == out(parse(x)). */
static void check_fixed_point(const struct ws_element *f)
{
    static const char scope[] = " xmlns=\"" NS_CLIENT "\"";
    struct slice s = f->element.bytes;
    bool has_scope;
    size_t place = scope_place(s, &has_scope);
    struct ws_element again;
    struct buf text;

    if (place == 0)
        return;
    buf_init(&text, 2 * LIMIT);
    ws_element_init(&again, LIMIT);
    REQUIRE(buf_append(&text, s.at, place) == ERR_OK);
    if (!has_scope)
        REQUIRE(buf_append(&text, scope, sizeof(scope) - 1) == ERR_OK);
    REQUIRE(buf_append(&text, s.at + place, s.len - place) == ERR_OK);
    if (text.len <= LIMIT &&
        read_message(&again, buf_slice(&text)) == WS_ELEMENT_ELEMENT)
        REQUIRE(slice_equal(again.element.bytes, s));
    ws_element_free(&again);
    buf_free(&text);
}

static bool is_same(struct slice a, struct slice b)
{
    return slice_equal(a, b); /* an empty one is left out and is NULL then */
}

static void check_open(const struct ws_element *f,
                       const struct ws_framing *framing)
{
    struct ws_opening opening = {
        .from = f->from,
        .to = f->to,
        .id = SLICE("id"),
        .lang = f->lang,
        .version = f->version,
    };
    struct ws_element again;
    struct buf text;

    buf_init(&text, 16 * LIMIT);
    ws_element_init(&again, LIMIT);
    REQUIRE(framing->write_open(&text, &opening) == ERR_OK);
    REQUIRE(memcmp(buf_at(&text), framing == &ws_framing ? "<open " : "<stream",
                   6) == 0);
    if (text.len <= LIMIT) {
        REQUIRE(framing->read(&again, pool, copier, buf_slice(&text), LIMIT) ==
                WS_ELEMENT_OPEN);
        REQUIRE(is_same(again.to, f->to));
        REQUIRE(is_same(again.from, f->from));
        REQUIRE(is_same(again.lang, f->lang));
        REQUIRE(is_same(again.version, f->version));
    }
    ws_element_free(&again);
    buf_free(&text);
}

static void check(const struct ws_framing *framing, struct slice message)
{
    struct ws_element f;

    ws_element_init(&f, LIMIT);
    switch (framing->read(&f, pool, copier, message, LIMIT)) {
    case WS_ELEMENT_ELEMENT:
        REQUIRE(message.at[0] == '<');
        check_element(&f);
        check_fixed_point(&f);
        break;
    case WS_ELEMENT_OPEN:
        check_open(&f, framing);
        break;
    case WS_ELEMENT_CLOSE:
        REQUIRE(message.at[0] == '<');
        break;
    case WS_ELEMENT_EMPTY:
        REQUIRE(message.len == 0 || strchr(" \t\r\n", message.at[0]) != NULL);
        break;
    case WS_ELEMENT_WRONG:
        REQUIRE(f.condition != NULL);
        break;
    case WS_ELEMENT_NOMEM:
        break;
    }
    ws_element_free(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice message = {(const char *)data, len};

    start();
    check(&ws_framing, message);
    check(&ws_legacy_framing, message);
    return 0;
}
