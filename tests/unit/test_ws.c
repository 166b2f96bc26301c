#include "ws_world.h"

/* ---- opening ---- */

/* J20, J23, J28 */
static void open_is_answered_with_the_servers_header(void **state)
{
    upgrade();
    say("<open " FRAMING " to='example.org' from='a@example.org' "
        "xml:lang='de' version='1.0'/>");
    assert_said("session-open to=example.org from=a@example.org lang=de "
                "secure=1\n");
    server_opens("s1");
    assert_said("< " OUR_OPEN "version=\"1.0\" id=\"s1\" "
                "from=\"example.org\" to=\"a@example.org\" "
                "xml:lang=\"en\" />\n");
    server_says("<stream:features/>");
    assert_said("< <stream:features/>\n");
}

static void open_without_from_gets_no_to(void **state)
{
    upgrade();
    say(OPEN);
    forget();
    server_opens("s1");
    assert_said("< " OUR_OPEN "version=\"1.0\" id=\"s1\" "
                "from=\"example.org\" xml:lang=\"en\" />\n");
}

/* J23: not above the client's */
static void version_is_the_lower_one(void **state)
{
    static const struct {
        const char *sent;
        const char *answer;
    } versions[] = {
        {"version='2.0'", "version=\"1.0\" "},
        {"version='1.1'", "version=\"1.0\" "},
        {"version='0.8'", "version=\"0.9\" "},
        {"version='1.0.0'", ""},
        {"version=''", ""},
        {"version='99999999999999999999.0'", ""},
        {"", ""},
    };
    char text[256];
    size_t i;

    for (i = 0; i < COUNT_OF(versions); i++) {
        upgrade();
        snprintf(text, sizeof(text), "<open " FRAMING " to='a' %s/>",
                 versions[i].sent);
        say(text);
        forget();
        server_opens("s1");
        snprintf(text, sizeof(text),
                 "< " OUR_OPEN "%sid=\"s1\" from=\"example.org\" "
                 "xml:lang=\"en\" />\n",
                 versions[i].answer);
        assert_said(text);
        ws_lost(kit->ws);
        kit->ws = NULL;
        forget();
    }
}

/* J24, J25, J26 */
static void refused_session_is_told_inside_a_stream(void **state)
{
    static const struct {
        enum err err;
        enum session_end why;
        const char *condition;
        int code;
    } refusals[] = {
        {ERR_INVALID, SESSION_END_HOST_UNKNOWN, "host-unknown", 1000},
        {ERR_INVALID, SESSION_END_ADDRESSING, "improper-addressing", 1000},
        {ERR_LIMIT, SESSION_END_POLICY, "resource-constraint", 1000},
        {ERR_CLOSED, SESSION_END_SHUTDOWN, "system-shutdown", 1001},
        {ERR_NOMEM, SESSION_END_INTERNAL, "internal-server-error", 1000},
    };
    char expected[1024];
    size_t i;

    for (i = 0; i < COUNT_OF(refusals); i++) {
        kit->host.open_answer = refusals[i].err;
        kit->host.open_why = refusals[i].why;
        upgrade();
        say(OPEN);
        forget_id();
        snprintf(expected, sizeof(expected),
                 "< " OUR_OPEN "version=\"1.0\" from=\"example.org\" />\n"
                 "< <stream:error xmlns:stream=\""
                 "http://etherx.jabber.org/streams\"><%s "
                 "xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>"
                 "</stream:error>\n"
                 "< " CLOSE "\n",
                 refusals[i].condition);
        assert_said(expected);
        say(BYE);
        snprintf(expected, sizeof(expected), "! %d %s\n", refusals[i].code,
                 refusals[i].condition);
        assert_said(expected);
    }
}

/* J22 */
static void anything_but_open_first_is_refused(void **state)
{
    static const struct {
        const char *message;
        const char *condition;
    } firsts[] = {
        {"<iq xmlns='jabber:client'/>", "not-authorized"},
        {"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' "
         "to='example.org'/>",
         "invalid-namespace"},
        {"<open xmlns='jabber:client' to='example.org'/>", "invalid-namespace"},
        {"hello", "bad-format"},
        {"<a", "not-well-formed"},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(firsts); i++) {
        upgrade();
        say(firsts[i].message);
        assert_memory_equal(kit->said, "< <open ", 8);
        assert_non_null(strstr(kit->said, firsts[i].condition));
        assert_non_null(strstr(kit->said, "</stream:error>\n< <close "));
        ws_lost(kit->ws);
        kit->ws = NULL;
        forget();
    }
    assert_int_equal(kit->metrics.value[METRIC_WS_BAD_MESSAGES],
                     COUNT_OF(firsts));
}

