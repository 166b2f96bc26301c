/*
 * connect_limit.h - how many connections to servers may be begun at once: in
 * all, to one network, for one client (L50; conformance L50).
 *
 * One a worker.  What exceeds a limit waits in order, a bounded number, of
 * which one client or network is half at most; what exceeds that is refused.
 * So a network that swallows connections holds up those who want to go there,
 * and nobody else, and one client cannot make us knock on many accepting at
 * once.
 *
 *   connect_limit_enter -> OPEN ─────────────────┬─> connect_limit_leave
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
#ifndef UPSTREAM_CONNECT_LIMIT_H
#define UPSTREAM_CONNECT_LIMIT_H

#include "base/base.h"
#include "base/loop.h"
#include "net/addr.h"

struct connect_limit;
struct connect_limit_bucket;

struct connect_limit_limits {
    unsigned all;
    unsigned per_network;
    unsigned per_client;
    unsigned waiting; /* tickets */
};

enum connect_limit_verdict {
    CONNECT_LIMIT_OPEN, /* go on, and leave when it is done */
    CONNECT_LIMIT_WAIT, /* `opened` will be called; leave if it is not wanted
                       any more */
    CONNECT_LIMIT_FULL, /* too many wait (or no memory): the ticket is idle */
};

#define CONNECT_LIMIT_BUCKETS 3

/* Embedded; zeroed when idle. */
struct connect_limit_ticket {
    struct connect_limit
        *connect_limit; /* borrowed: outlives its tickets; NULL: idle */
    struct connect_limit_bucket
        *buckets[CONNECT_LIMIT_BUCKETS];   /* NULL: does not count */
    struct connect_limit_bucket *waits_at; /* NULL: open */
    struct connect_limit_ticket *next;     /* in that queue */
    struct connect_limit_ticket *prev;
    void (*opened)(void *arg);
    void *arg;
    struct defer later;
};

/* ERR_NOMEM. */
MUST_CHECK enum err connect_limit_new(
    struct connect_limit **out, struct loop *loop,
    const struct connect_limit_limits *limits);
/* Every ticket must have left.  NULL is fine. */
void connect_limit_free(struct connect_limit *g);

/* Who wants to go where.  Borrowed until connect_limit_enter returns. */
struct connect_limit_visit {
    const struct addr *to;     /* the server's address */
    const struct addr *client; /* NULL or of length 0 when not known */
    bool is_route;             /* the configuration names the address */
};

/* `opened` comes from the loop. */
enum connect_limit_verdict connect_limit_enter(
    struct connect_limit *g, struct connect_limit_ticket *t,
    const struct connect_limit_visit *visit, void (*opened)(void *arg),
    void *arg);
/* Harmless when idle. */
void connect_limit_leave(struct connect_limit_ticket *t);

#endif /* UPSTREAM_CONNECT_LIMIT_H */
