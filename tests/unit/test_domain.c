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
    if (host != NULL)
        assert_int_equal(domain_rule_add_route(&rule, host, 5222), ERR_OK);
    rule.is_verified = true;
    err = domain_table_add(t, &rule);
    if (err != ERR_OK) {
        domain_rule_fini(&rule);
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

static enum err add_flagged(struct domain_table *t, const char *pattern,
                            bool is_denied, bool is_default)
{
    struct domain_rule rule = {.is_denied = is_denied,
                               .is_default = is_default};
    enum err err;

    rule.pattern = strdup(pattern);
    err = domain_table_add(t, &rule);
    if (err != ERR_OK)
        domain_rule_fini(&rule);
    return err;
}

/* L50: a denial counts at its own length, on label boundaries. */
static void denied_domains_are_exceptions(void **state)
{
    static const char *const patterns[] = {"*", ".good.evil.example"};
    struct domain_table *t = table_of(patterns, COUNT_OF(patterns));

    assert_int_equal(add_flagged(t, ".evil.example", true, false), ERR_OK);
    assert_int_equal(add_flagged(t, "bad.example", true, false), ERR_OK);
    assert_int_equal(add_flagged(t, "192.0.2.1", true, false), ERR_OK);
    assert_string_equal(find(t, "a.evil.example"), "-");
    assert_string_equal(find(t, "A.EVIL.example."), "-");
    assert_string_equal(find(t, "b.a.evil.example"), "-");
    assert_string_equal(find(t, "a.good.evil.example"), ".good.evil.example");
    assert_string_equal(find(t, "evil.example"), "*");
    assert_string_equal(find(t, "notevil.example"), "*");
    assert_string_equal(find(t, "bad.example"), "-");
    assert_string_equal(find(t, "not.bad.example"), "*");
    assert_string_equal(find(t, "192.0.2.1"), "-");
    domain_table_free(t);
}

/* Decisions 15 */
static void one_exact_domain_is_the_default(void **state)
{
    struct domain_table *t = table_of(NULL, 0);

    assert_null(domain_table_default(t));
    assert_int_equal(add_flagged(t, "*", false, true), ERR_INVALID);
    assert_int_equal(add_flagged(t, ".example.org", false, true), ERR_INVALID);
    assert_int_equal(add_flagged(t, "a.example", true, true), ERR_INVALID);
    assert_int_equal(add_flagged(t, "Example.ORG", false, true), ERR_OK);
    assert_int_equal(add_flagged(t, "b.example", false, true), ERR_INVALID);
    assert_string_equal(domain_table_default(t)->pattern, "example.org");
    domain_table_free(t);
}

static void only_whole_domains_are_exact(void **state)
{
    static const char *const patterns[] = {"a.example", "*", ".b.example"};
    struct domain_table *t = table_of(patterns, COUNT_OF(patterns));

    for (size_t i = 0; i < COUNT_OF(patterns); i++)
        assert_int_equal(domain_table_at(t, i)->is_exact, i == 0);
    domain_table_free(t);
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

/* L50 */
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

/* RFC 7622 section 3.2: addresses are domains.  Without a route they are what
 * DNS would name. */
static void addresses_may_be_domains(void **state)
{
    static const char *const patterns[] = {"*", "9.9.9.9", "[2620:fe::fe]"};
    struct domain_table *t = table_of(patterns, COUNT_OF(patterns));
    struct domain_rule rule = {.allows_private = true};

    rule.pattern = strdup("[::1]");
    assert_int_equal(domain_table_add(t, &rule), ERR_OK);
    assert_int_equal(add(t, "127.0.0.1", "127.0.0.1"), ERR_OK);
    assert_int_equal(add(t, "[0:0:0:0:0:0:0:1]", "x.example"), ERR_INVALID);
    assert_int_equal(add(t, "[2620:FE:0::FE]", NULL), ERR_INVALID);
    assert_int_equal(add(t, "[fe80::1]", NULL), ERR_INVALID);
    assert_int_equal(add(t, ".127.0.0.1", "x.example"), ERR_INVALID);

    assert_string_equal(find(t, "9.9.9.9"), "9.9.9.9");
    assert_string_equal(find(t, "[2620:00fe:0000::00FE]"), "[2620:fe::fe]");
    assert_string_equal(find(t, "[0::1]"), "[::1]");
    assert_string_equal(find(t, "127.0.0.1."), "127.0.0.1");
    /* "*" is any name and any address that DNS might name. */
    assert_string_equal(find(t, "1.1.1.1"), "*");
    assert_string_equal(find(t, "[2620:fe::9]"), "*");
    assert_string_equal(find(t, "127.0.0.2"), "-");
    assert_string_equal(find(t, "[fe80::1]"), "-");
    assert_string_equal(find(t, "[64:ff9b::7f00:1]"), "-");
    /* Malformed addresses are no names. */
    assert_string_equal(find(t, "1.2.3"), "-");
    assert_string_equal(find(t, "256.1.1.1"), "-");
    assert_string_equal(find(t, "1.1.1.1.1"), "-");
    assert_string_equal(find(t, "0x7f.1"), "-");
    assert_string_equal(find(t, "1.example"), "*");
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
        cmocka_unit_test(only_whole_domains_are_exact),
        cmocka_unit_test(the_closest_rule_wins),
        cmocka_unit_test(denied_domains_are_exceptions),
        cmocka_unit_test(one_exact_domain_is_the_default),
        cmocka_unit_test(suffixes_end_at_a_label),
        cmocka_unit_test(an_empty_table_serves_nobody),
        cmocka_unit_test(addresses_need_a_route),
        cmocka_unit_test(addresses_may_be_domains),
        cmocka_unit_test(patterns_are_normalised_and_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
