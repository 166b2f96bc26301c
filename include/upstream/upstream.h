/*
 * upstream.h - a byte connection to an XMPP server of one domain.
 *
 * It finds the server (configured routes, else SRV, else A/AAAA on 5222),
 * connects to its addresses until one answers (upstream_race.h), and does
 * TLS: at once for direct TLS, or when the stream asks for it (STARTTLS).
 *
 *   CONNECTING -> (SECURING) -> READY -> CLOSED
 *        ^--- upstream_next_target ---'
 *
 * The search for a good server goes on behind READY, until the owner says by
 * upstream_settle that this one is it; until then all that is known of the
 * others is kept, and the budget runs.
 */
#ifndef UPSTREAM_UPSTREAM_H
#define UPSTREAM_UPSTREAM_H

#include "base/base.h"
#include "upstream/domain.h"

struct connect_limit;
struct target_history;
struct loop;
struct log_ctx;
struct address_policy;
struct resolver;
struct upstream;

/* Why a connection could not be had or was lost: for log and metrics. */
enum upstream_end {
    UPSTREAM_END_DNS,       /* no usable record */
    UPSTREAM_END_REFUSED,   /* address or port forbidden by policy */
    UPSTREAM_END_BUSY,      /* too many wait for their turn to connect */
    UPSTREAM_END_CONNECT,   /* TCP failed on every address */
    UPSTREAM_END_TLS,       /* handshake or certificate */
    UPSTREAM_END_STREAM,    /* the owner refused what the server sent */
    UPSTREAM_END_TIMEOUT,   /* the budget is spent */
    UPSTREAM_END_LOST,      /* reset, or error after it was ready */
    UPSTREAM_END_EOF,       /* the server closed */
    UPSTREAM_END_TRUNCATED, /* it closed without the end of TLS (K51) */
    UPSTREAM_END_NOMEM,
};

struct upstream_ops {
    /* TCP is up, TLS too if direct.  is_secured: TLS is on. */
    void (*ready)(void *owner, bool is_secured);
    void (*secured)(void *owner); /* after upstream_start_tls */
    void (*received)(void *owner, const char *at, size_t len);
    void (*drained)(void *owner);
    /* The connection is gone, or none could be had.  The owner calls
     * upstream_abort to let go; or, when it was ready once and is not
     * settled, upstream_next_target to go on with another server. */
    void (*ended)(void *owner, enum upstream_end why);
};

struct upstream_limits {
    unsigned connect_ms; /* budget from open to settled, all targets */
    unsigned target_ms;  /* for one of several targets, to settled; 0: none */
    unsigned attempt_ms; /* for one address: TCP, and direct TLS */
    unsigned delay_ms;   /* from one address to the next (RFC 8305) */
    unsigned stall_ms;   /* the server takes no byte for so long */
    size_t queue_max_bytes;
    size_t high_bytes;
    size_t low_bytes;
};

/* What the upstreams of one worker share.  All borrowed, and may be NULL. */
struct upstream_shared {
    const struct address_policy *policy; /* NULL: the usual rules and no more */
    struct connect_limit
        *connect_limit;             /* NULL: no limit on connections begun */
    struct target_history *history; /* NULL: nothing is remembered of servers */
};

struct upstream_params {
    struct upstream_shared shared;
    struct loop *loop; /* borrowed, as are the next three */
    struct resolver *resolver;
    const struct domain_rule *rule;
    const struct log_ctx *log;        /* outlives the upstream */
    const struct domain_name *domain; /* copied */
    /* The server that the client asks for (XEP-0124 section 7.1, `route`):
     * instead of DNS, vetted like what DNS says, and not heeded where the
     * rule has routes.  Copied; NULL: it asks for none. */
    const char *asked_host;
    uint16_t asked_port;
    const struct addr *client; /* effective address, copied; NULL: none */
    struct upstream_limits limits;
};

/* ERR_NOMEM. */
MUST_CHECK enum err upstream_open(struct upstream **out,
                                  const struct upstream_params *params,
                                  const struct upstream_ops *ops, void *owner);

/* The connection is no good (STARTTLS refused, header wrong): connects to the
 * next address or target, under the same policy (K12).  True: `ready` or
 * `ended` follows; false: there is no other, or the budget is spent.  cause:
 * what was wrong, for the log.  Not after upstream_settle. */
bool upstream_next_target(struct upstream *u, const char *cause);

/*
 * The server said <see-other-host/> (RFC 6120 section 4.9.3.19): connects to
 * `host` (not ended by NUL) instead, as the same domain, under the same rule
 * and within the same budget (conformance K40, G42).  host is a name, an
 * address, name:port, or [v6]:port; a name without port is looked up as a
 * domain is.  To a private address only where the rule allows those that
 * DNS names, not because it has a route: what a server says is not what was
 * configured.  The connection so
 * far is closed.  As upstream_next_target otherwise; false, too, when host is
 * malformed or was named three times already.
 */
bool upstream_redirect(struct upstream *u, struct slice host);

/* This is the server: the alternatives are forgotten, the budget stops, and
 * the log and the rule of the parameters are not used any more. */
void upstream_settle(struct upstream *u);

/* STARTTLS: TLS from the next byte on.  `secured` or `ended` follows.
 * ERR_NOMEM.  ERR_INVALID: bytes of ours are still queued, so what the
 * server answered was not an answer.  ERR_CLOSED: not ready. */
MUST_CHECK enum err upstream_start_tls(struct upstream *u);

/* How the server that is connected is reached: a target of _xmpps-client
 * gives UPSTREAM_TLS under a rule that says starttls. */
enum upstream_mode upstream_mode(const struct upstream *u);

/* As sock_write.  Only while ready. */
MUST_CHECK enum err upstream_write(struct upstream *u,
                                   const struct slice *parts, size_t n_parts);
bool upstream_is_congested(const struct upstream *u);
void upstream_pause(struct upstream *u);
void upstream_resume(struct upstream *u);

/* Sends what is queued, then closes; no callback follows. */
void upstream_close(struct upstream *u);
/* Drops the connection; no callback follows.  NULL is fine. */
void upstream_abort(struct upstream *u);
/* The same, but what the server has not taken yet is sent first. */
void upstream_leave(struct upstream *u);

/* After `ended`, before upstream_abort: too many connections were being made at
 * once to a server that the configuration leads to.  It is worth trying again
 * soon. */
bool upstream_is_busy(const struct upstream *u);

/* What became of the last attempt, for operators; "" once it is settled. */
const char *upstream_cause(const struct upstream *u);

/* "127.0.0.1:5222 TLSv1.3 …" for the log; "" before it is ready. */
const char *upstream_describe(const struct upstream *u, char *out, size_t cap);
const char *upstream_end_name(enum upstream_end why);

#endif /* UPSTREAM_UPSTREAM_H */
