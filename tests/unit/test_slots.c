#include "base/slots.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void never_more_than_there_are_places(void **state)
{
    struct slots q;

    slots_init(&q, 2);
    assert_true(slots_take(&q));
    assert_false(slots_is_full(&q));
    assert_true(slots_take(&q));
    assert_true(slots_is_full(&q));
    assert_false(slots_take(&q));
    assert_int_equal(slots_taken(&q), 2);
    assert_false(slots_lacks_whole(&q));
    slots_give(&q);
    assert_true(slots_take(&q));
}

/* Ten places for both, the last three not for the first one. */
static void some_of_the_whole_is_left_to_others(void **state)
{
    struct slots whole;
    struct slots greedy;
    struct slots other;
    unsigned n = 0;

    slots_init(&whole, 10);
    slots_init(&greedy, 100);
    slots_init(&other, 100);
    slots_share(&greedy, &whole, 3);
    slots_share(&other, &whole, 0);
    while (slots_take(&greedy))
        n++;
    assert_int_equal(n, 7);
    assert_int_equal(slots_taken(&greedy), 7);
    assert_true(slots_is_full(&greedy));
    assert_true(slots_lacks_whole(&greedy));
    assert_false(slots_is_full(&other));
    for (n = 0; slots_take(&other); n++)
        ;
    assert_int_equal(n, 3);
    assert_int_equal(slots_taken(&whole), 10);

    slots_give(&greedy);
    assert_false(slots_take(&greedy)); /* that one is of the others now */
    assert_true(slots_take(&other));
    while (slots_taken(&other) > 0)
        slots_give(&other);
    while (slots_taken(&greedy) > 0)
        slots_give(&greedy);
    assert_int_equal(slots_taken(&whole), 0);
}

static void its_own_limit_stays(void **state)
{
    struct slots whole;
    struct slots q;

    slots_init(&whole, 10);
    slots_init(&q, 1);
    slots_share(&q, &whole, 0);
    assert_true(slots_take(&q));
    assert_false(slots_take(&q));
    assert_false(slots_lacks_whole(&q));
    assert_int_equal(slots_taken(&whole), 1);
}

static void a_whole_that_is_kept_in_full_gives_nothing(void **state)
{
    struct slots whole;
    struct slots q;

    slots_init(&whole, 2);
    slots_init(&q, 5);
    slots_share(&q, &whole, 3);
    assert_false(slots_take(&q));
    assert_int_equal(slots_taken(&q), 0);
    assert_int_equal(slots_taken(&whole), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_than_there_are_places),
        cmocka_unit_test(some_of_the_whole_is_left_to_others),
        cmocka_unit_test(its_own_limit_stays),
        cmocka_unit_test(a_whole_that_is_kept_in_full_gives_nothing),
    };

    return cmocka_run_group_tests_name("slots", tests, NULL, NULL);
}
