/*
 * What hostile input leaves behind: it is counted, the lines of the log are
 * limited, and what clients say is not in them (style.md, Logging).
 */
#include "websocket_world.h"

#include "base/metrics.h"

#define SECRET "c2VjcmV0" /* of a password */

static char lines[1 << 16];
static size_t lines_len;

static void gather(const char *line, size_t len)
{
    assert_true(len < sizeof(lines) - lines_len);
    memcpy(lines + lines_len, line, len);
    lines_len += len;
    lines[lines_len] = '\0';
}

static unsigned count_lines(const char *what)
{
    const char *at = lines;
    unsigned n = 0;

    for (at = strstr(at, what); at != NULL; at = strstr(at + 1, what))
        n++;
    return n;
}

static void listen_to_the_log(void)
{
    lines_len = 0;
    lines[0] = '\0';
    log_setup(LOG_DEBUG, LOG_TEXT);
    log_set_sink(gather);
}

static void hang_up(void)
{
    watch_stop(&world->watch);
    close(world->fd);
    world->fd = -1;
    buf_clear(&world->in, SIZE_MAX);
    world->saw_eof = false;
}

static void refused_requests_write_few_lines_without_their_bytes(void **state)
{
    static const char bad[] = "GET /" SECRET " HTTP/1.1\r\n"
                              "Authorization: " SECRET "\r\n"
                              "Host: a b\r\n\r\n";
    unsigned i;

    listen_to_the_log();
    for (i = 0; i < 25; i++) {
        plug_in(NULL);
        send_bytes(bad, sizeof(bad) - 1);
        await_bytes(12);
        assert_memory_equal(buf_at(&world->in), "HTTP/1.1 400", 12);
        hang_up();
    }
    log_set_sink(NULL);
    assert_in_range(count_lines("http.refused"), 1, 10);
    assert_null(strstr(lines, SECRET));
}

static void faulty_frames_are_counted_and_not_shown(void **state)
{
    struct metrics m = {{0}};

    metrics_bind(&m);
    listen_to_the_log();
    upgrade();
    send_frame(0xC1, SLICE(SECRET)); /* a reserved bit */
    await_told("fault 1002\n");
    log_set_sink(NULL);
    metrics_bind(NULL);
    assert_int_equal(m.value[METRIC_WS_BAD_FRAMES], 1);
    assert_int_equal(count_lines("websocket.fault"), 1);
    assert_null(strstr(lines, SECRET));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            refused_requests_write_few_lines_without_their_bytes, set_up,
            tear_down),
        cmocka_unit_test_setup_teardown(faulty_frames_are_counted_and_not_shown,
                                        set_up, tear_down),
    };

    return cmocka_run_group_tests_name("bad_input", tests, NULL, NULL);
}
