/*
 * resolve_sort.h - in which order the addresses of one host are tried (RFC
 * 6724 section 6, RFC 8305 section 4; conformance K11).
 */
#ifndef DNS_RESOLVE_SORT_H
#define DNS_RESOLVE_SORT_H

#include "net/addr.h"

/*
 * The address that this host would send from; false: it has no way there.
 * resolve_sort_source asks the kernel by a UDP socket that is connected and
 * sends nothing.
 */
typedef bool resolve_source_fn(struct addr *out, const struct addr *to);
bool resolve_sort_source(struct addr *out, const struct addr *to);

/*
 * Sorts by the rules of RFC 6724 that concern a host that only connects: 1,
 * unusable last; 2, equal scope; 5, equal label; 6, precedence; 8, smaller
 * scope; 10, otherwise as they came.  (3 and 4 need what the kernel knows of
 * deprecated and home addresses, 7 of tunnels; 9, the longest prefix, would
 * undo the turns that the DNS lets equal servers take.)  The families then
 * take turns, that of the best first; those that cannot be used are the end.
 */
void resolve_sort(struct addr *addrs, size_t n, resolve_source_fn *source);

#endif /* DNS_RESOLVE_SORT_H */
