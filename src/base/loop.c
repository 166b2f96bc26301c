#include "base/loop.h"

#include <assert.h>
#include <ev.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH_BYTES 65536

/* A deferred call that always defers another one must not keep sockets and
 * timers waiting: after so many rounds they get a turn. */
#define DEFER_ROUNDS_MAX 32

_Static_assert(sizeof(ev_io) <= sizeof(((struct watch *)0)->impl.bytes),
               "watch.impl holds an ev_io");

/*
 * One libev turn: `turn_end` (prepare) runs the deferred calls and arms
 * `clockwork` for the wheel, then libev waits, then `turn_begin` (check, of
 * the highest priority) reads the clock, ready watches are called (priority
 * 0), then `clockwork` (the lowest) expires timers.
 */
struct loop {
    struct ev_loop *ev; /* owned */
    int epoll_fd;       /* borrowed: libev's own; -1: not known */
    ev_prepare turn_end;
    ev_check turn_begin;
    ev_timer clockwork;
    ev_async wake;
    ev_idle hurry; /* active while deferred calls are left: do not wait */
    struct wheel wheel;
    uint64_t now_ms;
    uint64_t armed_ms; /* when clockwork fires; UINT64_MAX: not set */
    bool is_running;
    struct defer deferred; /* list head */
    size_t n_deferred;
    loop_fn *on_wake;
    void *on_wake_arg;
    char scratch[SCRATCH_BYTES];
};

static uint64_t clock_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void run_deferred(struct loop *loop)
{
    unsigned round;

    for (round = 0; round < DEFER_ROUNDS_MAX && loop->n_deferred > 0; round++) {
        size_t left = loop->n_deferred;

        while (left-- > 0 && loop->n_deferred > 0) {
            struct defer *d = loop->deferred.next;

            loop_undefer(d);
            d->fn(d->arg); /* may free d */
        }
    }
}

static void on_turn_begin(struct ev_loop *ev, ev_check *w, int events)
{
    struct loop *loop = w->data;

    loop->now_ms = clock_ms();
}

static void on_clockwork(struct ev_loop *ev, ev_timer *w, int events)
{
    struct loop *loop = w->data;
    uint64_t now_ms = loop->now_ms; /* the same for the whole turn */
    struct wheel_node *node;

    loop->armed_ms = UINT64_MAX;
    for (node = wheel_expire(&loop->wheel, now_ms); node != NULL;
         node = wheel_expire(&loop->wheel, now_ms)) {
        struct timer *t = CONTAINER_OF(node, struct timer, node);

        t->fire(t->arg);
    }
}

/* Timers are set and stopped without libev; only here it learns of a time
 * that is earlier than the one it waits for. */
static void arm(struct loop *loop)
{
    uint64_t due_ms;
    uint64_t wait_ms;

    if (!wheel_next(&loop->wheel, &due_ms) || due_ms >= loop->armed_ms)
        return;
    wait_ms = due_ms > loop->now_ms ? due_ms - loop->now_ms : 0;
    ev_timer_stop(loop->ev, &loop->clockwork);
    ev_timer_set(&loop->clockwork, (double)wait_ms / 1000.0, 0.0);
    ev_timer_start(loop->ev, &loop->clockwork);
    loop->armed_ms = due_ms;
}

static void on_turn_end(struct ev_loop *ev, ev_prepare *w, int events)
{
    struct loop *loop = w->data;

    run_deferred(loop);
    arm(loop);
    if (loop->n_deferred > 0)
        ev_idle_start(ev, &loop->hurry);
    else
        ev_idle_stop(ev, &loop->hurry);
}

static void on_hurry(struct ev_loop *ev, ev_idle *w, int events)
{
}

static void on_wake(struct ev_loop *ev, ev_async *w, int events)
{
    struct loop *loop = w->data;

    if (loop->on_wake != NULL)
        loop->on_wake(loop->on_wake_arg);
}

static void start_watchers(struct loop *loop)
{
    ev_prepare_init(&loop->turn_end, on_turn_end);
    loop->turn_end.data = loop;
    ev_set_priority(&loop->turn_end, EV_MINPRI);
    ev_prepare_start(loop->ev, &loop->turn_end);

    ev_check_init(&loop->turn_begin, on_turn_begin);
    loop->turn_begin.data = loop;
    ev_set_priority(&loop->turn_begin, EV_MAXPRI);
    ev_check_start(loop->ev, &loop->turn_begin);

    ev_timer_init(&loop->clockwork, on_clockwork, 0.0, 0.0);
    loop->clockwork.data = loop;
    ev_set_priority(&loop->clockwork, EV_MINPRI);

    ev_idle_init(&loop->hurry, on_hurry);
    ev_set_priority(&loop->hurry, EV_MINPRI);

    ev_async_init(&loop->wake, on_wake);
    loop->wake.data = loop;
    ev_async_start(loop->ev, &loop->wake);
}

/* The fd that the next one to be opened will get. */
static int next_fd(void)
{
    int fd = eventfd(0, EFD_CLOEXEC);

    if (fd >= 0)
        close(fd);
    return fd;
}

static bool is_epoll(int fd)
{
    int other = eventfd(0, EFD_CLOEXEC);
    bool is_it;

    if (other < 0)
        return false;
    is_it = epoll_ctl(fd, EPOLL_CTL_DEL, other, &(struct epoll_event){0}) < 0 &&
            errno == ENOENT;
    close(other);
    return is_it;
}

