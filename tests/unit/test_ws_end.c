#include "ws_world.h"

/* ---- closing ---- */

/* J40, J47 */
static void clients_close_lets_the_server_finish(void **state)
{
    log_in();
    say(BYE);
    assert_said("session-close\n");
    say("<iq xmlns='jabber:client'/>");
    assert_said("");
    server_says("<presence/>");
    assert_said("< <presence/>\n");
    server_ends(SESSION_END_CLIENT_CLOSED, NULL);
    assert_said("session-free\n< " CLOSE "\n! 1000 \n");
}

static void session_that_ends_at_once_closes_at_once(void **state)
{
    log_in();
    kit->host.ends_in_close = true;
    say(BYE);
    assert_said("session-close\nsession-free\n< " CLOSE "\n! 1000 \n");
}

static void slow_server_does_not_hold_a_closing_client(void **state)
{
    kit->host.settings.ws.close_ms = SHORT_MS;
    log_in();
    say(BYE);
    forget();
    pass_ms(2 * SHORT_MS);
    assert_said("< " CLOSE "\nsession-end why=0 graceful=1\n! 1000 \n");
}

/* J41, J43 */
static void servers_error_is_one_message_before_close(void **state)
{
    log_in();
    server_ends(SESSION_END_SERVER_ERROR, "<stream:error><conflict/>");
    assert_said("session-free\n< <stream:error><conflict/>\n< " CLOSE "\n");
    say("<iq xmlns='jabber:client'/>");
    assert_said("");
    say(BYE);
    assert_said("! 1000 the-end\n");
}

/* The Close frame says what the error said, if that is a condition of
 * RFC 6120: the reason is short, and a word of ours (J43). */
static void servers_condition_is_the_reason(void **state)
{
    static const struct {
        const char *condition;
        const char *reason;
    } rows[] = {
        {"conflict", "! 1000 conflict\n"},
        {"unsupported-version", "! 1000 unsupported-version\n"},
        {"made-up", "! 1000 the-end\n"},
        {"conflict ", "! 1000 the-end\n"},
        {"", "! 1000 the-end\n"},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        struct element e = {
            .kind = ELEMENT_ERROR,
            .bytes = SLICE("<stream:error/>"),
            .error_condition = slice_of(rows[i].condition),
        };

        log_in();
        kit->host.session.is_ended = true;
        kit->host.session.ops->ended(kit->host.session.owner,
                                     SESSION_END_SERVER_ERROR, &e);
        forget();
        kit->host.session.is_ended = false;
        say(BYE);
        assert_said(rows[i].reason);
    }
}

static void server_that_closes_is_no_error(void **state)
{
    log_in();
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    assert_said("session-free\n< " CLOSE "\n");
}

static void client_that_does_not_close_is_not_waited_for(void **state)
{
    kit->host.settings.ws.close_ms = SHORT_MS;
    log_in();
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    forget();
    pass_ms(2 * SHORT_MS);
    assert_said("! 1000 the-end\n");
}

/* J25, J26, decision 7 */
static void unreachable_server_is_told_inside_a_stream(void **state)
{
    upgrade();
    say(OPEN);
    forget();
    server_ends(SESSION_END_SERVER_UNREACHABLE, NULL);
    forget_id();
    assert_said("session-free\n"
                "< " OUR_OPEN "version=\"1.0\" from=\"example.org\" />\n"
                "< " ERROR("remote-connection-failed") "\n< " CLOSE "\n");
}

/* J44, decision 6: Converse must come back after login. */
static void lost_server_is_another_error_after_login(void **state)
{
    establish();
    server_ends(SESSION_END_SERVER_LOST, NULL);
    assert_said(
        "session-free\n< " ERROR("remote-connection-failed") "\n< " CLOSE "\n");
    ws_lost(kit->ws);
    kit->host.session.is_ended = false;
    log_in();
    server_ends(SESSION_END_SERVER_LOST, NULL);
    assert_said("session-free\n< " ERROR("internal-server-error") "\n< " CLOSE
                                                                  "\n");
}

/* J45 */
static void lost_client_drops_the_server(void **state)
{
    log_in();
    ws_lost(kit->ws);
    kit->ws = NULL;
    assert_said("session-end why=1 graceful=0\n");
}

/* Q23: Strophe closes the socket right behind <close/>. */
static void client_lost_after_close_had_said_goodbye(void **state)
{
    log_in();
    say(BYE);
    forget();
    ws_lost(kit->ws);
    kit->ws = NULL;
    assert_said("session-end why=0 graceful=1\n");
}

/* decision 9 */
static void shutdown_is_told_and_waited_for(void **state)
{
    log_in();
    kit->host.session.ops->shutdown(kit->host.session.owner);
    assert_said(
        "< " ERROR("system-shutdown") "\n< " CLOSE "\n"
                                      "session-end why=13 graceful=1\n");
    say(BYE);
    assert_said("! 1001 system-shutdown\n");
}

/* G33 */
static void resumable_stream_survives_a_shutdown(void **state)
{
    log_in();
    kit->host.is_resumable = true;
    kit->host.session.ops->shutdown(kit->host.session.owner);
    assert_non_null(strstr(kit->said, "session-end why=13 graceful=0\n"));
}

static void shutdown_before_the_header_has_a_header_of_ours(void **state)
{
    upgrade();
    say(OPEN);
    forget();
    kit->host.session.ops->shutdown(kit->host.session.owner);
    forget_id();
    assert_said(
        "< " OUR_OPEN "version=\"1.0\" from=\"example.org\" />\n"
        "< " ERROR("system-shutdown") "\n< " CLOSE "\n"
                                      "session-end why=13 graceful=1\n");
}

