/*
 * ws_legacy.h - the framing of clients from before RFC 7395
 * (draft-moffitt-xmpp-over-websocket; Strophe 1.1, stanza.io).  Pure.
 *
 * Their messages are the pieces of one RFC 6120 document: an unclosed
 * <stream:stream>, elements that inherit its namespaces, </stream:stream>.
 * Each of ours is declared in full all the same, as for everybody; these
 * clients parse it inside of the header.
 *
 *   client  <stream:stream xmlns=… xmlns:stream=… to=… version='1.0'>
 *   doab    the same with from and id, and each time anew after login
 *   either  </stream:stream>
 */
#ifndef SESSION_WS_LEGACY_H
#define SESSION_WS_LEGACY_H

#include "ws_element.h"

extern const struct ws_framing ws_legacy_framing;

/* A message that wants to be a stream header, well-formed or not: an XML
 * declaration perhaps, and `<stream:stream`.  Another prefix is none (RFC 6120
 * section 4.8.5 allows that). */
bool ws_legacy_is_header(struct slice message);

#endif /* SESSION_WS_LEGACY_H */
