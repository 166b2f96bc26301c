/* Who may go where, from DNS to the socket, and what servers are told. */
#include "upstream_world.h"

#include "upstream/connect_limit.h"
#include "upstream/target_history.h"
#include "upstream/address_policy.h"

static const char *const forbidden[] = {
    "127.0.0.1",
    "127.8.8.8",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "0.0.0.0",
    "0.0.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::7f00:1",
    "64:ff9b:1::a00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "2001:0:4136:e378:8000:63bf:80ff:fffe", /* Teredo */
    "2a00:1::5efe:10.0.0.1",                /* ISATAP */
    "2a00:1::200:5efe:7f00:1",
    "fe80::1",
    "fec0::1",
    "fc00::1",
    "fd12:3456::1",
    "ff02::1",
    "100::1",
    "2001:db8::1",
};

static void assert_refused(const char *address)
{
    if (connects()[0] != '\0')
        fail_msg("connected to %s", address);
    assert_string_equal(w.log, "refused-by-policy");
    stop();
}

/* L50, T30: by A and AAAA of the domain, which a CNAME is, too */
static void addresses_of_the_domain_are_vetted(void **state)
{
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        fake_resolve_set_host("example.org", RESOLVE_OK, forbidden[i]);
        start(UPSTREAM_STARTTLS, NULL, 0);
        assert_refused(forbidden[i]);
    }
}

/* L50, T30: by SRV, both services */
static void addresses_of_targets_are_vetted(void **state)
{
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        struct resolve_target t = target("a.example", 5222, i % 2 == 0);

        fake_resolve_set_host("a.example", RESOLVE_OK, forbidden[i]);
        set_targets(&t, 1);
        start(UPSTREAM_STARTTLS, NULL, 0);
        assert_refused(forbidden[i]);
    }
}

/* L50, T30: a literal as target, without DNS */
static void targets_that_are_addresses_are_vetted(void **state)
{
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        struct resolve_target t = target(forbidden[i], 5222, false);

        set_targets(&t, 1);
        start(UPSTREAM_STARTTLS, NULL, 0);
        assert_refused(forbidden[i]);
    }
}

/* L50, T30: `route` of XEP-0124, by address and by name */
static void servers_that_clients_name_are_vetted(void **state)
{
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        w.asked = forbidden[i];
        start(UPSTREAM_STARTTLS, NULL, 0);
        assert_refused(forbidden[i]);

        w.asked = "a.example";
        fake_resolve_set_host("a.example", RESOLVE_OK, forbidden[i]);
        start(UPSTREAM_STARTTLS, NULL, 0);
        assert_refused(forbidden[i]);
    }
    w.asked = NULL;
}

/* L50: <see-other-host/>, also from a server that a route led to */
static void servers_that_servers_name_are_vetted(void **state)
{
    for (size_t i = 0; i < COUNT_OF(forbidden); i++) {
        char text[64];

        snprintf(text, sizeof(text), "[%s]:5222", forbidden[i]);
        if (strchr(forbidden[i], ':') == NULL)
            snprintf(text, sizeof(text), "%s:5222", forbidden[i]);
        start(UPSTREAM_STARTTLS, "10.0.0.1", 5222);
        answer(true);
        if (upstream_redirect(w.up, slice_of(text)))
            fake_loop_turn(w.loop);
        if (fake_sock_connects() != 1)
            fail_msg("connected to %s", text);
        stop();
    }
}

/* L50: what was public when it was looked up may be private later; only the
 * address at hand counts, and each one by itself */
static void a_name_that_changes_gains_nothing(void **state)
{
    struct resolve_target t[] = {
        target("a.example", 5222, false),
        target("a.example", 5222, false),
    };

    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1,127.0.0.1,::1");
    fake_resolve_set_more("a.example", "10.0.0.1,9.9.9.2", 10);
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_pass(w.loop, 20);
    fake_resolve_set_host("a.example", RESOLVE_OK, "127.0.0.1");
    answer(false);
    answer(false);
    assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.2:5222");
    assert_string_equal(w.log, "refused-by-policy");
    stop();
}

/* L50 */
static void policy_of_the_worker_is_asked(void **state)
{
    static const uint16_t ports[] = {15222};
    struct address_policy policy = {.ports = ports, .n_ports = 1};
    struct resolve_target t[] = {
        target("9.9.9.9", 5222, false),
        target("9.9.9.8", 15222, false),
    };

    w.shared.policy = &policy;
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    assert_string_equal(connects(), "9.9.9.8:15222");
    stop();
    w.shared.policy = NULL;
}

