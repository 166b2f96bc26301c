#include "net/sock.h"
#include "stream_world.h"

/* --- STARTTLS ------------------------------------------------------------- */

/* K41, A16: what stands in our header, and what only after TLS */
static void the_header_says_what_rfc_6120_wants(void **state)
{
    struct world w;
    const char *text;

    world_open(&w, UPSTREAM_STARTTLS);
    world_accept(&w);
    text = world_heard(&w);
    assert_string_equal(
        text, "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "
              "xmlns:stream='http://etherx.jabber.org/streams' version='1.0' "
              "to=\"b\xc3\xbc"
              "cher.example\" xml:lang=\"de\">");
    world_say(&w, HEADER FEATURES_TLS);
    assert_string_equal(world_heard(&w), STARTTLS);
    world_say(&w, PROCEED);
    world_secure(&w);
    text = world_heard(&w);
    assert_non_null(strstr(text, " from=\"a@b\xc3\xbc"
                                 "cher.example\""));
    /* K28: a new header without closing the old stream. */
    assert_ptr_equal(strstr(text, "<?xml"), text);
    world_end(&w);
}

/* K23, T36: the offer was taken away on the wire */
static void starttls_is_asked_for_even_if_it_is_not_offered(void **state)
{
    struct world w;

    world_open(&w, UPSTREAM_STARTTLS);
    world_accept(&w);
    world_heard(&w);
    world_say(&w, HEADER FEATURES_SASL);
    assert_string_equal(world_heard(&w), STARTTLS);
    assert_string_equal(w.log, "");
    world_say(&w, "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    world_turn(&w);
    assert_string_equal(w.log, "ended(connect)");
    world_end(&w);
}

/* K28, T37: nothing that came before TLS reaches the owner */
static void only_what_tls_protected_is_delivered(void **state)
{
    struct world w;

    world_open(&w, UPSTREAM_STARTTLS);
    world_accept(&w);
    world_say(&w, HEADER_ID("clear") FEATURES_SASL);
    world_say(&w, PROCEED);
    assert_string_equal(w.log, "");
    world_secure(&w);
    assert_string_equal(w.log, "");
    world_say(&w, HEADER_ID("tls") FEATURES_SASL);
    assert_string_equal(w.log, "opened(tls) " FEATURES_OUT);
    world_end(&w);
}

/* K27, T37 */
static void bytes_behind_proceed_fail_the_connection(void **state)
{
    static const char *const behind[] = {
        " ",
        "x",
        HEADER,
        "\x16\x03\x01",
        "<stream:features><mechanisms/></stream:features>",
    };

    for (size_t i = 0; i < COUNT_OF(behind); i++) {
        struct world w;
        char text[600];

        world_open(&w, UPSTREAM_STARTTLS);
        world_accept(&w);
        world_say(&w, HEADER FEATURES_TLS);
        world_heard(&w);
        snprintf(text, sizeof(text), "%s%s", PROCEED, behind[i]);
        world_say(&w, text);
        world_turn(&w);
        assert_string_equal(w.log, "ended(connect)");
        assert_string_equal(world_heard(&w), ""); /* K26 */
        world_end(&w);
    }
}

static void only_proceed_lets_tls_begin(void **state)
{
    static const char *const bad[] = {
        "<proceed xmlns='jabber:client'/>",
        "<stream:error><host-unknown "
        "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
        "<message/>",
        FEATURES_TLS,
        "</stream:stream>",
        "garbage",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct world w;

        world_open(&w, UPSTREAM_STARTTLS);
        world_accept(&w);
        world_say(&w, HEADER FEATURES_TLS);
        world_say(&w, bad[i]);
        world_turn(&w);
        assert_string_equal(w.log, "ended(connect)");
        world_end(&w);
    }
}

/* K42, K44, K50 */
static void headers_that_are_none_are_refused(void **state)
{
    static const struct {
        const char *header;
        const char *condition;
    } bad[] = {
        {"<stream:stream xmlns='jabber:server' version='1.0' "
         "xmlns:stream='http://etherx.jabber.org/streams'>",
         "invalid-namespace"},
        {"<stream:stream xmlns='jabber:client' version='1.0' "
         "xmlns:stream='http://etherx.jabber.org/stream'>",
         "invalid-namespace"},
        {"<stream:stream xmlns='jabber:component:accept' version='1.0' "
         "xmlns:stream='http://etherx.jabber.org/streams'>",
         "invalid-namespace"},
        {"<s:stream xmlns='jabber:server' xmlns:c='jabber:client' "
         "version='1.0' xmlns:s='http://etherx.jabber.org/streams'>",
         "invalid-namespace"},
        {"<stream:features xmlns='jabber:client' version='1.0' "
         "xmlns:stream='http://etherx.jabber.org/streams'>",
         "invalid-namespace"},
        {"<stream xmlns='jabber:client' version='1.0'>", "invalid-namespace"},
        {"<html>", "invalid-namespace"},
        {"<stream:stream xmlns='jabber:client' "
         "xmlns:stream='http://etherx.jabber.org/streams'>",
         "unsupported-version"},
        {"HTTP/1.1 400 Bad Request\r\n", "not-well-formed"},
        {"<!DOCTYPE stream><a/>", "restricted-xml"},
        {"<?xml version='1.0' encoding='latin1'?><a>", "unsupported-encoding"},
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct world w;
        const char *text;

        world_open(&w, UPSTREAM_STARTTLS);
        world_accept(&w);
        world_heard(&w);
        world_say(&w, bad[i].header);
        text = world_heard(&w);
        assert_non_null(strstr(text, bad[i].condition));
        assert_non_null(strstr(text, "</stream:error></stream:stream>"));
        world_turn(&w);
        assert_string_equal(w.log, "ended(connect)");
        world_end(&w);
    }
}

/* K44: the answer of 0.9 where TLS is not wanted */
static void a_server_without_version_is_opened_in_plain_mode(void **state)
{
    struct world w;

    world_open(&w, UPSTREAM_PLAIN);
    world_accept(&w);
    assert_non_null(strstr(world_heard(&w), "from=\"a@"));
    world_say(&w, "<stream:stream xmlns='jabber:client' id='7' "
                  "xmlns:stream='http://etherx.jabber.org/streams'>");
    assert_string_equal(w.log, "opened(7,no version)");
    world_end(&w);
}

/* --- Endings -------------------------------------------------------------- */

/* K45 */
static void a_server_that_does_not_answer_is_left(void **state)
{
    struct world w;

    world_open(&w, UPSTREAM_STARTTLS);
    world_accept(&w);
    world_pass(&w, HEADER_MS - 1);
    assert_string_equal(w.log, "");
    world_pass(&w, 2);
    assert_string_equal(w.log, "ended(connect)");
    world_end(&w);

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1") "<iq/>");
    world_pass(&w, HEADER_MS * 10); /* an open stream may be silent */
    assert_string_equal(w.log, "opened(1) <iq xmlns=\"jabber:client\"/>");
    w.log[0] = '\0';
    assert_int_equal(stream_restart(w.stream, SLICE(""), SLICE("")), ERR_OK);
    world_pass(&w, HEADER_MS + 1);
    assert_string_equal(w.log, "ended(lost)");
    world_end(&w);
}

/* K45: features that never come; behind a restart, too. */
static void features_that_never_come_end_the_stream(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    world_pass(&w, HEADER_MS - 1);
    assert_string_equal(w.log, "opened(1)");
    world_pass(&w, 2);
    assert_string_equal(w.log, "opened(1) ended(lost)");
    world_end(&w);

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1") SUCCESS);
    assert_int_equal(stream_restart(w.stream, SLICE(""), SLICE("")), ERR_OK);
    world_say(&w, HEADER_ID("2") " ");
    w.log[0] = '\0';
    world_pass(&w, HEADER_MS + 1);
    assert_string_equal(w.log, "ended(lost)");
    world_end(&w);
}

/* K48 */
static void closing_waits_for_the_server(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    world_heard(&w);
    stream_close(w.stream);
    assert_string_equal(world_heard(&w), "</stream:stream>");
    assert_int_equal(stream_send(w.stream, SLICE("<a/>")), ERR_CLOSED);
    world_say(&w, "<iq/></stream:stream>");
    assert_string_equal(w.log, "opened(1) <iq xmlns=\"jabber:client\"/> "
                               "ended(closed)");
    assert_string_equal(world_heard(&w), "");
    world_end(&w);

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    stream_close(w.stream);
    world_pass(&w, CLOSE_MS + 1);
    assert_string_equal(w.log, "opened(1) ended(closed)");
    world_end(&w);

    world_open(&w, UPSTREAM_STARTTLS); /* nothing there to be closed yet */
    stream_close(w.stream);
    assert_string_equal(w.log, "");
    world_pass(&w, 1);
    assert_string_equal(w.log, "ended(closed)");
    world_end(&w);
}

/* K48, K49, K51 */
static void the_server_may_close_or_vanish(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    world_heard(&w);
    world_say(&w, "</stream:stream>");
    assert_string_equal(w.log, "opened(1) ended(closed)");
    assert_string_equal(world_heard(&w), "</stream:stream>");
    world_end(&w);

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1") "<message>");
    world_hang_up(&w);
    assert_string_equal(w.log, "opened(1) ended(lost)");
    world_end(&w);
}

/* J45 and its opposite */
static void abort_says_nothing_and_release_says_goodbye(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    world_heard(&w);
    stream_abort(w.stream);
    w.stream = NULL;
    assert_string_equal(world_heard(&w), "");
    assert_true(world_is_gone(&w));
    world_end(&w);

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1") "<message>");
    world_heard(&w);
    stream_release(w.stream);
    w.stream = NULL;
    assert_string_equal(world_heard(&w), "</stream:stream>");
    world_turn(&w);
    assert_false(world_is_gone(&w));
    world_say(&w, "<body/></message><iq/></stream:stream>");
    assert_string_equal(w.log, "opened(1)");
    assert_true(world_is_gone(&w));
    world_end(&w);

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    stream_release(w.stream);
    w.stream = NULL;
    world_pass(&w, CLOSE_MS + 1);
    assert_true(world_is_gone(&w));
    world_end(&w);

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    stream_release(w.stream);
    w.stream = NULL;
    stream_end_released();
    assert_true(world_is_gone(&w));
    world_end(&w);
}

/* The owner lets go in each of the callbacks, politely or not. */
static void the_owner_may_let_go_in_any_callback(void **state)
{
    static const char *const text =
        HEADER_ID("1") "<iq/><message/></stream:stream>";

    for (int act = ACT_ABORT; act <= ACT_RELEASE; act++) {
        for (int where = IN_OPENED; where <= IN_ENDED; where++) {
            struct world w;

            world_open_tls(&w);
            w.act = (enum act)act;
            w.act_in = (enum callback)where;
            world_say(&w, text);
            world_turn(&w);
            if (where == IN_OPENED)
                assert_string_equal(w.log, "opened(1)");
            if (where == IN_ELEMENT)
                assert_string_equal(w.log,
                                    "opened(1) <iq xmlns=\"jabber:client\"/>");
            assert_null(w.stream);
            assert_true(world_is_gone(&w));
            world_end(&w);
        }
    }
}

/* K12: the next server of the domain, under the same policy */
static void a_bad_server_is_followed_by_the_next(void **state)
{
    struct world w;

    world_open_servers(&w, 3);
    world_refuse(&w);
    world_accept(&w);
    world_say(&w, HEADER FEATURES_TLS
              "<failure xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>");
    world_accept(&w);
    world_heard(&w);
    world_say(&w, HEADER FEATURES_SASL);
    assert_string_equal(world_heard(&w), STARTTLS);
    world_say(&w, PROCEED);
    world_secure(&w);
    world_say(&w, HEADER_ID("3"));
    assert_string_equal(w.log, "opened(3)");
    world_end(&w);
}

/* Counters, backpressure */
static void writing_is_bounded_and_counted(void **state)
{
    struct world w;
    struct metrics counts;
    char text[SOCK_SPARE_BYTES + 1];

    memset(&counts, 0, sizeof(counts));
    metrics_bind(&counts);
    world_open_tls(&w);
    assert_int_equal(stream_send(w.stream, SLICE("<iq/>")), ERR_CLOSED);
    world_say(&w, HEADER_ID("1") "<iq/><iq/>");
    world_heard(&w);
    assert_int_equal(stream_send(w.stream, SLICE("<iq/>")), ERR_OK);
    assert_string_equal(world_heard(&w), "<iq/>");
    assert_int_equal(counts.value[METRIC_STANZAS_UP], 1);
    assert_int_equal(counts.value[METRIC_STANZAS_DOWN], 2);
    assert_int_equal(counts.value[METRIC_UPSTREAM_CONNECTS], 1);

    memset(text, ' ', sizeof(text));
    world_block(&w, true);
    assert_int_equal(stream_send(w.stream, (struct slice){text, 3000}), ERR_OK);
    assert_true(stream_is_congested(w.stream));
    assert_int_equal(stream_send(w.stream, (struct slice){text, sizeof(text)}),
                     ERR_LIMIT);
    world_block(&w, false);
    assert_false(stream_is_congested(w.stream));
    assert_non_null(strstr(w.log, "drained"));
    world_end(&w);
    metrics_bind(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_says_what_rfc_6120_wants),
        cmocka_unit_test(starttls_is_asked_for_even_if_it_is_not_offered),
        cmocka_unit_test(only_what_tls_protected_is_delivered),
        cmocka_unit_test(bytes_behind_proceed_fail_the_connection),
        cmocka_unit_test(only_proceed_lets_tls_begin),
        cmocka_unit_test(headers_that_are_none_are_refused),
        cmocka_unit_test(a_server_without_version_is_opened_in_plain_mode),
        cmocka_unit_test(a_server_that_does_not_answer_is_left),
        cmocka_unit_test(features_that_never_come_end_the_stream),
        cmocka_unit_test(closing_waits_for_the_server),
        cmocka_unit_test(the_server_may_close_or_vanish),
        cmocka_unit_test(abort_says_nothing_and_release_says_goodbye),
        cmocka_unit_test(the_owner_may_let_go_in_any_callback),
        cmocka_unit_test(a_bad_server_is_followed_by_the_next),
        cmocka_unit_test(writing_is_bounded_and_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
