#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define TURN_NS   100000000u /* the longest wait, so that limits are seen */
#define SPIN_NS   50000u     /* nearer than that a due message is spun for */
#define SPIN_RATE 2000       /* but not if that were most of the time: */
#define TICK_NS   100000u    /* above it what is due is sent so often */
#define DRAIN_S   2          /* for echoes of what was due */
#define BILLION   1000000000.0

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double seconds_since(uint64_t from)
{
    return (double)(now_ns() - from) / BILLION;
}

static void show(const struct bench *b, const char *what, double n, double of)
{
    if (!b->o.is_quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%-12s %10.0f / %.0f   ", what, n, of);
}

static void end_show(const struct bench *b)
{
    if (!b->o.is_quiet && isatty(STDERR_FILENO))
        fprintf(stderr, "\r%40s\r", "");
}

static void note(struct bench *b, const char *why)
{
    if (b->why[0] == '\0')
        snprintf(b->why, sizeof(b->why), "%s", why);
}

/* Of the --pid processes.  When one is gone the run has failed. */
static struct cost cost_now(struct bench *b)
{
    struct cost c = {0};

    if (b->o.n_pids == 0 || process_cost(b->o.pids, b->o.n_pids, &c))
        return c;
    b->is_blind = true;
    note(b, "a process of --pid is not there or not ours to read");
    return c;
}

static double cpu_us(struct cost before, struct cost after)
{
    if (after.cpu_ns < before.cpu_ns)
        return 0; /* a thread has ended */
    return (double)(after.cpu_ns - before.cpu_ns) / 1000;
}

/* ---- what sessions tell ---- */

void plan_session_ready(struct session *s)
{
    s->bench->ready++;
}

void plan_session_failed(struct session *s, bool was_ready, const char *why)
{
    struct bench *b = s->bench;

    if (was_ready) {
        b->ready--;
        b->lost++;
    }
    if (s->is_timed)
        b->under_way -= s->owed + (s->is_busy ? 1 : 0);
    b->failed++;
    if (b->why[0] == '\0')
        snprintf(b->why, sizeof(b->why), "session %u: %s", s->number, why);
}

void plan_empty_answer(struct session *s)
{
    if (++s->answers == s->bench->o.answers)
        s->bench->pending_answers--;
}

/* When message n of session i is due at a fixed rate. */
static uint64_t due_of(const struct session *s, unsigned n)
{
    const struct bench *b = s->bench;

    return b->load_start_ns + (uint64_t)(((double)n * b->o.active + s->number) *
                                         BILLION / b->o.rate);
}

/* Another one may begin: there is time, and the number is not reached. */
static bool is_wanted(const struct bench *b)
{
    return b->is_loading && (b->o.messages == 0 || b->sent < b->o.messages);
}

/* A fixed rate asks how long a message took since it was due, however late it
 * was sent, and of all that were due in the measured time. */
static bool is_counted(const struct bench *b, const struct session *s)
{
    if (b->o.rate <= 0)
        return b->is_measuring;
    return (b->is_measuring || b->is_draining) &&
           s->start_ns >= b->measure_start_ns;
}

void plan_message_done(struct session *s)
{
    struct bench *b = s->bench;
    uint64_t now = now_ns();

    if (is_counted(b, s)) {
        histogram_add(b->latency, now - s->start_ns);
        tenths_add(b->tenths, now, now - s->start_ns);
    }
    if (b->is_measuring)
        b->done++;
    if (s->is_timed)
        b->under_way--;
    if (s->owed > 0) {
        s->owed--;
        session_send_message(s, due_of(s, s->next));
    } else if (b->o.rate <= 0 && is_wanted(b)) {
        b->sent++;
        session_send_message(s, now);
    }
}

/* ---- opening ---- */

/* One in a hundred may fail. */
static bool is_hopeless(const struct bench *b)
{
    return (uint64_t)b->failed * 100 > b->o.sessions;
}

static void begin_more(struct bench *b)
{
    while (b->opened < b->o.sessions &&
           b->opened - b->ready - b->failed < b->o.at_once) {
        struct session *s = &b->sessions[b->opened];

        s->bench = b;
        s->number = b->opened++;
        session_open(s);
    }
}

static bool open_all(struct bench *b)
{
    struct cost before = cost_now(b);
    uint64_t start = now_ns();
    uint64_t last = start;
    unsigned seen = 0;

    while (b->ready + b->failed < b->o.sessions) {
        begin_more(b);
        wire_turn(TURN_NS);
        if (is_hopeless(b))
            break;
        if (b->ready + b->failed > seen) {
            seen = b->ready + b->failed;
            last = now_ns();
        } else if (seconds_since(last) > b->o.patience_s) {
            note(b, "no session opens any more");
            break;
        }
        if (seconds_since(start) > BENCH_SECONDS_MAX) {
            note(b, "the sessions do not open in an hour");
            break;
        }
        show(b, "sessions", b->ready, b->o.sessions);
    }
    end_show(b);
    b->setup_s = seconds_since(start);
    b->ready_at_once = b->ready;
    if (b->ready > 0)
        b->setup_cpu_us = cpu_us(before, cost_now(b)) / b->ready;
    return b->ready > 0 && b->ready + b->failed == b->o.sessions &&
           !is_hopeless(b);
}

/* ---- idle ---- */

static double memory_of(struct bench *b, uint64_t before)
{
    uint64_t now = cost_now(b).rss_bytes;

    return now > before && b->ready > 0 ? (double)(now - before) / b->ready : 0;
}

static bool awaits_answers(const struct bench *b)
{
    return b->o.answers > 0 && b->pending_answers > b->failed;
}

static void rest(struct bench *b)
{
    double limit =
        b->o.idle_s + (double)b->o.answers * b->o.wait_s + b->o.patience_s;
    struct cost before = cost_now(b);
    uint64_t start = now_ns();
    double passed = 0;

    if (b->o.idle_s <= 0 && b->o.answers == 0)
        return;
    while (passed < b->o.idle_s || awaits_answers(b)) {
        if (passed > limit || passed > BENCH_SECONDS_MAX) {
            note(b, "the empty answers do not come");
            break;
        }
        wire_turn(TURN_NS);
        show(b, "idle s", passed, b->o.idle_s);
        passed = seconds_since(start);
    }
    end_show(b);
    if (passed > 0)
        b->idle_cpu = cpu_us(before, cost_now(b)) / 1e6 / passed;
}

/* ---- load ---- */

static void send_due(struct bench *b, uint64_t now)
{
    while (b->next_due_ns <= now && is_wanted(b)) {
        struct session *s = &b->sessions[b->sent % b->o.active];

        if (s->state == SESSION_READY) {
            s->is_timed = true;
            b->under_way++;
            if (s->is_busy || s->owed > 0)
                s->owed++;
            else
                session_send_message(s, b->next_due_ns);
        }
        b->sent++;
        b->next_due_ns = b->load_start_ns +
                         (uint64_t)((double)b->sent * BILLION / b->o.rate);
    }
}

/* A timer may be late by as much as is spun for.  At high rates a wakeup for
 * each message would cost more than the message, and the generator would be
 * what is measured. */
static uint64_t wait_of(const struct bench *b, uint64_t now)
{
    uint64_t left;

    if (b->o.rate <= 0 || !is_wanted(b))
        return TURN_NS;
    left = b->next_due_ns > now ? b->next_due_ns - now : 0;
    if (b->o.rate > SPIN_RATE)
        return left > TICK_NS ? left : TICK_NS;
    if (left < SPIN_NS)
        return 0;
    return left - SPIN_NS < TURN_NS ? left - SPIN_NS : TURN_NS;
}

static void load_for(struct bench *b, double seconds, const char *what)
{
    uint64_t start = now_ns();

    for (;;) {
        uint64_t now = now_ns();
        double passed = (double)(now - start) / BILLION;

        if (passed >= seconds || b->ready == 0)
            break;
        if (b->o.messages > 0 && b->done >= b->o.messages)
            break;
        if (b->o.rate > 0)
            send_due(b, now);
        wire_turn(wait_of(b, now_ns()));
        show(b, what, passed, seconds);
    }
    end_show(b);
}

static void begin_load(struct bench *b)
{
    b->load_start_ns = now_ns();
    b->next_due_ns = b->load_start_ns;
    b->is_loading = true;
    if (b->o.rate > 0)
        return;
    for (unsigned i = 0; i < b->o.active && is_wanted(b); i++) {
        if (b->sessions[i].state != SESSION_READY)
            continue;
        b->sent++;
        session_send_message(&b->sessions[i], now_ns());
    }
}

/* Those that never come count with the time they have taken so far, or a
 * server that stops answering would look fast. */
static void count_unanswered(struct bench *b)
{
    uint64_t now = now_ns();

    for (unsigned i = 0; i < b->o.active; i++) {
        struct session *s = &b->sessions[i];

        if (s->state != SESSION_READY || !s->is_busy)
            continue;
        histogram_add(b->latency, now - s->start_ns);
        for (unsigned n = 1; n <= s->owed; n++)
            histogram_add(b->latency, now - due_of(s, s->next + n));
    }
    b->unanswered = b->under_way;
}

static void drain(struct bench *b)
{
    uint64_t start = now_ns();

    if (b->o.rate <= 0)
        return;
    b->is_draining = true;
    while (b->under_way > 0 && seconds_since(start) < DRAIN_S)
        wire_turn(TURN_NS);
    b->is_draining = false;
    count_unanswered(b);
}

static void conclude(struct bench *b, double passed, double cpu, double own)
{
    b->message_rate = (double)b->done / passed;
    if (b->done < b->o.messages)
        note(b, "the messages did not all come back in time");
    if (b->done == 0)
        return;
    b->message_cpu_us = cpu / (double)b->done;
    b->own_cpu_us = own / (double)b->done;
}

static void measure(struct bench *b)
{
    struct cost before;
    uint64_t own;

    /* An exact number of messages has no warm-up: all are counted. */
    if (b->o.warm_s > 0) {
        begin_load(b);
        load_for(b, b->o.warm_s, "warming s");
    }
    histogram_reset(b->latency);
    before = cost_now(b);
    own = process_own_cpu_ns();
    b->done = 0;
    b->measure_start_ns = now_ns();
    b->is_measuring = true;
    if (!b->is_loading)
        begin_load(b);
    load_for(b, b->o.seconds, "loading s");
    b->is_measuring = false;
    b->is_loading = false;
    conclude(b, seconds_since(b->measure_start_ns), cpu_us(before, cost_now(b)),
             (double)(process_own_cpu_ns() - own) / 1000);
    drain(b);
}

static bool has_measured(const struct bench *b)
{
    if (b->o.messages > 0)
        return b->done >= b->o.messages;
    return b->o.seconds <= 0 || b->done > 0;
}

bool plan_run(struct bench *b)
{
    struct cost before = cost_now(b);

    if (b->is_blind)
        return false;
    b->pending_answers = b->o.sessions;
    if (!open_all(b))
        return false;
    b->memory_ready = memory_of(b, before.rss_bytes);
    rest(b);
    b->memory_idle = memory_of(b, before.rss_bytes);
    if (awaits_answers(b))
        return false;
    if (b->o.seconds > 0)
        measure(b);
    if (!has_measured(b))
        note(b, "no message came back");
    return b->lost == 0 && !b->is_blind && has_measured(b);
}
