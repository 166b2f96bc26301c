/* sock.h with TLS on top keeps the promises that it makes without. */
#include "tls_pair.h"
#include "net/sock_open.h"
#include "net/sock_text.h"
#include "net/tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void assert_got(const struct endpoint *e, const char *at, size_t len)
{
    assert_int_equal(e->got.len, len);
    assert_memory_equal(buf_at(&e->got), at, len);
}

static void both_sides_agree_and_talk(void **state)
{
    const struct slice parts[] = {SLICE("head "), SLICE(""), SLICE("body")};

    tls_pair_secure();
    assert_true(sock_is_tls(client.s));
    assert_int_equal(strncmp(client.tls, "TLSv1.3 ", 8), 0);
    assert_string_equal(client.tls, server.tls);
    assert_int_equal(sock_write(client.s, parts, 3), ERR_OK);
    assert_int_equal(endpoint_write(&server, "reply"), ERR_OK);
    run_until_got(loop, &server, 9);
    run_until_got(loop, &client, 5);
    assert_got(&server, "head body", 9);
    assert_got(&client, "reply", 5);
}

static void what_is_written_during_the_handshake_follows_it(void **state)
{
    tls_pair_shake_hands(server_ctx, "example.org", true);
    assert_int_equal(endpoint_write(&client, "early"), ERR_OK);
    assert_int_equal(endpoint_write(&server, "too"), ERR_OK);
    run_until_got(loop, &server, 5);
    run_until_got(loop, &client, 3);
    assert_int_equal(client.count[ON_SECURED], 1);
}

