/* Conformance H08. */
#include "base/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct slice good[] = {
    SLICE(""),
    SLICE("plain ASCII that is longer than two words"),
    SLICE("\x01\x1f\x7f"),
    SLICE("\xc2\x80\xdf\xbf"),
    SLICE("\xe0\xa0\x80\xe1\x80\x80\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbf"),
    SLICE("\xf0\x90\x80\x80\xf1\x80\x80\x80\xf4\x8f\xbf\xbf"),
    SLICE("mixed \xc3\xa4 and \xe2\x82\xac and \xf0\x9f\x98\x80 in a line"),
};

static const struct slice bad[] = {
    SLICE("\x00"), /* NUL */
    SLICE("12345678\x00"
          "abcdefg"),
    SLICE("1234567\x00"
          "12345678"),
    SLICE("\x80"), /* continuation alone */
    SLICE("abc\xbf"),
    SLICE("\xc0\x80"), /* overlong NUL */
    SLICE("\xc1\xbf"), /* overlong */
    SLICE("\xe0\x80\x80"),
    SLICE("\xe0\x9f\xbf"),
    SLICE("\xf0\x80\x80\x80"),
    SLICE("\xf0\x8f\xbf\xbf"),
    SLICE("\xed\xa0\x80"), /* surrogates */
    SLICE("\xed\xbf\xbf"),
    SLICE("\xed\xa0\x80\xed\xb0\x80"),
    SLICE("\xf4\x90\x80\x80"), /* above U+10FFFF */
    SLICE("\xf5\x80\x80\x80"),
    SLICE("\xf8\x88\x80\x80\x80"), /* five bytes */
    SLICE("\xfe\xff"),             /* a UTF-16 mark */
    SLICE("\xff\xfe<\x00"),
    SLICE("\xeb\x3c\x3e"), /* swallows markup in a lax decoder */
    SLICE("\xc3("),
    SLICE("\xe2\x82("),
    SLICE("\xe2("),
    SLICE("\xf0\x9f\x98("),
    SLICE("\xc3\xc3\xa4"),
};

static const struct slice cut[] = {
    SLICE("\xc3"),
    SLICE("\xe2\x82"),
    SLICE("abcdefgh\xf0\x9f\x98"),
};

/* Fed in two pieces, the second byte by byte: the verdict is the same. */
static bool split_verdict(struct slice s, size_t at)
{
    struct utf8 u = {0};
    size_t i;

    if (!utf8_feed(&u, s.at, at))
        return false;
    for (i = at; i < s.len; i++)
        if (!utf8_feed(&u, s.at + i, 1))
            return false;
    return utf8_is_complete(&u);
}

static void verdict_is_right_at_every_split(void **state)
{
    size_t i;
    size_t at;

    for (i = 0; i < COUNT_OF(good); i++) {
        assert_true(utf8_is_valid(good[i]));
        for (at = 0; at <= good[i].len; at++)
            assert_true(split_verdict(good[i], at));
    }
    for (i = 0; i < COUNT_OF(bad); i++) {
        assert_false(utf8_is_valid(bad[i]));
        for (at = 0; at <= bad[i].len; at++)
            assert_false(split_verdict(bad[i], at));
    }
}

static void half_a_character_is_incomplete_but_not_wrong(void **state)
{
    size_t i;

    for (i = 0; i < COUNT_OF(cut); i++) {
        struct utf8 u = {0};

        assert_true(utf8_feed(&u, cut[i].at, cut[i].len));
        assert_false(utf8_is_complete(&u));
        assert_false(utf8_is_valid(cut[i]));
    }
}

/* Every code point of one to three bytes against the plain definition. */
static void all_three_byte_forms_are_judged_right(void **state)
{
    unsigned c;

    for (c = 0; c < 0x10000; c++) {
        char b[3] = {(char)(0xE0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3F)),
                     (char)(0x80 | (c & 0x3F))};
        bool is_right = c >= 0x800 && !(c >= 0xD800 && c <= 0xDFFF);

        assert_int_equal(utf8_is_valid((struct slice){b, 3}), is_right);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdict_is_right_at_every_split),
        cmocka_unit_test(half_a_character_is_incomplete_but_not_wrong),
        cmocka_unit_test(all_three_byte_forms_are_judged_right),
    };

    return cmocka_run_group_tests_name("utf8", tests, NULL, NULL);
}
