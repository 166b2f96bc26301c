/*
 * forwarded.h - who a request really comes from, when a proxy passes it on
 * (RFC 7239, X-Forwarded-For, X-Forwarded-Proto; conformance L04).  Pure.
 *
 * Headers count only when the peer itself is a trusted proxy.  The client is
 * the nearest hop that is not trusted: what stands to the left of it was
 * written by strangers.
 */
#ifndef FRONT_FORWARDED_H
#define FRONT_FORWARDED_H

#include "front/http_parse.h"
#include "net/addr_net.h"

/* Which header names the client.  One, since a proxy that writes one of them
 * passes the other on as it came from the client. */
enum forwarded_header {
    FORWARDED_X, /* X-Forwarded-For and X-Forwarded-Proto */
    FORWARDED_7239,
    FORWARDED_NONE,
};

/* Immutable. */
struct forwarded_rules {
    const struct addr_net *trusted; /* borrowed */
    size_t n_trusted;
    enum forwarded_header header;
};

struct forwarded {
    struct addr client; /* the effective address */
    bool is_tls;        /* the client's own leg is encrypted */
};

/*
 * peer and is_tls: of the connection.  A hop that is no address ("unknown",
 * "_hidden", nonsense) hides what is behind it: the hop to its right is then
 * the client, at last the peer.  A Forwarded header that is malformed
 * anywhere says nothing.  The protocol is that of the hop that named the
 * client (Forwarded), or https only when each X-Forwarded-Proto says so;
 * where it is not said, the connection's own.
 */
void forwarded_read(struct forwarded *out, const struct forwarded_rules *rules,
                    const struct http_head *head, const struct addr *peer,
                    bool is_tls);

#endif /* FRONT_FORWARDED_H */
