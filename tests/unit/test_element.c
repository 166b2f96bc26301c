/* Conformance H20-H24, H30-H35, G02-G06, G21, J53. */
#include "element_copy.h"

/* G21: whatever the prefix, and only with the right namespace. */
static void kinds_go_by_namespace_and_name(void **state)
{
    static const struct {
        const char *ns;
        const char *local;
        enum element_kind kind;
    } rows[] = {
        {NS_CLIENT, "message", ELEMENT_MESSAGE},
        {NS_CLIENT, "presence", ELEMENT_PRESENCE},
        {NS_CLIENT, "iq", ELEMENT_IQ},
        {NS_CLIENT, "features", ELEMENT_OTHER},
        {"", "message", ELEMENT_OTHER},
        {NS_SERVER, "message", ELEMENT_SERVER_STANZA},
        {"jabber:server:dialback", "verify", ELEMENT_OTHER},
        {NS_STREAMS, "features", ELEMENT_FEATURES},
        {NS_STREAMS, "error", ELEMENT_ERROR},
        {NS_STREAMS, "stream", ELEMENT_STREAM},
        {NS_STREAMS, "message", ELEMENT_OTHER},
        {NS_SASL, "auth", ELEMENT_AUTH},
        {NS_SASL, "response", ELEMENT_RESPONSE},
        {NS_SASL, "abort", ELEMENT_ABORT},
        {NS_SASL, "challenge", ELEMENT_CHALLENGE},
        {NS_SASL, "success", ELEMENT_SUCCESS},
        {NS_SASL, "failure", ELEMENT_FAILURE},
        {NS_TLS, "starttls", ELEMENT_STARTTLS},
        {NS_TLS, "proceed", ELEMENT_PROCEED},
        {NS_TLS, "failure", ELEMENT_TLS_FAILURE},
        {NS_TLS, "success", ELEMENT_OTHER},
        {NS_SASL2, "authenticate", ELEMENT_SASL2_AUTHENTICATE},
        {NS_SASL2, "response", ELEMENT_SASL2},
        {NS_SASL2, "success", ELEMENT_SASL2_SUCCESS},
        {NS_SASL2, "failure", ELEMENT_SASL2_FAILURE},
        {NS_COMPRESS, "compress", ELEMENT_COMPRESS},
        {NS_COMPRESS_FEATURE, "compression", ELEMENT_OTHER},
        {NS_SM3, "enabled", ELEMENT_SM_ENABLED},
        {NS_SM3, "resumed", ELEMENT_SM_RESUMED},
        {NS_SM3, "resume", ELEMENT_SM_RESUME},
        {NS_SM3, "failed", ELEMENT_SM_FAILED},
        {NS_SM3, "r", ELEMENT_OTHER},
        {"urn:xmpp:sm:2", "enabled", ELEMENT_SM_ENABLED},
        {NS_FRAMING, "open", ELEMENT_OPEN},
        {NS_FRAMING, "close", ELEMENT_CLOSE},
        {NS_CLIENT, "close", ELEMENT_OTHER},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        enum element_kind kind =
            element_kind_of(slice_of(rows[i].ns), slice_of(rows[i].local));

        if (kind != rows[i].kind)
            fail_msg("{%s}%s", rows[i].ns, rows[i].local);
    }
}

/* G19 */
static void negotiation_is_sasl_from_the_client(void **state)
{
    assert_true(element_is_negotiation(ELEMENT_AUTH));
    assert_true(element_is_negotiation(ELEMENT_RESPONSE));
    assert_true(element_is_negotiation(ELEMENT_ABORT));
    assert_true(element_is_negotiation(ELEMENT_SASL2));
    assert_true(element_is_negotiation(ELEMENT_SASL2_AUTHENTICATE));
    assert_false(element_is_negotiation(ELEMENT_IQ));
    assert_false(element_is_negotiation(ELEMENT_SUCCESS));
    assert_false(element_is_negotiation(ELEMENT_STARTTLS));
    assert_false(element_is_negotiation(ELEMENT_OTHER));
}

/* G05, G06, J53, T45 */
static void features_lose_what_must_not_cross(void **state)
{
    struct copy c;

    open_copy(&c, ELEMENT_TO_CLIENT, false, "");
    run(&c, STREAM("<stream:features><starttls xmlns='" NS_TLS "'><required/>"
                   "x</starttls><compression xmlns='" NS_COMPRESS_FEATURE
                   "'><method>zlib</method></compression>"
                   "<bind xmlns='" NS_BIND "'/></stream:features>"));
    expect_out(&c, FEATURES "><bind xmlns=\"" NS_BIND "\"/></stream:features>");
    assert_int_equal(c.last.kind, ELEMENT_FEATURES);
    assert_true(c.last.has_starttls);
    assert_true(c.last.starttls_is_required);

    buf_truncate(&c.out, 0);
    run(&c, STREAM("<stream:features><t:starttls xmlns:t='" NS_TLS
                   "'/></stream:features>"));
    expect_out(&c, FEATURES "/>");
    assert_true(c.last.has_starttls);
    assert_false(c.last.starttls_is_required);

    buf_truncate(&c.out, 0);
    run(&c, STREAM("<stream:features/>"));
    assert_false(c.last.has_starttls);
    buf_free(&c.out);
}

