/*
 * reach.h - which addresses a connection to a server may be opened to
 * (conformance L50; L50).
 *
 * Pure, but for the question whether an address is this machine's.  Every
 * connection to a server asks here at the moment at which it is opened, on
 * the very address that it connects to (upstream_race.c), whoever named that
 * address: DNS, a client's `route`, a server's <see-other-host/>.
 */
#ifndef UPSTREAM_ADDRESS_POLICY_H
#define UPSTREAM_ADDRESS_POLICY_H

#include "base/base.h"
#include "net/addr.h"
#include "net/addr_net.h"

/* Whose word it is that this is a server. */
enum address_policy_trust {
    ADDRESS_POLICY_STRANGER, /* DNS and clients of any domain */
    ADDRESS_POLICY_PRIVATE,  /* DNS of a domain whose rule allows private
                                addresses */
    ADDRESS_POLICY_ROUTE, /* the configuration names it: nothing is forbidden */
};

/* What is added to the rules that are always there; all borrowed. */
struct address_policy {
    const uint16_t *ports; /* instead of 5222, 5223, 443 */
    size_t n_ports;        /* 0: those three */
    const struct addr_net *forbidden;
    size_t n_forbidden;
    const struct addr *listeners; /* our own; IP "any" is each of this
                                     machine's addresses */
    size_t n_listeners;
};

/*
 * NULL: allowed.  Else what forbids it, for the log.  r may be NULL.
 * An IPv6 address that stands for an IPv4 one (mapped, NAT64, 6to4, ISATAP)
 * is judged as both.
 */
const char *address_policy_refusal(const struct address_policy *r,
                                   const struct addr *to,
                                   enum address_policy_trust trust);

#endif /* UPSTREAM_ADDRESS_POLICY_H */
