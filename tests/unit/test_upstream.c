#include "upstream_world.h"

/* K09, K32 */
static void a_route_needs_no_srv_and_keeps_the_identity(void **state)
{
    fake_resolve_set_host("xmpp.example", RESOLVE_OK, "127.0.0.1");
    start(UPSTREAM_STARTTLS, "xmpp.example", 15222);
    assert_string_equal(connects(), "127.0.0.1:15222");
    assert_int_equal(fake_resolve_questions(), 1);
    answer(true);
    assert_string_equal(w.log, "ready");
    assert_int_equal(upstream_mode(w.up), UPSTREAM_STARTTLS);
    assert_int_equal(upstream_start_tls(w.up), ERR_OK);
    assert_int_equal(upstream_write(w.up, &SLICE("x"), 1), ERR_CLOSED);
    assert_string_equal(fake_sock_tls_domain(server()), "example.org");
    assert_true(fake_sock_tls_verified(server()));
    secure(true);
    assert_string_equal(w.log, "ready secured");
    stop();
}

/* K07 */
static void without_srv_records_the_domain_itself_is_tried(void **state)
{
    fake_resolve_set_host("example.org", RESOLVE_OK, "2620:fe::9,9.9.9.9");
    start(UPSTREAM_STARTTLS, NULL, 0);
    assert_string_equal(connects(), "[2620:fe::9]:5222");
    answer(false);
    answer(true);
    assert_string_equal(connects(), "[2620:fe::9]:5222 9.9.9.9:5222");
    assert_string_equal(w.log, "ready");
    stop();
}

/* K04, K06, K07, T35 */
static void other_srv_answers_allow_no_fallback(void **state)
{
    static const enum resolve_status bad[] = {RESOLVE_ABSENT, RESOLVE_FAILED};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        fake_resolve_set_host("example.org", RESOLVE_OK, "9.9.9.9");
        fake_resolve_set_srv("example.org", bad[i], NULL, 0);
        start(UPSTREAM_STARTTLS, NULL, 0);
        assert_string_equal(connects(), "");
        assert_string_equal(w.log, "dns");
        stop();
    }
}

/* K11, K12: all addresses of a target, then the next target */
static void addresses_and_targets_are_tried_in_order(void **state)
{
    struct resolve_target t[] = {
        target("a.example", 5222, false),
        target("gone.example", 5222, false),
        target("b.example", 443, true),
    };

    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1,9.9.9.2");
    fake_resolve_set_host("b.example", RESOLVE_OK, "9.9.9.3");
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_turn(w.loop);
    answer(false);
    fake_loop_pass(w.loop, ATTEMPT_MS + 1); /* the second is silent */
    assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.2:5222 9.9.9.3:443");
    answer(true);
    assert_string_equal(w.log, "");
    secure(true); /* K20: direct TLS, and nothing but */
    assert_string_equal(w.log, "ready(tls)");
    assert_int_equal(upstream_mode(w.up), UPSTREAM_TLS);
    stop();
}

/* L50, T30: each forbidden address, and no byte to any of them */
static void strangers_reach_only_public_addresses(void **state)
{
    static const char *const bad[] = {
        "127.0.0.1",
        "::1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::ffff:127.0.0.1",
        "64:ff9b::7f00:1",
        "2002:7f00:1::",
        "fe80::1",
        "fc00::1",
        "::",
        "192.0.2.1",
        "2001:db8::1",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        fake_resolve_set_host("example.org", RESOLVE_OK, bad[i]);
        start(UPSTREAM_STARTTLS, NULL, 0);
        if (connects()[0] != '\0')
            fail_msg("connected to %s", bad[i]);
        assert_string_equal(w.log, "refused-by-policy");
        stop();
    }
}

