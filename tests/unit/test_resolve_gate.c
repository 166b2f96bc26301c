#include "upstream/resolve_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PLACES 16 /* so that a zone has two, and sixteen in the queue */

static struct gate *gate;
static struct gate_entry entries[400];

static int set_up(void **state)
{
    memset(entries, 0, sizeof(entries));
    return gate_new(&gate, PLACES) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    for (size_t i = 0; i < COUNT_OF(entries); i++)
        gate_leave(gate, &entries[i]);
    assert_int_equal(gate_running(gate), 0);
    assert_int_equal(gate_waiting(gate), 0);
    assert_null(gate_next(gate));
    gate_free(gate);
    return 0;
}

static bool enters(size_t i, const char *name)
{
    assert_int_equal(gate_enter(gate, &entries[i], name), ERR_OK);
    return entries[i].is_running;
}

/* K13: whoever runs a zone that never answers holds up that zone. */
static void a_zone_has_its_share_and_no_more(void **state)
{
    assert_true(enters(0, "_xmpp-client._tcp.a.black.example"));
    assert_true(enters(1, "b.black.example"));
    assert_false(enters(2, "c.black.example"));
    assert_false(enters(3, "black.example"));
    assert_true(enters(4, "white.example"));
    assert_null(gate_next(gate)); /* room, but not for black.example */

    gate_leave(gate, &entries[1]);
    assert_ptr_equal(gate_next(gate), &entries[2]); /* in order */
    assert_null(gate_next(gate));
    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[3]);
}

static void zones_that_wait_take_turns(void **state)
{
    char name[40];

    for (size_t i = 0; i < PLACES; i++) {
        snprintf(name, sizeof(name), "z%zu.example", i);
        assert_true(enters(i, name));
    }
    assert_false(enters(20, "x.a.example"));
    assert_false(enters(21, "y.a.example"));
    assert_false(enters(22, "z.a.example"));
    assert_false(enters(23, "x.b.example"));
    assert_int_equal(gate_waiting(gate), 4);

    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[20]);
    gate_leave(gate, &entries[1]);
    assert_ptr_equal(gate_next(gate), &entries[23]); /* not y.a */
    gate_leave(gate, &entries[2]);
    assert_ptr_equal(gate_next(gate), &entries[21]);
    gate_leave(gate, &entries[3]);
    assert_null(gate_next(gate)); /* a.example has two */
    gate_leave(gate, &entries[21]);
    assert_ptr_equal(gate_next(gate), &entries[22]);
}

static void the_queue_is_bounded_for_a_zone_and_in_all(void **state)
{
    size_t n = 0;
    char name[40];

    while (n < 2 + PLACES) { /* two run, sixteen wait */
        snprintf(name, sizeof(name), "n%zu.black.example", n);
        (void)enters(n++, name);
    }
    assert_int_equal(gate_enter(gate, &entries[n], "m.black.example"),
                     ERR_LIMIT);
    assert_null(entries[n].zone);
    assert_true(enters(n++, "white.example"));

    for (size_t zone = 0; gate_waiting(gate) < 8 * PLACES; n++) {
        snprintf(name, sizeof(name), "n.z%zu.example", zone++ / 3);
        (void)enters(n, name);
    }
    assert_int_equal(gate_running(gate), PLACES);
    assert_int_equal(gate_enter(gate, &entries[n], "new.example"), ERR_LIMIT);
}

static void those_who_wait_may_leave(void **state)
{
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(enters(i, "black.example"), i < 2);
    gate_leave(gate, &entries[3]); /* from the middle */
    gate_leave(gate, &entries[5]); /* the last */
    gate_leave(gate, &entries[5]); /* idle */
    (void)enters(6, "black.example");
    gate_leave(gate, &entries[2]); /* the first */
    gate_leave(gate, &entries[0]);
    assert_ptr_equal(gate_next(gate), &entries[4]);
    gate_leave(gate, &entries[1]);
    assert_ptr_equal(gate_next(gate), &entries[6]);
    assert_int_equal(gate_waiting(gate), 0);
}

static void strange_names_have_a_zone_too(void **state)
{
    char name[300];

    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    assert_true(enters(0, "localhost"));
    assert_true(enters(1, ""));
    assert_true(enters(2, "."));
    assert_true(enters(3, name));
    assert_true(enters(4, "a.b."));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_zone_has_its_share_and_no_more),
        TEST(zones_that_wait_take_turns),
        TEST(the_queue_is_bounded_for_a_zone_and_in_all),
        TEST(those_who_wait_may_leave),
        TEST(strange_names_have_a_zone_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
