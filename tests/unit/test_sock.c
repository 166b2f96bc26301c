#include "net/sock.h"
#include "net/sock_text.h"
#include "net/sock_open.h"

#include "endpoint.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static struct endpoint a;
static struct endpoint b;

static int begin(void **state)
{
    endpoint_init(&a);
    endpoint_init(&b);
    return loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int end(void **state)
{
    endpoint_close(&a);
    endpoint_close(&b);
    sock_stop_lingering(loop);
    loop_free(loop);
    return 0;
}

static void assert_got(const struct endpoint *e, const char *at, size_t len)
{
    assert_int_equal(e->got.len, len);
    assert_memory_equal(buf_at(&e->got), at, len);
}

/* a is a sock, the other end a bare fd. */
static int half_pair(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    endpoint_accept(&a, loop, fds[0]);
    return fds[1];
}

/* A listening fd on loopback, and where. */
static int listen_tcp(struct addr *at, int backlog)
{
    const char *why;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

    assert_int_equal(addr_parse(at, "127.0.0.1:0", &why), ERR_OK);
    assert_int_equal(bind(fd, (struct sockaddr *)&at->storage, at->len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(addr_of_local(at, fd), ERR_OK);
    return fd;
}

static void bytes_arrive_in_order_both_ways(void **state)
{
    struct slice parts[41];
    size_t i;

    endpoint_pair(&a, &b, loop);
    for (i = 0; i < COUNT_OF(parts); i++)
        parts[i] = i % 5 == 0 ? SLICE("") : SLICE("ab");
    assert_int_equal(sock_write(a.s, parts, COUNT_OF(parts)), ERR_OK);
    assert_int_equal(sock_write(a.s, parts, 1), ERR_OK);
    assert_int_equal(sock_write(a.s, parts, 0), ERR_OK);
    assert_int_equal(endpoint_write(&b, "back"), ERR_OK);
    run_until_got(loop, &b, 64);
    run_until_got(loop, &a, 4);
    assert_int_equal(b.got.len, 64);
    assert_got(&a, "back", 4);
    assert_false(sock_is_tls(a.s));
    assert_int_equal(sock_queued_bytes(a.s), 0);
}

/* L71: all connections share the place that is read into. */
static void nothing_that_was_read_stays(void **state)
{
    static const char secret[] = "correct horse battery staple";
    const char *scratch;
    size_t cap;

    endpoint_pair(&a, &b, loop);
    assert_int_equal(endpoint_write(&b, secret), ERR_OK);
    run_until_got(loop, &a, strlen(secret));
    assert_got(&a, secret, strlen(secret));
    scratch = loop_scratch(loop, &cap);
    assert_null(memmem(scratch, cap, "horse", 5));
}

static void connects_over_tcp(void **state)
{
    struct addr at;
    struct addr peer;
    char text[20];
    int on = 0;
    socklen_t len = sizeof(on);
    int listening = listen_tcp(&at, 5);
    int fd;

    assert_int_equal(
        sock_connect(&a.s, loop, &at, &endpoint_limits, &endpoint_ops, &a),
        ERR_OK);
    assert_int_equal(endpoint_write(&a, "early"), ERR_OK); /* is queued */
    assert_int_equal(a.count[ON_CONNECTED], 0);
    run_until(loop, &a.count[ON_CONNECTED], 1);
    fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    assert_true(fd >= 0);
    assert_int_equal(addr_of_peer(&peer, fd), ERR_OK);
    assert_int_equal(
        sock_accept(&b.s, loop, fd, &peer, &endpoint_limits, &endpoint_ops, &b),
        ERR_OK);
    assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, &len), 0);
    assert_int_equal(on, 1);
    run_until_got(loop, &b, 5);
    assert_got(&b, "early", 5);
    assert_string_equal(sock_peer_text(b.s).text, addr_format(&peer).text);
    assert_string_equal(sock_tls_text(b.s, text, sizeof(text)), "none");
    assert_string_equal(sock_error_text(b.s), "none");
    close(listening);
}

static void refusal_is_reported_from_the_loop(void **state)
{
    struct addr at;
    const char *why;

    close(listen_tcp(&at, 5));
    a.is_inside = true;
    assert_int_equal(
        sock_connect(&a.s, loop, &at, &endpoint_limits, &endpoint_ops, &a),
        ERR_OK);
    assert_int_equal(addr_parse(&at, "unix:/nonexistent/doab", &why), ERR_OK);
    assert_int_equal(
        sock_connect(&b.s, loop, &at, &endpoint_limits, &endpoint_ops, &b),
        ERR_OK);
    a.is_inside = false;
    run_until(loop, &a.count[ON_LOST], 1);
    run_until(loop, &b.count[ON_LOST], 1);
    assert_int_equal(a.why, SOCK_REFUSED);
    assert_string_equal(a.error, strerror(ECONNREFUSED));
    assert_int_equal(b.why, SOCK_REFUSED);
    assert_string_equal(b.error, strerror(ENOENT));
    assert_int_equal(endpoint_write(&a, "x"), ERR_CLOSED);
    run_for(loop, 5);
    assert_int_equal(a.count[ON_LOST], 1);
}

static void connecting_takes_only_so_long(void **state)
{
    struct sock_limits limits = endpoint_limits;
    struct addr at;
    int listening = listen_tcp(&at, 0);
    int fds[4];
    size_t i;

    /* Fills the backlog; the kernel then drops further SYNs. */
    for (i = 0; i < COUNT_OF(fds); i++) {
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        connect(fds[i], (struct sockaddr *)&at.storage, at.len);
    }
    limits.handshake_ms = 30;
    assert_int_equal(sock_connect(&a.s, loop, &at, &limits, &endpoint_ops, &a),
                     ERR_OK);
    run_until(loop, &a.count[ON_LOST], 1);
    assert_int_equal(a.why, SOCK_TIMEOUT);
    assert_string_equal(a.error, strerror(ETIMEDOUT));
    for (i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    close(listening);
}

static void a_slow_peer_congests_and_drains(void **state)
{
    size_t sent = 0;
    enum err err = ERR_OK;

    endpoint_pair(&a, &b, loop);
    sock_pause(b.s);
    while (err == ERR_OK) {
        err = endpoint_write_bytes(&a, pattern(4 << 20) + sent, 50000);
        if (err == ERR_OK)
            sent += 50000;
        assert_int_equal(sock_is_congested(a.s),
                         sock_queued_bytes(a.s) > endpoint_limits.high_bytes);
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_true(sock_queued_bytes(a.s) <= endpoint_limits.queue_max_bytes);
    assert_true(sock_queued_bytes(a.s) + 50000 >
                endpoint_limits.queue_max_bytes);
    run_for(loop, 5);
    assert_int_equal(a.count[ON_DRAINED], 0);
    assert_int_equal(b.got.len, 0);

    sock_resume(b.s);
    run_until_got(loop, &b, sent);
    assert_got(&b, pattern(4 << 20), sent);
    assert_int_equal(a.count[ON_DRAINED], 1);
    assert_false(sock_is_congested(a.s));
    assert_int_equal(sock_queued_bytes(a.s), 0);
}

static void a_stalled_peer_is_given_up(void **state)
{
    struct sock_limits limits = endpoint_limits;
    int fds[2];

    limits.stall_ms = 30;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    assert_int_equal(
        sock_accept(&a.s, loop, fds[0], NULL, &limits, &endpoint_ops, &a),
        ERR_OK);
    run_for(loop, 50); /* silence is no stall */
    assert_int_equal(a.count[ON_LOST], 0);
    assert_int_equal(endpoint_write_bytes(&a, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    run_until(loop, &a.count[ON_LOST], 1);
    assert_int_equal(a.why, SOCK_TIMEOUT);
    close(fds[1]);
}

static void pausing_holds_bytes_back(void **state)
{
    endpoint_pair(&a, &b, loop);
    sock_pause(b.s);
    assert_int_equal(endpoint_write(&a, "later"), ERR_OK);
    run_for(loop, 10);
    assert_int_equal(b.got.len, 0);
    sock_resume(b.s);
    sock_resume(b.s);
    run_until_got(loop, &b, 5);
}

static uint64_t cpu_ms(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static void eof_is_told_once_and_does_not_spin(void **state)
{
    int far = half_pair();
    char got[4] = "";
    uint64_t before_ms;

    assert_int_equal(write(far, "end", 3), 3);
    shutdown(far, SHUT_WR);
    run_until(loop, &a.count[ON_EOF], 1);
    assert_got(&a, "end", 3);
    before_ms = cpu_ms();
    run_for(loop, 200);
    assert_true(cpu_ms() - before_ms < 100);
    assert_int_equal(a.count[ON_EOF], 1);
    assert_int_equal(endpoint_write(&a, "ok"), ERR_OK);
    assert_int_equal(read(far, got, sizeof(got)), 2);
    close(far);
}

static void a_lost_peer_is_told_after_the_write(void **state)
{
    int far = half_pair();

    close(far);
    assert_int_equal(endpoint_write(&a, "x"), ERR_CLOSED);
    assert_int_equal(endpoint_write(&a, "x"), ERR_CLOSED);
    assert_int_equal(a.count[ON_LOST], 0);
    run_until(loop, &a.count[ON_LOST], 1);
    assert_int_equal(a.why, SOCK_RESET);
    assert_string_equal(a.error, strerror(EPIPE));
    run_for(loop, 5);
    assert_int_equal(a.count[ON_LOST], 1);
    assert_int_equal(a.count[ON_EOF], 0);
}

static void last_words_are_read_before_the_loss(void **state)
{
    int far = half_pair();

    assert_int_equal(write(far, "bye", 3), 3);
    close(far);
    assert_int_equal(endpoint_write(&a, "x"), ERR_CLOSED);
    run_until(loop, &a.count[ON_LOST], 1);
    assert_got(&a, "bye", 3);
}

static void closing_before_the_loss_is_told_is_silent(void **state)
{
    close(half_pair());
    assert_int_equal(endpoint_write(&a, "x"), ERR_CLOSED);
    sock_close(a.s);
    a.s = NULL;
    run_for(loop, 5);
    assert_int_equal(a.count[ON_LOST], 0);
}

static void closing_delivers_every_byte(void **state)
{
    endpoint_pair(&a, &b, loop);
    sock_pause(b.s);
    assert_int_equal(endpoint_write_bytes(&a, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    assert_int_equal(endpoint_write(&b, "ignored"), ERR_OK);
    sock_close(a.s);
    a.s = NULL;
    run_for(loop, 5);
    sock_resume(b.s);
    run_until(loop, &b.count[ON_EOF], 1);
    assert_got(&b, pattern(1 << 20), 1 << 20);
    assert_int_equal(a.got.len, 0);
    sock_close(b.s);
    b.s = NULL;
    run_for(loop, 5);
    sock_close(NULL);
    sock_abort(NULL);
}

static void closing_waits_only_so_long_for_a_deaf_peer(void **state)
{
    struct sock_limits limits = endpoint_limits;
    static char sink[1 << 16];
    size_t taken = 0;
    ssize_t n;
    int fds[2];

    limits.stall_ms = 30;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    assert_int_equal(
        sock_accept(&a.s, loop, fds[0], NULL, &limits, &endpoint_ops, &a),
        ERR_OK);
    assert_int_equal(endpoint_write_bytes(&a, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    sock_close(a.s);
    a.s = NULL;
    run_for(loop, 60);
    while ((n = read(fds[1], sink, sizeof(sink))) > 0)
        taken += (size_t)n;
    assert_int_equal(n, 0); /* closed, with bytes missing */
    assert_true(taken < 1 << 20);
    close(fds[1]);
}

/* Makes the event happen at a.  drained needs a queue. */
static void provoke(enum endpoint_event event)
{
    struct addr at;
    int fd;

    switch (event) {
    case ON_CONNECTED:
        fd = listen_tcp(&at, 5);
        assert_int_equal(
            sock_connect(&a.s, loop, &at, &endpoint_limits, &endpoint_ops, &a),
            ERR_OK);
        assert_int_equal(endpoint_write(&a, "queued"), ERR_OK);
        run_until(loop, &a.count[event], 1);
        close(fd);
        break;
    case ON_RECEIVED:
        assert_int_equal(endpoint_write(&b, "x"), ERR_OK);
        break;
    case ON_DRAINED:
        sock_pause(b.s);
        assert_int_equal(endpoint_write_bytes(&a, pattern(1 << 20), 1 << 20),
                         ERR_OK);
        assert_int_equal(endpoint_write(&b, "and readable too"), ERR_OK);
        sock_resume(b.s);
        break;
    case ON_EOF:
        assert_int_equal(endpoint_write(&b, "last"), ERR_OK);
        sock_close(b.s);
        b.s = NULL;
        break;
    case ON_LOST:
        sock_abort(b.s);
        b.s = NULL;
        assert_int_equal(endpoint_write(&a, "x"), ERR_CLOSED);
        break;
    case ON_SECURED: /* test_tls.c */
    case EVENTS:
        break;
    }
    run_until(loop, &a.count[event], 1);
}

static void owner_may_end_it_in_every_callback(void **state)
{
    unsigned event;
    unsigned act;

    for (event = 0; event < EVENTS; event++) {
        for (act = DO_CLOSE; act < ACTS; act++) {
            if (event == ON_SECURED)
                continue;
            if (event != ON_CONNECTED)
                endpoint_pair(&a, &b, loop);
            a.act[event] = (enum endpoint_act)act;
            provoke((enum endpoint_event)event);
            run_for(loop, 3);
            assert_int_equal(a.count[event], 1);
            assert_int_equal(a.s == NULL, act != DO_PAUSE);
            endpoint_close(&a);
            endpoint_close(&b);
            endpoint_init(&a);
            run_for(loop, 3);
        }
    }
}

/* The move of design 4: unsent bytes go along, unread ones stay in the fd. */
static void moves_between_loops_with_bytes_in_flight(void **state)
{
    struct loop *other;
    struct endpoint moved;
    size_t queued;

    assert_int_equal(loop_new(&other), ERR_OK);
    endpoint_init(&moved);
    endpoint_pair(&a, &b, loop);
    sock_pause(b.s);
    assert_int_equal(endpoint_write_bytes(&a, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    queued = sock_queued_bytes(a.s);
    assert_true(queued > endpoint_limits.high_bytes);
    assert_int_equal(endpoint_write(&b, "first "), ERR_OK);
    a.act[ON_RECEIVED] = DO_DETACH;
    run_until(loop, &a.count[ON_RECEIVED], 1);
    assert_true(a.is_parcel);
    assert_int_equal(a.transfer.queue.len, queued);
    assert_int_equal(endpoint_write(&b, "second "), ERR_OK);
    run_for(loop, 5);
    assert_got(&a, "first ", 6);

    a.is_parcel = false;
    assert_int_equal(
        sock_attach(&moved.s, other, &a.transfer, &endpoint_ops, &moved),
        ERR_OK);
    assert_int_equal(a.transfer.fd, -1);
    assert_true(sock_is_congested(moved.s));
    run_until_got(other, &moved, 7);
    assert_int_equal(endpoint_write(&b, "third"), ERR_OK);
    sock_resume(b.s);
    while (b.got.len < 1 << 20) {
        run_for(loop, 1);
        run_for(other, 1);
    }
    run_until_got(other, &moved, 12);
    assert_got(&moved, "second third", 12);
    assert_got(&b, pattern(1 << 20), 1 << 20);
    assert_int_equal(moved.count[ON_DRAINED], 1);
    assert_int_equal(endpoint_write(&moved, "reply"), ERR_OK);
    run_until_got(loop, &b, (1 << 20) + 5);
    endpoint_close(&moved);
    loop_free(other);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bytes_arrive_in_order_both_ways),
        TEST(nothing_that_was_read_stays),
        TEST(connects_over_tcp),
        TEST(refusal_is_reported_from_the_loop),
        TEST(connecting_takes_only_so_long),
        TEST(a_slow_peer_congests_and_drains),
        TEST(a_stalled_peer_is_given_up),
        TEST(pausing_holds_bytes_back),
        TEST(eof_is_told_once_and_does_not_spin),
        TEST(a_lost_peer_is_told_after_the_write),
        TEST(last_words_are_read_before_the_loss),
        TEST(closing_before_the_loss_is_told_is_silent),
        TEST(closing_delivers_every_byte),
        TEST(closing_waits_only_so_long_for_a_deaf_peer),
        TEST(owner_may_end_it_in_every_callback),
        TEST(moves_between_loops_with_bytes_in_flight),
    };

    return cmocka_run_group_tests_name("sock", tests, NULL, NULL);
}
