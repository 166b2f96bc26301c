#include "bench.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX   512
#define READ_BYTES   65536
#define BUFFERED_MAX (16u << 20)

uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void lose(struct wire *w, const char *why)
{
    if (w->fd < 0)
        return;
    wire_close(w);
    w->ops->lost(w->owner, why);
}

static bool watch(struct wire *w, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};

    return epoll_ctl(w->bench->epoll, op, w->fd, &e) == 0;
}

void wire_open(struct wire *w, struct bench *b, const struct wire_ops *ops,
               void *owner)
{
    const struct sockaddr *sa = (const void *)&b->o.to;
    int on = 1;

    *w = (struct wire){
        .bench = b, .ops = ops, .owner = owner, .is_connecting = true};
    buf_init(&w->in, BUFFERED_MAX);
    buf_init(&w->out, BUFFERED_MAX);
    w->fd =
        socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (w->fd < 0) {
        ops->lost(owner, errno == EMFILE ? "no more file descriptors (ulimit "
                                           "-n)"
                                         : strerror(errno));
        return;
    }
    setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(w->fd, sa, b->o.to_len) < 0 && errno != EINPROGRESS) {
        lose(w, errno == EADDRNOTAVAIL
                    ? "no more local ports (net.ipv4.ip_local_port_range)"
                    : strerror(errno));
        return;
    }
    if (!watch(w, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT))
        lose(w, strerror(errno));
}

void wire_close(struct wire *w)
{
    if (w->fd >= 0)
        close(w->fd);
    w->fd = -1;
    buf_free(&w->in);
    buf_free(&w->out);
}

static void keep(struct wire *w, struct slice s)
{
    if (buf_append_slice(&w->out, s) != ERR_OK)
        lose(w, "too much waits to be sent");
}

void wire_send(struct wire *w, struct slice a, struct slice b)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)a.at, a.len},
                             {(void *)(uintptr_t)b.at, b.len}};
    size_t sent = 0;
    ssize_t n = 0;

    if (w->fd < 0)
        return;
    if (!w->is_connecting && w->out.len == 0) {
        n = writev(w->fd, parts, 2);
        if (n < 0 && errno != EAGAIN) {
            lose(w, strerror(errno));
            return;
        }
        sent = n > 0 ? (size_t)n : 0;
    }
    if (sent == a.len + b.len)
        return;
    if (sent < a.len)
        keep(w, (struct slice){a.at + sent, a.len - sent});
    sent = sent > a.len ? sent - a.len : 0;
    if (w->fd >= 0)
        keep(w, (struct slice){b.at + sent, b.len - sent});
    if (w->fd >= 0 && !w->is_connecting && !w->awaits_room) {
        w->awaits_room = true;
        if (!watch(w, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT))
            lose(w, strerror(errno));
    }
}

static void on_writable(struct wire *w)
{
    bool was_connecting = w->is_connecting;
    socklen_t len = sizeof(int);
    int error = 0;

    if (was_connecting) {
        getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
        if (error != 0) {
            lose(w, strerror(error));
            return;
        }
        w->is_connecting = false;
    }
    if (w->out.len > 0) {
        ssize_t n = send(w->fd, buf_at(&w->out), w->out.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            lose(w, strerror(errno));
            return;
        }
        buf_consume(&w->out, n > 0 ? (size_t)n : 0);
    }
    w->awaits_room = w->out.len > 0;
    if (!w->awaits_room) {
        buf_free(&w->out);
        watch(w, EPOLL_CTL_MOD, EPOLLIN);
    }
    if (was_connecting)
        w->ops->connected(w->owner);
}

/* Straight from the read where nothing was kept. */
static void on_bytes(struct wire *w, const char *at, size_t len)
{
    size_t used;

    if (w->in.len > 0) {
        if (buf_append(&w->in, at, len) != ERR_OK) {
            lose(w, "too much came for one answer");
            return;
        }
        used = w->ops->received(w->owner, buf_at(&w->in), w->in.len);
        if (w->fd < 0)
            return;
        buf_consume(&w->in, used);
        if (w->in.len == 0)
            buf_free(&w->in);
        return;
    }
    used = w->ops->received(w->owner, at, len);
    if (w->fd >= 0 && used < len &&
        buf_append(&w->in, at + used, len - used) != ERR_OK)
        lose(w, "out of memory");
}

static void on_readable(struct wire *w)
{
    static char scratch[READ_BYTES];
    ssize_t n = recv(w->fd, scratch, sizeof(scratch), 0);

    if (n > 0)
        on_bytes(w, scratch, (size_t)n);
    else if (n == 0)
        lose(w, "the server closed the connection");
    else if (errno != EAGAIN)
        lose(w, strerror(errno));
}

void wire_turn(struct bench *b, uint64_t wait_ns)
{
    struct timespec wait = {(time_t)(wait_ns / 1000000000u),
                            (long)(wait_ns % 1000000000u)};
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_pwait2(b->epoll, events, EVENTS_MAX, &wait, NULL);

    for (int i = 0; i < n; i++) {
        struct wire *w = events[i].data.ptr;

        /* A wire may be closed and opened anew in the same turn: then its
         * state says what there is to do. */
        if (w->fd >= 0 && (w->is_connecting || w->awaits_room) &&
            (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
            on_writable(w);
        if (w->fd >= 0 && !w->is_connecting &&
            (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
            on_readable(w);
    }
}
