/* gzip.h: who takes it, and what comes out. */
#include "front/gzip.h"

#include "front/http_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BIG_BYTES (1u << 20)

/* ---- Accept-Encoding ---- */

static bool accepts(const char *lines)
{
    struct http_head head;
    char text[2048];
    size_t used;
    unsigned status;
    int len = snprintf(text, sizeof(text),
                       "POST / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);

    assert_in_range(len, 1, sizeof(text) - 1);
    assert_int_equal(
        http_parse_head(&head, text, (size_t)len, sizeof(text), &used, &status),
        HTTP_DONE);
    return gzip_accepts(&head);
}

static const struct {
    const char *value;
    bool accepts;
} rows[] = {
    {"gzip", true},
    {"GZip", true},
    {"x-gzip", true},
    {"X-GZIP", true},
    {"gzip, deflate, br", true},
    {"br,deflate ,\tgzip", true},
    {",, ,gzip,", true},
    {"*", true},
    {"*;q=0.1", true},
    {"gzip;q=1", true},
    {"gzip;q=1.", true},
    {"gzip;q=1.000", true},
    {"gzip;q=0.001", true},
    {"gzip ; q=0.5", true},
    {"gzip;\tQ=0.5", true},
    {"identity;q=0, gzip", true},
    {"identity;q=0, *", true},
    {"identity;q=0.5, gzip;q=0.5", true},
    {"identity;q=0.4, gzip;q=0.5", true},
    {"gzip, *;q=0", true},
    {"gzip;q=0.2, *;q=0, identity;q=0.1", true},
    {"identity, *;q=0, gzip;q=1.0", true},

    {"", false},
    {" , ", false},
    {"identity", false},
    {"deflate", false},
    {"br, zstd, compress", false},
    {"gzi", false},
    {"gzipp", false},
    {"agzip", false},
    {"x-gzi", false},
    {"gzip deflate", false},
    {"\"gzip\"", false},
    {"**", false},
    {"deflate;q=1;gzip", false},
    /* Refused. */
    {"gzip;q=0", false},
    {"gzip;q=0.", false},
    {"gzip;q=0.000", false},
    {"x-gzip;q=0", false},
    {"gzip;q=0, *", false},
    {"gzip;q=0, *;q=1", false},
    {"*;q=0", false},
    {"identity;q=0", false},
    /* Something else is liked better. */
    {"gzip;q=0.5, identity", false},
    {"gzip;q=0.5, identity;q=0.501", false},
    {"gzip;q=0.5, *;q=0.8", false},
    {"*, identity;q=1, gzip;q=0.9", false},
    /* No weights. */
    {"gzip;q=2", false},
    {"gzip;q=1.001", false},
    {"gzip;q=0.5000", false},
    {"gzip;q=-1", false},
    {"gzip;q=.5", false},
    {"gzip;q=00", false},
    {"gzip;q=0,5", false},
    {"gzip;q= 1", false},
    {"gzip;q =1", false},
    {"gzip;q=1e0", false},
    {"gzip;q=0.1x", false},
    {"gzip;q=", false},
    {"gzip;q", false},
    {"gzip;", false},
    {"gzip;level=9", false},
    {"gzip;q=1;q=1", false},
    /* Said twice. */
    {"gzip;q=0, gzip", false},
    {"gzip, gzip;q=0", false},
    {"gzip, x-gzip;q=0", false},
};

/* I33 */
static void what_a_client_accepts(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char line[256];

        snprintf(line, sizeof(line), "Accept-Encoding: %s\r\n", rows[i].value);
        if (accepts(line) != rows[i].accepts)
            fail_msg("\"%s\"", rows[i].value);
    }
}

/* I33 */
static void several_headers_are_one_list(void **state)
{
    assert_false(accepts(""));
    assert_false(accepts("Accept: gzip\r\nTE: gzip\r\n"));
    assert_false(accepts("Accept-Encodings: gzip\r\n"));
    assert_true(accepts("Accept-Encoding: br\r\naccept-encoding: gzip\r\n"));
    assert_true(accepts("ACCEPT-ENCODING: gzip\r\nAccept-Encoding:\r\n"));
    assert_false(accepts("Accept-Encoding: gzip\r\nX: y\r\n"
                         "Accept-Encoding: gzip;q=0\r\n"));
    assert_false(accepts("Accept-Encoding: *\r\n"
                         "Accept-Encoding: gzip;q=0.1, br\r\n"
                         "Accept-Encoding: identity;q=0.2\r\n"));
}

/* ---- the coding ---- */

/* What gzip(1) makes of it again, so that no reader of ours agrees with a
 * fault of ours. */
static void assert_round_trip(struct slice coded, struct slice plain)
{
    char name[] = "/tmp/doab-test-gzip-XXXXXX";
    int fd = mkstemp(name);
    FILE *out = fdopen(fd, "wb");
    char *back = malloc(plain.len + 1);
    char command[128];
    FILE *in;

    assert_non_null(out);
    assert_non_null(back);
    assert_int_equal(fwrite(coded.at, 1, coded.len, out), coded.len);
    assert_int_equal(fclose(out), 0);
    snprintf(command, sizeof(command), "gzip -dc <%s", name);
    in = popen(command, "re");
    assert_non_null(in);
    assert_int_equal(fread(back, 1, plain.len + 1, in), plain.len);
    assert_memory_equal(back, plain.at, plain.len);
    assert_int_equal(pclose(in), 0);
    assert_int_equal(remove(name), 0);
    free(back);
}

