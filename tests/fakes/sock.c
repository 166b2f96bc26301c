/* net/sock.h in memory: the same promises, the far end a fake_peer. */
#include "net/sock.h"
#include "net/sock_text.h"
#include "net/sock_open.h"
#include "net/tls.h"
#include "net/tls_client.h"

#include "sock_peer.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define RECEIVED_MAX 65536 /* in one call, as from the real one */

enum sock_state {
    STATE_CONNECTING,
    STATE_HANDSHAKING,
    STATE_OPEN,
    STATE_LINGERING,
    STATE_LOST, /* the owner was told */
    STATE_CLOSED,
};

struct sock {
    enum sock_state state;
    struct loop *loop;
    struct fake_peer *peer; /* NULL once given away */
    const struct sock_ops *up;
    void *owner;
    struct sock_limits limits;
    struct addr address;
    struct buf queue;
    struct timer timer; /* as in the real one */
    struct defer later;
    size_t full_bytes;
    bool is_congested;
    bool is_tls;
    const char *error;
};

static void on_later(void *arg);

void fake_sock_stir(struct sock *s)
{
    if (s->state != STATE_LOST && s->state != STATE_CLOSED)
        loop_defer(s->loop, &s->later, on_later, s);
}

static void finish(struct sock *s, enum fake_end end)
{
    struct fake_peer *p = s->peer;

    if (p != NULL && p->end == FAKE_OPEN)
        p->end = end;
    if (p != NULL)
        p->s = NULL;
    s->peer = NULL;
    s->state = STATE_CLOSED;
    timer_stop(&s->timer);
    loop_undefer(&s->later);
    buf_free(&s->queue);
    loop_defer(s->loop, &s->later, free, s);
}

static void fail(struct sock *s, enum sock_end why, const char *text)
{
    s->state = STATE_LOST;
    s->error = text;
    timer_stop(&s->timer);
    if (s->peer->end == FAKE_OPEN)
        s->peer->end = FAKE_LOST;
    s->up->lost(s->owner, why);
}

static void on_timeout(void *arg)
{
    struct sock *s = arg;

    if (s->state == STATE_LINGERING)
        finish(s, FAKE_ABORTED);
    else
        fail(s, SOCK_TIMEOUT, "Connection timed out");
}

static void arm(struct sock *s, unsigned ms)
{
    if (ms > 0)
        timer_set(&s->timer, ms);
}

/* What the peer takes of these bytes. */
static size_t give(struct sock *s, const char *at, size_t len)
{
    struct fake_peer *p = s->peer;

    if (p->takes != FAKE_NO_LIMIT) {
        if (len > p->takes)
            len = p->takes;
        p->takes -= len;
    }
    if (buf_append(&p->written, at, len) != ERR_OK)
        abort();
    return len;
}

static void flush(struct sock *s)
{
    size_t sent = give(s, buf_at(&s->queue), s->queue.len);

    if (sent == 0)
        return;
    buf_consume(&s->queue, sent);
    if (s->state != STATE_OPEN)
        return;
    timer_stop(&s->timer);
    if (s->queue.len > 0)
        arm(s, s->limits.stall_ms);
}

static void tell_drained(struct sock *s)
{
    if (!s->is_congested ||
        (s->queue.len > 0 && s->queue.len >= s->limits.low_bytes))
        return;
    s->is_congested = false;
    s->up->drained(s->owner);
}

/* In memory of exactly this size, so that no reader may go beyond. */
static void tell_received(struct sock *s)
{
    struct fake_peer *p = s->peer;
    size_t len = p->in.len < RECEIVED_MAX ? p->in.len : RECEIVED_MAX;
    char *copy = malloc(len);

    if (copy == NULL)
        abort();
    memcpy(copy, buf_at(&p->in), len);
    buf_consume(&p->in, len);
    s->up->received(s->owner, copy, len);
    free(copy);
}

static void tell_connected(struct sock *s)
{
    if (!s->peer->is_answered)
        return;
    if (!s->peer->is_accepted) {
        fail(s, SOCK_REFUSED, "Connection refused");
        return;
    }
    timer_stop(&s->timer);
    s->state = STATE_OPEN;
    s->up->connected(s->owner);
}

static void tell_secured(struct sock *s)
{
    struct fake_peer *p = s->peer;

    if (!p->is_judged)
        return;
    p->is_securing = p->is_judged = false;
    if (!p->is_trusted) {
        fail(s, SOCK_TLS, "certificate refused: not for this domain");
        return;
    }
    timer_stop(&s->timer);
    s->state = STATE_OPEN;
    s->is_tls = p->is_secured = true;
    s->up->secured(s->owner);
}

static void linger(struct sock *s)
{
    flush(s);
    if (s->queue.len == 0)
        finish(s, FAKE_CLOSED);
}

