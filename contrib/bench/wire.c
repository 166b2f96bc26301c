#include "wire.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_MAX   512
#define READ_BYTES   65536
#define BUFFERED_MAX (16u << 20)
#define ACCEPTS_MAX  256
#define BACKLOG      4096
#define BILLION      1000000000u

static int epoll = -1;
static int listening = -1;
static void (*on_accepted)(int fd);
static struct wire *dead;

unsigned long wire_init(void)
{
    struct rlimit r = {0};

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
    signal(SIGPIPE, SIG_IGN);
    epoll = epoll_create1(EPOLL_CLOEXEC);
    return epoll >= 0 ? (unsigned long)r.rlim_cur : 0;
}

static void bury(void)
{
    while (dead != NULL) {
        struct wire *w = dead;

        dead = w->next_dead;
        w->ops->gone(w->owner);
    }
}

void wire_fini(void)
{
    bury();
    if (listening >= 0)
        close(listening);
    if (epoll >= 0)
        close(epoll);
    listening = -1;
    epoll = -1;
}

/* ---- listening ---- */

bool wire_listen(const struct address *at, void (*accepted)(int fd))
{
    struct epoll_event e = {.events = EPOLLIN}; /* no wire: the listener */
    int on = 1;
    int fd;

    on_accepted = accepted;
    fd =
        socket(at->at.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (const void *)&at->at, at->len) < 0 ||
        listen(fd, BACKLOG) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &e) < 0) {
        int saved = errno;

        close(fd);
        errno = saved;
        return false;
    }
    listening = fd;
    return true;
}

unsigned wire_listening_port(void)
{
    struct address a = {.len = sizeof(a.at)};

    if (getsockname(listening, (void *)&a.at, &a.len) < 0)
        return 0;
    return address_port(&a);
}

static void accept_all(void)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
            fprintf(stderr, "no more file descriptors (ulimit -n)\n");
            exit(1);
        }
        if (fd < 0)
            return;
        on_accepted(fd);
    }
}

/* ---- one connection ---- */

/* Closed, and so not of this turn's concern any more. */
static void retire(struct wire *w)
{
    if (w->ops->gone == NULL)
        return;
    w->next_dead = dead;
    dead = w;
}

void wire_close(struct wire *w)
{
    if (w->fd < 0)
        return;
    close(w->fd);
    w->fd = -1;
    buf_free(&w->in);
    buf_free(&w->out);
    retire(w);
}

static void lose(struct wire *w, const char *why)
{
    if (w->fd < 0)
        return;
    wire_close(w);
    if (w->ops->lost != NULL)
        w->ops->lost(w->owner, why);
}

static bool watch(struct wire *w, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = w};

    return epoll_ctl(epoll, op, w->fd, &e) == 0;
}

static void prepare(struct wire *w, int fd, const struct wire_ops *ops,
                    void *owner)
{
    int on = 1;

    *w = (struct wire){.ops = ops, .owner = owner, .fd = fd};
    buf_init(&w->in, BUFFERED_MAX);
    buf_init(&w->out, BUFFERED_MAX);
    if (fd >= 0)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void wire_open(struct wire *w, const struct address *to,
               const struct wire_ops *ops, void *owner)
{
    const struct sockaddr *sa = (const void *)&to->at;
    int fd =
        socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    int error = errno;

    prepare(w, fd, ops, owner);
    w->is_connecting = true;
    if (fd < 0) {
        retire(w);
        if (ops->lost != NULL)
            ops->lost(owner, error == EMFILE
                                 ? "no more file descriptors (ulimit -n)"
                                 : strerror(error));
        return;
    }
    if (connect(fd, sa, to->len) < 0 && errno != EINPROGRESS) {
        lose(w, errno == EADDRNOTAVAIL
                    ? "no more local ports (net.ipv4.ip_local_port_range)"
                    : strerror(errno));
        return;
    }
    if (!watch(w, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT))
        lose(w, strerror(errno));
}

bool wire_take(struct wire *w, int fd, const struct wire_ops *ops, void *owner)
{
    prepare(w, fd, ops, owner);
    if (watch(w, EPOLL_CTL_ADD, EPOLLIN))
        return true;
    close(fd);
    w->fd = -1;
    return false;
}

void wire_end(struct wire *w)
{
    w->ends = true;
    if (w->out.len == 0)
        wire_close(w);
}

static void keep(struct wire *w, struct slice s)
{
    if (w->fd >= 0 && buf_append_slice(&w->out, s) != ERR_OK)
        lose(w, "too much waits to be sent");
}

static void await_room(struct wire *w)
{
    if (w->fd < 0 || w->is_connecting || w->awaits_room)
        return;
    w->awaits_room = true;
    if (!watch(w, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT))
        lose(w, strerror(errno));
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
    keep(w, (struct slice){b.at + sent, b.len - sent});
    await_room(w);
}

/* ---- events ---- */

static bool has_connected(struct wire *w)
{
    socklen_t len = sizeof(int);
    int error = 0;

    getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &len);
    if (error == 0)
        return true;
    lose(w, strerror(error));
    return false;
}

static void on_writable(struct wire *w)
{
    bool was_connecting = w->is_connecting;

    if (was_connecting && !has_connected(w))
        return;
    w->is_connecting = false;
    if (w->out.len > 0) {
        ssize_t n = send(w->fd, buf_at(&w->out), w->out.len, MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN) {
            lose(w, strerror(errno));
            return;
        }
        buf_consume(&w->out, n > 0 ? (size_t)n : 0);
    }
    w->awaits_room = w->out.len > 0;
    if (!w->awaits_room && w->ends) {
        wire_close(w);
        return;
    }
    if (!w->awaits_room) {
        buf_free(&w->out);
        watch(w, EPOLL_CTL_MOD, EPOLLIN);
    }
    if (was_connecting && w->ops->connected != NULL)
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
        lose(w, "the peer closed the connection");
    else if (errno != EAGAIN)
        lose(w, strerror(errno));
}

static void on_event(struct wire *w, uint32_t events)
{
    /* A wire may be closed and opened anew in the same turn: then its state
     * says what there is to do. */
    if (w->fd >= 0 && (w->is_connecting || w->awaits_room) &&
        (events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
        on_writable(w);
    if (w->fd >= 0 && !w->is_connecting &&
        (events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
        on_readable(w);
}

void wire_turn(uint64_t wait_ns)
{
    struct timespec wait = {(time_t)(wait_ns / BILLION),
                            (long)(wait_ns % BILLION)};
    struct epoll_event events[EVENTS_MAX];
    int n = epoll_pwait2(epoll, events, EVENTS_MAX,
                         wait_ns == WIRE_FOREVER ? NULL : &wait, NULL);

    for (int i = 0; i < n; i++) {
        if (events[i].data.ptr == NULL)
            accept_all();
        else
            on_event(events[i].data.ptr, events[i].events);
    }
    bury();
}
