#include "base/loop.h"

#include "loop_clock.h"

#include <assert.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define SCRATCH_BYTES 65536

/* Events that are taken from the kernel at a time. */
#define READY_MAX 64

/* A deferred call that always defers another one must not keep sockets and
 * timers waiting: after so many rounds they get a turn. */
#define DEFER_ROUNDS_MAX 32

#define NEVER UINT64_MAX

struct loop {
    int epoll_fd;      /* owned */
    int alarm_fd;      /* owned: a timerfd, which ends a wait */
    uint64_t alarm_ms; /* when it goes off; NEVER: it does not */
    struct watch wake;
    atomic_bool is_woken; /* the wake's fd is readable, or about to be */
    loop_fn *on_wake;
    void *on_wake_arg;
    struct watch *changed; /* the kernel is still to learn of these */
    struct epoll_event ready[READY_MAX];
    int n_ready; /* of this turn, */
    int at;      /* and the next one of them that is told */
    struct wheel wheel;
    struct loop_clock clock;
    bool is_running;
    bool is_stopped;
    struct list deferred; /* struct defer: calls at the end of this turn */
    struct list next;     /* and at the end of the next one */
    char scratch[SCRATCH_BYTES];
};

static uint64_t clock_ms(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void run_deferred(struct loop *loop)
{
    unsigned round;

    for (round = 0; round < DEFER_ROUNDS_MAX; round++) {
        struct list batch;
        struct list_node *node;

        if (list_is_empty(&loop->deferred))
            return;
        list_init(&batch);
        list_move_all(&batch, &loop->deferred);
        while ((node = list_pop(&batch)) != NULL) {
            struct defer *d = CONTAINER_OF(node, struct defer, node);

            d->fn(d->arg); /* may free d */
        }
    }
}

/* --- A turn -------------------------------------------------------------- */

static uint32_t epoll_mask(unsigned events)
{
    uint32_t mask = ((events & LOOP_READ) != 0 ? EPOLLIN : 0u) |
                    ((events & LOOP_WRITE) != 0 ? EPOLLOUT : 0u);

    /* Errors and hang-ups are always told: where nothing is waited for, at
     * most once, and tell_ready drops it. */
    return mask == 0 ? EPOLLONESHOT : mask;
}

static unsigned events_of(uint32_t mask)
{
    if ((mask & (EPOLLERR | EPOLLHUP)) != 0)
        return LOOP_READ | LOOP_WRITE;
    return ((mask & EPOLLIN) != 0 ? LOOP_READ : 0u) |
           ((mask & EPOLLOUT) != 0 ? LOOP_WRITE : 0u);
}

static int tell_kernel(struct watch *w, int how)
{
    struct epoll_event e = {.events = epoll_mask(w->events), .data.ptr = w};

    w->armed = w->events;
    return epoll_ctl(w->loop->epoll_fd, how, w->fd, &e);
}

static void loop_unlist(struct watch *w)
{
    if (w->self == NULL)
        return;
    *w->self = w->next;
    if (w->next != NULL)
        w->next->self = w->self;
    w->self = NULL;
}

/* What changed back in the same turn costs nothing. */
static void tell_changes(struct loop *loop)
{
    while (loop->changed != NULL) {
        struct watch *w = loop->changed;

        loop_unlist(w);
        /* It is in the set: this cannot fail. */
        if (w->armed != w->events)
            (void)tell_kernel(w, EPOLL_CTL_MOD);
    }
}

/* An alarm that goes off too early is cheaper than one that is set anew each
 * time: what is due next is nearly always later than before.  While timers are
 * set it goes off every LOOP_TICK_MS. */
static void set_alarm(struct loop *loop, uint64_t due_ms)
{
    struct itimerspec at = {.it_value = {0}};
    uint64_t at_ms;

    if (due_ms - loop->clock.now_ms >= loop->alarm_ms - loop->clock.real_ms)
        return;
    at_ms = loop_clock_alarm(&loop->clock, due_ms);
    if (at_ms >= loop->alarm_ms)
        return;
    loop->alarm_ms = at_ms;
    at.it_value.tv_sec = (time_t)(at_ms / 1000);
    at.it_value.tv_nsec = (long)(at_ms % 1000) * 1000000;
    (void)timerfd_settime(loop->alarm_fd, TFD_TIMER_ABSTIME, &at, NULL);
}

/* A timeout for epoll_wait: 0: there is something to do; -1: until somebody is
 * ready, the alarm among them.  A timeout in milliseconds would have the kernel
 * start and stop a timer for each wait. */
static int idle_ms(struct loop *loop)
{
    uint64_t due_ms;

    if (!list_is_empty(&loop->deferred))
        return 0;
    if (!wheel_next(&loop->wheel, &due_ms))
        return -1;
    if (due_ms <= loop->clock.now_ms)
        return 0;
    set_alarm(loop, due_ms);
    return -1;
}

static void tell_ready(struct loop *loop)
{
    for (loop->at = 0; loop->at < loop->n_ready;) {
        const struct epoll_event *e = &loop->ready[loop->at++];
        struct watch *w = e->data.ptr;
        unsigned events;

        if (w == NULL) /* stopped in this turn, or the alarm */
            continue;
        events = events_of(e->events) & w->events;
        if (events != 0)
            w->ready(w->arg, events);
    }
    loop->n_ready = 0;
}

static void expire(struct loop *loop)
{
    uint64_t now_ms = loop->clock.now_ms; /* the same for the whole turn */
    struct wheel_node *node;

    for (node = wheel_expire(&loop->wheel, now_ms); node != NULL;
         node = wheel_expire(&loop->wheel, now_ms)) {
        struct timer *t = CONTAINER_OF(node, struct timer, node);

        t->fire(t->arg);
    }
}

void loop_run(struct loop *loop)
{
    loop_clock_turn(&loop->clock, clock_ms(CLOCK_MONOTONIC), false);
    loop->is_running = true;
    loop->is_stopped = false;
    for (;;) {
        bool is_timed;
        int n;

        run_deferred(loop);
        if (loop->is_stopped)
            break;
        list_move_all(&loop->deferred, &loop->next);
        tell_changes(loop);
        is_timed = loop->wheel.count > 0;
        n = epoll_wait(loop->epoll_fd, loop->ready, READY_MAX, idle_ms(loop));
        loop->n_ready = n > 0 ? n : 0; /* it was a signal */
        loop_clock_turn(&loop->clock, clock_ms(CLOCK_MONOTONIC), is_timed);
        if (loop->clock.real_ms >= loop->alarm_ms)
            loop->alarm_ms = NEVER;
        tell_ready(loop);
        expire(loop);
    }
    loop->is_running = false;
}

void loop_stop(struct loop *loop)
{
    loop->is_stopped = true;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    const struct loop_clock *c = &loop->clock;

    if (loop->is_running)
        return c->now_ms;
    /* Between two runs no turn refreshes the clock. */
    return c->now_ms + clock_ms(CLOCK_MONOTONIC) - c->real_ms;
}

uint64_t loop_boot_ms(const struct loop *loop)
{
    (void)loop;
    return clock_ms(CLOCK_BOOTTIME);
}

char *loop_scratch(struct loop *loop, size_t *cap_bytes)
{
    *cap_bytes = sizeof(loop->scratch);
    return loop->scratch;
}

/* --- Other threads ------------------------------------------------------- */

static void on_woken(void *arg, unsigned events)
{
    struct loop *loop = arg;
    uint64_t count;

    (void)events;
    (void)!read(loop->wake.fd, &count, sizeof(count));
    /* Before the call: who wakes during it is heard again. */
    atomic_store(&loop->is_woken, false);
    if (loop->on_wake != NULL)
        loop->on_wake(loop->on_wake_arg);
}

void loop_wake(struct loop *loop)
{
    uint64_t one = 1;

    if (!atomic_exchange(&loop->is_woken, true))
        (void)!write(loop->wake.fd, &one, sizeof(one));
}

void loop_on_wake(struct loop *loop, loop_fn *fn, void *arg)
{
    loop->on_wake = fn;
    loop->on_wake_arg = arg;
}

/* --- Its life ------------------------------------------------------------ */

static enum err open_wake(struct loop *loop)
{
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    enum err err;

    if (fd < 0)
        return ERR_SYSTEM;
    err = watch_start(&loop->wake, loop, fd, LOOP_READ, on_woken, loop);
    if (err != ERR_OK)
        close(fd);
    return err;
}

static void close_all(struct loop *loop)
{
    if (loop->alarm_fd >= 0)
        close(loop->alarm_fd);
    if (loop->epoll_fd >= 0)
        close(loop->epoll_fd);
}

static enum err open_all(struct loop *loop)
{
    /* Told once each time it goes off, and so never read. */
    struct epoll_event alarm = {.events = EPOLLIN | EPOLLET, .data.ptr = NULL};
    enum err err = ERR_SYSTEM;

    loop->alarm_ms = NEVER;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    loop->alarm_fd =
        timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (loop->epoll_fd >= 0 && loop->alarm_fd >= 0 &&
        epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->alarm_fd, &alarm) == 0)
        err = open_wake(loop);
    if (err != ERR_OK)
        close_all(loop);
    return err;
}

