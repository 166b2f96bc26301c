#include "session/ws_legacy.h"

#define FRAMING_READ ws_legacy_framing
#include "ws_element_world.h"

#include "xmpp/xml_write.h"

#define CLIENT_NS " xmlns='jabber:client'"
#define STREAM_NS " xmlns:stream='http://etherx.jabber.org/streams'"
#define HEADER    "<stream:stream" CLIENT_NS STREAM_NS
#define OPENING   HEADER " to='example.org' version='1.0'>"

/* J22 */
static void header_is_known_by_its_first_bytes(void **state)
{
    static const struct {
        const char *text;
        bool is_header;
    } rows[] = {
        {OPENING, true},
        {"<stream:stream", true},
        {"<stream:stream>", true},
        {"<stream:stream/>", true},
        {"<stream:stream\n", true},
        {"<?xml version='1.0'?><stream:stream ", true},
        {"<?xml version='1.0'?> \r\n\t<stream:stream ", true},
        {"<?xml version='1.0'", false},
        {"<?xml version='1.0'?>", false},
        {"<?xml version='1.0'?><!DOCTYPE a><stream:stream ", false},
        {" <stream:stream ", false},
        {"<stream:streams ", false},
        {"<stream:error ", false},
        {"<x:stream ", false},
        {"<stream ", false},
        {"<open ", false},
        {"</stream:stream>", false},
        {"<", false},
        {"", false},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++)
        if (ws_legacy_is_header(slice_of(rows[i].text)) != rows[i].is_header)
            fail_msg("%s", rows[i].text);
}

/* J22, J23 */
static void header_yields_its_attributes(void **state)
{
    static const char *const ends[] = {">", "/>", " />", ">\n", "/> \n"};
    struct kit *kit = *state;
    char text[512];
    size_t i;

    for (i = 0; i < COUNT_OF(ends); i++) {
        snprintf(text, sizeof(text),
                 "%s" HEADER " to='example.org' version='1.0' "
                 "from='a&amp;b@example.org' xml:lang='de' id='x'%s",
                 i % 2 == 0 ? "" : "<?xml version='1.0'?>\n", ends[i]);
        if (read_text(state, text) != WS_ELEMENT_OPEN)
            fail_msg("%s", text);
        assert_slice(kit->frame.to, "example.org");
        assert_slice(kit->frame.from, "a&b@example.org");
        assert_slice(kit->frame.lang, "de");
        assert_slice(kit->frame.version, "1.0");
    }
}

/* J22, J14, J16 */
static void malformed_headers_are_refused(void **state)
{
    assert_wrong(state, HEADER, "not-well-formed");
    assert_wrong(state, HEADER " to='example.org", "not-well-formed");
    assert_wrong(state, HEADER " a='1' a='2'>", "not-well-formed");
    assert_wrong(state, "<stream:stream" CLIENT_NS ">", "not-well-formed");
    assert_wrong(state, OPENING OPENING, "bad-format");
    assert_wrong(state, OPENING "<message/>", "bad-format");
    assert_wrong(state, OPENING "hello", "bad-format");
    assert_wrong(state, OPENING "</stream:stream>", "not-well-formed");
    assert_wrong(state, OPENING "<!-- x -->", "restricted-xml");
    assert_wrong(state, HEADER " to='&x;'>", "restricted-xml");
    assert_wrong(state, "<stream:stream" STREAM_NS ">", "invalid-namespace");
    assert_wrong(state, "<stream:stream xmlns=''" STREAM_NS ">",
                 "invalid-namespace");
    assert_wrong(state, "<stream:stream xmlns='jabber:server'" STREAM_NS ">",
                 "invalid-namespace");
    assert_wrong(state,
                 "<stream:stream" CLIENT_NS " xmlns:stream='jabber:client'>",
                 "invalid-namespace");
    assert_wrong(state, "<?xml version='1.0' encoding='ISO-8859-1'?>" OPENING,
                 "unsupported-encoding");
}

/* J22 */
static void end_of_the_stream_is_a_message(void **state)
{
    assert_int_equal(read_text(state, "</stream:stream>"), WS_ELEMENT_CLOSE);
    assert_int_equal(read_text(state, "</stream:stream >\n"), WS_ELEMENT_CLOSE);
    assert_wrong(state, "</stream:stream", "not-well-formed");
    assert_wrong(state, "</stream:stream>x", "not-well-formed");
    assert_wrong(state, "</stream:stream></stream:stream>", "not-well-formed");
    assert_wrong(state, "<a/></stream:stream>", "not-well-formed");
    assert_wrong(state, " </stream:stream>", "bad-format");
}

/* J22, H22 */
static void stanzas_inherit_from_the_header(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(
        read_text(state, "<message to='b'><body>1 &lt; 2</body></message>\n"),
        WS_ELEMENT_ELEMENT);
    assert_int_equal(kit->frame.element.kind, ELEMENT_MESSAGE);
    assert_slice(kit->frame.element.bytes,
                 "<message to=\"b\"><body>1 &lt; 2</body></message>");
    assert_int_equal(read_text(state, "<iq" CLIENT_NS "/>"),
                     WS_ELEMENT_ELEMENT);
    assert_slice(kit->frame.element.bytes, "<iq/>");
    assert_int_equal(read_text(state, "<r xmlns='urn:xmpp:sm:3'/>"),
                     WS_ELEMENT_ELEMENT);
    assert_slice(kit->frame.element.bytes, "<r xmlns=\"urn:xmpp:sm:3\"/>");
}

