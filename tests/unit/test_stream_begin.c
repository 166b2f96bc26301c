#include "stream_world.h"

#define ERRORS_NS "urn:ietf:params:xml:ns:xmpp-streams"
#define SEE_OTHER(host)                                                        \
    "<stream:error><see-other-host xmlns='" ERRORS_NS "'>" host                \
    "</see-other-host></stream:error>"
#define FEATURES_OPTIONAL                                                      \
    "<stream:features><starttls xmlns='" TLS_NS                                \
    "'/><mechanisms xmlns='" SASL_NS                                           \
    "'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
#define HEADER_OLD                                                             \
    "<stream:stream xmlns='jabber:client' id='old' "                           \
    "xmlns:stream='http://etherx.jabber.org/streams'"

static void fine(struct world *w, const char *log)
{
    assert_string_equal(w->log, log);
    world_end(w);
}

/* --- Opportunistic -------------------------------------------------------- */

/* K25: offered, and so done; the identity is checked all the same. */
static void opportunistic_takes_what_is_offered(void **state)
{
    struct world w;

    world_open(&w, UPSTREAM_OPPORTUNISTIC);
    world_accept(&w);
    assert_null(strstr(world_heard(&w), "from="));
    world_say(&w, HEADER_ID("1") FEATURES_OPTIONAL);
    assert_string_equal(world_heard(&w), STARTTLS);
    world_say(&w, PROCEED);
    world_secure(&w);
    assert_non_null(strstr(world_heard(&w), "from="));
    world_say(&w, HEADER_ID("2") FEATURES_SASL);
    fine(&w, "opened(2) " FEATURES_OUT);
}

/* K25, K44: not offered, and so in clear, but who logs in is not said. */
static void opportunistic_does_without(void **state)
{
    struct world w;

    world_open(&w, UPSTREAM_OPPORTUNISTIC);
    world_accept(&w);
    assert_null(strstr(world_heard(&w), "from="));
    world_say(&w, HEADER_ID("1"));
    assert_string_equal(w.log, "");
    world_say(&w, FEATURES_SASL "<iq/>");
    assert_string_equal(world_heard(&w), "");
    fine(&w, "opened(1) " FEATURES_OUT " <iq xmlns=\"jabber:client\"/>");

    world_open(&w, UPSTREAM_OPPORTUNISTIC);
    world_accept(&w);
    world_say(&w, HEADER_OLD ">");
    fine(&w, "opened(old,no version)");
}

/* K24, K29: once TLS was begun there is no way back to clear text. */
static void opportunistic_never_falls_back(void **state)
{
    struct world w;

    world_open(&w, UPSTREAM_OPPORTUNISTIC);
    world_accept(&w);
    world_say(&w, HEADER_ID("1") FEATURES_OPTIONAL "<failure xmlns='" TLS_NS
                                                   "'/></stream:stream>");
    fine(&w, "ended(connect)");

    world_open(&w, UPSTREAM_OPPORTUNISTIC);
    world_accept(&w);
    world_say(&w, HEADER_ID("1") FEATURES_OPTIONAL);
    world_say(&w, PROCEED);
    world_heard(&w);
    fake_sock_secure(w.server, false);
    world_turn(&w);
    assert_string_equal(world_heard(&w), "");
    fine(&w, "ended(connect)");

    world_open(&w, UPSTREAM_OPPORTUNISTIC);
    world_accept(&w);
    world_say(&w, HEADER_ID("1") FEATURES_OPTIONAL PROCEED FEATURES_SASL);
    fine(&w, "ended(connect)");
}

/* K24: required, or all there is. */
static void plain_is_not_enough_where_the_server_wants_tls(void **state)
{
    static const char *const rows[] = {
        FEATURES_TLS,
        "<stream:features><starttls xmlns='" TLS_NS "'/></stream:features>",
        "<stream:features><starttls xmlns='" TLS_NS
        "'><required/></starttls><mechanisms xmlns='" SASL_NS
        "'/></stream:features>",
    };
    struct world w;

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        world_open(&w, UPSTREAM_PLAIN);
        world_accept(&w);
        world_heard(&w);
        world_say(&w, HEADER_ID("1"));
        world_say(&w, rows[i]);
        assert_non_null(strstr(world_heard(&w), "</stream:stream>"));
        fine(&w, "opened(1) ended(connect)");
    }

    world_open(&w, UPSTREAM_PLAIN);
    world_accept(&w);
    world_say(&w, HEADER_ID("1") FEATURES_OPTIONAL);
    fine(&w, "opened(1) " FEATURES_OUT);
}

