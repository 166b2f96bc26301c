/*
 * websocket_extension.h - is permessage-deflate to be used on a connection?
 * (RFC 6455 section 9.1, RFC 7692 section 7.1; conformance J05.)  Pure.
 *
 * The coding itself is in websocket_deflate.h.
 */
#ifndef FRONT_WEBSOCKET_EXTENSION_H
#define FRONT_WEBSOCKET_EXTENSION_H

#include "base/base.h"
#include "front/http_parse.h"

#define WS_WINDOW_BITS_MIN 9 /* zlib cannot do 8 */
#define WS_WINDOW_BITS_MAX 15

struct websocket_extension {
    bool is_deflate;     /* it was offered in a way that we can keep */
    uint8_t window_bits; /* of what we send: 9 to 15 */
    bool names_bits;     /* the answer has to say so */
};

/*
 * Takes the first offer of permessage-deflate that can be kept.  One with an
 * unknown parameter, with one twice, with a wrong value, or with a window
 * smaller than ours can be is declined, and the next one considered.  Other
 * extensions are passed over; behind what cannot be read nothing is.
 *
 * Neither side keeps its window from one message to the next, whatever was
 * offered (section 7.1.1), so that no connection needs memory for it.
 */
struct websocket_extension websocket_extension_choose(
    const struct http_head *head);

/* The header line of the answer, with its CRLF; "" when nothing was chosen.
 */
#define WEBSOCKET_EXTENSION_ANSWER_MAX_BYTES 160
void websocket_extension_answer(char out[WEBSOCKET_EXTENSION_ANSWER_MAX_BYTES],
                                const struct websocket_extension *e);

#endif /* FRONT_WEBSOCKET_EXTENSION_H */
