/* What plain_run passes over, wherever it stands. */
#include "base/plain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define LONGEST 67

static void the_run_ends_before_what_is_not_plain(void **state)
{
    static const char odd[] = "\"&'<>\x7F\xEF\t\n\r\x01\x1F";
    char text[LONGEST];

    for (size_t len = 1; len <= LONGEST; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', sizeof(text));
            text[at] = odd[(at + len) % (sizeof(odd) - 1)];
            assert_true(plain_run(text, len) <= at);
            if (at / PLAIN_BLOCK < len / PLAIN_BLOCK)
                assert_int_equal(plain_run(text, len), at);
        }
    }
}

static void plain_text_of_a_block_or_more_is_passed_whole(void **state)
{
    char text[LONGEST];

    memset(text, ' ', sizeof(text));
    for (size_t len = 0; len <= LONGEST; len++)
        assert_int_equal(plain_run(text, len), len < PLAIN_BLOCK ? 0 : len);
}

static void every_byte_is_plain_or_not(void **state)
{
    char text[PLAIN_BLOCK];

    for (unsigned c = 0; c < 256; c++) {
        bool is_odd = c < ' ' || c == 0x7F || c == 0xEF ||
                      (c < 0x80 && strchr("\"&'<>", (int)c) != NULL);

        memset(text, (int)c, sizeof(text));
        assert_int_equal(plain_run(text, sizeof(text)),
                         is_odd ? 0 : PLAIN_BLOCK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_run_ends_before_what_is_not_plain),
        cmocka_unit_test(plain_text_of_a_block_or_more_is_passed_whole),
        cmocka_unit_test(every_byte_is_plain_or_not),
    };

    return cmocka_run_group_tests_name("plain", tests, NULL, NULL);
}
