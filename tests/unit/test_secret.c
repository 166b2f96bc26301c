#include "base/secret.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void tokens_have_their_length_and_alphabet(void **state)
{
    static const size_t lens[] = {0, 1, 26, 63, 64, 65, 200};
    size_t i;

    for (i = 0; i < COUNT_OF(lens); i++) {
        char token[202];

        memset(token, '!', sizeof(token));
        secret_token(token, lens[i]);
        assert_int_equal(strlen(token), lens[i]);
        assert_int_equal(strspn(token, "abcdefghijklmnopqrstuvwxyz234567"),
                         lens[i]);
        assert_int_equal(token[lens[i] + 1], '!');
    }
}

static void tokens_differ_and_use_every_letter(void **state)
{
    char a[2001];
    char b[2001];
    const char *letter;

    secret_token(a, 2000);
    secret_token(b, 2000);
    assert_string_not_equal(a, b);
    for (letter = "abcdefghijklmnopqrstuvwxyz234567"; *letter; letter++)
        assert_non_null(strchr(a, *letter));
}

static void numbers_stay_below(void **state)
{
    unsigned seen[5] = {0};
    int i;

    for (i = 0; i < 2000; i++) {
        uint64_t n = secret_below(5);

        assert_true(n < 5);
        seen[n]++;
        assert_int_equal(secret_below(1), 0);
        assert_true(secret_below(UINT64_MAX) < UINT64_MAX);
    }
    for (i = 0; i < 5; i++)
        assert_true(seen[i] > 200);
}

static void equal_means_every_byte(void **state)
{
    assert_true(secret_equal(SLICE(""), SLICE("")));
    assert_true(secret_equal((struct slice){NULL, 0}, SLICE("")));
    assert_true(secret_equal(SLICE("abc\0d"), SLICE("abc\0d")));
    assert_false(secret_equal(SLICE("abc\0d"), SLICE("abc\0e")));
    assert_false(secret_equal(SLICE("xbc"), SLICE("abc")));
    assert_false(secret_equal(SLICE("abc"), SLICE("abcd")));
}

static void wiping_overwrites(void **state)
{
    char text[4] = "abc";

    secret_wipe(text, sizeof(text));
    assert_memory_equal(text, "\0\0\0\0", 4);
    secret_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens_have_their_length_and_alphabet),
        cmocka_unit_test(tokens_differ_and_use_every_letter),
        cmocka_unit_test(numbers_stay_below),
        cmocka_unit_test(equal_means_every_byte),
        cmocka_unit_test(wiping_overwrites),
    };

    return cmocka_run_group_tests_name("secret", tests, NULL, NULL);
}
