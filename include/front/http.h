/*
 * http.h - HTTP/1.1 connections of clients: reading requests, keeping them
 * while they are held, answering them in the order of the wire.
 *
 * One http_conn a connection; one http_exchange a request.  A whole request
 * is dispatched to the handler, which answers now or later by http_respond,
 * exactly once, or takes the connection over (http_take).  While a request
 * is held the connection is still read: a request pipelined behind it is
 * dispatched too (at most HTTP_PIPELINE_MAX), and a client that leaves is
 * noticed (conformance I20-I23, B80-B83, decision 4).  Behind an answer that
 * waits to be written, no request is begun.
 *
 * Timeouts, limits, CORS (on every answer, errors too), Date and framing are
 * done here; no handler writes a header by itself.
 */
#ifndef FRONT_HTTP_H
#define FRONT_HTTP_H

#include "base/base.h"
#include "base/buf.h"
#include "front/forwarded.h"
#include "front/http_parse.h"
#include "net/sock.h"
#include "net/sock_open.h"

struct http_conn;
struct http_exchange;
struct loop;
struct slots;

#define HTTP_PIPELINE_MAX 4

/* The share of a connection in one turn of its loop: no request is begun after
 * so many, or behind so many bytes.  The rest has its share of the next turn,
 * so that one client who sends ahead keeps nobody else waiting. */
#define HTTP_TURN_REQUESTS    4
#define HTTP_TURN_BYTES       16384
#define HTTP_SPACE_BYTES      96
#define HTTP_ORIGIN_MAX_BYTES 512
/* Names of headers in the answer to a preflight, with ", " before each. */
#define HTTP_ALLOWED_MAX_BYTES 512

/* A body that comes in pieces is kept without a question up to here. */
#define HTTP_BODY_FIRST_BYTES 16384

/* Which origins may use the gateway from a browser (I40-I43), and what answers
 * say of it.  Zeroed: no origin may, and a request that names one is refused.
 * Immutable; lists and strings are borrowed. */
struct http_origins {
    bool any; /* "*" */
    /* In lower case: https://example.org, null, file: with two slashes, and
     * with *. before a host for every host below that one. */
    const char *const *list;
    size_t n;
    bool allows_credentials;    /* only with a list */
    bool leaves_headers;        /* a proxy in front writes CORS headers */
    const char *const *headers; /* of requests, beside Content-Type: all of them
                                   within HTTP_ALLOWED_MAX_BYTES */
    size_t n_headers;
};

struct http_limits {
    size_t header_max_bytes;
    size_t body_max_bytes; /* 413 beyond it */
    unsigned header_ms;    /* first byte of a request to the end of its head */
    unsigned body_ms;      /* head to the end of the body */
    unsigned idle_ms;      /* between requests */
    size_t handshakes_max; /* of TLS under way; 0: without limit.  One more
                              ends the oldest: it is the likeliest to stay */
    struct sock_limits sock;
};

/* A whole request; valid until the handler returns. */
struct http_request {
    const struct http_head *head;
    struct slice body;
    bool is_tls;               /* the client's own leg, as far as it is known */
    const struct addr *client; /* the effective address of the client */
};

struct http_handler {
    /* A whole request of a path this server knows how to route. */
    void (*request)(void *arg, struct http_exchange *x,
                    const struct http_request *r);
    /*
     * A request has more than HTTP_BODY_FIRST_BYTES of body, and not all of it
     * has come: r->body is its beginning.  Answers how many bytes of body it
     * may have, beyond which it is answered 413; x is gone then.  0: x was
     * answered, which ends the connection, since the rest is not read, or
     * detached.  x must not be held.  NULL: body_max_bytes for all.
     */
    size_t (*begun)(void *arg, struct http_exchange *x,
                    const struct http_request *r);
    /* A connection is there (+1), or is gone or was taken or detached (-1):
     * for accounting.  May be NULL. */
    void (*accounted)(void *arg, const struct addr *client, int change);
};

/* What the connections of one worker share; borrowed by them all. */
struct http_server;

struct http_server_params {
    struct loop *loop;
    struct http_limits limits;
    struct http_origins origins; /* borrowed lists */
    struct forwarded_rules forwarded;
    /* One place of it comes with each connection, is given back when that
     * ends, and goes with it when it is taken or detached.  Borrowed; NULL:
     * places are not counted. */
    struct slots *places;
    const struct http_handler *handler;
    void *arg;
};

/* ERR_NOMEM.  ERR_INVALID: an origin longer than HTTP_ORIGIN_MAX_BYTES. */
MUST_CHECK enum err http_server_new(struct http_server **out,
                                    const struct http_server_params *params);
size_t http_server_count(const struct http_server *srv); /* connections */
/* From now on each answer closes its connection; idle ones close now. */
void http_server_drain(struct http_server *srv);
/* Drops what is left (held exchanges are told HTTP_LEFT_RST) and releases the
 * server.  Not from inside a handler of its own. */
void http_server_free(struct http_server *srv);

/* Serves an accepted fd; tls NULL: plain.  peer: whose connection it is, by
 * the PROXY protocol perhaps.  is_secure: on a plain one, a proxy has ended
 * the client's TLS.  On error fd is the caller's.  ERR_NOMEM, ERR_SYSTEM. */
