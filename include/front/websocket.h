/*
 * websocket.h - WebSocket connections (RFC 6455), on the worker's loop.
 * Each carries one session/ws.h.
 *
 * The upgrade request comes from http.c, parsed; it is checked here (J01-J07)
 * and refused with an HTTP status, or the connection is taken over.  Its
 * bytes then go through websocket_message.h to the session; what goes out is
 * written as header and payload in one write, without a copy; what more there
 * is in the same turn of the loop is put together and follows at its end.
 */
#ifndef FRONT_WEBSOCKET_H
#define FRONT_WEBSOCKET_H

#include "base/base.h"
#include "front/http.h"
#include "session/session_host.h"

struct slots;
struct session_host;
struct websocket_host;

struct websocket_params {
    struct loop *loop;
    struct session_host *sessions;
    struct http_origins origins;
    struct sock_limits sock;
    struct slots *places;     /* borrowed: as http_server_params'; or NULL */
    bool deflate;             /* permessage-deflate may be agreed on */
    size_t deflate_min_bytes; /* smaller messages go out as they are */
};

/* Pings, pongs and empty fragments: a client that sends more of them in a
 * period breaks a rule of ours and is closed with 1008.  (Empty messages are
 * counted by the session.) */
#define WEBSOCKET_IDLE_MAX       200
#define WEBSOCKET_IDLE_PERIOD_MS 1000

/* One a worker.  ERR_NOMEM. */
MUST_CHECK enum err websocket_host_new(struct websocket_host **out,
                                       const struct websocket_params *params);
size_t websocket_host_count(const struct websocket_host *h);
/* doab goes down: clients that have not said anything yet get a Close frame
 * (1001).  The others are told by their sessions (session_host_drain). */
void websocket_host_drain(struct websocket_host *h);
/* Drops what is left. */
void websocket_host_free(struct websocket_host *h);

/* A request for a WebSocket path.  Answers 400, 403, 405, 426, 503, or
 * upgrades with 101. */
void websocket_request(struct websocket_host *h, struct http_exchange *x,
                       const struct http_request *r);

#endif /* FRONT_WEBSOCKET_H */
