/*
 * ws.h - one XMPP-over-WebSocket session (RFC 7395), without the WebSocket:
 * whole text messages in, whole text messages out.
 *
 *   WAITING_OPEN -> CONNECTING -> OPEN -> CLOSING_SERVER -+-> CLOSED
 *         |             |           |                     |
 *         `-------------+-----------+--> CLOSING_CLIENT --'
 *
 * CLOSING_SERVER: the client said <close/>; what the server still sends is
 * relayed until its stream has ended.  CLOSING_CLIENT: we said <close/>; the
 * client's is awaited.  Both, and WAITING_OPEN, are bounded by a timer.
 * Every state can end at once by ws_lost, ws_fault or lack of memory.
 *
 * front/websocket.c carries it; the scenario tests drive it directly.
 */
#ifndef SESSION_WS_H
#define SESSION_WS_H

#include "base/base.h"
#include "net/addr.h"
#include "session/session.h"
#include "session/session_host.h"

struct ws;

/* Close codes of RFC 6455 section 7.4.1 that we send. */
enum ws_code {
    WS_NORMAL = 1000,
    WS_GOING_AWAY = 1001,
    WS_PROTOCOL_ERROR = 1002,
    WS_UNSUPPORTED = 1003, /* binary */
    WS_BAD_DATA = 1007,    /* not UTF-8 */
    WS_POLICY = 1008,
    WS_TOO_BIG = 1009,
    WS_INTERNAL = 1011,
};

struct ws_ops {
    /* One text message to the client; borrowed until it returns.
     * False: it could not be queued; the connection is being closed, and
     * ws_lost follows (not from inside this call). */
    bool (*send)(void *owner, struct slice message);
    /* More will be sent in this turn of the loop, probably: all of it goes
     * out together at its end.  May be NULL. */
    void (*gather)(void *owner);
    /* More is queued for the client than it reads. */
    bool (*is_congested)(void *owner);
    /* Ends the WebSocket: what was sent goes out, then a Close frame with
     * code and reason (<= 123 bytes, a constant), then TCP.  The ws is gone
     * when it returns; it calls nothing more.  May come from inside ws_message,
     * ws_fault, ws_drained and ws_shutdown. */
    void (*finish)(void *owner, enum ws_code code, const char *reason);
    /* False: the server takes less than the client sends, read no more of
     * it; messages that are on their way already may still be handed in.
     * True: go on.  May be NULL. */
    void (*flow)(void *owner, bool is_flowing);
};

/* Begins with the upgrade; nothing is sent before the first message came.
 * client is copied, ops must be static.  ERR_NOMEM, ERR_LIMIT (as many
 * sessions as allowed), ERR_CLOSED (draining): no ws, the caller answers 503
 * instead of upgrading. */
MUST_CHECK enum err ws_open(struct ws **out, struct session_host *host,
                            const struct addr *client, bool is_secure,
                            const struct ws_ops *ops, void *owner);

/* A whole text message, valid UTF-8. */
void ws_message(struct ws *w, struct slice message);

/* A fault below RFC 7395: too large (1009), binary (1003), bad UTF-8 (1007),
 * broken framing (1002): stream error and <close/> once the client has said
 * <open/>, or where that was too large (inside a header of ours before the
 * server's), then finish with that code, before it returns. */
void ws_fault(struct ws *w, enum ws_code code);

/* A message that is being sent may be compressed: login is over and it is no
 * part of it (J05, L60). */
bool ws_may_compress(const struct ws *w);

/* Largest message that may come now: checked before it is buffered (J13). */
size_t ws_message_max(const struct ws *w);

/* The client reads again: is_congested turned false. */
void ws_drained(struct ws *w);

/* doab goes down.  A client that has not said <open/> yet has no session that
 * could tell it: it gets a Close frame (1001).  Any other one is told by its
 * session (session_host_drain), and nothing happens here. */
void ws_shutdown(struct ws *w);

/* The socket is lost, or the client began the closing handshake without
 * <close/>: the server's connection is dropped without </stream:stream>
 * (RFC 7395 section 3.6; J45).  The ws is gone; finish is not called. */
void ws_lost(struct ws *w);

#endif /* SESSION_WS_H */
