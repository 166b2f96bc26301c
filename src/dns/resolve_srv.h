/*
 * resolve_srv.h - what the answers to both SRV questions say together, and
 * the order in which their targets are tried.
 *
 * Pure: the randomness that RFC 2782 asks for is given.  For resolve.c.
 */
#ifndef DNS_RESOLVE_SRV_H
#define DNS_RESOLVE_SRV_H

#include "base/base.h"
#include "dns/resolve.h"
#include "resolve_wire.h"

struct answer;

/* Appends the records of an answer to targets[*n], which has room for
 * RESOLVE_RECORDS_MAX more. */
void resolve_srv_add(struct resolve_target *targets, size_t *n,
                     const struct answer *answer, bool is_direct_tls);

/* One verdict on the answers for _xmpp-client and _xmpps-client: an address
 * of the domain itself is tried only when both say NONE (K05-K08). */
enum resolve_status resolve_srv_judge(enum resolve_status client,
                                      enum resolve_status direct);

/* A number in 0..below-1 without bias: secret_below. */
typedef uint64_t resolve_below_fn(uint64_t below);

/* Sorts by priority, and draws inside a priority by weight, anew after each
 * pick (RFC 2782; conformance K02, K03). */
void resolve_srv_order(struct resolve_target *targets, size_t n,
                       resolve_below_fn *below);

#endif /* DNS_RESOLVE_SRV_H */
