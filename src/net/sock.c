#include "net/sock.h"

#include "sock_int.h"
#include "base/secret.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
#include <sys/uio.h>

/* How long a closed connection waits for the peer's FIN, and the most that
 * flushing its queue may take when the owner set no limit. */
#define LINGER_MS 5000

/* What the kernel keeps for a peer that does not read, beside what is on its
 * way: else its own queue, of megabytes, would stand behind our bounded one. */
#define UNSENT_MAX_BYTES 131072

/* After a failed write: what may still be read of the peer's last words. */
#define LAST_READS_MAX 8

/* Nobody holds these any more; for sock_stop_lingering. */
static _Thread_local struct sock *lingering;

static void sock_on_connected(struct sock *s);
static void on_handshake(struct sock *s);
static void on_writable(struct sock *s);
static void on_readable(struct sock *s);
static void on_linger(struct sock *s);

void sock_on_ready(void *arg, unsigned events)
{
    struct sock *s = arg;

    switch (s->state) {
    case STATE_CONNECTING:
        sock_on_connected(s);
        break;
    case STATE_HANDSHAKING:
        on_handshake(s);
        break;
    case STATE_OPEN:
        if ((events & LOOP_WRITE) != 0 || s->write_wants_read)
            on_writable(s);
        if (s->state != STATE_OPEN)
            break; /* the owner closed it, or gave it away */
        if ((events & LOOP_READ) != 0 || s->read_wants_write)
            on_readable(s);
        break;
    case STATE_LINGERING:
        on_linger(s);
        break;
    case STATE_LOST:
    case STATE_CLOSED:
        break;
    }
    sock_update_watch(s);
}

void sock_update_watch(struct sock *s)
{
    bool has_queue = s->queue.len > 0;
    unsigned events = 0;

    switch (s->state) {
    case STATE_CONNECTING:
        events = LOOP_WRITE;
        break;
    case STATE_HANDSHAKING:
        events = s->read_wants_write ? LOOP_WRITE : LOOP_READ;
        break;
    case STATE_OPEN:
        if ((!s->is_paused && !s->got_eof && s->read_end == TLS_DONE) ||
            (has_queue && s->write_wants_read))
            events |= LOOP_READ;
        if ((has_queue && !s->write_wants_read) || s->read_wants_write)
            events |= LOOP_WRITE;
        break;
    case STATE_LINGERING:
        if (!s->got_eof)
            events |= LOOP_READ;
        if (has_queue)
            events |= LOOP_WRITE;
        break;
    case STATE_LOST:
    case STATE_CLOSED:
        return;
    }
    watch_set(&s->watch, events);
}

/* --- Ending --- */

static void enlist(struct sock *s)
{
    s->next_lingering = lingering;
    s->lingering_link = &lingering;
    if (lingering != NULL)
        lingering->lingering_link = &s->next_lingering;
    lingering = s;
}

static void sock_unlist(struct sock *s)
{
    if (s->lingering_link == NULL)
        return;
    *s->lingering_link = s->next_lingering;
    if (s->next_lingering != NULL)
        s->next_lingering->lingering_link = s->lingering_link;
    s->lingering_link = NULL;
}

/* Accepts a half-built sock. */
void sock_release(struct sock *s)
{
    sock_unlist(s);
    watch_stop(&s->watch);
    timer_stop(&s->timer);
    loop_undefer(&s->later);
    tls_free(s->tls);
    s->tls = NULL;
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
    buf_free(&s->queue);
}

/* Our callers may still hold s. */
void sock_finish(struct sock *s)
{
    sock_release(s);
    s->state = STATE_CLOSED;
    loop_defer(s->loop, &s->later, free, s);
}

static void enter_lost(struct sock *s, enum sock_end why)
{
    s->state = STATE_LOST;
    s->why = why;
    watch_stop(&s->watch);
    timer_stop(&s->timer);
}

/* Only from the loop, where the owner expects callbacks. */
static void sock_fail(struct sock *s, enum sock_end why)
{
    enter_lost(s, why);
    s->is_told = true;
    s->up->lost(s->owner, why);
}

void sock_fail_later(struct sock *s, enum sock_end why)
{
    enter_lost(s, why);
    loop_defer(s->loop, &s->later, sock_on_later, s);
}

