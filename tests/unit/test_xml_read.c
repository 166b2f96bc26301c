/* Conformance H01-H09, H40, H41, G13; L21. */
#include "xmpp/xml_read.h"

#include "xml_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#define LIMITS                                                                 \
    {                                                                          \
        262144, XML_DEPTH_MAX, XML_ATTRS_MAX, XML_ELEMENTS_MAX,                \
            XML_NAME_MAX_BYTES                                                 \
    }

static const struct xml_limits limits = LIMITS;

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

/* The events of a document; the caller frees. */
static enum xml_verdict parse(struct slice bytes, struct events *e)
{
    memset(e, 0, sizeof(*e));
    buf_init(&e->text, SIZE_MAX);
    return xml_parse(pool, bytes, &limits, &events_handler, e);
}

static enum xml_verdict verdict_of(struct slice bytes)
{
    struct events e;
    enum xml_verdict verdict = parse(bytes, &e);

    buf_free(&e.text);
    return verdict;
}

static void expect_text(struct buf *b, const char *text)
{
    assert_int_equal(buf_append(b, "", 1), ERR_OK);
    assert_string_equal(buf_at(b), text);
    buf_truncate(b, b->len - 1);
}

static void expect_events(struct slice bytes, const char *text)
{
    struct events e;

    assert_int_equal(parse(bytes, &e), XML_OK);
    expect_text(&e.text, text);
    buf_free(&e.text);
}

/* --- Whole documents ------------------------------------------------------ */

struct sample {
    struct slice bytes;
    enum xml_verdict verdict;
};

#define S(text) SLICE(text)

