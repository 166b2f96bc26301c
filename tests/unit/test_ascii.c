/* base/ascii.h: characters and numbers of protocols. */
#include "base/ascii.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void only_ascii_letters_have_a_lower_case(void **state)
{
    for (int c = 0; c < 256; c++) {
        bool is_upper = c >= 'A' && c <= 'Z';

        assert_int_equal((unsigned char)ascii_lower((char)c),
                         is_upper ? c + 32 : c);
        assert_int_equal(ascii_is_letter((char)c),
                         is_upper || (c >= 'a' && c <= 'z'));
        assert_int_equal(ascii_is_digit((char)c), c >= '0' && c <= '9');
    }
    assert_true(ascii_is_alnum('5'));
    assert_false(ascii_is_alnum('-'));
    assert_true(ascii_equal(SLICE("Keep-Alive"), SLICE("keep-alive")));
    assert_false(ascii_equal(SLICE("a"), SLICE("ab")));
    assert_false(ascii_equal(SLICE("\xC4"), SLICE("\xE4")));
}

static void white_space_at_both_ends_goes(void **state)
{
    assert_true(slice_is(ascii_trim(SLICE(" \t a b\t ")), "a b"));
    assert_true(slice_is(ascii_trim(SLICE(" \t ")), ""));
    assert_true(slice_is(ascii_trim(SLICE("")), ""));
    assert_true(slice_is(ascii_trim(SLICE("a\n")), "a\n"));
}

static void numbers_are_digits_within_their_range(void **state)
{
    static const char *const bad[] = {
        "",
        "+1",
        "-1",
        " 1",
        "1 ",
        "0x1",
        "1e3",
        "18446744073709551616",
        "1a",
        ".5",
        "99999999999999999999999",
    };
    uint64_t n = 42;

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(ascii_number(slice_of(bad[i]), UINT64_MAX, &n));
    assert_false(ascii_number(SLICE("256"), 255, &n));
    assert_int_equal(n, 42);

    assert_true(ascii_number(SLICE("18446744073709551615"), UINT64_MAX, &n));
    assert_true(n == UINT64_MAX);
    assert_true(ascii_number(SLICE("0255"), 255, &n));
    assert_int_equal(n, 255);
    assert_true(ascii_number(SLICE("0"), 0, &n));
    assert_int_equal(n, 0);
    assert_false(ascii_number(SLICE("1"), 0, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_ascii_letters_have_a_lower_case),
        cmocka_unit_test(white_space_at_both_ends_goes),
        cmocka_unit_test(numbers_are_digits_within_their_range),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
