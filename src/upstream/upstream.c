#include "upstream/upstream.h"

#include "upstream_race.h"
#include "upstream_search.h"
#include "net/addr.h"
#include "net/proxy_protocol.h"
#include "net/sock.h"
#include "net/sock_text.h"
#include "net/sock_open.h"
#include "net/tls.h"
#include "net/tls_client.h"
#include "base/log.h"
#include "base/loop.h"

#include <assert.h>
#include <stdlib.h>
#include <stdio.h>

/*
 *   CONNECTING ──▶ SECURING ──▶ READY      plain: at once READY
 *       ▲              ▲──────────┘         the owner's STARTTLS
 *       └── FAILED ◀── any of them          the next server, if there is one
 *   all of them ──▶ CLOSED                  the owner has let go
 */
enum upstream_state {
    UPSTREAM_CONNECTING, /* waiting for DNS and TCP */
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
    struct race *race;   /* owned; NULL once settled */
    struct sock *sock;   /* owned; NULL while there is none */
    struct timer budget; /* set until settled or given up */
    struct defer gone;
    char domain[]; /* A-labels: SNI and reference identity */
};

/* What the rule wants its servers to know, before any other byte (K54). */
static enum err tell_client(struct upstream *u)
{
    const struct addr *client = race_client(u->race);
    struct addr server = sock_peer(u->sock);
    char text[PROXY_WRITE_BYTES];
    struct slice header = {text, 0};

    switch (search_rule(race_search(u->race))->proxy) {
    case PROXY_NONE:
        return ERR_OK;
    case PROXY_V1:
        header.len = proxy_write_v1(text, client, &server);
        break;
    case PROXY_V2:
        header.len = proxy_write_v2(text, client, &server);
        break;
    }
    return sock_write(u->sock, &header, 1);
}

static void on_won(void *owner, struct sock *sock, enum upstream_mode mode);
static void on_race_lost(void *owner);
static void upstream_on_late(void *owner);
static void upstream_on_secured(void *owner);
static void upstream_on_received(void *owner, const char *at, size_t len);
static void upstream_on_drained(void *owner);
static void upstream_on_eof(void *owner);
static void upstream_on_lost(void *owner, enum sock_end why);
static void on_budget(void *arg);

static const struct race_ops race_ops = {
    .won = on_won,
    .lost = on_race_lost,
    .late = upstream_on_late,
};

static const struct sock_ops sock_ops = {
    .secured = upstream_on_secured,
    .received = upstream_on_received,
    .drained = upstream_on_drained,
    .eof = upstream_on_eof,
    .lost = upstream_on_lost,
};

/* What is being waited for, for the log. */
static const char *const state_name[] = {
    [UPSTREAM_CONNECTING] = "connecting", [UPSTREAM_SECURING] = "securing",
    [UPSTREAM_READY] = "stream header",   [UPSTREAM_FAILED] = "failed",
    [UPSTREAM_CLOSED] = "closed",
};

/* The only place that writes u->state.  The owner is told by the caller. */
static void upstream_enter(struct upstream *u, enum upstream_state next)
{
    enum {
        ANY = 1u << UPSTREAM_CONNECTING | 1u << UPSTREAM_SECURING |
              1u << UPSTREAM_READY | 1u << UPSTREAM_FAILED
    };
    static const unsigned from[] = {
        [UPSTREAM_CONNECTING] = ANY,
        [UPSTREAM_SECURING] = 1u << UPSTREAM_CONNECTING | 1u << UPSTREAM_READY,
        [UPSTREAM_READY] = 1u << UPSTREAM_CONNECTING | 1u << UPSTREAM_SECURING,
        [UPSTREAM_FAILED] = ANY,
        [UPSTREAM_CLOSED] = ANY,
    };

    assert(from[next] & 1u << u->state);
    u->state = next;
}

const char *upstream_end_name(enum upstream_end why)
{
    static const char *const name[] = {
        [UPSTREAM_END_DNS] = "dns",
        [UPSTREAM_END_REFUSED] = "refused-by-policy",
        [UPSTREAM_END_BUSY] = "too-many-connects",
        [UPSTREAM_END_CONNECT] = "connect",
        [UPSTREAM_END_TLS] = "tls",
        [UPSTREAM_END_STREAM] = "stream",
        [UPSTREAM_END_TIMEOUT] = "timeout",
        [UPSTREAM_END_LOST] = "lost",
        [UPSTREAM_END_EOF] = "eof",
        [UPSTREAM_END_TRUNCATED] = "truncated",
        [UPSTREAM_END_NOMEM] = "no-memory",
    };

    return name[why];
}