static void read_on(struct sock *s)
{
    struct fake_peer *p = s->peer;

    if (p->in.len > 0 && !p->is_paused) {
        tell_received(s);
        fake_sock_stir(s); /* for what is left; harmless if nothing is */
    } else if (p->is_lost) {
        fail(s, p->why, "Connection reset by peer");
    } else if (p->has_eof && !p->is_eof_told && !p->is_paused) {
        p->is_eof_told = true;
        s->up->eof(s->owner);
    }
}

static void on_later(void *arg)
{
    struct sock *s = arg;

    if (s->peer->is_lost && s->state != STATE_OPEN) {
        if (s->state == STATE_LINGERING)
            finish(s, FAKE_LOST);
        else
            fail(s, s->peer->why, "Connection reset by peer");
        return;
    }
    if (s->state == STATE_LINGERING) {
        linger(s);
        return;
    }
    if (s->state == STATE_CONNECTING)
        tell_connected(s);
    else if (s->state == STATE_HANDSHAKING)
        tell_secured(s);
    if (s->state == STATE_OPEN && s->queue.len > 0 && !s->peer->is_lost)
        flush(s);
    if (s->state == STATE_OPEN)
        tell_drained(s);
    if (s->state == STATE_OPEN)
        read_on(s);
}

/* --- Making --- */

static struct sock *make(struct loop *loop, struct fake_peer *p,
                         const struct sock_limits *limits,
                         const struct sock_ops *ops, void *owner)
{
    struct sock *s = calloc(1, sizeof(*s));

    if (s == NULL)
        abort();
    s->loop = loop;
    s->peer = p;
    s->up = ops;
    s->owner = owner;
    s->limits = *limits;
    s->address = p->address;
    s->error = "none";
    s->state = STATE_OPEN;
    buf_init(&s->queue, SIZE_MAX); /* sock_write bounds it */
    timer_init(&s->timer, loop, on_timeout, s);
    p->s = s;
    p->is_paused = false;
    return s;
}

enum err sock_connect(struct sock **out, struct loop *loop,
                      const struct addr *to, const struct sock_limits *limits,
                      const struct sock_ops *ops, void *owner)
{
    struct fake_peer *p = fake_peer_new();

    p->is_outgoing = true;
    p->address = *to;
    *out = make(loop, p, limits, ops, owner);
    (*out)->state = STATE_CONNECTING;
    arm(*out, limits->handshake_ms);
    return ERR_OK;
}

void sock_set_owner(struct sock *s, const struct sock_ops *ops, void *owner)
{
    s->up = ops;
    s->owner = owner;
}

enum err sock_accept(struct sock **out, struct loop *loop, int fd,
                     const struct addr *peer, const struct sock_limits *limits,
                     const struct sock_ops *ops, void *owner)
{
    struct fake_peer *p = fake_peer_by_fd(fd);

    assert(p != NULL && p->s == NULL);
    if (peer != NULL)
        p->address = *peer;
    *out = make(loop, p, limits, ops, owner);
    fake_sock_stir(*out); /* bytes may have come before */
    return ERR_OK;
}

static enum err start_tls(struct sock *s, const char *domain, bool is_verified)
{
    struct fake_peer *p = s->peer;

    if (s->state != STATE_OPEN || p->is_lost || p->is_eof_told)
        return ERR_CLOSED;
    if (s->queue.len > 0 || s->is_tls)
        return ERR_INVALID;
    s->state = STATE_HANDSHAKING;
    p->is_securing = true;
    p->is_verified = is_verified;
    snprintf(p->domain, sizeof(p->domain), "%s", domain);
    arm(s, s->limits.handshake_ms);
    return ERR_OK;
}

enum err sock_start_tls_server(struct sock *s, struct tls_ctx *ctx)
{
    return start_tls(s, "", false);
}

enum err sock_start_tls_client(struct sock *s, struct tls_ctx *ctx,
                               const struct tls_peer *peer)
{
    return start_tls(s, peer->domain, peer->is_verified);
}

/* --- Using --- */

static enum err enqueue(struct sock *s, struct slice part)
{
    bool was_empty = s->queue.len == 0;
    size_t sent = 0;
    enum err err;

    if (s->state == STATE_OPEN && was_empty)
        sent = give(s, part.at, part.len);
    err = buf_append(&s->queue, part.at + sent, part.len - sent);
    if (s->state == STATE_OPEN && was_empty && s->queue.len > 0)
        arm(s, s->limits.stall_ms);
    return err;
}

/* As the real one. */
static void measure(struct sock *s)
{
    if (s->is_congested || s->queue.len <= s->limits.high_bytes)
        return;
    s->is_congested = true;
    s->full_bytes = s->queue.len + SOCK_SPARE_BYTES;
    if (s->full_bytes < s->limits.queue_max_bytes)
        s->full_bytes = s->limits.queue_max_bytes;
}

