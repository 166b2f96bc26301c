/* base/loop.h in virtual time, over the real wheel. */
#include "fakes.h"

#include "base/wheel.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define START_MS      1000000
#define SCRATCH_BYTES 65536
#define CALLS_MAX     1000000 /* deferred calls in a turn: it never rests */

struct loop {
    struct wheel wheel;
    uint64_t now_ms;
    struct list deferred;
    struct list next;
    size_t n_watches;
    loop_fn *on_wake;
    void *on_wake_arg;
    bool is_woken;
    char scratch[SCRATCH_BYTES];
};

enum err loop_new(struct loop **out)
{
    struct loop *loop = calloc(1, sizeof(*loop));

    if (loop == NULL)
        return ERR_NOMEM;
    loop->now_ms = START_MS;
    wheel_init(&loop->wheel, loop->now_ms);
    list_init(&loop->deferred);
    list_init(&loop->next);
    *out = loop;
    return ERR_OK;
}

static bool run_deferred(struct loop *loop)
{
    struct list_node *node;
    size_t calls = 0;

    while ((node = list_pop(&loop->deferred)) != NULL) {
        struct defer *d = CONTAINER_OF(node, struct defer, node);

        if (++calls > CALLS_MAX) {
            fprintf(stderr, "fake loop: deferred calls without end\n");
            abort();
        }
        d->fn(d->arg);
    }
    return calls > 0;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    run_deferred(loop);
    list_move_all(&loop->deferred, &loop->next);
    run_deferred(loop);
    free(loop);
}

static bool fire_due(struct loop *loop)
{
    struct wheel_node *node;
    bool has_run = false;

    for (node = wheel_expire(&loop->wheel, loop->now_ms); node != NULL;
         node = wheel_expire(&loop->wheel, loop->now_ms)) {
        struct timer *t = CONTAINER_OF(node, struct timer, node);

        has_run = true;
        t->fire(t->arg);
        run_deferred(loop);
    }
    return has_run;
}

bool fake_loop_turn(struct loop *loop)
{
    bool has_run = false;

    if (loop->is_woken) {
        loop->is_woken = false;
        has_run = true;
        if (loop->on_wake != NULL)
            loop->on_wake(loop->on_wake_arg);
    }
    has_run |= fire_due(loop);
    has_run |= run_deferred(loop);
    /* What was left for the next turn begins it at once. */
    for (unsigned i = 0; !list_is_empty(&loop->next); i++) {
        assert(i < CALLS_MAX);
        list_move_all(&loop->deferred, &loop->next);
        run_deferred(loop);
        has_run = true;
    }
    return has_run;
}

uint64_t fake_loop_step(struct loop *loop, uint64_t ms)
{
    uint64_t begin_ms;
    uint64_t end_ms;
    uint64_t due_ms;

    fake_loop_turn(loop);
    begin_ms = loop->now_ms;
    end_ms = begin_ms + ms;
    while (wheel_next(&loop->wheel, &due_ms) && due_ms <= end_ms) {
        if (due_ms > loop->now_ms)
            loop->now_ms = due_ms;
        if (fake_loop_turn(loop))
            return loop->now_ms - begin_ms;
    }
    loop->now_ms = end_ms;
    fake_loop_turn(loop);
    return ms;
}

void fake_loop_pass(struct loop *loop, uint64_t ms)
{
    while (ms > 0)
        ms -= fake_loop_step(loop, ms);
    fake_loop_turn(loop);
}

size_t fake_loop_timers(const struct loop *loop)
{
    return loop->wheel.count;
}

size_t fake_loop_watches(const struct loop *loop)
{
    return loop->n_watches;
}

size_t fake_loop_deferred(const struct loop *loop)
{
    size_t n = 0;

    LIST_EACH(node, &loop->deferred) n++;
    LIST_EACH(node, &loop->next) n++;
    return n;
}

void loop_run(struct loop *loop)
{
    fprintf(stderr, "fake loop: loop_run has no meaning here\n");
    abort();
}

void loop_stop(struct loop *loop)
{
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_ms;
}

uint64_t loop_boot_ms(const struct loop *loop)
{
    return loop->now_ms;
}

char *loop_scratch(struct loop *loop, size_t *cap_bytes)
{
    *cap_bytes = sizeof(loop->scratch);
    return loop->scratch;
}

void loop_wake(struct loop *loop)
{
    loop->is_woken = true;
}

void loop_on_wake(struct loop *loop, loop_fn *fn, void *arg)
{
    loop->on_wake = fn;
    loop->on_wake_arg = arg;
}

enum err watch_start(struct watch *w, struct loop *loop, int fd,
                     unsigned events, void (*ready)(void *arg, unsigned events),
                     void *arg)
{
    assert(w->loop == NULL);
    w->loop = loop;
    w->ready = ready;
    w->arg = arg;
    w->events = (unsigned char)events;
    loop->n_watches++;
    return ERR_OK;
}

void watch_set(struct watch *w, unsigned events)
{
    if (w->loop != NULL)
        w->events = (unsigned char)events;
}

void watch_stop(struct watch *w)
{
    if (w->loop == NULL)
        return;
    w->loop->n_watches--;
    memset(w, 0, sizeof(*w));
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
    wheel_add(&t->loop->wheel, &t->node, t->loop->now_ms, delay_ms);
}

void timer_stop(struct timer *t)
{
    if (t->loop != NULL)
        wheel_remove(&t->loop->wheel, &t->node);
}

static void enqueue(struct list *list, struct defer *d, loop_fn *fn, void *arg)
{
    if (list_holds(&d->node))
        return;
    d->fn = fn;
    d->arg = arg;
    list_append(list, &d->node);
}

void loop_defer(struct loop *loop, struct defer *d, loop_fn *fn, void *arg)
{
    enqueue(&loop->deferred, d, fn, arg);
}

void loop_defer_next(struct loop *loop, struct defer *d, loop_fn *fn, void *arg)
{
    enqueue(&loop->next, d, fn, arg);
}

void loop_undefer(struct defer *d)
{
    list_remove(&d->node);
}
