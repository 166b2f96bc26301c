/*
 * websocket_int.h - one WebSocket connection: websocket_conn.c (its life and
 * what goes to the client) and websocket_read.c (what comes from it) share
 * it; websocket.c only starts and counts them.
 *
 *   OPEN --> CLOSING --> GONE
 *    `---------------------^     the client is lost
 *
 * OPEN as long as there is a session.  What came before a Close frame, a FIN
 * or a fault was handed to the session before these are acted upon (Q01-Q27
 * 0.2, 23).  CLOSING: our Close frame was sent; the client's is awaited, unless
 * it came first or the client broke the rules: then TCP is closed at once.
 */
#ifndef FRONT_WEBSOCKET_INT_H
#define FRONT_WEBSOCKET_INT_H

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "front/websocket.h"
#include "websocket_write.h"
#include "websocket_extension.h"
#include "websocket_message.h"
#include "session/ws.h"

/* The share of a connection in one turn of its loop: so many messages, and
 * none behind so many bytes.  The rest waits for the next turn. */
#define WEBSOCKET_TURN_MESSAGES 16
#define WEBSOCKET_TURN_BYTES    16384

enum websocket_state {
    WEBSOCKET_OPEN,
    WEBSOCKET_CLOSING, /* our Close frame was sent */
    WEBSOCKET_GONE,    /* memory goes at the end of this loop turn */
};

struct websocket_host {
    struct websocket_params params;
    struct websocket *first; /* all connections */
    size_t count;
    struct log_limit fault_limit;
    struct ws_shared shared; /* deflate: owned */
};

struct websocket {
    enum websocket_state state;
    bool is_awaited;     /* a ping was sent */
    bool is_heard;       /* bytes came since then */
    bool is_stopped;     /* the session takes no more */
    bool is_broken;      /* nothing can be sent; the timer ends it */
    bool is_through;     /* the client will send nothing that matters */
    bool is_deflated;    /* RFC 7692 was agreed on */
    bool is_corked;      /* something went out in this turn */
    bool has_pong;       /* `pong` is to be sent */
    uint8_t window_bits; /* with is_deflated: of what we send */
    uint16_t n_idle;     /* frames for nothing, since idle_since_ms */
    uint64_t idle_since_ms;
    bool has_place;              /* among the connections */
    struct websocket_host *host; /* borrowed: outlives us */
    struct websocket *next;
    struct websocket *prev;
    struct sock *sock;              /* owned; NULL when closed */
    struct ws *ws;                  /* owned; NULL when it has ended */
    struct websocket_message input; /* of the client */
    struct buf rest;    /* read, but not taken yet: the session takes no
                           more now, or the next turn does */
    struct buf corked;  /* goes out at the end of the turn */
    struct buf pong;    /* the latest that a congested client waits for */
    struct timer timer; /* ping and pong; later bounds the closing */
    struct defer later; /* see websocket_do_later; in the end: free */
};

/* ---- websocket_conn.c ---- */

/* A connection with its session, but no socket yet.  ERR_NOMEM, ERR_LIMIT,
 * ERR_CLOSED: to be answered with 503. */
MUST_CHECK enum err websocket_open(struct websocket **out,
                                   struct websocket_host *h,
                                   const struct http_request *r,
                                   const struct websocket_extension *e);

/* Takes the client's socket from HTTP, answers (101) and begins.  On error x
 * is still there and c is gone. */
MUST_CHECK enum err websocket_take(struct websocket *c, struct http_exchange *x,
                                   const char *answer);

/* A frame behind what was sent before; first: as in websocket_head.  False: it
 * could not be sent and the timer ends the connection. */
bool websocket_write(struct websocket *c, unsigned first, struct slice payload);

/* The client's Close frame, with its code or 0: the session has lost its
 * client, the frame is answered and TCP closed. */
void websocket_leave(struct websocket *c, unsigned code);

/* At the end of this turn: what was put together goes out, and what was read
 * before the session stopped is gone on with. */
void websocket_do_later(struct websocket *c);
/* The same at the end of the next turn. */
void websocket_do_next_turn(struct websocket *c);

/* Ends c at once.  Not from inside a call of its session. */
COLD void websocket_drop(struct websocket *c);

/* What was sent still goes out; then FIN, and the client's is awaited. */
void websocket_close(struct websocket *c);

/* ---- websocket_read.c ---- */

/* Of struct sock_ops and ws_ops. */
void websocket_on_received(void *arg, const char *at, size_t len);
void websocket_on_flow(void *arg, bool is_flowing);

/* Reads on where the session had stopped. */
void websocket_go_on(struct websocket *c);

#endif /* FRONT_WEBSOCKET_INT_H */
