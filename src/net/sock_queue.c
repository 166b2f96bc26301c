/* The sending half of sock: what the kernel does not take at once waits in a
 * bounded queue. */
#include "sock_int.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define IOV_PARTS 16

/* One TLS record holds no more.  Every tls_write is of at most this size, so
 * that OpenSSL's rule "repeat with no fewer bytes" holds for the queue. */
#define RECORD_BYTES 16384

/* As little as that is put into one piece: copying it costs less than having
 * the kernel read a list. */
#define TOGETHER_BYTES 2048

/* What is left to send of the parts. */
struct cursor {
    const struct slice *parts;
    size_t n_parts;
    size_t offset; /* into parts[0] */
};

static void skip_empty(struct cursor *c)
{
    while (c->n_parts > 0 && c->offset == c->parts[0].len) {
        c->parts++;
        c->n_parts--;
        c->offset = 0;
    }
}

static void advance(struct cursor *c, size_t len)
{
    while (len > 0) {
        size_t left = c->parts[0].len - c->offset;
        size_t step = len < left ? len : left;

        c->offset += step;
        len -= step;
        skip_empty(c);
    }
}

static struct slice first_of(const struct cursor *c)
{
    return (struct slice){c->parts[0].at + c->offset,
                          c->parts[0].len - c->offset};
}

static size_t left_of(const struct cursor *c)
{
    size_t len = 0;

    for (size_t i = 0; i < c->n_parts; i++)
        len += c->parts[i].len;
    return len - c->offset;
}

/* Up to max_bytes in one piece, copied to `room` only if it is in several. */
static struct slice sock_queue_gather(const struct cursor *c, char *room,
                                      size_t max_bytes)
{
    struct cursor rest = *c;
    struct slice first = first_of(c);
    size_t len = 0;

    if (first.len >= max_bytes)
        return (struct slice){first.at, max_bytes};
    if (c->n_parts == 1)
        return first;
    while (rest.n_parts > 0 && len < max_bytes) {
        struct slice next = first_of(&rest);
        size_t step = next.len < max_bytes - len ? next.len : max_bytes - len;

        memcpy(room + len, next.at, step);
        len += step;
        advance(&rest, step);
    }
    return (struct slice){room, len};
}

/* The parts, or as many as the kernel is told of at a time.  Sets how many
 * bytes these have, as send_some does. */
static ssize_t send_list(struct sock *s, const struct cursor *c, size_t *asked)
{
    struct iovec iov[IOV_PARTS];
    struct msghdr msg = {.msg_iov = iov};
    size_t offset = c->offset;

    *asked = 0;
    while (msg.msg_iovlen < IOV_PARTS && msg.msg_iovlen < c->n_parts) {
        struct slice part = c->parts[msg.msg_iovlen];
        struct iovec *to = &iov[msg.msg_iovlen++];

        /* The kernel only reads it. */
        to->iov_base = (void *)(uintptr_t)(part.at + offset);
        to->iov_len = part.len - offset;
        *asked += to->iov_len;
        offset = 0;
    }
    return sendmsg(s->fd, &msg, MSG_NOSIGNAL);
}

/* Sets how many bytes the kernel was asked to take. */
static ssize_t send_some(struct sock *s, const struct cursor *c, size_t *asked)
{
    char room[TOGETHER_BYTES];
    struct slice piece = first_of(c);

    if (c->n_parts > 1) {
        if (left_of(c) > sizeof(room))
            return send_list(s, c, asked);
        piece = sock_queue_gather(c, room, sizeof(room));
    }
    *asked = piece.len;
    return send(s->fd, piece.at, piece.len, MSG_NOSIGNAL);
}

/* False: the connection failed, and s->error says how. */
static bool send_plain(struct sock *s, struct cursor *c)
{
    while (c->n_parts > 0) {
        size_t asked;
        ssize_t sent = send_some(s, c, &asked);

        if (sent < 0 && errno == EINTR)
            continue;
        if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return true;
        if (sent < 0) {
            s->error = errno;
            return false;
        }
        advance(c, (size_t)sent);
        if ((size_t)sent < asked)
            return true;
    }
    return true;
}

