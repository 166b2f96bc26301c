/*
 * http_conn.h - what the files of http share; nobody else includes it.
 *
 *   http.c         server, a connection's life and times, its line of requests
 *   http_read.c    bytes to requests
 *   http_answer.c  answers to bytes, in the order of the wire
 *   http_origin.c  which origins may read an answer
 *   http_move.c    a connection leaves for another owner, or arrives
 *
 * What a connection reads:
 *
 *            head whole, body not            FIN, error, close
 *   HEAD ─────────────────────────▶ BODY ─────────────────────▶ NOTHING
 *     ▲ └───── message whole ──────┐  │            (from HEAD, too)
 *     └────────────────────────────┴──┘
 *   CLOSED from anywhere: the sock is gone, memory goes with the loop turn.
 *
 * Handlers run in the middle of reading and may end or move the connection:
 * whoever calls one looks at `reading` afterwards.
 */
#ifndef FRONT_HTTP_CONN_H
#define FRONT_HTTP_CONN_H

#include "base/list.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/trim.h"
#include "front/http.h"
#include "http_chunk.h"

#include <stdalign.h>

enum http_reading {
    HTTP_READS_HEAD,    /* of the next request, or between two */
    HTTP_READS_BODY,    /* the head is whole */
    HTTP_READS_NOTHING, /* what comes is dropped; answers are still written */
    HTTP_READS_CLOSED,
};

enum http_waiting {
    HTTP_WAITS_NOT,
    HTTP_WAITS_IDLE, /* for a request to begin */
    HTTP_WAITS_HEAD,
    HTTP_WAITS_BODY,
};

struct http_exchange {
    struct http_conn *conn;              /* back pointer */
    struct http_exchange *next;          /* the one behind it on the wire */
    const struct http_exchange_ops *ops; /* NULL: not held */
    void *owner;                         /* borrowed: passed back */
    const char *origin;   /* borrowed: in the server's list, or origin_below;
                             NULL: none that may read the answer */
    char *origin_below;   /* owned: one that a "*." stands for; or NULL */
    struct buf answer;    /* bytes that wait for their turn */
    struct slice lasting; /* borrowed: body bytes to be sent after it */
    bool is_answered;     /* or dead: nothing more is expected */
    bool is_head;         /* HEAD: the answer has no body */
    bool is_old;          /* HTTP/1.0 */
    bool keep_alive;      /* the client wants it */
    bool was_told_fin;
    alignas(max_align_t) unsigned char space[HTTP_SPACE_BYTES];
};

/* The request in its handler: on the stack of whoever dispatches it. */
struct http_dispatch {
    struct http_exchange *x;
    struct slice head; /* bytes */
    struct slice body; /* decoded */
    struct slice rest; /* bytes behind it */
    bool is_settled;   /* answered, held, taken or detached */
    bool is_begun;     /* its end has not come: `body` is the beginning */
};

/* A request that waits until those before it are answered. */
struct http_postponed {
    struct buf bytes; /* the head's, then the decoded body */
    size_t head_len;
};

struct http_conn {
    struct http_server *server; /* back pointer */
    struct sock *sock;          /* owned; NULL once closed */
    struct http_conn *next;     /* in the server's list */
    struct http_conn *prev;
    struct list_node securing; /* in the server's list, during the handshake */
    struct http_exchange *first; /* on the wire; owned, as all behind it */
    struct http_exchange *last;
    struct http_dispatch *now;        /* NULL while no handler runs */
    struct http_postponed *postponed; /* owned; NULL: none */
    struct timer patience;            /* set by http_conn_settle only */
    struct defer later;               /* resume, or free */
    struct buf in;   /* HEAD: bytes not read yet.  BODY: head, decoded body */
    size_t head_len; /* BODY: how much of `in` is the head */
    uint64_t left;   /* BODY: bytes still to come, if not chunked */
    size_t body_max_bytes; /* BODY: the handler was asked; 0: not yet */
    struct http_chunks chunks;
    uint64_t body_began_ms;
    size_t dropped_bytes; /* NOTHING */
    unsigned n_exchanges;
    enum http_reading reading;
    enum http_waiting waiting;
    bool is_chunked;
    bool is_paused;
    bool is_secured;    /* TLS, if it is to be used, has begun */
    bool is_tls;        /* it is encrypted, by us or by who is in front */
    bool is_broken;     /* the sock failed: closes with `later` */
    bool owes_continue; /* 100, when the answers before it are out */
    bool embedded_is_used;
    struct http_exchange embedded; /* the usual, only one */
};

