#include "ws_world.h"

/* J26, J41: there is no session yet, and no stream to say anything in. */
static void shutdown_before_open_is_a_close_frame(void **state)
{
    upgrade();
    ws_shutdown(kit->ws);
    kit->ws = NULL;
    assert_said("! 1001 system-shutdown\n");
}

/* The others are told by their sessions. */
static void shutdown_after_open_is_the_sessions(void **state)
{
    upgrade();
    say(OPEN);
    forget();
    ws_shutdown(kit->ws);
    assert_said("");
    server_opens("s1");
    forget();
    ws_shutdown(kit->ws);
    assert_said("");
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    forget();
    ws_shutdown(kit->ws);
    assert_said("");
}

/* J13, J25: the server has said nothing yet, the error has a header of ours */
static void fault_while_connecting_is_told_in_a_stream(void **state)
{
    upgrade();
    say(OPEN);
    forget();
    ws_fault(kit->ws, WS_TOO_BIG);
    kit->ws = NULL;
    forget_id();
    assert_said("< " OUR_OPEN "version=\"1.0\" from=\"example.org\" />\n"
                "< " ABOVE("a size") "\n< " CLOSE "\n"
                                     "session-end why=4 graceful=1\n"
                                     "! 1009 policy-violation\n");
}

static void shut_down(void)
{
    kit->host.session.ops->shutdown(kit->host.session.owner);
}

#define MOVED(uri)                                                             \
    "< <close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" "                  \
    "see-other-uri=\"" uri "\" />\n"

/* J46: no stream error before it, since Strophe gives up at that. */
static void clients_are_told_where_to_go(void **state)
{
    kit->host.settings.ws.see_other_uri = "wss://b.example/x?a=1&b=2";
    log_in();
    shut_down();
    assert_said(MOVED("wss://b.example/x?a=1&amp;b=2") /**/
                "session-end why=13 graceful=1\n");
    say(BYE);
    assert_said("! 1001 system-shutdown\n");
}

static void resumable_stream_survives_the_move(void **state)
{
    kit->host.settings.ws.see_other_uri = "wss://b.example/";
    log_in();
    kit->host.is_resumable = true;
    shut_down();
    assert_said(MOVED("wss://b.example/") "session-end why=13 graceful=0\n");
}

/* RFC 7395 section 3.6.1: never to a lower level of security. */
static void clients_on_tls_are_not_sent_to_clear_text(void **state)
{
    static const char *const uris[] = {"ws://b.example/", "", NULL};
    size_t i;

    for (i = 0; i < COUNT_OF(uris); i++) {
        kit->host.settings.ws.see_other_uri = uris[i];
        log_in();
        shut_down();
        assert_said("< " ERROR("system-shutdown") "\n< " CLOSE "\n"
                                                  "session-end why=13 "
                                                  "graceful=1\n");
        ws_lost(kit->ws);
        kit->ws = NULL;
    }
}

static void client_that_closes_is_not_moved(void **state)
{
    kit->host.settings.ws.see_other_uri = "wss://b.example/";
    log_in();
    say(BYE);
    forget();
    shut_down();
    assert_said("");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(shutdown_before_open_is_a_close_frame),
        TEST(shutdown_after_open_is_the_sessions),
        TEST(fault_while_connecting_is_told_in_a_stream),
        TEST(clients_are_told_where_to_go),
        TEST(resumable_stream_survives_the_move),
        TEST(clients_on_tls_are_not_sent_to_clear_text),
        TEST(client_that_closes_is_not_moved),
    };

    return cmocka_run_group_tests_name("ws_drain", tests, NULL, NULL);
}
