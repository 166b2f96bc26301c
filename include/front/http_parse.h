/*
 * http_parse.h - HTTP/1.x requests, parsed strictly (RFC 9112; conformance
 * I10-I19, I36; I10).
 *
 * Pure functions over bytes: no socket, no clock, no allocation.  The caller
 * keeps the bytes; slices point into them.  What two readers could take
 * differently (both framings, differing lengths, folded lines, bare CR, bare
 * LF at the end of a line, NUL, space before a colon, several Hosts) is
 * refused, with the status to answer;
 * the connection then closes, since nobody knows where the message ends.
 */
#ifndef FRONT_HTTP_PARSE_H
#define FRONT_HTTP_PARSE_H

#include "base/base.h"

#define HTTP_HEADERS_MAX      100
#define HTTP_TARGET_MAX_BYTES 2048

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_OPTIONS,
    HTTP_KNOWN,   /* PUT, DELETE, TRACE, CONNECT, PATCH: 405 */
    HTTP_UNKNOWN, /* any other token: 501 */
};

struct http_header {
    struct slice name;  /* as sent; compare with http_name_is */
    struct slice value; /* without the white space around it */
};

struct http_head {
    enum http_method method;
    struct slice target; /* as sent */
    struct slice path;   /* the target without query; "*" for OPTIONS * */
    unsigned minor;      /* HTTP/1.minor: 0, or 1 (and above: 1) */
    bool keep_alive;     /* the client wants to go on using the connection */
    bool is_chunked;
    bool has_length;
    uint64_t content_length; /* with has_length */
    bool expects_continue;   /* HTTP/1.1 only */
    struct http_header headers[HTTP_HEADERS_MAX];
    size_t n_headers;
};

enum http_verdict {
    HTTP_MORE,  /* incomplete: come again with more bytes */
    HTTP_DONE,  /* complete */
    HTTP_WRONG, /* refused: answer *status and close */
};

/*
 * Parses the head at the front of the bytes.  Empty lines before it are
 * skipped, also those of a lone LF: some clients end a body with one that its
 * length does not count.  HTTP_DONE: *used is its length, the empty line
 * included. HTTP_MORE when it is incomplete and len < head_max_bytes.
 * HTTP_WRONG: *status is 400, 414 (target too long), 417 (another
 * expectation), 431 (head too large, too many headers), 501 (transfer coding
 * before chunked), 505 (version).
 * The verdict does not depend on how the bytes were cut: what is refused for
 * its first bytes is refused with more of them, with the same status.
 * Unless it is HTTP_DONE, *out has only method, minor and those headers
 * that were read so far: enough for the CORS headers of an error.
 */
enum http_verdict http_parse_head(struct http_head *out, const char *at,
                                  size_t len, size_t head_max_bytes,
                                  size_t *used, unsigned *status);

/* host[:port] with a host: a registered name, an IPv4 address or an IPv6
 * address in brackets; no user, no space, no second host (RFC 9110 4.2). */
bool http_authority_is_valid(struct slice authority);

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

/* The value of the only header of that name (case-insensitive); "" with
 * at NULL when there is none; *count, if not NULL, how many there are. */
struct slice http_header(const struct http_head *head, const char *name,
                         size_t *count);
bool http_name_is_whole(struct slice name, const char *lower_case);

/* Length and first letter tell most names apart, and each request asks often;
 * the name that is asked for is a constant. */
static inline bool http_name_is(struct slice name, const char *lower_case)
{
    return name.len == strlen(lower_case) &&
           (name.at[0] | 0x20) == lower_case[0] &&
           http_name_is_whole(name, lower_case);
}

/* Without the white space around it that HTTP allows. */
struct slice http_trimmed(struct slice s);

/* Takes the next element, trimmed, off a comma-separated list, which is a
 * header's value at first; false at its end.  Elements may be empty. */
bool http_list_next(struct slice *list, struct slice *element);

/* True when the comma-separated list (all headers of that name together)
 * holds the token, compared without case. */
bool http_list_has(const struct http_head *head, const char *name,
                   const char *token);

#endif /* FRONT_HTTP_PARSE_H */
