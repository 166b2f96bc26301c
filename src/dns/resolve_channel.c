#include "dns/resolve_channel.h"

#include "resolve_answer.h"
#include "base/loop.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/socket.h>
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
    struct defer tell;
    bool is_closing;
    int status;
    char *reply; /* owned copy, or NULL */
    size_t reply_len;
    void (*ended)(void *owner, enum channel_end end, struct slice reply);
    void *owner;
};

struct resolve_hosts {
    struct ares_channeldata *ares;
};

/* In the order in which they happen. */
static void on_socket_state(void *arg, ares_socket_t fd, int reads, int writes);
static void on_fd_ready(void *arg, unsigned events);
static void on_ares_timer(void *arg);
static void on_reply(void *arg, int status, int timeouts, unsigned char *bytes,
                     int len);
static void on_tell(void *arg);

static void arm(struct resolve_channel *c)
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
    arm(c);
}

static void on_fd_ready(void *arg, unsigned events)
{
    struct dns_fd *f = arg;
    struct resolve_channel *c = f->owner;
    int fd = f->fd; /* f may go inside */

    ares_process_fd(c->ares, events & LOOP_READ ? fd : ARES_SOCKET_BAD,
                    events & LOOP_WRITE ? fd : ARES_SOCKET_BAD);
    arm(c);
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

/* Only keeps what was said: see channel_params. */
static void on_reply(void *arg, int status, int timeouts, unsigned char *bytes,
                     int len)
{
    struct resolve_channel *c = arg;

    if (c->is_closing)
        return;
    c->status = status;
    if (bytes != NULL && len > 0) {
        c->reply = malloc((size_t)len);
        if (c->reply == NULL) {
            c->status = ARES_ENOMEM;
        } else {
            memcpy(c->reply, bytes, (size_t)len);
            c->reply_len = (size_t)len;
        }
    }
    loop_defer(c->loop, &c->tell, on_tell, c);
}

static enum channel_end dns_channel_end_of(const struct resolve_channel *c)
{
    switch (c->status) {
    case ARES_SUCCESS:
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
        return c->reply != NULL ? CHANNEL_REPLY : CHANNEL_NONE;
    case ARES_EBADNAME: /* too long to exist */
        return CHANNEL_NONE;
    case ARES_ETIMEOUT:
        return CHANNEL_TIMEOUT;
    case ARES_ENOMEM:
        return CHANNEL_NO_MEMORY;
    default:
        return CHANNEL_FAILED;
    }
}

static void on_tell(void *arg)
{
    struct resolve_channel *c = arg;

    c->ended(c->owner, dns_channel_end_of(c),
             (struct slice){c->reply, c->reply_len});
}

static enum err open_ares(struct ares_channeldata **out,
                          struct ares_options *options, int mask,
                          const char *servers)
{
    int rc = ares_init_options(out, options, mask);

    if (rc != ARES_SUCCESS) {
        *out = NULL;
        return rc == ARES_ENOMEM ? ERR_NOMEM : ERR_SYSTEM;
    }
    if (servers != NULL)
        rc = ares_set_servers_ports_csv(*out, servers);
    if (rc == ARES_SUCCESS)
        return ERR_OK;
    return rc == ARES_ENOMEM ? ERR_NOMEM : ERR_INVALID;
}

enum err resolve_channel_ask(struct resolve_channel **out,
                             const struct channel_params *params)
{
    struct resolve_channel *c = calloc(1, sizeof(*c));
    unsigned timeout_ms = params->timeout_ms;
    struct ares_options options;
    enum err err;

    if (c == NULL)
        return ERR_NOMEM;
    c->loop = params->loop;
    c->ended = params->ended;
    c->owner = params->owner;
    timer_init(&c->timer, c->loop, on_ares_timer, c);

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
    err = open_ares(&c->ares, &options,
                    ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS |
                        ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB,
                    params->servers);
    if (err != ERR_OK) {
        resolve_channel_free(c);
        return err;
    }
    ares_query(c->ares, params->name, ns_c_in, params->type, on_reply, c);
    arm(c);
    *out = c;
    return ERR_OK;
}

void resolve_channel_free(struct resolve_channel *c)
{
    if (c == NULL)
        return;
    c->is_closing = true;
    if (c->ares != NULL)
        ares_destroy(c->ares);
    while (c->fds != NULL)
        drop_fd(c, c->fds->fd);
    timer_stop(&c->timer);
    loop_undefer(&c->tell);
    free(c->reply);
    free(c);
}

enum err resolve_hosts_new(struct resolve_hosts **out, const char *servers)
{
    struct resolve_hosts *h = calloc(1, sizeof(*h));
    struct ares_options options;
    enum err err;

    if (h == NULL)
        return ERR_NOMEM;
    memset(&options, 0, sizeof(options));
    err = open_ares(&h->ares, &options, 0, servers);
    if (err != ERR_OK) {
        resolve_hosts_free(h);
        return err;
    }
    *out = h;
    return ERR_OK;
}

void resolve_hosts_free(struct resolve_hosts *h)
{
    if (h == NULL)
        return;
    if (h->ares != NULL)
        ares_destroy(h->ares);
    free(h);
}

struct answer *resolve_hosts_find(struct resolve_hosts *h, const char *name,
                                  int type)
{
    int family = type == ns_t_aaaa ? AF_INET6 : AF_INET;
    int other = type == ns_t_aaaa ? AF_INET : AF_INET6;
    struct hostent *found = NULL;
    struct answer *answer = NULL;

    if (ares_gethostbyname_file(h->ares, name, family, &found) ==
        ARES_SUCCESS) {
        if (found->h_addr_list[0] != NULL)
            answer = answer_of_address(found->h_addr_list[0], family);
    } else if (ares_gethostbyname_file(h->ares, name, other, &found) ==
               ARES_SUCCESS) {
        answer = answer_copy(&answer_none);
    } else {
        return NULL;
    }
    ares_free_hostent(found);
    return answer;
}

const char *resolve_channel_library(void)
{
    return ares_version(NULL);
}