/* L50: targets are the attacker's choice, ports too */
static void strangers_reach_only_the_ports_of_xmpp(void **state)
{
    static const uint16_t bad[] = {22, 25, 80, 6379, 5269, 65535};
    static const uint16_t good[] = {5222, 5223, 443};

    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1");
    for (size_t i = 0; i < COUNT_OF(bad) + COUNT_OF(good); i++) {
        bool is_bad = i < COUNT_OF(bad);
        struct resolve_target t = target(
            "a.example", is_bad ? bad[i] : good[i - COUNT_OF(bad)], false);

        fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1");
        set_targets(&t, 1);
        start(UPSTREAM_STARTTLS, NULL, 0);
        assert_int_equal(connects()[0] == '\0', is_bad);
        assert_string_equal(w.log, is_bad ? "refused-by-policy" : "");
        stop();
    }
}

/* K21 */
static void the_mode_of_the_rule_chooses_the_targets(void **state)
{
    struct resolve_target t[] = {
        target("a.example", 5222, false),
        target("b.example", 5223, true),
    };

    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1");
    fake_resolve_set_host("b.example", RESOLVE_OK, "9.9.9.2");
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_TLS, NULL, 0);
    assert_string_equal(connects(), "9.9.9.2:5223");
    stop();

    fake_resolve_set_host("b.example", RESOLVE_OK, "9.9.9.2");
    set_targets(&t[1], 1);
    start(UPSTREAM_PLAIN, NULL, 0);
    assert_string_equal(connects(), "");
    assert_string_equal(w.log, "dns");
    stop();
}

/* K12, K29: never weaker */
static void a_refused_certificate_leads_to_the_next_server(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK, "127.0.0.1,127.0.0.2");
    start(UPSTREAM_TLS, "r", 5223);
    answer(true);
    secure(false);
    assert_string_equal(connects(), "127.0.0.1:5223 127.0.0.2:5223");
    assert_string_equal(w.log, "");
    answer(true);
    secure(false);
    assert_string_equal(w.log, "tls");
    assert_non_null(strstr(w.lines, "certificate refused"));
    assert_false(upstream_next_target(w.up, "none"));
    stop();
}

static void the_owner_asks_for_the_next_server(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK, "127.0.0.1,127.0.0.2");
    start(UPSTREAM_STARTTLS, "r", 5222);
    answer(true);
    assert_int_equal(upstream_write(w.up, &SLICE("bye"), 1), ERR_OK);
    assert_true(upstream_next_target(w.up, "no header"));
    assert_int_equal(fake_sock_end(fake_sock_connect_at(0)), FAKE_CLOSED);
    answer(true);
    assert_string_equal(w.log, "ready ready");
    assert_int_equal(upstream_start_tls(w.up), ERR_OK);
    secure(false); /* STARTTLS: the owner hears of it */
    assert_string_equal(w.log, "ready ready tls");
    assert_string_equal(w.lines, "");
    assert_false(upstream_next_target(w.up, "tls"));
    assert_non_null(strstr(w.lines, "upstream.failed"));
    stop();
}

/* K45: whoever answers slowly, the budget is one */
static void the_budget_covers_everything_until_settled(void **state)
{
    fake_resolve_set_silent("example.org");
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_pass(w.loop, CONNECT_MS - 1);
    assert_string_equal(w.log, "");
    fake_loop_pass(w.loop, 2);
    assert_string_equal(w.log, "timeout");
    stop();

    start(UPSTREAM_STARTTLS, "127.0.0.1", 5222);
    answer(true);
    fake_loop_pass(w.loop, CONNECT_MS + 1);
    assert_string_equal(w.log, "ready timeout");
    assert_false(upstream_next_target(w.up, "late"));
    stop();

    start(UPSTREAM_STARTTLS, "127.0.0.1", 5222);
    answer(true);
    upstream_settle(w.up);
    fake_loop_pass(w.loop, CONNECT_MS * 10);
    assert_string_equal(w.log, "ready");
    stop();
}

