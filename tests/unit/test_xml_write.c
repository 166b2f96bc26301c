/* Conformance H10-H12, H22, H30-H36; H10-H12. */
#include "xmpp/xml_write.h"

#include "xml_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct xml_limits limits = {262144, XML_SERVER_DEPTH_MAX + 10,
                                         XML_ATTRS_MAX, XML_ELEMENTS_MAX,
                                         XML_NAME_MAX_BYTES};

static struct xml_pool *pool;
static struct xml_writer *writer;

static int set_up(void **state)
{
    if (xml_pool_new(&pool, 2) != ERR_OK || xml_writer_new(&writer) != ERR_OK)
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    xml_writer_free(writer);
    xml_pool_free(pool);
    return 0;
}

/* Writes what stands below `skip` levels of the document. */
struct copy {
    unsigned skip;
    unsigned depth;
    enum err err;
};

static enum err on_start(void *arg, const struct xml_tag *tag)
{
    struct copy *c = arg;

    if (c->depth++ >= c->skip)
        c->err = xml_writer_start(writer, tag, NULL, 0);
    return c->err;
}

static enum err on_end(void *arg, const struct xml_name *name)
{
    struct copy *c = arg;

    if (--c->depth >= c->skip)
        c->err = xml_writer_end(writer);
    return c->err;
}

static enum err on_text(void *arg, struct slice text)
{
    struct copy *c = arg;

    if (c->depth > c->skip)
        c->err = xml_writer_text(writer, text);
    return c->err;
}

static const struct xml_handler copying = {
    .start = on_start, .end = on_end, .text = on_text};

static enum err copy(struct slice in, unsigned skip, const char *default_ns,
                     struct buf *out)
{
    struct copy c = {.skip = skip};
    enum xml_verdict verdict;

    xml_writer_begin(writer, out, default_ns);
    verdict = xml_parse(pool, in, &limits, &copying, &c);
    if (verdict != XML_OK)
        assert_int_equal(verdict, XML_STOPPED);
    return c.err;
}

static void events_of(struct slice s, struct events *e)
{
    memset(e, 0, sizeof(*e));
    buf_init(&e->text, SIZE_MAX);
    assert_int_equal(xml_parse(pool, s, &limits, &events_handler, e), XML_OK);
}

static void expect_slice(struct slice got, const char *want)
{
    if (!slice_is(got, want))
        fail_msg("got  %.*s\nwant %s", (int)got.len, got.at, want);
}

/* Writes in, which must give want, say the same, and stay so. */
static void expect_copy(const char *in, const char *want)
{
    struct buf first;
    struct buf second;
    struct events before;
    struct events after;

    buf_init(&first, SIZE_MAX);
    buf_init(&second, SIZE_MAX);
    assert_int_equal(copy(slice_of(in), 0, "", &first), ERR_OK);
    expect_slice(buf_slice(&first), want);
    assert_int_equal(copy(buf_slice(&first), 0, "", &second), ERR_OK);
    expect_slice(buf_slice(&second), want);

    events_of(slice_of(in), &before);
    events_of(buf_slice(&first), &after);
    assert_true(slice_equal(buf_slice(&before.text), buf_slice(&after.text)));
    buf_free(&first);
    buf_free(&second);
    buf_free(&before.text);
    buf_free(&after.text);
}

/* Writes the only child of a wrapper into a scope. */
static void expect_child(const char *in, const char *default_ns,
                         const char *want)
{
    struct buf out;

    buf_init(&out, SIZE_MAX);
    assert_int_equal(copy(slice_of(in), 1, default_ns, &out), ERR_OK);
    expect_slice(buf_slice(&out), want);
    buf_free(&out);
}

/* E10: what was sent as short as it can be does not grow on its way. */
static void what_need_not_be_escaped_is_not(void **state)
{
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"<a b=\"it's\"/>", "<a b=\"it's\"/>"},
        {"<a b=\"\"/>", "<a b=\"\"/>"},
        {"<a b='\"\"\"\"'/>", "<a b='\"\"\"\"'/>"},
        {"<a b='\"&apos;'/>", "<a b=\"&quot;'\"/>"},
        {"<a b='\"\"&apos;'/>", "<a b='\"\"&apos;'/>"},
        {"<a b='>>>'/>", "<a b=\">>>\"/>"},
        {"<a b=']]>'/>", "<a b=\"]]>\"/>"},
        {"<a>>>></a>", "<a>>>></a>"},
        {"<a>]></a>", "<a>]></a>"},
        {"<a>] ]></a>", "<a>] ]></a>"},
        {"<a>'\"'\"</a>", "<a>'\"'\"</a>"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        expect_copy(rows[i].in, rows[i].out);
        assert_true(strlen(rows[i].out) <= strlen(rows[i].in));
        expect_copy(rows[i].out, rows[i].out);
    }
}

