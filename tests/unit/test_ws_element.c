#define FRAMING_READ ws_framing
#include "ws_element_world.h"

#include "xmpp/xml_write.h"

#define FRAMING   "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
#define STREAM_NS "xmlns:stream='http://etherx.jabber.org/streams'"

/* J20, J23 */
static void open_yields_its_attributes(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(read_text(state,
                               "<open " FRAMING " to='example.org' version="
                               "'1.0' from='a&amp;b@example.org' "
                               "xml:lang='de' id='x' foo='y'/>"),
                     WS_ELEMENT_OPEN);
    assert_slice(kit->frame.to, "example.org");
    assert_slice(kit->frame.from, "a&b@example.org");
    assert_slice(kit->frame.lang, "de");
    assert_slice(kit->frame.version, "1.0");
}

static void absent_attributes_are_null_and_empty_ones_are_not(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(read_text(state, "<open " FRAMING " to=''/>"),
                     WS_ELEMENT_OPEN);
    assert_non_null(kit->frame.to.at);
    assert_int_equal(kit->frame.to.len, 0);
    assert_null(kit->frame.from.at);
    assert_null(kit->frame.lang.at);
    assert_null(kit->frame.version.at);
}

/* G21 */
static void framing_is_known_by_namespace_not_by_prefix(void **state)
{
    assert_int_equal(read_text(state,
                               "<f:open xmlns:f='urn:ietf:params:xml:ns:xmpp-"
                               "framing' to='a'></f:open>"),
                     WS_ELEMENT_OPEN);
    assert_int_equal(read_text(state, "<close " FRAMING "/>"),
                     WS_ELEMENT_CLOSE);
    /* An attribute of another namespace is another attribute. */
    assert_int_equal(
        read_text(state, "<open " FRAMING " xmlns:x='urn:x' x:to='a'/>"),
        WS_ELEMENT_OPEN);
    assert_null(((struct kit *)*state)->frame.to.at);
}

/* H22, H30, J14 */
static void element_comes_out_canonical(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(
        read_text(state, "<?xml version='1.0'?><c:message xmlns:c="
                         "'jabber:client' to='b'><c:body>1 &lt; 2</c:body>"
                         "</c:message>"),
        WS_ELEMENT_ELEMENT);
    assert_int_equal(kit->frame.element.kind, ELEMENT_MESSAGE);
    assert_non_null(memmem(kit->frame.element.bytes.at,
                           kit->frame.element.bytes.len,
                           "<body>1 &lt; 2</body>", 21));
    assert_memory_equal(kit->frame.element.bytes.at, "<message", 8);
}

/* J15 */
static void empty_messages_are_told_apart(void **state)
{
    assert_int_equal(read_text(state, ""), WS_ELEMENT_EMPTY);
    assert_int_equal(read_text(state, " \t\r\n "), WS_ELEMENT_EMPTY);
}

/* J14 */
static void first_character_must_be_a_bracket(void **state)
{
    assert_wrong(state, " <close " FRAMING "/>", "bad-format");
    assert_wrong(state, "\n<iq xmlns='jabber:client'/>", "bad-format");
    assert_wrong(state, "\xef\xbb\xbf<close " FRAMING "/>", "bad-format");
    assert_wrong(state, "hello", "bad-format");
    assert_wrong(state, " \xc2\xa0 ", "bad-format");
}

/* J14, T60 */
static void one_message_is_one_element(void **state)
{
    assert_wrong(state,
                 "<iq xmlns='jabber:client'/><iq xmlns='jabber:client'/>",
                 "not-well-formed");
    assert_wrong(state, "<iq xmlns='jabber:client'/>x", "not-well-formed");
    assert_wrong(state, "<iq xmlns='jabber:client'>", "not-well-formed");
    assert_wrong(state, "</iq>", "not-well-formed");
    assert_wrong(state, "<", "not-well-formed");
    assert_wrong(state, "<stream:stream " STREAM_NS " xmlns='jabber:client'>",
                 "invalid-namespace");
    assert_wrong(state, "<x:iq/>", "not-well-formed");
    assert_wrong(state, "<iq xmlns='jabber:client' a='1' a='2'/>",
                 "not-well-formed");
}

/* J16 */
static void restricted_xml_is_refused(void **state)
{
    assert_wrong(state, "<!DOCTYPE a><iq xmlns='jabber:client'/>",
                 "restricted-xml");
    assert_wrong(state, "<!-- a --><iq xmlns='jabber:client'/>",
                 "restricted-xml");
    assert_wrong(state, "<?pi?><iq xmlns='jabber:client'/>", "restricted-xml");
    assert_wrong(state, "<iq xmlns='jabber:client'><!-- a --></iq>",
                 "restricted-xml");
    assert_wrong(state,
                 "<!DOCTYPE a [<!ENTITY b 'c'>]>" /**/
                 "<open " FRAMING " to='&b;'/>",
                 "restricted-xml");
}

