/* The time of a loop in virtual time: what counts, and what does not. */
#include "base/loop_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define START_MS 5000

static struct loop_clock clock_of_turns(void)
{
    struct loop_clock c;

    loop_clock_init(&c, START_MS);
    return c;
}

/* A turn `ms` after the last one; how far the loop's time went. */
static uint64_t turn(struct loop_clock *c, uint64_t ms)
{
    uint64_t before_ms = c->now_ms;

    loop_clock_turn(c, c->real_ms + ms, true);
    assert_true(c->now_ms >= before_ms);
    return c->now_ms - before_ms;
}

static void turns_in_time_count_in_full(void **state)
{
    struct loop_clock c = clock_of_turns();

    assert_int_equal(c.now_ms, START_MS);
    assert_int_equal(turn(&c, 0), 0);
    assert_int_equal(turn(&c, 1), 1);
    assert_int_equal(turn(&c, LOOP_TICK_MS), LOOP_TICK_MS);
    assert_int_equal(turn(&c, LOOP_GAP_MS), LOOP_GAP_MS);
}

static void a_gap_does_not_count(void **state)
{
    static const uint64_t gaps_ms[] = {LOOP_GAP_MS + 1, 9000, 3600000,
                                       UINT64_C(30) * 86400000};

    for (size_t i = 0; i < COUNT_OF(gaps_ms); i++) {
        struct loop_clock c = clock_of_turns();

        assert_int_equal(turn(&c, gaps_ms[i]), 0);
        /* What has waited is read before time goes on. */
        assert_int_equal(turn(&c, 1), 0);
        assert_int_equal(turn(&c, LOOP_CATCH_UP_MS - 1), 0);
        assert_int_equal(turn(&c, 1), 1);
        assert_int_equal(turn(&c, 10), 10);
    }
}

static void catching_up_ends_within_a_turn(void **state)
{
    struct loop_clock c = clock_of_turns();

    assert_int_equal(turn(&c, 9000), 0);
    assert_int_equal(turn(&c, LOOP_CATCH_UP_MS + 70), 70);
}

/* As under a debugger, or on a machine that is far too small. */
static void where_every_turn_is_late_time_goes_on(void **state)
{
    struct loop_clock c = clock_of_turns();
    uint64_t sum_ms = 0;

    for (unsigned i = 0; i < 20; i++)
        sum_ms += turn(&c, 4000);
    assert_in_range(sum_ms, 10 * LOOP_GAP_MS, 40000);
}

/* It may have waited for ever, and nothing was due. */
static void without_timers_no_turn_is_late(void **state)
{
    struct loop_clock c = clock_of_turns();

    loop_clock_turn(&c, START_MS + 86400000, false);
    assert_int_equal(c.now_ms, START_MS + 86400000);
    assert_int_equal(turn(&c, 7), 7);
}

static void the_alarm_follows_what_was_left_out(void **state)
{
    struct loop_clock c = clock_of_turns();

    assert_int_equal(loop_clock_alarm(&c, START_MS + 300), START_MS + 300);
    assert_int_equal(loop_clock_alarm(&c, START_MS), START_MS);
    assert_int_equal(loop_clock_alarm(&c, START_MS - 1), START_MS);
    /* Often enough to see a gap. */
    assert_int_equal(loop_clock_alarm(&c, START_MS + 90000),
                     START_MS + LOOP_TICK_MS);
    assert_int_equal(loop_clock_alarm(&c, UINT64_MAX), START_MS + LOOP_TICK_MS);
    (void)turn(&c, 9000);
    assert_int_equal(loop_clock_alarm(&c, START_MS + 300),
                     START_MS + 9000 + LOOP_CATCH_UP_MS + 300);
    (void)turn(&c, LOOP_CATCH_UP_MS);
    assert_int_equal(loop_clock_alarm(&c, START_MS + 300),
                     START_MS + 9000 + LOOP_CATCH_UP_MS + 300);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_in_time_count_in_full),
        cmocka_unit_test(a_gap_does_not_count),
        cmocka_unit_test(catching_up_ends_within_a_turn),
        cmocka_unit_test(where_every_turn_is_late_time_goes_on),
        cmocka_unit_test(without_timers_no_turn_is_late),
        cmocka_unit_test(the_alarm_follows_what_was_left_out),
    };

    return cmocka_run_group_tests_name("loop_clock", tests, NULL, NULL);
}
