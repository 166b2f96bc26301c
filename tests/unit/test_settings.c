/* What becomes of the configuration. */
#include "app/settings.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define PROBLEMS_BYTES 4096

static struct config *load(const char *text)
{
    struct config *c = NULL;
    struct buf problems;

    buf_init(&problems, PROBLEMS_BYTES);
    assert_int_equal(config_load_text(&c, "t.conf", slice_of(text), &problems),
                     ERR_OK);
    buf_free(&problems);
    return c;
}

/* K09: DNS is asked for what stands there, and knows A-labels only. */
static void routes_may_be_international_names(void **state)
{
    static const char text[] =
        "domain a.example { mode = plain route = { 'B\u00fccher.example:1', "
        "'[2001:DB8::1]', 'Host_1.' } }";
    struct settings_domains d;
    const struct domain_rule *rule;
    struct config *c = load(text);
    char why[256] = "";

    assert_int_equal(settings_domains_new(&d, c, &(struct settings_tls){0}, why,
                                          sizeof(why)),
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

/* L11: half of limits.queue_max stops the server, whatever the transport. */
static void slow_websockets_hold_no_more_than_bosh(void **state)
{
    struct config *c =
        load("limits { queue_max = 600k } http { queue_max = 4M }");
    struct sock_limits limits = settings_websocket_sock(c);

    assert_int_equal(limits.high_bytes, 300 * 1024);
    assert_int_equal(limits.low_bytes, 150 * 1024);
    assert_int_equal(limits.queue_max_bytes, 4 << 20);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(routes_may_be_international_names),
        cmocka_unit_test(slow_websockets_hold_no_more_than_bosh),
    };

    return cmocka_run_group_tests_name("settings", tests, NULL, NULL);
}