/* K20: inside TLS the offer means nothing. */
static void an_offer_inside_tls_is_ignored(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_heard(&w);
    world_say(&w, HEADER_ID("1") FEATURES_TLS);
    assert_string_equal(world_heard(&w), "");
    fine(&w, "opened(1) <stream:features xmlns:stream=\""
             "http://etherx.jabber.org/streams\"/>");
}

/* K44: a version below 1.0 is none, and then no features are waited for. */
static void old_versions_are_none(void **state)
{
    static const char *const old[] = {"0.9", "0", "00.9", ""};
    static const char *const new[] = {"1.0", "1", "1.1", "2.0", "10.0", "x"};
    struct world w;
    char text[300];

    for (size_t i = 0; i < COUNT_OF(old) + COUNT_OF(new); i++) {
        bool is_old = i < COUNT_OF(old);

        snprintf(text, sizeof(text), "%s version='%s'>", HEADER_OLD,
                 is_old ? old[i] : new[i - COUNT_OF(old)]);
        world_open_tls(&w);
        world_say(&w, text);
        world_pass(&w, HEADER_MS + 1);
        fine(&w, is_old ? "opened(old,no version)" : "opened(old) ended(lost)");
        world_open(&w, UPSTREAM_STARTTLS);
        world_accept(&w);
        world_say(&w, text);
        fine(&w, is_old ? "ended(connect)" : "");
    }
}

/* --- see-other-host ------------------------------------------------------- */

/* K40, G42: the same domain, the same identity, and nothing of the first
 * server is left. */
static void another_host_is_followed(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1") SEE_OTHER("9.9.9.9:443") "</stream:stream>");
    assert_string_equal(w.log, "opened(1) moved");
    assert_int_equal(fake_sock_connects(), 2);
    assert_int_equal(stream_send(w.stream, SLICE("<iq/>")), ERR_CLOSED);
    world_accept(&w);
    world_secure(&w);
    assert_non_null(strstr(world_heard(&w), "to=\"b\xc3\xbc"
                                            "cher.example\" from=\"a@"));
    world_say(&w, HEADER_ID("2") FEATURES_SASL);
    fine(&w, "opened(1) moved opened(2) " FEATURES_OUT);

    world_open(&w, UPSTREAM_PLAIN);
    world_accept(&w);
    world_say(&w, HEADER_ID("1") SEE_OTHER("9.9.9.9"));
    world_accept(&w);
    world_say(&w, HEADER_ID("2") FEATURES_SASL);
    fine(&w, "opened(1) moved opened(2) " FEATURES_OUT);
}

/* K40: with STARTTLS only behind TLS, and then TLS is begun again. */
static void another_host_is_believed_behind_tls_only(void **state)
{
    static const enum upstream_mode modes[] = {UPSTREAM_STARTTLS,
                                               UPSTREAM_OPPORTUNISTIC};
    struct world w;

    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        world_open(&w, modes[i]);
        world_accept(&w);
        world_say(&w, HEADER_ID("1") SEE_OTHER("9.9.9.9"));
        assert_int_equal(fake_sock_connects(), 1);
        fine(&w, "ended(connect)");
    }

    world_open(&w, UPSTREAM_STARTTLS);
    world_accept(&w);
    world_say(&w, HEADER_ID("1") FEATURES_TLS);
    world_say(&w, PROCEED);
    world_secure(&w);
    world_say(&w, HEADER_ID("2") SEE_OTHER("9.9.9.9"));
    world_accept(&w);
    assert_null(strstr(world_heard(&w), "from="));
    world_say(&w, HEADER_ID("3") FEATURES_SASL);
    assert_string_equal(world_heard(&w), STARTTLS);
    world_say(&w, PROCEED);
    world_secure(&w);
    world_say(&w, HEADER_ID("4") FEATURES_SASL);
    fine(&w, "opened(2) moved opened(4) " FEATURES_OUT);
}

/* K40, G40: once anything was said, it is an error like others. */
static void a_late_redirect_is_handed_up(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1") FEATURES_SASL SEE_OTHER("9.9.9.9"));
    assert_int_equal(fake_sock_connects(), 1);
    fine(&w, "opened(1) " FEATURES_OUT " ended(stream-error,see-other-host)");

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    assert_int_equal(stream_send(w.stream, SLICE("<iq/>")), ERR_OK);
    world_say(&w, SEE_OTHER("9.9.9.9"));
    assert_int_equal(fake_sock_connects(), 1);
    fine(&w, "opened(1) ended(stream-error,see-other-host)");

    world_open_tls(&w);
    world_say(&w,
              HEADER_ID("1") "<stream:error><see-other-host xmlns='" ERRORS_NS
                             "'/></stream:error>");
    fine(&w, "opened(1) ended(stream-error,see-other-host)");
}

