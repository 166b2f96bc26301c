#include "loop.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#define EVENTS_MAX   512
#define READ_BYTES   65536
#define BUFFERED_MAX (16u << 20)
#define ACCEPTS_MAX  256

static int epoll = -1;
static int listening = -1;
static void (*on_accepted)(int fd);
static struct peer *dead;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

int loop_usage(int argc, char **argv, const char *usage)
{
    bool is_asked = argc == 2 && strcmp(argv[1], "--help") == 0;

    fprintf(is_asked ? stdout : stderr, "usage: %s\n", usage);
    return is_asked ? 0 : 64;
}

bool loop_address(const char *text, struct sockaddr_in *out)
{
    const char *colon = strrchr(text, ':');
    char host[64];
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    unsigned long port;
    char *end;

    if (len == 0 || len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    *out = (struct sockaddr_in){.sin_family = AF_INET};
    port = strtoul(colon + 1, &end, 10);
    if (end == colon + 1 || *end != '\0' || port > 65535)
        return false;
    out->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &out->sin_addr) == 1;
}

static void raise_fds(void)
{
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
        r.rlim_cur = r.rlim_max;
        setrlimit(RLIMIT_NOFILE, &r);
    }
}

void loop_listen(const char *at, void (*accepted)(int fd))
{
    struct epoll_event e = {.events = EPOLLIN};
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    int on = 1;

    raise_fds();
    signal(SIGPIPE, SIG_IGN);
    if (!loop_address(at, &address)) {
        fprintf(stderr, "not an address: %s\n", at);
        exit(64);
    }
    if (ntohl(address.sin_addr.s_addr) >> 24 != 127) {
        fprintf(stderr, "only on loopback: %s\n", at);
        exit(64);
    }
    on_accepted = accepted;
    epoll = epoll_create1(EPOLL_CLOEXEC);
    listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (epoll < 0 || listening < 0)
        die("start");
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(listening, (const void *)&address, sizeof(address)) < 0 ||
        listen(listening, 4096) < 0 ||
        getsockname(listening, (void *)&address, &len) < 0 ||
        epoll_ctl(epoll, EPOLL_CTL_ADD, listening, &e) < 0)
        die(at);
    printf("ready %u\n", (unsigned)ntohs(address.sin_port));
    fflush(stdout);
}

static void accept_all(void)
{
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd < 0 && (errno == EMFILE || errno == ENFILE))
            die("no more file descriptors (ulimit -n)");
        if (fd < 0)
            return;
        on_accepted(fd);
    }
}

static bool watch(struct peer *p, int op, uint32_t events)
{
    struct epoll_event e = {.events = events, .data.ptr = p};

    return epoll_ctl(epoll, op, p->fd, &e) == 0;
}

bool peer_start(struct peer *p, int fd, const struct peer_ops *ops)
{
    int on = 1;

    *p = (struct peer){.ops = ops, .fd = fd};
    buf_init(&p->in, BUFFERED_MAX);
    buf_init(&p->out, BUFFERED_MAX);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (watch(p, EPOLL_CTL_ADD, EPOLLIN))
        return true;
    close(fd);
    return false;
}

void peer_drop(struct peer *p)
{
    if (p->fd < 0)
        return;
    close(p->fd);
    p->fd = -1;
    buf_free(&p->in);
    buf_free(&p->out);
    p->next_dead = dead;
    dead = p;
}

static void keep(struct peer *p, struct slice s)
{
    if (p->fd >= 0 && buf_append_slice(&p->out, s) != ERR_OK)
        peer_drop(p);
}

static void await_room(struct peer *p)
{
    if (p->fd < 0 || p->awaits_room)
        return;
    p->awaits_room = true;
    if (!watch(p, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT))
        peer_drop(p);
}

void peer_send(struct peer *p, struct slice a, struct slice b)
{
    struct iovec parts[2] = {{(void *)(uintptr_t)a.at, a.len},
                             {(void *)(uintptr_t)b.at, b.len}};
    size_t sent = 0;
    ssize_t n;

    if (p->fd < 0)
        return;
    if (p->out.len == 0) {
        n = writev(p->fd, parts, 2);
        if (n < 0 && errno != EAGAIN && errno != ENOTCONN) {
            peer_drop(p);
            return;
        }
        sent = n > 0 ? (size_t)n : 0;
    }
    if (sent == a.len + b.len)
        return;
    if (sent < a.len)
        keep(p, (struct slice){a.at + sent, a.len - sent});
    sent = sent > a.len ? sent - a.len : 0;
    keep(p, (struct slice){b.at + sent, b.len - sent});
    await_room(p);
}

void peer_end(struct peer *p)
{
    p->ends = true;
    if (p->out.len == 0)
        peer_drop(p);
}

static void on_writable(struct peer *p)
{
    ssize_t n = send(p->fd, buf_at(&p->out), p->out.len, MSG_NOSIGNAL);

    if (n < 0 && errno != EAGAIN) {
        peer_drop(p);
        return;
    }
    buf_consume(&p->out, n > 0 ? (size_t)n : 0);
    if (p->out.len > 0)
        return;
    buf_free(&p->out);
    p->awaits_room = false;
    if (p->ends || !watch(p, EPOLL_CTL_MOD, EPOLLIN))
        peer_drop(p);
}

static void on_bytes(struct peer *p, const char *at, size_t len)
{
    size_t used;

    if (p->in.len > 0) {
        if (buf_append(&p->in, at, len) != ERR_OK) {
            peer_drop(p);
            return;
        }
        used = p->ops->received(p, buf_at(&p->in), p->in.len);
        if (p->fd < 0)
            return;
        buf_consume(&p->in, used);
        if (p->in.len == 0)
            buf_free(&p->in);
        return;
    }
    used = p->ops->received(p, at, len);
    if (p->fd >= 0 && used < len &&
        buf_append(&p->in, at + used, len - used) != ERR_OK)
        peer_drop(p);
}

static void on_readable(struct peer *p)
{
    static char scratch[READ_BYTES];
    ssize_t n = recv(p->fd, scratch, sizeof(scratch), 0);

    if (n > 0)
        on_bytes(p, scratch, (size_t)n);
    else if (n == 0 || errno != EAGAIN)
        peer_drop(p);
}

static void bury(void)
{
    while (dead != NULL) {
        struct peer *p = dead;

        dead = p->next_dead;
        p->ops->gone(p);
    }
}

void loop_run_forever(void)
{
    struct epoll_event events[EVENTS_MAX];

    for (;;) {
        int n = epoll_wait(epoll, events, EVENTS_MAX, -1);

        for (int i = 0; i < n; i++) {
            struct peer *p = events[i].data.ptr;

            if (p == NULL) {
                accept_all();
                continue;
            }
            if (p->fd >= 0 && p->awaits_room &&
                (events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
                on_writable(p);
            if (p->fd >= 0 &&
                (events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
                on_readable(p);
        }
        bury();
    }
}
