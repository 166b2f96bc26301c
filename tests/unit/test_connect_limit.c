#include "../fakes/fakes.h"
#include "upstream/connect_limit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TICKETS 12

static struct {
    struct loop *loop;
    struct connect_limit *connect_limit;
    struct connect_limit_ticket tickets[TICKETS];
    char log[TICKETS * 2 + 1]; /* who was called, as letters */
    bool is_route;
} w;

static void on_opened(void *arg)
{
    size_t len = strlen(w.log);

    w.log[len] = (char)('a' + ((struct connect_limit_ticket *)arg - w.tickets));
    w.log[len + 1] = '\0';
}

static void begin(unsigned all, unsigned network, unsigned client,
                  unsigned waiting)
{
    struct connect_limit_limits limits = {all, network, client, waiting};

    memset(&w, 0, sizeof(w));
    assert_int_equal(loop_new(&w.loop), ERR_OK);
    assert_int_equal(connect_limit_new(&w.connect_limit, w.loop, &limits),
                     ERR_OK);
}

static void end(void)
{
    for (size_t i = 0; i < TICKETS; i++)
        connect_limit_leave(&w.tickets[i]);
    fake_loop_turn(w.loop);
    connect_limit_free(w.connect_limit); /* asserts that nobody is inside */
    loop_free(w.loop);
}

static enum connect_limit_verdict enter(char who, const char *to,
                                        const char *client)
{
    struct connect_limit_ticket *t = &w.tickets[who - 'a'];
    struct addr server;
    struct addr from = {.len = 0};

    assert_int_equal(addr_parse_ip(&server, to, 5222), ERR_OK);
    if (client != NULL)
        assert_int_equal(addr_parse_ip(&from, client, 1), ERR_OK);
    return connect_limit_enter(
        w.connect_limit, t,
        &(struct connect_limit_visit){&server, &from, w.is_route}, on_opened,
        t);
}

static void leave(char who)
{
    connect_limit_leave(&w.tickets[who - 'a']);
    fake_loop_turn(w.loop);
}