static void bad_encoding_is_refused(void **state)
{
    assert_wrong(state, "<iq xmlns='jabber:client'>\xff</iq>",
                 "unsupported-encoding");
    assert_wrong(state,
                 "<?xml version='1.0' encoding='ISO-8859-1'?>"
                 "<iq xmlns='jabber:client'/>",
                 "unsupported-encoding");
}

/* J17, J21, H24, H26 */
static void wrong_namespaces_are_refused(void **state)
{
    assert_wrong(state, "<iq/>", "invalid-namespace");
    assert_wrong(state, "<iq xmlns=''/>", "invalid-namespace");
    assert_wrong(state, "<open to='example.org'/>", "invalid-namespace");
    assert_wrong(state, "<open xmlns='jabber:client' to='example.org'/>",
                 "invalid-namespace");
    assert_wrong(state, "<close xmlns='urn:x'/>", "invalid-namespace");
    assert_wrong(state, "<stream:stream " STREAM_NS "/>", "invalid-namespace");
    assert_wrong(state, "<stream:features " STREAM_NS "/>",
                 "invalid-namespace");
    assert_wrong(state, "<begin " FRAMING "/>", "unsupported-stanza-type");
}

static void framing_elements_are_empty(void **state)
{
    assert_wrong(state, "<open " FRAMING "><a/></open>", "bad-format");
    assert_wrong(state, "<close " FRAMING ">bye</close>", "bad-format");
}

/* J13 */
static void size_is_limited(void **state)
{
    struct kit *kit = *state;
    char text[LIMIT + 2];
    size_t len = sizeof(text) - 1;

    memset(text, 'x', sizeof(text));
    memcpy(text, "<iq xmlns='jabber:client'>", 26);
    memcpy(text + len - 5, "</iq>", 5);
    text[len] = '\0';
    assert_wrong(state, text, "policy-violation");

    memcpy(text + len - 6, "</iq>", 5);
    assert_int_equal(ws_element_read(&kit->frame, kit->pool, kit->copier,
                                     (struct slice){text, LIMIT}, LIMIT),
                     WS_ELEMENT_ELEMENT);
}

/* A CDATA section grows, where `<` is `&lt;`: the room is for canonical
 * bytes. */
static void growth_by_escapes_is_limited(void **state)
{
    char text[LIMIT];

    memset(text, '<', sizeof(text));
    memcpy(text, "<iq xmlns='jabber:client'><![CDATA[", 35);
    memcpy(text + sizeof(text) - 9, "]]></iq>", 9);
    assert_wrong(state, text, "policy-violation");
}

static void depth_is_limited(void **state)
{
    struct kit *kit = *state;
    char text[LIMIT];
    size_t at = 0;
    int i;

    at += (size_t)snprintf(text, sizeof(text), "<a xmlns='jabber:client'>");
    for (i = 0; i < XML_DEPTH_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "<a>");
    for (i = 0; i <= XML_DEPTH_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "</a>");
    assert_wrong(state, text, "policy-violation");
    assert_string_equal(kit->frame.limit, "above the depth of 64 elements");
    /* Nothing of it is left; that of the size the caller knows. */
    assert_int_equal(ws_element_read(&kit->frame, kit->pool, kit->copier,
                                     (struct slice){"<a/>", 4}, 3),
                     WS_ELEMENT_WRONG);
    assert_null(kit->frame.limit);
}

/* What passes in a body passes here, too. */
static void children_are_limited_by_their_bytes(void **state)
{
    static const char head[] = "<iq xmlns='jabber:client'>";
    struct kit *kit = *state;
    struct ws_element frame;
    struct buf text;

    buf_init(&text, SIZE_MAX);
    assert_int_equal(buf_append_text(&text, head), ERR_OK);
    for (int i = 0; i < 65000; i++)
        assert_int_equal(buf_append_text(&text, "<a/>"), ERR_OK);
    assert_int_equal(buf_append_text(&text, "</iq>"), ERR_OK);
    ws_element_init(&frame, text.len);
    assert_int_equal(ws_element_read(&frame, kit->pool, kit->copier,
                                     buf_slice(&text), text.len),
                     WS_ELEMENT_ELEMENT);
    assert_true(frame.element.bytes.len > text.len - sizeof(head));
    ws_element_free(&frame);
    buf_free(&text);
}

/* What one message left must not show in the next. */
static void frame_is_used_again(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(read_text(state, "<open " FRAMING " to='a' from='b'/>"),
                     WS_ELEMENT_OPEN);
    assert_wrong(state, "<iq xmlns='jabber:client'><a>", "not-well-formed");
    assert_int_equal(read_text(state, "<iq xmlns='jabber:client'/>"),
                     WS_ELEMENT_ELEMENT);
    assert_null(kit->frame.to.at);
    assert_null(kit->frame.condition);
    assert_int_equal(kit->frame.element.kind, ELEMENT_IQ);
    assert_memory_equal(kit->frame.element.bytes.at, "<iq", 3);
}

