#include "front/listener.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "base/slots.h"
#include "front/http.h"
#include "proxy_accept.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG     4096
#define ACCEPTS_MAX 64 /* in one turn; others want theirs */
#define PAUSE_MS    100

struct listener {
    struct listener_params params;
    struct watch watch;
    struct timer pause;                      /* set while nothing is accepted */
    struct proxy_accept_host *proxy_accepts; /* owned; NULL: there are none */
    struct log_limit limit;
    int spare_fd; /* owned; -1: none to be had */
};

static void listener_on_ready(void *arg, unsigned events);
static void on_pause_over(void *arg);

/* --- The listening socket ------------------------------------------------- */

static int set_option(int fd, int level, int name)
{
    int on = 1;

    return setsockopt(fd, level, name, &on, sizeof(on));
}

static int set_options(int fd, const struct addr *at, enum listener_share share)
{
    if (at->storage.ss_family == AF_UNIX)
        return fchmod(fd, 0660); /* bind() takes it over, less the umask */
    if (set_option(fd, SOL_SOCKET, SO_REUSEADDR) < 0)
        return -1;
    if (share == LISTENER_JOINS && set_option(fd, SOL_SOCKET, SO_REUSEPORT) < 0)
        return -1;
    if (at->storage.ss_family == AF_INET6)
        return set_option(fd, IPPROTO_IPV6, IPV6_V6ONLY);
    return 0;
}

static const char *path_of(const struct addr *at)
{
    const struct sockaddr_un *un = (const void *)&at->storage;

    return un->sun_path;
}

/* A socket file that nobody answers behind is what a killed process left. */
static void remove_stale(const struct addr *at)
{
    const struct sockaddr *sa = (const void *)&at->storage;
    struct stat st;
    int fd;

    if (lstat(path_of(at), &st) < 0 || !S_ISSOCK(st.st_mode))
        return;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    if (connect(fd, sa, at->len) < 0 && errno == ECONNREFUSED)
        unlink(path_of(at));
    close(fd);
}

