/* Ended sessions in the order in which they ended. */
#include "session/tombstones.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define MANY 1000

static void oldest_is_what_is_too_much(void **state)
{
    struct tombstones t;
    struct tombstone s[3] = {{.is_in = false}};

    (void)state;
    tombstones_init(&t, 250);
    tombstones_add(&t, &s[0], 100);
    tombstones_add(&t, &s[1], 100);
    assert_null(tombstones_surplus(&t));
    tombstones_add(&t, &s[2], 100);
    assert_ptr_equal(tombstones_surplus(&t), &s[0]);
    tombstones_remove(&t, &s[0]);
    assert_null(tombstones_surplus(&t));
    assert_int_equal(t.count, 2);
    assert_int_equal(t.bytes, 200);
}

static void newest_stays_however_large(void **state)
{
    struct tombstones t;
    struct tombstone s[2] = {{.is_in = false}};

    (void)state;
    tombstones_init(&t, 10);
    tombstones_add(&t, &s[0], 1000);
    assert_null(tombstones_surplus(&t));
    tombstones_add(&t, &s[1], 5000);
    assert_ptr_equal(tombstones_surplus(&t), &s[0]);
    tombstones_remove(&t, &s[0]);
    assert_null(tombstones_surplus(&t));
}

static void exactly_the_maximum_is_not_too_much(void **state)
{
    struct tombstones t;
    struct tombstone s[2] = {{.is_in = false}};

    (void)state;
    tombstones_init(&t, 200);
    tombstones_add(&t, &s[0], 100);
    tombstones_add(&t, &s[1], 100);
    assert_null(tombstones_surplus(&t));
}

/* One that is removed from the middle and comes back is the newest. */
static void any_may_leave_and_come_back(void **state)
{
    struct tombstones t;
    struct tombstone s[3] = {{.is_in = false}};

    (void)state;
    tombstones_init(&t, 150);
    for (size_t i = 0; i < 3; i++)
        tombstones_add(&t, &s[i], 100);
    tombstones_remove(&t, &s[1]);
    tombstones_remove(&t, &s[1]); /* no-op */
    tombstones_add(&t, &s[1], 60);
    assert_ptr_equal(tombstones_surplus(&t), &s[0]);
    tombstones_remove(&t, &s[0]);
    assert_ptr_equal(tombstones_surplus(&t), &s[2]);
    tombstones_remove(&t, &s[2]);
    assert_null(tombstones_surplus(&t));
    assert_ptr_equal(t.oldest, &s[1]);
    assert_ptr_equal(t.newest, &s[1]);
    tombstones_remove(&t, &s[1]);
    assert_null(t.oldest);
    assert_null(t.newest);
    assert_int_equal(t.bytes, 0);
}

static void many_leave_in_the_order_they_came(void **state)
{
    static struct tombstone s[MANY];
    struct tombstones t;
    size_t gone = 0;

    (void)state;
    tombstones_init(&t, 50 * 10);
    for (size_t i = 0; i < MANY; i++) {
        struct tombstone *oldest;

        tombstones_add(&t, &s[i], 10);
        oldest = tombstones_surplus(&t);
        if (oldest == NULL)
            continue;
        assert_ptr_equal(oldest, &s[gone]);
        tombstones_remove(&t, oldest);
        gone++;
    }
    assert_int_equal(gone, MANY - 50);
    assert_int_equal(t.count, 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oldest_is_what_is_too_much),
        cmocka_unit_test(newest_stays_however_large),
        cmocka_unit_test(exactly_the_maximum_is_not_too_much),
        cmocka_unit_test(any_may_leave_and_come_back),
        cmocka_unit_test(many_leave_in_the_order_they_came),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