MUST_CHECK enum err http_serve(struct http_server *srv, int fd,
                               const struct addr *peer, struct tls_ctx *tls,
                               bool is_secure);

/* How a client left while its request was unanswered. */
enum http_left {
    HTTP_LEFT_FIN, /* sent FIN on a keep-alive connection: an answer may still
                      be written, but it is likely that nobody reads it */
    HTTP_LEFT_RST, /* dead: the exchange is gone when left() returns */
};

struct http_exchange_ops {
    void (*left)(void *owner, enum http_left how);
    /* What is behind it on the wire cannot go on before it is answered: an
     * answer soon is welcome, but not before this returns.  May be NULL. */
    void (*awaited)(void *owner);
};

/* The handler keeps the exchange: left() is told to owner from now on.  Every
 * exchange is answered, held, taken or detached when request() returns. */
void http_hold(struct http_exchange *x, const struct http_exchange_ops *ops,
               void *owner);

/* HTTP_SPACE_BYTES bytes, aligned for anything and zeroed, that live as
 * long as the exchange: for the handler's own record of the request. */
void *http_space(struct http_exchange *x);

struct http_response {
    unsigned status;
    struct slice content_type;    /* at NULL: no body headers but the length */
    struct slice body;            /* copied or sent before it returns */
    bool body_lasts;              /* the body stays where it is until the server
                                     is freed, unchanged: sent from there, as
                                     the client reads it, at any size */
    const char *content_encoding; /* of the body, or NULL; a constant */
    bool varies_by_coding;        /* it may, with Accept-Encoding: says so */
    const char *allow;            /* for 405 and OPTIONS, else NULL */
    const char *extra;            /* further header lines "Name: value\r\n", or
                                     NULL; a constant of ours, never input */
    const char *policy;           /* Content-Security-Policy; NULL: a sandbox in
                                     which nothing loads; a constant of ours */
    unsigned retry_after_s;       /* 0: none */
    bool may_cache;               /* else Cache-Control: no-store */
    bool must_close;
};

/* Answers and ends the exchange; x is gone.  An answer whose turn on the wire
 * has not come is kept.  Never calls the owner of another exchange. */
void http_respond(struct http_exchange *x, const struct http_response *r);

/* A short plain-text answer for a status: "404 Not Found\n". */
COLD void http_respond_status(struct http_exchange *x, unsigned status);

/* The answer to OPTIONS: 204, Allow and the preflight's CORS headers.  allow
 * ("POST, OPTIONS") is a constant of ours. */
COLD void http_respond_options(struct http_exchange *x, const char *allow);

/* False: this request has an Origin that may not use the gateway (403 is then
 * due; a request without one is allowed).  I43, J06. */
bool http_origin_is_allowed(const struct http_origins *origins,
                            const struct http_head *head);

/* The connection leaves HTTP (WebSocket): its fd or TLS state, and the bytes
 * already read behind the request.  Only while it is the only exchange and
 * nothing is queued, else ERR_CLOSED.  On success x is gone, and its place
 * among the connections is the caller's. */
MUST_CHECK enum err http_take(struct http_exchange *x,
                              struct sock_transfer *out,
                              struct buf *read_ahead);

/* A connection on its way to another thread: with the request that was read
 * whole, and with what was read behind it.  Or with the beginning of a request
 * (begun), which is then among what is to be read. */
struct http_transfer {
    struct sock_transfer sock;
    struct buf request; /* the head's bytes, then the decoded body */
    size_t head_len;    /* of request; 0: there is none */
    struct buf read_ahead;
    struct addr client;   /* as http_serve's peer */
    struct slots *places; /* of which it holds one; or NULL */
    bool is_tls;          /* by its own TLS, or is_secure of http_serve */
};

/* From inside the handler's request() or begun(): packs the connection up
 * instead of answering.  Only when no earlier exchange is held on it:
 * ERR_CLOSED. ERR_NOMEM: nothing changed. */
MUST_CHECK enum err http_detach(struct http_exchange *x,
                                struct http_transfer *out);

/* Instead of detaching, from inside the handler's request(): the request is
 * kept, and dispatched again when every exchange before it is answered; their
 * owners are told that they are awaited.  Until then the requests behind it
 * wait, too.  On success x is gone.  ERR_CLOSED: there is none before it.
 * ERR_NOMEM. */
MUST_CHECK enum err http_postpone(struct http_exchange *x);

/* From inside the handler's request(): the connection ends at once, with all
 * that is on it, so that the client asks again on another. */
void http_drop(struct http_exchange *x);

/* In the other thread: goes on where the connection was, and dispatches the
 * packed request, if it was whole, to that server's handler, before it
 * returns.  Empties
 * *transfer on success.  ERR_NOMEM: it is unchanged.  ERR_INVALID: its request
 * cannot be read (drop it). */
MUST_CHECK enum err http_attach(struct http_server *srv,
                                struct http_transfer *transfer);
void http_transfer_drop(struct http_transfer *transfer);

#endif /* FRONT_HTTP_H */
