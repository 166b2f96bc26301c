#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static char last[4096];
static unsigned lines;

static void keep(const char *line, size_t len)
{
    assert_true(len < sizeof(last));
    memcpy(last, line, len);
    last[len] = '\0';
    lines++;
}

static int begin(void **state)
{
    log_set_sink(keep);
    log_setup(LOG_INFO, LOG_JOURNALD);
    last[0] = '\0';
    lines = 0;
    return 0;
}

static int end(void **state)
{
    log_set_sink(NULL);
    return 0;
}

static void journald_lines_begin_with_the_priority(void **state)
{
    struct log_ctx ctx;

    log_ctx_init(&ctx, "s=%04x c=%s", 0x7f3au, "203.0.113.7");
    log_info(&ctx, "session.open to=%s", "example.org");
    assert_string_equal(
        last, "<6>session.open s=7f3a c=203.0.113.7 to=example.org\n");
    log_error(NULL, "stop");
    assert_string_equal(last, "<3>stop\n");
    log_warn(&ctx, "odd");
    assert_string_equal(last, "<4>odd s=7f3a c=203.0.113.7\n");
    log_setup(LOG_TRACE, LOG_JOURNALD);
    log_trace(NULL, "bytes n=%d", 3);
    assert_string_equal(last, "<7>bytes n=3\n");
}

static void text_lines_begin_with_time_and_level(void **state)
{
    log_setup(LOG_DEBUG, LOG_TEXT);
    log_debug(NULL, "state from=%s", "open");
    assert_int_equal(strlen(last), 24 + strlen(" debug state from=open\n"));
    assert_string_equal(last + 24, " debug state from=open\n");
    assert_int_equal(last[10], 'T');
    assert_int_equal(last[19], '.');
    assert_int_equal(last[23], 'Z');
    log_info(NULL, "x");
    assert_string_equal(last + 24, " info x\n");
}

static void quieter_levels_are_left_out(void **state)
{
    log_debug(NULL, "no");
    log_trace(NULL, "no");
    assert_int_equal(lines, 0);
    assert_true(log_wants(LOG_INFO));
    assert_false(log_wants(LOG_DEBUG));
    log_setup(LOG_ERROR, LOG_TEXT);
    log_warn(NULL, "no");
    assert_int_equal(lines, 0);
}

static void no_value_can_forge_a_line(void **state)
{
    log_info(NULL, "event v=%s", "a\nforged\r\x1b[2J\x7f");
    assert_string_equal(last, "<6>event v=a?forged??[2J?\n");
}

static void long_lines_are_cut_and_end(void **state)
{
    char text[3000];

    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    log_info(NULL, "event v=%s", text);
    assert_int_equal(strlen(last), 2048);
    assert_int_equal(last[2047], '\n');
}

static void long_contexts_are_cut(void **state)
{
    struct log_ctx ctx;

    log_ctx_init(&ctx, "c=%0100d", 7);
    assert_int_equal(strlen(ctx.prefix), LOG_PREFIX_BYTES - 1);
    assert_int_equal(ctx.prefix[LOG_PREFIX_BYTES - 2], ' ');
    log_ctx_init(&ctx, "%s", "");
    log_info(&ctx, "event");
    assert_string_equal(last, "<6>event\n");
}

static void assert_quoted(struct slice s, const char *expected)
{
    assert_string_equal(log_quote(s).text, expected);
}

static void values_are_quoted_when_they_must_be(void **state)
{
    assert_quoted(SLICE("plain-word_1.2:3/4@x"), "plain-word_1.2:3/4@x");
    assert_quoted(SLICE("[::1]:80"), "[::1]:80");
    assert_quoted(SLICE(""), "\"\"");
    assert_quoted(SLICE("two words"), "\"two words\"");
    assert_quoted(SLICE("a=b"), "\"a=b\"");
    assert_quoted(SLICE("a\"b\\c"), "\"a\\\"b\\\\c\"");
    assert_quoted(SLICE("\n\r\t\x01\x7f\0"), "\"\\n\\r\\t\\x01\\x7f\\x00\"");
    assert_quoted(SLICE("\xc3\xa4"), "\"\xc3\xa4\"");
    assert_quoted(SLICE("\xc2\x85"), "\"\\u{85}\"");
    assert_quoted(SLICE("\xe2\x80\xa8\xe2\x80\xa9"), "\"\\u{2028}\\u{2029}\"");
    assert_quoted(SLICE("\xe2\x80\xae\xe2\x81\xa6"), "\"\\u{202e}\\u{2066}\"");
    assert_quoted(SLICE("\xff\xc3("), "\"\\xff\\xc3(\"");
    assert_quoted(SLICE("\xed\xa0\x80"), "\"\\xed\\xa0\\x80\"");
    assert_quoted(SLICE("ab\xe2\x82"), "\"ab\\xe2\\x82\"");
}

static void long_values_are_cut_between_characters(void **state)
{
    char text[600];
    struct log_quoted q;

    memset(text, 'x', sizeof(text));
    q = log_quote((struct slice){text, 256});
    assert_int_equal(strlen(q.text), 256);
    q = log_quote((struct slice){text, sizeof(text)});
    assert_int_equal(strlen(q.text), 258);
    assert_int_equal(q.text[257], '"');

    text[255] = '\n'; /* its escape does not fit whole */
    q = log_quote((struct slice){text, sizeof(text)});
    assert_int_equal(strlen(q.text), 257);
    memset(text, '\x01', sizeof(text));
    q = log_quote((struct slice){text, sizeof(text)});
    assert_int_equal(strlen(q.text), 258);
}

static void the_budget_is_kept_and_the_rest_counted(void **state)
{
    struct log_limit limit = {.burst = 2, .interval_ms = 1000};
    unsigned suppressed = 99;

    assert_true(log_allow(&limit, 50000, &suppressed));
    assert_int_equal(suppressed, 0);
    assert_true(log_allow(&limit, 50001, &suppressed));
    assert_false(log_allow(&limit, 50002, &suppressed));
    assert_false(log_allow(&limit, 50999, &suppressed));
    assert_true(log_allow(&limit, 51000, &suppressed));
    assert_int_equal(suppressed, 2);
    assert_true(log_allow(&limit, 51001, &suppressed));
    assert_int_equal(suppressed, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(journald_lines_begin_with_the_priority),
        TEST(text_lines_begin_with_time_and_level),
        TEST(quieter_levels_are_left_out),
        TEST(no_value_can_forge_a_line),
        TEST(long_lines_are_cut_and_end),
        TEST(long_contexts_are_cut),
        TEST(values_are_quoted_when_they_must_be),
        TEST(long_values_are_cut_between_characters),
        TEST(the_budget_is_kept_and_the_rest_counted),
    };

    return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
