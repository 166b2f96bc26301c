#include "endpoint.h"
#include "net/sock_open.h"
#include "net/sock_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>

#include <cmocka.h>

#define GOT_MAX_BYTES (16 << 20)
#define PATIENCE_MS   5000

const struct sock_limits endpoint_limits = {
    .queue_max_bytes = 1 << 20,
    .high_bytes = 64 << 10,
    .low_bytes = 16 << 10,
    .stall_ms = 3000,
    .handshake_ms = 3000,
};

static void happened(struct endpoint *e, enum endpoint_event event)
{
    struct sock *s = e->s;

    assert_false(e->is_inside);
    assert_non_null(s);
    e->count[event]++;
    switch (e->act[event]) {
    case DO_CLOSE:
        e->s = NULL;
        sock_close(s);
        break;
    case DO_ABORT:
        e->s = NULL;
        sock_abort(s);
        break;
    case DO_DETACH:
        e->is_parcel = sock_detach(s, &e->transfer) == ERR_OK;
        if (!e->is_parcel)
            sock_abort(s);
        e->s = NULL;
        break;
    case DO_PAUSE:
        sock_pause(s);
        break;
    case DO_NOTHING:
    case ACTS:
        break;
    }
}

static void on_connected(void *owner)
{
    happened(owner, ON_CONNECTED);
}

static void on_secured(void *owner)
{
    struct endpoint *e = owner;

    sock_tls_text(e->s, e->tls, sizeof(e->tls));
    happened(e, ON_SECURED);
}

static void on_received(void *owner, const char *at, size_t len)
{
    struct endpoint *e = owner;

    assert_true(len > 0);
    assert_int_equal(buf_append(&e->got, at, len), ERR_OK);
    happened(e, ON_RECEIVED);
}

static void on_drained(void *owner)
{
    happened(owner, ON_DRAINED);
}

static void on_eof(void *owner)
{
    happened(owner, ON_EOF);
}

static void on_lost(void *owner, enum sock_end why)
{
    struct endpoint *e = owner;

    e->why = why;
    snprintf(e->error, sizeof(e->error), "%s", sock_error_text(e->s));
    happened(e, ON_LOST);
}

const struct sock_ops endpoint_ops = {
    .connected = on_connected,
    .secured = on_secured,
    .received = on_received,
    .drained = on_drained,
    .eof = on_eof,
    .lost = on_lost,
};

void endpoint_init(struct endpoint *e)
{
    memset(e, 0, sizeof(*e));
    buf_init(&e->got, GOT_MAX_BYTES);
}

void endpoint_accept(struct endpoint *e, struct loop *loop, int fd)
{
    endpoint_init(e);
    assert_int_equal(
        sock_accept(&e->s, loop, fd, NULL, &endpoint_limits, &endpoint_ops, e),
        ERR_OK);
}

void endpoint_pair(struct endpoint *a, struct endpoint *b, struct loop *loop)
{
    int fds[2];

    assert_int_equal(
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds),
        0);
    endpoint_accept(a, loop, fds[0]);
    endpoint_accept(b, loop, fds[1]);
}

void endpoint_close(struct endpoint *e)
{
    sock_abort(e->s);
    e->s = NULL;
    if (e->is_parcel)
        sock_transfer_drop(&e->transfer);
    e->is_parcel = false;
    buf_free(&e->got);
}

enum err endpoint_write_bytes(struct endpoint *e, const char *at, size_t len)
{
    struct slice part = {at, len};
    enum err err;

    e->is_inside = true;
    err = sock_write(e->s, &part, 1);
    e->is_inside = false;
    return err;
}

enum err endpoint_write(struct endpoint *e, const char *text)
{
    return endpoint_write_bytes(e, text, strlen(text));
}

struct waiting {
    struct loop *loop;
    struct timer timer;
    const unsigned *count;
    unsigned at_least;
    const uint32_t *len;
    size_t len_at_least;
    unsigned left_ms;
};

static void on_tick(void *arg)
{
    struct waiting *w = arg;
    bool is_done = (w->count != NULL && *w->count >= w->at_least) ||
                   (w->len != NULL && *w->len >= w->len_at_least);

    if (!is_done && w->left_ms-- > 0)
        timer_set(&w->timer, 1);
    else
        loop_stop(w->loop);
}

static void wait_in(struct loop *loop, struct waiting *w)
{
    w->loop = loop;
    w->left_ms = PATIENCE_MS;
    timer_init(&w->timer, loop, on_tick, w);
    timer_set(&w->timer, 1);
    loop_run(loop);
}

void run_until(struct loop *loop, const unsigned *count, unsigned at_least)
{
    struct waiting w = {.count = count, .at_least = at_least};

    wait_in(loop, &w);
    assert_true(*count >= at_least);
}

void run_until_got(struct loop *loop, const struct endpoint *e, size_t len)
{
    struct waiting w = {.len = &e->got.len, .len_at_least = len};

    wait_in(loop, &w);
    assert_true(e->got.len >= len);
}

static void on_end(void *arg)
{
    loop_stop(arg);
}

void run_for(struct loop *loop, unsigned ms)
{
    struct timer t;

    timer_init(&t, loop, on_end, loop);
    timer_set(&t, ms);
    loop_run(loop);
}

const char *pattern(size_t len)
{
    static char bytes[4 << 20];
    static bool is_made;
    uint32_t x = 12345;
    size_t i;

    assert_true(len <= sizeof(bytes));
    for (i = 0; !is_made && i < sizeof(bytes); i++) {
        x = x * 1664525 + 1013904223;
        bytes[i] = (char)(x >> 24);
    }
    is_made = true;
    return bytes;
}
