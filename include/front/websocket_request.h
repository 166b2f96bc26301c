/*
 * websocket_request.h - is this request an upgrade to XMPP over WebSocket?
 * (RFC 6455 section 4.2.1, RFC 7395 section 3.1; conformance J01-J04).  Pure.
 */
#ifndef FRONT_WEBSOCKET_REQUEST_H
#define FRONT_WEBSOCKET_REQUEST_H

#include "front/http_parse.h"

/* 101 and *key (Sec-WebSocket-Key, borrowed from the head), or the status of
 * the refusal: 400; 405 (not GET); 426 when Upgrade does not name websocket
 * or the version is not 13, *is_version tells which. */
unsigned websocket_request_check(const struct http_head *head,
                                 struct slice *key, bool *is_version);

#endif /* FRONT_WEBSOCKET_REQUEST_H */