/* Whatever expat accepts by itself, and what it does not. */
static const struct sample samples[] = {
    {S("<a>\xc3\xa9</a>"), XML_OK},
    {S("<a>\xc0\xaf</a>"), XML_BAD_ENCODING},
    {S("<a>\xc0\xbc</a>"), XML_BAD_ENCODING},
    {S("<a>\xe0\x80\xbc</a>"), XML_BAD_ENCODING},
    {S("<a>\xed\xa0\x80</a>"), XML_BAD_ENCODING},
    {S("<a>\xeb<></a>"), XML_BAD_ENCODING},
    {S("<a\xeb<>/>"), XML_BAD_ENCODING},
    {S("<a\xeb\xbc>\x3e</a>"), XML_BAD_ENCODING},
    {S("<a>\xf4\x90\x80\x80</a>"), XML_BAD_ENCODING},
    {S("<a>\xf5\x80\x80\x80</a>"), XML_BAD_ENCODING},
    {S("<a/>\xc3"), XML_BAD_ENCODING},
    {S("<a>\xef\xbf\xbe</a>"), XML_NOT_WELL_FORMED},
    {S("<a>\xef\xbf\xbf</a>"), XML_NOT_WELL_FORMED},
    {S("<a b='\xef\xbf\xbf'/>"), XML_NOT_WELL_FORMED},
    {S("<a>&#xFFFE;</a>"), XML_NOT_WELL_FORMED},
    {S("<a>&#xFFFF;</a>"), XML_NOT_WELL_FORMED},
    {S("<a>&#xD800;</a>"), XML_NOT_WELL_FORMED},
    {S("<a>&#0;</a>"), XML_NOT_WELL_FORMED},
    {S("<a>&#1;</a>"), XML_NOT_WELL_FORMED},
    {S("<a>&#x110000;</a>"), XML_NOT_WELL_FORMED},
    {S("<a>\x01</a>"), XML_NOT_WELL_FORMED},
    {S("<a>\0</a>"), XML_NOT_WELL_FORMED},
    {S("\0"), XML_NOT_WELL_FORMED},
    {S("<a b='\0'/>"), XML_NOT_WELL_FORMED},
    {S("<a\0/>"), XML_NOT_WELL_FORMED},
    {S("<a/>\0"), XML_NOT_WELL_FORMED},
    {S("<a>\0\xc0\xaf</a>"), XML_BAD_ENCODING},
    {S("<a>\x7f\xc2\x85</a>"), XML_OK},
    {S("<a>\xf0\x9f\xbf\xbe</a>"), XML_OK},
    {S("\xef\xbb\xbf<a/>"), XML_OK},
    {S("\xef\xbb\xbf\xef\xbb\xbf<a/>"), XML_NOT_WELL_FORMED},
    {S("\xef\xbb\xbf"), XML_NOT_WELL_FORMED},
    {S("\xff\xfe<\0a\0/\0>\0"), XML_BAD_ENCODING},
    {S("<\0a\0/\0>\0"), XML_BAD_ENCODING},
    {S("\0<\0a\0/\0>"), XML_BAD_ENCODING},
    {S("<?xml version='1.0' encoding='iso-8859-1'?><a>\xe9</a>"),
     XML_BAD_ENCODING},
    {S("<?xml version='1.0' encoding='iso-8859-1'?><a/>"), XML_BAD_ENCODING},
    {S("<?xml version='1.0' encoding='us-ascii'?><a/>"), XML_BAD_ENCODING},
    {S("<?xml version='1.0' encoding='utf-16'?><a/>"), XML_BAD_ENCODING},
    {S("<?xml version='1.0' encoding='foo'?><a/>"), XML_BAD_ENCODING},
    {S("<?xml version='1.1'?><a/>"), XML_NOT_WELL_FORMED},
    {S("<?xml version='1.0'?><a/>"), XML_OK},
    {S("<?xml version='1.0' encoding='utf-8' standalone='no'?>\n<a/>\n"),
     XML_OK},
    {S("\xef\xbb\xbf<?xml version='1.0' encoding='UTF-8'?><a/>"), XML_OK},
    {S(" <?xml version='1.0'?><a/>"), XML_NOT_WELL_FORMED},
    {S("<a><?xml version='1.0'?></a>"), XML_NOT_WELL_FORMED},
    {S(" \t\r\n<a/> \t\r\n"), XML_OK},
    {S("<!DOCTYPE a><a/>"), XML_RESTRICTED},
    {S("<!DOCTYPE a SYSTEM 'x'><a>&foo;</a>"), XML_RESTRICTED},
    {S("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>"), XML_RESTRICTED},
    {S("<!DOCTYPE a [<!ENTITY b 'c'>]><a d='&b;'/>"), XML_RESTRICTED},
    {S("<!DOCTYPE a [<!ENTITY % p SYSTEM 'x'>%p;]><a/>"), XML_RESTRICTED},
    {S("<a>&foo;</a>"), XML_RESTRICTED},
    {S("<a b='&foo;'/>"), XML_RESTRICTED},
    {S("<a>&lt;&gt;&amp;&quot;&apos;&#65;&#x42;</a>"), XML_OK},
    {S("<a><?x y?></a>"), XML_RESTRICTED},
    {S("<?x y?><a/>"), XML_RESTRICTED},
    {S("<a/><?x y?>"), XML_RESTRICTED},
    {S("<a><!-- </a><b> --></a>"), XML_RESTRICTED},
    {S("<!-- x --><a/>"), XML_RESTRICTED},
    {S("<a/><!-- x -->"), XML_RESTRICTED},
    {S("<a><![CDATA[</a><b>]]></a>"), XML_OK},
    {S("<a>]]></a>"), XML_NOT_WELL_FORMED},
    {S("<a b='x>y' c=\"'\"/>"), XML_OK},
    {S("<a b='x<y'/>"), XML_NOT_WELL_FORMED},
    {S("<a xmlns='x\x01y'/>"), XML_NOT_WELL_FORMED},
    {S("<a xmlns='x&#1;y'/>"), XML_NOT_WELL_FORMED},
    {S("<a b='1' b='2'/>"), XML_NOT_WELL_FORMED},
    {S("<a xmlns:p='u' xmlns:q='u' p:b='1' q:b='2'/>"), XML_NOT_WELL_FORMED},
    {S("<p:a/>"), XML_NOT_WELL_FORMED},
    {S("<a p:b=''/>"), XML_NOT_WELL_FORMED},
    {S("<a xmlns:xml='urn:x'/>"), XML_NOT_WELL_FORMED},
    {S("<a xmlns:p=''/>"), XML_NOT_WELL_FORMED},
    {S("<a:b:c xmlns:a='u'/>"), XML_NOT_WELL_FORMED},
    {S("<a/>xx"), XML_NOT_WELL_FORMED},
    {S("<a/><b/>"), XML_NOT_WELL_FORMED},
    {S("</d><d>"), XML_NOT_WELL_FORMED},
    {S("<a/></d>"), XML_NOT_WELL_FORMED},
    {S("<a/></d><d>"), XML_NOT_WELL_FORMED},
    {S("<a></d></a>"), XML_NOT_WELL_FORMED},
    {S("<d/>"), XML_OK},
    {S("<d></d>"), XML_OK},
    {S("<a/>&#32;"), XML_NOT_WELL_FORMED},
    {S("<a/>&amp;"), XML_NOT_WELL_FORMED},
    {S("<a/>&#32;<b/>"), XML_NOT_WELL_FORMED},
    {S("<a/>&foo;"), XML_NOT_WELL_FORMED},
    {S("<a/><![CDATA[]]>"), XML_NOT_WELL_FORMED},
    {S("<a/> <"), XML_NOT_WELL_FORMED},
    {S("<a/><b"), XML_NOT_WELL_FORMED},
    {S("<a/><!-"), XML_NOT_WELL_FORMED},
    {S("<a/>]]>"), XML_NOT_WELL_FORMED},
    {S("<a/>]]"), XML_NOT_WELL_FORMED},
    {S("<a/><!DOCTYPE a>"), XML_NOT_WELL_FORMED},
    {S("<a/>\r"), XML_OK},
    {S("<"), XML_NOT_WELL_FORMED},
    {S("<>"), XML_NOT_WELL_FORMED},
    {S("<a>"), XML_NOT_WELL_FORMED},
    {S("<a></b>"), XML_NOT_WELL_FORMED},
    {S("<a"), XML_NOT_WELL_FORMED},
    {S(""), XML_NOT_WELL_FORMED},
    {S("   "), XML_NOT_WELL_FORMED},
    {S("x<a/>"), XML_NOT_WELL_FORMED},
};

