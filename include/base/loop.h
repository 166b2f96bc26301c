/*
 * loop.h - the event loop of one worker: watches, timers, deferred calls.
 *
 * One loop, with an epoll set of its own, belongs to one thread; only
 * loop_wake may be called from others.  A turn of the loop is: wait, ready
 * watches in the order in which the kernel names them, due timers, deferred
 * calls.  Memory of closed objects is given back by a deferred call, so no
 * function frees what its caller still uses.
 *
 * The scenario tests replace this file by a fake with virtual time.
 */
#ifndef BASE_LOOP_H
#define BASE_LOOP_H

#include "base/base.h"
#include "base/list.h"
#include "base/wheel.h"

struct loop;

enum {
    LOOP_READ = 1,
    LOOP_WRITE = 2,
};

typedef void loop_fn(void *arg);

/* A file descriptor being watched.  Embedded, and not to be moved in memory
 * while started; zeroed when not started. */
struct watch {
    struct loop *loop; /* borrowed; NULL while not started */
    void (*ready)(void *arg, unsigned events);
    void *arg;
    struct watch *next; /* of those whose events the kernel is still to learn */
    struct watch **self;
    int fd;
    unsigned char events; /* what is waited for now: LOOP_READ | LOOP_WRITE */
    unsigned char armed;  /* what the kernel was told */
};

/* A timer.  Embedded; timer_init once, then set and stopped at will. */
struct timer {
    struct wheel_node node;
    struct loop *loop; /* borrowed: outlives the timer */
    loop_fn *fire;
    void *arg;
};

/* A call at the end of a turn.  Embedded; zeroed when idle. */
struct defer {
    struct list_node node;
    loop_fn *fn;
    void *arg;
};

/* ERR_NOMEM, ERR_SYSTEM. */
MUST_CHECK enum err loop_new(struct loop **out);

/* Runs what is still deferred, then releases the loop. */
void loop_free(struct loop *loop);

/* Turns until loop_stop. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/*
 * Monotonic milliseconds, read once a turn: the time in which this loop could
 * have served.  They stand where it could not, because the process was stopped
 * or a callback took long (loop_clock.h), and so every deadline moves.  The
 * sockets of such a turn are served before its timers.
 */
uint64_t loop_now_ms(const struct loop *loop);

/* Milliseconds since the machine was started, pauses and suspension included:
 * for what others have dated, such as a lifetime in the DNS. */
uint64_t loop_boot_ms(const struct loop *loop);

/* Memory for one read, shared by all of this loop's sockets: valid only
 * until the caller returns to the loop.  *cap_bytes receives its size. */
char *loop_scratch(struct loop *loop, size_t *cap_bytes);

/* May be called from any thread and from a signal handler: `fn` (set with
 * loop_on_wake) runs in the loop's thread soon.  Wakes are merged. */
void loop_wake(struct loop *loop);
void loop_on_wake(struct loop *loop, loop_fn *fn, void *arg);

/*
 * Watches fd for `events` (LOOP_READ, LOOP_WRITE or both, or 0 for none
 * yet).  ready(arg, events) is called on each turn while the fd is ready; an
 * error or hang-up counts as whatever is waited for.  ERR_NOMEM, ERR_SYSTEM.
 */
MUST_CHECK enum err watch_start(struct watch *w, struct loop *loop, int fd,
                                unsigned events,
                                void (*ready)(void *arg, unsigned events),
                                void *arg);

/* Changes what is waited for.  The kernel learns of it at the end of the turn,
 * and only of what differs by then. */
void watch_set(struct watch *w, unsigned events);

/* Harmless when not started.  To be called before the fd is closed or goes to
 * another loop: when it returns, this loop knows nothing of it. */
void watch_stop(struct watch *w);

void timer_init(struct timer *t, struct loop *loop, loop_fn *fire, void *arg);
void timer_set(struct timer *t, uint64_t delay_ms); /* re-arms when set */
void timer_stop(struct timer *t);

static inline bool timer_is_set(const struct timer *t)
{
    return wheel_holds(&t->node);
}

/* Calls fn(arg) at the end of this turn, in the order of the calls; a defer
 * that is queued already stays where it is.  Never fails. */
void loop_defer(struct loop *loop, struct defer *d, loop_fn *fn, void *arg);

/* The same at the end of the next turn, which begins at once: whoever has had
 * its share of this turn goes on when every ready socket has had its own. */
void loop_defer_next(struct loop *loop, struct defer *d, loop_fn *fn,
                     void *arg);
void loop_undefer(struct defer *d); /* harmless when idle */

#endif /* BASE_LOOP_H */