static void close_before_open_ends_at_once(void **state)
{
    upgrade();
    say(BYE);
    assert_said("< " CLOSE "\n! 1000 \n");
}

/* J27 */
static void silent_client_is_let_go(void **state)
{
    kit->host.settings.ws.open_ms = SHORT_MS;
    upgrade();
    pass_ms(2 * SHORT_MS);
    assert_said("! 1008 no open\n");
}

static void open_in_time_stops_the_timer(void **state)
{
    kit->host.settings.ws.open_ms = SHORT_MS;
    upgrade();
    say(OPEN);
    forget();
    pass_ms(2 * SHORT_MS);
    assert_said("");
}

static void full_or_draining_host_takes_no_upgrade(void **state)
{
    struct addr client;

    assert_int_equal(addr_parse_ip(&client, "192.0.2.1", 1), ERR_OK);
    kit->host.count = 10;
    assert_int_equal(ws_open(&kit->ws, &kit->host, &client, false, &ops, kit),
                     ERR_LIMIT);
    kit->host.count = 9;
    kit->host.is_draining = true;
    assert_int_equal(ws_open(&kit->ws, &kit->host, &client, false, &ops, kit),
                     ERR_CLOSED);
    assert_null(kit->ws);
}

/* ---- stanzas ---- */

static void stanzas_cross_both_ways(void **state)
{
    establish();
    say("<iq xmlns='jabber:client' id='1'/>");
    assert_non_null(strstr(kit->said, "> <iq"));
    forget();
    server_says("<iq xmlns=\"jabber:client\"/>");
    assert_said("< <iq xmlns=\"jabber:client\"/>\n");
}

/* J15 */
static void empty_messages_are_ignored_and_counted(void **state)
{
    establish();
    say("");
    say(" \n");
    assert_said("");
    assert_int_equal(kit->metrics.value[METRIC_WS_EMPTY_MESSAGES], 2);
}

/* J15: a flood, and not what keeps a connection alive. */
static void empty_messages_have_a_bound(void **state)
{
    unsigned i;

    establish();
    for (i = 0; i < 100; i++)
        say("");
    assert_said("");
    say("");
    assert_said(
        "< " ERROR("policy-violation") "\n< " CLOSE "\n"
                                       "session-end why=4 graceful=1\n");
    for (i = 0; i < 200; i++)
        say("");
    assert_said("");
    say(BYE);
    assert_said("! 1000 policy-violation\n");
}

static void empty_messages_before_open_have_a_bound(void **state)
{
    unsigned i;

    upgrade();
    for (i = 0; i < 100; i++)
        say(" ");
    assert_said("");
    say(" ");
    assert_memory_equal(kit->said, "< <open ", 8);
    assert_non_null(strstr(kit->said, "policy-violation"));
}

/* J14, J16, J17 */
static void malformed_message_ends_the_stream(void **state)
{
    establish();
    say("<iq xmlns='jabber:client'/><iq xmlns='jabber:client'/>");
    assert_said("< " ERROR("not-well-formed") "\n< " CLOSE "\n"
                                              "session-end why=2 graceful=1\n");
    say("<iq xmlns='jabber:client'/>");
    say("");
    assert_said("");
    say(BYE);
    assert_said("! 1000 not-well-formed\n");
}

static void answers_of_session_send_become_conditions(void **state)
{
    static const struct {
        enum err err;
        const char *message;
        const char *condition;
    } answers[] = {
        {ERR_LIMIT, "<iq xmlns='jabber:client'/>", "<policy-violation "},
        {ERR_NOMEM, "<iq xmlns='jabber:client'/>", "<internal-server-error "},
        {ERR_INVALID, "<iq xmlns='jabber:server'/>", "<invalid-namespace "},
        {ERR_INVALID, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
         "<unsupported-stanza-type "},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(answers); i++) {
        kit->host.send_answer = ERR_OK;
        establish();
        kit->host.send_answer = answers[i].err;
        say(answers[i].message);
        assert_non_null(strstr(kit->said, answers[i].condition));
        assert_non_null(strstr(kit->said, "session-end"));
        ws_lost(kit->ws);
        kit->ws = NULL;
        forget();
    }
}

/* The server's connection is gone, but `ended` has not come yet. */
static void closed_session_is_no_fault_of_the_client(void **state)
{
    establish();
    kit->host.send_answer = ERR_CLOSED;
    say("<iq xmlns='jabber:client'/>");
    assert_said("");
}

/* ---- restart ---- */

