#include "session/admit.h"

#include "base/log.h"
#include "base/loop.h"
#include "session/session_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

struct world {
    struct loop *loop;
    struct domain_table *domains;
    struct session_host *host;
};

static void swallow(const char *line, size_t len)
{
    (void)line;
    (void)len;
}

static int set_up(void **state)
{
    struct domain_rule rule = {.mode = UPSTREAM_PLAIN};
    struct session_host_params params = {.node = "n"};
    struct world *w = calloc(1, sizeof(*w));

    assert_non_null(w);
    log_set_sink(swallow);
    assert_int_equal(loop_new(&w->loop), ERR_OK);
    assert_int_equal(domain_table_new(&w->domains), ERR_OK);
    rule.pattern = strdup("example.org");
    assert_int_equal(domain_rule_add_route(&rule, "127.0.0.1", 5222), ERR_OK);
    assert_int_equal(domain_table_add(w->domains, &rule), ERR_OK);
    params.env.loop = w->loop;
    params.domains = w->domains;
    params.settings.sessions_max = 3;
    assert_int_equal(session_host_new(&w->host, &params), ERR_OK);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    struct world *w = *state;

    session_host_free(w->host);
    domain_table_free(w->domains);
    loop_free(w->loop);
    log_set_sink(NULL);
    free(w);
    return 0;
}

static const struct domain_rule *ask(struct world *w, const char *to,
                                     enum err *err, enum session_end *why)
{
    struct addr client = {.len = 0};
    struct session_params params = {.to = slice_of(to), .client = &client};
    struct domain_name name;

    *err = ERR_OK;
    return admit_domain(w->host, &params, &name, err, why);
}

/* RFC 7622 section 3.2 */
static void addresses_are_domains_of_their_own(void **state)
{
    static const struct {
        const char *to;
        enum session_end why;
    } bad[] = {
        {"127.0.0.2", SESSION_END_HOST_UNKNOWN},
        {"1.2.3", SESSION_END_HOST_UNKNOWN},
        {"[::2]", SESSION_END_HOST_UNKNOWN},
        {"::1", SESSION_END_ADDRESSING},
        {"[::1", SESSION_END_ADDRESSING},
        {"[127.0.0.1]", SESSION_END_ADDRESSING},
        {"[::ffff:127.0.0.1]", SESSION_END_ADDRESSING},
        {"[::1%lo]", SESSION_END_ADDRESSING},
        {"127.0.0.1:5222", SESSION_END_ADDRESSING},
    };
    static const char *const good[] = {"127.0.0.1.", "[::1]", "[0:0::0001]"};
    struct world *w = *state;
    enum session_end why;
    enum err err;

    for (size_t i = 0; i < 2; i++) {
        struct domain_rule rule = {.mode = UPSTREAM_PLAIN};

        rule.pattern = strdup(i == 0 ? "127.0.0.1" : "[::1]");
        assert_int_equal(domain_rule_add_route(&rule, "127.0.0.1", 5222),
                         ERR_OK);
        assert_int_equal(domain_table_add(w->domains, &rule), ERR_OK);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_null(ask(w, bad[i].to, &err, &why));
        assert_int_equal(why, bad[i].why);
    }
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_non_null(ask(w, good[i], &err, &why));
}

/* A04, A05, A06; decisions 7, 15 */
static void only_served_domains_are_admitted(void **state)
{
    enum session_end why;
    enum err err;

    assert_non_null(ask(*state, "example.org", &err, &why));
    assert_non_null(ask(*state, "EXAMPLE.org.", &err, &why));
    assert_null(ask(*state, "evilexample.org", &err, &why));
    assert_int_equal(why, SESSION_END_HOST_UNKNOWN);
    assert_int_equal(err, ERR_INVALID);
    assert_null(ask(*state, "sub.example.org", &err, &why));
    assert_int_equal(why, SESSION_END_HOST_UNKNOWN);
    assert_null(ask(*state, "", &err, &why));
    assert_int_equal(why, SESSION_END_ADDRESSING);
    assert_null(ask(*state, "romeo@example.org", &err, &why));
    assert_int_equal(why, SESSION_END_ADDRESSING);
}

/* decision 9: a place is the admitted session's, and no refused one's. */
static void no_more_are_admitted_than_there_are_places(void **state)
{
    enum session_end why;
    enum err err;

    for (int i = 0; i < 3; i++) {
        assert_null(ask(*state, "evilexample.org", &err, &why));
        assert_non_null(ask(*state, "example.org", &err, &why));
    }
    assert_null(ask(*state, "example.org", &err, &why));
    assert_int_equal(why, SESSION_END_POLICY);
    assert_int_equal(err, ERR_LIMIT);
}

/* decisions 9, 19 */
static void nobody_is_admitted_while_draining(void **state)
{
    struct world *w = *state;
    enum session_end why;
    enum err err;

    session_host_drain(w->host);
    assert_null(ask(w, "example.org", &err, &why));
    assert_int_equal(why, SESSION_END_SHUTDOWN);
    assert_int_equal(err, ERR_CLOSED);
}

