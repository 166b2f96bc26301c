#include "session/bosh_pace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool arrives(struct bosh_pace *pace, uint64_t now_ms, bool is_poll,
                    unsigned unanswered, bool is_polling_session)
{
    struct bosh_arrival arrival = {
        .now_ms = now_ms,
        .is_poll = is_poll,
        .is_polling_session = is_polling_session,
        .unanswered = unanswered,
        .requests = 2,
        .polling_s = 2,
    };

    return bosh_pace_is_too_fast(pace, &arrival);
}

/* B62 */
static void overlapping_polls_are_counted(void **state)
{
    struct bosh_pace pace = {0};

    assert_false(arrives(&pace, 1000, true, 1, false));
    assert_false(arrives(&pace, 1100, true, 2, false));
    assert_false(arrives(&pace, 1200, true, 2, false));
    assert_true(arrives(&pace, 1300, true, 2, false));
}

static void what_is_no_overlap_starts_the_count_anew(void **state)
{
    struct bosh_pace pace = {0};

    assert_false(arrives(&pace, 1000, true, 1, false));
    assert_false(arrives(&pace, 1100, true, 2, false));
    assert_false(arrives(&pace, 1200, true, 2, false));
    assert_false(arrives(&pace, 1300, false, 2, false)); /* B63 */
    assert_false(arrives(&pace, 1400, true, 2, false));
    assert_false(arrives(&pace, 1500, true, 2, false));
    assert_false(arrives(&pace, 3500, true, 2, false)); /* polling */
    assert_false(arrives(&pace, 3600, true, 2, false));
}

/* B65 */
static void polling_session_waits_when_it_got_nothing(void **state)
{
    struct bosh_pace pace = {0};

    assert_false(arrives(&pace, 1000, true, 1, true));
    pace.last_got_nothing = false;
    assert_false(arrives(&pace, 1100, true, 1, true));
    pace.last_got_nothing = true;
    assert_false(arrives(&pace, 3100, true, 1, true));
    assert_true(arrives(&pace, 5099, true, 1, true));
    assert_false(arrives(&pace, 5100, false, 1, true));
    assert_false(arrives(&pace, 5101, true, 1, true));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overlapping_polls_are_counted),
        cmocka_unit_test(what_is_no_overlap_starts_the_count_anew),
        cmocka_unit_test(polling_session_waits_when_it_got_nothing),
    };

    return cmocka_run_group_tests_name("bosh_pace", tests, NULL, NULL);
}
