/* What a stream does between stream_pause and stream_resume.  B51, L12. */
#include "stream_world.h"

#define THREE                                                                  \
    "<message id='1'><body>a</body></message> <message id='2'>"                \
    "<![CDATA[b]]></message><message id='3'/>"
#define ONE_OUT                                                                \
    "<message xmlns=\"jabber:client\" id=\"1\"><body>a</body></message>"
#define TWO_OUT   "<message xmlns=\"jabber:client\" id=\"2\">b</message>"
#define THREE_OUT "<message xmlns=\"jabber:client\" id=\"3\"/>"

/* Open, with nothing in the log. */
static void begin(struct world *w)
{
    world_open_tls(w);
    world_say(w, HEADER FEATURES_SASL);
    w->log[0] = '\0';
    (void)world_heard(w);
}

static void pause_in(struct world *w, enum callback where)
{
    w->act = ACT_PAUSE;
    w->act_in = where;
}

static void resume(struct world *w)
{
    stream_resume(w->stream);
    world_turn(w);
}

static void expect(struct world *w, const char *want)
{
    assert_string_equal(w->log, want);
    w->log[0] = '\0';
}

static void a_pause_from_inside_holds_at_that_element(void **state)
{
    struct world w;

    begin(&w);
    pause_in(&w, IN_ELEMENT);
    world_say(&w, THREE);
    expect(&w, ONE_OUT);
    assert_true(fake_sock_is_paused(w.server));
    /* Not from inside of the call. */
    stream_resume(w.stream);
    expect(&w, "");
    world_turn(&w);
    expect(&w, TWO_OUT);
    assert_true(fake_sock_is_paused(w.server));
    world_say(&w, "<iq id='4'/>");
    expect(&w, "");
    resume(&w);
    expect(&w, THREE_OUT);
    w.act = ACT_NONE;
    resume(&w);
    expect(&w, "<iq xmlns=\"jabber:client\" id=\"4\"/>");
    assert_false(fake_sock_is_paused(w.server));
    world_end(&w);
}

/* Whatever the pieces are, and with a part of an element behind the pause. */
static void every_split_is_held_and_comes(void **state)
{
    size_t len = strlen(THREE);

    for (size_t at = 1; at < len; at++) {
        struct world w;

        begin(&w);
        pause_in(&w, IN_ELEMENT);
        world_say_bytes(&w, THREE, at);
        world_say_bytes(&w, &THREE[at], len - at);
        expect(&w, ONE_OUT);
        resume(&w);
        expect(&w, TWO_OUT);
        resume(&w);
        expect(&w, THREE_OUT);
        resume(&w);
        expect(&w, "");
        world_end(&w);
    }
}

static void a_pause_from_outside_holds_what_was_read(void **state)
{
    struct world w;

    begin(&w);
    world_say(&w, "<message id='1'><body>a");
    stream_pause(w.stream);
    world_say(&w, "</body></message>");
    expect(&w, "");
    resume(&w);
    expect(&w, ONE_OUT);
    world_end(&w);
}

static void a_resume_from_inside_goes_on_at_once(void **state)
{
    struct world w;

    begin(&w);
    w.act = ACT_PAUSE_AND_RESUME;
    w.act_in = IN_ELEMENT;
    world_say(&w, THREE);
    expect(&w, ONE_OUT " " TWO_OUT " " THREE_OUT);
    assert_false(fake_sock_is_paused(w.server));
    world_end(&w);
}

/* A header that expat reads, and one that it does not see. */
static void a_pause_when_the_stream_opens_holds_its_features(void **state)
{
    static const char *const headers[] = {HEADER,
                                          "<?xml version='1.0' ?>" ROOT("x")};

    for (size_t i = 0; i < COUNT_OF(headers); i++) {
        struct world w;

        world_open_tls(&w);
        pause_in(&w, IN_OPENED);
        world_say_bytes(&w, headers[i], 30);
        fake_sock_deliver(w.server, headers[i] + 30, strlen(headers[i]) - 30);
        world_say(&w, FEATURES_SASL "<message id='1'><body>a</body></message>");
        expect(&w, "opened(x)");
        /* It is not the server that is late. */
        world_pass(&w, HEADER_MS * 3);
        expect(&w, "");
        resume(&w);
        expect(&w, FEATURES_OUT " " ONE_OUT);
        world_end(&w);
    }
}

