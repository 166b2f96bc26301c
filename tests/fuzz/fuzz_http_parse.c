/*
 * A request, head and chunked body, read in one piece and in pieces: both
 * ways must come to the same end, and never take more than there is.
 */
#include "front/http_parse.h"
#include "front/http_head.h"
#include "front/http_chunk.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define HEAD_MAX 4096
#define BODY_MAX 8192

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct head_result {
    enum http_verdict verdict;
    unsigned status;
    size_t used;
};

struct body_result {
    enum http_verdict verdict;
    size_t used;
    size_t len;
    char *bytes; /* owned */
};

static void check_slice(struct slice s, const char *at, size_t len)
{
    if (s.len > 0 && s.at >= at && s.at < at + len)
        assert(s.len <= (size_t)(at + len - s.at));
}

static void check_head(const struct http_head *head, const char *at,
                       size_t used)
{
    assert(head->n_headers <= HTTP_HEADERS_MAX);
    assert(!(head->is_chunked && head->has_length));
    assert(head->target.len > 0 && head->target.len <= HTTP_TARGET_MAX_BYTES);
    assert(head->path.len <= head->target.len || head->path.len == 1);
    check_slice(head->target, at, used);
    check_slice(head->path, at, used);
    for (size_t i = 0; i < head->n_headers; i++) {
        const struct http_header *h = &head->headers[i];

        assert(h->name.at >= at && h->name.len > 0);
        assert(h->value.at + h->value.len <= at + used);
        assert(memchr(h->value.at, '\n', h->value.len) == NULL);
        assert(memchr(h->value.at, '\r', h->value.len) == NULL);
        assert(memchr(h->value.at, '\0', h->value.len) == NULL);
    }
    http_list_has(head, "connection", "upgrade");
}

static struct head_result parse_head(struct http_head *head, const char *at,
                                     size_t len)
{
    struct head_result r = {.status = 0};

    r.verdict = http_parse_head(head, at, len, HEAD_MAX, &r.used, &r.status);
    if (r.verdict == HTTP_DONE) {
        assert(r.used > 0 && r.used <= len && r.used <= HEAD_MAX);
        check_head(head, at, r.used);
    }
    if (r.verdict == HTTP_WRONG) {
        assert(r.status >= 400 && r.status <= 505);
        r.used = 0;
    }
    if (r.verdict == HTTP_MORE) {
        assert(len < HEAD_MAX);
        r.used = 0;
    }
    return r;
}

static void check_pieces_of_head(struct head_result whole, const char *at,
                                 size_t len, size_t step)
{
    static struct http_head head;
    struct head_result r = {.verdict = HTTP_MORE};
    size_t have = 0;

    while (r.verdict == HTTP_MORE && have < len) {
        char *copy;

        have = len - have > step ? have + step : len;
        copy = malloc(have);
        if (copy == NULL)
            abort();
        memcpy(copy, at, have);
        r = parse_head(&head, copy, have);
        free(copy);
    }
    assert(r.verdict == whole.verdict);
    assert(r.used == whole.used);
    assert(r.status == whole.status);
}

static struct body_result decode(const char *at, size_t len, size_t step)
{
    struct body_result r = {.verdict = HTTP_MORE};
    struct http_chunks chunks;

    http_chunks_init(&chunks, BODY_MAX);
    r.bytes = malloc(len + 1);
    if (r.bytes == NULL)
        abort();
    while (r.verdict == HTTP_MORE && r.used < len) {
        size_t n = len - r.used < step ? len - r.used : step;
        struct slice body;
        size_t used = 0;

        r.verdict = http_parse_chunk(&chunks, at + r.used, n, &used, &body);
        assert(used <= n && body.len <= used);
        assert(used > 0 || r.verdict != HTTP_MORE);
        if (body.len > 0)
            memcpy(r.bytes + r.len, body.at, body.len);
        r.len += body.len;
        r.used += used;
    }
    return r;
}

static void check_body(const char *at, size_t len, size_t step)
{
    struct body_result whole = decode(at, len, len);
    struct body_result pieces = decode(at, len, step);

    assert(whole.verdict == pieces.verdict);
    assert(whole.used == pieces.used);
    assert(whole.len == pieces.len);
    assert(memcmp(whole.bytes, pieces.bytes, whole.len) == 0);
    free(whole.bytes);
    free(pieces.bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct http_head head;
    const char *at = (const char *)data;
    size_t step = len == 0 ? 1 : 1 + (len * 7 + data[len - 1]) % 61;
    struct head_result whole = parse_head(&head, at, len);

    if (len < 2048 || step > 16)
        check_pieces_of_head(whole, at, len, step);
    if (whole.verdict == HTTP_DONE && head.is_chunked)
        check_body(at + whole.used, len - whole.used, step);
    return 0;
}
