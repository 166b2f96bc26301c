/* Conformance H03, H06, H08, H09, H41, G13; security.md 1.2, 1.3. */
#include "xmpp/xml_read.h"

#include "xml_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

#define HEADER                                                                 \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "               \
    "xmlns:stream='http://etherx.jabber.org/streams' from='a' id='1'>"

static const struct xml_limits limits = {262144, XML_DEPTH_MAX, XML_ATTRS_MAX,
                                         XML_ELEMENTS_MAX, XML_NAME_MAX_BYTES};

static struct xml_pool *pool;

static int set_up(void **state)
{
    return xml_pool_new(&pool, 4) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
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

static enum err on_start(void *arg, const struct xml_tag *tag)
{
    return events_start(arg, tag);
}

static enum err on_end(void *arg, const struct xml_name *name)
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

static const struct xml_handler handler = {on_start, on_end, events_text};

static void open_probe(struct probe *p, const struct xml_limits *with)
{
    memset(p, 0, sizeof(*p));
    buf_init(&p->e.text, SIZE_MAX);
    assert_int_equal(xml_stream_new(&p->s, pool, with, &handler, p), ERR_OK);
}

static void close_probe(struct probe *p)
{
    xml_stream_free(p->s);
    buf_free(&p->e.text);
}

static enum xml_verdict feed(struct probe *p, struct slice bytes)
{
    size_t used = SIZE_MAX;
    enum xml_verdict verdict =
        xml_stream_feed(p->s, bytes.at, bytes.len, &used);

    assert_int_equal(used, bytes.len);
    return verdict;
}

static enum xml_verdict feed_text(struct probe *p, const char *text)
{
    return feed(p, slice_of(text));
}

/* Byte by byte, and never a byte more. */
static enum xml_verdict drip(struct probe *p, struct slice bytes)
{
    enum xml_verdict verdict = XML_OK;

    for (size_t i = 0; i < bytes.len && verdict == XML_OK; i++)
        verdict = feed(p, (struct slice){bytes.at + i, 1});
    return verdict;
}

static void expect(struct probe *p, const char *text)
{
    assert_int_equal(buf_append(&p->e.text, "", 1), ERR_OK);
    assert_string_equal(buf_at(&p->e.text), text);
    buf_truncate(&p->e.text, 0);
}

static void elements_arrive_in_order(void **state)
{
    struct probe p;

    open_probe(&p, &limits);
    assert_int_equal(feed_text(&p, HEADER), XML_OK);
    expect(&p, "[http://etherx.jabber.org/streams|stream from=a id=1]");
    assert_int_equal(feed_text(&p, " \n<message>x</message>\n<iq/><r x"),
                     XML_OK);
    expect(&p, "[jabber:client|message]x[/jabber:client|message]"
               "[jabber:client|iq][/jabber:client|iq]");
    assert_int_equal(feed_text(&p, "mlns='u'/></stream:stream> \n"), XML_OK);
    expect(&p, "[u|r][/u|r][/http://etherx.jabber.org/streams|stream]");
    assert_int_equal(p.elements, 3);
    assert_int_equal(p.ended, 1);
    assert_int_equal(feed_text(&p, " \n"), XML_OK);
    assert_int_equal(feed_text(&p, "<"), XML_NOT_WELL_FORMED);
    close_probe(&p);
}

static void end_tag_must_be_the_header_s(void **state)
{
    struct probe p;

    open_probe(&p, &limits);
    assert_int_equal(feed_text(&p, HEADER "<a/>"), XML_OK);
    assert_int_equal(feed_text(&p, "</stream>"), XML_NOT_WELL_FORMED);
    assert_int_equal(feed_text(&p, " "), XML_NOT_WELL_FORMED);
    close_probe(&p);
}

/* A message of 2 KiB with everything a tag can hold. */
static struct slice long_stanza(void)
{
    static char text[4096];
    size_t n = (size_t)snprintf(
        text, sizeof(text),
        "<message to='a@b/c' x=\"'>'/>\" y='\">'><body>&lt;&#62;&gt;]</body>"
        "<![CDATA[<x>]]>\r\n<p:q xmlns:p='urn:\xc3\xa4>' p:r='/>'/>"
        "<z w='");

    for (; n < 2000; n++)
        text[n] = "v> /\"="[n % 6];
    n += (size_t)snprintf(text + n, sizeof(text) - n, "'/></message>");
    return (struct slice){text, n};
}

/* security.md 1.3: expat would keep a tag that is split back until more
 * bytes come. */
static void every_split_is_delivered_at_once(void **state)
{
    struct slice stanza = long_stanza();
    struct buf want;
    struct probe p;

    open_probe(&p, &limits);
    assert_int_equal(feed_text(&p, HEADER), XML_OK);
    buf_truncate(&p.e.text, 0);
    assert_int_equal(feed(&p, stanza), XML_OK);
    assert_int_equal(p.elements, 1);
    buf_take(&want, &p.e.text);

    for (size_t i = 1; i < stanza.len; i++) {
        struct slice tail = {stanza.at + i, stanza.len - i};

        p.elements = 0;
        buf_truncate(&p.e.text, 0);
        assert_int_equal(feed(&p, (struct slice){stanza.at, i}), XML_OK);
        assert_int_equal(p.elements, 0);
        assert_int_equal(feed(&p, tail), XML_OK);
        assert_int_equal(p.elements, 1);
        assert_true(slice_equal(buf_slice(&p.e.text), buf_slice(&want)));
    }
    buf_truncate(&p.e.text, 0);
    assert_int_equal(drip(&p, stanza), XML_OK);
    assert_true(slice_equal(buf_slice(&p.e.text), buf_slice(&want)));
    buf_free(&want);
    close_probe(&p);
}

static double cpu_s(void)
{
    return (double)clock() / CLOCKS_PER_SEC;
}

/* A repeated piece in 1-byte parts; the budget leaves room for sanitizers. */
static void expect_cheap(const char *open, const char *piece,
                         enum xml_verdict verdict)
{
    struct probe p;
    struct buf b;
    double begin;

    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append_text(&b, open), ERR_OK);
    while (b.len < 255 * 1024)
        assert_int_equal(buf_append_text(&b, piece), ERR_OK);
    open_probe(&p, &limits);
    assert_int_equal(feed_text(&p, HEADER), XML_OK);
    begin = cpu_s();
    assert_int_equal(drip(&p, buf_slice(&b)), verdict);
    assert_true(cpu_s() - begin < 2.0);
    close_probe(&p);
    buf_free(&b);
}

