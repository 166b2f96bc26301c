#include "session/rid.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static struct rid_window window(uint64_t first_rid, unsigned requests)
{
    struct rid_window w;

    assert_int_equal(rid_open(&w, first_rid, requests, requests), ERR_OK);
    return w;
}

static void deliver(struct rid_window *w, uint64_t rid)
{
    assert_int_equal(rid_admit(w, rid, RID_ORDINARY), RID_DELIVER);
    assert_false(rid_delivered(w));
}

/* A03, B15 */
static void window_opens_only_where_rids_can_be(void **state)
{
    struct rid_window w;

    assert_int_equal(rid_open(&w, 0, 2, 2), ERR_INVALID);
    assert_int_equal(rid_open(&w, RID_MAX + 1, 2, 2), ERR_INVALID);
    assert_int_equal(rid_open(&w, 1, 0, 2), ERR_INVALID);
    assert_int_equal(rid_open(&w, 1, RID_REQUESTS_MAX + 1, 2), ERR_INVALID);
    assert_int_equal(rid_open(&w, 1, 2, 0), ERR_INVALID);
    assert_int_equal(rid_open(&w, RID_MAX, 2, 2), ERR_OK);
}

/* B02, B05 */
static void early_request_waits_its_turn(void **state)
{
    struct rid_window w = window(1000, 2);

    deliver(&w, 1000);
    assert_int_equal(rid_admit(&w, 1002, RID_ORDINARY), RID_PARK);
    assert_int_equal(rid_admit(&w, 1001, RID_ORDINARY), RID_DELIVER);
    assert_true(rid_delivered(&w)); /* 1002 must follow at once */
    assert_false(rid_delivered(&w));
    assert_int_equal(w.next, 1003);
}

/* B04: R + W is the last that may come, and one more for two kinds (T3) */
static void window_ends_where_it_says(void **state)
{
    struct rid_window w = window(1000, 2);

    deliver(&w, 1000);
    assert_int_equal(rid_admit(&w, 1003, RID_ORDINARY), RID_REJECT);
    assert_int_equal(rid_admit(&w, 1003, RID_PAUSE), RID_PARK);
    rid_unpark(&w, 1003);
    assert_int_equal(rid_admit(&w, 1003, RID_TERMINATE), RID_PARK);
    assert_int_equal(rid_admit(&w, 1004, RID_TERMINATE), RID_REJECT);
    assert_int_equal(rid_admit(&w, 1002, RID_ORDINARY), RID_PARK);
}

static void window_of_one_has_no_room_for_early_ones(void **state)
{
    struct rid_window w = window(7, 1);

    deliver(&w, 7);
    assert_int_equal(rid_admit(&w, 9, RID_ORDINARY), RID_REJECT);
    assert_int_equal(rid_admit(&w, 9, RID_TERMINATE), RID_PARK);
    assert_int_equal(rid_admit(&w, 8, RID_ORDINARY), RID_DELIVER);
}

/* B07, B08, B09 */
static void repeats_are_told_apart(void **state)
{
    struct rid_window w = window(10, 2);
    unsigned i;

    deliver(&w, 10);
    assert_int_equal(rid_admit(&w, 10, RID_ORDINARY), RID_RETAKE);
    assert_int_equal(rid_answered(&w), 0);
    assert_int_equal(rid_admit(&w, 10, RID_ORDINARY), RID_REPLAY);
    for (i = 11; i <= 13; i++) {
        deliver(&w, i);
        assert_int_equal(rid_answered(&w), i > 11);
    }
    assert_int_equal(rid_admit(&w, 13, RID_ORDINARY), RID_REPLAY);
    assert_int_equal(rid_admit(&w, 12, RID_ORDINARY), RID_REPLAY);
    assert_int_equal(rid_admit(&w, 11, RID_ORDINARY), RID_REJECT);
    assert_int_equal(rid_admit(&w, 9, RID_ORDINARY), RID_REJECT);
}

/* decision 8: a parked repeat takes the other's place */
static void repeat_of_a_parked_request_is_a_retake(void **state)
{
    struct rid_window w = window(1, 3);

    deliver(&w, 1);
    assert_int_equal(rid_admit(&w, 3, RID_ORDINARY), RID_PARK);
    assert_int_equal(rid_admit(&w, 3, RID_ORDINARY), RID_RETAKE);
    rid_unpark(&w, 3);
    assert_int_equal(rid_admit(&w, 3, RID_ORDINARY), RID_PARK);
}

/* B72, T10 */
static void terminate_jumps_a_gap(void **state)
{
    struct rid_window w = window(1, 3);

    deliver(&w, 1);
    assert_int_equal(rid_admit(&w, 3, RID_ORDINARY), RID_PARK);
    assert_int_equal(rid_admit(&w, 5, RID_TERMINATE), RID_PARK);
    rid_jump(&w, 5);
    assert_int_equal(w.next, 5);
    assert_false(rid_delivered(&w));
    assert_int_equal(w.next, 6);
    assert_int_equal(w.parked, 0);
    assert_true(rid_is_open(&w, 3));
}

/* B15, T9: nothing wraps around */
static void hostile_rids_are_rejected(void **state)
{
    struct rid_window w = window(1, 2);
    struct rid_window last = window(RID_MAX, 2);

    assert_int_equal(rid_admit(&w, 0, RID_ORDINARY), RID_REJECT);
    assert_int_equal(rid_admit(&w, UINT64_MAX, RID_TERMINATE), RID_REJECT);
    assert_int_equal(rid_admit(&w, UINT64_C(1) << 63, RID_PAUSE), RID_REJECT);
    deliver(&last, RID_MAX);
    assert_int_equal(rid_admit(&last, RID_MAX + 1, RID_ORDINARY), RID_REJECT);
}

/* A set and a list say the same as the window, for random schedules. */
static void agrees_with_a_naive_model(void **state)
{
    bool is_parked[64] = {false};
    struct rid_window w = window(1, 4);
    unsigned next = 1;
    unsigned open = 1;
    unsigned i;

    srand(4711);
    for (i = 0; i < 20000 && next < 40; i++) {
        unsigned rid = open + (unsigned)rand() % 12;
        enum rid_verdict v = rid_admit(&w, rid, RID_ORDINARY);

        if (rid < next)
            assert_int_equal(v, RID_RETAKE);
        else if (rid == next)
            assert_int_equal(v, RID_DELIVER);
        else if (rid > next - 1 + 4)
            assert_int_equal(v, RID_REJECT);
        else
            assert_int_equal(v, is_parked[rid] ? RID_RETAKE : RID_PARK);
        if (v == RID_PARK)
            is_parked[rid] = true;
        if (v != RID_DELIVER)
            continue;
        do {
            assert_int_equal(rid_delivered(&w), is_parked[next + 1]);
            next++;
        } while (is_parked[next]);
        while (open < next && rand() % 3 > 0) {
            (void)rid_answered(&w);
            open++;
        }
    }
    assert_true(next >= 40);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(window_opens_only_where_rids_can_be),
        cmocka_unit_test(early_request_waits_its_turn),
        cmocka_unit_test(window_ends_where_it_says),
        cmocka_unit_test(window_of_one_has_no_room_for_early_ones),
        cmocka_unit_test(repeats_are_told_apart),
        cmocka_unit_test(repeat_of_a_parked_request_is_a_retake),
        cmocka_unit_test(terminate_jumps_a_gap),
        cmocka_unit_test(hostile_rids_are_rejected),
        cmocka_unit_test(agrees_with_a_naive_model),
    };

    return cmocka_run_group_tests_name("rid", tests, NULL, NULL);
}
