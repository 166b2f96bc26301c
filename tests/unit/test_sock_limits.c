/* The limits of a sock's queue, on their exact sides. */
#include "base/loop.h"
#include "net/sock.h"
#include "net/sock_open.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define QUEUE_MAX  (1u << 20)
#define HIGH_BYTES (64u << 10)
#define LOW_BYTES  (16u << 10)
#define TURNS_MAX  2000
#define PEER_TAKES 65536

struct world {
    struct loop *loop;
    struct sock *sock;
    int peer;
    struct timer turn;
    unsigned n_drained;
    size_t queued_when_drained;
};

static const struct sock_limits limits = {
    .queue_max_bytes = QUEUE_MAX,
    .high_bytes = HIGH_BYTES,
    .low_bytes = LOW_BYTES,
};

static void on_nothing(void *owner)
{
}

static void on_received(void *owner, const char *at, size_t len)
{
    fail_msg("the peer sends nothing");
}

static void on_drained(void *owner)
{
    struct world *w = owner;

    w->n_drained++;
    w->queued_when_drained = sock_queued_bytes(w->sock);
}

static void on_lost(void *owner, enum sock_end why)
{
    fail_msg("lost");
}

static const struct sock_ops ops = {
    .connected = on_nothing,
    .secured = on_nothing,
    .received = on_received,
    .drained = on_drained,
    .eof = on_nothing,
    .lost = on_lost,
};

static void on_turn(void *arg)
{
    struct world *w = arg;

    loop_stop(w->loop);
}

static void set_up(struct world *w)
{
    int pair[2];

    memset(w, 0, sizeof(*w));
    assert_int_equal(loop_new(&w->loop), ERR_OK);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair),
                     0);
    assert_int_equal(
        sock_accept(&w->sock, w->loop, pair[0], NULL, &limits, &ops, w),
        ERR_OK);
    w->peer = pair[1];
    timer_init(&w->turn, w->loop, on_turn, w);
}

static void tear_down(struct world *w)
{
    sock_abort(w->sock);
    close(w->peer);
    loop_free(w->loop);
}

/* The peer takes a piece, and the loop turns. */
static void take(struct world *w)
{
    static char piece[PEER_TAKES];

    (void)!read(w->peer, piece, sizeof(piece));
    timer_set(&w->turn, 1);
    loop_run(w->loop);
}

static void drained_is_told_only_below_the_low_mark(void **state)
{
    static char much[QUEUE_MAX];
    const struct slice part = {much, sizeof(much)};
    struct world w;
    unsigned i;

    set_up(&w);
    assert_int_equal(sock_write(w.sock, &part, 1), ERR_OK);
    assert_true(sock_is_congested(w.sock));
    for (i = 0; i < TURNS_MAX && w.n_drained == 0; i++) {
        assert_true(sock_is_congested(w.sock));
        take(&w);
    }
    assert_int_equal(w.n_drained, 1);
    assert_true(w.queued_when_drained < LOW_BYTES);
    assert_false(sock_is_congested(w.sock));
    tear_down(&w);
}

/* Until the kernel takes no more and the queue is above its mark. */
static void congest(struct world *w)
{
    static char piece[HIGH_BYTES / 2];
    const struct slice part = {piece, sizeof(piece)};

    while (!sock_is_congested(w->sock))
        assert_int_equal(sock_write(w->sock, &part, 1), ERR_OK);
}

static void the_parts_together_have_to_fit(void **state)
{
    static char much[QUEUE_MAX];
    struct slice parts[] = {{much, QUEUE_MAX / 2 + 1}, {much, 0}};
    struct world w;
    size_t queued;

    set_up(&w);
    congest(&w);
    queued = sock_queued_bytes(w.sock);
    parts[1].len = QUEUE_MAX - queued - parts[0].len + 1;
    assert_int_equal(sock_write(w.sock, parts, 2), ERR_LIMIT);
    assert_int_equal(sock_queued_bytes(w.sock), queued);
    parts[1].len--;
    assert_int_equal(sock_write(w.sock, parts, 2), ERR_OK);
    assert_int_equal(sock_queued_bytes(w.sock), QUEUE_MAX);
    tear_down(&w);
}

/* Issue 11 B: below the mark there is no limit, and behind what filled the
 * queue beyond its maximum there is room for last words. */
static void below_the_mark_a_write_of_any_size_is_taken(void **state)
{
    static char much[4 * QUEUE_MAX];
    const struct slice part = {much, sizeof(much)};
    const struct slice words = {much, SOCK_SPARE_BYTES};
    const struct slice byte = {much, 1};
    struct world w;

    set_up(&w);
    assert_int_equal(sock_write(w.sock, &part, 1), ERR_OK);
    assert_true(sock_queued_bytes(w.sock) > 2 * QUEUE_MAX);
    assert_true(sock_is_congested(w.sock));
    assert_int_equal(sock_write(w.sock, &part, 1), ERR_LIMIT);
    assert_int_equal(sock_write(w.sock, &words, 1), ERR_OK);
    assert_int_equal(sock_write(w.sock, &byte, 1), ERR_LIMIT);
    while (sock_is_congested(w.sock))
        take(&w);
    assert_int_equal(sock_write(w.sock, &part, 1), ERR_OK);
    tear_down(&w);
}

/* K46: a server that vanished is noticed in the time of one that stalls. */
static void unacknowledged_bytes_are_borne_as_long_as_a_stall(void **state)
{
    struct sock_limits patient = limits;
    struct sock_transfer transfer;
    struct world w;
    struct addr to;
    unsigned ms = 0;
    socklen_t len = sizeof(ms);

    set_up(&w);
    sock_abort(w.sock);
    close(w.peer);
    w.peer = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(listen(w.peer, 1), 0); /* on some port of any address */
    assert_int_equal(addr_of_local(&to, w.peer), ERR_OK);
    patient.stall_ms = 7000;
    assert_int_equal(sock_connect(&w.sock, w.loop, &to, &patient, &ops, &w),
                     ERR_OK);
    for (unsigned i = 0; i < TURNS_MAX; i++) {
        timer_set(&w.turn, 1);
        loop_run(w.loop);
        if (sock_detach(w.sock, &transfer) == ERR_OK)
            break;
        assert_true(i + 1 < TURNS_MAX);
    }
    assert_int_equal(
        getsockopt(transfer.fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, &len), 0);
    assert_int_equal(ms, 7000);
    sock_transfer_drop(&transfer);
    w.sock = NULL;
    tear_down(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drained_is_told_only_below_the_low_mark),
        cmocka_unit_test(the_parts_together_have_to_fit),
        cmocka_unit_test(below_the_mark_a_write_of_any_size_is_taken),
        cmocka_unit_test(unacknowledged_bytes_are_borne_as_long_as_a_stall),
    };

    return cmocka_run_group_tests_name("sock_limits", tests, NULL, NULL);
}
