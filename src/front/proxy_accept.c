#include "proxy_accept.h"

#include "base/loop.h"
#include "net/addr_net.h"
#include "net/proxy_protocol.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

struct proxy_accept {
    struct proxy_accept_host *host; /* back pointer */
    struct proxy_accept *next;      /* in the host's list */
    struct proxy_accept *prev;
    int fd; /* owned */
    struct addr peer;
    struct watch watch;
    struct timer patience;
    size_t len;
    char at[PROXY_V2_MAX_BYTES]; /* bytes of the header so far */
};

struct proxy_accept_host {
    struct loop *loop; /* borrowed: outlives us */
    unsigned header_ms;
    const struct proxy_accept_ops *ops;
    void *owner;                /* borrowed: passed back */
    struct proxy_accept *first; /* owned, as all behind it */
    size_t count;
};

enum err proxy_accept_host_new(struct proxy_accept_host **out,
                               struct loop *loop, unsigned header_ms,
                               const struct proxy_accept_ops *ops, void *owner)
{
    struct proxy_accept_host *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return ERR_NOMEM;
    h->loop = loop;
    h->header_ms = header_ms;
    h->ops = ops;
    h->owner = owner;
    *out = h;
    return ERR_OK;
}

/* Out of the list and of the loop; its fd is the caller's now. */
static int proxy_accept_let_go(struct proxy_accept *p)
{
    struct proxy_accept_host *h = p->host;
    int fd = p->fd;

    watch_stop(&p->watch);
    timer_stop(&p->patience);
    if (p->prev != NULL)
        p->prev->next = p->next;
    else
        h->first = p->next;
    if (p->next != NULL)
        p->next->prev = p->prev;
    h->count--;
    free(p);
    return fd;
}

void proxy_accept_host_free(struct proxy_accept_host *h)
{
    if (h == NULL)
        return;
    while (h->first != NULL)
        close(proxy_accept_let_go(h->first));
    free(h);
}

size_t proxy_accept_host_count(const struct proxy_accept_host *h)
{
    return h->count;
}

static void proxy_accept_refuse(struct proxy_accept *p, const char *why)
{
    struct proxy_accept_host *h = p->host;
    struct addr peer = p->peer;

    close(proxy_accept_let_go(p));
    h->ops->refused(h->owner, &peer, why);
}

/* The peer has closed before the header was whole. */
static void proxy_accept_leave(struct proxy_accept *p)
{
    struct proxy_accept_host *h = p->host;
    struct addr peer = p->peer;

    if (p->len > 0) {
        proxy_accept_refuse(p, "it left before the end of its PROXY header");
        return;
    }
    close(proxy_accept_let_go(p));
    h->ops->left(h->owner, &peer);
}

static void proxy_accept_on_late(void *arg)
{
    proxy_accept_refuse(arg, "its PROXY header is late");
}

static void proxy_accept_finish(struct proxy_accept *p,
                                const struct proxy_info *info)
{
    struct proxy_accept_host *h = p->host;
    bool is_local = info->is_local || info->source.len == 0;
    struct addr client = is_local ? p->peer : info->source;
    int fd = proxy_accept_let_go(p);

    addr_unmap(&client);
    h->ops->ready(h->owner, fd, &client,
                  is_local ? PROXY_TLS_UNSAID : info->tls);
}

/* Takes n bytes that were seen out of the socket. */
static bool proxy_accept_take(struct proxy_accept *p, size_t n)
{
    ssize_t got = recv(p->fd, p->at + p->len, n, 0);

    if (got != (ssize_t)n)
        return false;
    p->len += n;
    return true;
}

/* The bytes are looked at first, and those of the header alone are taken: a
 * header that is not whole yet is all there is. */
static void proxy_accept_on_ready(void *arg, unsigned events)
{
    struct proxy_accept *p = arg;
    struct proxy_info info;
    size_t seen = p->len;
    size_t used;
    ssize_t n;

    n = recv(p->fd, p->at + p->len, sizeof(p->at) - p->len, MSG_PEEK);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        proxy_accept_leave(p);
        return;
    }
    switch (proxy_read(p->at, seen + (size_t)n, &info, &used)) {
    case PROXY_MORE:
        if (!proxy_accept_take(p, (size_t)n))
            proxy_accept_refuse(p, "it cannot be read");
        return;
    case PROXY_OK:
        if (proxy_accept_take(p, used - seen))
            proxy_accept_finish(p, &info);
        else
            proxy_accept_refuse(p, "it cannot be read");
        return;
    case PROXY_INVALID:
        proxy_accept_refuse(p, "it begins without a PROXY header");
        return;
    }
}

enum err proxy_accept_read(struct proxy_accept_host *h, int fd,
                           const struct addr *peer)
{
    struct proxy_accept *p = calloc(1, sizeof(*p));
    enum err err;

    if (p == NULL)
        return ERR_NOMEM;
    p->host = h;
    p->fd = fd;
    p->peer = *peer;
    timer_init(&p->patience, h->loop, proxy_accept_on_late, p);
    err = watch_start(&p->watch, h->loop, fd, LOOP_READ, proxy_accept_on_ready,
                      p);
    if (err != ERR_OK) {
        free(p);
        return err;
    }
    timer_set(&p->patience, h->header_ms);
    p->next = h->first;
    if (p->next != NULL)
        p->next->prev = p;
    h->first = p;
    h->count++;
    return ERR_OK;
}