/* H01, H03, H05, H06, H07, H08 */
static void documents_get_their_verdict(void **state)
{
    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        enum xml_verdict verdict = verdict_of(samples[i].bytes);

        if (verdict != samples[i].verdict)
            fail_msg("%.*s: %d, not %d", (int)samples[i].bytes.len,
                     samples[i].bytes.at, (int)verdict,
                     (int)samples[i].verdict);
    }
}

/* There are two ways to read a document: only one of them knows prologs. */
static void a_declaration_changes_no_verdict(void **state)
{
    static const char declaration[] = "<?xml version='1.0'?>";

    for (size_t i = 0; i < COUNT_OF(samples); i++) {
        struct slice bytes = samples[i].bytes;
        struct buf with;
        enum xml_verdict verdict;

        if (bytes.len == 0 || bytes.at[0] != '<' || bytes.at[1] == '?')
            continue;
        buf_init(&with, SIZE_MAX);
        assert_int_equal(buf_append_text(&with, declaration), ERR_OK);
        assert_int_equal(buf_append_slice(&with, bytes), ERR_OK);
        verdict = verdict_of(buf_slice(&with));
        if (verdict != samples[i].verdict)
            fail_msg("%.*s: %d, not %d", (int)with.len, buf_at(&with),
                     (int)verdict, (int)samples[i].verdict);
        buf_free(&with);
    }
}

/* A reset parser has lost its handlers: the order of documents must not
 * matter. */
static void restrictions_outlive_a_reset(void **state)
{
    for (int i = 0; i < 3; i++) {
        assert_int_equal(verdict_of(S("<a>x</a>")), XML_OK);
        assert_int_equal(verdict_of(S("<!DOCTYPE a><a/>")), XML_RESTRICTED);
        assert_int_equal(verdict_of(S("<a><!-- --></a>")), XML_RESTRICTED);
        assert_int_equal(verdict_of(S("<a><?x y?></a>")), XML_RESTRICTED);
        assert_int_equal(
            verdict_of(S("<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>")),
            XML_RESTRICTED);
        expect_events(S("<p:a xmlns:p='u' p:b='c'/>"), "[u|a u|b=c][/u|a]");
    }
}

static void names_arrive_resolved(void **state)
{
    expect_events(S("<a xmlns='u' xmlns:p='v' b='1' p:b='2' xml:lang='de'>"
                    "<b/><p:b/><c xmlns=''/></a>"),
                  "[u|a b=1 http://www.w3.org/XML/1998/namespace|lang=de "
                  "v|b=2][u|b][/u|b][v|b][/v|b][c][/c][/u|a]");
    expect_events(S("<a xmlns=''/>"), "[a][/a]");
}

