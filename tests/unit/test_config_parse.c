#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "config_faults.h"

/* What upstream.ca_file is when it is written as value. */
static void assert_reads(const char *value, const char *expected)
{
    struct config *c = NULL;
    char text[500];

    snprintf(text, sizeof(text), "upstream{ca_file=%s}", value);
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    if (config_load_text(&c, "t.conf", slice_of(text), &problems) != ERR_OK)
        fail_msg("%s: %.*s", text, (int)problems.len, buf_at(&problems));
    assert_string_equal(c->upstream.ca_file, expected);
    buf_free(&problems);
    config_free(c);
}

static void assert_refused(struct slice text, unsigned at_line,
                           const char *word)
{
    struct config *c = NULL;
    char begin[32];

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(config_load_text(&c, "t.conf", text, &problems),
                     ERR_INVALID);
    assert_int_equal(buf_append(&problems, "", 1), ERR_OK);
    snprintf(begin, sizeof(begin), "t.conf:%u: ", at_line);
    if (strncmp(buf_at(&problems), begin, strlen(begin)) != 0 ||
        strstr(buf_at(&problems), word) == NULL)
        fail_msg("<%.*s>: expected \"%s…%s…\", got \"%s\"", (int)text.len,
                 text.at, begin, word, buf_at(&problems));
    buf_free(&problems);
}

static void words_and_strings_are_read_as_they_are_written(void **state)
{
    assert_reads("a", "a");
    assert_reads("\n\t a\r\n", "a");
    assert_reads("aZ09_-.:/@%*[]~", "aZ09_-.:/@%*[]~");
    assert_reads("*", "*");
    assert_reads("''", "");
    assert_reads("\"\"", "");
    assert_reads("'a \"b\" # {c} = d, e+=$\xc3\xbc\t|'",
                 "a \"b\" # {c} = d, e+=$\xc3\xbc\t|");
    assert_reads("\"'a'\"", "'a'");
    assert_reads("\"\\\"#\\\\\\\"\"", "\"#\\\"");
    assert_reads("'//' # /* ' \" { ( \xc3\xbc\n", "//");
    assert_reads("a#b }\n#'\n", "a");
}

static void sections_may_stand_on_one_line_or_on_many(void **state)
{
    assert_string_equal(faults_of("bosh{wait=5s wait_max=9s}http{}"), "");
    assert_string_equal(faults_of("bosh\n{\nwait\n=\n5s\n}"), "");
    assert_string_equal(faults_of("bosh {\r\n wait = 5s\r\n}\r\n# x\r\n"), "");
    assert_string_equal(faults_of("http{origins={'http://a','http://b',}}"),
                        "");
    assert_string_equal(faults_of("http{origins='http://a'}"), "");
}

static void bytes_that_no_text_has_are_refused(void **state)
{
    assert_refused(SLICE("bosh { }\0}"), 1, "control");
    assert_refused(SLICE("\n# \x01"), 2, "control");
    assert_refused(SLICE("\n\n\x7f"), 3, "control");
    assert_refused(SLICE("bosh {\r}"), 1, "control");
    assert_refused(SLICE("upstream { ca_file = 'a\rb' }"), 1, "control");
    assert_refused(SLICE("upstream { ca_file = 'a\0b' }"), 1, "control");
    assert_refused(SLICE("# \xff"), 1, "UTF-8");
    assert_refused(SLICE("# \xc3"), 1, "UTF-8");
    assert_refused(SLICE("# \xc3\n"), 1, "UTF-8");
    assert_refused(SLICE("upstream { ca_file = '\xc3' }"), 1, "UTF-8");
    assert_refused(SLICE("\xef\xbb\xbf"), 1, "quotes");
    assert_refused(SLICE("domain b\xc3\xbc { }"), 1, "quotes");
}

