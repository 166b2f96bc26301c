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

#endif /* FRONT_HTTP_PARSE_H */
