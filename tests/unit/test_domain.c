#include "upstream/domain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static enum err add(struct domain_table *t, const char *pattern,
                    const char *host)
{
    struct domain_rule rule;
    enum err err;

    memset(&rule, 0, sizeof(rule));
    rule.pattern = strdup(pattern);
    rule.host = host == NULL ? NULL : strdup(host);
    rule.port = 5222;
    rule.is_verified = true;
    err = domain_table_add(t, &rule);
    if (err != ERR_OK) {
        free(rule.pattern);
        free(rule.host);
    }
    return err;
}

static struct domain_table *table_of(const char *const *patterns, size_t n)
{
    struct domain_table *t = NULL;

    assert_int_equal(domain_table_new(&t), ERR_OK);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(add(t, patterns[i], NULL), ERR_OK);
    return t;
}

static const char *find(const struct domain_table *t, const char *text)
{
    struct domain_name name;
    const struct domain_rule *rule;

    assert_int_equal(domain_normalise(&name, slice_of(text)), ERR_OK);
    rule = domain_table_find(t, &name);
    return rule == NULL ? "-" : rule->pattern;
}

/* Decisions 15 */
static void the_closest_rule_wins(void **state)
{
    static const char *const patterns[] = {
        "*", ".example.org", "a.b.example.org", ".b.example.org", "example.org",
    };
    struct domain_table *t = table_of(patterns, COUNT_OF(patterns));

    assert_string_equal(find(t, "a.b.example.org"), "a.b.example.org");
    assert_string_equal(find(t, "c.b.example.org"), ".b.example.org");
    assert_string_equal(find(t, "d.c.b.example.org"), ".b.example.org");
    assert_string_equal(find(t, "b.example.org"), ".example.org");
    assert_string_equal(find(t, "EXAMPLE.org."), "example.org");
    assert_string_equal(find(t, "example.net"), "*");
    domain_table_free(t);
}

/* security.md 1.5 */
static void suffixes_end_at_a_label(void **state)
{
    static const char *const patterns[] = {".example.org"};
    struct domain_table *t = table_of(patterns, 1);

    assert_string_equal(find(t, "chat.example.org"), ".example.org");
    assert_string_equal(find(t, "evilexample.org"), "-");
    assert_string_equal(find(t, "example.org"), "-");
    assert_string_equal(find(t, "example.org.evil"), "-");
    assert_string_equal(find(t, "org"), "-");
    domain_table_free(t);
}

static void an_empty_table_serves_nobody(void **state)
{
    struct domain_table *t = table_of(NULL, 0);

    assert_string_equal(find(t, "example.org"), "-");
    assert_int_equal(domain_table_count(t), 0);
    domain_table_free(t);
    domain_table_free(NULL);
}

/* L50 */
static void addresses_need_a_route(void **state)
{
    static const char *const patterns[] = {"*", ".0.2.1"};
    struct domain_table *t;

    assert_int_equal(domain_table_new(&t), ERR_OK);
    assert_int_equal(add(t, "192.0.2.1", NULL), ERR_INVALID);
    domain_table_free(t);

    t = table_of(patterns, 1);
    assert_string_equal(find(t, "192.0.2.1"), "-");
    assert_string_equal(find(t, "[::1]"), "-");
    assert_int_equal(add(t, "192.0.2.7", "127.0.0.1"), ERR_OK);
    assert_string_equal(find(t, "192.0.2.7"), "192.0.2.7");
    domain_table_free(t);

    assert_int_equal(domain_table_new(&t), ERR_OK);
    assert_int_equal(add(t, "*", "127.0.0.1"), ERR_OK);
    assert_string_equal(find(t, "192.0.2.1"), "*");
    domain_table_free(t);
}

static void patterns_are_normalised_and_unique(void **state)
{
    struct domain_table *t = table_of(NULL, 0);

    assert_int_equal(add(t, "XN--bcher-kva.Example.", NULL), ERR_OK);
    assert_string_equal(find(t, "b\xc3\xbc"
                                "cher.example"),
                        "b\xc3\xbc"
                        "cher.example");
    assert_int_equal(add(t, "xn--bcher-kva.example", NULL), ERR_INVALID);
    assert_int_equal(add(t, "*", NULL), ERR_OK);
    assert_int_equal(add(t, "*", NULL), ERR_INVALID);
    assert_int_equal(add(t, "*.example.org", NULL), ERR_INVALID);
    assert_int_equal(add(t, "", NULL), ERR_INVALID);
    assert_int_equal(add(t, ".", NULL), ERR_INVALID);
    assert_int_equal(add(t, "..a", NULL), ERR_INVALID);
    assert_int_equal(domain_table_count(t), 2);
    assert_string_equal(domain_table_at(t, 1)->pattern, "*");
    domain_table_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_closest_rule_wins),
        cmocka_unit_test(suffixes_end_at_a_label),
        cmocka_unit_test(an_empty_table_serves_nobody),
        cmocka_unit_test(addresses_need_a_route),
        cmocka_unit_test(patterns_are_normalised_and_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
