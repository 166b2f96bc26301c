/* Happy eyeballs (RFC 8305) and the time of each server, in virtual time. */
#include "upstream_world.h"

static struct fake_peer *at(size_t i)
{
    fake_loop_turn(w.loop);
    assert_true(i < fake_sock_connects());
    return fake_sock_connect_at(i);
}

static void answer_at(size_t i, bool is_accepted)
{
    fake_sock_answer(at(i), is_accepted);
    fake_loop_turn(w.loop);
}

/* So many connections are neither up nor over. */
static unsigned running(void)
{
    unsigned n = 0;

    for (size_t i = 0; i < fake_sock_connects(); i++)
        n += fake_sock_end(fake_sock_connect_at(i)) == FAKE_OPEN;
    return n;
}

/* K11: the Connection Attempt Delay, and the first success cancels the rest */
static void silent_addresses_are_not_waited_for(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK, "2001:db8::1,192.0.2.1,192.0.2.2");
    start(UPSTREAM_STARTTLS, "r", 1);
    assert_string_equal(connects(), "[2001:db8::1]:1");
    fake_loop_pass(w.loop, DELAY_MS - 1);
    assert_string_equal(connects(), "[2001:db8::1]:1");
    fake_loop_pass(w.loop, 1);
    assert_string_equal(connects(), "[2001:db8::1]:1 192.0.2.1:1");
    fake_loop_pass(w.loop, DELAY_MS);
    assert_int_equal(fake_sock_connects(), 3);
    assert_int_equal(running(), 3);
    answer_at(1, true);
    assert_string_equal(w.log, "ready");
    assert_int_equal(fake_sock_end(at(0)), FAKE_ABORTED);
    assert_int_equal(fake_sock_end(at(1)), FAKE_OPEN);
    assert_int_equal(fake_sock_end(at(2)), FAKE_ABORTED);
    fake_loop_pass(w.loop, ATTEMPT_MS * 2);
    assert_int_equal(fake_sock_connects(), 3);
    assert_string_equal(w.log, "ready");
    stop();
}

/* K11: a failure is no reason to wait */
static void a_failed_address_makes_room_at_once(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK, "192.0.2.1,192.0.2.2");
    start(UPSTREAM_STARTTLS, "r", 1);
    answer_at(0, false);
    assert_string_equal(connects(), "192.0.2.1:1 192.0.2.2:1");
    answer_at(1, false);
    assert_string_equal(w.log, "connect");
    stop();
}

/* K11: AAAA first, and the families take turns, in whatever order DNS has
 * them */
static void families_take_turns(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK,
                          "192.0.2.1,192.0.2.2,2001:db8::1,2001:db8::2,"
                          "2001:db8::3");
    start(UPSTREAM_STARTTLS, "r", 1);
    fake_loop_pass(w.loop, 4 * DELAY_MS);
    assert_string_equal(connects(),
                        "[2001:db8::1]:1 192.0.2.1:1 [2001:db8::2]:1 "
                        "192.0.2.2:1 [2001:db8::3]:1");
    stop();
}

