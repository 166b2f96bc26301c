/*
 * history.h - what one worker remembers of servers: which failed a moment ago,
 * and which a client had last (conformance K14, K72).
 *
 * Hints change the order of targets and nothing else: no target is left out,
 * none is added.  The memory is of a fixed size; what is old makes room.
 *
 * A failure counts against a target of one domain, not against the host: or
 * whoever has a domain whose SRV records name somebody else's host could make
 * others avoid it.  It lasts 30 seconds.  A client that comes back is led to
 * the server it had, where its stream can be resumed (XEP-0198 section 5) if
 * the servers of a cluster do not share that; by client and not by domain, or
 * all clients would end on one server and the weights of RFC 2782 count for
 * nothing.
 */
#ifndef UPSTREAM_TARGET_HISTORY_H
#define UPSTREAM_TARGET_HISTORY_H

#include "base/base.h"
#include "net/addr.h"
#include "dns/resolve.h"

#define TARGET_HISTORY_PENALTY_MS 30000

struct target_history;

/* ERR_NOMEM. */
MUST_CHECK enum err target_history_new(struct target_history **out);
void target_history_free(struct target_history *h); /* NULL is fine */

/* In all of these h may be NULL: nothing is remembered.  client may be of
 * length 0, or one that says nothing (addr_client_key). */
void target_history_failed(struct target_history *h, const char *domain,
                           const struct resolve_target *t, uint64_t now_ms);
void target_history_good(struct target_history *h, const char *domain,
                         const struct addr *client,
                         const struct resolve_target *t, uint64_t now_ms);

/* targets: in their order of RFC 2782.  The one that the client had comes
 * first among those of its priority; those that failed come last of all. */
void target_history_order(const struct target_history *h, const char *domain,
                          const struct addr *client,
                          struct resolve_target *targets, size_t n,
                          uint64_t now_ms);

#endif /* UPSTREAM_TARGET_HISTORY_H */
