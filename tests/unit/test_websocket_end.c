#include "websocket_fault.h"

#include "net/tls.h"
#include "net/tls_client.h"
#include "net/tls_ctx.h"
#include "tls_authority.h"
#include "net/sock_open.h"

/* ---- faults ---- */

/* J08, J10, J12, J13: the code as it is seen on the wire, behind the answers
 * to what came before. */
static void each_fault_has_its_code_on_the_wire(void **state)
{
    static const struct wire_fault faults[] = {
        FAULT("\x81\x01z", "fault 1002\n", "\x03\xea"),
        FAULT("\x82\x81" M "z", "fault 1003\n", "\x03\xeb"),
        FAULT("\xc1\x81" M "z", "fault 1002\n", "\x03\xea"),
        FAULT("\x83\x81" M "z", "fault 1002\n", "\x03\xea"),
        FAULT("\x80\x81" M "z", "fault 1002\n", "\x03\xea"),
        FAULT("\x09\x80" M, "fault 1002\n", "\x03\xea"),
        FAULT("\x89\xfe\0\x7e" M, "fault 1002\n", "\x03\xea"),
        FAULT("\x81\xfe\0\x7d" M, "fault 1002\n", "\x03\xea"),
        FAULT("\x81\xff\x40\0\0\0\0\0\0\0" M, "fault 1009\n", "\x03\xf1"),
        FAULT("\x81\xff\x80\0\0\0\0\0\0\0" M, "fault 1002\n", "\x03\xea"),
        FAULT("\x81\xff\0\0\0\0\0\x03\x0d\x41" M, "fault 1009\n", "\x03\xf1"),
        FAULT("\x88\x81" M "z", "fault 1002\n", "\x03\xea"),
        FAULT("\x88\x82" M "\x03\xed", "fault 1002\n", "\x03\xea"),
        FAULT("\x88\x84" M "\x03\xe8\xc3\x28", "fault 1007\n", "\x03\xef"),
        FAULT("\x81\x82" M "\xc3\x28", "fault 1007\n", "\x03\xef"),
        FAULT("\x81\x83" M "\xed\xa0\x80", "fault 1007\n", "\x03\xef"),
        FAULT("\x81\x81" M "\xc3", "fault 1007\n", "\x03\xef"),
        FAULT("\x01\x81" M "\xc3\x80\x80" M, "fault 1007\n", "\x03\xef"),
        FAULT("\x01\x81" M "\xff", "fault 1007\n", "\x03\xef"),
        FAULT("\x01\x81" M "x\x81\x81" M "y", "fault 1002\n", "\x03\xea"),
    };
    size_t i;

    for (i = 0; i < COUNT_OF(faults); i++) {
        upgrade();
        assert_fault(&faults[i]);
    }
}

static void half_a_character_in_each_fragment_is_fine(void **state)
{
    upgrade();
    send_frame(0x01, SLICE("\xe2"));
    send_frame(0x00, SLICE("\x82"));
    send_frame(0x80, SLICE("\xac"));
    NEXT("\x81\x03\xe2\x82\xac");
}

static void fault_one_byte_at_a_time_is_the_same(void **state)
{
    static const char bytes[] = "\x81\x81\0\0\0\0a\x88\x84\0\0\0\0\x03\xe8\xc3";
    size_t i;

    upgrade();
    for (i = 0; i < sizeof(bytes) - 1; i++) {
        send_bytes(bytes + i, 1);
        turn(1);
    }
    SEND("\x28");
    NEXT("\x81\x01"
         "a\x81\x08<error/>\x88\x05\x03\xefwhy");
    await_eof();
}

/* What comes behind a fault is read, so that nothing is reset. */
static void flood_behind_a_fault_does_not_lose_the_answer(void **state)
{
    static char junk[1 << 20];

    upgrade();
    SEND("\x82");
    send_bytes(junk, sizeof(junk));
    NEXT("\x81\x08<error/>\x88\x05\x03\xebwhy");
    await_eof();
}

/* ---- closing ---- */

/* J42, J45: the client's Close is echoed; before it, all is handled. */
static void clients_close_is_answered_with_its_code(void **state)
{
    char bytes[64];
    size_t len = make_frame(bytes, 0x81, SLICE("last"));

    len += make_frame(bytes + len, 0x88, SLICE("\x03\xe9gone"));
    len += make_frame(bytes + len, 0x81, SLICE("late"));
    upgrade();
    send_bytes(bytes, len);
    NEXT("\x81\x04last");
    await_bytes(4);
    assert_memory_equal(buf_at(&world->in) + 2, "\x03\xe9", 2);
    assert_int_equal(buf_at(&world->in)[0], (char)0x88);
    await_eof();
    assert_told("message last\nlost\n");
}

