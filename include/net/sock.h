/*
 * sock.h - a stream socket with a bounded send queue, optionally with TLS on
 * top.  Used for clients, servers, and the inner end of a WebSocket.
 *
 * Reading: bytes are handed to `received` as they come, in the loop's
 * scratch memory; the owner copies what it cannot use at once.  sock_pause
 * stops reading (backpressure), sock_resume goes on.
 * Writing: sock_write sends at once what the kernel takes and queues the
 * rest.  When more than `high_bytes` wait, sock_is_congested is true until
 * `drained` reports that fewer than `low_bytes` wait.  Until then whatever is
 * written is taken, of any size: who writes nothing more while it is congested
 * has no more waiting than that mark and one write.
 * Ending: `eof` says that the peer will send nothing more (it may still
 * read); `lost` that the connection is dead.  Either way the owner calls
 * sock_close or sock_abort, once; no callback of the sock comes after that,
 * and the memory goes at the end of the loop turn.
 *
 * The scenario tests replace this file by a fake.
 */
#ifndef NET_SOCK_H
#define NET_SOCK_H

#include "base/base.h"
#include "base/buf.h"
#include "net/addr.h"

struct loop;
struct sock;
struct tls;
struct tls_ctx;
struct tls_peer;

enum sock_end {
    SOCK_REFUSED, /* connect failed */
    SOCK_TIMEOUT, /* connecting, handshaking or a stalled write took too long */
    SOCK_RESET,   /* the peer reset, or any error of read or write */
    SOCK_TLS,     /* the TLS layer failed */
    SOCK_NOMEM,
};

struct sock_ops {
    void (*connected)(void *owner); /* TCP is up (sock_connect only) */
    void (*secured)(void *owner);   /* TLS is up (after sock_start_tls_*) */
    /* at is valid until it returns; len > 0 */
    void (*received)(void *owner, const char *at, size_t len);
    void (*drained)(void *owner); /* only after congestion */
    void (*eof)(void *owner);
    void (*lost)(void *owner, enum sock_end why);
};

/* A queue that one large write has filled takes so much more: last words, and
 * what keeps a connection alive. */
#define SOCK_SPARE_BYTES 16384

struct sock_limits {
    size_t queue_max_bytes; /* sock_write answers ERR_LIMIT beyond it, while
                               the sock is congested */
    size_t high_bytes;
    size_t low_bytes;
    unsigned stall_ms;     /* no byte accepted for so long: SOCK_TIMEOUT; of
                              sock_connect also: none acknowledged */
    unsigned handshake_ms; /* TLS handshake, and connecting */
};

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
 * Sends the parts in order, in one write where that is possible.
 * ERR_LIMIT: the sock is congested, and the queue would exceed its maximum or,
 * where one write has filled it beyond that, SOCK_SPARE_BYTES more; nothing was
 * sent.
 * ERR_CLOSED: the connection is lost already.  ERR_NOMEM.
 */
MUST_CHECK enum err sock_write(struct sock *s, const struct slice *parts,
                               size_t n_parts);
bool sock_is_congested(const struct sock *s);
size_t sock_queued_bytes(const struct sock *s);

void sock_pause(struct sock *s);
void sock_resume(struct sock *s);

/* Sends what is queued, then FIN, reads until the peer's FIN (a bounded
 * time), then closes: the peer sees every byte.  NULL is fine. */
void sock_close(struct sock *s);

/* Closes at once; what is queued is lost.  TLS is told of the end, unless
 * something is queued: then it must look like what it is, a truncation.  NULL
 * is fine. */
void sock_abort(struct sock *s);

/* Before loop_free, in the loop's thread: closes at once what sock_close left
 * flushing or waiting for a FIN on this loop.  (Then a turn, or loop_free,
 * gives the memory back.) */
void sock_stop_lingering(struct loop *loop);

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

/* The other end's address; of a unix socket only that it is one. */
struct addr sock_peer(const struct sock *s);
struct addr_text sock_peer_text(const struct sock *s); /* with the port */
struct addr_text sock_peer_host(const struct sock *s); /* without */
bool sock_is_tls(const struct sock *s);
/* `eof` came without the end of TLS: what was received may not be all. */
bool sock_is_truncated(const struct sock *s);

/* One line on the last error ("connection refused", a TLS reason). */
const char *sock_error_text(const struct sock *s);
/* "TLSv1.3 …" or "none". */
const char *sock_tls_text(const struct sock *s, char *out, size_t cap);
/* How far the server is trusted, and whether the session is a resumed one:
 * "resumed=no trust=verified". */
const char *sock_trust_text(const struct sock *s, char *out, size_t cap);

#endif /* NET_SOCK_H */