/* XML 1.0 section 2.4: `]]>` may not stand in text, of whatever pieces. */
static void end_of_cdata_never_stands_in_text(void **state)
{
    expect_copy("<a>]]&gt;</a>", "<a>]]&gt;</a>");
    expect_copy("<a>]]]]&gt;&gt;></a>", "<a>]]]]&gt;>></a>");
    expect_copy("<a>&#93;]&#62;</a>", "<a>]]&gt;</a>");
    expect_copy("<a>]&#93;<![CDATA[>]]></a>", "<a>]]&gt;</a>");
    expect_copy("<a><![CDATA[]]]]><![CDATA[>]]></a>", "<a>]]&gt;</a>");
    expect_copy("<a>]]<b/>></a>", "<a>]]<b/>></a>");
}

/* H11; what an XML parser would change by itself is a reference. */
static void data_is_escaped(void **state)
{
    expect_copy("<a b='&lt;&gt;&amp;&quot;&apos;&#9;&#10;&#13;\"'/>",
                "<a b='&lt;>&amp;\"&apos;&#x9;&#xA;&#xD;\"'/>");
    expect_copy("<a>&lt;&gt;&amp;&quot;&apos;&#9;&#10;&#13;]]&gt;</a>",
                "<a>&lt;>&amp;\"'\t\n&#xD;]]&gt;</a>");
    expect_copy("<a><![CDATA[<b>&amp;]]></a>", "<a>&lt;b>&amp;amp;</a>");
    expect_copy("<a>x\r\ny</a>", "<a>x\ny</a>");
    expect_copy("<a b='\xc3\xa4&#xe4;'>\xe2\x82\xac&#x20ac;</a>",
                "<a b=\"\xc3\xa4\xc3\xa4\">\xe2\x82\xac\xe2\x82\xac</a>");
}

static void empty_elements_are_short(void **state)
{
    expect_copy("<a></a>", "<a/>");
    expect_copy("<a ><b ></b ><c>x</c></a >", "<a><b/><c>x</c></a>");
    expect_copy("<?xml version='1.0'?>\n<a><![CDATA[]]></a>\n", "<a/>");
}

/* H22, Q03 */
static void prefixes_are_canonical(void **state)
{
    expect_copy("<c:message xmlns:c='jabber:client'><c:body/></c:message>",
                "<message xmlns=\"jabber:client\" "
                "xmlns:c=\"jabber:client\"><body/></message>");
    expect_copy("<features xmlns='http://etherx.jabber.org/streams'>"
                "<m:mechanisms xmlns:m='urn:ietf:params:xml:ns:xmpp-sasl'>"
                "<m:mechanism>X</m:mechanism></m:mechanisms></features>",
                "<stream:features "
                "xmlns:stream=\"http://etherx.jabber.org/streams\" "
                "xmlns=\"http://etherx.jabber.org/streams\">"
                "<mechanisms xmlns=\"urn:ietf:params:xml:ns:xmpp-sasl\" "
                "xmlns:m=\"urn:ietf:params:xml:ns:xmpp-sasl\">"
                "<mechanism>X</mechanism></mechanisms></stream:features>");
    expect_copy("<x:a xmlns:x='urn:x'/>", "<x:a xmlns:x=\"urn:x\"/>");
    expect_copy("<a xmlns='urn:x' xmlns:y='urn:y' y:b='1'/>",
                "<a xmlns=\"urn:x\" xmlns:y=\"urn:y\" y:b=\"1\"/>");
}

/* What the sender declared stands in the way of what we write. */
static void conflicts_are_resolved(void **state)
{
    expect_copy("<c:iq xmlns:c='jabber:client' xmlns='u'><a/><c:b/></c:iq>",
                "<iq xmlns=\"jabber:client\" xmlns:c=\"jabber:client\">"
                "<a xmlns=\"u\"/><b/></iq>");
    expect_copy("<s:error xmlns:s='http://etherx.jabber.org/streams' "
                "xmlns:stream='evil' stream:a='1'><stream:b/><s:c/></s:error>",
                "<stream:error "
                "xmlns:stream=\"http://etherx.jabber.org/streams\" "
                "xmlns:s=\"http://etherx.jabber.org/streams\" "
                "xmlns:ns1=\"evil\" ns1:a=\"1\">"
                "<stream:b xmlns:stream=\"evil\"/><stream:c/></stream:error>");
    expect_copy("<s:error xmlns:s='http://etherx.jabber.org/streams' "
                "xmlns:stream='evil' xmlns:ns1='x' xmlns:e='evil' "
                "stream:a='1' ns1:b='2'/>",
                "<stream:error "
                "xmlns:stream=\"http://etherx.jabber.org/streams\" "
                "xmlns:s=\"http://etherx.jabber.org/streams\" "
                "xmlns:ns1=\"x\" xmlns:e=\"evil\" e:a=\"1\" ns1:b=\"2\"/>");
    expect_copy("<a xmlns:stream='evil'><b stream:c='1'>"
                "<s:d xmlns:s='http://etherx.jabber.org/streams' "
                "stream:e='2' stream:f='3'/></b></a>",
                "<a xmlns:stream=\"evil\"><b stream:c=\"1\"><stream:d "
                "xmlns:stream=\"http://etherx.jabber.org/streams\" "
                "xmlns:s=\"http://etherx.jabber.org/streams\" "
                "xmlns:ns1=\"evil\" ns1:e=\"2\" ns1:f=\"3\"/></b></a>");
}

