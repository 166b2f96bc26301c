/*
 * http.h - as much of HTTP/1.1 as a generator must know: answers with a length
 * or chunks, and requests with a length or no body.
 */
#ifndef BENCH_HTTP_H
#define BENCH_HTTP_H

#include "bench.h"

enum answer {
    ANSWER_PARTIAL,
    ANSWER_WHOLE,
    ANSWER_WRONG,
};

/* *used: bytes of a whole answer; *body: what it holds, perhaps moved
 * together inside the bytes. */
enum answer http_read_answer(char *at, size_t len, size_t *used,
                             unsigned *status, struct slice *body);

/* Bytes of a whole request, and its body; 0: it is not whole. */
size_t http_read_request(const char *at, size_t len, struct slice *body);

/* A POST of the body with browser-like headers. */
void http_post(struct wire *w, const struct options *o, struct slice body);

#endif /* BENCH_HTTP_H */
