/* Conformance H03, H06, H08, H41, G13; L21. */
#include "xmpp/xml_read.h"
#include "xmpp/xml_stream.h"

#include "xml_probe.h"

#include <stdio.h>
#include <time.h>

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

/* L21: expat would keep a tag that is split back until more
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

#define S(text) SLICE(text)

/* What a parser could hold back at the end of a piece, or a lexer of ours could
 * take for an end. */
static const struct slice awkward[] = {
    S("<a>]</a>"),
    S("<a>]]</a>"),
    S("<a>]]]</a>"),
    S("<a>]x]]y]</a>"),
    S("<a>\r</a>"),
    S("<a>\r\n\r</a>"),
    S("<a>x\xc3\xa4</a>"),
    S("<a>\xe2\x82\xac</a>"),
    S("<a>\xf0\x9f\x98\x80</a>"),
    S("<a b='\xf0\x9f\x98\x80\r\n'/>"),
    S("<a><![CDATA[]]></a>"),
    S("<a><![CDATA[]]]]></a>"),
    S("<a><![CDATA[]]]]]></a>"),
    S("<a><![CDATA[]]x]]></a>"),
    S("<a><![CDATA[\r]]></a>"),
    S("<a><![CDATA[</a>]]>\xc3\xa4</a>"),
    S("<a><![CDATA[<!-- ?>]]>-</a>"),
    S("<a>&#65;&#x42;&amp;</a>"),
    S("<a>]&gt;]]&gt;</a>"),
    S("<a b='>' c=\">'>\">'\"</a>"),
    S("<a b='/'></a>"),
    S("<a b='&gt;' />"),
    S("<a ><b\n/></a\t>"),
    S("<a/>"),
    S("<a>>/></a>"),
};

/* Each as part of the stream of one parser, and between two splits. */
static void awkward_pieces_are_delivered_at_once(void **state)
{
    for (size_t i = 0; i < COUNT_OF(awkward); i++) {
        struct slice all = awkward[i];
        struct buf want;
        struct probe p;

        open_probe(&p, &limits);
        assert_int_equal(feed_text(&p, HEADER), XML_OK);
        buf_truncate(&p.e.text, 0);
        assert_int_equal(feed(&p, all), XML_OK);
        buf_take(&want, &p.e.text);
        for (size_t a = 0; a <= all.len; a++) {
            for (size_t b = a; b <= all.len; b++) {
                p.elements = 0;
                buf_truncate(&p.e.text, 0);
                assert_int_equal(feed(&p, (struct slice){all.at, a}), XML_OK);
                assert_int_equal(feed(&p, (struct slice){all.at + a, b - a}),
                                 XML_OK);
                assert_int_equal(p.elements, b == all.len);
                assert_int_equal(
                    feed(&p, (struct slice){all.at + b, all.len - b}), XML_OK);
                assert_int_equal(p.elements, 1);
                assert_true(
                    slice_equal(buf_slice(&p.e.text), buf_slice(&want)));
            }
        }
        buf_truncate(&p.e.text, 0);
        assert_int_equal(drip(&p, all), XML_OK);
        assert_true(slice_equal(buf_slice(&p.e.text), buf_slice(&want)));
        buf_free(&want);
        close_probe(&p);
    }
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
    uint64_t fed;

    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append_text(&b, open), ERR_OK);
    while (b.len < 255 * 1024)
        assert_int_equal(buf_append_text(&b, piece), ERR_OK);
    open_probe(&p, &limits);
    assert_int_equal(feed_text(&p, HEADER), XML_OK);
    begin = cpu_s();
    fed = xml_pool_fed_bytes(pool);
    assert_int_equal(drip(&p, buf_slice(&b)), verdict);
    assert_true(cpu_s() - begin < 2.0);
    /* Once, and what primes the parser. */
    assert_true(xml_pool_fed_bytes(pool) - fed <= b.len + sizeof(HEADER));
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
    expect_cheap("<!--", "->", XML_RESTRICTED);
    expect_cheap("<?x", " >", XML_RESTRICTED);
    expect_cheap("<a>", "<![CDATA[>]]>", XML_OK);
    expect_cheap("<a><![CDATA[", "]>", XML_OK);
    expect_cheap("<a>&", "a", XML_TOO_BIG);
    expect_cheap("", " ", XML_OK);
}

struct sample {
    struct slice bytes;
    enum xml_verdict verdict;
};

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
    {S(HEADER "\0"), XML_NOT_WELL_FORMED},
    {S(HEADER "<a>b\0"), XML_NOT_WELL_FORMED},
    {S("\0"), XML_NOT_WELL_FORMED},
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
    static const struct xml_handler refusing = {
        .start = refuse, .end = probe_end, .text = events_text};
    struct probe p = {.elements = 0};

    assert_int_equal(xml_stream_new(&p.s, pool, &limits, &refusing, &p),
                     ERR_OK);
    buf_init(&p.e.text, SIZE_MAX);
    assert_int_equal(feed_text(&p, HEADER "<a/>"), XML_STOPPED);
    assert_int_equal(p.elements, 0);
    assert_int_equal(feed_text(&p, "<b/>"), XML_STOPPED);
    close_probe(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_arrive_in_order),
        cmocka_unit_test(end_tag_must_be_the_header_s),
        cmocka_unit_test(every_split_is_delivered_at_once),
        cmocka_unit_test(awkward_pieces_are_delivered_at_once),
        cmocka_unit_test(dripped_bytes_are_cheap),
        cmocka_unit_test(streams_get_the_same_verdict_in_any_pieces),
        cmocka_unit_test(a_new_stream_begins_after_a_restart),
        cmocka_unit_test(a_restart_inside_a_handler_waits_for_feed),
        cmocka_unit_test(a_hold_stops_behind_the_element),
        cmocka_unit_test(a_stream_may_be_freed_by_its_handler),
        cmocka_unit_test(a_handler_s_refusal_is_final),
    };

    return cmocka_run_group_tests_name("xml_stream", tests, set_up, tear_down);
}