static void declarations_are_kept_once(void **state)
{
    expect_copy("<a xmlns='u'><b xmlns='u'/><b xmlns='v'/><b/></a>",
                "<a xmlns=\"u\"><b/><b xmlns=\"v\"/><b/></a>");
    expect_copy("<a xmlns:p='u'><b xmlns:p='v'><p:c/></b><p:c/></a>",
                "<a xmlns:p=\"u\"><b xmlns:p=\"v\"><p:c/></b><p:c/></a>");
    expect_copy("<a xmlns:q='unused'/>", "<a xmlns:q=\"unused\"/>");
    expect_copy("<a xmlns:xml='http://www.w3.org/XML/1998/namespace' "
                "xml:lang='de'><xml:b/></a>",
                "<a xml:lang=\"de\"><xml:b/></a>");
}

/* H35 */
static void no_namespace_stays_none(void **state)
{
    expect_copy("<a xmlns=''/>", "<a/>");
    expect_copy("<a xmlns='u'><b xmlns=''><c/></b></a>",
                "<a xmlns=\"u\"><b xmlns=\"\"><c/></b></a>");
    expect_child("<r><a/></r>", "jabber:client", "<a xmlns=\"\"/>");
    expect_child("<r xmlns='u'><p:a xmlns:p='v' xmlns=''><b/></p:a></r>", "",
                 "<p:a xmlns:p=\"v\"><b/></p:a>");
}

/* H12, H23, H30, H31, H33 */
static void outer_scope_is_declared_again(void **state)
{
    expect_child("<r xmlns='jabber:client'><iq><a xmlns='u'/></iq></r>", "",
                 "<iq xmlns=\"jabber:client\"><a xmlns=\"u\"/></iq>");
    expect_child("<r xmlns='jabber:client'><iq/></r>", "jabber:client",
                 "<iq/>");
    expect_child("<r xmlns='jabber:client' xmlns:stream="
                 "'http://etherx.jabber.org/streams'>"
                 "<stream:features><x/></stream:features></r>",
                 "",
                 "<stream:features "
                 "xmlns:stream=\"http://etherx.jabber.org/streams\">"
                 "<x xmlns=\"jabber:client\"/></stream:features>");
    expect_child("<r xmlns='jabber:client' xmlns:p='u' xmlns:q='v' "
                 "xmlns:z='unused'><iq q:x='1'><p:a q:y='2'/><p:b/></iq></r>",
                 "jabber:client",
                 "<iq xmlns:q=\"v\" q:x=\"1\"><p:a xmlns:p=\"u\" "
                 "q:y=\"2\"/><p:b xmlns:p=\"u\"/></iq>");
}

static void extra_attributes_come_last(void **state)
{
    const struct xml_attr attrs[] = {
        {{SLICE(""), SLICE("b"), SLICE("")}, SLICE("1")},
    };
    const struct xml_attr extra[] = {
        {{SLICE(NS_XML), SLICE("lang"), SLICE("xml")}, SLICE("d'e")},
        {{SLICE("u"), SLICE("c"), SLICE("")}, SLICE("2")},
    };
    const struct xml_tag tag = {
        .name = {SLICE("v"), SLICE("a"), SLICE("")},
        .attrs = attrs,
        .n_attrs = 1,
    };
    struct buf out;

    buf_init(&out, SIZE_MAX);
    xml_writer_begin(writer, &out, "");
    assert_int_equal(xml_writer_start(writer, &tag, extra, 2), ERR_OK);
    assert_int_equal(xml_writer_end(writer), ERR_OK);
    expect_slice(buf_slice(&out), "<a xmlns=\"v\" xmlns:ns1=\"u\" b=\"1\" "
                                  "xml:lang=\"d'e\" ns1:c=\"2\"/>");
    buf_free(&out);
}