/* K40, L50 */
static void a_redirect_that_leads_nowhere_ends_the_stream(void **state)
{
    static const char *const bad[] = {
        HEADER_ID("1") SEE_OTHER("a b"),
        HEADER_ID("1") SEE_OTHER("9.9.9.9:22"),
        HEADER_ID("1") SEE_OTHER("10.0.0.1:5222"),
        HEADER_ID("1") SEE_OTHER("[::1]:5222"),
    };
    struct world w;

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        world_open_tls(&w);
        world_say(&w, bad[i]);
        world_turn(&w);
        assert_int_equal(fake_sock_connects(), 1);
        assert_true(strstr(w.log, "ended(connect)") != NULL);
        world_end(&w);
    }

    world_open_tls(&w);
    for (unsigned i = 0; i < 3; i++) {
        world_say(&w, HEADER_ID("1") SEE_OTHER("9.9.9.9"));
        world_accept(&w);
        world_secure(&w);
    }
    world_say(&w, HEADER_ID("1") SEE_OTHER("9.9.9.9"));
    assert_int_equal(fake_sock_connects(), 4);
    assert_true(strstr(w.log, "ended(connect)") != NULL);
    world_end(&w);
}

/* Let go of on the way. */
static void the_owner_may_let_go_while_moving(void **state)
{
    for (int act = ACT_ABORT; act <= ACT_RELEASE; act++) {
        struct world w;

        world_open_tls(&w);
        w.act = (enum act)act;
        w.act_in = IN_MOVED;
        world_say(&w, HEADER_ID("1") SEE_OTHER("9.9.9.9"));
        assert_null(w.stream);
        fine(&w, "opened(1) moved");
    }
}

/* --- Keepalive ------------------------------------------------------------ */

/* K46: a space when idle, none while something is sent anyway. */
static void silence_is_broken_by_a_space(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1") "<iq/>");
    world_heard(&w);
    world_pass(&w, 3 * KEEPALIVE_MS);
    assert_string_equal(world_heard(&w), ""); /* it was not asked for */

    stream_keep_alive(w.stream);
    stream_keep_alive(w.stream);
    world_pass(&w, KEEPALIVE_MS - 1);
    assert_string_equal(world_heard(&w), "");
    world_pass(&w, 2);
    assert_string_equal(world_heard(&w), " ");
    world_pass(&w, KEEPALIVE_MS / 2);
    assert_int_equal(stream_send(w.stream, SLICE("<iq/>")), ERR_OK);
    world_heard(&w);
    world_pass(&w, KEEPALIVE_MS - 1);
    assert_string_equal(world_heard(&w), "");
    world_pass(&w, 2);
    assert_string_equal(world_heard(&w), " ");
    world_end(&w);
}

/* K26, K46: none between two streams, none behind the end, and none to a
 * server that takes nothing. */
static void no_space_where_it_would_harm(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1") "<iq/>");
    stream_keep_alive(w.stream);
    world_pass(&w, KEEPALIVE_MS - 1000);
    assert_int_equal(stream_restart(w.stream, SLICE(""), SLICE("")), ERR_OK);
    world_heard(&w);
    world_pass(&w, 2000);
    assert_string_equal(world_heard(&w), "");
    world_say(&w, HEADER_ID("2"));
    world_pass(&w, 1000);
    world_say(&w, "<iq/>");
    world_pass(&w, KEEPALIVE_MS);
    assert_string_equal(world_heard(&w), " ");

    stream_close(w.stream);
    assert_string_equal(world_heard(&w), "</stream:stream>");
    world_pass(&w, 3 * KEEPALIVE_MS);
    assert_string_equal(world_heard(&w), "");
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opportunistic_takes_what_is_offered),
        cmocka_unit_test(opportunistic_does_without),
        cmocka_unit_test(opportunistic_never_falls_back),
        cmocka_unit_test(plain_is_not_enough_where_the_server_wants_tls),
        cmocka_unit_test(an_offer_inside_tls_is_ignored),
        cmocka_unit_test(old_versions_are_none),
        cmocka_unit_test(another_host_is_followed),
        cmocka_unit_test(another_host_is_believed_behind_tls_only),
        cmocka_unit_test(a_late_redirect_is_handed_up),
        cmocka_unit_test(a_redirect_that_leads_nowhere_ends_the_stream),
        cmocka_unit_test(the_owner_may_let_go_while_moving),
        cmocka_unit_test(silence_is_broken_by_a_space),
        cmocka_unit_test(no_space_where_it_would_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
