#include "upstream_world.h"

static bool redirect(const char *host)
{
    return upstream_redirect(w.up, slice_of(host));
}

/* Connected by a route, and ready for what the server says. */
static void start_routed(enum upstream_mode mode)
{
    start(mode, "127.0.0.1", 5222);
    answer(true);
    if (mode == UPSTREAM_TLS)
        secure(true);
}

/* K40: host, host:port and [v6]:port; the identity stays the domain's. */
static void a_host_is_followed_in_each_of_its_forms(void **state)
{
    static const struct {
        enum upstream_mode mode;
        const char *host;
        const char *to;
    } rows[] = {
        {UPSTREAM_STARTTLS, "9.9.9.9", "9.9.9.9:5222"},
        {UPSTREAM_STARTTLS, "9.9.9.9:443", "9.9.9.9:443"},
        {UPSTREAM_STARTTLS, "[2620:fe::9]:5222", "[2620:fe::9]:5222"},
        {UPSTREAM_STARTTLS, "[2620:fe::9]", "[2620:fe::9]:5222"},
        {UPSTREAM_STARTTLS, "2620:fe::9", "[2620:fe::9]:5222"},
        {UPSTREAM_STARTTLS, "S9.Example:5222", "9.9.9.7:5222"},
        {UPSTREAM_TLS, "9.9.9.9", "9.9.9.9:5223"},
        {UPSTREAM_TLS, "9.9.9.9:443", "9.9.9.9:443"},
        {UPSTREAM_PLAIN, "9.9.9.9:5222", "9.9.9.9:5222"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        fake_resolve_set_host("s9.example", RESOLVE_OK, "9.9.9.7");
        start_routed(rows[i].mode);
        if (!redirect(rows[i].host))
            fail_msg("%s was not followed", rows[i].host);
        assert_string_equal(connects() + strlen("127.0.0.1:5222 "), rows[i].to);
        assert_int_equal(fake_sock_end(fake_sock_connect_at(0)), FAKE_CLOSED);
        answer(true);
        assert_int_equal(upstream_mode(w.up), rows[i].mode);
        if (rows[i].mode == UPSTREAM_TLS) {
            assert_string_equal(fake_sock_tls_domain(server()), "example.org");
            assert_true(fake_sock_tls_verified(server()));
        }
        stop();
    }
}

/* K40: without a port another domain is looked up as a domain is; its records
 * are used only where the rule allows their kind, and no record at all means
 * its own addresses. */
static void another_domain_is_looked_up(void **state)
{
    struct resolve_target t[] = {
        target("b.example", 5223, true),
        target("a.example", 5222, false),
    };

    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1");
    fake_resolve_set_host("b.example", RESOLVE_OK, "9.9.9.2");
    fake_resolve_set_srv("other.example", RESOLVE_OK, t, 2);
    start_routed(UPSTREAM_PLAIN);
    assert_true(redirect("other.example"));
    assert_string_equal(connects(), "127.0.0.1:5222 9.9.9.1:5222");
    stop();

    fake_resolve_set_host("other.example", RESOLVE_OK, "9.9.9.3");
    start_routed(UPSTREAM_STARTTLS);
    assert_true(redirect("other.example"));
    assert_string_equal(connects(), "127.0.0.1:5222 9.9.9.3:5222");
    stop();

    fake_resolve_set_srv("other.example", RESOLVE_ABSENT, NULL, 0);
    start_routed(UPSTREAM_STARTTLS);
    assert_true(redirect("other.example"));
    assert_string_equal(connects(), "127.0.0.1:5222");
    assert_string_equal(w.log, "ready dns");
    stop();

    /* The domain itself: not its SRV records, which led here. */
    fake_resolve_set_host("example.org", RESOLVE_OK, "9.9.9.4");
    set_targets(t, 2);
    start_routed(UPSTREAM_STARTTLS);
    assert_true(redirect("example.org."));
    assert_string_equal(connects(), "127.0.0.1:5222 9.9.9.4:5222");
    stop();
}

/* K40, L50: what a server says opens no way into our own network, not even
 * where a route leads there; nor to a port that is not of XMPP. */
static void private_addresses_are_not_followed(void **state)
{
    static const char *const bad[] = {
        "127.0.0.1:5222",  "10.0.0.1",   "[::1]:5222",    "localhost:5222",
        "169.254.169.254", "9.9.9.9:22", "inner.example", "inner.example:5222",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        fake_resolve_set_host("localhost", RESOLVE_OK, "127.0.0.1,::1");
        fake_resolve_set_host("inner.example", RESOLVE_OK, "192.168.0.1");
        start_routed(UPSTREAM_STARTTLS);
        if (redirect(bad[i]))
            connects();
        if (fake_sock_connects() != 1)
            fail_msg("%s was followed", bad[i]);
        stop();
    }
}

/* K40 */
static void what_is_no_host_is_not_followed(void **state)
{
    static const char *const bad[] = {
        "",
        ":5222",
        "a.example:",
        "a.example:0",
        "a.example:99999",
        "a b",
        "a/b",
        "u@a.example",
        "[a.example]",
        "[2620:fe::9",
        "a..b",
        "http://a.example/",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        start_routed(UPSTREAM_STARTTLS);
        if (redirect(bad[i]))
            fail_msg("\"%s\" was followed", bad[i]);
        assert_int_equal(fake_sock_connects(), 1);
        stop();
    }
}

/* K40: three times; a circle of servers is left. */
static void a_circle_is_left(void **state)
{
    start_routed(UPSTREAM_STARTTLS);
    for (unsigned i = 0; i < 3; i++) {
        assert_true(redirect("9.9.9.9:5222"));
        answer(true);
    }
    assert_false(redirect("9.9.9.9:5222"));
    assert_int_equal(fake_sock_connects(), 4);
    stop();
}

/* K40, K45: the time is that of the whole search. */
static void redirects_do_not_buy_time(void **state)
{
    fake_resolve_set_silent("other.example");
    start_routed(UPSTREAM_STARTTLS);
    fake_loop_pass(w.loop, CONNECT_MS - 1000);
    assert_true(redirect("other.example"));
    fake_loop_pass(w.loop, 2000);
    assert_string_equal(w.log, "ready timeout");
    assert_false(redirect("9.9.9.9"));
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_host_is_followed_in_each_of_its_forms),
        cmocka_unit_test(another_domain_is_looked_up),
        cmocka_unit_test(private_addresses_are_not_followed),
        cmocka_unit_test(what_is_no_host_is_not_followed),
        cmocka_unit_test(a_circle_is_left),
        cmocka_unit_test(redirects_do_not_buy_time),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
