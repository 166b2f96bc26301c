/*
 * sock_int.h - the struct that sock_open.c (making), sock.c (reading, sending,
 * ending) and sock_text.c share.  No other file includes it.
 *
 *   sock_connect ─▶ CONNECTING ─▶ OPEN ◀─▶ HANDSHAKING
 *   sock_accept, sock_attach ──────▲│
 *                                   ├─ sock_close ─▶ LINGERING ─▶ CLOSED
 *                                   └─ any error ──▶ LOST ──────▶ CLOSED
 */
#ifndef NET_SOCK_INT_H
#define NET_SOCK_INT_H

#include "base/loop.h"
#include "net/sock.h"
#include "net/tls.h"

enum sock_state {
    STATE_CONNECTING,  /* the kernel's verdict */
    STATE_HANDSHAKING, /* TLS */
    STATE_OPEN,
    STATE_LINGERING, /* closed by the owner: our bytes out, the peer's FIN */
    STATE_LOST,      /* dead; the owner was or will be told */
    STATE_CLOSED,    /* memory goes away at the end of this loop turn */
};

struct sock {
    enum sock_state state;
    int fd;                      /* owned; -1 when there is none */
    struct loop *loop;           /* borrowed: outlives every sock */
    struct tls *tls;             /* owned; NULL on a plain connection */
    struct watch watch;          /* zeroed when not started */
    struct timer timer;          /* connect, handshake, stalled write, linger */
    struct defer later;          /* see sock_on_later; in the end: free */
    struct buf queue;            /* bytes not sent yet */
    size_t full_bytes;           /* where it ends, while congested */
    struct sock *next_lingering; /* this thread's, in STATE_LINGERING */
    struct sock **lingering_link;
    const struct sock_ops *up; /* borrowed: static in the owner */
    void *owner;               /* borrowed: until sock_close and the like */
    struct sock_limits limits;
    int error;            /* errno of the failure, 0: none */
    enum sock_end why;    /* in STATE_LOST */
    enum tls_io read_end; /* TLS_EOF, TLS_FAILED: to be told after the data */
    bool is_paused;
    bool is_congested;
    bool got_eof;
    bool is_told;          /* lost was reported */
    bool sent_fin;         /* in STATE_LINGERING */
    bool read_wants_write; /* what TLS waits for, crosswise */
    bool write_wants_read;
    struct addr_small peer;
};

/* Sends from the queue what the kernel takes.  False: that
 * failed, and s->error says how. */
bool sock_queue_flush(struct sock *s);

/* The queue has grown: above the high mark the sock is congested. */
void sock_queue_measure(struct sock *s);

/* Makes the watch fit the state. */
void sock_update_watch(struct sock *s);

/* The connection is dead; the owner is told from the loop. */
COLD void sock_fail_later(struct sock *s, enum sock_end why);

/* Gives back all but the memory; accepts a half-built sock. */
void sock_release(struct sock *s);

/* The same, and the memory at the end of this loop turn. */
void sock_finish(struct sock *s);

/* What is written goes at once, and the kernel keeps little that is not. */
void sock_tune(const struct sock *s);

/* Callbacks of watch, timer and later. */
void sock_on_ready(void *arg, unsigned events);
void sock_on_timeout(void *arg);
void sock_on_later(void *arg);

#endif /* NET_SOCK_INT_H */