static void dripped_bytes_are_cheap(void **state)
{
    expect_cheap("<a>", "x", XML_OK);
    expect_cheap("<a>", "&lt;", XML_OK);
    expect_cheap("<a>", ">", XML_OK);
    expect_cheap("<a>", "<b cdef='>'/>", XML_OK);
    expect_cheap("<a>", "<b>", XML_TOO_BIG);
    expect_cheap("<a b='", "x", XML_TOO_BIG);
    expect_cheap("<a b='", ">", XML_TOO_BIG);
    expect_cheap("<a b='", "'  c='>", XML_TOO_BIG);
    expect_cheap("<a b=\"", "'>", XML_TOO_BIG);
    expect_cheap("<!--", "->", XML_TOO_BIG);
    expect_cheap("<?x", " >", XML_TOO_BIG);
    expect_cheap("<a>", "<![CDATA[>]]>", XML_OK);
    expect_cheap("<a><![CDATA[", "]>", XML_OK);
    expect_cheap("<a>&", "a", XML_TOO_BIG);
    expect_cheap("", " ", XML_OK);
}

struct sample {
    struct slice bytes;
    enum xml_verdict verdict;
};

#define S(text) SLICE(text)

/* Before a header, between elements, inside of one. */
static const struct sample samples[] = {
    {S("\xef\xbb\xbf" HEADER), XML_NOT_WELL_FORMED}, /* H06, H41 */
    {S("x"), XML_NOT_WELL_FORMED},
    {S("<!DOCTYPE a>"), XML_RESTRICTED},
    {S("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), XML_RESTRICTED},
    {S("<!-- x -->"), XML_RESTRICTED},
    {S("<?x y?>"), XML_RESTRICTED},
    {S("<?xml version='1.1'?>"), XML_NOT_WELL_FORMED},
    {S("<?xml version='1.0' encoding='ISO-8859-1'?>"), XML_BAD_ENCODING},
    {S(HEADER "x"), XML_NOT_WELL_FORMED},
    {S(HEADER "\xef\xbb\xbf<a/>"), XML_NOT_WELL_FORMED},
    {S(HEADER "<a/>&foo;"), XML_RESTRICTED},
    {S(HEADER "<![CDATA["), XML_NOT_WELL_FORMED},
    {S(HEADER "<a/><![CDATA[ ]]>"), XML_NOT_WELL_FORMED},
    {S(HEADER "<a>&foo;"), XML_RESTRICTED},
    {S(HEADER "<a b='&foo;'/>"), XML_RESTRICTED},
    {S(HEADER "<!-- x -->"), XML_RESTRICTED},
    {S(HEADER "<?x y?>"), XML_RESTRICTED},
    {S(HEADER "<a><!-- x -->"), XML_RESTRICTED},
    {S(HEADER "<a><?x y?>"), XML_RESTRICTED},
    {S(HEADER "<!DOCTYPE a>"), XML_NOT_WELL_FORMED},
    {S(HEADER "<a/><?xml version='1.0'?>"), XML_NOT_WELL_FORMED},
    {S(HEADER "<a>\xc0\xaf"), XML_BAD_ENCODING},
    {S(HEADER "<a>\xed\xa0\x80"), XML_BAD_ENCODING},
    {S(HEADER "<a>\xeb<>"), XML_BAD_ENCODING},
    {S(HEADER "\0"), XML_BAD_ENCODING},
    {S(HEADER "<a></b>"), XML_NOT_WELL_FORMED},
    {S(HEADER "<q:a/>"), XML_NOT_WELL_FORMED},
    {S(HEADER "</stream:stream>x"), XML_NOT_WELL_FORMED},
    {S(HEADER "</stream:stream><!-- -->"), XML_NOT_WELL_FORMED},
    {S(HEADER "<a>\xef\xbb\xbf</a>"), XML_OK},
};

static void streams_get_the_same_verdict_in_any_pieces(void **state)
{
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        enum xml_verdict whole;
        enum xml_verdict dripped;
        struct probe p;

        open_probe(&p, &limits);
        whole = feed(&p, samples[i].bytes);
        close_probe(&p);
        open_probe(&p, &limits);
        dripped = drip(&p, samples[i].bytes);
        close_probe(&p);
        if (whole != samples[i].verdict || dripped != samples[i].verdict)
            fail_msg("%s: %d and %d, not %d", samples[i].bytes.at, (int)whole,
                     (int)dripped, (int)samples[i].verdict);
    }
}

/* G13: a parser that stood in the old stream, and one that was reset. */
static void a_new_stream_begins_after_a_restart(void **state)
{
    struct probe p;

    open_probe(&p, &limits);
    assert_int_equal(feed_text(&p, HEADER "<a/>"), XML_OK);
    xml_stream_restart(p.s);
    buf_truncate(&p.e.text, 0);
    assert_int_equal(
        feed_text(&p, " \r\n<?xml version='1.0' encoding='utf-8'?>"
                      "<s:stream xmlns:s='http://etherx.jabber.org/streams' "
                      "xmlns='u'><a/></s:stream>"),
        XML_OK);
    expect(&p, "[http://etherx.jabber.org/streams|stream][u|a][/u|a]"
               "[/http://etherx.jabber.org/streams|stream]");
    xml_stream_restart(p.s);
    assert_int_equal(feed_text(&p, "<!DOCTYPE a><a/>"), XML_RESTRICTED);
    xml_stream_restart(p.s);
    assert_int_equal(feed_text(&p, HEADER "<a><b"), XML_OK);
    xml_stream_restart(p.s);
    assert_int_equal(feed_text(&p, HEADER "<a/>"), XML_OK);
    close_probe(&p);
}

static void a_restart_inside_a_handler_waits_for_feed(void **state)
{
    struct probe p;

    open_probe(&p, &limits);
    p.restart_at = 1;
    assert_int_equal(feed_text(&p, HEADER "<a/><b/>"), XML_OK);
    assert_int_equal(p.elements, 2);
    buf_truncate(&p.e.text, 0);
    assert_int_equal(feed_text(&p, "<s xmlns='v'><a/>"), XML_OK);
    expect(&p, "[v|s][v|a][/v|a]");
    close_probe(&p);
}

static void a_hold_stops_behind_the_element(void **state)
{
    static const char text[] = HEADER "<a/><b>\xc3\xa4</b>\xff\xfe";
    size_t used;
    struct probe p;

    open_probe(&p, &limits);
    p.hold_at = 1;
    assert_int_equal(xml_stream_feed(p.s, text, sizeof(HEADER) + 12, &used),
                     XML_OK);
    assert_int_equal(used, sizeof(HEADER "<a/>") - 1);
    assert_int_equal(p.elements, 1);
    p.hold_at = 2;
    assert_int_equal(
        xml_stream_feed(p.s, text + used, sizeof("<b>..</b>") - 1, &used),
        XML_OK);
    assert_int_equal(used, sizeof("<b>..</b>") - 1);
    assert_int_equal(p.elements, 2);
    assert_int_equal(feed_text(&p, "<c/></stream:stream>"), XML_OK);
    assert_int_equal(p.elements, 3);
    assert_int_equal(p.ended, 1);
    close_probe(&p);
}

static void a_stream_may_be_freed_by_its_handler(void **state)
{
    static const char text[] = HEADER "<a/><b/><c/>";
    size_t used = 0;
    struct probe p;

    open_probe(&p, &limits);
    p.free_at = 2;
    assert_int_equal(xml_stream_feed(p.s, text, sizeof(text) - 1, &used),
                     XML_STOPPED);
    assert_int_equal(p.elements, 2);
    p.s = NULL;
    close_probe(&p);
}

static enum err refuse(void *arg, const struct xml_tag *tag)
{
    struct probe *p = arg;

    return xml_stream_depth(p->s) == 2 ? ERR_CLOSED : ERR_OK;
}

static void a_handler_s_refusal_is_final(void **state)
{
    static const struct xml_handler refusing = {refuse, on_end, events_text};
    struct probe p = {.elements = 0};

    assert_int_equal(xml_stream_new(&p.s, pool, &limits, &refusing, &p),
                     ERR_OK);
    buf_init(&p.e.text, SIZE_MAX);
    assert_int_equal(feed_text(&p, HEADER "<a/>"), XML_STOPPED);
    assert_int_equal(p.elements, 0);
    assert_int_equal(feed_text(&p, "<b/>"), XML_STOPPED);
    close_probe(&p);
}

/* The verdict on text after the header, whole and byte by byte. */
static void expect_verdict(const struct xml_limits *tight, const char *header,
                           const char *text, enum xml_verdict verdict)
{
    struct probe p;

    open_probe(&p, tight);
    assert_int_equal(feed_text(&p, header), XML_OK);
    assert_int_equal(feed_text(&p, text), verdict);
    close_probe(&p);
    open_probe(&p, tight);
    assert_int_equal(feed_text(&p, header), XML_OK);
    assert_int_equal(drip(&p, slice_of(text)), verdict);
    close_probe(&p);
}

/* H09 */
static void limits_count_for_each_element(void **state)
{
    struct xml_limits tight = {20, 3, 3, 3, 8};

    expect_verdict(&tight, "<s xmlns='u'>", "<a>45678901234</a> <b/>", XML_OK);
    expect_verdict(&tight, "<s>", "<a>45678901234567</a>", XML_TOO_BIG);
    expect_verdict(&tight, "<s>", "<a>4567890123456</a>", XML_OK);
    expect_verdict(&tight, "<s>", "<a b='3456789012345'/>", XML_TOO_BIG);
    expect_verdict(&tight, "<s>", "<a b='34567890123'/>", XML_OK);
    expect_verdict(&tight, "<s>", "<a b='345678901234'/>", XML_TOO_BIG);
    expect_verdict(&tight, "<s>", "<a><b/></a><c/><d/>", XML_OK);
    expect_verdict(&tight, "<s>", "<a><b><c/></b></a>", XML_TOO_BIG);
    expect_verdict(&tight, "<s>", "<a><b/><b/></a>", XML_OK);
    expect_verdict(&tight, "<s>", "<a b='' c='' d=''/>", XML_OK);
    expect_verdict(&tight, "", "<s xmlns='12345678'>", XML_OK);
    expect_verdict(&tight, "", "<s xmlns='123456789'>", XML_TOO_BIG);
    expect_verdict(&tight, "", "<s x='12345678901234'>", XML_TOO_BIG);
    tight.bytes_max = 100;
    expect_verdict(&tight, "<s>", "<a><b/><b/><b/></a>", XML_TOO_BIG);
    expect_verdict(&tight, "<s>", "<a b='' c='' d='' e=''/>", XML_TOO_BIG);
    expect_verdict(&tight, "<s>", "<a123456789/>", XML_TOO_BIG);
}

static void login_lifts_the_limit(void **state)
{
    struct xml_limits tight = limits;
    struct probe p;

    tight.bytes_max = 20;
    open_probe(&p, &tight);
    assert_int_equal(feed_text(&p, "<s><a/>"), XML_OK);
    xml_stream_set_bytes_max(p.s, 40);
    assert_int_equal(feed_text(&p, "<a>4567890123456789012345678</a>"), XML_OK);
    xml_stream_set_bytes_max(p.s, 10);
    assert_int_equal(feed_text(&p, "<a>45678901"), XML_TOO_BIG);
    close_probe(&p);
}

/* A parser is shared by turns; the scope of one header must not leak into
 * the stream of another. */
static void streams_share_parsers_and_keep_their_scopes(void **state)
{
    struct probe a;
    struct probe b;

    open_probe(&a, &limits);
    open_probe(&b, &limits);
    assert_int_equal(feed_text(&a, "<s xmlns='u' xmlns:p='v&amp;&lt;'>"),
                     XML_OK);
    assert_int_equal(feed_text(&b, "<q:s xmlns:q='w' xmlns:p='x'>"), XML_OK);
    buf_truncate(&a.e.text, 0);
    buf_truncate(&b.e.text, 0);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(feed_text(&a, "<a><p:b/>"), XML_OK);
        assert_int_equal(feed_text(&b, "<a/><p:b><q:c/>"), XML_OK);
        assert_int_equal(feed_text(&a, "</a>"), XML_OK);
        assert_int_equal(feed_text(&b, "</p:b>"), XML_OK);
        expect(&a, "[u|a][v&<|b][/v&<|b][/u|a]");
        expect(&b, "[a][/a][x|b][w|c][/w|c][/x|b]");
        assert_int_equal(feed_text(&a, "<a/>"), XML_OK);
        assert_int_equal(feed_text(&b, "<a/>"), XML_OK);
        expect(&a, "[u|a][/u|a]");
        expect(&b, "[a][/a]");
    }
    assert_int_equal(feed_text(&a, "<q:a/>"), XML_NOT_WELL_FORMED);
    assert_int_equal(feed_text(&b, "</q:s>"), XML_OK);
    close_probe(&a);
    close_probe(&b);
}