/* --- The search ----------------------------------------------------------- */

static void upstream_note(struct upstream *u, enum upstream_end why,
                          const char *what, const char *cause)
{
    search_note(race_search(u->race), why, what, cause);
}

static void upstream_give_up(struct upstream *u)
{
    search_log_failure(race_search(u->race), loop_now_ms(u->loop));
    race_stop(u->race);
    timer_stop(&u->budget);
    upstream_enter(u, UPSTREAM_FAILED);
}

static void drop_sock(struct upstream *u)
{
    struct sock *sock = u->sock;

    u->sock = NULL;
    sock_abort(sock);
}

static void upstream_fail(struct upstream *u)
{
    upstream_give_up(u);
    u->up->ended(u->owner, search_why(race_search(u->race)));
}

/* The connection failed before it was ready. */
static void upstream_go_on(struct upstream *u)
{
    drop_sock(u);
    upstream_enter(u, UPSTREAM_CONNECTING);
    if (!race_go_on(u->race))
        upstream_fail(u);
}

static void on_race_lost(void *owner)
{
    upstream_fail(owner);
}

static void on_budget(void *arg)
{
    struct upstream *u = arg;

    if (u->state == UPSTREAM_CONNECTING)
        race_note_late(u->race, "the time is up");
    else
        upstream_note(u, UPSTREAM_END_TIMEOUT, state_name[u->state],
                      "the time is up");
    drop_sock(u);
    upstream_fail(u);
}

/* --- The connection ------------------------------------------------------- */

static enum err secure(struct upstream *u, bool is_direct)
{
    const struct domain_rule *rule = search_rule(race_search(u->race));
    /* The reference identity is the domain, never the target (K32). */
    struct tls_peer peer = {
        .domain = u->domain,
        .is_same = domain_is_same,
        .is_verified = rule->is_verified,
        .is_direct = is_direct,
    };

    if (rule->tls == NULL) {
        upstream_note(u, UPSTREAM_END_TLS, u->domain, "TLS is not set up");
        return ERR_INVALID;
    }
    return sock_start_tls_client(u->sock, rule->tls, &peer);
}

static void become_ready(struct upstream *u)
{
    upstream_enter(u, UPSTREAM_READY);
    u->up->ready(u->owner, u->mode == UPSTREAM_TLS);
}

static void on_won(void *owner, struct sock *sock, enum upstream_mode mode)
{
    struct upstream *u = owner;

    u->sock = sock;
    u->mode = mode;
    u->is_starttls = false;
    sock_set_owner(sock, &sock_ops, u);
    if (tell_client(u) != ERR_OK) {
        upstream_note(u, UPSTREAM_END_CONNECT, u->domain,
                      "no PROXY header can be sent");
        upstream_go_on(u);
        return;
    }
    if (u->mode != UPSTREAM_TLS) {
        become_ready(u);
        return;
    }
    if (secure(u, true) == ERR_OK)
        upstream_enter(u, UPSTREAM_SECURING);
    else
        upstream_go_on(u);
}

static void upstream_on_secured(void *owner)
{
    struct upstream *u = owner;

    if (!u->is_starttls) {
        become_ready(u);
        return;
    }
    upstream_enter(u, UPSTREAM_READY);
    u->up->secured(u->owner);
}

static void upstream_on_received(void *owner, const char *at, size_t len)
{
    struct upstream *u = owner;

    if (u->state == UPSTREAM_READY)
        u->up->received(u->owner, at, len);
}

static void upstream_on_drained(void *owner)
{
    struct upstream *u = owner;

    if (u->state == UPSTREAM_READY)
        u->up->drained(u->owner);
}

/* A connection that the owner was told of is gone. */
static void fail_ready(struct upstream *u, enum upstream_end why)
{
    drop_sock(u);
    upstream_enter(u, UPSTREAM_FAILED);
    u->up->ended(u->owner, why);
}

static void note_sock(struct upstream *u, enum upstream_end why,
                      const char *cause)
{
    struct addr_text peer;

    if (u->race == NULL)
        return;
    peer = sock_peer_text(u->sock);
    upstream_note(u, why, peer.text, cause);
}

static void upstream_on_eof(void *owner)
{
    struct upstream *u = owner;
    enum upstream_end end =
        sock_is_truncated(u->sock) ? UPSTREAM_END_TRUNCATED : UPSTREAM_END_EOF;

    note_sock(u, end, "the server closed the connection");
    if (u->state == UPSTREAM_READY || u->is_starttls)
        fail_ready(u, end);
    else
        upstream_go_on(u);
}

