#include "upstream_race.h"

#include "upstream/connect_limit.h"
#include "upstream/address_policy.h"
#include "upstream_search.h"
#include "net/addr.h"
#include "net/sock.h"
#include "net/sock_text.h"
#include "net/sock_open.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"

#include <errno.h>
#include <stdlib.h>

/* At once.  With the delay between two they come to this only when the first
 * were silent for seconds. */
#define ATTEMPTS_MAX 8

struct attempt {
    struct race *race; /* back pointer */
    struct sock *sock; /* owned; NULL: free, waiting, or the winner's */
    bool is_waiting;   /* for its turn */
    struct connect_limit_ticket ticket;
    struct addr addr;
    enum upstream_mode mode;
};

struct race {
    struct loop *loop; /* borrowed: outlives us */
    const struct race_ops *up;
    void *owner;
    struct upstream_limits limits;
    struct addr client; /* of length 0: unknown */
    const struct address_policy
        *policy; /* borrowed: the worker's; NULL: as usual */
    struct connect_limit *connect_limit; /* borrowed: the same */
    struct search *search;               /* owned */
    struct attempt attempts[ATTEMPTS_MAX];
    size_t n_running;
    struct attempt *winner; /* its owner looks whether it is any good */
    bool is_target_late;    /* no more of the current target */
    struct timer delay;     /* set: too early for the next attempt */
    struct timer target;    /* the time of the current target */
};

static void on_found(void *owner);
static void on_turn(void *arg);
static void on_delay(void *arg);
static void on_target_late(void *arg);
static void race_on_connected(void *owner);
static void race_on_lost(void *owner, enum sock_end why);

static const struct sock_ops sock_ops = {
    .connected = race_on_connected,
    .lost = race_on_lost,
};

/* --- One attempt ---------------------------------------------------------- */

/* The place is free again. */
static void race_clear(struct attempt *a)
{
    a->sock = NULL;
    a->is_waiting = false;
    a->race->n_running--;
}

static void cancel(struct attempt *a)
{
    struct sock *sock = a->sock;

    if (sock == NULL && !a->is_waiting)
        return;
    race_clear(a);
    connect_limit_leave(&a->ticket);
    sock_abort(sock);
}

static void cancel_all(struct race *r)
{
    for (size_t i = 0; i < ATTEMPTS_MAX; i++)
        cancel(&r->attempts[i]);
    timer_stop(&r->delay);
}

/* The one place from which a connection to a server is opened.  False, and
 * noted: not even a socket can be had. */
static bool open_sock(struct attempt *a)
{
    struct race *r = a->race;
    struct sock_limits limits = {
        .queue_max_bytes = r->limits.queue_max_bytes,
        .high_bytes = r->limits.high_bytes,
        .low_bytes = r->limits.low_bytes,
        .stall_ms = r->limits.stall_ms,
        .handshake_ms = r->limits.attempt_ms,
    };
    enum err err;

    metrics_count(METRIC_UPSTREAM_CONNECTS);
    err = sock_connect(&a->sock, r->loop, &a->addr, &limits, &sock_ops, a);
    if (err == ERR_OK)
        return true;
    search_note(r->search,
                err == ERR_NOMEM ? UPSTREAM_END_NOMEM : UPSTREAM_END_CONNECT,
                addr_format(&a->addr).text,
                err == ERR_SYSTEM ? strerror(errno) : err_name(err));
    return false;
}

/* L50, at the moment of connecting and on the very address: a name that was
 * looked up a second time could mean another one. */
static bool is_allowed(struct race *r, const struct addr *to)
{
    const char *refusal =
        address_policy_refusal(r->policy, to, search_trust(r->search));

    if (refusal == NULL)
        return true;
    metrics_count(METRIC_UPSTREAM_FORBIDDEN);
    search_note(r->search, UPSTREAM_END_REFUSED, addr_format(to).text, refusal);
    return false;
}

/* False, and noted: nothing came of it. */
static bool race_start(struct attempt *a, const struct addr *to,
                       enum upstream_mode mode)
{
    struct race *r = a->race;
    struct connect_limit_visit visit = {
        .to = to,
        .client = &r->client,
        .is_route = search_trust(r->search) == ADDRESS_POLICY_ROUTE,
    };
    enum connect_limit_verdict verdict = CONNECT_LIMIT_OPEN;

    if (!is_allowed(r, to))
        return false;
    a->addr = *to;
    a->mode = mode;
    if (r->connect_limit != NULL)
        verdict = connect_limit_enter(r->connect_limit, &a->ticket, &visit,
                                      on_turn, a);
    if (verdict == CONNECT_LIMIT_FULL) {
        search_note(r->search, UPSTREAM_END_BUSY, addr_format(to).text,
                    "too many connections are being made");
        return false;
    }
    a->is_waiting = verdict == CONNECT_LIMIT_WAIT;
    if (a->is_waiting) {
        metrics_count(METRIC_UPSTREAM_HELD);
    } else if (!open_sock(a)) {
        connect_limit_leave(&a->ticket);
        return false;
    }
    r->n_running++;
    return true;
}

static struct attempt *free_place(struct race *r)
{
    for (size_t i = 0; i < ATTEMPTS_MAX; i++) {
        struct attempt *a = &r->attempts[i];

        if (a->sock == NULL && !a->is_waiting && a != r->winner)
            return a;
    }
    return NULL;
}

/* --- The race ------------------------------------------------------------- */

static bool next_target(struct race *r)
{
    r->is_target_late = false;
    if (!search_next_target(r->search))
        return false;
    if (r->limits.target_ms > 0)
        timer_set(&r->target, r->limits.target_ms);
    return true;
}

