#include "websocket_world.h"

/* J51: each ping wants a sign of life of its own. */
static void client_that_dies_after_an_answered_ping_is_dropped(void **state)
{
    world->sessions.settings.ws.ping_s = 1;
    world->sessions.settings.ws.ping_timeout_s = 1;
    upgrade();
    assert_next("\x89\x00", 2);
    send_frame(0x8a, SLICE(""));
    assert_next("\x89\x00", 2);
    await_eof();
    assert_told("lost\n");
    assert_int_equal(websocket_host_count(world->host), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            client_that_dies_after_an_answered_ping_is_dropped, set_up,
            tear_down),
    };

    return cmocka_run_group_tests_name("websocket_ping", tests, NULL, NULL);
}
