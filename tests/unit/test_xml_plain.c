/* Plain elements are read without expat, and as expat reads them.
 * Conformance H01-H10. */
#include "../../src/xmpp/xml_plain.h"

#include "xml_events.h"
#include "xmpp/xml_write.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define DECLARATION "<?xml version='1.0'?>"

static const struct xml_limits limits = {4000, 8, 12, 40, 100};

static struct xml_pool *pool;
static struct xml_plain *plain;

static int set_up(void **state)
{
    plain = xml_plain_new();
    return plain != NULL && xml_pool_new(&pool, 4) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    xml_pool_free(pool);
    xml_plain_free(plain);
    return 0;
}

static size_t read_one(struct slice bytes)
{
    size_t len = xml_plain_read(plain, bytes, NULL, 0, &limits);

    xml_plain_done(plain);
    return len;
}

/* The exact events of a document; the caller frees. */
static enum xml_verdict parse(const char *before, const char *text,
                              struct events *e)
{
    struct xml_limits wider = limits;
    struct buf bytes;
    enum xml_verdict verdict;

    wider.bytes_max += strlen(before);
    memset(e, 0, sizeof(*e));
    buf_init(&e->text, SIZE_MAX);
    e->is_exact = true;
    buf_init(&bytes, SIZE_MAX);
    assert_int_equal(buf_append_text(&bytes, before), ERR_OK);
    assert_int_equal(buf_append_text(&bytes, text), ERR_OK);
    verdict = xml_parse(pool, buf_slice(&bytes), &wider, &events_handler, e);
    buf_free(&bytes);
    return verdict;
}

/* With a declaration in front of it, expat reads the document. */
static enum xml_verdict expect_the_same(const char *text)
{
    struct events one;
    struct events other;
    enum xml_verdict verdict = parse("", text, &one);

    if (parse(DECLARATION, text, &other) != verdict)
        fail_msg("%s", text);
    if (verdict == XML_OK &&
        !slice_equal(buf_slice(&one.text), buf_slice(&other.text)))
        fail_msg("%s: %.*s, not %.*s", text, (int)one.text.len,
                 buf_at(&one.text), (int)other.text.len, buf_at(&other.text));
    buf_free(&one.text);
    buf_free(&other.text);
    return verdict;
}

static void what_is_plain_says_what_expat_says(void **state)
{
    static const char *const texts[] = {
        "<a/>",
        "<a></a>",
        "<a />",
        "<a\n\tb='c'\r\n/>",
        "<a>text</a>",
        "<a>a > b ]] ]> \"quoted\" 'too'\n\t\x7F</a>",
        "<a>&lt;&gt;&amp;&quot;&apos;</a>",
        "<a>one &amp; two&lt;three</a>",
        "<a b='c' d=\"e\"/>",
        "<a b='' c=\"it's\" d='say \"x\"'/>",
        "<a b='&lt;&gt;&amp;&quot;&apos;' c='x&amp;y'/>",
        "<a b='&amp;&amp;&quot;\"\"&amp;'/>",
        "<a b='x > y'/>",
        "<message xmlns='jabber:client' to='romeo@example.net/orchard' "
        "type='chat'><body>Wherefore art thou, Romeo?</body></message>",
        "<a xmlns='urn:x'><b xmlns=''/><b/><c xmlns='urn:y'><d/></c><e/></a>",
        "<p:a xmlns:p='urn:p'><p:b p:c='d' c='d'/></p:a>",
        "<a xmlns:p='urn:p'><b xmlns:p='urn:q'><p:c/></b><p:c/></a>",
        "<a xml:lang='en' xml:space='preserve'/>",
        "<body xmlns='http://jabber.org/protocol/httpbind' "
        "xmlns:xmpp='urn:xmpp:xbosh' xmpp:restart='true' rid='1'/>",
        "<a>\xC3\xA9 \xE2\x82\xAC \xF0\x9F\x98\x80</a>",
        "<a b='\xC3\xA9\xF0\x9F\x98\x80'/>",
        "<a>\xEF\xBC\xA1\xEF\xBF\xBD</a>",
        "<A-b.c_1 D-e.f_2='g'/>",
        "<a><b/>x<c/>y<d>z</d></a>",
        "<a> <b> </b> </a>",
    };

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (read_one(slice_of(texts[i])) != strlen(texts[i]))
            fail_msg("not taken: %s", texts[i]);
        assert_int_equal(expect_the_same(texts[i]), XML_OK);
    }
}

