#include "base/quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void never_more_than_there_are_places(void **state)
{
    struct quota q;

    quota_init(&q, 2);
    assert_true(quota_take(&q));
    assert_false(quota_is_full(&q));
    assert_true(quota_take(&q));
    assert_true(quota_is_full(&q));
    assert_false(quota_take(&q));
    assert_int_equal(quota_taken(&q), 2);
    assert_false(quota_lacks_whole(&q));
    quota_give(&q);
    assert_true(quota_take(&q));
}

/* Ten places for both, the last three not for the first one. */
static void some_of_the_whole_is_left_to_others(void **state)
{
    struct quota whole;
    struct quota greedy;
    struct quota other;
    unsigned n = 0;

    quota_init(&whole, 10);
    quota_init(&greedy, 100);
    quota_init(&other, 100);
    quota_share(&greedy, &whole, 3);
    quota_share(&other, &whole, 0);
    while (quota_take(&greedy))
        n++;
    assert_int_equal(n, 7);
    assert_int_equal(quota_taken(&greedy), 7);
    assert_true(quota_is_full(&greedy));
    assert_true(quota_lacks_whole(&greedy));
    assert_false(quota_is_full(&other));
    for (n = 0; quota_take(&other); n++)
        ;
    assert_int_equal(n, 3);
    assert_int_equal(quota_taken(&whole), 10);

    quota_give(&greedy);
    assert_false(quota_take(&greedy)); /* that one is of the others now */
    assert_true(quota_take(&other));
    while (quota_taken(&other) > 0)
        quota_give(&other);
    while (quota_taken(&greedy) > 0)
        quota_give(&greedy);
    assert_int_equal(quota_taken(&whole), 0);
}

static void its_own_limit_stays(void **state)
{
    struct quota whole;
    struct quota q;

    quota_init(&whole, 10);
    quota_init(&q, 1);
    quota_share(&q, &whole, 0);
    assert_true(quota_take(&q));
    assert_false(quota_take(&q));
    assert_false(quota_lacks_whole(&q));
    assert_int_equal(quota_taken(&whole), 1);
}

static void a_whole_that_is_kept_in_full_gives_nothing(void **state)
{
    struct quota whole;
    struct quota q;

    quota_init(&whole, 2);
    quota_init(&q, 5);
    quota_share(&q, &whole, 3);
    assert_false(quota_take(&q));
    assert_int_equal(quota_taken(&q), 0);
    assert_int_equal(quota_taken(&whole), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_more_than_there_are_places),
        cmocka_unit_test(some_of_the_whole_is_left_to_others),
        cmocka_unit_test(its_own_limit_stays),
        cmocka_unit_test(a_whole_that_is_kept_in_full_gives_nothing),
    };

    return cmocka_run_group_tests_name("quota", tests, NULL, NULL);
}
