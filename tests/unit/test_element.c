/* Conformance H20-H24, H30-H35, G02-G06, G21, J53. */
#include "xmpp/element.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct xml_limits limits = {262144, XML_DEPTH_MAX, XML_ATTRS_MAX,
                                         XML_ELEMENTS_MAX, XML_NAME_MAX_BYTES};

static struct xml_pool *pool;
static struct element_copier *copier;

static int set_up(void **state)
{
    if (xml_pool_new(&pool, 2) != ERR_OK ||
        element_copier_new(&copier) != ERR_OK)
        return -1;
    return 0;
}

static int tear_down(void **state)
{
    element_copier_free(copier);
    xml_pool_free(pool);
    return 0;
}

/* Copies the children of a document's root one after the other. */
struct copy {
    struct buf out;
    struct element_params params;
    struct element last; /* its slices point into out */
    unsigned depth;
    unsigned n;
    enum err err;
};

static enum err on_start(void *arg, const struct xml_tag *tag)
{
    struct copy *c = arg;

    c->depth++;
    if (c->depth == 1)
        return ERR_OK;
    if (c->depth == 2)
        element_copier_begin(copier, &c->out, &c->params);
    c->err = element_copier_start(copier, tag);
    return c->err;
}

static enum err on_end(void *arg, const struct xml_name *name)
{
    struct copy *c = arg;
    bool done = false;

    c->depth--;
    if (c->depth == 0)
        return ERR_OK;
    c->err = element_copier_end(copier, &done, &c->last);
    if (c->err == ERR_OK) {
        assert_int_equal(done, c->depth == 1);
        c->n += done;
    }
    return c->err;
}

static enum err on_text(void *arg, struct slice text)
{
    struct copy *c = arg;

    if (c->depth < 2)
        return ERR_OK;
    c->err = element_copier_text(copier, text);
    return c->err;
}

static const struct xml_handler handler = {on_start, on_end, on_text};

#define STREAM(content)                                                        \
    "<stream:stream xmlns='jabber:client' "                                    \
    "xmlns:stream='http://etherx.jabber.org/streams'>" content                 \
    "</stream:stream>"
#define BODY(content)                                                          \
    "<body xmlns='http://jabber.org/protocol/httpbind'>" content "</body>"
#define FEATURES                                                               \
    "<stream:features xmlns:stream=\"http://etherx.jabber.org/streams\""

static void open_copy(struct copy *c, enum element_filter filter, bool rescope,
                      const char *lang)
{
    memset(c, 0, sizeof(*c));
    buf_init(&c->out, SIZE_MAX);
    c->params = (struct element_params){filter, rescope, slice_of(lang)};
}

static void run(struct copy *c, const char *in)
{
    enum xml_verdict verdict =
        xml_parse(pool, slice_of(in), &limits, &handler, c);

    assert_int_equal(verdict, c->err == ERR_OK ? XML_OK : XML_STOPPED);
}

static void expect_out(struct copy *c, const char *want)
{
    if (!slice_is(buf_slice(&c->out), want))
        fail_msg("got  %.*s\nwant %s", (int)c->out.len, buf_at(&c->out), want);
    assert_int_equal(c->err, ERR_OK);
}

static void expect_copy(enum element_filter filter, bool rescope,
                        const char *lang, const char *in, const char *want)
{
    struct copy c;

    open_copy(&c, filter, rescope, lang);
    run(&c, in);
    expect_out(&c, want);
    buf_free(&c.out);
}

static void to_client(const char *in, const char *want)
{
    expect_copy(ELEMENT_TO_CLIENT, false, "", in, want);
}

static void from_body(const char *in, const char *want)
{
    expect_copy(ELEMENT_TO_SERVER, true, "", in, want);
}

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
        {NS_SASL2, "authenticate", ELEMENT_SASL2},
        {NS_SASL2, "success", ELEMENT_SASL2_SUCCESS},
        {NS_COMPRESS, "compress", ELEMENT_COMPRESS},
        {NS_COMPRESS_FEATURE, "compression", ELEMENT_OTHER},
        {NS_SM3, "enabled", ELEMENT_SM_ENABLED},
        {NS_SM3, "resumed", ELEMENT_SM_RESUMED},
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

static void the_few_attributes_that_matter_are_noted(void **state)
{
    static const struct {
        const char *in;
        enum element_type type;
        bool is_resumable;
    } rows[] = {
        {"<iq type='get'/>", ELEMENT_TYPE_GET, false},
        {"<iq type='set'/>", ELEMENT_TYPE_SET, false},
        {"<iq type='result'/>", ELEMENT_TYPE_RESULT, false},
        {"<message type='error'/>", ELEMENT_TYPE_ERROR, false},
        {"<message type='chat'/>", ELEMENT_TYPE_OTHER, false},
        {"<message/>", ELEMENT_TYPE_NONE, false},
        {"<message><a type='error'/></message>", ELEMENT_TYPE_NONE, false},
        {"<message xmlns:p='u' p:type='error'/>", ELEMENT_TYPE_NONE, false},
        {"<enabled xmlns='urn:xmpp:sm:3' resume='true'/>", ELEMENT_TYPE_NONE,
         true},
        {"<enabled xmlns='urn:xmpp:sm:2' resume='1'/>", ELEMENT_TYPE_NONE,
         true},
        {"<enabled xmlns='urn:xmpp:sm:3' resume='false'/>", ELEMENT_TYPE_NONE,
         false},
        {"<enabled xmlns='urn:xmpp:sm:3'/>", ELEMENT_TYPE_NONE, false},
        {"<enabled resume='true'/>", ELEMENT_TYPE_NONE, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char in[256];
        struct copy c;

        snprintf(in, sizeof(in), "<r xmlns='jabber:client'>%s</r>", rows[i].in);
        open_copy(&c, ELEMENT_TO_CLIENT, false, "");
        run(&c, in);
        if (c.last.type != rows[i].type ||
            c.last.is_resumable != rows[i].is_resumable)
            fail_msg("%s", rows[i].in);
        buf_free(&c.out);
    }
}

static void the_condition_of_a_stream_error_is_noted(void **state)
{
    struct copy c;

    open_copy(&c, ELEMENT_TO_CLIENT, false, "");
    run(&c, STREAM("<stream:error><a xmlns='u'/><text xmlns='" NS_STREAM_ERRORS
                   "'>x</text><conflict xmlns='" NS_STREAM_ERRORS
                   "'/><reset xmlns='" NS_STREAM_ERRORS "'/></stream:error>"));
    assert_int_equal(c.last.kind, ELEMENT_ERROR);
    assert_true(slice_is(c.last.error_condition, "conflict"));
    buf_truncate(&c.out, 0);
    run(&c, STREAM("<stream:error><conflict/></stream:error>"));
    assert_true(slice_is(c.last.error_condition, ""));
    buf_free(&c.out);
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
                "xml:lang=\"&quot;&lt;\"/>");
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
        cmocka_unit_test(the_few_attributes_that_matter_are_noted),
        cmocka_unit_test(the_condition_of_a_stream_error_is_noted),
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
