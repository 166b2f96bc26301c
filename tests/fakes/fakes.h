/*
 * fakes.h - the loop and the sockets of the scenario tests: virtual time, and
 * connections whose other end is in the hands of the test.
 *
 * loop.c and sock.c beside this file define every public symbol of
 * base/loop.h and net/sock.h; what is linked before the archive wins.  All
 * callbacks come from fake_loop_turn, fake_loop_step and fake_loop_pass.
 */
#ifndef FAKES_FAKES_H
#define FAKES_FAKES_H

#include "base/buf.h"
#include "base/loop.h"
#include "net/sock.h"

/* --- Loop --- */

/* Runs what is due at this instant, and deferred calls until none is left.
 * True when anything ran.  Aborts when it does not come to rest. */
bool fake_loop_turn(struct loop *loop);

/* A turn; then goes to the next timer's time, but at most ms further, and
 * runs what is due there, with all that is deferred.  Returns how many
 * milliseconds passed. */
uint64_t fake_loop_step(struct loop *loop, uint64_t ms);

/* Lets ms pass, step by step. */
void fake_loop_pass(struct loop *loop, uint64_t ms);

/* What is still there: 0 of each when everything was cleaned up. */
size_t fake_loop_timers(const struct loop *loop);
size_t fake_loop_watches(const struct loop *loop);
size_t fake_loop_deferred(const struct loop *loop);

/* --- Connections ---
 *
 * A fake_peer is the far end of one connection.  It outlives the sock and is
 * given back by fake_sock_reset.  What the test does to it reaches the code
 * under test in the next turn; what that code does is seen at once.
 */
struct fake_peer;

enum fake_end {
    FAKE_OPEN,    /* or not yet taken or answered */
    FAKE_CLOSED,  /* by doab: every byte, then FIN */
    FAKE_ABORTED, /* by doab: at once, or given up on while closing */
    FAKE_LOST,    /* by the test, a refusal or a timeout */
};

#define FAKE_NO_LIMIT SIZE_MAX

/* A client: *fd is for sock_accept, which the front will call with it.  It
 * is no real descriptor, and closing it does no harm. */
struct fake_peer *fake_sock_client(int *fd);

/* The same with the sock at once. */
struct fake_peer *fake_sock_accept(struct sock **out, struct loop *loop,
                                   const struct addr *from,
                                   const struct sock_limits *limits,
                                   const struct sock_ops *ops, void *owner);

/* The connections that doab made with sock_connect, in order, from 0. */
size_t fake_sock_connects(void);
struct fake_peer *fake_sock_connect_at(size_t i);

/* A number of its own for each, in the order of their making, from 1. */
unsigned fake_sock_id(const struct fake_peer *p);
const struct addr *fake_sock_address(const struct fake_peer *p);

/* The answer to sock_connect.  Once. */
void fake_sock_answer(struct fake_peer *p, bool is_accepted);

/* The answer to sock_start_tls_*, which waits for it.  Once for each. */
void fake_sock_secure(struct fake_peer *p, bool is_ok);
bool fake_sock_is_securing(const struct fake_peer *p);
bool fake_sock_is_secured(const struct fake_peer *p);
/* Of the last sock_start_tls_client; "" as server. */
const char *fake_sock_tls_domain(const struct fake_peer *p);
bool fake_sock_tls_verified(const struct fake_peer *p);

/* Bytes for doab: kept while it pauses or shakes hands.  Bytes of several
 * calls within one turn arrive together. */
void fake_sock_deliver(struct fake_peer *p, const void *at, size_t len);
void fake_sock_eof(struct fake_peer *p); /* after what was delivered */
/* sock_write fails from now on.  Bytes before it arrive unless paused. */
void fake_sock_lost(struct fake_peer *p, enum sock_end why);

/* What doab sent; consume or clear it as you like. */
struct buf *fake_sock_written(struct fake_peer *p);
/* Takes only so many bytes more, or FAKE_NO_LIMIT (from the start). */
void fake_sock_take(struct fake_peer *p, size_t bytes);

enum fake_end fake_sock_end(const struct fake_peer *p);
bool fake_sock_is_paused(const struct fake_peer *p);

/* Frees all peers.  Every sock must be gone; returns how many were not. */
size_t fake_sock_reset(void);

#endif /* FAKES_FAKES_H */
