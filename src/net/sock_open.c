/* The making of a sock: connecting, accepting, TLS on top, and the move from
 * one loop to another. */
#include "sock_int.h"
#include "net/sock_open.h"
#include "net/sock_text.h"
#include "net/tls_client.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sock *sock_open_make(struct loop *loop, const struct addr *peer,
                                   const struct sock_limits *limits,
                                   const struct sock_ops *ops, void *owner)
{
    struct sock *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->fd = -1;
    s->loop = loop;
    s->up = ops;
    s->owner = owner;
    s->limits = *limits;
    s->read_end = TLS_DONE;
    if (peer != NULL)
        s->peer = addr_pack(peer);
    else
        s->peer.as.family = AF_UNIX; /* one end of a socketpair */
    buf_init(&s->queue, SIZE_MAX);   /* sock_write bounds it */
    timer_init(&s->timer, loop, sock_on_timeout, s);
    return s;
}

/* A peer that vanished is noticed when it acknowledges nothing for as long as
 * one that takes nothing is borne; else the kernel goes on for a quarter of an
 * hour (RFC 6120 section 4.6.1, conformance K46). */
static void sock_open_set_patience(const struct sock *s)
{
    unsigned ms = s->limits.stall_ms;

    if (ms > 0 && s->peer.as.family != AF_UNIX)
        setsockopt(s->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &ms, sizeof(ms));
}

enum err sock_connect(struct sock **out, struct loop *loop,
                      const struct addr *to, const struct sock_limits *limits,
                      const struct sock_ops *ops, void *owner)
{
    struct sock *s = sock_open_make(loop, to, limits, ops, owner);
    enum err err = ERR_SYSTEM;
    int saved;

    if (s == NULL)
        return ERR_NOMEM;
    s->state = STATE_CONNECTING;
    s->fd = socket(to->storage.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s->fd < 0)
        goto fail;
    sock_open_set_patience(s);
    if (connect(s->fd, (const struct sockaddr *)&to->storage, to->len) < 0 &&
        errno != EINPROGRESS) {
        /* A refusal like any other, only a quick one. */
        s->error = errno;
        sock_fail_later(s, SOCK_REFUSED);
        *out = s;
        return ERR_OK;
    }
    err = watch_start(&s->watch, loop, s->fd, LOOP_WRITE, sock_on_ready, s);
    if (err != ERR_OK)
        goto fail;
    if (limits->handshake_ms > 0)
        timer_set(&s->timer, limits->handshake_ms);
    *out = s;
    return ERR_OK;

fail:
    saved = errno;
    sock_release(s);
    free(s);
    errno = saved;
    return err;
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
    struct sock *s = sock_open_make(loop, peer, limits, ops, owner);
    enum err err;

    if (s == NULL)
        return ERR_NOMEM;
    err = watch_start(&s->watch, loop, fd, LOOP_READ, sock_on_ready, s);
    if (err != ERR_OK) {
        sock_release(s);
        free(s);
        return err;
    }
    s->fd = fd;
    s->state = STATE_OPEN;
    sock_tune(s);
    *out = s;
    return ERR_OK;
}

static enum err start_tls(struct sock *s, struct tls *tls, bool is_client)
{
    s->tls = tls;
    s->state = STATE_HANDSHAKING;
    s->read_wants_write = is_client; /* who speaks first */
    if (s->limits.handshake_ms > 0)
        timer_set(&s->timer, s->limits.handshake_ms);
    sock_update_watch(s);
    return ERR_OK;
}

/* A hostile peer can bring about any of these, so none is an assertion. */
static enum err check_tls_start(const struct sock *s)
{
    if (s->state != STATE_OPEN || s->got_eof)
        return ERR_CLOSED;
    return s->queue.len > 0 || s->tls != NULL ? ERR_INVALID : ERR_OK;
}

enum err sock_start_tls_server(struct sock *s, struct tls_ctx *ctx)
{
    struct tls *tls;
    enum err err = check_tls_start(s);

    if (err == ERR_OK)
        err = tls_accept_new(&tls, ctx, s->fd);
    return err == ERR_OK ? start_tls(s, tls, false) : err;
}

enum err sock_start_tls_client(struct sock *s, struct tls_ctx *ctx,
                               const struct tls_peer *peer)
{
    struct addr_text target = sock_peer_text(s);
    struct tls_peer here = *peer;
    struct tls *tls;
    enum err err = check_tls_start(s);

    here.target = target.text;
    if (err == ERR_OK)
        err = tls_connect_new(&tls, ctx, s->fd, &here);
    return err == ERR_OK ? start_tls(s, tls, true) : err;
}

enum err sock_detach(struct sock *s, struct sock_transfer *out)
{
    if (s->state != STATE_OPEN || s->read_end == TLS_FAILED)
        return ERR_CLOSED;

    out->fd = s->fd;
    out->tls = s->tls;
    buf_take(&out->queue, &s->queue);
    out->peer = sock_peer(s);
    out->limits = s->limits;
    out->is_at_end = s->got_eof || s->read_end == TLS_EOF;
    watch_stop(&s->watch); /* while the fd is known to be open */
    s->fd = -1;
    s->tls = NULL;
    if (out->tls != NULL)
        tls_leave_cache(out->tls);
    sock_finish(s);
    return ERR_OK;
}

enum err sock_attach(struct sock **out, struct loop *loop,
                     struct sock_transfer *transfer, const struct sock_ops *ops,
                     void *owner)
{
    struct sock *s =
        sock_open_make(loop, &transfer->peer, &transfer->limits, ops, owner);
    enum err err;

    if (s == NULL)
        return ERR_NOMEM;
    err =
        watch_start(&s->watch, loop, transfer->fd, LOOP_READ, sock_on_ready, s);
    if (err != ERR_OK) {
        sock_release(s);
        free(s);
        return err;
    }
    s->state = STATE_OPEN;
    s->fd = transfer->fd;
    s->tls = transfer->tls;
    buf_take(&s->queue, &transfer->queue);
    transfer->fd = -1;
    transfer->tls = NULL;

    sock_queue_measure(s);
    if (s->queue.len > 0 && s->limits.stall_ms > 0)
        timer_set(&s->timer, s->limits.stall_ms);
    /* A plain one's FIN is seen again by reading. */
    if (s->tls != NULL && transfer->is_at_end)
        s->read_end = TLS_EOF;
    if (s->tls != NULL && (transfer->is_at_end || tls_has_pending(s->tls)))
        loop_defer(loop, &s->later, sock_on_later, s);
    sock_update_watch(s);
    *out = s;
    return ERR_OK;
}

void sock_transfer_drop(struct sock_transfer *transfer)
{
    tls_free(transfer->tls);
    transfer->tls = NULL;
    if (transfer->fd >= 0)
        close(transfer->fd);
    transfer->fd = -1;
    buf_free(&transfer->queue);
}
