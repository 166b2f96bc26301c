/*
 * resolve_srv.h - what a reply with SRV records says, and the order in which
 * its targets are tried.
 *
 * Pure, apart from the randomness that RFC 2782 asks for.  For resolve.c.
 */
#ifndef UPSTREAM_RESOLVE_SRV_H
#define UPSTREAM_RESOLVE_SRV_H

#include "base/base.h"
#include "upstream/resolve.h"

/* Records that are looked at in one reply. */
#define RESOLVE_RECORDS_MAX 64

/*
 * Appends the usable records of a DNS reply to targets[*n], which has room
 * for RESOLVE_RECORDS_MAX more, and judges it: OK, records were appended;
 * NONE, there is no record; ABSENT, "." is all there is (conformance K04);
 * FAILED, the reply is malformed or none of its records can be used (port 0,
 * a name that no host has).
 */
enum resolve_status resolve_srv_read(const unsigned char *reply, int len,
                                     bool is_direct_tls,
                                     struct resolve_target *targets, size_t *n);

/* One verdict on the answers for _xmpp-client and _xmpps-client: an address
 * of the domain itself is tried only when both say NONE (K05-K08). */
enum resolve_status resolve_srv_judge(enum resolve_status client,
                                      enum resolve_status direct);

/* Sorts by priority, and draws inside a priority by weight, anew after each
 * pick (RFC 2782; conformance K02, K03). */
void resolve_srv_order(struct resolve_target *targets, size_t n);

#endif /* UPSTREAM_RESOLVE_SRV_H */
