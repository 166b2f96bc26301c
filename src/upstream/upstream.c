#include "upstream/upstream.h"

#include "upstream/upstream_search.h"
#include "net/addr.h"
#include "net/sock.h"
#include "net/tls.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define PORT_CLIENT     5222
#define PORT_DIRECT_TLS 5223
#define PORT_HTTPS      443

enum upstream_state {
    UPSTREAM_RESOLVING,  /* waiting for DNS */
    UPSTREAM_CONNECTING, /* waiting for TCP */
    UPSTREAM_SECURING,   /* waiting for the TLS handshake */
    UPSTREAM_READY,      /* bytes flow */
    UPSTREAM_FAILED,     /* the owner was told; it goes on or lets go */
    UPSTREAM_CLOSED,     /* memory goes at the end of this loop turn */
};

struct upstream {
    enum upstream_state state;
    enum upstream_mode mode; /* of the current target */
    bool is_starttls;        /* the handshake was asked for by the owner */
    struct loop *loop;       /* borrowed: outlives us */
    const struct upstream_ops *up;
    void *owner;
    struct upstream_limits limits;
    struct search *search; /* owned; NULL once settled */
    struct sock *sock;     /* owned; NULL while there is none */
    struct timer budget;   /* set until settled or given up */
    struct defer gone;
    char domain[]; /* A-labels: SNI and reference identity */
};

static void on_found(void *owner);
static void on_connected(void *owner);
static void on_secured(void *owner);
static void on_received(void *owner, const char *at, size_t len);
static void on_drained(void *owner);
static void on_eof(void *owner);
static void on_lost(void *owner, enum sock_end why);
static void on_budget(void *arg);

static const struct sock_ops sock_ops = {
    .connected = on_connected,
    .secured = on_secured,
    .received = on_received,
    .drained = on_drained,
    .eof = on_eof,
    .lost = on_lost,
};

/* What is being waited for, for the log. */
static const char *const state_name[] = {
    [UPSTREAM_RESOLVING] = "resolving", [UPSTREAM_CONNECTING] = "connecting",
    [UPSTREAM_SECURING] = "securing",   [UPSTREAM_READY] = "stream header",
    [UPSTREAM_FAILED] = "failed",       [UPSTREAM_CLOSED] = "closed",
};

/* The only place that writes u->state. */
static void enter(struct upstream *u, enum upstream_state next)
{
    static const unsigned from[] = {
        [UPSTREAM_RESOLVING] = 1u << UPSTREAM_RESOLVING |
                               1u << UPSTREAM_CONNECTING |
                               1u << UPSTREAM_SECURING | 1u << UPSTREAM_READY |
                               1u << UPSTREAM_FAILED,
        [UPSTREAM_CONNECTING] = 1u << UPSTREAM_RESOLVING |
                                1u << UPSTREAM_CONNECTING |
                                1u << UPSTREAM_SECURING | 1u << UPSTREAM_READY |
                                1u << UPSTREAM_FAILED,
        [UPSTREAM_SECURING] = 1u << UPSTREAM_CONNECTING | 1u << UPSTREAM_READY,
        [UPSTREAM_READY] = 1u << UPSTREAM_CONNECTING | 1u << UPSTREAM_SECURING,
        [UPSTREAM_FAILED] = 1u << UPSTREAM_RESOLVING |
                            1u << UPSTREAM_CONNECTING |
                            1u << UPSTREAM_SECURING | 1u << UPSTREAM_READY |
                            1u << UPSTREAM_FAILED,
        [UPSTREAM_CLOSED] = 1u << UPSTREAM_RESOLVING |
                            1u << UPSTREAM_CONNECTING |
                            1u << UPSTREAM_SECURING | 1u << UPSTREAM_READY |
                            1u << UPSTREAM_FAILED,
    };

    assert(from[next] & 1u << u->state);
    u->state = next;
}

/* --- The search ----------------------------------------------------------- */

/* L50, at the moment of connecting and on the very address: a name that was
 * looked up a second time could mean another one. */
static bool is_allowed(const struct search *s, const struct addr *to)
{
    const struct domain_rule *rule = search_rule(s);
    uint16_t port = addr_port(to);

    if (rule->n_routes > 0 && !search_is_redirected(s))
        return true;
    return addr_is_public(to) &&
           (port == PORT_CLIENT || port == PORT_DIRECT_TLS ||
            port == PORT_HTTPS);
}

