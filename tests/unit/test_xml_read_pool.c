/* Conformance H09; decision 37: how much memory parsers hold. */
#include "xmpp/xml_read.h"
#include "xmpp/xml_stream.h"

#include "xml_probe.h"

#include <stdio.h>

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
        cmocka_unit_test(limits_count_for_each_element),
        cmocka_unit_test(login_lifts_the_limit),
        cmocka_unit_test(streams_share_parsers_and_keep_their_scopes),
        cmocka_unit_test(streams_at_rest_hold_no_parser),
        cmocka_unit_test(distinct_names_are_forgotten),
        cmocka_unit_test(large_elements_cross_many_pieces),
    };

    return cmocka_run_group_tests_name("xml_read_pool", tests, set_up,
                                       tear_down);
}