/* H23, H26 */
static void prefix_of_the_header_may_be_used(void **state)
{
    struct kit *kit = *state;

    assert_int_equal(read_text(state,
                               "<stream:error><conflict "
                               "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                               "</stream:error>"),
                     WS_ELEMENT_ELEMENT);
    assert_int_equal(kit->frame.element.kind, ELEMENT_ERROR);
    assert_wrong(state, "<stream:features/>", "invalid-namespace");
    assert_wrong(state, "<x:message/>", "not-well-formed");
}

/* J14 to J17, J21: what holds for RFC 7395 holds here. */
static void rules_for_messages_are_the_same(void **state)
{
    assert_int_equal(read_text(state, ""), WS_ELEMENT_EMPTY);
    assert_int_equal(read_text(state, " \r\n"), WS_ELEMENT_EMPTY);
    assert_wrong(state, "<a/><b/>", "not-well-formed");
    assert_wrong(state, "<a/>x", "not-well-formed");
    assert_wrong(state, "<a/><![CDATA[x]]>", "not-well-formed");
    assert_wrong(state, "<![CDATA[ ]]>", "not-well-formed");
    assert_wrong(state, "</a>", "not-well-formed");
    assert_wrong(state, "</stream:stream><stream:stream>", "not-well-formed");
    assert_wrong(state, "hello", "bad-format");
    assert_wrong(state, " <a/>", "bad-format");
    assert_wrong(state, "\xef\xbb\xbf<a/>", "bad-format");
    assert_wrong(state, "<a><!-- x --></a>", "restricted-xml");
    assert_wrong(state, "<a><?pi?></a>", "restricted-xml");
    assert_wrong(state, "<a>&b;</a>", "restricted-xml");
    assert_wrong(state, "<a>\xff</a>", "unsupported-encoding");
    assert_wrong(state, "<message xmlns=''/>", "invalid-namespace");
    assert_wrong(state, "<open xmlns='" NS_FRAMING "' to='a'/>",
                 "invalid-namespace");
    assert_wrong(state, "<close/>", "invalid-namespace");
}

/* J13: the wrapper is ours and does not count. */
static void limits_are_the_same(void **state)
{
    char text[LIMIT + 1];

    memset(text, 'x', sizeof(text));
    memcpy(text, "<iq>", 4);
    memcpy(text + sizeof(text) - 5, "</iq>", 5);
    assert_int_equal(read_slice(state, (struct slice){text, sizeof(text)}),
                     WS_ELEMENT_WRONG);
    memcpy(text + sizeof(text) - 6, "</iq>", 5);
    assert_int_equal(read_slice(state, (struct slice){text, LIMIT}),
                     WS_ELEMENT_ELEMENT);
}

static void depth_is_that_of_the_client(void **state)
{
    char text[LIMIT];
    size_t at = 0;
    int i;

    for (i = 0; i < XML_DEPTH_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "<a>");
    for (i = 0; i < XML_DEPTH_MAX; i++)
        at += (size_t)snprintf(text + at, sizeof(text) - at, "</a>");
    assert_int_equal(read_text(state, text), WS_ELEMENT_ELEMENT);
    memmove(text + 3, text, at + 1);
    memcpy(text + 3 + at, "</a>", 5);
    assert_wrong(state, text, "policy-violation");
}

/* Strophe 1.1 compares the beginning, and closes it by an expression that
 * wants one line and no slash at its end. */
static void our_header_has_its_literal_form(void **state)
{
    struct kit *kit = *state;
    struct ws_opening opening = {
        .from = SLICE("example.org"),
        .to = SLICE("a\n@example.org"),
        .id = SLICE("a'\"<&>"),
        .version = SLICE("1.0"),
    };
    struct buf out;

    buf_init(&out, 1024);
    assert_int_equal(ws_legacy_framing.write_open(&out, &opening), ERR_OK);
    assert_slice(buf_slice(&out),
                 "<stream:stream xmlns=\"jabber:client\" "
                 "xmlns:stream=\"http://etherx.jabber.org/streams\" "
                 "version=\"1.0\" id=\"a'&quot;&lt;&amp;>\" "
                 "from=\"example.org\" to=\"a&#xA;@example.org\">");
    assert_int_equal(read_slice(state, buf_slice(&out)), WS_ELEMENT_OPEN);
    assert_slice(kit->frame.to, "a\n@example.org");
    buf_free(&out);
    assert_string_equal(ws_legacy_framing.close, "</stream:stream>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header_is_known_by_its_first_bytes),
        cmocka_unit_test(header_yields_its_attributes),
        cmocka_unit_test(malformed_headers_are_refused),
        cmocka_unit_test(end_of_the_stream_is_a_message),
        cmocka_unit_test(stanzas_inherit_from_the_header),
        cmocka_unit_test(prefix_of_the_header_may_be_used),
        cmocka_unit_test(rules_for_messages_are_the_same),
        cmocka_unit_test(limits_are_the_same),
        cmocka_unit_test(depth_is_that_of_the_client),
        cmocka_unit_test(our_header_has_its_literal_form),
    };

    return cmocka_run_group_tests_name("ws_legacy", tests, set_up, tear_down);
}
