/*
 * turnstile.h - how many connections to servers may be begun at once: in all,
 * to one network, for one client (security.md 1.5; conformance L50).
 *
 * One a worker.  What exceeds a limit waits in order, a bounded number, of
 * which one client or network is half at most; what exceeds that is refused.
 * So a network that swallows connections holds up those who want to go there,
 * and nobody else, and one client cannot make us knock on many doors at once.
 *
 *   turnstile_enter -> OPEN ─────────────────┬─> turnstile_leave
 *           `---> WAITING ─ `opened` ───'
 *           `---> (refused)
 *
 * A network is an IPv4 /24 or an IPv6 /48; a client an IPv4 address or an
 * IPv6 /64.  A client at a loopback address or a unix socket is a proxy that
 * names nobody: only the other two limits count then.
 *
 * A route is where the operator wants all of its clients to go: there neither
 * the network's limit nor the client's counts, but one network has half of all
 * places, so that a server that is down leaves the others theirs.
 */
#ifndef UPSTREAM_TURNSTILE_H
#define UPSTREAM_TURNSTILE_H

#include "base/base.h"
#include "base/loop.h"
#include "net/addr.h"

struct turnstile;
struct turnstile_bucket;

struct turnstile_limits {
    unsigned all;
    unsigned per_network;
    unsigned per_client;
    unsigned waiting; /* tickets */
};

enum turnstile_verdict {
    TURNSTILE_OPEN, /* go on, and leave when it is done */
    TURNSTILE_WAIT, /* `opened` will be called; leave if it is not wanted any
                       more */
    TURNSTILE_FULL, /* too many wait (or no memory): the ticket is idle */
};

#define TURNSTILE_BUCKETS 3

/* Embedded; zeroed when idle. */
struct turnstile_ticket {
    struct turnstile
        *turnstile; /* borrowed: outlives its tickets; NULL: idle */
    struct turnstile_bucket
        *buckets[TURNSTILE_BUCKETS];   /* NULL: does not count */
    struct turnstile_bucket *waits_at; /* NULL: open */
    struct turnstile_ticket *next;     /* in that queue */
    struct turnstile_ticket *prev;
    void (*opened)(void *arg);
    void *arg;
    struct defer later;
};

/* ERR_NOMEM. */
MUST_CHECK enum err turnstile_new(struct turnstile **out, struct loop *loop,
                                  const struct turnstile_limits *limits);
/* Every ticket must have left.  NULL is fine. */
void turnstile_free(struct turnstile *g);

/* Who wants to go where.  Borrowed until turnstile_enter returns. */
struct turnstile_visit {
    const struct addr *to;     /* the server's address */
    const struct addr *client; /* NULL or of length 0 when not known */
    bool is_route;             /* the configuration names the address */
};

/* `opened` comes from the loop. */
enum turnstile_verdict turnstile_enter(struct turnstile *g,
                                       struct turnstile_ticket *t,
                                       const struct turnstile_visit *visit,
                                       void (*opened)(void *arg), void *arg);
/* Harmless when idle. */
void turnstile_leave(struct turnstile_ticket *t);

/* What distinguishes a client here: its length, or 0 for nobody. */
size_t turnstile_client_key(const struct addr *client, unsigned char out[16]);

#endif /* UPSTREAM_TURNSTILE_H */