/* Not in the loop's scratch: the owner may be reading from that just now. */
static bool send_tls(struct sock *s, struct cursor *c)
{
    char record[RECORD_BYTES];

    while (c->n_parts > 0) {
        struct slice piece = sock_queue_gather(c, record, sizeof(record));
        size_t moved = 0;
        enum tls_io io = tls_write(s->tls, piece.at, piece.len, &moved);

        s->write_wants_read = io == TLS_WANT_READ;
        if (io == TLS_WANT_READ || io == TLS_WANT_WRITE)
            return true;
        if (io != TLS_DONE)
            return false;
        advance(c, moved);
    }
    return true;
}

static bool send_parts(struct sock *s, struct cursor *c)
{
    return s->tls != NULL ? send_tls(s, c) : send_plain(s, c);
}

static void arm_stall(struct sock *s)
{
    if (s->limits.stall_ms > 0)
        timer_set(&s->timer, s->limits.stall_ms);
}

bool sock_queue_flush(struct sock *s)
{
    struct slice waiting = buf_slice(&s->queue);
    struct cursor c = {&waiting, 1, 0};
    size_t sent;

    if (waiting.len == 0)
        return true;
    if (!send_parts(s, &c))
        return false;
    sent = c.n_parts == 0 ? waiting.len : c.offset;
    if (sent == 0)
        return true;

    buf_consume(&s->queue, sent);
    if (s->queue.len == 0) {
        buf_free(&s->queue); /* an idle connection costs nothing */
        if (s->state == STATE_OPEN)
            timer_stop(&s->timer);
    } else if (s->state == STATE_OPEN) {
        arm_stall(s);
    }
    return true;
}

void sock_queue_measure(struct sock *s)
{
    if (s->is_congested || s->queue.len <= s->limits.high_bytes)
        return;
    s->is_congested = true;
    s->full_bytes = s->queue.len + SOCK_SPARE_BYTES;
    if (s->full_bytes < s->limits.queue_max_bytes)
        s->full_bytes = s->limits.queue_max_bytes;
}

/* Without memory for a rest whose beginning is on its way, nothing sound can
 * follow on this connection. */
static enum err enqueue(struct sock *s, struct cursor *c, bool is_partial)
{
    size_t before = s->queue.len;
    size_t i;

    for (i = 0; i < c->n_parts; i++) {
        size_t offset = i == 0 ? c->offset : 0;
        enum err err = buf_append(&s->queue, c->parts[i].at + offset,
                                  c->parts[i].len - offset);

        if (err == ERR_OK)
            continue;
        buf_truncate(&s->queue, before);
        if (is_partial)
            sock_fail_later(s, SOCK_NOMEM);
        return err;
    }
    if (before == 0 && s->queue.len > 0 && s->state == STATE_OPEN)
        arm_stall(s);
    sock_queue_measure(s);
    return ERR_OK;
}

/* Above the mark there is an end; below it all is taken. */
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
    struct cursor c = {parts, n_parts, 0};
    bool is_partial = false;
    enum err err;

    if (s->state == STATE_LOST || s->state == STATE_LINGERING ||
        s->state == STATE_CLOSED)
        return ERR_CLOSED;
    if (!has_room(s, parts, n_parts))
        return ERR_LIMIT;

    skip_empty(&c);
    if (s->state == STATE_OPEN && s->queue.len == 0 && c.n_parts > 0) {
        struct slice first = c.parts[0];
        bool is_sent = send_parts(s, &c);

        if (!is_sent) {
            sock_fail_later(s, s->tls != NULL ? SOCK_TLS : SOCK_RESET);
            return ERR_CLOSED;
        }
        /* A refused TLS record is inside OpenSSL already. */
        is_partial = s->tls != NULL || c.n_parts == 0 ||
                     c.parts[0].at != first.at || c.offset > 0;
    }
    err = enqueue(s, &c, is_partial);
    sock_update_watch(s);
    return err;
}

bool sock_is_congested(const struct sock *s)
{
    return s->is_congested;
}

size_t sock_queued_bytes(const struct sock *s)
{
    return s->queue.len;
}
