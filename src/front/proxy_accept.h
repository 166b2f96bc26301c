/*
 * proxy_accept.h - reads the PROXY protocol header in front of a connection,
 * and then gives the connection on (net/proxy_protocol.h; conformance L04).
 *
 * For listeners behind a proxy that speaks it.  Only the header is taken out
 * of the socket: what follows, a TLS handshake perhaps, is left there.
 */
#ifndef FRONT_PROXY_ACCEPT_H
#define FRONT_PROXY_ACCEPT_H

#include "base/base.h"
#include "net/proxy_protocol.h"

struct loop;
struct proxy_accept_host;

struct proxy_accept_ops {
    /* The header is read: fd is the owner's from now on.  client: whose
     * connection it is; the peer's address where the proxy speaks for
     * itself.  tls: whether the client's own leg is encrypted. */
    void (*ready)(void *owner, int fd, const struct addr *client,
                  enum proxy_tls tls);
    /* The connection was closed: no header, a malformed one, late, or gone in
     * the middle.  why is a constant, for the log. */
    void (*refused)(void *owner, const struct addr *peer, const char *why);
    /* It left without a byte, as a health check of TCP does. */
    void (*left)(void *owner, const struct addr *peer);
};

/* ops must be static.  header_ms: from accepting to the end of the header.
 * ERR_NOMEM. */
MUST_CHECK enum err proxy_accept_host_new(struct proxy_accept_host **out,
                                          struct loop *loop, unsigned header_ms,
                                          const struct proxy_accept_ops *ops,
                                          void *owner);
/* Closes the connections that wait; nobody is told.  NULL is fine. */
void proxy_accept_host_free(struct proxy_accept_host *h);

/* Connections that wait for their header. */
size_t proxy_accept_host_count(const struct proxy_accept_host *h);

/* Takes an accepted, non-blocking fd.  `ready`, `refused` or `left` follows,
 * not before it returns.  On error fd is still the caller's.  ERR_NOMEM,
 * ERR_SYSTEM. */
MUST_CHECK enum err proxy_accept_read(struct proxy_accept_host *h, int fd,
                                      const struct addr *peer);

#endif /* FRONT_PROXY_ACCEPT_H */
