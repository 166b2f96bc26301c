#include "net/sock.h"

#include "sock_int.h"
#include "base/secret.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

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