/* The one place from which a connection to a server is opened. */
static bool open_sock(struct upstream *u, const struct addr *to)
{
    struct addr_text text = addr_format(to);
    struct sock_limits limits = {
        .queue_max_bytes = u->limits.queue_max_bytes,
        .high_bytes = u->limits.high_bytes,
        .low_bytes = u->limits.low_bytes,
        .stall_ms = u->limits.stall_ms,
        .handshake_ms = u->limits.attempt_ms,
    };
    enum err err;

    if (!is_allowed(u->search, to)) {
        search_note(u->search, UPSTREAM_END_REFUSED, text.text,
                    "only through a route");
        return false;
    }
    metrics_count(METRIC_UPSTREAM_CONNECTS);
    err = sock_connect(&u->sock, u->loop, to, &limits, &sock_ops, u);
    if (err == ERR_OK)
        return true;
    search_note(u->search,
                err == ERR_NOMEM ? UPSTREAM_END_NOMEM : UPSTREAM_END_CONNECT,
                text.text, err == ERR_SYSTEM ? strerror(errno) : err_name(err));
    return false;
}

/* Starts on the next address, or waits for DNS to name one.  False: there is
 * nothing left to try. */
static bool advance(struct upstream *u)
{
    const struct addr *to = NULL;
    enum search_step step = search_next(u->search, &to, &u->mode);

    while (step == SEARCH_ADDR && !open_sock(u, to))
        step = search_next(u->search, &to, &u->mode);
    if (step == SEARCH_END)
        return false;
    enter(u, step == SEARCH_WAIT ? UPSTREAM_RESOLVING : UPSTREAM_CONNECTING);
    return true;
}

static void give_up(struct upstream *u)
{
    search_log_failure(u->search, loop_now_ms(u->loop));
    search_stop(u->search);
    timer_stop(&u->budget);
    enter(u, UPSTREAM_FAILED);
}

static void drop_sock(struct upstream *u)
{
    struct sock *sock = u->sock;

    u->sock = NULL;
    sock_abort(sock);
}

/* An attempt failed before it was ready. */
static void go_on(struct upstream *u)
{
    drop_sock(u);
    if (advance(u))
        return;
    give_up(u);
    u->up->ended(u->owner, search_why(u->search));
}

static void on_budget(void *arg)
{
    struct upstream *u = arg;

    search_note(u->search, UPSTREAM_END_TIMEOUT, state_name[u->state],
                "the time is up");
    drop_sock(u);
    give_up(u);
    u->up->ended(u->owner, UPSTREAM_END_TIMEOUT);
}

static void on_found(void *owner)
{
    go_on(owner);
}

/* --- The connection ------------------------------------------------------- */

static enum err secure(struct upstream *u, bool is_direct)
{
    const struct domain_rule *rule = search_rule(u->search);
    /* The reference identity is the domain, never the target (K32). */
    struct tls_peer peer = {
        .domain = u->domain,
        .is_same = domain_is_same,
        .is_verified = rule->is_verified,
        .is_direct = is_direct,
    };

    if (rule->tls == NULL) {
        search_note(u->search, UPSTREAM_END_TLS, u->domain,
                    "TLS is not set up");
        return ERR_INVALID;
    }
    return sock_start_tls_client(u->sock, rule->tls, &peer);
}

static void become_ready(struct upstream *u)
{
    enter(u, UPSTREAM_READY);
    u->up->ready(u->owner, u->mode == UPSTREAM_TLS);
}

static void on_connected(void *owner)
{
    struct upstream *u = owner;

    u->is_starttls = false;
    if (u->mode != UPSTREAM_TLS) {
        become_ready(u);
        return;
    }
    if (secure(u, true) == ERR_OK)
        enter(u, UPSTREAM_SECURING);
    else
        go_on(u);
}

static void on_secured(void *owner)
{
    struct upstream *u = owner;

    if (!u->is_starttls) {
        become_ready(u);
        return;
    }
    enter(u, UPSTREAM_READY);
    u->up->secured(u->owner);
}

static void on_received(void *owner, const char *at, size_t len)
{
    struct upstream *u = owner;

    if (u->state == UPSTREAM_READY)
        u->up->received(u->owner, at, len);
}

static void on_drained(void *owner)
{
    struct upstream *u = owner;

    if (u->state == UPSTREAM_READY)
        u->up->drained(u->owner);
}

/* A connection that the owner was told of is gone. */
static void fail_ready(struct upstream *u, enum upstream_end why)
{
    drop_sock(u);
    enter(u, UPSTREAM_FAILED);
    u->up->ended(u->owner, why);
}

static void note_sock(struct upstream *u, enum upstream_end why,
                      const char *cause)
{
    struct addr_text peer;

    if (u->search == NULL)
        return;
    peer = addr_format(sock_peer(u->sock));
    search_note(u->search, why, peer.text, cause);
}

static void on_eof(void *owner)
{
    struct upstream *u = owner;
    enum upstream_end end =
        sock_is_truncated(u->sock) ? UPSTREAM_END_TRUNCATED : UPSTREAM_END_EOF;

    note_sock(u, end, "the server closed the connection");
    if (u->state == UPSTREAM_READY || u->is_starttls)
        fail_ready(u, end);
    else
        go_on(u);
}

