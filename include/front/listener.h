/*
 * listener.h - accepts connections on one socket and hands them to http.
 *
 * `app` owns the listening fd; several workers may watch sockets of the same
 * address (SO_REUSEPORT).  When fds or memory run out, accepting stops for
 * 100 ms instead of spinning, and one spare fd is used to take and refuse
 * what waits (security.md P7).
 */
#ifndef FRONT_LISTENER_H
#define FRONT_LISTENER_H

#include "base/base.h"
#include "net/addr_net.h"

struct http_server;
struct listener;
struct loop;
struct tls_ctx;

/* Opens a listening socket: SO_REUSEADDR, SO_REUSEPORT if asked, V6ONLY,
 * backlog 4096; a unix socket is created with mode 0660 after a stale one was
 * removed.  *fd is the caller's.  ERR_SYSTEM: errno tells. */
MUST_CHECK enum err listener_open_fd(int *fd, const struct addr *at,
                                     bool is_shared);

struct listener_params {
    struct loop *loop;
    int fd;                   /* borrowed */
    struct tls_ctx *tls;      /* borrowed; NULL: plain */
    struct http_server *http; /* borrowed */
    size_t connections_max;   /* of that server: accepting pauses above it */
    bool is_secure;           /* a proxy in front ends TLS: as http_serve */
    /* Each connection begins with a PROXY header and is that of who is named
     * there; only these peers may connect. */
    bool has_preface;
    unsigned preface_ms;
    const struct addr_net *trusted; /* borrowed */
    size_t n_trusted;
};

/* ERR_NOMEM, ERR_SYSTEM. */
MUST_CHECK enum err listener_new(struct listener **out,
                                 const struct listener_params *params);
void listener_free(struct listener *l); /* the fd stays open */

#endif /* FRONT_LISTENER_H */
