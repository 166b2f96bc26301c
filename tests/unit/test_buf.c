#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>
#include <fcntl.h>
#include <string.h>
#include <stdint.h>

#include <cmocka.h>

static void assert_holds(const struct buf *b, const char *text)
{
    assert_int_equal(b->len, strlen(text));
    assert_memory_equal(buf_at(b), text, b->len);
}

static void empty_buffer_owns_nothing(void **state)
{
    struct buf b;

    buf_init(&b, 100);
    assert_null(b.data);
    assert_int_equal(buf_slice(&b).len, 0);
    assert_string_equal(buf_at(&b), "");
    assert_int_equal(buf_append(&b, NULL, 0), ERR_OK);
    assert_null(b.data);
    buf_free(&b);
    buf_free(&b);
}

static void appends_and_consumes_in_order(void **state)
{
    struct buf b;

    buf_init(&b, 100);
    assert_int_equal(buf_append_text(&b, "rid="), ERR_OK);
    assert_int_equal(buf_append_u64(&b, 0), ERR_OK);
    assert_int_equal(buf_append_slice(&b, SLICE(",")), ERR_OK);
    assert_int_equal(buf_append_u64(&b, UINT64_MAX), ERR_OK);
    assert_holds(&b, "rid=0,18446744073709551615");
    buf_consume(&b, 4);
    assert_holds(&b, "0,18446744073709551615");
    buf_truncate(&b, 1);
    assert_holds(&b, "0");
    buf_consume(&b, 1);
    assert_int_equal(b.start, 0);
    buf_free(&b);
}

static void cap_is_exact_and_refusal_changes_nothing(void **state)
{
    struct buf b;
    char *room;

    buf_init(&b, 10);
    assert_int_equal(buf_append_text(&b, "12345678"), ERR_OK);
    assert_int_equal(buf_append_text(&b, "abc"), ERR_LIMIT);
    assert_int_equal(buf_reserve(&b, SIZE_MAX, &room), ERR_LIMIT);
    assert_int_equal(buf_reserve(&b, SIZE_MAX - 4, &room), ERR_LIMIT);
    assert_holds(&b, "12345678");
    assert_int_equal(buf_append_text(&b, "ab"), ERR_OK);
    assert_int_equal(buf_append_text(&b, "c"), ERR_LIMIT);
    buf_consume(&b, 1);
    assert_int_equal(buf_append_text(&b, "c"), ERR_OK);
    assert_holds(&b, "2345678abc");
    buf_free(&b);

    buf_init(&b, 0);
    assert_int_equal(buf_append_text(&b, "x"), ERR_LIMIT);
}

static void reserved_room_can_be_written(void **state)
{
    struct buf b;
    char *room;

    buf_init(&b, 1000);
    assert_int_equal(buf_append_text(&b, "x"), ERR_OK);
    assert_int_equal(buf_reserve(&b, 999, &room), ERR_OK);
    memset(room, 'y', 999);
    buf_added(&b, 999);
    assert_int_equal(b.len, 1000);
    assert_int_equal(buf_at(&b)[0], 'x');
    assert_int_equal(buf_at(&b)[999], 'y');
    buf_free(&b);
}

static void random_traffic_keeps_the_bytes(void **state)
{
    static char in[200000];
    struct buf b;
    size_t put = 0;
    size_t got = 0;
    size_t i;

    srand(7);
    for (i = 0; i < sizeof(in); i++)
        in[i] = (char)rand();
    buf_init(&b, 5000);
    while (got < sizeof(in)) {
        size_t n = (size_t)rand() % 900;

        if (n > sizeof(in) - put)
            n = sizeof(in) - put;
        if (buf_append(&b, in + put, n) == ERR_OK)
            put += n;
        else
            assert_true(b.len + n > 5000);
        n = (size_t)rand() % 950;
        if (n > b.len)
            n = b.len;
        assert_memory_equal(buf_at(&b), in + got, b.len);
        buf_consume(&b, n);
        got += n;
    }
    assert_true(b.cap <= 5000);
    buf_free(&b);
}

static void clear_gives_large_memory_back(void **state)
{
    struct buf b;

    buf_init(&b, 100000);
    assert_int_equal(buf_append_text(&b, "small"), ERR_OK);
    buf_clear(&b, 4096);
    assert_non_null(b.data);
    assert_int_equal(b.len, 0);
    buf_clear(&b, 0);
    assert_null(b.data);
    assert_int_equal(b.max_bytes, 100000);
}

