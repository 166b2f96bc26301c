/*
 * loop_clock.h - the time of a loop: the time in which it could have served.
 *
 * A process that is stopped, a virtual machine that pauses and a callback that
 * takes long are no fault of the peers: what they sent waits in the sockets.
 * When a loop comes back late, its time did not go on, so that every deadline
 * moves by the gap; and it stands for a while longer, in which what has waited
 * is read.
 *
 * Pure: the caller reads the system's clock.  It has to ask, while timers are
 * set, every LOOP_TICK_MS at least: a gap is found to that precision.
 */
#ifndef BASE_LOOP_CLOCK_H
#define BASE_LOOP_CLOCK_H

#include "base/base.h"

#define LOOP_TICK_MS 1000

/* More than this between two turns is a gap.  Half a second above the tick is
 * more than a busy machine is late by, and less than what any timeout of ours
 * would notice. */
#define LOOP_GAP_MS (LOOP_TICK_MS + 500)

/* For reading after a gap: several thousand requests in one worker, some of
 * which come by a new connection or move to another worker first. */
#define LOOP_CATCH_UP_MS 500

struct loop_clock {
    uint64_t real_ms;  /* the system's, when last read */
    uint64_t now_ms;   /* the loop's; never runs backwards */
    uint64_t until_ms; /* by the system's: the loop's stands until then; 0: it
                          goes on */
};

void loop_clock_init(struct loop_clock *c, uint64_t real_ms);

/* loop_clock_turn, where a turn is late or follows one that was. */
COLD void loop_clock_late(struct loop_clock *c, uint64_t real_ms,
                          bool is_timed);

/* A turn begins.  is_timed: timers were set while the loop waited; without
 * them it may have waited for any time, and none of it was late. */
static inline void loop_clock_turn(struct loop_clock *c, uint64_t real_ms,
                                   bool is_timed)
{
    uint64_t step_ms = real_ms - c->real_ms;

    if (c->until_ms != 0 || step_ms > LOOP_GAP_MS) {
        loop_clock_late(c, real_ms, is_timed);
        return;
    }
    c->real_ms = real_ms;
    c->now_ms += step_ms;
}

/* When it will be due_ms for the loop, by the system's clock, if no gap comes;
 * but LOOP_TICK_MS after the last turn at most. */
uint64_t loop_clock_alarm(const struct loop_clock *c, uint64_t due_ms);

#endif /* BASE_LOOP_CLOCK_H */