/* Another server is left for what remains of the time. */
static void upstream_on_late(void *owner)
{
    struct upstream *u = owner;

    if (u->sock == NULL)
        return; /* the owner knows, and has not let go yet */
    note_sock(u, UPSTREAM_END_TIMEOUT, "the time of this server is up");
    if (u->state == UPSTREAM_READY || u->is_starttls)
        fail_ready(u, UPSTREAM_END_TIMEOUT);
    else
        upstream_go_on(u);
}

static enum upstream_end upstream_end_of(const struct upstream *u,
                                         enum sock_end why)
{
    if (why == SOCK_NOMEM)
        return UPSTREAM_END_NOMEM;
    if (u->state == UPSTREAM_READY)
        return UPSTREAM_END_LOST;
    if (why == SOCK_TIMEOUT)
        return UPSTREAM_END_TIMEOUT;
    return UPSTREAM_END_TLS;
}

static void upstream_on_lost(void *owner, enum sock_end why)
{
    struct upstream *u = owner;
    enum upstream_end end = upstream_end_of(u, why);

    note_sock(u, end, sock_error_text(u->sock));
    if (u->state == UPSTREAM_READY || u->is_starttls)
        fail_ready(u, end);
    else
        upstream_go_on(u);
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

    u->state = UPSTREAM_CONNECTING;
    err = race_new(&u->race, params, u->domain, &race_ops, u);
    if (err != ERR_OK) {
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

    assert(u->race != NULL);
    if (!timer_is_set(&u->budget))
        return false; /* given up before, and logged */
    if (sock != NULL)
        note_sock(u, UPSTREAM_END_STREAM, cause);

    /* What the owner wrote as its last word still gets there. */
    u->sock = NULL;
    sock_close(sock);
    u->is_starttls = false;
    upstream_enter(u, UPSTREAM_CONNECTING);
    if (race_go_on(u->race))
        return true;
    upstream_give_up(u);
    return false;
}

bool upstream_redirect(struct upstream *u, struct slice host)
{
    assert(u->race != NULL);
    if (!timer_is_set(&u->budget))
        return false;
    if (!race_redirect(u->race, host)) {
        upstream_give_up(u);
        return false;
    }
    return upstream_next_target(u, "see-other-host");
}

void upstream_settle(struct upstream *u)
{
    struct race *race = u->race;

    if (race != NULL && u->state == UPSTREAM_READY) {
        search_praise_target(race_search(race));
        search_log_server(race_search(race), u->sock);
    }
    u->race = NULL;
    race_free(race);
    timer_stop(&u->budget);
}

enum err upstream_start_tls(struct upstream *u)
{
    enum err err;

    if (u->state != UPSTREAM_READY || u->race == NULL)
        return ERR_CLOSED;
    if (sock_queued_bytes(u->sock) > 0)
        return ERR_INVALID;
    err = secure(u, false);
    if (err != ERR_OK)
        return err;
    u->is_starttls = true;
    upstream_enter(u, UPSTREAM_SECURING);
    return ERR_OK;
}

/* --- What the owner does with a connection ---------------------------------
 */

/* --- Bytes ---------------------------------------------------------------- */

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

/* --- The end -------------------------------------------------------------- */

static void let_go(struct upstream *u)
{
    upstream_enter(u, UPSTREAM_CLOSED);
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

void upstream_leave(struct upstream *u)
{
    if (u != NULL && u->state == UPSTREAM_READY &&
        sock_queued_bytes(u->sock) > 0)
        upstream_close(u);
    else
        upstream_abort(u);
}

void upstream_abort(struct upstream *u)
{
    if (u == NULL)
        return;
    sock_abort(u->sock);
    let_go(u);
}

/* --- What there is to know ------------------------------------------------ */

enum upstream_mode upstream_mode(const struct upstream *u)
{
    return u->mode;
}

bool upstream_is_busy(const struct upstream *u)
{
    return u->race != NULL && search_is_busy(race_search(u->race));
}

const char *upstream_cause(const struct upstream *u)
{
    return u->race == NULL ? "" : search_cause(race_search(u->race));
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
    peer = sock_peer_text(u->sock);
    snprintf(out, cap, "%s %s", peer.text,
             sock_tls_text(u->sock, tls, sizeof(tls)));
    return out;
}