/* K11: what DNS says later joins the race, at its turn */
static void a_late_family_joins(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK, "2001:db8::1,2001:db8::2");
    fake_resolve_set_more("r", "192.0.2.1", 100);
    start(UPSTREAM_STARTTLS, "r", 1);
    fake_loop_pass(w.loop, DELAY_MS);
    assert_string_equal(connects(), "[2001:db8::1]:1 192.0.2.1:1");
    fake_loop_pass(w.loop, DELAY_MS);
    assert_string_equal(connects(),
                        "[2001:db8::1]:1 192.0.2.1:1 [2001:db8::2]:1");
    stop();

    /* All that was there has failed: DNS is waited for, then it goes on. */
    fake_resolve_set_host("r", RESOLVE_OK, "2001:db8::1");
    fake_resolve_set_more("r", "192.0.2.1", 400);
    start(UPSTREAM_STARTTLS, "r", 1);
    answer_at(0, false);
    assert_string_equal(w.log, "");
    fake_loop_pass(w.loop, 399);
    assert_int_equal(fake_sock_connects(), 1);
    fake_loop_pass(w.loop, 1);
    assert_string_equal(connects(), "[2001:db8::1]:1 192.0.2.1:1");
    answer_at(1, true);
    assert_string_equal(w.log, "ready");
    stop();

    fake_resolve_set_host("r", RESOLVE_OK, "2001:db8::1");
    fake_resolve_set_more("r", NULL, 400);
    start(UPSTREAM_STARTTLS, "r", 1);
    answer_at(0, false);
    fake_loop_pass(w.loop, 399);
    assert_string_equal(w.log, "");
    fake_loop_pass(w.loop, 1);
    assert_string_equal(w.log, "connect");
    stop();
}

/* K12: what was cancelled was not found to be bad */
static void a_bad_winner_gives_the_others_their_turn(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK, "2001:db8::1,192.0.2.1");
    start(UPSTREAM_TLS, "r", 1);
    fake_loop_pass(w.loop, DELAY_MS);
    answer_at(1, true);
    assert_int_equal(fake_sock_end(at(0)), FAKE_ABORTED);
    fake_sock_secure(at(1), false);
    assert_string_equal(connects(),
                        "[2001:db8::1]:1 192.0.2.1:1 [2001:db8::1]:1");
    answer_at(2, true);
    fake_sock_secure(at(2), false);
    fake_loop_turn(w.loop);
    assert_string_equal(w.log, "tls");
    stop();
}

/* K12: only addresses of one target race */
static void targets_do_not_race(void **state)
{
    struct resolve_target t[] = {
        target("a.example", 5222, false),
        target("b.example", 5222, false),
    };

    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1,9.9.9.2");
    fake_resolve_set_host("b.example", RESOLVE_OK, "9.9.9.3");
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_pass(w.loop, DELAY_MS * 4);
    assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.2:5222");
    answer_at(0, false);
    assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.2:5222");
    answer_at(1, false);
    assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.2:5222 9.9.9.3:5222");
    stop();
}

/* K12, K45: a target has its own time, while another one is left */
static void the_time_of_a_target_is_bounded(void **state)
{
    struct resolve_target t[] = {
        target("a.example", 5222, false),
        target("slow.example", 5222, false),
        target("b.example", 5222, false),
    };

    w.target_ms = 1000;
    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1,9.9.9.2");
    fake_resolve_set_silent("slow.example"); /* a dead name server */
    fake_resolve_set_host("b.example", RESOLVE_OK, "9.9.9.3");
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_pass(w.loop, 999);
    assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.2:5222");
    fake_loop_pass(w.loop, 1);
    assert_int_equal(running(), 0);
    fake_loop_pass(w.loop, 999);
    assert_int_equal(fake_sock_connects(), 2);
    fake_loop_pass(w.loop, 1);
    assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.2:5222 9.9.9.3:5222");
    fake_loop_pass(w.loop, 2000); /* the last one may have what is left */
    answer_at(2, true);
    fake_loop_pass(w.loop, 2000);
    assert_string_equal(w.log, "ready");
    stop();
    w.target_ms = 0;
}

/* K12, K45: also when it accepts, and then says nothing */
static void a_mute_server_is_left_for_the_next(void **state)
{
    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1,9.9.9.2");
    fake_resolve_set_host("b.example", RESOLVE_OK, "9.9.9.3");

    for (int is_direct = 0; is_direct < 2; is_direct++) {
        struct resolve_target t[] = {
            target("a.example", 5222, is_direct),
            target("b.example", 5222, false),
        };

        w.target_ms = 1000;
        fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1,9.9.9.2");
        fake_resolve_set_host("b.example", RESOLVE_OK, "9.9.9.3");
        set_targets(t, COUNT_OF(t));
        start(UPSTREAM_STARTTLS, NULL, 0);
        answer_at(0, true);
        assert_string_equal(w.log, is_direct ? "" : "ready");
        fake_loop_pass(w.loop, 1000);
        assert_int_equal(fake_sock_end(at(0)), FAKE_ABORTED);
        if (!is_direct) {
            assert_string_equal(w.log, "ready timeout");
            assert_true(upstream_next_target(w.up, "late"));
        }
        assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.3:5222");
        stop();
    }
    w.target_ms = 0;
}

