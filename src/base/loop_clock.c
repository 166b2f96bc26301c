#include "loop_clock.h"

void loop_clock_init(struct loop_clock *c, uint64_t real_ms)
{
    *c = (struct loop_clock){.real_ms = real_ms, .now_ms = real_ms};
}

void loop_clock_late(struct loop_clock *c, uint64_t real_ms, bool is_timed)
{
    uint64_t before_ms = c->real_ms;
    bool was_standing = c->until_ms != 0;
    uint64_t from_ms = was_standing ? c->until_ms : before_ms;

    c->real_ms = real_ms;
    if (!is_timed) {
        c->now_ms += real_ms - before_ms;
        c->until_ms = 0;
        return;
    }
    /* Not twice in a row: on a machine where every turn is late, timers must
     * go off all the same. */
    if (real_ms - before_ms > LOOP_GAP_MS && !was_standing) {
        c->until_ms = real_ms + LOOP_CATCH_UP_MS;
        return;
    }
    if (real_ms < from_ms)
        return;
    c->until_ms = 0;
    c->now_ms +=
        real_ms - from_ms < LOOP_GAP_MS ? real_ms - from_ms : LOOP_GAP_MS;
}

uint64_t loop_clock_alarm(const struct loop_clock *c, uint64_t due_ms)
{
    uint64_t stands_ms = c->until_ms != 0 ? c->until_ms - c->real_ms : 0;
    uint64_t wait_ms = due_ms > c->now_ms ? due_ms - c->now_ms : 0;

    if (wait_ms >= LOOP_TICK_MS - stands_ms)
        return c->real_ms + LOOP_TICK_MS;
    return c->real_ms + stands_ms + wait_ms;
}
