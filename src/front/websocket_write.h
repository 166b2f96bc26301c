/*
 * websocket_write.h - the frames that we write (RFC 6455 section 5.2): never
 * masked, never fragmented.  Pure.
 */
#ifndef FRONT_WEBSOCKET_WRITE_H
#define FRONT_WEBSOCKET_WRITE_H

#include "base/base.h"

#define WEBSOCKET_HEAD_MAX_BYTES    10
#define WEBSOCKET_CONTROL_MAX_BYTES 125 /* payload of Close, ping and pong */
#define WEBSOCKET_CLOSE_MAX_BYTES   (2 + WEBSOCKET_CONTROL_MAX_BYTES)

/* RFC 6455 section 11.8 */
enum websocket_opcode {
    WEBSOCKET_OP_CONTINUATION = 0,
    WEBSOCKET_OP_TEXT = 1,
    WEBSOCKET_OP_BINARY = 2,
    WEBSOCKET_OP_CLOSE = 8,
    WEBSOCKET_OP_PING = 9,
    WEBSOCKET_OP_PONG = 10,
};

/* Beside the opcode of a message: it is compressed (RFC 7692 section 6). */
#define WEBSOCKET_DEFLATED 0x40u

/* Writes the header of a frame that is a whole message, or a control frame,
 * with a payload of len bytes; returns how many bytes it has.  first: the
 * opcode, perhaps with WEBSOCKET_DEFLATED. */
size_t websocket_head(char out[WEBSOCKET_HEAD_MAX_BYTES], unsigned first,
                      size_t len);

/* Writes a whole Close frame; reason is cut to 123 bytes, between two
 * characters.  Code 0: one without code and reason.  Returns how many bytes
 * it has. */
size_t websocket_close_frame(char out[WEBSOCKET_CLOSE_MAX_BYTES], unsigned code,
                             const char *reason);

#endif /* FRONT_WEBSOCKET_WRITE_H */
