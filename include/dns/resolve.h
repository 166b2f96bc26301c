/*
 * resolve.h - names to addresses by DNS: SRV _xmpp-client._tcp and
 * _xmpps-client._tcp, A, AAAA (RFC 2782, XEP-0368; conformance K01-K13).
 *
 * One resolver a worker.  Answers come from the loop, never from inside
 * resolve_*.  This file puts together what one session wants to know; below
 * it resolve_lookup.h asks, once for all, and remembers.  The scenario tests
 * replace resolve.c.
 */
#ifndef DNS_RESOLVE_H
#define DNS_RESOLVE_H

#include "base/base.h"
#include "net/addr.h"

struct loop;
struct resolver;
struct resolve; /* one question under way */

#define RESOLVE_TARGETS_MAX 16
#define RESOLVE_ADDRS_MAX   16
#define RESOLVE_TTL_MIN_S   5

struct resolve_target {
    char host[256]; /* A-label name, no trailing dot */
    uint16_t port;
    uint16_t priority;
    uint16_t weight;
    bool is_direct_tls; /* from _xmpps-client */
};

enum resolve_status {
    RESOLVE_OK,     /* at least one record */
    RESOLVE_NONE,   /* decidedly no such record (NXDOMAIN, NODATA) */
    RESOLVE_ABSENT, /* SRV only: target "." : the service is not offered */
    RESOLVE_FAILED, /* timeout, SERVFAIL, malformed or useless answer */
};

typedef void resolve_srv_fn(void *owner, enum resolve_status status,
                            const struct resolve_target *targets, size_t n);

/*
 * is_more: the other family is still under way, and one more call follows;
 * status is then OK and n is not 0.  The last call may bring n == 0 after
 * one that brought addresses: status is OK as long as there was any.
 */
typedef void resolve_host_fn(void *owner, enum resolve_status status,
                             const struct addr *addrs, size_t n, bool is_more);

struct resolver_params {
    unsigned timeout_ms;       /* for one question with all its retries */
    const char *servers;       /* copied; "127.0.0.1:5353,[::1]:53", or NULL for
                                  the system's */
    bool has_timeout_fallback; /* see resolve_srv */
    size_t cache_max_bytes;    /* these four: resolve_cache.h */
    unsigned ttl_min_s;        /* RESOLVE_TTL_MIN_S, but in tests */
    unsigned ttl_max_s;
    unsigned stale_s;
    unsigned queries_max; /* with the DNS at a time: resolve_queue.h */
};

/* What is asked, and for whom.  Borrowed until resolve_* returns. */
struct resolve_question {
    const char *name; /* resolve_srv: a domain, by A-labels; resolve_host: a
                         host */
    uint16_t port;    /* resolve_host: of the addresses */
    const struct addr *client; /* effective address; NULL or of length 0 when
                                  not known */
    bool is_configured; /* the configuration led here, not a client's word */
};

/* ERR_NOMEM, ERR_SYSTEM, ERR_INVALID (servers). */
MUST_CHECK enum err resolver_new(struct resolver **out, struct loop *loop,
                                 const struct resolver_params *params);
/* Pending questions end unanswered.  Not from inside a callback of it. */
void resolver_free(struct resolver *r);

/*
 * Places with the DNS, and in the queue before it, are shared out by client,
 * and those for configured names are apart (resolve_queue.h): above its share a
 * client's question fails.  The time in the queue is part of timeout_ms.
 */

/*
 * Asks for both SRV names of a domain at once and hands the merged
 * targets over in the order in which they are to be tried (RFC 2782:
 * priority, then the weighted draw).  RESOLVE_NONE: neither name has a
 * record, so that an address of the domain itself may be tried; with the
 * other two there is no such fallback (K04-K08).  By has_timeout_fallback
 * silence counts as "no record", but not a failure that somebody reports.
 * Targets may repeat a host.  ERR_NOMEM.
 */
MUST_CHECK enum err resolve_srv(struct resolve **out, struct resolver *r,
                                const struct resolve_question *question,
                                resolve_srv_fn *done, void *owner);

/*
 * Addresses of a host with the port filled in.  AAAA and A are asked together
 * (RFC 8305 section 3): IPv6 is handed over as soon as it comes, IPv4 waits
 * up to 50 ms for IPv6; what is there at once is interleaved, IPv6 first.
 * An IP literal is answered without DNS.  ERR_NOMEM.
 */
MUST_CHECK enum err resolve_host(struct resolve **out, struct resolver *r,
                                 const struct resolve_question *question,
                                 resolve_host_fn *done, void *owner);

/* No callback after this.  NULL is fine.  The handle is gone anyway once
 * its last callback was called. */
void resolve_cancel(struct resolve *q);

#endif /* DNS_RESOLVE_H */