/* Ends of any kind come behind what was read before them. */
static void an_end_waits_for_what_is_held(void **state)
{
    static const char *const words[] = {
        "</stream:stream>",
        ("<stream:error><conflict "
         "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>"),
        "</nonsense>",
        "",
    };
    static const char *const ends[] = {
        "ended(closed)",
        "ended(stream-error,conflict)",
        "ended(bad-xml)",
        "ended(lost)",
    };

    for (size_t i = 0; i < COUNT_OF(words); i++) {
        for (int is_lost = i == 3; is_lost < 2; is_lost++) {
            struct world w;

            begin(&w);
            pause_in(&w, IN_ELEMENT);
            fake_sock_deliver(w.server, THREE, strlen(THREE));
            world_say(&w, words[i]);
            expect(&w, ONE_OUT);
            w.act = ACT_NONE;
            if (is_lost)
                fake_sock_lost(w.server, SOCK_RESET);
            world_turn(&w);
            expect(&w, "");
            stream_resume(w.stream);
            world_turn(&w);
            assert_int_equal(strncmp(w.log, TWO_OUT " " THREE_OUT " ended(",
                                     strlen(TWO_OUT THREE_OUT) + 8),
                             0);
            assert_string_equal(strstr(w.log, "ended"), ends[i]);
            world_end(&w);
        }
    }
}

static void a_paused_stream_without_bytes_ends_at_once(void **state)
{
    struct world w;

    begin(&w);
    stream_pause(w.stream);
    fake_sock_lost(w.server, SOCK_RESET);
    world_turn(&w);
    expect(&w, "ended(lost)");
    world_end(&w);
}

/* G13: the header of a new stream is among what is held. */
static void a_restart_is_held_too(void **state)
{
    struct world w;

    begin(&w);
    pause_in(&w, IN_ELEMENT);
    w.restart_at = ELEMENT_SUCCESS;
    world_say(&w, SUCCESS);
    expect(&w, "<success xmlns=\"" SASL_NS "\"/>");
    world_say(&w, HEADER_ID("y") FEATURES_SASL);
    world_pass(&w, HEADER_MS * 3);
    expect(&w, "");
    resume(&w);
    expect(&w, "opened(y) " FEATURES_OUT);
    world_end(&w);
}

static void a_close_delivers_what_is_held(void **state)
{
    for (int is_lost = 0; is_lost < 2; is_lost++) {
        struct world w;

        begin(&w);
        pause_in(&w, IN_ELEMENT);
        world_say(&w, THREE);
        expect(&w, ONE_OUT);
        w.act = ACT_NONE;
        if (is_lost)
            fake_sock_lost(w.server, SOCK_RESET);
        world_turn(&w);
        stream_close(w.stream);
        expect(&w, "");
        world_turn(&w);
        expect(&w, is_lost ? TWO_OUT " " THREE_OUT " ended(closed)"
                           : TWO_OUT " " THREE_OUT);
        world_end(&w);
    }
}

static void the_owner_may_let_go_while_bytes_are_held(void **state)
{
    static const enum act acts[] = {ACT_ABORT, ACT_RELEASE, ACT_CLOSE};

    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        for (int is_resumed = 0; is_resumed < 2; is_resumed++) {
            struct world w;

            begin(&w);
            pause_in(&w, IN_ELEMENT);
            world_say(&w, THREE);
            w.act = acts[i];
            if (is_resumed) { /* in the next element */
                resume(&w);
            } else {
                world_act(&w, IN_ELEMENT);
                world_turn(&w);
            }
            world_say(&w, "</stream:stream>");
            assert_true(world_is_gone(&w) || acts[i] == ACT_CLOSE);
            world_end(&w);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_from_inside_holds_at_that_element),
        cmocka_unit_test(every_split_is_held_and_comes),
        cmocka_unit_test(a_pause_from_outside_holds_what_was_read),
        cmocka_unit_test(a_resume_from_inside_goes_on_at_once),
        cmocka_unit_test(a_pause_when_the_stream_opens_holds_its_features),
        cmocka_unit_test(an_end_waits_for_what_is_held),
        cmocka_unit_test(a_paused_stream_without_bytes_ends_at_once),
        cmocka_unit_test(a_restart_is_held_too),
        cmocka_unit_test(a_close_delivers_what_is_held),
        cmocka_unit_test(the_owner_may_let_go_while_bytes_are_held),
    };

    return cmocka_run_group_tests_name("stream_pause", tests, NULL, NULL);
}
