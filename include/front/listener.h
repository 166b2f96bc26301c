/*
 * listener.h - accepts connections on one socket and hands them to http.
 *
 * `app` owns the listening fd; several workers may watch sockets of the same
 * address (SO_REUSEPORT).  When fds or memory run out, accepting stops for
 * 100 ms instead of spinning, and one spare fd is used to take and refuse
 * what waits (L13).
 */
#ifndef FRONT_LISTENER_H
#define FRONT_LISTENER_H

#include "base/base.h"
#include "net/addr_net.h"

struct http_server;
struct listener;
struct loop;
struct slots;
struct tls_ctx;

/* Several sockets of one TCP address, between which the kernel divides the
 * connections (SO_REUSEPORT): the first, bound alone, so that an address that
 * anybody else listens on is an error; and those that join it. */
enum listener_share {
    LISTENER_ALONE,
    LISTENER_FIRST,
    LISTENER_JOINS,
};

/* Opens a listening socket: SO_REUSEADDR, V6ONLY, backlog 4096; a unix socket
 * is created with mode 0660 after a stale one was removed, and is not shared
 * in this way.  *fd is the caller's.  ERR_SYSTEM: errno tells. */
MUST_CHECK enum err listener_open_fd(int *fd, const struct addr *at,
                                     enum listener_share share);

struct listener_params {
    struct loop *loop;
    int fd;                   /* borrowed */
    struct tls_ctx *tls;      /* borrowed; NULL: plain */
    struct http_server *http; /* borrowed */
    struct slots *places;     /* borrowed: that server's; accepting pauses
                                 while none is left */
    bool is_secure;           /* a proxy in front ends TLS: as http_serve */
    /* Each connection begins with a PROXY header and is that of who is named
     * there; only these peers may connect. */
    bool has_proxy_header;
    unsigned proxy_accept_ms;
    const struct addr_net *trusted; /* borrowed */
    size_t n_trusted;
};

/* ERR_NOMEM, ERR_SYSTEM. */
MUST_CHECK enum err listener_new(struct listener **out,
                                 const struct listener_params *params);
void listener_free(struct listener *l); /* the fd stays open */

#endif /* FRONT_LISTENER_H */