struct http_server {
    struct http_server_params params;
    struct http_conn conns; /* list head: next and prev only */
    size_t count;
    struct list securing; /* connections whose TLS handshake is under way */
    size_t n_securing;
    struct trim trim; /* after connections that have gone */
    bool is_draining;
    struct log_limit refusals;
    /* Lines of every answer: "Date: Sun, 06 ...", "X-Content-...: nosniff". */
    char common[128];
    size_t common_len; /* 0: none yet */
    int64_t common_s;  /* the second they are of */
};

/* http.c ------------------------------------------------------------------ */

/* A connection without sock, in the server's list.  NULL: no memory. */
struct http_conn *http_conn_new(struct http_server *srv);
extern const struct sock_ops http_sock_ops;
void http_conn_count(struct http_conn *c, int change);

/* Takes it out of everything; the sock, unless NULL, is aborted; the memory
 * goes at the end of the turn.  Nobody is told. */
void http_conn_close(struct http_conn *c);

/* To be called when something happened: closes a connection that has
 * nothing more to do, goes on reading, sets the timer. */
void http_conn_settle(struct http_conn *c);

/* Reads no more requests; what is kept of them goes. */
COLD void http_conn_stop_reading(struct http_conn *c);

/* Its TLS handshake begins, is done, or will never be. */
void http_conn_begin_securing(struct http_conn *c);
void http_conn_end_securing(struct http_conn *c);

/* The sock cannot be written: everything ends with this loop turn. */
COLD void http_conn_break(struct http_conn *c);

/* An exchange at the end of the line; NULL: no memory. */
struct http_exchange *http_exchange_new(struct http_conn *c,
                                        const struct http_head *head);
void http_exchange_pop(struct http_conn *c); /* the first one */
void http_exchange_pop_last(struct http_conn *c);

/* http_read.c ------------------------------------------------------------- */

void http_read_bytes(struct http_conn *c, const char *at, size_t len);
void http_read_kept(struct http_conn *c); /* what was left in `in` */
/* No further request may begin now. */
bool http_is_full(const struct http_conn *c);
/* Tells the owners of held requests that others wait behind them. */
void http_hurry(struct http_conn *c);

/* Refuses a request: an answer in its turn, and the end.  head may have been
 * read in part, or be NULL. */
COLD void http_refuse(struct http_conn *c, const struct http_head *head,
                      unsigned status);
/* The limit of a request that is late has passed. */
void http_refuse_late(struct http_conn *c);

/* Gives a whole request to the handler.  rest: the bytes behind it. */
void http_dispatch(struct http_conn *c, const struct http_head *head,
                   struct slice head_bytes, struct slice body,
                   struct slice rest);

/* http_move.c ------------------------------------------------------------- */

void http_dispatch_postponed(struct http_conn *c);
void http_postponed_free(struct http_postponed *p); /* NULL is fine */

/* http_answer.c ----------------------------------------------------------- */

/* Writes what may be written now. */
void http_advance(struct http_conn *c);

/* http_origin.c ----------------------------------------------------------- */

/* The entry of the list that stands for the request's Origin, or NULL; where
 * that is one with "*.", *below is the Origin itself, else empty. */
const char *http_origin_find(const struct http_origins *origins,
                             const struct http_head *head, struct slice *below);

#endif /* FRONT_HTTP_CONN_H */
