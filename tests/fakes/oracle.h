/*
 * oracle.h - judges what doab sends to a server, as a strict server would.
 *
 * One oracle follows one connection, with expat and nothing of doab's: an XML
 * declaration and a stream header first; well-formed elements after it, white
 * space between them, and none of what RFC 6120 section 11.1 forbids; nothing
 * behind <starttls/> until TLS is on, then a header anew; another header only
 * behind a <success/> of SASL that the server has sent (RFC 6120
 * section 6.4.6), and once for each; nothing behind
 * </stream:stream>.
 */
#ifndef FAKES_ORACLE_H
#define FAKES_ORACLE_H

#include "base/base.h"

struct oracle;

struct oracle *oracle_new(void);    /* aborts without memory, as all of it */
void oracle_free(struct oracle *o); /* NULL is fine */

/* Bytes that the server sends, before doab gets them. */
void oracle_hear(struct oracle *o, struct slice bytes);

/* TLS is on; what doab sent before was read. */
void oracle_secure(struct oracle *o);

/* Bytes of doab.  NULL, or what is wrong with them, now or before. */
const char *oracle_read(struct oracle *o, struct slice bytes);

/* doab closed the connection with all bytes sent.  As oracle_read. */
const char *oracle_end(struct oracle *o);

#endif /* FAKES_ORACLE_H */
