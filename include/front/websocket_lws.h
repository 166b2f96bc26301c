/*
 * websocket_lws.h - libwebsockets behind our own words: the framing of one
 * WebSocket connection, on the loop of its worker.
 *
 * The library sits at one end of a socket pair and takes it for a client;
 * bytes that ws_check.h has passed go in at the other end, its answers come
 * out there.  So it never sees a byte that was not checked, and works the
 * same whether the client's socket carries TLS or not.
 *
 *   client -> ws_carrier_input -> [pair] -> library -> piece
 *   client <- output           <- [pair] <- library <- ws_carrier_text
 *
 * Only websocket.c uses it.  Another library, or none, would fit behind it.
 */
#ifndef FRONT_WEBSOCKET_LWS_H
#define FRONT_WEBSOCKET_LWS_H

#include "base/base.h"

struct loop;
struct ws_carrier;
struct ws_carrier_host;

struct ws_carrier_ops {
    /* Bytes for the client: the 101 answer first, then frames. */
    void (*output)(void *owner, const char *at, size_t len);
    /* A piece of a text message, unmasked; the last one may be empty. */
    void (*piece)(void *owner, struct slice piece, bool is_last);
    /* The client's Close frame, after all messages before it.  The library
     * answers it; `ended` follows. */
    void (*closing)(void *owner);
    /* Input flows again, after ws_carrier_is_congested. */
    void (*drained)(void *owner);
    /* All input was handled and the library is through: after
     * ws_carrier_end, a closing handshake, or a failure.  The carrier is
     * still there but does nothing more; to be freed. */
    void (*ended)(void *owner);
};

/* The library's context of one worker.  Not from two threads at once.
 * ERR_NOMEM.  ERR_SYSTEM: the library cannot start (logged). */
MUST_CHECK enum err ws_carrier_host_new(struct ws_carrier_host **out,
                                        struct loop *loop);
/* Every carrier must have been freed. */
void ws_carrier_host_free(struct ws_carrier_host *h);

/* key: the checked Sec-WebSocket-Key.  The 101 answer comes as output, not
 * before it returns.  ERR_NOMEM, ERR_SYSTEM (no descriptors). */
MUST_CHECK enum err ws_carrier_open(struct ws_carrier **out,
                                    struct ws_carrier_host *h, struct slice key,
                                    const struct ws_carrier_ops *ops,
                                    void *owner);
/* Harmless from inside its callbacks, and for NULL. */
void ws_carrier_free(struct ws_carrier *c);

/* Checked bytes of the client.  Never calls back from inside.
 * ERR_NOMEM, ERR_LIMIT (congestion was not heeded), ERR_CLOSED. */
MUST_CHECK enum err ws_carrier_input(struct ws_carrier *c, const char *at,
                                     size_t len);
/* Input waits: read no more from the client until `drained`. */
bool ws_carrier_is_congested(const struct ws_carrier *c);

/* No more input: `ended` follows when all of it was handled. */
void ws_carrier_end(struct ws_carrier *c);

/* Stops handing out pieces, and goes on. */
void ws_carrier_set_flow(struct ws_carrier *c, bool is_flowing);

/* A text message to the client; `output` is called from inside.  False: it
 * failed, `ended` follows. */
MUST_CHECK bool ws_carrier_text(struct ws_carrier *c, struct slice message);
void ws_carrier_ping(struct ws_carrier *c);

/* False: some of what was sent has not come as output yet. */
bool ws_carrier_is_flushed(const struct ws_carrier *c);

/* Version of libwebsockets that is in use, for doab -V. */
const char *ws_carrier_library(void);

#endif /* FRONT_WEBSOCKET_LWS_H */
