#include "bosh_pace.h"

bool bosh_pace_is_too_fast(struct bosh_pace *pace, const struct bosh_arrival *a)
{
    bool is_soon = pace->last_ms != 0 &&
                   a->now_ms - pace->last_ms < (uint64_t)a->polling_s * 1000;
    bool is_too_fast = false;

    if (a->unanswered > a->requests && !a->may_exceed)
        return true; /* B60 */
    if (a->is_polling_session) {
        /* Section 12: two polls, and the first got nothing (B65). */
        is_too_fast = is_soon && a->is_poll && pace->last_was_poll &&
                      pace->last_got_nothing;
    } else if (is_soon && a->is_poll && a->unanswered == a->requests) {
        /* Section 11: the window is full of waiting, and one more waits
         * (B62). */
        pace->strikes++;
        is_too_fast = pace->strikes >= BOSH_PACE_STRIKES;
    } else {
        pace->strikes = 0;
    }
    pace->last_ms = a->now_ms;
    pace->last_was_poll = a->is_poll;
    return is_too_fast;
}