static void close_without_a_code_is_answered(void **state)
{
    upgrade();
    send_frame(0x88, SLICE(""));
    NEXT("\x88");
    await_eof();
    assert_told("lost\n");
}

/* Q23 */
static void fin_behind_the_last_frame_does_not_lose_it(void **state)
{
    upgrade();
    send_frame(0x01, SLICE("las"));
    send_frame(0x80, SLICE("t"));
    shutdown(world->fd, SHUT_WR);
    NEXT("\x81\x04last");
    await_eof();
    assert_told("message last\nlost\n");
}

/* More than is read at a time. */
static void fin_behind_many_frames_loses_none(void **state)
{
    static char bytes[60 * 1000];
    static char text[900];
    size_t len = 0;
    size_t i;

    memset(text, 'x', sizeof(text));
    upgrade();
    for (i = 0; i < 60; i++)
        len +=
            make_frame(bytes + len, 0x81, (struct slice){text, sizeof(text)});
    send_bytes(bytes, len);
    shutdown(world->fd, SHUT_WR);
    await_eof();
    assert_int_equal(world->in.len, 60 * (4 + sizeof(text)));
}

static void fin_in_the_middle_of_a_message_loses_it(void **state)
{
    upgrade();
    send_frame(0x01, SLICE("half"));
    SEND("\x80\x85\0\0");
    shutdown(world->fd, SHUT_WR);
    await_eof();
    assert_told("lost\n");
}

static void vanished_client_is_noticed(void **state)
{
    upgrade();
    unplug();
    await_told("lost\n");
    pass_ms(5);
    assert_int_equal(websocket_host_count(world->host), 0);
}

/* J41: our Close, the client's, then our FIN. */
static void our_close_waits_for_the_clients(void **state)
{
    upgrade();
    TEXT("finish");
    NEXT("\x88\x05\x03\xe8"
         "bye");
    pass_ms(SHORT_MS);
    assert_false(world->saw_eof);
    TEXT("ignored");
    send_frame(0x88, SLICE("\x03\xe8"));
    await_eof();
    assert_int_equal(world->in.len, 0);
    assert_told("message finish\n");
}

static void our_close_does_not_wait_for_ever(void **state)
{
    world->sessions.settings.ws.close_ms = SHORT_MS;
    upgrade();
    TEXT("finish");
    NEXT("\x88\x05\x03\xe8"
         "bye");
    await_eof();
    assert_int_equal(websocket_host_count(world->host), 0);
}

static void both_may_close_at_once(void **state)
{
    char bytes[64];
    size_t len = make_frame(bytes, 0x81, SLICE("finish"));

    len += make_frame(bytes + len, 0x88, SLICE("\x03\xe8"));
    upgrade();
    send_bytes(bytes, len);
    NEXT("\x88\x05\x03\xe8"
         "bye");
    await_eof();
    assert_int_equal(world->in.len, 0);
    assert_told("message finish\n");
}

/* What the client has not read yet goes first. */
static void our_close_comes_behind_everything(void **state)
{
    upgrade();
    watch_set(&world->watch, 0);
    TEXT("finish behind much");
    await_told("message finish behind much\n");
    pass_ms(SHORT_MS);
    watch_set(&world->watch, LOOP_READ);
    await_bytes(10 + MUCH_BYTES + 7);
    assert_int_equal(world->in.len, 10 + MUCH_BYTES + 7);
    buf_consume(&world->in, 10 + MUCH_BYTES);
    NEXT("\x88\x05\x03\xe8"
         "bye");
}

/* ---- pings ---- */

static void ping_that_is_answered_keeps_the_connection(void **state)
{
    world->sessions.settings.ws.ping_s = 1;
    world->sessions.settings.ws.ping_timeout_s = 1;
    upgrade();
    NEXT("\x89\x00");
    send_frame(0x8a, SLICE(""));
    NEXT("\x89\x00");
    assert_told("");
}

static void dead_client_is_dropped(void **state)
{
    world->sessions.settings.ws.ping_s = 1;
    world->sessions.settings.ws.ping_timeout_s = 1;
    upgrade();
    NEXT("\x89\x00");
    await_eof();
    assert_told("lost\n");
    assert_int_equal(websocket_host_count(world->host), 0);
}

/* A client that we do not read cannot show that it lives. */
static void stopped_client_is_not_taken_for_dead(void **state)
{
    world->sessions.settings.ws.ping_s = 1;
    world->sessions.settings.ws.ping_timeout_s = 1;
    upgrade();
    TEXT("stop");
    await_told("message stop\n");
    pass_ms(2500);
    assert_told("");
    assert_int_equal(websocket_host_count(world->host), 1);
}

