/*
 * bounce.h - sends back what never reached the client (XEP-0206 section 7;
 * conformance G30-G34, T56).
 *
 * Only what was never put into an answer; nothing when the client uses stream
 * management, since the server then keeps and redelivers it by itself.
 */
#ifndef SESSION_BOUNCE_H
#define SESSION_BOUNCE_H

#include "base/base.h"
#include "session/outbox.h"
#include "session/session.h"

struct xml_pool;

#define BOUNCE_MAX 1000 /* stanzas of one session */

/* Empties *waiting: messages and requests (iq get, set) are answered to the
 * server with an error, all else is dropped.  s is still open. */
void bounce_undelivered(struct session *s, struct xml_pool *pool,
                        struct outbox *waiting);

#endif /* SESSION_BOUNCE_H */