static char *stanzas(size_t len)
{
    char *text = malloc(len + 64);
    size_t at = 0;

    assert_non_null(text);
    for (unsigned n = 0; at < len; n++)
        at += (size_t)snprintf(text + at, 64, "<message id='%u'/>", n * 7919u);
    return text;
}

static void assert_coded(struct gzip *g, struct slice plain)
{
    struct buf out;

    buf_init(&out, plain.len);
    assert_int_equal(gzip_compress(g, plain, &out), ERR_OK);
    assert_in_range(out.len, 1, plain.len - 1);
    assert_round_trip(buf_slice(&out), plain);
    buf_free(&out);
}

/* I33 */
static void what_was_compressed_comes_out_again(void **state)
{
    static const size_t sizes[] = {60, 1000, 32768, 65536, 65537, BIG_BYTES};
    char *text = stanzas(BIG_BYTES);
    struct gzip *g;

    assert_int_equal(gzip_new(&g), ERR_OK);
    for (size_t i = 0; i < COUNT_OF(sizes); i++)
        assert_coded(g, (struct slice){text, sizes[i]});
    memset(text, 0, BIG_BYTES);
    assert_coded(g, (struct slice){text, BIG_BYTES});
    gzip_free(g);
    free(text);
}

/* L60: what one client is sent says nothing about another's. */
static void a_body_does_not_depend_on_the_one_before(void **state)
{
    char *text = stanzas(4000);
    struct slice plain = {text, 4000};
    struct gzip *first;
    struct gzip *second;
    struct buf a;
    struct buf b;

    buf_init(&a, 4000);
    buf_init(&b, 4000);
    assert_int_equal(gzip_new(&first), ERR_OK);
    assert_int_equal(gzip_new(&second), ERR_OK);
    assert_int_equal(gzip_compress(first, plain, &a), ERR_OK);
    buf_clear(&a, 0);
    assert_int_equal(gzip_compress(first, plain, &a), ERR_OK);
    assert_int_equal(gzip_compress(second, plain, &b), ERR_OK);
    assert_true(slice_equal(buf_slice(&a), buf_slice(&b)));
    buf_free(&a);
    buf_free(&b);
    gzip_free(first);
    gzip_free(second);
    free(text);
}

/* I33 */
static void what_does_not_get_smaller_is_left_alone(void **state)
{
    char noise[5000];
    char *text = stanzas(5000);
    uint32_t seed = 1;
    struct gzip *g;
    struct buf out;

    for (size_t i = 0; i < sizeof(noise); i++) {
        seed = seed * 1664525u + 1013904223u;
        noise[i] = (char)(seed >> 24);
    }
    buf_init(&out, 10000);
    assert_int_equal(gzip_new(&g), ERR_OK);
    assert_int_equal(buf_append_text(&out, "kept"), ERR_OK);
    assert_int_equal(gzip_compress(g, (struct slice){NULL, 0}, &out),
                     ERR_LIMIT);
    assert_int_equal(gzip_compress(g, SLICE(""), &out), ERR_LIMIT);
    assert_int_equal(gzip_compress(g, SLICE("a"), &out), ERR_LIMIT);
    assert_int_equal(gzip_compress(g, SLICE("aaaaaaaaaaaaaaaaaaaaaa"), &out),
                     ERR_LIMIT);
    assert_int_equal(
        gzip_compress(g, (struct slice){noise, sizeof(noise)}, &out),
        ERR_LIMIT);
    assert_true(slice_is(buf_slice(&out), "kept"));
    buf_free(&out);
    /* A failure leaves nothing behind for the next. */
    assert_coded(g, (struct slice){text, 5000});
    gzip_free(g);
    free(text);
}

static void no_more_is_written_than_there_is_room(void **state)
{
    char *text = stanzas(5000);
    struct slice plain = {text, 5000};
    struct gzip *g;
    struct buf out;
    size_t len;

    assert_int_equal(gzip_new(&g), ERR_OK);
    buf_init(&out, 5000);
    assert_int_equal(gzip_compress(g, plain, &out), ERR_OK);
    len = out.len;
    buf_free(&out);

    buf_init(&out, len + 4);
    assert_int_equal(buf_append_text(&out, "kept"), ERR_OK);
    assert_int_equal(gzip_compress(g, plain, &out), ERR_OK);
    assert_int_equal(out.len, len + 4);
    assert_memory_equal(buf_at(&out), "kept", 4);
    assert_int_equal(gzip_compress(g, plain, &out), ERR_LIMIT);
    buf_free(&out);

    buf_init(&out, len - 1);
    assert_int_equal(gzip_compress(g, plain, &out), ERR_LIMIT);
    assert_int_equal(out.len, 0);
    buf_free(&out);
    gzip_free(g);
    gzip_free(NULL);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_client_accepts),
        cmocka_unit_test(several_headers_are_one_list),
        cmocka_unit_test(what_was_compressed_comes_out_again),
        cmocka_unit_test(a_body_does_not_depend_on_the_one_before),
        cmocka_unit_test(what_does_not_get_smaller_is_left_alone),
        cmocka_unit_test(no_more_is_written_than_there_is_room),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