static void streams_at_rest_hold_no_parser(void **state)
{
    struct probe probes[20];
    size_t before;

    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        open_probe(&probes[i], &limits);
        assert_int_equal(feed_text(&probes[i], HEADER "<a/> "), XML_OK);
    }
    before = xml_pool_bytes(pool);
    assert_true(before < 65536);
    for (size_t i = 0; i < COUNT_OF(probes); i++)
        assert_int_equal(feed_text(&probes[i], "<a>"), XML_OK);
    assert_true(xml_pool_bytes(pool) > before);
    for (size_t i = 0; i < COUNT_OF(probes); i++) {
        assert_int_equal(feed_text(&probes[i], "</a>"), XML_OK);
        close_probe(&probes[i]);
    }
    assert_true(xml_pool_bytes(pool) < 100000);
}

/* Anyone who can send messages to a user could fill a parser with names. */
static void distinct_names_are_forgotten(void **state)
{
    struct probe p;
    size_t highest = 0;

    open_probe(&p, &limits);
    assert_int_equal(feed_text(&p, HEADER), XML_OK);
    for (int i = 0; i < 200000; i++) {
        char text[64];

        /* The next element has always begun, so nothing ever rests. */
        snprintf(text, sizeof(text), "<n%d a%d=''/><n", i, i);
        assert_int_equal(feed_text(&p, text + (i == 0 ? 0 : 2)), XML_OK);
        buf_truncate(&p.e.text, 0);
        if (xml_pool_bytes(pool) > highest)
            highest = xml_pool_bytes(pool);
    }
    assert_int_equal(p.elements, 200000);
    assert_true(highest < 5 * 70000);
    close_probe(&p);
}