/* J51: whether the client reads its pongs or not. */
static void flood_of_pings_ends(void **state)
{
    static char frame[200];
    size_t len = make_frame(frame, 0x89, (struct slice){frame, 125});
    unsigned n;

    upgrade();
    watch_stop(&world->watch);
    for (n = 0; n < 200000 && websocket_host_count(world->host) > 0; n++) {
        while (send(world->fd, frame, len, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 &&
               websocket_host_count(world->host) > 0)
            turn(1);
    }
    assert_true(n < 200000);
    assert_told("fault 1008\n");
}

/* ---- TLS ---- */

static void on_tls_secured(void *owner)
{
    world->is_secured = true;
    loop_stop(world->loop);
}

static void on_tls_received(void *owner, const char *at, size_t len)
{
    on_client_bytes(at, len);
}

static void on_tls_drained(void *owner)
{
}

static void on_tls_eof(void *owner)
{
    world->saw_eof = true;
    loop_stop(world->loop);
}

static void on_tls_lost(void *owner, enum sock_end why)
{
    world->saw_eof = true;
    loop_stop(world->loop);
}

static const struct sock_ops tls_client_ops = {
    .secured = on_tls_secured,
    .received = on_tls_received,
    .drained = on_tls_drained,
    .eof = on_tls_eof,
    .lost = on_tls_lost,
};

/* The client's end becomes a sock with TLS. */
static void secure_client(struct tls_ctx *ctx)
{
    static const struct sock_limits limits = {.queue_max_bytes = 1 << 20,
                                              .high_bytes = 1 << 16,
                                              .low_bytes = 1 << 14,
                                              .stall_ms = 5000,
                                              .handshake_ms = 5000};
    struct addr peer = {.len = sizeof(sa_family_t)};

    peer.storage.ss_family = AF_UNIX;
    assert_int_equal(sock_accept(&world->sock, world->loop, world->fd, &peer,
                                 &limits, &tls_client_ops, NULL),
                     ERR_OK);
    world->fd = -1;
    assert_int_equal(
        sock_start_tls_client(
            world->sock, ctx,
            &(struct tls_peer){.domain = "example.org", .is_verified = true}),
        ERR_OK);
    turn(PATIENCE_MS);
    assert_true(world->is_secured);
}

static void tls_listener_serves_websockets_too(void **state)
{
    struct authority *authority = authority_new("Root");
    struct leaf leaf = {.common_name = "x", .names = "DNS:example.org"};
    struct tls_policy policy = {0};
    struct leaf_files files;
    struct tls_ctx *server;
    struct tls_ctx *client;
    char why[256];
    char head[1024];

    assert_int_equal(tls_start(), ERR_OK);
    authority_issue(authority, &leaf, &files);
    assert_int_equal(
        tls_server_new(&server, files.certificate, files.key, why, sizeof(why)),
        ERR_OK);
    policy.ca_file = authority_file(authority);
    assert_int_equal(tls_client_new(&client, &policy, why, sizeof(why)),
                     ERR_OK);
    plug_in(server);
    secure_client(client);
    SEND(UPGRADE);
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
    TEXT("hello");
    NEXT("\x81\x05hello");
    SEND("\x81\x01z");
    NEXT("\x81\x08<error/>\x88\x05\x03\xeawhy");
    assert_told("message hello\nfault 1002\n");
    await_eof();
    tls_ctx_free(client);
    tls_ctx_free(server);
    authority_free(authority);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_fault_has_its_code_on_the_wire),
        TEST(half_a_character_in_each_fragment_is_fine),
        TEST(fault_one_byte_at_a_time_is_the_same),
        TEST(flood_behind_a_fault_does_not_lose_the_answer),
        TEST(clients_close_is_answered_with_its_code),
        TEST(close_without_a_code_is_answered),
        TEST(fin_behind_the_last_frame_does_not_lose_it),
        TEST(fin_behind_many_frames_loses_none),
        TEST(fin_in_the_middle_of_a_message_loses_it),
        TEST(vanished_client_is_noticed),
        TEST(our_close_waits_for_the_clients),
        TEST(our_close_does_not_wait_for_ever),
        TEST(both_may_close_at_once),
        TEST(our_close_comes_behind_everything),
        TEST(ping_that_is_answered_keeps_the_connection),
        TEST(dead_client_is_dropped),
        TEST(stopped_client_is_not_taken_for_dead),
        TEST(flood_of_pings_ends),
        TEST(tls_listener_serves_websockets_too),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