static enum upstream_end end_of(const struct upstream *u, enum sock_end why)
{
    if (why == SOCK_NOMEM)
        return UPSTREAM_END_NOMEM;
    if (u->state == UPSTREAM_READY)
        return UPSTREAM_END_LOST;
    if (why == SOCK_TIMEOUT)
        return UPSTREAM_END_TIMEOUT;
    if (u->state == UPSTREAM_SECURING)
        return UPSTREAM_END_TLS;
    return UPSTREAM_END_CONNECT;
}

static void on_lost(void *owner, enum sock_end why)
{
    struct upstream *u = owner;
    enum upstream_end end = end_of(u, why);

    note_sock(u, end, sock_error_text(u->sock));
    if (u->state == UPSTREAM_READY || u->is_starttls)
        fail_ready(u, end);
    else
        go_on(u);
}

/* --- For the owner -------------------------------------------------------- */

enum err upstream_open(struct upstream **out,
                       const struct upstream_params *params,
                       const struct upstream_ops *ops, void *owner)
{
    size_t len = strlen(params->domain->ascii);
    struct upstream *u = calloc(1, sizeof(*u) + len + 1);
    enum err err;

    if (u == NULL)
        return ERR_NOMEM;
    u->loop = params->loop;
    u->mode = params->rule->mode;
    u->up = ops;
    u->owner = owner;
    u->limits = params->limits;
    memcpy(u->domain, params->domain->ascii, len + 1);
    timer_init(&u->budget, u->loop, on_budget, u);

    err = search_new(&u->search, params, u->domain, on_found, u);
    if (err == ERR_OK && !advance(u))
        err = ERR_NOMEM; /* whatever else fails is heard of later */
    if (err != ERR_OK) {
        search_free(u->search);
        free(u);
        return err;
    }
    timer_set(&u->budget, u->limits.connect_ms);
    *out = u;
    return ERR_OK;
}

bool upstream_next_target(struct upstream *u, const char *cause)
{
    struct sock *sock = u->sock;

    assert(u->search != NULL);
    if (!timer_is_set(&u->budget))
        return false; /* given up before, and logged */
    if (sock != NULL)
        note_sock(u, UPSTREAM_END_STREAM, cause);

    /* What the owner wrote as its last word still gets there. */
    u->sock = NULL;
    sock_close(sock);
    u->is_starttls = false;
    if (advance(u))
        return true;
    give_up(u);
    return false;
}

bool upstream_redirect(struct upstream *u, struct slice host)
{
    assert(u->search != NULL);
    if (!timer_is_set(&u->budget))
        return false;
    if (!search_redirect(u->search, host)) {
        give_up(u);
        return false;
    }
    return upstream_next_target(u, "see-other-host");
}

void upstream_settle(struct upstream *u)
{
    struct search *s = u->search;

    if (s != NULL && u->state == UPSTREAM_READY)
        search_log_server(s, u->sock);
    u->search = NULL;
    search_free(s);
    timer_stop(&u->budget);
}

enum err upstream_start_tls(struct upstream *u)
{
    enum err err;

    if (u->state != UPSTREAM_READY || u->search == NULL)
        return ERR_CLOSED;
    if (sock_queued_bytes(u->sock) > 0)
        return ERR_INVALID;
    err = secure(u, false);
    if (err != ERR_OK)
        return err;
    u->is_starttls = true;
    enter(u, UPSTREAM_SECURING);
    return ERR_OK;
}

enum upstream_mode upstream_mode(const struct upstream *u)
{
    return u->mode;
}

enum err upstream_write(struct upstream *u, const struct slice *parts,
                        size_t n_parts)
{
    if (u->state != UPSTREAM_READY)
        return ERR_CLOSED;
    return sock_write(u->sock, parts, n_parts);
}

bool upstream_is_congested(const struct upstream *u)
{
    return u->state == UPSTREAM_READY && sock_is_congested(u->sock);
}

void upstream_pause(struct upstream *u)
{
    if (u->state == UPSTREAM_READY)
        sock_pause(u->sock);
}

void upstream_resume(struct upstream *u)
{
    if (u->state == UPSTREAM_READY)
        sock_resume(u->sock);
}

static void let_go(struct upstream *u)
{
    enter(u, UPSTREAM_CLOSED);
    u->sock = NULL;
    upstream_settle(u);
    loop_defer(u->loop, &u->gone, free, u);
}

void upstream_close(struct upstream *u)
{
    if (u->state == UPSTREAM_READY)
        sock_close(u->sock);
    else
        sock_abort(u->sock);
    let_go(u);
}

void upstream_abort(struct upstream *u)
{
    if (u == NULL)
        return;
    sock_abort(u->sock);
    let_go(u);
}

const char *upstream_describe(const struct upstream *u, char *out, size_t cap)
{
    char tls[100];
    struct addr_text peer;

    if (cap == 0)
        return "";
    out[0] = '\0';
    if (u->state != UPSTREAM_READY)
        return out;
    peer = addr_format(sock_peer(u->sock));
    snprintf(out, cap, "%s %s", peer.text,
             sock_tls_text(u->sock, tls, sizeof(tls)));
    return out;
}