static const struct {
    const char *text;
    enum xml_verdict verdict;
} left[] = {
    {"<a><![CDATA[x]]></a>", XML_OK},
    {"<a>&#65;</a>", XML_OK},
    {"<a b='&#65;'/>", XML_OK},
    {"<a b='x\ty'/>", XML_OK},
    {"<a b='x\ny'/>", XML_OK},
    {"<a>x\r\ny</a>", XML_OK},
    {"<a b = 'c'/>", XML_OK},
    {"<a></a >", XML_OK},
    {"<\xC3\xA9/>", XML_OK},
    {"<a \xC3\xA9='x'/>", XML_OK},
    {"<a b='\xEF\xBC\xA1'/>", XML_OK},
    {"<a xmlns:xmlish='urn:x'/>", XML_OK},
    {"<a xmlns:xml='http://www.w3.org/XML/1998/namespace'/>", XML_OK},
    {"<xml:a/>", XML_OK},
    {"<a xmlns='urn:&amp;'/>", XML_OK},
    {"<a><!-- x --></a>", XML_RESTRICTED},
    {"<a><?x y?></a>", XML_RESTRICTED},
    {"<a>&x;</a>", XML_RESTRICTED},
    {"<a b='&x;'/>", XML_RESTRICTED},
    {"<a>]]></a>", XML_NOT_WELL_FORMED},
    {"<a>x]]>y</a>", XML_NOT_WELL_FORMED},
    {"<a>&</a>", XML_NOT_WELL_FORMED},
    {"<a>&am</a>", XML_NOT_WELL_FORMED},
    {"<a b='<'/>", XML_NOT_WELL_FORMED},
    {"<a b='c'd='e'/>", XML_NOT_WELL_FORMED},
    {"<a b=c/>", XML_NOT_WELL_FORMED},
    {"<a b/>", XML_NOT_WELL_FORMED},
    {"<a b='c\"/>", XML_NOT_WELL_FORMED},
    {"<a b='c' b='d'/>", XML_NOT_WELL_FORMED},
    {"<a xmlns='urn:x' xmlns='urn:y'/>", XML_NOT_WELL_FORMED},
    {"<a xmlns:p='urn:x' xmlns:q='urn:x' p:b='c' q:b='d'/>",
     XML_NOT_WELL_FORMED},
    {"<a xmlns:p=''/>", XML_NOT_WELL_FORMED},
    {"<a xmlns:xml='urn:x'/>", XML_NOT_WELL_FORMED},
    {"<a xmlns:xmlns='urn:x'/>", XML_NOT_WELL_FORMED},
    {"<a xmlns:p='http://www.w3.org/XML/1998/namespace'/>",
     XML_NOT_WELL_FORMED},
    {"<a xmlns='http://www.w3.org/2000/xmlns/'/>", XML_NOT_WELL_FORMED},
    {"<p:a/>", XML_NOT_WELL_FORMED},
    {"<a p:b='c'/>", XML_NOT_WELL_FORMED},
    {"<a xmlns:p='urn:p'><b/></a><p:c/>", XML_NOT_WELL_FORMED},
    {"<a><b xmlns:p='urn:p'/><p:c/></a>", XML_NOT_WELL_FORMED},
    {"<a:b:c xmlns:a='urn:a'/>", XML_NOT_WELL_FORMED},
    {"<:a/>", XML_NOT_WELL_FORMED},
    {"<a:/>", XML_NOT_WELL_FORMED},
    {"<1a/>", XML_NOT_WELL_FORMED},
    {"<-a/>", XML_NOT_WELL_FORMED},
    {"< a/>", XML_NOT_WELL_FORMED},
    {"<a/ >", XML_NOT_WELL_FORMED},
    {"<a></b>", XML_NOT_WELL_FORMED},
    {"<a></ab>", XML_NOT_WELL_FORMED},
    {"<ab></a>", XML_NOT_WELL_FORMED},
    {"<a xmlns:p='urn:x' xmlns:q='urn:x'><p:b></q:b></a>", XML_NOT_WELL_FORMED},
    {"<a><b></a></b>", XML_NOT_WELL_FORMED},
    {"<a>", XML_NOT_WELL_FORMED},
    {"<a", XML_NOT_WELL_FORMED},
    {"<", XML_NOT_WELL_FORMED},
    {"<a b='", XML_NOT_WELL_FORMED},
    {"<a>x", XML_NOT_WELL_FORMED},
    {"<a>\xEF\xBF\xBE</a>", XML_NOT_WELL_FORMED},
    {"<a>\xEF\xBF\xBF</a>", XML_NOT_WELL_FORMED},
    {"<a>\x01</a>", XML_NOT_WELL_FORMED},
    {"<a b='\x1F'/>", XML_NOT_WELL_FORMED},
    {"<a><b><c><d><e><f><g><h/></g></f></e></d></c></b></a>", XML_OK},
    {"<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>",
     XML_TOO_BIG},
    {"<a b='' c='' d='' e='' f='' g='' h='' i='' j='' k='' l='' m='' "
     "xmlns:o='urn:o'/>",
     XML_TOO_BIG},
};