/* Q19: Strophe and Smack compare text. */
static void our_open_has_its_literal_form(void **state)
{
    struct ws_opening opening = {
        .from = SLICE("example.org"),
        .id = SLICE("a'\"<&>"),
        .lang = SLICE("en"),
        .version = SLICE("1.0"),
    };
    struct buf out;

    buf_init(&out, 1024);
    assert_int_equal(ws_write_open(&out, &opening), ERR_OK);
    assert_slice(buf_slice(&out),
                 "<open xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" "
                 "version=\"1.0\" id=\"a'&quot;&lt;&amp;>\" "
                 "from=\"example.org\" xml:lang=\"en\" />");
    buf_free(&out);
}

/* It must be readable by our own reader, in the role of a client. */
static void our_open_reads_back(void **state)
{
    struct kit *kit = *state;
    struct ws_opening opening = {
        .from = SLICE("a"),
        .to = SLICE("b\n<\"c"),
        .id = SLICE("i"),
        .version = SLICE("1.0"),
    };
    struct buf out;

    buf_init(&out, 1024);
    assert_int_equal(ws_write_open(&out, &opening), ERR_OK);
    assert_int_equal(ws_element_read(&kit->frame, kit->pool, kit->copier,
                                     buf_slice(&out), LIMIT),
                     WS_ELEMENT_OPEN);
    assert_slice(kit->frame.from, "a");
    assert_slice(kit->frame.to, "b\n<\"c");
    assert_null(kit->frame.lang.at);
    buf_free(&out);
}

/* Q20 */
static void our_close_has_its_literal_form(void **state)
{
    assert_string_equal(
        ws_framing.close,
        "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" />");
}

/* J46 */
static void uri_to_go_to_is_an_attribute(void **state)
{
    struct kit *kit = *state;
    struct buf out;

    buf_init(&out, 1024);
    assert_int_equal(ws_write_close_to(&out, "wss://b.example/ws?a=1&b='2'"),
                     ERR_OK);
    assert_slice(buf_slice(&out),
                 "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" "
                 "see-other-uri=\"wss://b.example/ws?a=1&amp;b='2'\""
                 " />");
    assert_int_equal(ws_element_read(&kit->frame, kit->pool, kit->copier,
                                     buf_slice(&out), LIMIT),
                     WS_ELEMENT_CLOSE);
    buf_free(&out);
}

/* H32, J43 */
static void our_error_is_a_document(void **state)
{
    struct buf out;

    buf_init(&out, 1024);
    assert_int_equal(ws_write_error(&out, "host-unknown", NULL), ERR_OK);
    assert_slice(buf_slice(&out),
                 "<stream:error xmlns:stream=\""
                 "http://etherx.jabber.org/streams\">"
                 "<host-unknown "
                 "xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>"
                 "</stream:error>");
    buf_clear(&out, 0);
    assert_int_equal(ws_write_error(&out, "reset", "a<b"), ERR_OK);
    assert_non_null(
        memmem(buf_at(&out), out.len, "xml:lang=\"en\">a&lt;b</text>", 27));
    buf_free(&out);
}

static void full_buffer_keeps_its_contents(void **state)
{
    struct ws_opening opening = {.from = SLICE("a"), .to = SLICE("b")};
    struct buf out;

    buf_init(&out, 60);
    assert_int_equal(buf_append_text(&out, "before"), ERR_OK);
    assert_int_equal(ws_write_error(&out, "reset", NULL), ERR_LIMIT);
    assert_int_equal(ws_write_open(&out, &opening), ERR_LIMIT);
    assert_int_equal(ws_write_close_to(&out, "wss://b.example"), ERR_LIMIT);
    assert_slice(buf_slice(&out), "before");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_yields_its_attributes),
        cmocka_unit_test(absent_attributes_are_null_and_empty_ones_are_not),
        cmocka_unit_test(framing_is_known_by_namespace_not_by_prefix),
        cmocka_unit_test(element_comes_out_canonical),
        cmocka_unit_test(empty_messages_are_told_apart),
        cmocka_unit_test(first_character_must_be_a_bracket),
        cmocka_unit_test(one_message_is_one_element),
        cmocka_unit_test(restricted_xml_is_refused),
        cmocka_unit_test(bad_encoding_is_refused),
        cmocka_unit_test(wrong_namespaces_are_refused),
        cmocka_unit_test(framing_elements_are_empty),
        cmocka_unit_test(size_is_limited),
        cmocka_unit_test(growth_by_escapes_is_limited),
        cmocka_unit_test(depth_is_limited),
        cmocka_unit_test(children_are_limited_by_their_bytes),
        cmocka_unit_test(frame_is_used_again),
        cmocka_unit_test(our_open_has_its_literal_form),
        cmocka_unit_test(our_open_reads_back),
        cmocka_unit_test(our_close_has_its_literal_form),
        cmocka_unit_test(uri_to_go_to_is_an_attribute),
        cmocka_unit_test(our_error_is_a_document),
        cmocka_unit_test(full_buffer_keeps_its_contents),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