static bool from_passes(const char *from)
{
    struct domain_name name;

    assert_int_equal(domain_normalise(&name, SLICE("example.org")), ERR_OK);
    return admit_from(slice_of(from), &name).len > 0;
}

/* A16, L13 */
static void from_is_a_bare_address_of_the_domain(void **state)
{
    assert_true(from_passes("romeo@example.org"));
    assert_true(from_passes("romeo@Example.ORG"));
    assert_false(from_passes("example.org"));
    assert_false(from_passes("@example.org"));
    assert_false(from_passes("romeo@example.org/orchard"));
    assert_false(from_passes("romeo@example.net"));
    assert_false(from_passes("romeo@"));
    assert_false(from_passes(""));
}

/* A07 */
static void language_has_the_form_of_a_tag(void **state)
{
    assert_true(slice_is(admit_lang(SLICE("en")), "en"));
    assert_true(slice_is(admit_lang(SLICE("zh-Hant-TW")), "zh-Hant-TW"));
    assert_int_equal(admit_lang(SLICE("")).len, 0);
    assert_int_equal(admit_lang(SLICE("en' to='evil")).len, 0);
    assert_int_equal(admit_lang(SLICE("e\n")).len, 0);
    assert_int_equal(
        admit_lang(SLICE("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")).len, 0);
}

/* Decisions 16: whose sid is it?  Nothing is said about its existence. */
static void sid_names_its_node_and_worker(void **state)
{
    struct world *w = *state;

    assert_true(slice_is(session_host_sid_prefix(w->host), "n-0a"));
}

/* A04; decision 15 */
static void clients_that_name_no_domain_mean_the_default(void **state)
{
    struct world *w = *state;
    struct domain_rule rule = {.is_default = true};
    struct domain_name name;
    struct addr client = {.len = 0};
    struct session_params params = {.client = &client};
    enum session_end why;
    enum err err;

    assert_null(admit_domain(w->host, &params, &name, &err, &why));
    assert_int_equal(why, SESSION_END_ADDRESSING);
    rule.pattern = strdup("b\xc3\xbc"
                          "cher.example");
    assert_int_equal(domain_table_add(w->domains, &rule), ERR_OK);
    assert_non_null(admit_domain(w->host, &params, &name, &err, &why));
    assert_string_equal(name.ascii, "xn--bcher-kva.example");
    params.to = SLICE("other.example");
    assert_null(admit_domain(w->host, &params, &name, &err, &why));
    assert_int_equal(why, SESSION_END_HOST_UNKNOWN);
}

/* L50: route='xmpp:host:port', where it is heeded */
static void the_route_of_a_client_is_read(void **state)
{
    static const struct {
        const char *route;
        const char *host; /* NULL: none */
        uint16_t port;
    } rows[] = {
        {"xmpp:example.com:9999", "example.com", 9999},
        {"XMPP:Example.COM:5222", "example.com", 5222},
        {"xmpp:example.com", "example.com", 5222},
        {"xmpp:192.0.2.1:5222", "192.0.2.1", 5222},
        {"xmpp:[2001:db8::1]:443", "2001:db8::1", 443},
        {"xmpp:b\xc3\xbc"
         "cher.example:443",
         "xn--bcher-kva.example", 443},
        {"", NULL, 0},
        {"xmpp:", NULL, 0},
        {"xmpp::5222", NULL, 0},
        {"http:example.com:80", NULL, 0},
        {"example.com:5222", NULL, 0},
        {"xmpp:a b:5222", NULL, 0},
        {"xmpp:example.com:0", NULL, 0},
        {"xmpp:example.com:65536", NULL, 0},
        {"xmpp:example.com:5222:1", NULL, 0},
        {"xmpp:user@example.com:5222", NULL, 0},
    };
    struct domain_rule heeds = {.heeds_route = true};
    struct domain_rule ignores = {.heeds_route = false};
    char host[ADMIT_HOST_BYTES];
    char longest[400];
    uint16_t port;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        bool is_read =
            admit_route(slice_of(rows[i].route), &heeds, host, &port);

        if (is_read != (rows[i].host != NULL))
            fail_msg("%s", rows[i].route);
        if (is_read) {
            assert_string_equal(host, rows[i].host);
            assert_int_equal(port, rows[i].port);
        }
        assert_false(
            admit_route(slice_of(rows[i].route), &ignores, host, &port));
    }
    memset(longest, 'a', sizeof(longest));
    memcpy(longest, "xmpp:", 5);
    assert_false(admit_route((struct slice){longest, sizeof(longest)}, &heeds,
                             host, &port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(addresses_are_domains_of_their_own,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_served_domains_are_admitted,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(nobody_is_admitted_while_draining,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            clients_that_name_no_domain_mean_the_default, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            no_more_are_admitted_than_there_are_places, set_up, tear_down),
        cmocka_unit_test(from_is_a_bare_address_of_the_domain),
        cmocka_unit_test(the_route_of_a_client_is_read),
        cmocka_unit_test(language_has_the_form_of_a_tag),
        cmocka_unit_test_setup_teardown(sid_names_its_node_and_worker, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
