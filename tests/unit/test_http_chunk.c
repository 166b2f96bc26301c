#include "front/http_parse.h"
#include "front/http_chunk.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

/* A text with its length, for those that hold a NUL. */
#define BYTES(literal) literal, sizeof(literal) - 1

struct row {
    const char *bytes;
    size_t len;
};

/* Decodes in pieces of `step` bytes.  The bytes used go to *used. */
static enum http_verdict decode(const char *bytes, size_t len, size_t step,
                                char *out, size_t *out_len, size_t *used)
{
    struct http_chunks chunks;
    enum http_verdict verdict = HTTP_MORE;
    size_t at = 0;

    http_chunks_init(&chunks, UINT64_MAX);
    *out_len = 0;
    while (verdict == HTTP_MORE && at < len) {
        size_t n = len - at < step ? len - at : step;
        size_t taken = 0;
        struct slice body;

        verdict = http_parse_chunk(&chunks, bytes + at, n, &taken, &body);
        assert_true(taken <= n && (taken > 0 || verdict != HTTP_MORE));
        if (body.len > 0)
            memcpy(out + *out_len, body.at, body.len);
        *out_len += body.len;
        at += taken;
    }
    *used = at;
    return verdict;
}

/* I11 */
static void chunked_bodies_are_decoded_at_every_cut(void **state)
{
    static const char *const bodies[] = {
        "5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n",
        "5;a=b\r\nhello\r\n006 ;x\r\n world\r\n000\r\nX-T: y\r\nZ:\r\n\r\n",
        "B\r\nhello world\r\n0;last=\"x\"\r\n\r\n",
        "b\t ; x\r\nhello world\r\n0\r\n\r\n",
    };
    char out[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        char text[128];
        size_t len = strlen(bodies[i]);
        size_t out_len;
        size_t used;

        snprintf(text, sizeof(text), "%sGET", bodies[i]);
        for (size_t step = 1; step <= len + 3; step++) {
            assert_int_equal(decode(text, len + 3, step, out, &out_len, &used),
                             HTTP_DONE);
            assert_int_equal(used, len); /* the next request stays */
            assert_int_equal(out_len, 11);
            assert_memory_equal(out, "hello world", 11);
        }
    }
}

/* I11, RFC 9112 7.1.1 */
static void broken_chunks_are_refused(void **state)
{
    static const struct row rows[] = {
        {BYTES("x\r\n")},
        {BYTES("\r\n")},
        {BYTES(";a\r\n")},
        {BYTES("-1\r\n")},
        {BYTES("+1\r\n")},
        {BYTES("0x1\r\n")},
        {BYTES("1 1\r\n")},
        {BYTES(" 1\r\n")},
        {BYTES("1 \r\n")},
        {BYTES("1\na\r\n")},
        {BYTES("1;a\na\r\n")},
        {BYTES("1;\0\r\na\r\n")},
        {BYTES("1\r\nab\r\n")},
        {BYTES("1\r\na\n")},
        {BYTES("1\r\na\rb")},
        {BYTES("1\rxa\r\n")},
        {BYTES("10000000000000000\r\n")}, /* 2^64 */
        {BYTES("ffffffffffffffff0\r\n")},
        {BYTES("0\r\n\n")},
        {BYTES("0\r\n X: y\r\n\r\n")},
        {BYTES("0\r\nX\r\n\r\n")},
        {BYTES("0\r\nX: \x01\r\n\r\n")},
        {BYTES("0\r\nX: y\n\r\n")},
        {BYTES("0\r\nX: y\r\n\rX")},
    };
    char out[64];
    size_t out_len;
    size_t used;

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        for (size_t step = 1; step <= rows[i].len; step++) {
            if (decode(rows[i].bytes, rows[i].len, step, out, &out_len,
                       &used) != HTTP_WRONG)
                fail_msg("row %zu in steps of %zu: %s", i, step, rows[i].bytes);
        }
    }
}