enum err loop_new(struct loop **out)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    enum err err;

    if (loop == NULL)
        return ERR_NOMEM;
    loop_clock_init(&loop->clock, clock_ms(CLOCK_MONOTONIC));
    wheel_init(&loop->wheel, loop->clock.now_ms);
    list_init(&loop->deferred);
    list_init(&loop->next);
    err = open_all(loop);
    if (err != ERR_OK) {
        free(loop);
        return err;
    }
    *out = loop;
    return ERR_OK;
}

void loop_free(struct loop *loop)
{
    int fd;

    if (loop == NULL)
        return;
    run_deferred(loop);
    list_move_all(&loop->deferred, &loop->next);
    run_deferred(loop);
    fd = loop->wake.fd;
    watch_stop(&loop->wake);
    close(fd);
    close_all(loop);
    free(loop);
}

/* --- Watches ------------------------------------------------------------- */

enum err watch_start(struct watch *w, struct loop *loop, int fd,
                     unsigned events, void (*ready)(void *arg, unsigned events),
                     void *arg)
{
    assert(w->loop == NULL);
    *w = (struct watch){.loop = loop,
                        .ready = ready,
                        .arg = arg,
                        .fd = fd,
                        .events = (unsigned char)events};
    if (tell_kernel(w, EPOLL_CTL_ADD) == 0)
        return ERR_OK;
    memset(w, 0, sizeof(*w));
    return errno == ENOMEM || errno == ENOSPC ? ERR_NOMEM : ERR_SYSTEM;
}

