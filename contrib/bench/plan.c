#include "bench.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define TURN_NS 100000000u /* the longest wait, so that limits are seen */
#define SPIN_NS 50000u     /* nearer than that a due message is spun for */
#define BILLION 1000000000.0

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

static struct cost cost_now(const struct bench *b)
{
    struct cost c = {0};

    if (b->o.n_pids > 0 && !process_cost(b->o.pids, b->o.n_pids, &c))
        fprintf(stderr, "doab-bench: a --pid is gone\n");
    return c;
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

void plan_message_done(struct session *s)
{
    struct bench *b = s->bench;
    uint64_t now = now_ns();

    if (b->is_measuring) {
        b->done++;
        histogram_add(b->latency, now - s->start_ns);
    }
    if (!b->is_loading)
        return;
    if (b->o.rate <= 0) {
        session_send_message(s, now);
    } else if (s->owed > 0) {
        s->owed--;
        session_send_message(s, due_of(s, s->next));
    }
}

/* ---- opening ---- */

static bool is_hopeless(const struct bench *b)
{
    return b->failed > b->o.sessions / 100 + 1;
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
        wire_turn(b, TURN_NS);
        if (is_hopeless(b))
            break;
        if (b->ready + b->failed > seen) {
            seen = b->ready + b->failed;
            last = now_ns();
        } else if (seconds_since(last) > b->o.patience_s) {
            snprintf(b->why, sizeof(b->why), "no session opens any more");
            break;
        }
        show(b, "sessions", b->ready, b->o.sessions);
    }
    end_show(b);
    b->setup_s = seconds_since(start);
    if (b->ready > 0)
        b->setup_cpu_us =
            (double)(cost_now(b).cpu_ns - before.cpu_ns) / 1000 / b->ready;
    return b->ready > 0 && b->ready + b->failed == b->o.sessions &&
           !is_hopeless(b);
}

/* ---- idle ---- */

static double memory_of(const struct bench *b, uint64_t before)
{
    uint64_t now = cost_now(b).rss_bytes;

    return now > before ? (double)(now - before) / b->ready : 0;
}

static void rest(struct bench *b)
{
    struct cost before = cost_now(b);
    uint64_t start = now_ns();

    if (b->o.idle_s <= 0 && b->o.answers == 0)
        return;
    while (seconds_since(start) < b->o.idle_s ||
           (b->o.answers > 0 && b->pending_answers > b->failed)) {
        wire_turn(b, TURN_NS);
        show(b, "idle s", seconds_since(start), b->o.idle_s);
        if (seconds_since(start) > BENCH_SECONDS_MAX)
            break;
    }
    end_show(b);
    b->idle_cpu = (double)(cost_now(b).cpu_ns - before.cpu_ns) / BILLION /
                  seconds_since(start);
}

/* ---- load ---- */

static void send_due(struct bench *b, uint64_t now)
{
    while (b->next_due_ns <= now) {
        struct session *s = &b->sessions[b->sent % b->o.active];

        if (s->state == SESSION_READY) {
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

/* Waiting shorter than a timer's slack would make messages late. */
static uint64_t wait_of(const struct bench *b, uint64_t now)
{
    uint64_t left;

    if (b->o.rate <= 0)
        return TURN_NS;
    left = b->next_due_ns > now ? b->next_due_ns - now : 0;
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
        if (b->o.rate > 0)
            send_due(b, now);
        wire_turn(b, wait_of(b, now_ns()));
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
    for (unsigned i = 0; i < b->o.active; i++)
        if (b->sessions[i].state == SESSION_READY)
            session_send_message(&b->sessions[i], now_ns());
}

static void measure(struct bench *b)
{
    struct cost before;
    struct cost after;
    uint64_t own;
    uint64_t start;
    double passed;

    begin_load(b);
    load_for(b, b->o.warm_s, "warming s");
    histogram_reset(b->latency);
    before = cost_now(b);
    own = process_own_cpu_ns();
    start = now_ns();
    b->done = 0;
    b->is_measuring = true;
    load_for(b, b->o.seconds, "loading s");
    b->is_measuring = false;
    b->is_loading = false;
    passed = seconds_since(start);
    after = cost_now(b);
    own = process_own_cpu_ns() - own;
    b->messages = b->done;
    b->message_rate = (double)b->done / passed;
    if (b->done == 0)
        return;
    b->message_cpu_us =
        (double)(after.cpu_ns - before.cpu_ns) / 1000 / (double)b->done;
    b->own_cpu_us = (double)own / 1000 / (double)b->done;
}

bool plan_run(struct bench *b)
{
    struct cost before = cost_now(b);

    b->pending_answers = b->o.sessions;
    if (!open_all(b))
        return false;
    b->memory_ready = memory_of(b, before.rss_bytes);
    rest(b);
    b->memory_idle = memory_of(b, before.rss_bytes);
    if (b->o.seconds > 0)
        measure(b);
    return b->lost == 0 && (b->o.seconds <= 0 || b->messages > 0);
}