void sock_on_timeout(void *arg)
{
    struct sock *s = arg;

    if (s->state == STATE_LINGERING) {
        sock_finish(s);
        return;
    }
    s->error = ETIMEDOUT;
    sock_fail(s, SOCK_TIMEOUT);
}

void sock_abort(struct sock *s)
{
    if (s == NULL || s->state == STATE_CLOSED)
        return;
    if (s->state == STATE_OPEN && s->tls != NULL && s->queue.len == 0)
        tls_shutdown(s->tls);
    sock_finish(s);
}

static void send_fin(struct sock *s)
{
    s->sent_fin = true;
    if (s->tls != NULL)
        tls_shutdown(s->tls);
    shutdown(s->fd, SHUT_WR);
    timer_set(&s->timer, LINGER_MS);
}

void sock_close(struct sock *s)
{
    if (s == NULL || s->state == STATE_CLOSED || s->state == STATE_LINGERING)
        return;
    if (s->state != STATE_OPEN) {
        sock_finish(s);
        return;
    }

    s->state = STATE_LINGERING;
    enlist(s);
    s->up = NULL;
    s->owner = NULL;
    loop_undefer(&s->later);
    /* One limit for all of the queue: a peer that takes a byte now and then
     * must not keep it for ever. */
    timer_set(&s->timer,
              s->limits.stall_ms > 0 ? s->limits.stall_ms : LINGER_MS);
    if (s->queue.len == 0)
        send_fin(s);
    if (s->sent_fin && s->got_eof)
        sock_finish(s);
    sock_update_watch(s);
}

void sock_stop_lingering(struct loop *loop)
{
    struct sock *s = lingering;

    while (s != NULL) {
        struct sock *next = s->next_lingering;

        if (s->loop == loop)
            sock_finish(s);
        s = next;
    }
}

/* What the peer still sends is dropped: closing with unread bytes would send
 * a reset, which can destroy what we sent before. */
static void on_linger(struct sock *s)
{
    size_t cap;
    char *scratch = loop_scratch(s->loop, &cap);
    ssize_t len;

    if (!s->got_eof) {
        len = recv(s->fd, scratch, cap, 0);
        if (len == 0)
            s->got_eof = true;
        if (len < 0 && errno != EAGAIN && errno != EWOULDBLOCK &&
            errno != EINTR) {
            sock_finish(s);
            return;
        }
    }
    if (s->queue.len > 0 && !sock_queue_flush(s)) {
        sock_finish(s);
        return;
    }
    if (s->queue.len == 0 && !s->sent_fin)
        send_fin(s);
    if (s->sent_fin && s->got_eof)
        sock_finish(s);
}

/* --- Reading and writing --- */

void sock_tune(const struct sock *s)
{
    int on = 1;
    int unsent_max = UNSENT_MAX_BYTES;

    if (s->peer.as.family == AF_UNIX)
        return;
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max,
               sizeof(unsent_max));
}

static void sock_on_connected(struct sock *s)
{
    socklen_t len = sizeof(s->error);

    if (getsockopt(s->fd, SOL_SOCKET, SO_ERROR, &s->error, &len) < 0)
        s->error = errno;
    if (s->error != 0) {
        sock_fail(s, SOCK_REFUSED);
        return;
    }
    timer_stop(&s->timer);
    sock_tune(s);
    s->state = STATE_OPEN;
    s->up->connected(s->owner);
    if (s->state == STATE_OPEN)
        on_writable(s); /* what was queued meanwhile */
}

static void on_handshake(struct sock *s)
{
    enum tls_io io = tls_handshake(s->tls);

    s->read_wants_write = io == TLS_WANT_WRITE;
    if (io == TLS_WANT_READ || io == TLS_WANT_WRITE)
        return;
    if (io != TLS_DONE) {
        sock_fail(s, SOCK_TLS);
        return;
    }
    timer_stop(&s->timer);
    s->state = STATE_OPEN;
    s->up->secured(s->owner);
    if (s->state == STATE_OPEN)
        on_writable(s);
    /* Data may have come with the last flight, past what epoll sees. */
    if (s->state == STATE_OPEN && tls_has_pending(s->tls))
        loop_defer(s->loop, &s->later, sock_on_later, s);
}

