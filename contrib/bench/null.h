/*
 * null.h - a server that does next to nothing, so that what stands in front of
 * it is what is measured.  It lets anybody log in by XMPP and echoes messages;
 * to a connection that begins with a request of HTTP it answers with the body
 * of each.
 */
#ifndef BENCH_NULL_H
#define BENCH_NULL_H

#include "base/base.h"

struct address;

/* Serves in the turns of wire.h from now on.  False: errno says why. */
bool null_listen(const struct address *at);
/* Closes its connections; wire_fini ends the listening. */
void null_close(void);

#endif /* BENCH_NULL_H */