/* J30 */
static void second_open_after_login_restarts(void **state)
{
    log_in();
    say(OPEN);
    assert_said("session-restart from=\n");
    server_opens("s2");
    assert_said("< " OUR_OPEN "version=\"1.0\" id=\"s2\" "
                "from=\"example.org\" xml:lang=\"en\" />\n");
}

/* J18 */
static void second_open_before_login_is_refused(void **state)
{
    establish();
    say(OPEN);
    assert_said("< " ERROR("not-authorized") "\n< " CLOSE "\n"
                                             "session-end why=2 graceful=1\n");
}

static void third_open_is_refused(void **state)
{
    log_in();
    say(OPEN);
    server_opens("s2");
    forget();
    say(OPEN);
    assert_said(
        "< " ERROR("policy-violation") "\n< " CLOSE "\n"
                                       "session-end why=4 graceful=1\n");
}

/* J31 */
static void restart_for_another_domain_is_refused(void **state)
{
    log_in();
    say("<open " FRAMING " to='example.com' version='1.0'/>");
    assert_said("< " ERROR("host-unknown") "\n< " CLOSE "\n"
                                           "session-end why=6 graceful=1\n");
}

/* A06: compared as everywhere else. */
static void restart_in_another_form_is_the_same_domain(void **state)
{
    upgrade();
    say("<open " FRAMING " to='b\xc3\xbc"
        "cher.example' version='1.0'/>");
    server_opens("s1");
    kit->host.is_authenticated = true;
    forget();
    say("<open " FRAMING " to='xn--bcher-kva.example' version='1.0'/>");
    assert_said("session-restart from=\n");
}

/* J24, J25 */
static void default_domain_speaks_where_none_was_asked_for(void **state)
{
    kit->host.by_default = "default.example";
    upgrade();
    say("<iq xmlns='jabber:client'/>");
    assert_non_null(strstr(kit->said, " from=\"default.example\" />\n"));
    ws_lost(kit->ws);
    kit->ws = NULL;
    forget();
    upgrade();
    say("<open " FRAMING " version='1.0'/>");
    server_opens("s1");
    kit->host.is_authenticated = true;
    forget();
    say("<open " FRAMING " to='default.example' version='1.0'/>");
    assert_said("session-restart from=\n");
}

static void restart_in_other_letters_is_the_same_domain(void **state)
{
    log_in();
    say("<open " FRAMING " to='Example.ORG' version='1.0'/>");
    assert_said("session-restart from=\n");
}

/* J05, L60: asked for each message that goes out. */
static void nothing_of_a_login_may_be_compressed(void **state)
{
    static const enum element_kind login[] = {
        ELEMENT_FEATURES,     ELEMENT_CHALLENGE, ELEMENT_SUCCESS,
        ELEMENT_FAILURE,      ELEMENT_SASL2,     ELEMENT_SASL2_SUCCESS,
        ELEMENT_SASL2_FAILURE};
    struct element e = {.bytes = SLICE("<x/>")};
    size_t i;

    establish();
    server_says("<a/>");
    assert_false(ws_may_compress(kit->ws));
    kit->host.is_authenticated = true;
    for (i = 0; i < COUNT_OF(login); i++) {
        server_says("<a/>");
        assert_true(ws_may_compress(kit->ws));
        e.kind = login[i];
        kit->host.session.ops->element(kit->host.session.owner, &e);
        assert_false(ws_may_compress(kit->ws));
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(open_is_answered_with_the_servers_header),
        TEST(open_without_from_gets_no_to),
        TEST(version_is_the_lower_one),
        TEST(refused_session_is_told_inside_a_stream),
        TEST(anything_but_open_first_is_refused),
        TEST(close_before_open_ends_at_once),
        TEST(silent_client_is_let_go),
        TEST(open_in_time_stops_the_timer),
        TEST(full_or_draining_host_takes_no_upgrade),
        TEST(stanzas_cross_both_ways),
        TEST(empty_messages_are_ignored_and_counted),
        TEST(empty_messages_have_a_bound),
        TEST(empty_messages_before_open_have_a_bound),
        TEST(malformed_message_ends_the_stream),
        TEST(answers_of_session_send_become_conditions),
        TEST(closed_session_is_no_fault_of_the_client),
        TEST(second_open_after_login_restarts),
        TEST(second_open_before_login_is_refused),
        TEST(third_open_is_refused),
        TEST(restart_for_another_domain_is_refused),
        TEST(restart_in_another_form_is_the_same_domain),
        TEST(default_domain_speaks_where_none_was_asked_for),
        TEST(restart_in_other_letters_is_the_same_domain),
        TEST(nothing_of_a_login_may_be_compressed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