/* L50 */
static void a_site_may_have_private_servers(void **state)
{
    struct resolve_target t = target("a.example", 5222, false);

    w.allows_private = true;
    fake_resolve_set_host("a.example", RESOLVE_OK, "169.254.1.1,10.0.0.1");
    set_targets(&t, 1);
    start(UPSTREAM_STARTTLS, NULL, 0);
    assert_string_equal(connects(), "10.0.0.1:5222");
    stop();
    w.allows_private = false;
}

/* A24, K09, K32: the client chooses the server, never the identity */
static void a_route_of_the_client_keeps_the_identity(void **state)
{
    fake_resolve_set_host("other.example", RESOLVE_OK, "9.9.9.9");
    w.asked = "other.example";
    start(UPSTREAM_STARTTLS, NULL, 0);
    answer(true);
    assert_int_equal(upstream_start_tls(w.up), ERR_OK);
    assert_string_equal(connects(), "9.9.9.9:5222");
    assert_string_equal(fake_sock_tls_domain(server()), "example.org");
    assert_true(fake_sock_tls_verified(server()));
    stop();

    start(UPSTREAM_STARTTLS, "10.0.0.1", 1); /* a configured one counts more */
    assert_string_equal(connects(), "10.0.0.1:1");
    stop();
    w.asked = NULL;
}

/* RFC 7622 section 3.2, L50: such a domain is its own server. */
static void a_domain_may_be_an_address(void **state)
{
    static const struct {
        const char *name;
        bool allows_private;
        enum upstream_mode mode;
        const char *connects;
        const char *log;
    } cases[] = {
        {"9.9.9.9", false, UPSTREAM_STARTTLS, "9.9.9.9:5222", ""},
        {"[2620:FE::0:9]", false, UPSTREAM_TLS, "[2620:fe::9]:5223", ""},
        {"127.0.0.1", true, UPSTREAM_PLAIN, "127.0.0.1:5222", ""},
        {"[::1]", true, UPSTREAM_STARTTLS, "[::1]:5222", ""},
        {"127.0.0.1", false, UPSTREAM_PLAIN, "", "refused-by-policy"},
        {"169.254.169.254", true, UPSTREAM_PLAIN, "", "refused-by-policy"},
        {"[fe80::1]", true, UPSTREAM_PLAIN, "", "refused-by-policy"},
    };

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        w.name = cases[i].name;
        w.allows_private = cases[i].allows_private;
        start(cases[i].mode, NULL, 0);
        assert_string_equal(connects(), cases[i].connects);
        assert_string_equal(w.log, cases[i].log);
        /* No name is asked for but the address itself. */
        assert_true(fake_resolve_questions() <= 1);
        stop();
    }
    w.name = "127.0.0.1"; /* where it has a route, there */
    w.allows_private = false;
    start(UPSTREAM_STARTTLS, "10.0.0.1", 1);
    assert_string_equal(connects(), "10.0.0.1:1");
    answer(true);
    assert_int_equal(upstream_start_tls(w.up), ERR_OK);
    assert_string_equal(fake_sock_tls_domain(server()), "127.0.0.1");
    stop();
    w.name = NULL;
}

static void assert_written(const char *at, size_t len)
{
    struct buf *written = fake_sock_written(server());

    assert_int_equal(written->len, len);
    assert_memory_equal(buf_at(written), at, len);
}

static void start_to_targets(bool is_exact, const char *asked_host)
{
    struct resolve_target t[] = {target("a.example", 5222, false)};

    fake_resolve_set_host("a.example", RESOLVE_OK, "9.9.9.1");
    set_targets(t, COUNT_OF(t));
    w.is_exact = is_exact;
    w.asked = asked_host;
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_turn(w.loop);
    w.is_exact = false;
    w.asked = NULL;
}

/* K13: whom each question counts for, and whether clients chose the name. */
static void questions_count_for_their_client(void **state)
{
    struct addr client;

    assert_int_equal(addr_parse_ip(&client, "192.0.2.7", 4711), ERR_OK);
    w.client = &client;
    start_to_targets(true, NULL);
    assert_string_equal(fake_resolve_asked(),
                        "example.org 192.0.2.7 configured, "
                        "a.example 192.0.2.7 configured");
    stop();

    start_to_targets(false, NULL);
    assert_string_equal(fake_resolve_asked(), "example.org 192.0.2.7 open, "
                                              "a.example 192.0.2.7 open");
    stop();

    /* The client's `route`, to a domain of the configuration. */
    start_to_targets(true, "a.example");
    assert_string_equal(fake_resolve_asked(), "a.example 192.0.2.7 open");
    stop();

    w.client = NULL;
    start_to_targets(false, NULL);
    assert_string_equal(fake_resolve_asked(),
                        "example.org - open, a.example - open");
    stop();
}