void watch_set(struct watch *w, unsigned events)
{
    if (w->loop == NULL || w->events == events)
        return;
    w->events = (unsigned char)events;
    if (w->self != NULL)
        return;
    w->next = w->loop->changed;
    w->self = &w->loop->changed;
    if (w->next != NULL)
        w->next->self = &w->next;
    w->loop->changed = w;
}

void watch_stop(struct watch *w)
{
    struct loop *loop = w->loop;

    if (loop == NULL)
        return;
    loop_unlist(w);
    for (int i = loop->at; i < loop->n_ready; i++) {
        if (loop->ready[i].data.ptr == w)
            loop->ready[i].data.ptr = NULL;
    }
    epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, w->fd, &(struct epoll_event){0});
    memset(w, 0, sizeof(*w));
}

/* --- Timers and deferred calls ------------------------------------------- */

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
    if (list_holds(&d->node))
        return;
    d->fn = fn;
    d->arg = arg;
    list_append(&loop->deferred, &d->node);
}

void loop_defer_next(struct loop *loop, struct defer *d, loop_fn *fn, void *arg)
{
    if (list_holds(&d->node))
        return;
    d->fn = fn;
    d->arg = arg;
    list_append(&loop->next, &d->node);
}

void loop_undefer(struct defer *d)
{
    list_remove(&d->node);
}
