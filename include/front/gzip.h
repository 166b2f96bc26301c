/*
 * gzip.h - the one content coding of answers (RFC 9110 section 8.4.1.3).
 *
 * Whether a client takes it, and the coding itself.  What may be coded is
 * decided by the caller: a body that mixes secrets with what a stranger may
 * choose tells the secrets by its length (BREACH; conformance L60).
 *
 * Nothing is ever decoded: a request in a coding is refused (I34, L61).
 */
#ifndef FRONT_GZIP_H
#define FRONT_GZIP_H

#include "base/base.h"
#include "base/buf.h"

struct gzip;
struct http_head;

/*
 * True when the request's Accept-Encoding (RFC 9110 section 12.5.3), all
 * headers of that name together, allows gzip and does not like an answer
 * without coding better.  Weights that are none count as 0, and of several
 * for one coding the lowest counts: without coding is never wrong.  So false
 * too when no such header is there, and `identity;q=0` alone asks for
 * nothing that we have.
 */
bool gzip_accepts(const struct http_head *head);

/* The state of one compressor, about 270 KB, for one body after another: one
 * of a worker, none of a connection.  ERR_NOMEM. */
MUST_CHECK enum err gzip_new(struct gzip **out);
void gzip_free(struct gzip *g);

/*
 * Appends `in` as a whole gzip member, which does not depend on what was
 * compressed before.  ERR_LIMIT: it would not be smaller than `in`, or larger
 * than *out may become.  ERR_NOMEM.  On an error *out is unchanged.
 */
MUST_CHECK enum err gzip_compress(struct gzip *g, struct slice in,
                                  struct buf *out);

/* The version of the library that is in use, for doab -V. */
const char *gzip_library(void);

#endif /* FRONT_GZIP_H */