static void large_elements_cross_many_pieces(void **state)
{
    struct buf b;
    struct probe p;

    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append_text(&b, "<a>"), ERR_OK);
    while (b.len < 200000)
        assert_int_equal(buf_append_text(&b, "<b c='1'>\xe2\x82\xac</b>"),
                         ERR_OK);
    assert_int_equal(buf_append_text(&b, "</a>"), ERR_OK);
    open_probe(&p, &limits);
    assert_int_equal(feed_text(&p, HEADER), XML_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(feed(&p, buf_slice(&b)), XML_OK);
    assert_int_equal(p.elements, 3);
    assert_true(xml_pool_bytes(pool) < 65536 * 4);
    close_probe(&p);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_arrive_in_order),
        cmocka_unit_test(end_tag_must_be_the_header_s),
        cmocka_unit_test(every_split_is_delivered_at_once),
        cmocka_unit_test(dripped_bytes_are_cheap),
        cmocka_unit_test(streams_get_the_same_verdict_in_any_pieces),
        cmocka_unit_test(a_new_stream_begins_after_a_restart),
        cmocka_unit_test(a_restart_inside_a_handler_waits_for_feed),
        cmocka_unit_test(a_hold_stops_behind_the_element),
        cmocka_unit_test(a_stream_may_be_freed_by_its_handler),
        cmocka_unit_test(a_handler_s_refusal_is_final),
        cmocka_unit_test(limits_count_for_each_element),
        cmocka_unit_test(login_lifts_the_limit),
        cmocka_unit_test(streams_share_parsers_and_keep_their_scopes),
        cmocka_unit_test(streams_at_rest_hold_no_parser),
        cmocka_unit_test(distinct_names_are_forgotten),
        cmocka_unit_test(large_elements_cross_many_pieces),
    };

    return cmocka_run_group_tests_name("xml_read_stream", tests, set_up,
                                       tear_down);
}