enum err listener_open_fd(int *fd, const struct addr *at,
                          enum listener_share share)
{
    const struct sockaddr *sa = (const void *)&at->storage;
    bool is_unix = at->storage.ss_family == AF_UNIX;
    int saved;
    int s = socket(at->storage.ss_family,
                   SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (s < 0)
        return ERR_SYSTEM;
    if (is_unix)
        remove_stale(at);
    if (set_options(s, at, share) < 0 || bind(s, sa, at->len) < 0)
        goto fail;
    /* Only now: before bind() it would let us in beside another process of
     * the same user that shares its address, too. */
    if (share == LISTENER_FIRST && !is_unix &&
        set_option(s, SOL_SOCKET, SO_REUSEPORT) < 0)
        goto fail;
    if (is_unix && chmod(path_of(at), 0660) < 0)
        goto fail;
    if (listen(s, BACKLOG) < 0)
        goto fail;
    *fd = s;
    return ERR_OK;

fail:
    saved = errno;
    close(s);
    errno = saved;
    return ERR_SYSTEM;
}

/* --- Accepting ------------------------------------------------------------ */

static void open_spare(struct listener *l)
{
    if (l->spare_fd < 0)
        l->spare_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void pause_accepting(struct listener *l)
{
    watch_set(&l->watch, 0);
    timer_set(&l->pause, PAUSE_MS);
}

/* Out of fds the queue would stay readable and its clients would wait for
 * nothing: one fd that was put by serves to take them and hang up. */
static void refuse_waiting(struct listener *l)
{
    if (l->spare_fd < 0)
        return;
    for (int i = 0; i < ACCEPTS_MAX; i++) {
        int fd;

        close(l->spare_fd);
        fd = accept4(l->params.fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            metrics_count(METRIC_CONNECTIONS_REFUSED);
        }
        l->spare_fd = -1;
        open_spare(l);
        if (fd < 0 || l->spare_fd < 0)
            return;
    }
}

static void listener_complain(struct listener *l, const char *why)
{
    unsigned suppressed;

    if (log_allow(&l->limit, loop_now_ms(l->params.loop), &suppressed))
        log_warn(NULL, "listener.refused why=%s suppressed=%u",
                 log_quote(slice_of(why)).text, suppressed);
}

/* What accept4 says when no fd comes: true if it may be called again. */
static bool go_on_after(struct listener *l, int error)
{
    switch (error) {
    case EAGAIN:
        return false;
    case EMFILE:
    case ENFILE:
        listener_complain(l, strerror(error));
        refuse_waiting(l);
        pause_accepting(l);
        return false;
    case ENOBUFS:
    case ENOMEM:
        listener_complain(l, strerror(error));
        pause_accepting(l);
        return false;
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
        listener_complain(
            l, strerror(error)); /* not listening: a mistake of ours */
        pause_accepting(l);
        return false;
    default:
        return true; /* of that one connection: it died in the queue */
    }
}

static void listener_refuse(struct listener *l, int fd, const char *why)
{
    close(fd);
    slots_give(l->params.places);
    metrics_count(METRIC_CONNECTIONS_REFUSED);
    listener_complain(l, why);
}

static void serve(struct listener *l, int fd, const struct addr *client,
                  bool is_secure)
{
    enum err err =
        http_serve(l->params.http, fd, client, l->params.tls, is_secure);

    if (err == ERR_OK)
        metrics_count(METRIC_CONNECTIONS_ACCEPTED);
    else
        listener_refuse(l, fd, err_name(err));
}

static void on_proxy_header_refused(void *owner, const struct addr *peer,
                                    const char *why)
{
    struct listener *l = owner;

    slots_give(l->params.places);
    metrics_count(METRIC_CONNECTIONS_REFUSED);
    log_debug(NULL, "listener.proxy_accept peer=%s why=%s",
              addr_format_host(peer).text, log_quote(slice_of(why)).text);
    listener_complain(l, why);
}

/* What the proxy says of one connection is more than what the listener says of
 * all. */
static void on_proxy_header_ready(void *owner, int fd,
                                  const struct addr *client, enum proxy_tls tls)
{
    struct listener *l = owner;

    serve(l, fd, client,
          tls == PROXY_TLS_UNSAID ? l->params.is_secure
                                  : tls == PROXY_TLS_USED);
}

static void on_proxy_header_left(void *owner, const struct addr *peer)
{
    struct listener *l = owner;

    slots_give(l->params.places);
    log_debug(NULL, "listener.left peer=%s", addr_format_host(peer).text);
}

static const struct proxy_accept_ops proxy_accept_ops = {
    .ready = on_proxy_header_ready,
    .refused = on_proxy_header_refused,
    .left = on_proxy_header_left,
};

static void listener_begin(struct listener *l, int fd, const struct addr *peer)
{
    enum err err;

    if (l->proxy_accepts == NULL) {
        serve(l, fd, peer, l->params.is_secure);
        return;
    }
    if (!addr_net_list_has(l->params.trusted, l->params.n_trusted, peer)) {
        listener_refuse(l, fd,
                        "a PROXY header is only taken from trusted proxies");
        return;
    }
    err = proxy_accept_read(l->proxy_accepts, fd, peer);
    if (err != ERR_OK)
        listener_refuse(l, fd, err_name(err));
}

/* There is no place for whoever is next: he learns it at once, since in the
 * queue he would wait for nothing until his own patience ends.  False: there is
 * nobody more, or accepting pauses. */
static bool turn_away(struct listener *l)
{
    const char *why = slots_lacks_whole(l->params.places) ? "file descriptors"
                                                          : "connections_max";
    int fd = accept4(l->params.fd, NULL, NULL, SOCK_CLOEXEC);

    if (fd < 0)
        return go_on_after(l, errno);
    close(fd);
    metrics_count(METRIC_CONNECTIONS_REFUSED);
    listener_complain(l, why);
    return true;
}

static void listener_on_ready(void *arg, unsigned events)
{
    struct listener *l = arg;

    for (int i = 0; i < ACCEPTS_MAX; i++) {
        struct addr peer = {.len = sizeof(peer.storage)};
        struct sockaddr *sa = (void *)&peer.storage;
        int fd;

        if (!slots_take(l->params.places)) {
            if (!turn_away(l))
                return;
            continue;
        }
        fd = accept4(l->params.fd, sa, &peer.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener_begin(l, fd, &peer);
            continue;
        }
        slots_give(l->params.places);
        if (!go_on_after(l, errno))
            return;
    }
}

static void on_pause_over(void *arg)
{
    struct listener *l = arg;

    open_spare(l);
    watch_set(&l->watch, LOOP_READ);
}

enum err listener_new(struct listener **out,
                      const struct listener_params *params)
{
    struct listener *l = calloc(1, sizeof(*l));
    enum err err;

    if (l == NULL)
        return ERR_NOMEM;
    l->params = *params;
    l->limit = (struct log_limit)LOG_LIMIT_INIT;
    l->spare_fd = -1;
    timer_init(&l->pause, params->loop, on_pause_over, l);
    open_spare(l);
    if (params->has_proxy_header &&
        proxy_accept_host_new(&l->proxy_accepts, params->loop,
                              params->proxy_accept_ms, &proxy_accept_ops,
                              l) != ERR_OK) {
        listener_free(l);
        return ERR_NOMEM;
    }
    err = watch_start(&l->watch, params->loop, params->fd, LOOP_READ,
                      listener_on_ready, l);
    if (err != ERR_OK) {
        listener_free(l);
        return err;
    }
    *out = l;
    return ERR_OK;
}

void listener_free(struct listener *l)
{
    if (l == NULL)
        return;
    watch_stop(&l->watch);
    timer_stop(&l->pause);
    if (l->proxy_accepts != NULL)
        for (size_t n = proxy_accept_host_count(l->proxy_accepts); n > 0; n--)
            slots_give(l->params.places);
    proxy_accept_host_free(l->proxy_accepts);
    if (l->spare_fd >= 0)
        close(l->spare_fd);
    free(l);
}