static void only_features_are_cleaned(void **state)
{
    to_client(STREAM("<stream:features><a xmlns='u'><starttls xmlns='" NS_TLS
                     "'/></a><starttls/></stream:features>"),
              FEATURES "><a xmlns=\"u\"><starttls xmlns=\"" NS_TLS
                       "\"/></a><starttls xmlns=\"jabber:client\"/>"
                       "</stream:features>");
    to_client(STREAM("<iq><starttls xmlns='" NS_TLS "'><required/></starttls>"
                     "</iq>"),
              "<iq xmlns=\"jabber:client\"><starttls xmlns=\"" NS_TLS
              "\"><required/></starttls></iq>");
}

/* H30-H33, G02 */
static void elements_to_the_client_stand_alone(void **state)
{
    to_client(STREAM("<message><body>x</body></message>"),
              "<message xmlns=\"jabber:client\"><body>x</body></message>");
    to_client("<x:stream xmlns:x='" NS_STREAMS "' xmlns:c='jabber:client'>"
              "<c:message><c:body/></c:message><x:features/></x:stream>",
              "<message xmlns=\"jabber:client\"><body/></message>" FEATURES
              "/>");
    to_client(STREAM("<r xmlns='urn:xmpp:sm:3'/>"),
              "<r xmlns=\"urn:xmpp:sm:3\"/>");
    to_client(STREAM("<message xmlns=''/>"), "<message/>");
}

/* H34 */
static void inherited_language_is_added(void **state)
{
    expect_copy(
        ELEMENT_TO_CLIENT, false, "de", STREAM("<iq a='1'><b/></iq>"),
        "<iq xmlns=\"jabber:client\" a=\"1\" xml:lang=\"de\"><b/></iq>");
    expect_copy(ELEMENT_TO_CLIENT, false, "de", STREAM("<iq xml:lang='en'/>"),
                "<iq xmlns=\"jabber:client\" xml:lang=\"en\"/>");
    expect_copy(ELEMENT_TO_CLIENT, false, "\"<", STREAM("<iq lang='en'/>"),
                "<iq xmlns=\"jabber:client\" lang=\"en\" "
                "xml:lang='\"&lt;'/>");
}

static void a_language_that_is_too_long_is_a_limit(void **state)
{
    char lang[2000];
    struct copy c;

    memset(lang, 'a', sizeof(lang));
    lang[sizeof(lang) - 1] = '\0';
    open_copy(&c, ELEMENT_TO_SERVER, false, lang);
    run(&c, STREAM("<iq/>"));
    assert_int_equal(c.err, ERR_LIMIT);
    buf_free(&c.out);
}

/* H20, H22, T23 */
static void what_inherits_httpbind_is_rescoped(void **state)
{
    from_body(BODY("<iq><query xmlns='u'/></iq>"),
              "<iq><query xmlns=\"u\"/></iq>");
    from_body(BODY("<message><body>x</body></message><presence/>"),
              "<message><body>x</body></message><presence/>");
    from_body("<b:body xmlns:b='" NS_HTTPBIND "'><b:iq><b:x/></b:iq></b:body>",
              "<iq><x/></iq>");
    from_body(BODY("<iq xmlns='jabber:client'><x/></iq>"), "<iq><x/></iq>");
    from_body(BODY("<c:iq xmlns:c='jabber:client'><c:x/></c:iq>"),
              "<iq xmlns:c=\"jabber:client\"><x/></iq>");
    from_body(BODY("<other/>"), "<other/>");
}

static void rescoping_stops_at_foreign_elements(void **state)
{
    from_body(BODY("<iq><a xmlns='u'><b xmlns='" NS_HTTPBIND
                   "'><c/></b></a><d/></iq>"),
              "<iq><a xmlns=\"u\"><b xmlns=\"" NS_HTTPBIND
              "\"><c/></b></a><d/></iq>");
    from_body(BODY("<a xmlns='u'><b xmlns='" NS_HTTPBIND "'/></a><iq/>"),
              "<a xmlns=\"u\"><b xmlns=\"" NS_HTTPBIND "\"/></a><iq/>");
    /* Siblings behind a foreign element are in the chain again. */
    from_body(BODY("<iq><p:a xmlns:p='u'><x/></p:a><b><c/></b></iq>"),
              "<iq><p:a xmlns:p=\"u\"><x xmlns=\"" NS_HTTPBIND
              "\"/></p:a><b><c/></b></iq>");
}

