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
                "< " ERROR("policy-violation") "\n< " CLOSE "\n"
                                               "session-end why=4 graceful=1\n"
                                               "! 1009 policy-violation\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(shutdown_before_open_is_a_close_frame),
        TEST(shutdown_after_open_is_the_sessions),
        TEST(fault_while_connecting_is_told_in_a_stream),
    };

    return cmocka_run_group_tests_name("ws_drain", tests, NULL, NULL);
}