enum err loop_new(struct loop **out)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return ERR_NOMEM;
    loop->epoll_fd = next_fd();
    loop->ev = ev_loop_new(EVFLAG_NOENV | EVBACKEND_EPOLL);
    if (loop->ev == NULL) {
        free(loop);
        return ERR_SYSTEM;
    }
    if (!is_epoll(loop->epoll_fd))
        loop->epoll_fd = -1;
    loop->now_ms = clock_ms();
    loop->armed_ms = UINT64_MAX;
    wheel_init(&loop->wheel, loop->now_ms);
    loop->deferred.next = loop->deferred.prev = &loop->deferred;
    start_watchers(loop);
    *out = loop;
    return ERR_OK;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    run_deferred(loop);
    ev_prepare_stop(loop->ev, &loop->turn_end);
    ev_check_stop(loop->ev, &loop->turn_begin);
    ev_timer_stop(loop->ev, &loop->clockwork);
    ev_idle_stop(loop->ev, &loop->hurry);
    ev_async_stop(loop->ev, &loop->wake);
    ev_loop_destroy(loop->ev);
    free(loop);
}

void loop_run(struct loop *loop)
{
    loop->now_ms = clock_ms();
    ev_now_update(loop->ev);
    loop->is_running = true;
    ev_run(loop->ev, 0);
    run_deferred(loop); /* the last turn ends too */
    loop->is_running = false;
}

void loop_stop(struct loop *loop)
{
    ev_break(loop->ev, EVBREAK_ALL);
}

uint64_t loop_now_ms(const struct loop *loop)
{
    /* Between two runs nobody refreshes the clock. */
    return loop->is_running ? loop->now_ms : clock_ms();
}

char *loop_scratch(struct loop *loop, size_t *cap_bytes)
{
    *cap_bytes = sizeof(loop->scratch);
    return loop->scratch;
}

void loop_wake(struct loop *loop)
{
    ev_async_send(loop->ev, &loop->wake);
}

void loop_on_wake(struct loop *loop, loop_fn *fn, void *arg)
{
    loop->on_wake = fn;
    loop->on_wake_arg = arg;
}

static ev_io *io_of(struct watch *w)
{
    return (ev_io *)(void *)w->impl.bytes;
}

static int to_ev(unsigned events)
{
    return ((events & LOOP_READ) != 0 ? EV_READ : 0) |
           ((events & LOOP_WRITE) != 0 ? EV_WRITE : 0);
}

static void on_ready(struct ev_loop *ev, ev_io *io, int revents)
{
    struct watch *w = io->data;
    unsigned events = 0;

    if ((revents & (EV_READ | EV_ERROR)) != 0)
        events |= LOOP_READ;
    if ((revents & (EV_WRITE | EV_ERROR)) != 0)
        events |= LOOP_WRITE;
    w->ready(w->arg, events & w->events);
}

enum err watch_start(struct watch *w, struct loop *loop, int fd,
                     unsigned events, void (*ready)(void *arg, unsigned events),
                     void *arg)
{
    ev_io *io = io_of(w);

    assert(w->loop == NULL);
    w->loop = loop;
    w->ready = ready;
    w->arg = arg;
    w->events = events;
    ev_io_init(io, on_ready, fd, to_ev(events));
    io->data = w;
    if (events != 0)
        ev_io_start(loop->ev, io);
    return ERR_OK;
}

/* libev compares at the end of the turn and calls epoll_ctl only for what
 * has really changed by then. */
void watch_set(struct watch *w, unsigned events)
{
    ev_io *io = io_of(w);

    if (w->loop == NULL || w->events == events)
        return;
    ev_io_stop(w->loop->ev, io);
    w->events = events;
    ev_io_modify(io, to_ev(events));
    if (events != 0)
        ev_io_start(w->loop->ev, io);
}

void watch_stop(struct watch *w)
{
    if (w->loop == NULL)
        return;
    ev_io_stop(w->loop->ev, io_of(w));
    memset(w, 0, sizeof(*w));
}

/* libev leaves a stopped fd in its epoll set until an event comes that nobody
 * wants: by then another thread may serve or have closed it.  Every event
 * would wake us, too, and after a failed epoll_ctl libev builds its set anew.
 * It does not tell its epoll fd; a wrong one does no harm here, for only our
 * own set can hold what only we have watched. */
void watch_release(struct watch *w)
{
    struct loop *loop = w->loop;
    int fd;

    if (loop == NULL)
        return;
    fd = io_of(w)->fd;
    watch_stop(w);
    if (loop->epoll_fd >= 0)
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, &(struct epoll_event){0});
}

void timer_init(struct timer *t, struct loop *loop, loop_fn *fire, void *arg)
{
    memset(t, 0, sizeof(*t));
    t->loop = loop;
    t->fire = fire;
    t->arg = arg;
}

void timer_set(struct timer *t, uint64_t delay_ms)
{
    wheel_add(&t->loop->wheel, &t->node, loop_now_ms(t->loop), delay_ms);
}

void timer_stop(struct timer *t)
{
    if (t->loop != NULL)
        wheel_remove(&t->loop->wheel, &t->node);
}

void loop_defer(struct loop *loop, struct defer *d, loop_fn *fn, void *arg)
{
    if (d->loop != NULL)
        return;
    d->loop = loop;
    d->fn = fn;
    d->arg = arg;
    d->next = &loop->deferred;
    d->prev = loop->deferred.prev;
    d->prev->next = d;
    loop->deferred.prev = d;
    loop->n_deferred++;
}

void loop_undefer(struct defer *d)
{
    if (d->loop == NULL)
        return;
    d->loop->n_deferred--;
    d->next->prev = d->prev;
    d->prev->next = d->next;
    d->next = d->prev = NULL;
    d->loop = NULL;
}