static void httpbind_declarations_in_use_are_dropped(void **state)
{
    from_body(
        BODY("<iq xmlns='" NS_HTTPBIND "'><x xmlns='" NS_HTTPBIND "'/></iq>"),
        "<iq><x/></iq>");
    from_body(BODY("<h:iq xmlns:h='" NS_HTTPBIND "'/>"), "<iq/>");
    from_body(BODY("<iq xmlns:h='" NS_HTTPBIND "'/>"),
              "<iq xmlns:h=\"" NS_HTTPBIND "\"/>");
    from_body(BODY("<h:iq xmlns:h='" NS_HTTPBIND "' h:a='1'/>"),
              "<iq xmlns:h=\"" NS_HTTPBIND "\" h:a=\"1\"/>");
}

/* H21 */
static void stanzas_in_no_namespace_are_the_client_s(void **state)
{
    from_body(BODY("<message xmlns=''><body>x</body></message>"),
              "<message><body>x</body></message>");
    from_body("<b:body xmlns:b='" NS_HTTPBIND "'><iq><a xmlns='u'>"
              "<b xmlns=''/></a></iq><presence/></b:body>",
              "<iq><a xmlns=\"u\"><b xmlns=\"\"/></a></iq><presence/>");
    from_body(BODY("<other xmlns=''><message/></other>"),
              "<other xmlns=\"\"><message/></other>");
    from_body(BODY("<iq><message xmlns=''/></iq>"),
              "<iq><message xmlns=\"\"/></iq>");
    expect_copy(ELEMENT_TO_SERVER, false, "", "<r><message/></r>",
                "<message xmlns=\"\"/>");
}

static void kinds_are_those_after_rescoping(void **state)
{
    struct copy c;

    open_copy(&c, ELEMENT_TO_SERVER, true, "");
    run(&c, BODY("<iq type='get'/>"));
    assert_int_equal(c.last.kind, ELEMENT_IQ);
    assert_int_equal(c.last.type, ELEMENT_TYPE_GET);
    run(&c, BODY("<message xmlns=''/>"));
    assert_int_equal(c.last.kind, ELEMENT_MESSAGE);
    run(&c, BODY("<x:presence xmlns:x='jabber:server'/>"));
    assert_int_equal(c.last.kind, ELEMENT_SERVER_STANZA);
    buf_free(&c.out);

    open_copy(&c, ELEMENT_TO_SERVER, false, "");
    run(&c, BODY("<iq/>"));
    assert_int_equal(c.last.kind, ELEMENT_OTHER);
    expect_out(&c, "<iq xmlns=\"" NS_HTTPBIND "\"/>");
    buf_free(&c.out);
}

/* H23 */
static void prefixes_of_body_are_declared_where_used(void **state)
{
    from_body("<body xmlns='" NS_HTTPBIND "' xmlns:xmpp='urn:xmpp:xbosh' "
              "xmlns:stream='" NS_STREAMS "' xmlns:q='u'>"
              "<iq q:a='1'><q:b/></iq><presence/></body>",
              "<iq xmlns:q=\"u\" q:a=\"1\"><q:b/></iq><presence/>");
}

static void elements_are_appended_one_by_one(void **state)
{
    struct copy c;

    open_copy(&c, ELEMENT_TO_SERVER, true, "");
    run(&c, BODY("<iq/> <presence/>\n<message>x</message>"));
    assert_int_equal(c.n, 3);
    expect_out(&c, "<iq/><presence/><message>x</message>");
    assert_true(slice_is(c.last.bytes, "<message>x</message>"));
    buf_free(&c.out);

    open_copy(&c, ELEMENT_TO_SERVER, true, "");
    c.out.max_bytes = 12;
    run(&c, BODY("<iq/><presence/>"));
    assert_int_equal(c.err, ERR_LIMIT);
    assert_int_equal(c.n, 1);
    buf_free(&c.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds_go_by_namespace_and_name),
        cmocka_unit_test(negotiation_is_sasl_from_the_client),
        cmocka_unit_test(features_lose_what_must_not_cross),
        cmocka_unit_test(only_features_are_cleaned),
        cmocka_unit_test(elements_to_the_client_stand_alone),
        cmocka_unit_test(inherited_language_is_added),
        cmocka_unit_test(a_language_that_is_too_long_is_a_limit),
        cmocka_unit_test(what_inherits_httpbind_is_rescoped),
        cmocka_unit_test(rescoping_stops_at_foreign_elements),
        cmocka_unit_test(httpbind_declarations_in_use_are_dropped),
        cmocka_unit_test(stanzas_in_no_namespace_are_the_client_s),
        cmocka_unit_test(kinds_are_those_after_rescoping),
        cmocka_unit_test(prefixes_of_body_are_declared_where_used),
        cmocka_unit_test(elements_are_appended_one_by_one),
    };

    return cmocka_run_group_tests_name("element", tests, set_up, tear_down);
}
