/*
 * xml_probe.h - a stream under test: what it says as text, and a handler that
 * holds, restarts or frees it at a chosen element.
 */
#ifndef TESTS_XML_PROBE_H
#define TESTS_XML_PROBE_H

#include "xml_events.h"
#include "xmpp/xml_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HEADER                                                                 \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "               \
    "xmlns:stream='http://etherx.jabber.org/streams' from='a' id='1'>"

static const struct xml_limits limits = {262144, XML_DEPTH_MAX, XML_ATTRS_MAX,
                                         XML_ELEMENTS_MAX, XML_NAME_MAX_BYTES};

static struct xml_pool *pool;

static inline int set_up(void **state)
{
    return xml_pool_new(&pool, 4) == ERR_OK ? 0 : -1;
}

static inline int tear_down(void **state)
{
    xml_pool_free(pool);
    return 0;
}

/* A stream, what it said, and what its handler does. */
struct probe {
    struct events e; /* first: the handlers of events.h want it */
    struct xml_stream *s;
    unsigned elements; /* top-level elements that ended */
    unsigned hold_at;  /* holds behind this one */
    unsigned free_at;  /* frees the stream in the end of this one */
    unsigned restart_at;
    unsigned ended;
};

static inline enum err probe_start(void *arg, const struct xml_tag *tag)
{
    return events_start(arg, tag);
}

static inline enum err probe_end(void *arg, const struct xml_name *name)
{
    struct probe *p = arg;

    if (xml_stream_depth(p->s) == 1)
        p->ended++;
    if (xml_stream_depth(p->s) == 2) {
        p->elements++;
        if (p->elements == p->hold_at)
            xml_stream_hold(p->s);
        if (p->elements == p->restart_at)
            xml_stream_restart(p->s);
        if (p->elements == p->free_at)
            xml_stream_free(p->s);
    }
    return events_end(arg, name);
}

static const struct xml_handler probe_handler = {
    .start = probe_start, .end = probe_end, .text = events_text};

static inline void open_probe(struct probe *p, const struct xml_limits *with)
{
    memset(p, 0, sizeof(*p));
    buf_init(&p->e.text, SIZE_MAX);
    assert_int_equal(xml_stream_new(&p->s, pool, with, &probe_handler, p),
                     ERR_OK);
}

static inline void close_probe(struct probe *p)
{
    xml_stream_free(p->s);
    buf_free(&p->e.text);
}

static inline enum xml_verdict feed(struct probe *p, struct slice bytes)
{
    size_t used = SIZE_MAX;
    enum xml_verdict verdict =
        xml_stream_feed(p->s, bytes.at, bytes.len, &used);

    assert_int_equal(used, bytes.len);
    return verdict;
}

static inline enum xml_verdict feed_text(struct probe *p, const char *text)
{
    return feed(p, slice_of(text));
}

/* Byte by byte, and never a byte more. */
static inline enum xml_verdict drip(struct probe *p, struct slice bytes)
{
    enum xml_verdict verdict = XML_OK;

    for (size_t i = 0; i < bytes.len && verdict == XML_OK; i++)
        verdict = feed(p, (struct slice){bytes.at + i, 1});
    return verdict;
}

static inline void expect(struct probe *p, const char *text)
{
    assert_int_equal(buf_append(&p->e.text, "", 1), ERR_OK);
    assert_string_equal(buf_at(&p->e.text), text);
    buf_truncate(&p->e.text, 0);
}

#endif /* TESTS_XML_PROBE_H */
