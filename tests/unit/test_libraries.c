#include "app/libraries.h"

#include "xmpp/xml_read.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static const struct library_fix fixes[] = {
    {"CVE-1-1", "one", "it is slow", "doab is not"},
    {"CVE-2-2", "two", "it is large", "doab is small"},
};

static const char *version(void)
{
    return "1.2.3";
}

static const struct library library = {
    "libx", "libx7", "base", version, fixes, COUNT_OF(fixes),
};

static bool has_all(const char *symbol)
{
    return true;
}

static bool has_none(const char *symbol)
{
    return false;
}

static bool has_neither(const char *symbol)
{
    return strcmp(symbol, "base") == 0;
}

static bool has_two(const char *symbol)
{
    return strcmp(symbol, "base") == 0 || strcmp(symbol, "two") == 0;
}

static char said[2000];

static void say(void *arg, const char *text)
{
    unsigned *n = arg;

    ++*n;
    snprintf(said + strlen(said), sizeof(said) - strlen(said), "%s\n", text);
}

static unsigned explain(library_has *has)
{
    unsigned n = 0;

    said[0] = '\0';
    library_explain(&library, has, say, &n);
    return n;
}

static const char *summary(library_has *has)
{
    static char text[200];

    library_summarise(&library, has, text, sizeof(text));
    return text;
}

static void a_library_with_all_fixes_is_not_mentioned(void **state)
{
    assert_int_equal(explain(has_all), 0);
    assert_string_equal(summary(has_all), "");
}

static void each_lack_is_one_sentence(void **state)
{
    assert_int_equal(explain(has_neither), 2);
    assert_string_equal(said,
                        "libx 1.2.3 lacks the fix of CVE-1-1 (it is slow); "
                        "doab is not; upgrade libx7\n"
                        "libx 1.2.3 lacks the fix of CVE-2-2 (it is large); "
                        "doab is small; upgrade libx7\n");
    assert_string_equal(
        summary(has_neither),
        "name=libx version=1.2.3 lacks=CVE-1-1,CVE-2-2 package=libx7");
}

static void only_what_lacks_is_listed(void **state)
{
    assert_int_equal(explain(has_two), 1);
    assert_non_null(strstr(said, "CVE-1-1"));
    assert_string_equal(summary(has_two),
                        "name=libx version=1.2.3 lacks=CVE-1-1 package=libx7");
}

/* A statically linked program cannot look. */
static void nothing_is_claimed_of_a_library_that_is_not_found(void **state)
{
    assert_int_equal(explain(has_none), 0);
    assert_string_equal(summary(has_none), "");
}

static void a_short_buffer_is_not_overrun(void **state)
{
    char text[8] = "1234567";

    library_summarise(&library, has_neither, text, sizeof(text) - 1);
    assert_int_equal(strlen(text), sizeof(text) - 2);
    assert_int_equal(text[7], '\0');
}

/* Of the library that this test runs with, whichever that is. */
static void expat_is_judged_as_it_is_loaded(void **state)
{
    unsigned n = 0;
    bool has_deferral =
        dlsym(RTLD_DEFAULT, "XML_SetReparseDeferralEnabled") != NULL;

    said[0] = '\0';
    libraries_explain(say, &n);
    assert_int_equal(strstr(said, "CVE-2023-52425") == NULL, has_deferral);
    if (n > 0)
        assert_non_null(strstr(xml_library(), "expat_"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_with_all_fixes_is_not_mentioned),
        cmocka_unit_test(each_lack_is_one_sentence),
        cmocka_unit_test(only_what_lacks_is_listed),
        cmocka_unit_test(nothing_is_claimed_of_a_library_that_is_not_found),
        cmocka_unit_test(a_short_buffer_is_not_overrun),
        cmocka_unit_test(expat_is_judged_as_it_is_loaded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
