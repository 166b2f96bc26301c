#include "websocket_world.h"

/* J26, J41: what was sent before still goes out. */
static void drain_closes_with_1001(void **state)
{
    upgrade();
    TEXT("a");
    await_told("message a\n");
    websocket_host_drain(world->host);
    NEXT("\x81\x01"
         "a\x88\x05\x03\xe9why");
    assert_told("shutdown\n");
    assert_false(world->saw_eof);
    send_frame(0x88, SLICE("\x03\xe9"));
    await_eof();
    assert_int_equal(websocket_host_count(world->host), 0);
}

/* A client that is on its way out has no session to be told. */
static void drain_leaves_alone_what_is_closing(void **state)
{
    upgrade();
    TEXT("finish");
    NEXT("\x88\x05\x03\xe8"
         "bye");
    websocket_host_drain(world->host);
    assert_told("message finish\n");
    send_frame(0x88, SLICE("\x03\xe8"));
    await_eof();
    assert_int_equal(world->in.len, 0);
}

static void drain_of_nobody_does_nothing(void **state)
{
    websocket_host_drain(world->host);
    assert_told("");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(drain_closes_with_1001),
        TEST(drain_leaves_alone_what_is_closing),
        TEST(drain_of_nobody_does_nothing),
    };

    return cmocka_run_group_tests_name("websocket_drain", tests, NULL, NULL);
}
