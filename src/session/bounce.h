/*
 * bounce.h - sends back what cannot be delivered: to the server what never
 * reached the client (XEP-0206 section 7; conformance G30-G34, T56), to the
 * client what was kept for a login that has failed.
 *
 * To the server only what was never put into an answer; nothing when the client
 * uses stream management, since the server then keeps and redelivers it by
 * itself.
 */
#ifndef SESSION_BOUNCE_H
#define SESSION_BOUNCE_H

#include "base/base.h"
#include "outbox.h"
#include "session/session.h"

struct xml_pool;

#define BOUNCE_MAX       1000  /* stanzas of one session */
#define BOUNCE_MAX_BYTES 65536 /* one answer */

/* Empties *waiting: messages and requests (iq get, set) are answered to the
 * server with an error, all else is dropped.  s is still open. */
void bounce_undelivered(struct session *s, struct xml_pool *pool,
                        struct outbox *waiting);

/* Writes the answer to the client's stanza e, which was kept and will not be
 * sent: not-authorized (RFC 6120 section 8.3.3.11).  False: it gets none, by
 * the same rules. */
bool bounce_write_unsent(struct buf *to, struct xml_pool *pool,
                         const struct element *e);

#endif /* SESSION_BOUNCE_H */
