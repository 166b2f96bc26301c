/*
 * addr_net.h - networks: an address and how many of its bits count.
 *
 * For lists that operators write, of proxies that are trusted for example.
 * An IPv4 address and its IPv4-mapped IPv6 form are the same address here.
 */
#ifndef NET_ADDR_NET_H
#define NET_ADDR_NET_H

#include "base/base.h"
#include "net/addr.h"

struct addr_net {
    bool is_unix;         /* every peer on a unix socket; nothing else */
    unsigned bits;        /* of `ip` that count: 0..128 */
    unsigned char ip[16]; /* IPv4 as mapped; what does not count is 0 */
};

/*
 * "192.0.2.0/24", "2001:db8::/32", a single address without "/", or "unix:".
 * ERR_INVALID: anything else; more bits than the address has; or bits set
 * behind those that count, which is more likely a slip than a wish.
 */
MUST_CHECK enum err addr_net_parse(struct addr_net *out, const char *text);

/* False for an address of another family, or of none: "::/0" has no IPv4
 * address, mapped or not. */
bool addr_net_has(const struct addr_net *net, const struct addr *a);
/* True when one of the list has it. */
bool addr_net_list_has(const struct addr_net *nets, size_t n,
                       const struct addr *a);

/* An IPv4-mapped IPv6 address becomes the IPv4 address that it means, so that
 * a client has one address, however it came. */
void addr_unmap(struct addr *a);

#endif /* NET_ADDR_NET_H */