/* Where a server sends us is not the configuration's word, unless the server's
 * domain is. */
static void routes_are_configured_names_and_redirects_are_not(void **state)
{
    for (size_t i = 0; i < 2; i++) {
        w.is_exact = i == 1;
        fake_resolve_set_host("r.example", RESOLVE_OK, "9.9.9.1");
        start(UPSTREAM_STARTTLS, "r.example", 5222);
        answer(true);
        assert_true(upstream_redirect(w.up, SLICE("b.example")));
        fake_loop_turn(w.loop);
        assert_string_equal(fake_resolve_asked(),
                            w.is_exact ? "r.example - configured, "
                                         "b.example - configured, "
                                         "b.example - configured"
                                       : "r.example - configured, "
                                         "b.example - open, "
                                         "b.example - open");
        stop();
    }
    w.is_exact = false;
}

/* K54: before TLS and before the stream header */
static void servers_are_told_of_the_client_first(void **state)
{
    static const char line[] = "PROXY TCP4 192.0.2.7 127.0.0.1 4711 5222\r\n";
    static const char binary[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0C\xC0\0\2\7"
                                 "\x7F\0\0\1\x12\x67\x14\x66";
    struct addr client;

    assert_int_equal(addr_parse_ip(&client, "192.0.2.7", 4711), ERR_OK);
    w.client = &client;
    w.proxy = PROXY_V1;
    start(UPSTREAM_TLS, "127.0.0.1", 5222);
    fake_sock_answer(server(), true);
    fake_loop_turn(w.loop);
    assert_written(line, sizeof(line) - 1);
    assert_true(fake_sock_is_securing(server()));
    stop();

    w.proxy = PROXY_V2;
    start(UPSTREAM_STARTTLS, "127.0.0.1", 5222);
    answer(true);
    assert_written(binary, sizeof(binary) - 1);
    assert_int_equal(upstream_start_tls(w.up), ERR_OK);
    stop();

    w.client = NULL;
    w.proxy = PROXY_V1;
    start(UPSTREAM_PLAIN, "127.0.0.1", 5222);
    answer(true);
    assert_written("PROXY UNKNOWN\r\n", 15);
    stop();

    w.proxy = PROXY_NONE;
    start(UPSTREAM_PLAIN, "127.0.0.1", 5222);
    answer(true);
    assert_written("", 0);
    stop();
}

static void on_turn(void *arg)
{
    (void)arg;
}

/* A ticket of somebody else takes the only place of the network 9.9.9.0, of
 * so many in all. */
static struct connect_limit *full_connect_limit(
    struct loop *loop, struct connect_limit_ticket *other, unsigned all)
{
    struct connect_limit_limits limits = {all, 1, 9, 1};
    struct connect_limit *connect_limit = NULL;
    struct addr to;

    assert_int_equal(addr_parse_ip(&to, "9.9.9.200", 1), ERR_OK);
    assert_int_equal(connect_limit_new(&connect_limit, loop, &limits), ERR_OK);
    memset(other, 0, sizeof(*other));
    assert_int_equal(
        connect_limit_enter(connect_limit, other,
                            &(struct connect_limit_visit){.to = &to}, on_turn,
                            NULL),
        CONNECT_LIMIT_OPEN);
    return connect_limit;
}

/* L50: a wait, then the turn; and the place is kept until settled */
static void connections_to_a_full_network_wait(void **state)
{
    struct loop *loop;
    struct connect_limit_ticket other;
    struct connect_limit_ticket late;
    struct connect_limit *connect_limit;
    struct addr to;

    memset(&late, 0, sizeof(late));
    assert_int_equal(loop_new(&loop), ERR_OK);
    connect_limit = full_connect_limit(loop, &other, 9);
    w.shared.connect_limit = connect_limit;
    assert_int_equal(addr_parse_ip(&to, "9.9.9.99", 1), ERR_OK);
    fake_resolve_set_host("example.org", RESOLVE_OK, "9.9.9.1,9.9.9.2");
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_pass(w.loop, 1000);
    assert_string_equal(connects(), "");
    assert_string_equal(w.log, "");
    connect_limit_leave(&other);
    fake_loop_turn(loop); /* the connect_limit is on a loop of its own here */
    assert_string_equal(connects(), "9.9.9.1:5222");
    answer(true);
    assert_string_equal(w.log, "ready");
    assert_int_equal(
        connect_limit_enter(connect_limit, &late,
                            &(struct connect_limit_visit){.to = &to}, on_turn,
                            NULL),
        CONNECT_LIMIT_WAIT);
    connect_limit_leave(&late);
    upstream_settle(w.up);
    assert_int_equal(
        connect_limit_enter(connect_limit, &late,
                            &(struct connect_limit_visit){.to = &to}, on_turn,
                            NULL),
        CONNECT_LIMIT_OPEN);
    stop();
    connect_limit_leave(&late);
    connect_limit_free(connect_limit);
    loop_free(loop);
    w.shared.connect_limit = NULL;
}

/* L50: who waits too long, lets go, or finds no place to wait */
static void waiting_has_an_end(void **state)
{
    struct loop *loop;
    struct connect_limit_ticket other;
    struct connect_limit_ticket waiting;
    struct connect_limit *connect_limit;
    struct addr to;

    memset(&waiting, 0, sizeof(waiting));
    assert_int_equal(loop_new(&loop), ERR_OK);
    connect_limit = full_connect_limit(loop, &other, 1);
    w.shared.connect_limit = connect_limit;
    start(UPSTREAM_STARTTLS, "9.9.9.1", 5222);
    fake_loop_pass(w.loop, CONNECT_MS + 1);
    assert_string_equal(w.log, "too-many-connects");
    stop();

    start(UPSTREAM_STARTTLS, "9.9.9.1", 5222);
    fake_loop_turn(w.loop);
    stop();

    assert_int_equal(addr_parse_ip(&to, "9.9.9.99", 1), ERR_OK);
    assert_int_equal(
        connect_limit_enter(connect_limit, &waiting,
                            &(struct connect_limit_visit){.to = &to}, on_turn,
                            NULL),
        CONNECT_LIMIT_WAIT);
    start(UPSTREAM_STARTTLS, "9.9.9.1", 5222);
    fake_loop_turn(w.loop);
    assert_string_equal(w.log, "too-many-connects");
    stop();
    connect_limit_leave(&waiting);
    connect_limit_leave(&other);

    /* What a route leads to counts until it is connected. */
    start(UPSTREAM_STARTTLS, "9.9.9.1", 5222);
    answer(true);
    assert_int_equal(
        connect_limit_enter(connect_limit, &waiting,
                            &(struct connect_limit_visit){.to = &to}, on_turn,
                            NULL),
        CONNECT_LIMIT_OPEN);
    connect_limit_leave(&waiting);
    stop();
    connect_limit_free(connect_limit);
    loop_free(loop);
    w.shared.connect_limit = NULL;
}

/* L50: the operator names it for all of his clients. */
static void a_route_is_not_held_up_by_its_network(void **state)
{
    struct loop *loop;
    struct connect_limit_ticket other;
    struct connect_limit *connect_limit;

    assert_int_equal(loop_new(&loop), ERR_OK);
    connect_limit = full_connect_limit(loop, &other, 9);
    w.shared.connect_limit = connect_limit;
    start(UPSTREAM_STARTTLS, "9.9.9.1", 5222);
    fake_loop_turn(w.loop);
    assert_string_equal(connects(), "9.9.9.1:5222");
    stop();
    connect_limit_leave(&other);
    connect_limit_free(connect_limit);
    loop_free(loop);
    w.shared.connect_limit = NULL;
}

/* L51: a client hears that it is worth another try of what the configuration
 * leads to; of other names it would tell where others connect to. */
static void only_configured_servers_are_said_to_be_busy(void **state)
{
    static const struct {
        const char *route;
        bool is_exact;
        bool is_busy;
    } rows[] = {{"9.9.9.1", true, true},
                {"9.9.9.1", false, true},
                {NULL, true, true},
                {NULL, false, false}};
    struct loop *loop;
    struct connect_limit_ticket other;
    struct connect_limit *connect_limit;

    assert_int_equal(loop_new(&loop), ERR_OK);
    connect_limit = full_connect_limit(loop, &other, 1);
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        w.shared.connect_limit = connect_limit;
        w.is_exact = rows[i].is_exact;
        fake_resolve_set_host("example.org", RESOLVE_OK, "9.9.9.1");
        start(UPSTREAM_STARTTLS, rows[i].route, 5222);
        fake_loop_pass(w.loop, CONNECT_MS + 1);
        assert_string_equal(w.log, "too-many-connects");
        assert_int_equal(upstream_is_busy(w.up), rows[i].is_busy);
        stop();
    }
    w.is_exact = false;
    connect_limit_leave(&other);
    connect_limit_free(connect_limit);
    loop_free(loop);
    w.shared.connect_limit = NULL;
}

