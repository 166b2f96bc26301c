/*
 * element_copy.h - copies the children of a document's root by an
 * element_copier, for its tests.
 */
#ifndef TESTS_ELEMENT_COPY_H
#define TESTS_ELEMENT_COPY_H

#include "xmpp/element.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct xml_limits limits = {262144, XML_DEPTH_MAX, XML_ATTRS_MAX,
                                         XML_ELEMENTS_MAX, XML_NAME_MAX_BYTES};

static struct xml_pool *pool;
static struct element_copier *copier;

static inline int set_up(void **state)
{
    if (xml_pool_new(&pool, 2) != ERR_OK ||
        element_copier_new(&copier) != ERR_OK)
        return -1;
    return 0;
}

static inline int tear_down(void **state)
{
    element_copier_free(copier);
    xml_pool_free(pool);
    return 0;
}

/* Copies the children of a document's root one after the other. */
struct copy {
    struct buf out;
    struct element_params params;
    struct element last; /* its slices point into out */
    unsigned depth;
    unsigned n;
    enum err err;
};

static inline enum err on_start(void *arg, const struct xml_tag *tag)
{
    struct copy *c = arg;

    c->depth++;
    if (c->depth == 1)
        return ERR_OK;
    if (c->depth == 2)
        element_copier_begin(copier, &c->out, &c->params);
    c->err = element_copier_start(copier, tag);
    return c->err;
}

static inline enum err on_end(void *arg, const struct xml_name *name)
{
    struct copy *c = arg;
    bool done = false;

    c->depth--;
    if (c->depth == 0)
        return ERR_OK;
    c->err = element_copier_end(copier, &done, &c->last);
    if (c->err == ERR_OK) {
        assert_int_equal(done, c->depth == 1);
        c->n += done;
    }
    return c->err;
}

static inline enum err on_text(void *arg, struct slice text)
{
    struct copy *c = arg;

    if (c->depth < 2)
        return ERR_OK;
    c->err = element_copier_text(copier, text);
    return c->err;
}

static const struct xml_handler handler = {
    .start = on_start, .end = on_end, .text = on_text};

#define STREAM(content)                                                        \
    "<stream:stream xmlns='jabber:client' "                                    \
    "xmlns:stream='http://etherx.jabber.org/streams'>" content                 \
    "</stream:stream>"
#define BODY(content)                                                          \
    "<body xmlns='http://jabber.org/protocol/httpbind'>" content "</body>"
#define FEATURES                                                               \
    "<stream:features xmlns:stream=\"http://etherx.jabber.org/streams\""

static inline void open_copy(struct copy *c, enum element_filter filter,
                             bool rescope, const char *lang)
{
    memset(c, 0, sizeof(*c));
    buf_init(&c->out, SIZE_MAX);
    c->params = (struct element_params){
        .filter = filter, .rescope_httpbind = rescope, .lang = slice_of(lang)};
}

static inline void run(struct copy *c, const char *in)
{
    enum xml_verdict verdict =
        xml_parse(pool, slice_of(in), &limits, &handler, c);

    assert_int_equal(verdict, c->err == ERR_OK ? XML_OK : XML_STOPPED);
}

static inline void expect_out(struct copy *c, const char *want)
{
    if (!slice_is(buf_slice(&c->out), want))
        fail_msg("got  %.*s\nwant %s", (int)c->out.len, buf_at(&c->out), want);
    assert_int_equal(c->err, ERR_OK);
}

static inline void expect_copy(enum element_filter filter, bool rescope,
                               const char *lang, const char *in,
                               const char *want)
{
    struct copy c;

    open_copy(&c, filter, rescope, lang);
    run(&c, in);
    expect_out(&c, want);
    buf_free(&c.out);
}

static inline void to_client(const char *in, const char *want)
{
    expect_copy(ELEMENT_TO_CLIENT, false, "", in, want);
}

static inline void from_body(const char *in, const char *want)
{
    expect_copy(ELEMENT_TO_SERVER, true, "", in, want);
}

#endif /* TESTS_ELEMENT_COPY_H */
