/*
 * websocket_int.h - one WebSocket connection: websocket_conn.c (its life and
 * what goes to the client) and websocket_read.c (what comes from it) share
 * it; websocket.c only starts and counts them.
 *
 *   OPEN --> FAULTED ---.        a frame that RFC 6455 forbids
 *    |  `--> LEAVING ---+-> GONE the client's Close frame or FIN
 *    |                  |
 *    `-----> FLUSHING --+-> CLOSING -> GONE    we end it
 *
 * In FAULTED and LEAVING what came before is still being handled by the
 * library (clients.md 0.2, 23); CLOSING waits for the client's Close frame.
 */
#ifndef FRONT_WEBSOCKET_INT_H
#define FRONT_WEBSOCKET_INT_H

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "front/websocket.h"
#include "front/websocket_lws.h"
#include "front/ws_check.h"
#include "session/ws.h"

enum websocket_state {
    WEBSOCKET_OPEN,
    WEBSOCKET_FAULTED,
    WEBSOCKET_LEAVING,
    WEBSOCKET_FLUSHING, /* the library still has output */
    WEBSOCKET_CLOSING,  /* our Close frame was sent */
    WEBSOCKET_GONE,
};

struct websocket_host {
    struct websocket_params params;
    struct ws_carrier_host *carriers; /* owned */
    struct websocket *first;          /* all connections */
    size_t count;
    struct log_limit fault_limit;
};

struct websocket {
    enum websocket_state state;
    bool is_awaited;             /* a ping was sent */
    bool is_heard;               /* bytes came since then */
    bool is_stopped;             /* the session takes no more */
    bool is_broken;              /* nothing can be sent; the timer ends it */
    bool is_through;             /* the client will send nothing that matters */
    enum ws_code code;           /* of the fault, or of our Close frame */
    const char *reason;          /* borrowed: a constant */
    struct websocket_host *host; /* borrowed: outlives us */
    struct websocket *next;
    struct websocket *prev;
    struct sock *sock;          /* owned; NULL when closed */
    struct ws_carrier *carrier; /* owned; NULL when it is through */
    struct ws *ws;              /* owned; NULL when it has ended */
    struct ws_check check;
    struct buf message; /* pieces of one that is not complete */
    struct utf8 utf8;   /* of that message */
    struct timer timer; /* ping and pong; later bounds the closing */
    struct defer dead;
};

/* ---- websocket_conn.c ---- */

/* A connection with its session and the library, but no socket yet.
 * ERR_NOMEM, ERR_SYSTEM, ERR_LIMIT, ERR_CLOSED: to be answered with 503. */
MUST_CHECK enum err websocket_open(struct websocket **out,
                                   struct websocket_host *h,
                                   const struct http_request *r,
                                   struct slice key);

/* Takes the client's socket from HTTP and begins.  On error x is still
 * there and c is gone. */
MUST_CHECK enum err websocket_take(struct websocket *c,
                                   struct http_exchange *x);

/* The only place that writes c->state. */
void websocket_enter(struct websocket *c, enum websocket_state next);

/* Ends c at once.  Not from inside a call of its session. */
void websocket_drop(struct websocket *c);

/* What was sent still goes out; then FIN, and the client's is awaited. */
void websocket_close(struct websocket *c);

/* ---- websocket_read.c ---- */

/* Of struct sock_ops, ws_carrier_ops and ws_ops. */
void websocket_on_received(void *arg, const char *at, size_t len);
void websocket_on_piece(void *arg, struct slice piece, bool is_last);
void websocket_on_input_drained(void *arg);
void websocket_on_flow(void *arg, bool is_flowing);

#endif /* FRONT_WEBSOCKET_INT_H */