/* Starts what may start now.  False: nothing is left, and nothing runs. */
static bool race_run(struct race *r)
{
    const struct addr *to = NULL;
    enum upstream_mode mode;
    struct attempt *place;

    for (;;) {
        place = free_place(r);
        if (place == NULL || (r->n_running > 0 && timer_is_set(&r->delay)))
            return true;
        switch (search_next(r->search, &to, &mode)) {
        case SEARCH_ADDR:
            if (race_start(place, to, mode))
                timer_set(&r->delay, r->limits.delay_ms);
            break;
        case SEARCH_WAIT:
            return true;
        case SEARCH_DRY:
            if (r->n_running > 0)
                return true;
            if (!next_target(r))
                return false;
            break;
        }
    }
}

static void run_on(struct race *r)
{
    if (!race_run(r))
        r->up->lost(r->owner);
}

static void on_found(void *owner)
{
    struct race *r = owner;

    if (r->winner == NULL)
        run_on(r);
}

static void on_turn(void *arg)
{
    struct attempt *a = arg;

    a->is_waiting = false;
    if (open_sock(a))
        return;
    a->is_waiting = true; /* as it was, to be cancelled */
    cancel(a);
    run_on(a->race);
}

static void on_delay(void *arg)
{
    run_on(arg);
}

/* All that runs waits for its turn: no server is to blame for that. */
static bool is_held(const struct race *r)
{
    size_t n_waiting = 0;

    for (size_t i = 0; i < ATTEMPTS_MAX; i++)
        n_waiting += r->attempts[i].is_waiting;
    return n_waiting > 0 && n_waiting == r->n_running;
}

void race_note_late(struct race *r, const char *cause)
{
    if (is_held(r))
        search_note(r->search, UPSTREAM_END_BUSY, "connecting",
                    "no turn came in time");
    else
        search_note(r->search, UPSTREAM_END_TIMEOUT,
                    r->n_running > 0 ? "connecting" : "resolving", cause);
}

static void on_target_late(void *arg)
{
    struct race *r = arg;

    if (!search_has_more_targets(r->search))
        return; /* then it may have all the time there is */
    r->is_target_late = true;
    if (r->winner != NULL) {
        r->up->late(r->owner);
        return;
    }
    race_note_late(r, "the time of this server is up");
    cancel_all(r);
    (void)next_target(r);
    run_on(r);
}

static void race_on_connected(void *owner)
{
    struct attempt *a = owner;
    struct race *r = a->race;
    struct sock *sock = a->sock;

    race_clear(a);
    r->winner = a;
    for (size_t i = 0; i < ATTEMPTS_MAX; i++)
        if (r->attempts[i].sock != NULL || r->attempts[i].is_waiting)
            search_put_back(r->search, &r->attempts[i].addr);
    cancel_all(r);
    /* A server that strangers name counts until it has shown that it is one;
     * what the operator names has nothing to show. */
    if (search_trust(r->search) == ADDRESS_POLICY_ROUTE)
        connect_limit_leave(&a->ticket);
    r->up->won(r->owner, sock, a->mode);
}

static void race_on_lost(void *owner, enum sock_end why)
{
    struct attempt *a = owner;
    struct race *r = a->race;
    enum upstream_end end = UPSTREAM_END_CONNECT;

    if (why == SOCK_TIMEOUT)
        end = UPSTREAM_END_TIMEOUT;
    if (why == SOCK_NOMEM)
        end = UPSTREAM_END_NOMEM;
    search_note(r->search, end, addr_format(&a->addr).text,
                sock_error_text(a->sock));
    cancel(a);
    timer_stop(&r->delay); /* a failure is not waited out */
    run_on(r);
}

static void forget_winner(struct race *r)
{
    if (r->winner != NULL)
        connect_limit_leave(&r->winner->ticket);
    r->winner = NULL;
}

/* --- For the owner -------------------------------------------------------- */

enum err race_new(struct race **out, const struct upstream_params *params,
                  const char *domain, const struct race_ops *ops, void *owner)
{
    struct upstream_params search = *params;
    struct race *r = calloc(1, sizeof(*r));
    enum err err;

    if (r == NULL)
        return ERR_NOMEM;
    r->loop = params->loop;
    r->up = ops;
    r->owner = owner;
    r->limits = params->limits;
    r->policy = params->shared.policy;
    r->connect_limit = params->shared.connect_limit;
    if (params->client != NULL)
        r->client = *params->client;
    search.client = &r->client;
    for (size_t i = 0; i < ATTEMPTS_MAX; i++)
        r->attempts[i].race = r;
    timer_init(&r->delay, r->loop, on_delay, r);
    timer_init(&r->target, r->loop, on_target_late, r);

    err = search_new(&r->search, &search, domain, on_found, r);
    if (err == ERR_OK && !race_run(r))
        err = ERR_NOMEM; /* whatever else fails is heard of later */
    if (err != ERR_OK) {
        race_free(r);
        return err;
    }
    *out = r;
    return ERR_OK;
}

void race_free(struct race *r)
{
    if (r == NULL)
        return;
    cancel_all(r);
    forget_winner(r);
    timer_stop(&r->target);
    search_free(r->search);
    free(r);
}

bool race_go_on(struct race *r)
{
    forget_winner(r);
    if (r->is_target_late && !next_target(r))
        return false;
    return race_run(r);
}

bool race_redirect(struct race *r, struct slice host)
{
    r->is_target_late = false;
    timer_stop(&r->target);
    return search_redirect(r->search, host);
}

void race_stop(struct race *r)
{
    search_blame_target(r->search);
    cancel_all(r);
    forget_winner(r);
    timer_stop(&r->target);
    search_stop(r->search);
}

const struct addr *race_client(const struct race *r)
{
    return &r->client;
}

struct search *race_search(struct race *r)
{
    return r->search;
}
