#include "base/trim.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct loop *loop;

static void stop(void *arg)
{
    loop_stop(loop);
}

static void run_for(unsigned ms)
{
    struct timer t;

    timer_init(&t, loop, stop, NULL);
    timer_set(&t, ms);
    loop_run(loop);
    timer_stop(&t);
}

/* L11: what a crowd had is given back once, when most of it has gone. */
static void half_of_a_crowd_must_leave(void **state)
{
    struct trim t;

    assert_int_equal(loop_new(&loop), ERR_OK);
    trim_init(&t, loop);
    for (size_t n = 1; n <= 4 * TRIM_LEAVERS_MIN; n++)
        trim_note(&t, n);
    trim_note(&t, 2 * TRIM_LEAVERS_MIN + 1);
    assert_false(timer_is_set(&t.timer));
    trim_note(&t, 2 * TRIM_LEAVERS_MIN);
    assert_true(timer_is_set(&t.timer));
    trim_note(&t, 10);
    run_for(TRIM_DELAY_MS + 100);
    assert_int_equal(t.peak, 10);
    assert_false(timer_is_set(&t.timer));
    trim_note(&t, 0);
    assert_false(timer_is_set(&t.timer)); /* ten are no crowd */
    trim_stop(&t);
    loop_free(loop);
}

static void a_crowd_that_comes_back_keeps_its_memory(void **state)
{
    struct trim t;

    assert_int_equal(loop_new(&loop), ERR_OK);
    trim_init(&t, loop);
    trim_note(&t, 1000);
    trim_note(&t, 100);
    trim_note(&t, 900);
    run_for(TRIM_DELAY_MS + 100);
    assert_int_equal(t.peak, 1000);
    trim_note(&t, 100);
    assert_true(timer_is_set(&t.timer));
    trim_stop(&t);
    loop_free(loop);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(half_of_a_crowd_must_leave),
        cmocka_unit_test(a_crowd_that_comes_back_keeps_its_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
