#include "app/files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static char said[1000];

static void say(void *arg, const char *text)
{
    snprintf(said, sizeof(said), "%s", text);
}

static struct config small(void)
{
    return (struct config){
        .n_listens = 2,
        .limits = {.connections_max = 1000, .sessions_max = 500},
        .upstream = {.dns_queries_max = 20, .connects_max = 100},
    };
}

static const char *warning_of(const struct files *f, const struct config *c)
{
    said[0] = '\0';
    files_warn(f, c, say, NULL);
    return said;
}

static void enough_is_enough(void **state)
{
    struct config c = small();
    struct files f = files_share(&c, 2, 1000000);

    /* Clients, servers, the DNS, attempts, and some for ourselves. */
    assert_in_range(f.needed, 1500 + 2 * 20 + 200, 1500 + 2 * 20 + 200 + 50);
    assert_int_equal(f.places, 1500);
    assert_int_equal(f.keep, 0);
    assert_true(files_suffice(&f));
    assert_string_equal(warning_of(&f, &c), "");
    f = files_share(&c, 2, f.needed);
    assert_int_equal(f.places, 1500);
    assert_string_equal(warning_of(&f, &c), "");
}

static void an_unknown_limit_is_none(void **state)
{
    struct config c = small();
    struct files f = files_share(&c, 2, 0);

    assert_int_equal(f.places, 1500);
    assert_string_equal(warning_of(&f, &c), "");
}

static void too_few_are_told_with_what_to_set(void **state)
{
    struct config c = small();
    struct files f = files_share(&c, 2, 1024);
    char wanted[80];

    snprintf(wanted, sizeof(wanted), "LimitNOFILE=%zu ", f.needed);
    assert_non_null(strstr(warning_of(&f, &c), wanted));
    assert_non_null(strstr(said, "ulimit -n is 1024"));
    assert_non_null(strstr(said, "connections_max = 1000"));
    assert_non_null(strstr(said, "sessions_max = 500"));
    /* In the log a value of more is cut. */
    c.limits.connections_max = c.limits.sessions_max = 1000000;
    f = files_share(&c, 32, 1999999);
    assert_in_range(strlen(warning_of(&f, &c)), 1, 256);
}

/* Whatever the limit: none is given twice, and some are left for servers. */
static void all_shares_fit_into_the_limit(void **state)
{
    struct config c = small();

    for (unsigned workers = 1; workers <= 8; workers *= 2)
        for (size_t limit = 1; limit < 3000; limit++) {
            struct files f = files_share(&c, workers, limit);

            assert_true(f.places <= 1500);
            if (!files_suffice(&f))
                continue;
            assert_true(f.places + workers * 3 < limit);
            assert_true(f.keep < f.places);
            assert_true(limit >= f.needed || f.keep > 0);
        }
}

static void no_more_is_put_aside_than_needed(void **state)
{
    struct config c = small();
    struct files f;

    c.limits.connections_max = 50000;
    c.limits.sessions_max = 20000;
    f = files_share(&c, 4, 20000);
    /* 9,000 WebSockets with their servers, as docs/performance.md has them. */
    assert_true(f.places - f.keep >= 18000);
}

static void a_handful_is_needed_to_start(void **state)
{
    struct config c = small();
    struct files f = files_share(&c, 1, 20);

    assert_false(files_suffice(&f));
    f = files_share(&c, 1, 64);
    assert_true(files_suffice(&f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(enough_is_enough),
        cmocka_unit_test(an_unknown_limit_is_none),
        cmocka_unit_test(too_few_are_told_with_what_to_set),
        cmocka_unit_test(all_shares_fit_into_the_limit),
        cmocka_unit_test(no_more_is_put_aside_than_needed),
        cmocka_unit_test(a_handful_is_needed_to_start),
    };

    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