static void what_is_not_plain_is_left_to_expat(void **state)
{
    for (size_t i = 0; i < COUNT_OF(left); i++) {
        size_t len = read_one(slice_of(left[i].text));

        if (len == strlen(left[i].text))
            fail_msg("taken: %s", left[i].text);
        if (expect_the_same(left[i].text) != left[i].verdict)
            fail_msg("%s", left[i].text);
    }
}

/* Every beginning of an element is incomplete, and what stands behind one is
 * not part of it. */
static void an_element_is_taken_whole_or_not_at_all(void **state)
{
    struct slice all = SLICE("<a b='c&amp;d' xmlns:p='urn:p'>x&lt;<p:e f='g'/>"
                             "<h>\xEF\xBC\xA1</h></a>");

    for (size_t len = 0; len < all.len; len++)
        assert_int_equal(read_one((struct slice){all.at, len}), 0);
    assert_int_equal(read_one(all), all.len);
    assert_int_equal(read_one(SLICE("<a/><b/>")), 4);
    assert_int_equal(read_one(SLICE("<a/>trailing")), 4);
}

static void names_resolve_in_the_root_around(void **state)
{
    static const struct xml_decl outer[] = {
        {SLICE("stream"), SLICE(NS_STREAMS)},
        {SLICE(""), SLICE("jabber:client")},
    };
    struct slice bytes = SLICE("<stream:features><x xmlns:stream='urn:y'>"
                               "<stream:z/></x></stream:features>");
    const struct xml_plain_event *e;
    size_t n;

    assert_int_equal(read_one(bytes), 0);
    assert_int_equal(xml_plain_read(plain, bytes, outer, 2, &limits),
                     bytes.len);
    e = xml_plain_events(plain, &n);
    assert_int_equal(n, 6);
    assert_true(slice_is(e[0].tag.name.ns, NS_STREAMS));
    assert_true(slice_is(e[0].tag.name.prefix, "stream"));
    assert_int_equal(e[0].tag.n_decls, 0);
    assert_true(slice_is(e[1].tag.name.ns, "jabber:client"));
    assert_true(slice_is(e[2].tag.name.ns, "urn:y"));
    assert_true(slice_is(e[3].name->ns, "urn:y"));
    assert_true(slice_is(e[5].name->ns, NS_STREAMS));
    xml_plain_done(plain);
}

/* The events of one element are there until they were played. */
static void one_element_is_read_at_a_time(void **state)
{
    assert_int_equal(xml_plain_read(plain, SLICE("<a/>"), NULL, 0, &limits), 4);
    assert_int_equal(xml_plain_read(plain, SLICE("<b/>"), NULL, 0, &limits), 0);
    xml_plain_done(plain);
    assert_int_equal(read_one(SLICE("<b/>")), 4);
}

/* Whatever there is no room for, expat has. */
static void large_elements_are_left_to_expat(void **state)
{
    static const struct xml_limits wide = {1000000, 64, 64, 25000, 1024};
    struct buf b;

    buf_init(&b, SIZE_MAX);
    for (int n = 1; n < 400; n++) {
        size_t len;

        buf_truncate(&b, 0);
        assert_int_equal(buf_append_text(&b, "<a>"), ERR_OK);
        for (int i = 0; i < n; i++)
            assert_int_equal(
                buf_append_text(&b, i % 2 == 0 ? "<b c='&lt;' d='e'>f</b>"
                                               : "&gt;<c xmlns='urn:c'/>"),
                ERR_OK);
        assert_int_equal(buf_append_text(&b, "</a>"), ERR_OK);
        len = xml_plain_read(plain, buf_slice(&b), NULL, 0, &wide);
        assert_true(len == 0 || len == b.len);
        assert_true(n > 30 || len == b.len);
        assert_true(n < 300 || len == 0);
        xml_plain_done(plain);
    }
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_plain_says_what_expat_says),
        cmocka_unit_test(what_is_not_plain_is_left_to_expat),
        cmocka_unit_test(an_element_is_taken_whole_or_not_at_all),
        cmocka_unit_test(names_resolve_in_the_root_around),
        cmocka_unit_test(one_element_is_read_at_a_time),
        cmocka_unit_test(large_elements_are_left_to_expat),
    };

    return cmocka_run_group_tests_name("xml_plain", tests, set_up, tear_down);
}
