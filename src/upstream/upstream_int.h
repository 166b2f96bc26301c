/*
 * upstream_int.h - the struct that upstream.c (finding a server, TLS, what the
 * connection reports) and upstream_traffic.c (what the owner does with a
 * connection that it has) share.  Nobody else includes it.
 *
 *   CONNECTING ──▶ SECURING ──▶ READY      plain: at once READY
 *       ▲              ▲──────────┘         the owner's STARTTLS
 *       └── FAILED ◀── any of them          the next server, if there is one
 *   all of them ──▶ CLOSED                  the owner has let go
 */
#ifndef UPSTREAM_UPSTREAM_INT_H
#define UPSTREAM_UPSTREAM_INT_H

#include "upstream/upstream.h"

#include "base/loop.h"

struct race;
struct sock;

enum upstream_state {
    UPSTREAM_CONNECTING, /* waiting for DNS and TCP */
    UPSTREAM_SECURING,   /* waiting for the TLS handshake */
    UPSTREAM_READY,      /* bytes flow */
    UPSTREAM_FAILED,     /* the owner was told; it goes on or lets go */
    UPSTREAM_CLOSED,     /* memory goes at the end of this loop turn */
};

struct upstream {
    enum upstream_state state;
    enum upstream_mode mode; /* of the current target */
    bool is_starttls;        /* the handshake was asked for by the owner */
    struct loop *loop;       /* borrowed: outlives us */
    const struct upstream_ops *up;
    void *owner;
    struct upstream_limits limits;
    struct race *race;   /* owned; NULL once settled */
    struct sock *sock;   /* owned; NULL while there is none */
    struct timer budget; /* set until settled or given up */
    struct defer gone;
    char domain[]; /* A-labels: SNI and reference identity */
};

/* The only place that writes u->state.  The owner is told by the caller. */
void upstream_enter(struct upstream *u, enum upstream_state next);

#endif /* UPSTREAM_UPSTREAM_INT_H */