static void a_full_buffer_is_a_limit(void **state)
{
    static const char in[] = "<a xmlns=\"u\" b=\"1\">x&amp;<c/></a>";

    for (size_t max = 0; max < sizeof(in) - 1; max++) {
        struct buf out;

        buf_init(&out, max);
        assert_int_equal(copy(SLICE(in), 0, "", &out), ERR_LIMIT);
        assert_true(out.len <= max);
        buf_free(&out);
    }
}

static void depth_is_a_limit(void **state)
{
    char in[4096];
    struct buf out;
    size_t n = 0;

    for (unsigned depth = XML_SERVER_DEPTH_MAX + 2;
         depth < XML_SERVER_DEPTH_MAX + 4; depth++) {
        n = 0;
        for (unsigned i = 0; i < depth; i++)
            n += (size_t)snprintf(in + n, sizeof(in) - n, "<a>");
        for (unsigned i = 0; i < depth; i++)
            n += (size_t)snprintf(in + n, sizeof(in) - n, "</a>");
        buf_init(&out, SIZE_MAX);
        assert_int_equal(copy((struct slice){in, n}, 0, "", &out),
                         depth == XML_SERVER_DEPTH_MAX + 2 ? ERR_OK
                                                           : ERR_LIMIT);
        buf_free(&out);
    }
}

/* Each name is looked up among the declarations in scope. */
static void declarations_in_scope_are_a_limit(void **state)
{
    struct buf in;
    struct buf out;

    buf_init(&in, SIZE_MAX);
    buf_init(&out, SIZE_MAX);
    for (int i = 0; i < 40 * 16; i++) {
        char text[64];

        snprintf(text, sizeof(text), "%s xmlns:p%d='u%d'%s",
                 i % 16 == 0 ? "<a" : "", i, i, i % 16 == 15 ? ">" : "");
        assert_int_equal(buf_append_text(&in, text), ERR_OK);
    }
    for (int i = 0; i < 40; i++)
        assert_int_equal(buf_append_text(&in, "</a>"), ERR_OK);
    assert_int_equal(copy(buf_slice(&in), 0, "", &out), ERR_LIMIT);
    buf_free(&in);
    buf_free(&out);
}

static void unfinished_elements_are_forgotten(void **state)
{
    struct buf out;

    buf_init(&out, SIZE_MAX);
    xml_writer_begin(writer, &out, "");
    assert_int_equal(
        xml_writer_start(writer,
                         &(struct xml_tag){
                             .name = {SLICE("u"), SLICE("a"), SLICE("")},
                         },
                         NULL, 0),
        ERR_OK);
    buf_truncate(&out, 0);
    assert_int_equal(copy(SLICE("<b xmlns='u'/>"), 0, "", &out), ERR_OK);
    expect_slice(buf_slice(&out), "<b xmlns=\"u\"/>");
    buf_free(&out);
}

static void attributes_by_hand_are_escaped(void **state)
{
    struct buf out;

    buf_init(&out, SIZE_MAX);
    assert_int_equal(xml_write_attr(&out, "a", SLICE("<'\">&\r\n\t")), ERR_OK);
    assert_int_equal(xml_write_attr(&out, "b", SLICE("")), ERR_OK);
    assert_int_equal(xml_write_attr(&out, "c", (struct slice){NULL, 0}),
                     ERR_OK);
    expect_slice(buf_slice(&out),
                 " a=\"&lt;'&quot;>&amp;&#xD;&#xA;&#x9;\" b=\"\"");
    buf_truncate(&out, 0);
    assert_int_equal(xml_escape_text(&out, SLICE("a<b>&\r\n\"'")), ERR_OK);
    expect_slice(buf_slice(&out), "a&lt;b>&amp;&#xD;\n\"'");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_need_not_be_escaped_is_not),
        cmocka_unit_test(end_of_cdata_never_stands_in_text),
        cmocka_unit_test(data_is_escaped),
        cmocka_unit_test(empty_elements_are_short),
        cmocka_unit_test(prefixes_are_canonical),
        cmocka_unit_test(conflicts_are_resolved),
        cmocka_unit_test(declarations_are_kept_once),
        cmocka_unit_test(no_namespace_stays_none),
        cmocka_unit_test(outer_scope_is_declared_again),
        cmocka_unit_test(extra_attributes_come_last),
        cmocka_unit_test(a_full_buffer_is_a_limit),
        cmocka_unit_test(depth_is_a_limit),
        cmocka_unit_test(declarations_in_scope_are_a_limit),
        cmocka_unit_test(unfinished_elements_are_forgotten),
        cmocka_unit_test(attributes_by_hand_are_escaped),
    };

    return cmocka_run_group_tests_name("xml_write", tests, set_up, tear_down);
}
