/*
 * http_chunk.h - the data of a chunked body (RFC 9112 section 7.1).
 */
#ifndef FRONT_HTTP_CHUNK_H
#define FRONT_HTTP_CHUNK_H

#include "base/base.h"
#include "front/http_parse.h"

/* State of a chunked body (http_chunk.c). */
struct http_chunks {
    unsigned state;
    uint64_t left;         /* bytes of the current chunk still to come */
    uint64_t room;         /* bytes of data that the body may still have */
    size_t overhead_bytes; /* extensions and trailers so far, bounded */
};

/* A body begins, of at most so many bytes of data. */
void http_chunks_init(struct http_chunks *c, uint64_t body_max_bytes);

/*
 * Decodes a piece of a chunked body.  *used: bytes taken from at; *body: the
 * data among them, as one run (call again until HTTP_DONE or *used is 0).
 * Line ends must be CRLF here.  Extensions and trailers are dropped; 4 KB of
 * them are too many.  A size beyond what the body may have is HTTP_WRONG at its
 * first digit too many, before any data.
 */
enum http_verdict http_parse_chunk(struct http_chunks *c, const char *at,
                                   size_t len, size_t *used,
                                   struct slice *body);

/* What to answer after HTTP_WRONG: 413 for a size that is too large, else
 * 400. */
unsigned http_chunks_status(const struct http_chunks *c);

#endif /* FRONT_HTTP_CHUNK_H */
