/* What becomes of the configuration of a domain. */
#include "app/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PROBLEMS_BYTES 4096

/* K09: DNS is asked for what stands there, and knows A-labels only. */
static void routes_may_be_international_names(void **state)
{
    static const char text[] =
        "domain a.example { mode = plain route = { 'B\u00fccher.example:1', "
        "'[2001:DB8::1]', 'Host_1.' } }";
    struct settings_domains d;
    const struct domain_rule *rule;
    struct config *c = NULL;
    struct buf problems;
    char why[256] = "";

    buf_init(&problems, PROBLEMS_BYTES);
    assert_int_equal(config_load_text(&c, "t.conf", slice_of(text), &problems),
                     ERR_OK);
    buf_free(&problems);
    assert_int_equal(settings_domains_new(&d, c, NULL, why, sizeof(why)),
                     ERR_OK);
    rule = domain_table_at(d.table, 0);
    assert_int_equal(rule->n_routes, 3);
    assert_string_equal(rule->routes[0].host, "xn--bcher-kva.example");
    assert_int_equal(rule->routes[0].port, 1);
    assert_string_equal(rule->routes[1].host, "2001:db8::1");
    assert_string_equal(rule->routes[2].host, "host_1");
    settings_domains_free(&d);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_may_be_international_names),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