/* K09: routes are tried in their order, in the mode of the rule */
static void several_routes_are_tried_in_order(void **state)
{
    static char host[][10] = {"127.0.0.1", "b", "::1"};
    static struct domain_route routes[] = {
        {host[0], 1},
        {host[1], 2},
        {host[2], 3},
    };

    fake_resolve_set_host("b", RESOLVE_OK, "10.0.0.1");
    w.routes = routes;
    w.n_routes = COUNT_OF(routes);
    start(UPSTREAM_TLS, NULL, 0);
    answer_at(0, false);
    answer_at(1, true);
    fake_sock_secure(at(1), false);
    assert_string_equal(connects(), "127.0.0.1:1 10.0.0.1:2 [::1]:3");
    answer_at(2, true);
    fake_sock_secure(at(2), true);
    fake_loop_turn(w.loop);
    assert_string_equal(fake_sock_tls_domain(at(2)), "example.org");
    assert_string_equal(w.log, "ready(tls)");
    stop();
    w.n_routes = 0;
}

/* However many addresses a name has, few connections are begun at once. */
static void a_race_has_few_runners(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK,
                          "10.0.0.1,10.0.0.2,10.0.0.3,10.0.0.4,10.0.0.5,"
                          "10.0.0.6,10.0.0.7,10.0.0.8,10.0.0.9,10.0.0.10");
    start(UPSTREAM_STARTTLS, "r", 1);
    fake_loop_pass(w.loop, ATTEMPT_MS - 1);
    assert_int_equal(fake_sock_connects(), 8);
    fake_loop_pass(w.loop, ATTEMPT_MS);
    assert_int_equal(fake_sock_connects(), 10);
    fake_loop_pass(w.loop, ATTEMPT_MS);
    assert_string_equal(w.log, "timeout");
    stop();
}

static void the_owner_may_let_go_while_it_races(void **state)
{
    fake_resolve_set_host("r", RESOLVE_OK, "10.0.0.1,10.0.0.2,10.0.0.3");
    start(UPSTREAM_STARTTLS, "r", 1);
    fake_loop_pass(w.loop, 2 * DELAY_MS);
    assert_int_equal(running(), 3);
    upstream_abort(w.up);
    w.up = NULL;
    assert_int_equal(running(), 0);
    stop();

    fake_resolve_set_host("r", RESOLVE_OK, "10.0.0.1,10.0.0.2");
    start(UPSTREAM_STARTTLS, "r", 1);
    fake_loop_pass(w.loop, DELAY_MS);
    w.aborts = true;
    answer_at(1, true);
    assert_string_equal(w.log, "ready");
    stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_addresses_are_not_waited_for),
        cmocka_unit_test(a_failed_address_makes_room_at_once),
        cmocka_unit_test(families_take_turns),
        cmocka_unit_test(a_late_family_joins),
        cmocka_unit_test(a_bad_winner_gives_the_others_their_turn),
        cmocka_unit_test(targets_do_not_race),
        cmocka_unit_test(the_time_of_a_target_is_bounded),
        cmocka_unit_test(a_mute_server_is_left_for_the_next),
        cmocka_unit_test(several_routes_are_tried_in_order),
        cmocka_unit_test(a_race_has_few_runners),
        cmocka_unit_test(the_owner_may_let_go_while_it_races),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
