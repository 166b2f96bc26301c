#include "app/config_scan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void assert_refused(struct slice text, unsigned at_line,
                           const char *word)
{
    struct config_scan scan;
    const char *why = "";
    unsigned line = 0;

    if (config_scan(&scan, text, &line, &why) != ERR_INVALID)
        fail_msg("<%.*s> was not refused", (int)text.len, text.at);
    if (line != at_line || strstr(why, word) == NULL)
        fail_msg("<%.*s>: line %u: %s", (int)text.len, text.at, line, why);
}

static void assert_becomes(const char *text, const char *expected)
{
    struct config_scan scan;
    const char *why = "";
    unsigned line = 0;

    if (config_scan(&scan, slice_of(text), &line, &why) != ERR_OK)
        fail_msg("<%s>: line %u: %s", text, line, why);
    assert_string_equal(scan.text, expected);
    config_scan_free(&scan);
}

static void comments_become_blanks_of_the_same_length(void **state)
{
    assert_becomes("", "\n");
    assert_becomes("#", " \n");
    assert_becomes("a#b\nc # d\n#\n", "a  \nc    \n \n\n");
    assert_becomes("a = '#x' b = \"#y\" #z", "a = '#x' b = \"#y\"   \n");
    assert_becomes("# \" ' { [ $ | ( ü", "                  \n");
    assert_becomes("a = \"\\\"#\\\\\"", "a = \"\\\"#\\\\\"\n");
}

static void the_line_of_each_section_is_kept(void **state)
{
    struct config_scan scan;
    const char *why;
    unsigned line;

    assert_int_equal(config_scan(&scan,
                                 SLICE("# {\na {\n b = { '{' }\n}\n"
                                       "c\n{ } d { }\n"),
                                 &line, &why),
                     ERR_OK);
    assert_int_equal(scan.n_lines, 3);
    assert_int_equal(scan.lines[0], 2);
    assert_int_equal(scan.lines[1], 6);
    assert_int_equal(scan.lines[2], 6);
    config_scan_free(&scan);
}

static void bytes_that_no_text_has_are_refused(void **state)
{
    assert_refused(SLICE("bosh { }\0}"), 1, "control");
    assert_refused(SLICE("\n# \x01"), 2, "control");
    assert_refused(SLICE("\n\n\x7f"), 3, "control");
    assert_refused(SLICE("# \xff"), 1, "UTF-8");
    assert_refused(SLICE("# \xc3"), 1, "UTF-8");
    assert_refused(SLICE("\xef\xbb\xbf"), 1, "quotes");
    assert_refused(SLICE("domain b\xc3\xbc { }"), 1, "quotes");
}

static void what_libconfuse_would_read_otherwise_is_refused(void **state)
{
    assert_refused(SLICE("a = ${B}"), 1, "${");
    assert_refused(SLICE("a = '${B}'"), 1, "${");
    assert_refused(SLICE("\n#${"), 2, "${");
    assert_refused(SLICE("/* x */"), 1, "#");
    assert_refused(SLICE("a // x"), 1, "#");
    assert_refused(SLICE("a = http://b"), 1, "quotes");
    assert_refused(SLICE("a|b = c"), 1, "quotes");
    assert_refused(SLICE("a(b)"), 1, "quotes");
    assert_refused(SLICE("a += b"), 1, "once");
    assert_refused(SLICE("a = \\b"), 1, "quotes");
    assert_refused(SLICE("a = \"\\n\""), 1, "backslash");
    assert_refused(SLICE("a = \"\\x41\""), 1, "backslash");
    assert_refused(SLICE("a = 'b\\''"), 1, "backslash");
}

static void what_is_open_at_the_end_is_refused_where_it_began(void **state)
{
    assert_refused(SLICE("\na {\nb = c\n\n"), 2, "not closed");
    assert_refused(SLICE("a { }\nb { c = { d }\n"), 2, "not closed");
    assert_refused(SLICE("a { } }"), 1, "}");
    assert_refused(SLICE("\n}"), 2, "}");
    assert_refused(SLICE("a = \"b"), 1, "string");
    assert_refused(SLICE("a = 'b\n'"), 1, "string");
    assert_refused(SLICE("a = \"b\\"), 1, "backslash");
    assert_refused(SLICE("'"), 1, "string");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comments_become_blanks_of_the_same_length),
        cmocka_unit_test(the_line_of_each_section_is_kept),
        cmocka_unit_test(bytes_that_no_text_has_are_refused),
        cmocka_unit_test(what_libconfuse_would_read_otherwise_is_refused),
        cmocka_unit_test(what_is_open_at_the_end_is_refused_where_it_began),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