/* K14, L50: a server that we did not come to knock at has done nothing wrong.
 */
static void waiting_is_no_fault_of_a_server(void **state)
{
    struct resolve_target t[] = {
        target("9.9.9.1", 5222, false),
        target("8.8.8.1", 5222, false),
    };
    struct loop *loop;
    struct connect_limit_ticket other;
    struct connect_limit *connect_limit;

    assert_int_equal(loop_new(&loop), ERR_OK);
    connect_limit = full_connect_limit(loop, &other, 9);
    assert_int_equal(target_history_new(&w.shared.history), ERR_OK);
    w.shared.connect_limit = connect_limit;
    w.target_ms = 1000;
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    fake_loop_pass(w.loop, 999);
    assert_string_equal(connects(), "");
    fake_loop_pass(w.loop, 1);
    assert_string_equal(connects(), "8.8.8.1:5222");
    stop();
    connect_limit_leave(&other);

    w.start_ms -= 59000; /* soon */
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    assert_string_equal(connects(), "9.9.9.1:5222");
    stop();
    w.target_ms = 0;
    connect_limit_free(connect_limit);
    loop_free(loop);
    target_history_free(w.shared.history);
    w.shared = (struct upstream_shared){.policy = NULL};
}

/* K14, K72: history, from one connection to the next */
static void what_was_learnt_of_servers_is_used(void **state)
{
    struct resolve_target t[] = {
        target("9.9.9.1", 5222, false),
        target("9.9.9.2", 5222, false),
        target("9.9.9.3", 5222, false),
    };
    struct addr client;

    assert_int_equal(addr_parse_ip(&client, "192.0.2.7", 4711), ERR_OK);
    assert_int_equal(target_history_new(&w.shared.history), ERR_OK);
    w.client = &client;
    w.start_ms = 1000000;
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    answer(false);
    answer(false);
    answer(true);
    upstream_settle(w.up);
    assert_string_equal(connects(), "9.9.9.1:5222 9.9.9.2:5222 9.9.9.3:5222");
    stop();

    w.start_ms = 1001000;
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    assert_string_equal(connects(), "9.9.9.3:5222");
    stop();

    w.client = NULL; /* the penalties are over */
    w.start_ms = 1001000 + TARGET_HISTORY_PENALTY_MS;
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    assert_string_equal(connects(), "9.9.9.1:5222");
    stop();

    w.client = &client;
    w.start_ms = 1001000 + TARGET_HISTORY_PENALTY_MS;
    set_targets(t, COUNT_OF(t));
    start(UPSTREAM_STARTTLS, NULL, 0);
    assert_string_equal(connects(), "9.9.9.3:5222");
    stop();
    target_history_free(w.shared.history);
    w.shared.history = NULL;
    w.client = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses_of_the_domain_are_vetted),
        cmocka_unit_test(addresses_of_targets_are_vetted),
        cmocka_unit_test(targets_that_are_addresses_are_vetted),
        cmocka_unit_test(servers_that_clients_name_are_vetted),
        cmocka_unit_test(servers_that_servers_name_are_vetted),
        cmocka_unit_test(a_name_that_changes_gains_nothing),
        cmocka_unit_test(policy_of_the_worker_is_asked),
        cmocka_unit_test(a_site_may_have_private_servers),
        cmocka_unit_test(a_route_of_the_client_keeps_the_identity),
        cmocka_unit_test(connections_to_a_full_network_wait),
        cmocka_unit_test(waiting_has_an_end),
        cmocka_unit_test(waiting_is_no_fault_of_a_server),
        cmocka_unit_test(a_route_is_not_held_up_by_its_network),
        cmocka_unit_test(only_configured_servers_are_said_to_be_busy),
        cmocka_unit_test(what_was_learnt_of_servers_is_used),
        cmocka_unit_test(a_domain_may_be_an_address),
        cmocka_unit_test(questions_count_for_their_client),
        cmocka_unit_test(routes_are_configured_names_and_redirects_are_not),
        cmocka_unit_test(servers_are_told_of_the_client_first),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