static void congestion_works_as_on_a_plain_connection(void **state)
{
    size_t sent = 0;
    enum err err = ERR_OK;

    tls_pair_secure();
    sock_pause(server.s);
    while (err == ERR_OK) {
        const char *at = pattern(4 << 20) + sent;
        const struct slice parts[] = {
            {at, 7}, {at + 7, 40000}, {at + 40007, 1}};

        err = sock_write(client.s, parts, 3);
        if (err == ERR_OK)
            sent += 40008;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_true(sock_is_congested(client.s));
    run_for(loop, 5);
    assert_int_equal(server.got.len, 0);
    sock_resume(server.s);
    run_until_got(loop, &server, sent);
    assert_got(&server, pattern(4 << 20), sent);
    assert_int_equal(client.count[ON_DRAINED], 1);
    assert_int_equal(sock_queued_bytes(client.s), 0);
}

static void pausing_inside_received_holds_the_rest_back(void **state)
{
    size_t first;

    tls_pair_secure();
    server.act[ON_RECEIVED] = DO_PAUSE;
    assert_int_equal(endpoint_write_bytes(&client, pattern(90000), 90000),
                     ERR_OK);
    sock_close(client.s);
    client.s = NULL;
    run_until(loop, &server.count[ON_RECEIVED], 1);
    first = server.got.len;
    run_for(loop, 10);
    assert_int_equal(server.got.len, first);
    assert_int_equal(server.count[ON_EOF], 0);
    server.act[ON_RECEIVED] = DO_NOTHING;
    sock_resume(server.s);
    run_until(loop, &server.count[ON_EOF], 1);
    assert_got(&server, pattern(90000), 90000);
}

static void closing_delivers_every_byte_and_close_notify(void **state)
{
    tls_pair_secure();
    sock_pause(server.s);
    assert_int_equal(endpoint_write_bytes(&client, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    sock_close(client.s);
    client.s = NULL;
    run_for(loop, 5);
    sock_resume(server.s);
    run_until(loop, &server.count[ON_EOF], 1);
    assert_got(&server, pattern(1 << 20), 1 << 20);
    assert_int_equal(server.count[ON_LOST], 0);
    assert_int_equal(endpoint_write(&server, "still"), ERR_OK);
    sock_close(server.s);
    server.s = NULL;
    run_for(loop, 10);
}

/* The peer's death without close_notify is an end as well. */
static void truncation_is_an_eof(void **state)
{
    tls_pair_secure();
    sock_abort(server.s);
    server.s = NULL;
    run_until(loop, &client.count[ON_EOF], 1);
    run_for(loop, 5);
    assert_int_equal(client.count[ON_EOF], 1);
    assert_int_equal(client.count[ON_LOST], 0);
    assert_int_equal(endpoint_write(&client, "x"), ERR_CLOSED);
    run_until(loop, &client.count[ON_LOST], 1);
    assert_int_equal(client.why, SOCK_TLS);
    assert_true(strlen(client.error) > 0);
}

static void leaving_during_the_handshake_is_a_loss(void **state)
{
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    sock_close(client.s);
    client.s = NULL;
    run_until(loop, &server.count[ON_LOST], 1);
    assert_int_equal(server.why, SOCK_TLS);
    assert_string_equal(server.error, "the peer closed during the handshake");
}

static void tls_starts_only_on_an_idle_open_connection(void **state)
{
    sock_pause(server.s);
    assert_int_equal(endpoint_write_bytes(&client, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    assert_int_equal(
        sock_start_tls_client(client.s, client_ctx,
                              &(struct tls_peer){.domain = "example.org"}),
        ERR_INVALID);
    tls_pair_end(NULL);
    tls_pair_begin(NULL);
    tls_pair_secure();
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_INVALID);
    sock_abort(client.s);
    client.s = NULL;
    run_until(loop, &server.count[ON_EOF], 1);
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_CLOSED);
}

static void the_handshake_takes_only_so_long(void **state)
{
    struct sock_limits limits = endpoint_limits;
    int fds[2];

    endpoint_close(&server);
    limits.handshake_ms = 30;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    endpoint_init(&server);
    assert_int_equal(sock_accept(&server.s, loop, fds[0], NULL, &limits,
                                 &endpoint_ops, &server),
                     ERR_OK);
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    run_until(loop, &server.count[ON_LOST], 1);
    assert_int_equal(server.why, SOCK_TIMEOUT);
    close(fds[1]);
}

static void provoke(enum endpoint_event event)
{
    if (event == ON_SECURED) {
        tls_pair_shake_hands(server_ctx, "example.org", true);
        assert_int_equal(endpoint_write(&client, "queued"), ERR_OK);
        run_until(loop, &client.count[ON_SECURED], 1);
        return;
    }
    tls_pair_secure();
    if (event == ON_RECEIVED) {
        assert_int_equal(endpoint_write_bytes(&server, pattern(200000), 200000),
                         ERR_OK);
    } else if (event == ON_DRAINED) {
        sock_pause(server.s);
        assert_int_equal(
            endpoint_write_bytes(&client, pattern(1 << 20), 1 << 20), ERR_OK);
        sock_resume(server.s);
    } else if (event == ON_EOF) {
        assert_int_equal(endpoint_write(&server, "last"), ERR_OK);
        sock_close(server.s);
        server.s = NULL;
    } else {
        sock_abort(server.s);
        server.s = NULL;
        assert_int_equal(endpoint_write(&client, "x"), ERR_CLOSED);
    }
    run_until(loop, &client.count[event], 1);
}

static void owner_may_end_it_in_every_callback(void **state)
{
    static const enum endpoint_event events[] = {ON_SECURED, ON_RECEIVED,
                                                 ON_DRAINED, ON_EOF, ON_LOST};
    size_t i;
    unsigned act;

    for (i = 0; i < COUNT_OF(events); i++) {
        for (act = DO_CLOSE; act < DO_PAUSE; act++) {
            client.act[events[i]] = (enum endpoint_act)act;
            provoke(events[i]);
            run_for(loop, 3);
            assert_int_equal(client.count[events[i]], 1);
            assert_null(client.s);
            tls_pair_end(NULL);
            tls_pair_begin(NULL);
        }
    }
}

/* Design 4: TLS state, unsent bytes and unread ones move along, also those
 * that OpenSSL holds and epoll does not know of. */
static void moves_between_loops_with_bytes_in_flight(void **state)
{
    struct loop *other;
    struct endpoint moved;

    assert_int_equal(loop_new(&other), ERR_OK);
    endpoint_init(&moved);
    tls_pair_secure();
    sock_pause(client.s);
    assert_int_equal(endpoint_write_bytes(&server, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    assert_true(sock_queued_bytes(server.s) > 0);
    /* More than one turn reads: a record stays half read inside. */
    assert_int_equal(endpoint_write_bytes(&client, pattern(100000), 100000),
                     ERR_OK);
    server.act[ON_RECEIVED] = DO_DETACH;
    run_until(loop, &server.count[ON_RECEIVED], 1);
    assert_true(server.is_parcel);
    assert_true(server.transfer.queue.len > 0);
    assert_true(server.got.len < 100000);
    assert_int_equal(endpoint_write(&client, "after"), ERR_OK);
    run_for(loop, 5);

    server.is_parcel = false;
    assert_int_equal(
        sock_attach(&moved.s, other, &server.transfer, &endpoint_ops, &moved),
        ERR_OK);
    assert_null(server.transfer.tls);
    assert_true(sock_is_tls(moved.s));
    while (server.got.len + moved.got.len < 100005) {
        run_for(other, 1);
        run_for(loop, 1);
    }
    assert_memory_equal(buf_at(&server.got), pattern(100000), server.got.len);
    assert_memory_equal(buf_at(&moved.got), pattern(100000) + server.got.len,
                        100000 - server.got.len);
    sock_resume(client.s);
    while (client.got.len < 1 << 20) {
        run_for(other, 1);
        run_for(loop, 1);
    }
    assert_got(&client, pattern(1 << 20), 1 << 20);
    assert_int_equal(endpoint_write(&moved, "bye"), ERR_OK);
    run_until_got(loop, &client, (1 << 20) + 3);
    endpoint_close(&moved);
    loop_free(other);
}

/* A request and the end of sending in one go, moved between the two. */
static void the_end_of_input_is_seen_after_the_move(void **state)
{
    struct loop *other;
    struct endpoint moved;

    assert_int_equal(loop_new(&other), ERR_OK);
    endpoint_init(&moved);
    tls_pair_secure();
    assert_int_equal(endpoint_write(&client, "request"), ERR_OK);
    sock_close(client.s);
    client.s = NULL;
    server.act[ON_RECEIVED] = DO_DETACH;
    run_until(loop, &server.count[ON_RECEIVED], 1);
    assert_true(server.is_parcel);
    server.is_parcel = false;
    assert_int_equal(
        sock_attach(&moved.s, other, &server.transfer, &endpoint_ops, &moved),
        ERR_OK);
    run_until(other, &moved.count[ON_EOF], 1);
    assert_int_equal(moved.count[ON_LOST], 0);
    endpoint_close(&moved);
    run_for(loop, 5);
    loop_free(other);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, tls_pair_begin, tls_pair_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sides_agree_and_talk),
        TEST(what_is_written_during_the_handshake_follows_it),
        TEST(congestion_works_as_on_a_plain_connection),
        TEST(pausing_inside_received_holds_the_rest_back),
        TEST(closing_delivers_every_byte_and_close_notify),
        TEST(truncation_is_an_eof),
        TEST(leaving_during_the_handshake_is_a_loss),
        TEST(tls_starts_only_on_an_idle_open_connection),
        TEST(the_handshake_takes_only_so_long),
        TEST(owner_may_end_it_in_every_callback),
        TEST(moves_between_loops_with_bytes_in_flight),
        TEST(the_end_of_input_is_seen_after_the_move),
    };

    return cmocka_run_group_tests_name("tls_sock", tests, tls_pair_begin_group,
                                       tls_pair_end_group);
}