static void on_writable(struct sock *s)
{
    if (!sock_queue_flush(s)) {
        sock_fail_later(s, s->tls != NULL ? SOCK_TLS : SOCK_RESET);
        return;
    }
    if (!s->is_congested)
        return;
    if (s->queue.len > 0 && s->queue.len >= s->limits.low_bytes)
        return;
    s->is_congested = false;
    s->up->drained(s->owner);
}

static void tell_eof(struct sock *s)
{
    s->got_eof = true;
    s->up->eof(s->owner);
}

/* All connections read into the same place: nothing stays there (L71). */
static void give(struct sock *s, char *scratch, size_t len)
{
    s->up->received(s->owner, scratch, len);
    secret_wipe(scratch, len);
}

static void read_plain(struct sock *s)
{
    size_t cap;
    char *scratch = loop_scratch(s->loop, &cap);
    ssize_t len = recv(s->fd, scratch, cap, 0);

    if (len > 0) {
        give(s, scratch, (size_t)len);
    } else if (len == 0) {
        tell_eof(s);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        s->error = errno;
        sock_fail(s, SOCK_RESET);
    }
}

/* What came to an end is told once all data before it was taken. */
static void tell_read_end(struct sock *s)
{
    if (s->read_end == TLS_EOF)
        tell_eof(s);
    else
        sock_fail(s, SOCK_TLS);
}

/* Fills the scratch once.  is_rest: only with what OpenSSL holds already, so
 * that a busy peer gets no more of this turn than others. */
static void read_tls(struct sock *s, bool is_rest)
{
    size_t cap;
    char *scratch = loop_scratch(s->loop, &cap);
    size_t len = 0;
    enum tls_io io = TLS_DONE;

    if (s->read_end != TLS_DONE) {
        tell_read_end(s);
        return;
    }
    while (io == TLS_DONE && len < cap &&
           (!is_rest || tls_has_pending(s->tls))) {
        size_t moved = 0;

        io = tls_read(s->tls, scratch + len, cap - len, &moved);
        len += moved;
    }
    s->read_wants_write = io == TLS_WANT_WRITE;
    if (io == TLS_EOF || io == TLS_FAILED)
        s->read_end = io;
    if (s->read_end != TLS_DONE || tls_has_pending(s->tls))
        loop_defer(s->loop, &s->later, sock_on_later, s);
    if (len > 0)
        give(s, scratch, len);
}

static void on_readable(struct sock *s)
{
    if (s->is_paused || s->got_eof)
        return;
    if (s->tls != NULL)
        read_tls(s, false);
    else
        read_plain(s);
}

/* A peer that said its last words and closed makes our write fail before we
 * have read them: a server's stream error, for example. */
static void read_last_words(struct sock *s)
{
    size_t cap;
    char *scratch = loop_scratch(s->loop, &cap);
    int i;

    for (i = 0; i < LAST_READS_MAX && s->state == STATE_LOST; i++) {
        ssize_t len;

        if (s->is_paused || s->got_eof)
            return;
        len = recv(s->fd, scratch, cap, 0);
        if (len <= 0)
            return;
        give(s, scratch, (size_t)len);
    }
}

/* What must be told from the loop, without the fd becoming ready. */
void sock_on_later(void *arg)
{
    struct sock *s = arg;

    if (s->state == STATE_OPEN && s->tls != NULL && !s->is_paused &&
        !s->got_eof)
        read_tls(s, true);
    if (s->state == STATE_LOST && !s->is_told) {
        if (s->tls == NULL && s->why == SOCK_RESET)
            read_last_words(s);
        if (s->state != STATE_LOST)
            return;
        s->is_told = true;
        s->up->lost(s->owner, s->why);
        return;
    }
    sock_update_watch(s);
}

void sock_pause(struct sock *s)
{
    s->is_paused = true;
    sock_update_watch(s);
}

void sock_resume(struct sock *s)
{
    if (!s->is_paused)
        return;
    s->is_paused = false;
    if (s->state == STATE_OPEN && s->tls != NULL &&
        (s->read_end != TLS_DONE || tls_has_pending(s->tls)))
        loop_defer(s->loop, &s->later, sock_on_later, s);
    sock_update_watch(s);
}

/* --- Sending ---------------------------------------------------------------
 */

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
