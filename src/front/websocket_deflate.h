/*
 * websocket_deflate.h - messages compressed by DEFLATE (RFC 7692 section 7.2).
 *
 * One of these serves all connections of a worker: no message depends on the
 * one before it (both sides agreed to that, see websocket_extension.h), so a
 * connection keeps nothing.  What may be compressed is decided by the
 * caller: the length of a compressed message tells of what is in it.
 */
#ifndef FRONT_WEBSOCKET_DEFLATE_H
#define FRONT_WEBSOCKET_DEFLATE_H

#include "base/base.h"

struct websocket_deflate;

/* Its memory comes as it is needed: 40 KB to read; to write, 264 KB for a
 * window of 15 bits, less for each smaller one that a client asks for. */
MUST_CHECK enum err websocket_deflate_new(struct websocket_deflate **out);
void websocket_deflate_free(struct websocket_deflate *d);

/*
 * The message whose compressed form is `coded`, valid until
 * websocket_deflate_clear. Never reads further than to max_bytes.  ERR_LIMIT:
 * it would be longer. ERR_INVALID: it is no whole number of DEFLATE blocks that
 * would end as section 7.2.1 lets them.  ERR_NOMEM.
 */
MUST_CHECK enum err websocket_deflate_read(struct websocket_deflate *d,
                                           struct slice coded, size_t max_bytes,
                                           struct slice *message);

/* The message that was read is wiped. */
void websocket_deflate_clear(struct websocket_deflate *d);

/* The compressed form of a message, valid until the next call.  ERR_LIMIT:
 * it would not be shorter.  ERR_NOMEM. */
MUST_CHECK enum err websocket_deflate_write(struct websocket_deflate *d,
                                            unsigned window_bits,
                                            struct slice message,
                                            struct slice *coded);

#endif /* FRONT_WEBSOCKET_DEFLATE_H */
