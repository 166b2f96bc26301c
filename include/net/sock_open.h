/*
 * sock_open.h - how a socket comes to be and changes hands: connected,
 * accepted, secured by TLS, taken out of one loop and put into another.  sock.h
 * says what is done with it in between.
 */
#ifndef NET_SOCK_OPEN_H
#define NET_SOCK_OPEN_H

#include "base/base.h"
#include "base/buf.h"
#include "net/addr.h"
#include "net/sock.h"

struct tls_ctx;
struct tls_peer;

/* A connection taken from one loop, to be given to another: everything that
 * must survive the move.  The holder owns it until sock_attach. */
struct sock_transfer {
    int fd;           /* owned */
    struct tls *tls;  /* owned; NULL on a plain connection */
    struct buf queue; /* owned: bytes not sent yet */
    struct addr peer;
    struct sock_limits limits;
    bool is_at_end; /* nothing more will be read of it */
};

/* Whose callbacks come from now on: for a connection that is handed on. */
void sock_set_owner(struct sock *s, const struct sock_ops *ops, void *owner);

/* Begins to connect to `to`.  ops must be static; owner is passed back.
 * ERR_NOMEM, ERR_SYSTEM (no socket to be had; errno tells). */
MUST_CHECK enum err sock_connect(struct sock **out, struct loop *loop,
                                 const struct addr *to,
                                 const struct sock_limits *limits,
                                 const struct sock_ops *ops, void *owner);

/* Takes a connected, non-blocking fd; on error fd is still the caller's. */
MUST_CHECK enum err sock_accept(struct sock **out, struct loop *loop, int fd,
                                const struct addr *peer,
                                const struct sock_limits *limits,
                                const struct sock_ops *ops, void *owner);

/*
 * TLS from the next byte on.  `secured` or `lost` follows.  As client: see
 * tls_connect_new; the target is the connection's.  ERR_NOMEM; ERR_INVALID:
 * bytes are queued, or TLS runs already; ERR_CLOSED: the connection has ended
 * or is not up yet.
 */
MUST_CHECK enum err sock_start_tls_server(struct sock *s, struct tls_ctx *ctx);
MUST_CHECK enum err sock_start_tls_client(struct sock *s, struct tls_ctx *ctx,
                                          const struct tls_peer *peer);

/*
 * Takes the connection out of its loop between two messages: fd, TLS state
 * and unsent bytes go to *out and the sock is gone.  Not while a handshake
 * runs or when it is lost (ERR_CLOSED, nothing changed).  After eof: the new
 * owner is told of it again.
 */
MUST_CHECK enum err sock_detach(struct sock *s, struct sock_transfer *out);

/* The reverse, in the loop of the calling thread.  On success *transfer is
 * empty; on ERR_NOMEM it is unchanged. */
MUST_CHECK enum err sock_attach(struct sock **out, struct loop *loop,
                                struct sock_transfer *transfer,
                                const struct sock_ops *ops, void *owner);
void sock_transfer_drop(struct sock_transfer *transfer); /* closes it */

#endif /* NET_SOCK_OPEN_H */