/* L50 */
static void those_above_a_limit_wait_in_order(void **state)
{
    begin(2, 9, 9, 9);
    assert_int_equal(enter('a', "9.9.9.9", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('b', "8.8.8.8", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('c', "7.7.7.7", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('d', "6.6.6.6", NULL), CONNECT_LIMIT_WAIT);
    assert_string_equal(w.log, "");
    leave('b');
    assert_string_equal(w.log, "c");
    leave('c');
    assert_string_equal(w.log, "cd");
    end();
}

/* L50: nor does it, or one client, take all the room in which to wait. */
static void half_of_the_room_is_for_others(void **state)
{
    begin(9, 1, 9, 4);
    assert_int_equal(enter('a', "9.9.9.1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('b', "9.9.9.2", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('c', "9.9.9.3", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('d', "9.9.9.4", NULL), CONNECT_LIMIT_FULL);
    assert_int_equal(enter('d', "8.8.8.1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('e', "8.8.8.2", NULL), CONNECT_LIMIT_WAIT);
    end();

    begin(9, 9, 1, 3);
    assert_int_equal(enter('a', "9.9.9.1", "192.0.2.1"), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('b', "8.8.8.1", "192.0.2.1"), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('c', "7.7.7.1", "192.0.2.1"), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('d', "6.6.6.1", "192.0.2.1"), CONNECT_LIMIT_FULL);
    assert_int_equal(enter('d', "6.6.6.1", "192.0.2.2"), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('e', "5.5.5.1", "192.0.2.2"), CONNECT_LIMIT_WAIT);
    end();
}

/* L50: a black hole holds up those who go there, and nobody else */
static void a_full_network_is_no_hindrance_to_others(void **state)
{
    begin(9, 2, 9, 9);
    assert_int_equal(enter('a', "9.9.9.1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('b', "9.9.9.2", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('c', "9.9.9.3", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('d', "::ffff:9.9.9.4", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('e', "64:ff9b::9.9.9.5", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('f', "9.9.8.1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('g', "2a00:1:2:3::1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('h', "2a00:1:2:4::1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('i', "2a00:1:2:5::1", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('j', "2a00:1:3::1", NULL), CONNECT_LIMIT_OPEN);
    leave('a');
    assert_string_equal(w.log, "c");
    leave('g');
    assert_string_equal(w.log, "ci");
    end();
}

/* L50: an IPv6 client has a /64, and proxies on this machine no name */
static void a_client_has_a_limit_of_its_own(void **state)
{
    begin(99, 99, 1, 9);
    assert_int_equal(enter('a', "9.9.9.1", "1.2.3.4"), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('b', "9.9.8.1", "::ffff:1.2.3.4"),
                     CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('c', "9.9.8.1", "1.2.3.5"), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('d', "9.9.8.1", "2a00:1:2:3::1"),
                     CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('e', "9.9.8.1", "2a00:1:2:3:ffff::"),
                     CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('f', "9.9.8.1", "2a00:1:2:4::1"),
                     CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('g', "9.9.8.1", "127.0.0.1"), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('h', "9.9.8.1", "127.0.0.1"), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('i', "9.9.8.1", "::1"), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('j', "9.9.8.1", "::1"), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('k', "9.9.8.1", NULL), CONNECT_LIMIT_OPEN);
    leave('d');
    assert_string_equal(w.log, "e");
    end();
}

/* Released at one limit, held up at the next one, and not forgotten. */
static void a_ticket_moves_from_queue_to_queue(void **state)
{
    begin(2, 1, 9, 9);
    assert_int_equal(enter('a', "9.9.9.1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('b', "8.8.8.1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('c', "9.9.9.2", NULL),
                     CONNECT_LIMIT_WAIT); /* network */
    assert_int_equal(enter('d', "7.7.7.1", NULL), CONNECT_LIMIT_WAIT); /* all */
    leave('b');
    assert_string_equal(w.log, "d");
    leave('a'); /* c may, both limits have room */
    assert_string_equal(w.log, "dc");
    assert_int_equal(enter('e', "9.9.9.3", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('f', "9.9.9.4", NULL), CONNECT_LIMIT_WAIT);
    leave('d');
    assert_string_equal(w.log, "dc");
    leave('c');
    assert_string_equal(w.log, "dce");
    leave('e');
    assert_string_equal(w.log, "dcef");
    end();
}

/* L50 */
static void the_queue_is_bounded(void **state)
{
    begin(1, 9, 9, 2);
    assert_int_equal(enter('a', "9.9.9.1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('b', "9.9.9.1", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('c', "9.9.9.1", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('d', "9.9.9.1", NULL), CONNECT_LIMIT_FULL);
    leave('b'); /* gives up: its place is free */
    assert_string_equal(w.log, "");
    assert_int_equal(enter('d', "9.9.9.1", NULL), CONNECT_LIMIT_WAIT);
    leave('a');
    assert_string_equal(w.log, "c");
    end();
}

/* Whoever leaves between his turn and the call is not called. */
static void nobody_is_called_who_has_left(void **state)
{
    begin(1, 9, 9, 9);
    assert_int_equal(enter('a', "9.9.9.1", NULL), CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('b', "9.9.9.1", NULL), CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('c', "9.9.9.1", NULL), CONNECT_LIMIT_WAIT);
    connect_limit_leave(&w.tickets[0]);
    connect_limit_leave(&w.tickets[1]);
    fake_loop_turn(w.loop);
    assert_string_equal(w.log, "c");
    connect_limit_leave(&w.tickets[1]); /* idle: harmless */
    end();
}

/* All clients of a routed server come at once when it was restarted. */
static void a_route_has_half_of_all_places_whoever_asks(void **state)
{
    begin(6, 1, 1, 6);
    w.is_route = true;
    for (char who = 'a'; who <= 'c'; who++)
        assert_int_equal(enter(who, "192.0.2.1", "198.51.100.1"),
                         CONNECT_LIMIT_OPEN);
    for (char who = 'd'; who <= 'f'; who++)
        assert_int_equal(enter(who, "192.0.2.2", "198.51.100.1"),
                         CONNECT_LIMIT_WAIT);
    assert_int_equal(enter('g', "192.0.2.1", NULL), CONNECT_LIMIT_FULL);
    /* Others have the other half, under limits of their own. */
    assert_int_equal(enter('h', "203.0.113.1", NULL), CONNECT_LIMIT_OPEN);
    w.is_route = false;
    assert_int_equal(enter('i', "192.0.2.1", "198.51.100.1"),
                     CONNECT_LIMIT_OPEN);
    assert_int_equal(enter('j', "192.0.2.1", "198.51.100.2"),
                     CONNECT_LIMIT_WAIT);
    leave('a');
    fake_loop_turn(w.loop);
    assert_string_equal(w.log, "d");
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_above_a_limit_wait_in_order),
        cmocka_unit_test(a_full_network_is_no_hindrance_to_others),
        cmocka_unit_test(half_of_the_room_is_for_others),
        cmocka_unit_test(a_client_has_a_limit_of_its_own),
        cmocka_unit_test(a_ticket_moves_from_queue_to_queue),
        cmocka_unit_test(the_queue_is_bounded),
        cmocka_unit_test(nobody_is_called_who_has_left),
        cmocka_unit_test(a_route_has_half_of_all_places_whoever_asks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