static bool has_room(const struct sock *s, const struct slice *parts,
                     size_t n_parts)
{
    size_t room = s->full_bytes - s->queue.len;

    for (size_t i = 0; s->is_congested && i < n_parts; i++) {
        if (parts[i].len > room)
            return false;
        room -= parts[i].len;
    }
    return true;
}

enum err sock_write(struct sock *s, const struct slice *parts, size_t n_parts)
{
    size_t i;

    if (s->state == STATE_LOST || s->state == STATE_LINGERING ||
        s->state == STATE_CLOSED || s->peer->is_lost)
        return ERR_CLOSED;
    if (!has_room(s, parts, n_parts))
        return ERR_LIMIT;
    for (i = 0; i < n_parts; i++) {
        if (parts[i].len == 0)
            continue;
        if (enqueue(s, parts[i]) != ERR_OK)
            abort();
    }
    measure(s);
    return ERR_OK;
}

bool sock_is_congested(const struct sock *s)
{
    return s->is_congested;
}

size_t sock_queued_bytes(const struct sock *s)
{
    return s->queue.len;
}

void sock_pause(struct sock *s)
{
    if (s->peer != NULL)
        s->peer->is_paused = true;
}

void sock_resume(struct sock *s)
{
    if (s->peer == NULL || !s->peer->is_paused)
        return;
    s->peer->is_paused = false;
    fake_sock_stir(s);
}

/* --- Ending --- */

void sock_close(struct sock *s)
{
    if (s == NULL || s->state == STATE_CLOSED || s->state == STATE_LINGERING)
        return;
    if (s->state != STATE_OPEN) {
        finish(s, FAKE_ABORTED);
        return;
    }
    s->state = STATE_LINGERING;
    s->up = NULL;
    s->owner = NULL;
    arm(s, s->limits.stall_ms > 0 ? s->limits.stall_ms : 5000);
    linger(s);
}

void sock_abort(struct sock *s)
{
    if (s != NULL && s->state != STATE_CLOSED)
        finish(s, FAKE_ABORTED);
}

void sock_stop_lingering(struct loop *loop)
{
    struct fake_peer *p;

    for (p = fake_peer_first(); p != NULL; p = p->next)
        if (p->s != NULL && p->s->loop == loop &&
            p->s->state == STATE_LINGERING)
            finish(p->s, FAKE_ABORTED);
}

enum err sock_detach(struct sock *s, struct sock_transfer *out)
{
    struct fake_peer *p = s->peer;

    if (s->state != STATE_OPEN || p->is_eof_told || p->is_lost)
        return ERR_CLOSED;
    out->fd = p->fd;
    out->tls = s->is_tls ? (struct tls *)(void *)p : NULL;
    buf_take(&out->queue, &s->queue);
    out->peer = s->address;
    out->limits = s->limits;
    p->s = NULL;
    s->peer = NULL;
    finish(s, FAKE_OPEN);
    return ERR_OK;
}

enum err sock_attach(struct sock **out, struct loop *loop,
                     struct sock_transfer *transfer, const struct sock_ops *ops,
                     void *owner)
{
    struct fake_peer *p = fake_peer_by_fd(transfer->fd);
    struct sock *s;

    assert(p != NULL && p->s == NULL);
    s = make(loop, p, &transfer->limits, ops, owner);
    s->is_tls = transfer->tls != NULL;
    buf_take(&s->queue, &transfer->queue);
    transfer->fd = -1;
    transfer->tls = NULL;
    measure(s);
    if (s->queue.len > 0)
        arm(s, s->limits.stall_ms);
    fake_sock_stir(s);
    *out = s;
    return ERR_OK;
}

void sock_transfer_drop(struct sock_transfer *transfer)
{
    struct fake_peer *p = fake_peer_by_fd(transfer->fd);

    if (p != NULL && p->end == FAKE_OPEN)
        p->end = FAKE_ABORTED;
    transfer->fd = -1;
    transfer->tls = NULL;
    buf_free(&transfer->queue);
}

/* --- Questions --- */

struct addr sock_peer(const struct sock *s)
{
    return s->address;
}

struct addr_text sock_peer_text(const struct sock *s)
{
    return addr_format(&s->address);
}

struct addr_text sock_peer_host(const struct sock *s)
{
    return addr_format_host(&s->address);
}

bool sock_is_tls(const struct sock *s)
{
    return s->is_tls;
}

const char *sock_error_text(const struct sock *s)
{
    return s->error;
}

const char *sock_trust_text(const struct sock *s, char *out, size_t cap)
{
    snprintf(out, cap, "resumed=no trust=%s", s->is_tls ? "verified" : "none");
    return out;
}

bool sock_is_truncated(const struct sock *s)
{
    return false;
}

const char *sock_tls_text(const struct sock *s, char *out, size_t cap)
{
    snprintf(out, cap, "%s", s->is_tls ? "TLSv1.3 FAKE" : "none");
    return out;
}