/* ---- faults below ---- */

/* J10, J13 */
static void fault_is_told_where_the_stream_is_open(void **state)
{
    static const struct {
        enum ws_code code;
        const char *expected;
    } faults[] = {
        {WS_TOO_BIG, "< " ABOVE("a size") "\n< " CLOSE "\n"
                                          "session-end why=4 graceful=1\n"
                                          "! 1009 policy-violation\n"},
        {WS_UNSUPPORTED,
         "< " ERROR("policy-violation") "\n< " CLOSE "\n"
                                        "session-end why=2 graceful=1\n"
                                        "! 1003 policy-violation\n"},
        {WS_BAD_DATA,
         "< " ERROR("unsupported-encoding") "\n< " CLOSE "\n"
                                            "session-end why=2 graceful=1\n"
                                            "! 1007 unsupported-encoding\n"},
        {WS_PROTOCOL_ERROR,
         "< " ERROR("bad-format") "\n< " CLOSE "\n"
                                  "session-end why=2 graceful=1\n"
                                  "! 1002 bad-format\n"},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(faults); i++) {
        establish();
        ws_fault(kit->ws, faults[i].code);
        assert_said(faults[i].expected);
    }
}

static void fault_before_the_stream_is_only_a_code(void **state)
{
    upgrade();
    ws_fault(kit->ws, WS_PROTOCOL_ERROR);
    assert_said("! 1002 bad-format\n");
}

/* J13, J25: it is a message, the first one. */
static void first_message_that_is_too_large_is_told_in_a_stream(void **state)
{
    upgrade();
    ws_fault(kit->ws, WS_TOO_BIG);
    forget_id();
    assert_said(
        "< " OUR_OPEN "version=\"1.0\" />\n"
        "< " ABOVE(
            "limits.stanza_max_unauthenticated") "\n< " CLOSE "\n"
                                                 "! 1009 policy-violation\n");
}

/* After <close/> no second error and no second <close/>. */
static void fault_while_closing_is_only_a_code(void **state)
{
    log_in();
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    forget();
    ws_fault(kit->ws, WS_PROTOCOL_ERROR);
    assert_said("! 1002 bad-format\n");
}

/* J13: the limit is lower before login. */
static void message_limit_follows_the_login(void **state)
{
    upgrade();
    assert_int_equal(ws_message_max(kit->ws), 1000);
    say(OPEN);
    server_opens("s1");
    assert_int_equal(ws_message_max(kit->ws), 1000);
    kit->host.is_authenticated = true;
    assert_int_equal(ws_message_max(kit->ws), 4000);
    /* What was on its way when the server ended is no offence. */
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    assert_int_equal(ws_message_max(kit->ws), 4000);
}

/* ---- backpressure ---- */

static void slow_client_pauses_the_server(void **state)
{
    log_in();
    kit->client_is_congested = true;
    server_says("<a/>");
    assert_said("< <a/>\nsession-pause\n");
    server_says("<b/>");
    assert_said("< <b/>\n");
    kit->client_is_congested = false;
    ws_drained(kit->ws);
    assert_said("session-resume\n");
    ws_drained(kit->ws);
    assert_said("");
}

static void slow_server_stops_the_client(void **state)
{
    log_in();
    kit->host.is_congested = true;
    say("<a xmlns='urn:a'/>");
    assert_non_null(strstr(kit->said, "flow 0\n"));
    forget();
    say("<a xmlns='urn:a'/>");
    assert_null(strstr(kit->said, "flow"));
    forget();
    kit->host.session.ops->drained(kit->host.session.owner);
    assert_said("flow 1\n");
}

/* The client's <close/> must get through when the server has gone. */
static void stopped_client_flows_again_at_the_end(void **state)
{
    log_in();
    kit->host.is_congested = true;
    say("<a xmlns='urn:a'/>");
    forget();
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    assert_said("session-free\n< " CLOSE "\nflow 1\n");
}

static void failed_send_waits_for_the_carrier(void **state)
{
    log_in();
    kit->fails = true;
    server_says("<a/>");
    say("<a xmlns='urn:a'>");
    forget();
    ws_lost(kit->ws);
    kit->ws = NULL;
    assert_said("");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(clients_close_lets_the_server_finish),
        TEST(session_that_ends_at_once_closes_at_once),
        TEST(slow_server_does_not_hold_a_closing_client),
        TEST(servers_error_is_one_message_before_close),
        TEST(servers_condition_is_the_reason),
        TEST(server_that_closes_is_no_error),
        TEST(client_that_does_not_close_is_not_waited_for),
        TEST(unreachable_server_is_told_inside_a_stream),
        TEST(lost_server_is_another_error_after_login),
        TEST(lost_client_drops_the_server),
        TEST(client_lost_after_close_had_said_goodbye),
        TEST(shutdown_is_told_and_waited_for),
        TEST(resumable_stream_survives_a_shutdown),
        TEST(shutdown_before_the_header_has_a_header_of_ours),
        TEST(fault_is_told_where_the_stream_is_open),
        TEST(fault_before_the_stream_is_only_a_code),
        TEST(first_message_that_is_too_large_is_told_in_a_stream),
        TEST(fault_while_closing_is_only_a_code),
        TEST(message_limit_follows_the_login),
        TEST(slow_client_pauses_the_server),
        TEST(slow_server_stops_the_client),
        TEST(stopped_client_flows_again_at_the_end),
        TEST(failed_send_waits_for_the_carrier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