static void what_other_readers_understand_is_refused(void **state)
{
    assert_refused(SLICE("bosh { node = ${B} }"), 1, "${");
    assert_refused(SLICE("bosh { node = '${B}' }"), 1, "${");
    assert_refused(SLICE("\n#${"), 2, "${");
    assert_refused(SLICE("/* x */"), 1, "#");
    assert_refused(SLICE("bosh // x"), 1, "#");
    assert_refused(SLICE("bosh { node = http://b }"), 1, "quotes");
    assert_refused(SLICE("bosh|wait = c"), 1, "quotes");
    assert_refused(SLICE("include(b)"), 1, "quotes");
    assert_refused(SLICE("http { origins += b }"), 1, "once");
    assert_refused(SLICE("bosh { node = \\b }"), 1, "quotes");
    assert_refused(SLICE("bosh { node = \"\\n\" }"), 1, "backslash");
    assert_refused(SLICE("bosh { node = \"\\x41\" }"), 1, "backslash");
    assert_refused(SLICE("bosh { node = 'b\\'' }"), 1, "backslash");
    assert_refused(SLICE("'bosh' { }"), 1, "the string bosh");
    assert_refused(SLICE("bosh { 'wait' = 5s }"), 1, "the string wait");
    assert_refused(SLICE("bosh { wait = 5s, }"), 1, "not \",\"");
    assert_refused(SLICE("bosh { wait 5s }"), 1, "expected = behind a key");
    assert_refused(SLICE("bosh { wait = }"), 1, "expected a value");
    assert_refused(SLICE("bosh = { }"), 1, "expected {");
    assert_refused(SLICE("bosh { }\n{ }"), 2, "the name of a section");
    assert_refused(SLICE("http { origins = {'a'\n'b'} }"), 2,
                   "expected , or }");
    assert_refused(SLICE("http { origins = {,} }"), 1, "expected a text or }");
    assert_refused(SLICE("http { origins = {{}} }"), 1, "expected a text or }");
}

static void what_is_open_at_the_end_is_refused_where_it_began(void **state)
{
    assert_refused(SLICE("\nbosh {\nnode = c\n\n"), 2, "not closed");
    assert_refused(SLICE("log { }\nhttp { origins = { d }\n"), 2, "not closed");
    assert_refused(SLICE("bosh\n{\nnode ="), 1, "not closed");
    assert_refused(SLICE("bosh { } }"), 1, "}");
    assert_refused(SLICE("\n}"), 2, "}");
    assert_refused(SLICE("upstream { ca_file = \"b"), 1, "string");
    assert_refused(SLICE("upstream { ca_file = 'b\n'"), 1, "string");
    assert_refused(SLICE("upstream { ca_file = 'b\r\n'"), 1, "string");
    assert_refused(SLICE("upstream { ca_file = \"b\\"), 1, "backslash");
    assert_refused(SLICE("'"), 1, "string");
    assert_refused(SLICE("log\n"), 2, "the end of the file");
}

static void reading_goes_on_behind_what_has_no_meaning(void **state)
{
    static const char text[] = "bsh {\n wait = x\n}\n"
                               "log x {\n level = loud\n}\n"
                               "listen {\n key = a\n}\n"
                               "bosh {\n wiat = { a, b }\n hold_max = { 1 }\n"
                               " wait = x\n}\n"
                               "http }\n"
                               "bosh { gzip = maybe }\n";
    const char *got;

    assert_fault(text, "t.conf:1: unknown section bsh; there are: listen, ",
                 "domain, bosh, ");
    got = faults_of(text);
    assert_non_null(strstr(got, "t.conf:4: section log takes no title"));
    assert_non_null(strstr(got, "t.conf:7: section listen needs a title"));
    assert_non_null(strstr(got, "t.conf:11: unknown key wiat in bosh; there "
                                "are: node, wait, "));
    assert_non_null(strstr(got, "t.conf:12: bosh.hold_max = a list: expected "
                                "a number from 1 to 10"));
    assert_non_null(strstr(got, "t.conf:13: bosh.wait = x"));
    assert_non_null(strstr(got, "t.conf:15: expected { behind"));
    assert_null(strstr(got, "loud"));
    assert_null(strstr(got, "maybe"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_strings_are_read_as_they_are_written),
        cmocka_unit_test(sections_may_stand_on_one_line_or_on_many),
        cmocka_unit_test(bytes_that_no_text_has_are_refused),
        cmocka_unit_test(what_other_readers_understand_is_refused),
        cmocka_unit_test(what_is_open_at_the_end_is_refused_where_it_began),
        cmocka_unit_test(reading_goes_on_behind_what_has_no_meaning),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