/* I11: bounded extensions, trailers and zeros */
static void endless_overhead_of_chunks_is_refused(void **state)
{
    static const char *const starts[] = {
        "1;", "0\r\nX", "0\r\nX:", "1 ", "0", "0\r\nX:\r\n"};
    static char text[8192];
    static const char fill[] = {'a', 'a', 'a', ' ', '0', 'a'};
    static char out[64];

    (void)state;
    for (size_t i = 0; i < COUNT_OF(starts); i++) {
        size_t len = strlen(starts[i]);
        size_t out_len;
        size_t used;

        memset(text, fill[i], sizeof(text));
        memcpy(text, starts[i], len);
        assert_int_equal(decode(text, 4000, 4000, out, &out_len, &used),
                         HTTP_MORE);
        assert_int_equal(decode(text, sizeof(text), 1000, out, &out_len, &used),
                         HTTP_WRONG);
        assert_true(used < 4200);
    }
}

/* I11 */
static void the_largest_chunk_size_is_no_overflow(void **state)
{
    struct http_chunks chunks;
    struct slice body;
    size_t used;

    (void)state;
    http_chunks_init(&chunks, UINT64_MAX);
    assert_int_equal(
        http_parse_chunk(&chunks, "ffffffffffffffff\r\nab", 20, &used, &body),
        HTTP_MORE);
    assert_int_equal(used, 20);
    assert_int_equal(body.len, 2);
    assert_true(chunks.left == UINT64_MAX - 2);
}

/* I11: all of a body may have 100 bytes; what is refused, and at which byte */
static void a_size_beyond_the_body_is_refused_at_its_digit(void **state)
{
    static const struct {
        const char *text;
        size_t used;
        unsigned status;
    } rows[] = {
        {"65\r\n", 2, 413},
        {"0000065;x=y\r\n", 7, 413},
        {"8000000000000000\r\n", 2, 413},
        {"ffffffffffffffff\r\n", 2, 413},
        {"10000000000000000\r\n", 3, 413},
        {"FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF\r\n", 2, 413},
        {"64x\r\n", 3, 400},
        {"2\r\nab\r\n63\r\n", 9, 413},
        {"1\r\na\r\n1\r\nb\r\n7fffffffffffffff", 14, 413},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct http_chunks chunks;
        enum http_verdict verdict = HTTP_MORE;
        size_t at = 0;

        http_chunks_init(&chunks, 100);
        while (verdict == HTTP_MORE && rows[i].text[at] != '\0') {
            struct slice body;
            size_t used;

            verdict =
                http_parse_chunk(&chunks, rows[i].text + at, 1, &used, &body);
            at += used;
        }
        assert_int_equal(verdict, HTTP_WRONG);
        assert_int_equal(at, rows[i].used);
        assert_int_equal(http_chunks_status(&chunks), rows[i].status);
    }
}

/* I11 */
static void a_body_may_be_as_large_as_it_may_be(void **state)
{
    static const char text[] = "60\r\n%0*d\r\n4\r\nabcd\r\n0\r\n\r\n";
    char whole[256];
    struct http_chunks chunks;
    enum http_verdict verdict = HTTP_MORE;
    size_t at = 0;
    size_t len;
    size_t data = 0;

    (void)state;
    len = (size_t)snprintf(whole, sizeof(whole), text, 0x60, 7);
    http_chunks_init(&chunks, 100);
    while (verdict == HTTP_MORE && at < len) {
        struct slice body;
        size_t used;

        verdict = http_parse_chunk(&chunks, whole + at, len - at, &used, &body);
        at += used;
        data += body.len;
    }
    assert_int_equal(verdict, HTTP_DONE);
    assert_int_equal(data, 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunked_bodies_are_decoded_at_every_cut),
        cmocka_unit_test(broken_chunks_are_refused),
        cmocka_unit_test(endless_overhead_of_chunks_is_refused),
        cmocka_unit_test(the_largest_chunk_size_is_no_overflow),
        cmocka_unit_test(a_size_beyond_the_body_is_refused_at_its_digit),
        cmocka_unit_test(a_body_may_be_as_large_as_it_may_be),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