static enum err check_tag(void *arg, const struct xml_tag *tag)
{
    int *n = arg;

    ++*n;
    if (*n > 1) {
        assert_int_equal(tag->n_decls, 0);
        return ERR_OK;
    }
    assert_true(slice_is(tag->name.ns, "u"));
    assert_true(slice_is(tag->name.local, "a"));
    assert_true(slice_is(tag->name.prefix, "p"));
    assert_int_equal(tag->n_decls, 3);
    assert_true(slice_is(tag->decls[0].prefix, "p"));
    assert_true(slice_is(tag->decls[0].uri, "u"));
    assert_true(slice_is(tag->decls[1].prefix, ""));
    assert_true(slice_is(tag->decls[1].uri, ""));
    assert_true(slice_is(tag->decls[2].prefix, "q"));
    assert_true(slice_is(tag->decls[2].uri, "v&w"));
    assert_int_equal(tag->n_attrs, 2);
    assert_true(slice_is(tag->attrs[0].name.prefix, "q"));
    assert_true(slice_is(tag->attrs[1].name.prefix, ""));
    assert_true(slice_is(tag->attrs[1].value, "2"));
    return ERR_OK;
}

static enum err ignore_end(void *arg, const struct xml_name *name)
{
    return ERR_OK;
}

static enum err ignore_text(void *arg, struct slice text)
{
    return ERR_OK;
}

static void declarations_stand_beside_the_attributes(void **state)
{
    static const struct xml_handler handler = {
        .start = check_tag, .end = ignore_end, .text = ignore_text};
    int n = 0;

    assert_int_equal(xml_parse(pool,
                               S("<p:a xmlns:p='u' q:b='1' xmlns='' "
                                 "xmlns:q='v&amp;w' c='2'><d/></p:a>"),
                               &limits, &handler, &n),
                     XML_OK);
    assert_int_equal(n, 2);
}

/* H07, H11 */
static void text_is_joined_and_normalised(void **state)
{
    expect_events(S("<a>1<![CDATA[<&>]]>2&lt;\r\n&#13;3</a>"),
                  "[a]1<&>2<\n\r3[/a]");
    expect_events(S("<a b='x\ny&#10;z\tq&#13;'/>"), "[a b=x y\nz q\r][/a]");
}

static enum err refuse_text(void *arg, struct slice text)
{
    return ERR_LIMIT;
}

static void handler_stops_the_parser(void **state)
{
    static const struct xml_handler handler = {
        .start = check_tag, .end = ignore_end, .text = refuse_text};
    int n = 1;

    assert_int_equal(
        xml_parse(pool, S("<a><b/>x<c/></a>"), &limits, &handler, &n),
        XML_STOPPED);
    assert_int_equal(n, 3);
}

static void verdicts_name_stream_errors(void **state)
{
    assert_string_equal(xml_verdict_condition(XML_OK), "");
    assert_string_equal(xml_verdict_condition(XML_NOT_WELL_FORMED),
                        "not-well-formed");
    assert_string_equal(xml_verdict_condition(XML_RESTRICTED),
                        "restricted-xml");
    assert_string_equal(xml_verdict_condition(XML_BAD_ENCODING),
                        "unsupported-encoding");
    assert_string_equal(xml_verdict_condition(XML_TOO_BIG), "policy-violation");
    assert_string_equal(xml_verdict_condition(XML_NOMEM),
                        "resource-constraint");
}

static enum xml_verdict within(struct xml_limits tight, const char *text)
{
    struct events e = {.has_failed = false};
    enum xml_verdict verdict;

    buf_init(&e.text, SIZE_MAX);
    verdict = xml_parse(pool, slice_of(text), &tight, &events_handler, &e);
    buf_free(&e.text);
    return verdict;
}

