/*
 * websocket_request.h - is this request an upgrade to XMPP over WebSocket?
 * (RFC 6455 section 4.2.1, RFC 7395 section 3.1; conformance J01-J04).  Pure.
 * And the answer to one that is.
 */
#ifndef FRONT_WEBSOCKET_REQUEST_H
#define FRONT_WEBSOCKET_REQUEST_H

#include "front/http_parse.h"
#include "websocket_extension.h"

/* 101 and *key (Sec-WebSocket-Key, borrowed from the head), or the status of
 * the refusal: 400; 405 (not GET); 426 when Upgrade does not name websocket
 * or the version is not 13, *is_version tells which. */
unsigned websocket_request_check(const struct http_head *head,
                                 struct slice *key, bool *is_version);

/* The answer with 101 (RFC 6455 section 4.2.2, RFC 7395 section 3.1; J03),
 * ended by a NUL.  ERR_SYSTEM: there is no SHA-1 for the key. */
#define WEBSOCKET_ANSWER_MAX_BYTES 416
MUST_CHECK enum err websocket_answer(char out[WEBSOCKET_ANSWER_MAX_BYTES],
                                     struct slice key,
                                     const struct websocket_extension *e);

#endif /* FRONT_WEBSOCKET_REQUEST_H */