static void loss_and_end_are_told_apart(void **state)
{
    start(UPSTREAM_PLAIN, "127.0.0.1", 5222);
    answer(true);
    upstream_settle(w.up);
    fake_sock_deliver(server(), "hello", 5);
    fake_sock_eof(server());
    fake_loop_turn(w.loop);
    assert_string_equal(w.log, "ready hello eof");
    stop();

    start(UPSTREAM_PLAIN, "127.0.0.1", 5222);
    answer(true);
    upstream_settle(w.up);
    fake_sock_lost(server(), SOCK_RESET);
    fake_loop_turn(w.loop);
    assert_string_equal(w.log, "ready lost");
    assert_int_equal(upstream_write(w.up, &SLICE("x"), 1), ERR_CLOSED);
    stop();
}

/* What was queued was not read, so nothing can answer it yet. */
static void tls_does_not_begin_while_bytes_are_queued(void **state)
{
    char text[64];

    start(UPSTREAM_STARTTLS, "127.0.0.1", 5222);
    assert_string_equal(upstream_describe(w.up, text, sizeof(text)), "");
    assert_int_equal(upstream_start_tls(w.up), ERR_CLOSED);
    answer(true);
    assert_string_equal(upstream_describe(w.up, text, sizeof(text)),
                        "127.0.0.1:5222 none");
    fake_sock_take(server(), 0);
    assert_int_equal(upstream_write(w.up, &SLICE("x"), 1), ERR_OK);
    assert_int_equal(upstream_start_tls(w.up), ERR_INVALID);
    stop();
}

static void the_owner_may_let_go_in_any_callback(void **state)
{
    start(UPSTREAM_STARTTLS, "127.0.0.1", 5222);
    w.aborts = true;
    answer(true);
    assert_string_equal(w.log, "ready");
    stop();

    start(UPSTREAM_STARTTLS, "127.0.0.1", 5222);
    w.aborts = true;
    answer(false);
    assert_string_equal(w.log, "connect");
    stop();

    start(UPSTREAM_STARTTLS, "127.0.0.1", 5222);
    answer(true);
    assert_int_equal(upstream_start_tls(w.up), ERR_OK);
    w.aborts = true;
    secure(true);
    assert_string_equal(w.log, "ready secured");
    stop();

    start(UPSTREAM_PLAIN, "127.0.0.1", 5222);
    answer(true);
    w.aborts = true;
    fake_sock_deliver(server(), "x", 1);
    fake_loop_turn(w.loop);
    assert_string_equal(w.log, "ready x");
    stop();

    fake_resolve_set_silent("example.org"); /* and while DNS is asked */
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_turn(w.loop);
    stop();
}

/* One line says why, and repetitions are left out. */
static void failure_is_logged_once_and_within_limits(void **state)
{
    for (unsigned i = 0; i < 30; i++) {
        w.start_ms = 10000000;
        start(UPSTREAM_STARTTLS, "127.0.0.1", 1);
        answer(false);
        assert_string_equal(w.log, "connect");
        if (strstr(w.lines, "upstream.failed") == NULL) {
            stop();
            return;
        }
        stop();
    }
    fail_msg("thirty lines at one instant");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_route_needs_no_srv_and_keeps_the_identity),
        cmocka_unit_test(without_srv_records_the_domain_itself_is_tried),
        cmocka_unit_test(other_srv_answers_allow_no_fallback),
        cmocka_unit_test(addresses_and_targets_are_tried_in_order),
        cmocka_unit_test(strangers_reach_only_public_addresses),
        cmocka_unit_test(strangers_reach_only_the_ports_of_xmpp),
        cmocka_unit_test(the_mode_of_the_rule_chooses_the_targets),
        cmocka_unit_test(a_refused_certificate_leads_to_the_next_server),
        cmocka_unit_test(the_owner_asks_for_the_next_server),
        cmocka_unit_test(the_budget_covers_everything_until_settled),
        cmocka_unit_test(loss_and_end_are_told_apart),
        cmocka_unit_test(tls_does_not_begin_while_bytes_are_queued),
        cmocka_unit_test(the_owner_may_let_go_in_any_callback),
        cmocka_unit_test(failure_is_logged_once_and_within_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