/* H09 */
static void each_limit_is_reached(void **state)
{
    struct xml_limits tight = {20, 3, 3, 4, 5};

    assert_int_equal(within(tight, "<a>3456789012345</a>"), XML_OK);
    assert_int_equal(within(tight, "<a>34567890123456</a>"), XML_TOO_BIG);
    tight.bytes_max = 1000;
    assert_int_equal(within(tight, "<a><b><c/></b></a>"), XML_OK);
    assert_int_equal(within(tight, "<a><b><c><d/></c></b></a>"), XML_TOO_BIG);
    assert_int_equal(within(tight, "<a><b/><b/><b/></a>"), XML_OK);
    assert_int_equal(within(tight, "<a><b/><b/><b/><b/></a>"), XML_TOO_BIG);
    assert_int_equal(within(tight, "<a b='' c='' d=''/>"), XML_OK);
    assert_int_equal(within(tight, "<a b='' c='' d='' e=''/>"), XML_TOO_BIG);
    assert_int_equal(within(tight, "<a b='' c='' xmlns='d'/>"), XML_OK);
    assert_int_equal(within(tight, "<a b='' c='' d='' xmlns='d'/>"),
                     XML_TOO_BIG);
    assert_int_equal(within(tight, "<a xmlns:b='' xmlns:c='u' xmlns:d='u' "
                                   "xmlns:e='u'/>"),
                     XML_NOT_WELL_FORMED);
    assert_int_equal(within(tight, "<a xmlns='u' xmlns:c='u' xmlns:d='u' "
                                   "xmlns:e='u'/>"),
                     XML_TOO_BIG);
    assert_int_equal(within(tight, "<abcde/>"), XML_OK);
    assert_int_equal(within(tight, "<abcdef/>"), XML_TOO_BIG);
    assert_int_equal(within(tight, "<a abcdef=''/>"), XML_TOO_BIG);
    assert_int_equal(within(tight, "<a xmlns:abcdef='u'/>"), XML_TOO_BIG);
    assert_int_equal(within(tight, "<a xmlns='abcdef'/>"), XML_TOO_BIG);
}

/* H09: so that a client can be told. */
static void pool_says_which_limit_it_was(void **state)
{
    static const struct {
        const char *text;
        enum xml_limit limit;
    } rows[] = {
        {"<a>34567890123456789012345678901234567</a>", XML_LIMIT_BYTES},
        {"<a><b><c><d/></c></b></a>", XML_LIMIT_DEPTH},
        {"<a><b/><b/><b/><b/></a>", XML_LIMIT_COUNT},
        {"<a b='' c='' d='' e=''/>", XML_LIMIT_ATTRS},
        {"<?xml version='1.0'?><abcdef/>", XML_LIMIT_NAME},
        {"<a xmlns='abcdef'/>", XML_LIMIT_NAME},
    };
    const struct xml_limits tight = {40, 3, 3, 4, 5};

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        assert_int_equal(within(tight, rows[i].text), XML_TOO_BIG);
        assert_int_equal(xml_pool_limit(pool), rows[i].limit);
    }
    assert_null(xml_limit_text(XML_LIMIT_BYTES));
    assert_null(xml_limit_text(XML_LIMIT_OUTPUT));
    assert_string_equal(xml_limit_text(XML_LIMIT_ATTRS),
                        "above 64 attributes in a tag");
}

static void memory_of_a_large_document_is_given_back(void **state)
{
    struct buf b;

    buf_init(&b, SIZE_MAX);
    assert_int_equal(buf_append_text(&b, "<a>"), ERR_OK);
    for (int i = 0; i < 15000; i++) {
        char name[32];

        snprintf(name, sizeof(name), "<n%d/>", i);
        assert_int_equal(buf_append_text(&b, name), ERR_OK);
    }
    assert_int_equal(buf_append_text(&b, "</a>"), ERR_OK);
    assert_int_equal(verdict_of(buf_slice(&b)), XML_OK);
    assert_true(xml_pool_bytes(pool) < 65536);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(documents_get_their_verdict),
        cmocka_unit_test(a_declaration_changes_no_verdict),
        cmocka_unit_test(restrictions_outlive_a_reset),
        cmocka_unit_test(names_arrive_resolved),
        cmocka_unit_test(declarations_stand_beside_the_attributes),
        cmocka_unit_test(text_is_joined_and_normalised),
        cmocka_unit_test(handler_stops_the_parser),
        cmocka_unit_test(verdicts_name_stream_errors),
        cmocka_unit_test(each_limit_is_reached),
        cmocka_unit_test(pool_says_which_limit_it_was),
        cmocka_unit_test(memory_of_a_large_document_is_given_back),
    };

    return cmocka_run_group_tests_name("xml_read", tests, set_up, tear_down);
}
