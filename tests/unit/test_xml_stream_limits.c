/* Streams that share parsers, and elements that come in one piece. */
#include "xmpp/xml_read.h"
#include "xmpp/xml_stream.h"

#include "xml_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define ELEMENT_MAX 100

static const struct xml_limits limits = {ELEMENT_MAX, 10, 20, 100, 200};

static enum xml_verdict feed(struct xml_stream *s, const char *text)
{
    size_t used;

    return xml_stream_feed(s, text, strlen(text), &used);
}

static struct xml_stream *open_stream(struct xml_pool *pool, struct events *e,
                                      const char *header)
{
    struct xml_stream *s;

    memset(e, 0, sizeof(*e));
    buf_init(&e->text, SIZE_MAX);
    assert_int_equal(xml_stream_new(&s, pool, &limits, &events_handler, e),
                     ERR_OK);
    assert_int_equal(feed(s, header), XML_OK);
    return s;
}

/* White space in an end tag is nothing that a plain element has: expat reads
 * the second form of each. */
static const char *const ends[] = {">", " >"};

/* H03, H40: the limit of an element holds when no read ends inside of it. */
static void an_element_in_one_piece_has_the_same_limit(void **state)
{
    char text[ELEMENT_MAX + 2];
    char end[16];
    struct xml_pool *pool;
    struct xml_stream *s;
    struct events e;

    assert_int_equal(xml_pool_new(&pool, 1), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        int room;

        snprintf(end, sizeof(end), "</a%s", ends[i]);
        room = ELEMENT_MAX - 3 - (int)strlen(end);
        s = open_stream(pool, &e, "<s xmlns='urn:s'>");
        snprintf(text, sizeof(text), "<a>%0*d%s", room, 0, end);
        assert_int_equal(strlen(text), ELEMENT_MAX);
        assert_int_equal(feed(s, text), XML_OK);
        snprintf(text, sizeof(text), "<a>%0*d%s", room + 1, 0, end);
        assert_int_equal(feed(s, text), XML_TOO_BIG);
        xml_stream_free(s);
        buf_free(&e.text);
    }
    xml_pool_free(pool);
}

static void feed_element(struct xml_stream *s, const char *name,
                         const char *end)
{
    char text[64];

    snprintf(text, sizeof(text), "<%s></%s%s", name, name, end);
    assert_int_equal(feed(s, text), XML_OK);
}

/* H20, decision 37: what the header declared holds for all elements,
 * whichever parser reads them. */
static void all_of_the_header_s_namespaces_are_inherited(void **state)
{
    struct xml_pool *pool;
    struct xml_stream *first;
    struct xml_stream *second;
    struct events a;
    struct events b;

    assert_int_equal(xml_pool_new(&pool, 1), ERR_OK);
    first = open_stream(pool, &a,
                        "<s xmlns='urn:s' xmlns:x='urn:x' "
                        "xmlns:y='urn:y'>");
    /* The only parser that is kept goes to another stream. */
    second = open_stream(pool, &b, "<s xmlns='urn:other'>");
    for (size_t i = 0; i < COUNT_OF(ends); i++) {
        buf_truncate(&a.text, 0);
        feed_element(first, "m", ends[i]);
        feed_element(first, "x:m", ends[i]);
        feed_element(first, "y:m", ends[i]);
        assert_int_equal(buf_append(&a.text, "", 1), ERR_OK);
        assert_string_equal(buf_at(&a.text), "[urn:s|m][/urn:s|m]"
                                             "[urn:x|m][/urn:x|m]"
                                             "[urn:y|m][/urn:y|m]");
    }
    xml_stream_free(first);
    xml_stream_free(second);
    buf_free(&a.text);
    buf_free(&b.text);
    xml_pool_free(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_element_in_one_piece_has_the_same_limit),
        cmocka_unit_test(all_of_the_header_s_namespaces_are_inherited),
    };

    return cmocka_run_group_tests_name("xml_stream_limits", tests, NULL, NULL);
}