static void taking_moves_the_contents(void **state)
{
    struct buf from;
    struct buf to;

    buf_init(&from, 50);
    buf_init(&to, 10);
    assert_int_equal(buf_append_text(&from, "moved"), ERR_OK);
    buf_take(&to, &from);
    assert_holds(&to, "moved");
    assert_int_equal(from.len, 0);
    assert_null(from.data);
    assert_int_equal(buf_append_text(&from, "again"), ERR_OK);
    buf_free(&from);
    buf_free(&to);
    assert_int_equal(to.len, 0);
}

/* What stands at an address, whoever owns it now. */
static bool is_at(const char *at, const char *text, size_t len)
{
    char seen[4096];
    int fd = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
    ssize_t n;

    assert_true(fd >= 0 && len <= sizeof(seen));
    n = pread(fd, seen, len, (off_t)(uintptr_t)at);
    close(fd);
    return n == (ssize_t)len && memmem(seen, len, text, strlen(text)) != NULL;
}

/* L71: neither what was freed, nor what was outgrown, nor what was cleared
 * keeps what it held. */
static void nothing_is_left_behind(void **state)
{
    static const char secret[] = "correct horse battery staple";
    struct buf b;
    const char *at;

    buf_init(&b, 4096);
    for (unsigned i = 0; i < 8; i++)
        assert_int_equal(buf_append_text(&b, secret), ERR_OK);
    at = b.data;
    assert_true(is_at(at, secret, b.len));
    buf_consume(&b, strlen(secret));
    assert_int_equal(buf_append(&b, (char[1024]){0}, 1024), ERR_OK);
    assert_true(b.data != at);
    assert_false(is_at(at, secret, 8 * strlen(secret)));

    at = b.data;
    buf_clear(&b, 4096);
    assert_true(b.data == at);
    assert_false(is_at(at, secret, b.cap));

    assert_int_equal(buf_append_text(&b, secret), ERR_OK);
    assert_int_equal(buf_append_text(&b, secret), ERR_OK);
    buf_free(&b);
    assert_false(is_at(at, secret, 2 * strlen(secret)));
}

/* L71: what is given away leaves its room behind, and nothing in it. */
static void nothing_is_left_in_the_room_of_what_is_given(void **state)
{
    static const char secret[] = "correct horse battery staple";
    struct slice given;
    struct buf b;
    const char *at;

    buf_init(&b, 4096);
    for (unsigned i = 0; i < 72; i++)
        assert_int_equal(buf_append_text(&b, secret), ERR_OK);
    buf_consume(&b, 71 * strlen(secret));
    at = b.data;
    given = buf_give(&b);
    assert_true(slice_is(given, secret));
    assert_ptr_not_equal(given.at, at);
    assert_false(is_at(at, "horse", 72 * strlen(secret)));
    at = given.at;
    buf_drop(given);
    assert_false(is_at(at, "horse", strlen(secret)));
}

static void a_writer_keeps_the_first_error(void **state)
{
    struct buf b;
    struct buf_writer w = {.to = &b};

    (void)state;
    buf_init(&b, 12);
    buf_put_text(&w, "rid=");
    buf_put_u64(&w, 1234567);
    assert_int_equal(w.err, ERR_OK);
    buf_put_text(&w, "too long");
    assert_int_equal(w.err, ERR_LIMIT);
    buf_put(&w, SLICE("x")); /* would fit, but comes behind an error */
    assert_int_equal(w.err, ERR_LIMIT);
    assert_true(slice_is(buf_slice(&b), "rid=1234567"));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_buffer_owns_nothing),
        cmocka_unit_test(appends_and_consumes_in_order),
        cmocka_unit_test(cap_is_exact_and_refusal_changes_nothing),
        cmocka_unit_test(reserved_room_can_be_written),
        cmocka_unit_test(random_traffic_keeps_the_bytes),
        cmocka_unit_test(clear_gives_large_memory_back),
        cmocka_unit_test(taking_moves_the_contents),
        cmocka_unit_test(nothing_is_left_behind),
        cmocka_unit_test(nothing_is_left_in_the_room_of_what_is_given),
        cmocka_unit_test(a_writer_keeps_the_first_error),
    };

    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
