/*
 * websocket_frame.h - frames that we write ourselves (RFC 6455 section 5.2):
 * the Close frame with our own code, and the last messages when the library
 * has let go of a connection whose client broke the rules.  Pure.
 */
#ifndef FRONT_WEBSOCKET_FRAME_H
#define FRONT_WEBSOCKET_FRAME_H

#include "base/base.h"

#define WEBSOCKET_HEAD_MAX_BYTES  10
#define WEBSOCKET_CLOSE_MAX_BYTES 127

/* Writes the header of an unmasked text frame that holds a whole message of
 * len bytes; returns how many bytes it has. */
size_t websocket_text_head(char out[WEBSOCKET_HEAD_MAX_BYTES], size_t len);

/* Writes a whole Close frame; reason is cut to 123 bytes, between two
 * characters.  Returns how many bytes it has. */
size_t websocket_close_frame(char out[WEBSOCKET_CLOSE_MAX_BYTES], unsigned code,
                             const char *reason);

#endif /* FRONT_WEBSOCKET_FRAME_H */
