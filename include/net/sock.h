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
#include "net/tls_client.h"

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

#endif /* NET_SOCK_H */
