/* websocket_deflate.h: the coding of RFC 7692 by itself. */
#include "front/websocket_deflate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT     100000
#define BIG_BYTES (1u << 20)

static struct websocket_deflate *d;

static int set_up(void **state)
{
    return websocket_deflate_new(&d) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    websocket_deflate_free(d);
    return 0;
}

static void assert_reads(struct slice coded, const char *text)
{
    struct slice message;

    assert_int_equal(websocket_deflate_read(d, coded, LIMIT, &message), ERR_OK);
    if (!slice_is(message, text))
        fail_msg("%.*s, not %s", (int)message.len, message.at, text);
}

/* RFC 7692 section 7.2.3: "Hello" in each of its forms. */
static void examples_of_the_rfc_are_read(void **state)
{
    assert_reads(SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello");
    assert_reads(SLICE("\x00\x05\x00\xfa\xff\x48\x65\x6c\x6c\x6f\x00"),
                 "Hello");
    assert_reads(SLICE("\xf3\x48\xcd\xc9\xc9\x07\x00\x00"), "Hello");
    assert_reads(SLICE("\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00"),
                 "Hello");
    assert_reads(SLICE("\x00"), ""); /* section 7.2.3.6 */
}

static const struct {
    const char *what;
    struct slice coded;
} wrong[] = {
#define WRONG(what, literal)                                                   \
    {                                                                          \
        what,                                                                  \
        {                                                                      \
            literal, sizeof(literal) - 1                                       \
        }                                                                      \
    }
    WRONG("nothing at all", ""),
    WRONG("cut in the middle", "\xf2\x48\xcd\xc9"),
    WRONG("cut by one byte", "\xf2\x48\xcd\xc9\xc9\x07"),
    WRONG("a last block and nothing behind", "\xf3\x48\xcd\xc9\xc9\x07\x00"),
    WRONG("a reserved type of block", "\x06"),
    WRONG("a stored block with a wrong length", "\x00\x05\x00\xfb\xff\x48"),
    WRONG("a stored block that is cut", "\x00\x09\x00\xf6\xff\x48"),
    WRONG("a distance before the beginning", "\xca\xc9\x01\x13\x00\x00"),
    WRONG("the window of the message before", "\xf2\x00\x11\x00\x00"),
    WRONG("text", "<message/>"),
};

static void broken_data_is_refused(void **state)
{
    struct slice message;
    size_t i;

    for (i = 0; i < COUNT_OF(wrong); i++) {
        assert_reads(SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello");
        if (websocket_deflate_read(d, wrong[i].coded, LIMIT, &message) !=
            ERR_INVALID)
            fail_msg("%s was read", wrong[i].what);
    }
    assert_reads(SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"), "Hello");
}

/* Each costs a reset; nobody writes more than one or two. */
static void endless_last_blocks_are_refused(void **state)
{
    char coded[64];
    struct slice message;
    size_t n = 0;

    for (; n < 32; n += 2)
        memcpy(coded + n, "\x03\x00", 2); /* an empty last block */
    memcpy(coded + n, "\x00", 1);
    assert_int_equal(websocket_deflate_read(d, (struct slice){coded, n + 1},
                                            LIMIT, &message),
                     ERR_OK);
    memcpy(coded + n, "\x03\x00\x00", 3);
    assert_int_equal(websocket_deflate_read(d, (struct slice){coded, n + 3},
                                            LIMIT, &message),
                     ERR_INVALID);
}

static char *make_text(size_t len)
{
    char *text = malloc(len);
    size_t i;

    assert_non_null(text);
    for (i = 0; i < len; i++)
        text[i] = (char)('a' + i * i / 7 % 26);
    return text;
}

/* A megabyte of one letter in about a kilobyte. */
static void bomb_is_stopped_at_the_limit(void **state)
{
    static const size_t limits[] = {0, 1, 16383, 16384, 16385, BIG_BYTES - 1};
    char *text = malloc(BIG_BYTES);
    struct slice coded;
    struct slice message;
    char *copy;
    size_t i;

    assert_non_null(text);
    memset(text, 'x', BIG_BYTES);
    assert_int_equal(
        websocket_deflate_write(d, 15, (struct slice){text, BIG_BYTES}, &coded),
        ERR_OK);
    assert_true(coded.len < 2000);
    copy = malloc(coded.len);
    assert_non_null(copy);
    memcpy(copy, coded.at, coded.len);
    coded.at = copy;
    for (i = 0; i < COUNT_OF(limits); i++)
        assert_int_equal(websocket_deflate_read(d, coded, limits[i], &message),
                         ERR_LIMIT);
    assert_int_equal(websocket_deflate_read(d, coded, BIG_BYTES, &message),
                     ERR_OK);
    assert_int_equal(message.len, BIG_BYTES);
    assert_memory_equal(message.at, text, BIG_BYTES);
    free(copy);
    free(text);
}

static void what_is_written_is_read_in_every_window(void **state)
{
    static const size_t lengths[] = {64, 1000, 65536, 200000};
    size_t i;
    unsigned bits;

    for (bits = 9; bits <= 15; bits++) {
        for (i = 0; i < COUNT_OF(lengths); i++) {
            char *text = make_text(lengths[i]);
            struct slice coded;
            struct slice message;

            memset(text, 'y', lengths[i] / 2);
            assert_int_equal(
                websocket_deflate_write(
                    d, bits, (struct slice){text, lengths[i]}, &coded),
                ERR_OK);
            assert_int_equal(
                websocket_deflate_read(d, coded, lengths[i], &message), ERR_OK);
            assert_int_equal(message.len, lengths[i]);
            assert_memory_equal(message.at, text, lengths[i]);
            free(text);
        }
    }
}

/* RFC 7692 section 7.1.1.1 */
static void same_message_is_written_the_same_again(void **state)
{
    struct slice text = SLICE("to be or not to be or to be or not to be");
    struct slice coded;
    char first[64];
    size_t len;

    assert_int_equal(websocket_deflate_write(d, 15, text, &coded), ERR_OK);
    len = coded.len;
    assert_true(len < text.len);
    memcpy(first, coded.at, len);
    assert_int_equal(websocket_deflate_write(d, 15, text, &coded), ERR_OK);
    assert_int_equal(coded.len, len);
    assert_memory_equal(coded.at, first, len);
}

static void what_would_grow_is_left_alone(void **state)
{
    struct slice coded;

    assert_int_equal(websocket_deflate_write(d, 15, SLICE("q3#x"), &coded),
                     ERR_LIMIT);
    assert_int_equal(websocket_deflate_write(d, 15, SLICE(""), &coded),
                     ERR_LIMIT);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(examples_of_the_rfc_are_read),
        TEST(broken_data_is_refused),
        TEST(endless_last_blocks_are_refused),
        TEST(bomb_is_stopped_at_the_limit),
        TEST(what_is_written_is_read_in_every_window),
        TEST(same_message_is_written_the_same_again),
        TEST(what_would_grow_is_left_alone),
    };

    return cmocka_run_group_tests_name("websocket_deflate", tests, NULL, NULL);
}
