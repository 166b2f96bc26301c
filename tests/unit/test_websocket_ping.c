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

static size_t add_pings(char *out, size_t n)
{
    size_t len = 0;
    size_t i;

    for (i = 0; i < n; i++) {
        char text = (char)('a' + i % 26);

        len += make_frame(out + len, 0x89, (struct slice){&text, 1});
    }
    return len;
}

/* J51: each has its pong as long as they can be sent. */
static void ten_pings_in_a_row_get_ten_pongs(void **state)
{
    char bytes[200];
    size_t i;

    upgrade();
    send_bytes(bytes, add_pings(bytes, 10));
    for (i = 0; i < 10; i++) {
        char pong[3] = {(char)0x8a, 1, (char)('a' + i)};

        assert_next(pong, 3);
    }
    assert_int_equal(world->in.len, 0);
    assert_told("");
}

/* RFC 6455 section 5.5.3: a client that does not read has one pong waiting,
 * that of its latest ping. */
static void pongs_do_not_pile_up(void **state)
{
    static const char last[] = {'\x8a', 1, 'x'};
    char bytes[1000];
    size_t flood;

    upgrade();
    watch_set(&world->watch, 0);
    world->big_left = 100;
    TEXT("flood"); /* until the connection is congested */
    await_told("message flood\n");
    send_bytes(bytes, add_pings(bytes, 50)); /* the last one: 'x' */
    pass_ms(SHORT_MS);
    flood = (100 - world->big_left) * (4 + BIG_BYTES / 4);
    world->big_left = 0;
    watch_set(&world->watch, LOOP_READ);
    await_bytes(flood + 3);
    buf_consume(&world->in, flood);
    assert_next(last, 3);
    pass_ms(SHORT_MS);
    assert_int_equal(world->in.len, 0);
    assert_told("drained\n");
}

/* One after another, or all at once: only how many in a second counts. */
static void frames_for_nothing_have_a_bound(void **state)
{
    static const unsigned char firsts[] = {0x89, 0x8a, 0x00};
    char bytes[WEBSOCKET_IDLE_MAX * 6];
    size_t i;
    size_t k;

    for (k = 0; k < COUNT_OF(firsts); k++) {
        size_t len = 0;
        size_t pongs = firsts[k] == 0x89 ? WEBSOCKET_IDLE_MAX + 1 : 0;

        for (i = 0; i < WEBSOCKET_IDLE_MAX; i++)
            len += make_frame(bytes + len, firsts[k], SLICE(""));
        upgrade();
        send_frame(0x01, SLICE("text"));
        send_bytes(bytes, len);
        pass_ms(SHORT_MS);
        assert_told("");
        send_frame(firsts[k], SLICE(""));
        await_told("fault 1008\n");
        await_eof();
        assert_int_equal(world->in.len, 2 * pongs + 10 + 7);
        buf_consume(&world->in, 2 * pongs);
        NEXT("\x81\x08<error/>\x88\x05\x03\xf0why");
        unplug();
    }
}

static void bound_begins_anew_each_second(void **state)
{
    char bytes[WEBSOCKET_IDLE_MAX * 6];
    size_t len = 0;
    size_t i;

    for (i = 0; i < WEBSOCKET_IDLE_MAX; i++)
        len += make_frame(bytes + len, 0x8a, SLICE(""));
    upgrade();
    send_bytes(bytes, len);
    pass_ms(WEBSOCKET_IDLE_PERIOD_MS + SHORT_MS);
    send_bytes(bytes, len);
    TEXT("still here");
    NEXT("\x81\x0astill here");
    assert_told("message still here\n");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(client_that_dies_after_an_answered_ping_is_dropped),
        TEST(ten_pings_in_a_row_get_ten_pongs),
        TEST(pongs_do_not_pile_up),
        TEST(frames_for_nothing_have_a_bound),
        TEST(bound_begins_anew_each_second),
    };

    return cmocka_run_group_tests_name("websocket_ping", tests, NULL, NULL);
}
