#include "upstream/resolve_channel.h"

#include "base/loop.h"

#include <ares.h>
#include <stdlib.h>
#include <sys/time.h>

#define TRIES 2

/* A socket of c-ares. */
struct dns_fd {
    struct dns_fd *next;
    int fd; /* borrowed from c-ares */
    struct watch watch;
    struct defer gone;
    struct resolve_channel *owner; /* back pointer */
};

struct resolve_channel {
    struct loop *loop; /* borrowed: outlives the channel */
    struct ares_channeldata *ares;
    struct dns_fd *fds; /* owned */
    struct timer timer;
};

void resolve_channel_arm(struct resolve_channel *c)
{
    struct timeval tv;
    struct timeval *wait = ares_timeout(c->ares, NULL, &tv);

    if (wait == NULL) {
        timer_stop(&c->timer);
        return;
    }
    timer_set(&c->timer, (uint64_t)wait->tv_sec * 1000 +
                             ((uint64_t)wait->tv_usec + 999) / 1000);
}

static void on_ares_timer(void *arg)
{
    struct resolve_channel *c = arg;

    ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    resolve_channel_arm(c);
}

static void on_fd_ready(void *arg, unsigned events)
{
    struct dns_fd *f = arg;
    struct resolve_channel *c = f->owner;
    int fd = f->fd; /* f may go inside */

    ares_process_fd(c->ares, events & LOOP_READ ? fd : ARES_SOCKET_BAD,
                    events & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
    resolve_channel_arm(c);
}

static void drop_fd(struct resolve_channel *c, int fd)
{
    for (struct dns_fd **at = &c->fds; *at != NULL; at = &(*at)->next) {
        struct dns_fd *f = *at;

        if (f->fd != fd)
            continue;
        *at = f->next;
        watch_stop(&f->watch);
        loop_defer(c->loop, &f->gone, free, f);
        return;
    }
}

/* c-ares opens, needs or closes a socket.  No memory for a watch: the
 * question runs into its timeout. */
static void on_socket_state(void *arg, ares_socket_t fd, int reads, int writes)
{
    struct resolve_channel *c = arg;
    unsigned events = (reads ? (unsigned)LOOP_READ : 0u) |
                      (writes ? (unsigned)LOOP_WRITE : 0u);
    struct dns_fd *f = c->fds;

    if (events == 0) {
        drop_fd(c, fd);
        return;
    }
    while (f != NULL && f->fd != fd)
        f = f->next;
    if (f != NULL) {
        watch_set(&f->watch, events);
        return;
    }

    f = calloc(1, sizeof(*f));
    if (f == NULL)
        return;
    f->fd = fd;
    f->owner = c;
    if (watch_start(&f->watch, c->loop, fd, events, on_fd_ready, f) != ERR_OK) {
        free(f);
        return;
    }
    f->next = c->fds;
    c->fds = f;
}

enum err resolve_channel_new(struct resolve_channel **out, struct loop *loop,
                             unsigned timeout_ms, const char *servers)
{
    struct resolve_channel *c = calloc(1, sizeof(*c));
    struct ares_options options;
    int rc;

    if (c == NULL)
        return ERR_NOMEM;
    c->loop = loop;
    timer_init(&c->timer, loop, on_ares_timer, c);

    memset(&options, 0, sizeof(options));
    /* Domains are absolute: what the host adds to short names is not for
     * us.  EDNS: a list of servers often exceeds 512 bytes. */
    options.flags = ARES_FLAG_NOSEARCH | ARES_FLAG_EDNS;
    options.ednspsz = 1232;
    /* The wait doubles with each try: with one server t + 2t. */
    options.timeout = (int)(timeout_ms < 3 ? 1 : timeout_ms / 3);
    options.tries = TRIES;
    options.sock_state_cb = on_socket_state;
    options.sock_state_cb_data = c;
    rc = ares_init_options(&c->ares, &options,
                           ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ |
                               ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
                               ARES_OPT_SOCK_STATE_CB);
    if (rc != ARES_SUCCESS) {
        free(c);
        return rc == ARES_ENOMEM ? ERR_NOMEM : ERR_SYSTEM;
    }

    if (servers != NULL)
        rc = ares_set_servers_ports_csv(c->ares, servers);
    if (rc != ARES_SUCCESS) {
        resolve_channel_free(c);
        return rc == ARES_ENOMEM ? ERR_NOMEM : ERR_INVALID;
    }
    *out = c;
    return ERR_OK;
}

void resolve_channel_free(struct resolve_channel *c)
{
    if (c == NULL)
        return;
    ares_destroy(c->ares);
    while (c->fds != NULL)
        drop_fd(c, c->fds->fd);
    timer_stop(&c->timer);
    free(c);
}

struct ares_channeldata *resolve_channel_ares(struct resolve_channel *c)
{
    return c->ares;
}

const char *resolve_channel_library(void)
{
    return ares_version(NULL);
}
