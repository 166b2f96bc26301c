#include "listen_sockets.h"

#include "process.h"
#include "base/log.h"
#include "front/listener.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

static int *fd_of(const struct listen_sockets *a, unsigned worker, size_t i)
{
    return &a->fds[worker * a->config->n_listens + i];
}

static bool is_unix(const struct listen_sockets *a, size_t i)
{
    return a->config->listens[i].addr.storage.ss_family == AF_UNIX;
}

static int listen_sockets_status_of(int error)
{
    switch (error) {
    case EACCES:
    case EPERM:
        return EX_NOPERM;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
        return EX_OSERR;
    default:
        return EX_UNAVAILABLE;
    }
}

static int listen_sockets_fail(const struct listen_sockets *a, size_t i,
                               int error)
{
    log_error(NULL, "listen.failed address=%s error=%s",
              log_quote(slice_of(a->config->listens[i].address)).text,
              log_quote(slice_of(strerror(error))).text);
    return listen_sockets_status_of(error);
}

/* A machine without IPv6 has no [::1], and nobody asked for it by name. */
static bool may_be_skipped(const struct config_listen *l, int error)
{
    return l->line == 0 && l->addr.storage.ss_family == AF_INET6 &&
           (error == EADDRNOTAVAIL || error == EAFNOSUPPORT);
}

/* The socket of worker 0; it decides what port 0 is. */
static int open_first(struct listen_sockets *a, size_t i)
{
    const struct config_listen *l = &a->config->listens[i];
    bool is_alone = a->n_workers == 1 || is_unix(a, i);
    int error;

    if (listener_open_fd(fd_of(a, 0, i), &l->addr,
                         is_alone ? LISTENER_ALONE : LISTENER_FIRST) ==
        ERR_OK) {
        if (addr_of_local(&a->bound[i], *fd_of(a, 0, i)) == ERR_OK)
            return EX_OK;
        return listen_sockets_fail(a, i, errno);
    }
    error = errno;
    *fd_of(a, 0, i) = -1;
    if (!may_be_skipped(l, error))
        return listen_sockets_fail(a, i, error);
    log_warn(NULL, "listen.skipped address=%s error=%s",
             log_quote(slice_of(l->address)).text,
             log_quote(slice_of(strerror(error))).text);
    return EX_OK;
}

static int open_others(struct listen_sockets *a, size_t i)
{
    if (*fd_of(a, 0, i) < 0)
        return EX_OK;
    for (unsigned k = 1; k < a->n_workers; k++) {
        if (is_unix(a, i)) {
            *fd_of(a, k, i) = *fd_of(a, 0, i);
            continue;
        }
        if (listener_open_fd(fd_of(a, k, i), &a->bound[i], LISTENER_JOINS) !=
            ERR_OK) {
            *fd_of(a, k, i) = -1;
            return listen_sockets_fail(a, i, errno);
        }
    }
    return EX_OK;
}

int listen_sockets_open(struct listen_sockets *a, const struct config *c,
                        unsigned n_workers)
{
    size_t n = c->n_listens * n_workers;
    int status = EX_OK;

    *a = (struct listen_sockets){.config = c, .n_workers = n_workers};
    a->fds = calloc(n, sizeof(*a->fds));
    a->bound = calloc(c->n_listens, sizeof(*a->bound));
    if (a->fds == NULL || a->bound == NULL) {
        log_error(NULL, "listen.failed error=%s", err_name(ERR_NOMEM));
        return EX_OSERR;
    }
    for (size_t i = 0; i < n; i++)
        a->fds[i] = -1;
    for (size_t i = 0; status == EX_OK && i < c->n_listens; i++) {
        status = open_first(a, i);
        if (status == EX_OK)
            status = open_others(a, i);
    }
    return status;
}

void addresses_unlink(const struct listen_sockets *a)
{
    for (size_t i = 0; a->fds != NULL && i < a->config->n_listens; i++) {
        const void *at = &a->config->listens[i].addr.storage;

        if (*fd_of(a, 0, i) >= 0 && is_unix(a, i))
            unlink(((const struct sockaddr_un *)at)->sun_path);
    }
}

static void close_one(struct listen_sockets *a, size_t i)
{
    if (*fd_of(a, 0, i) < 0)
        return;
    if (is_unix(a, i)) {
        close(*fd_of(a, 0, i));
        return;
    }
    for (unsigned k = 0; k < a->n_workers; k++)
        if (*fd_of(a, k, i) >= 0)
            close(*fd_of(a, k, i));
}

void listen_sockets_close(struct listen_sockets *a)
{
    addresses_unlink(a);
    for (size_t i = 0; a->fds != NULL && i < a->config->n_listens; i++)
        close_one(a, i);
    free(a->fds);
    free(a->bound);
    *a = (struct listen_sockets){.fds = NULL};
}

/* False: nobody reads, and more of it would wait as long again. */
static bool listen_sockets_say(const char *fmt, ...) PRINTF_LIKE(1, 2);

static bool listen_sockets_say(const char *fmt, ...)
{
    char line[ADDR_TEXT_BYTES + 32];
    va_list args;

    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    return process_say(line, strlen(line));
}

/* Other servers take IPv4 connections at [::], this one does not. */
static bool lacks_ip4(const struct listen_sockets *a, size_t i)
{
    const struct addr *at = &a->bound[i];

    if (at->storage.ss_family != AF_INET6 || !addr_is_any(at))
        return false;
    for (size_t k = 0; k < a->config->n_listens; k++)
        if (a->bound[k].storage.ss_family == AF_INET)
            return false;
    return true;
}

void listen_sockets_announce(const struct listen_sockets *a)
{
    const struct config *c = a->config;
    bool is_heard = true;

    for (size_t i = 0; i < c->n_listens; i++) {
        struct addr_text at = addr_format(&a->bound[i]);
        bool is_tls = c->listens[i].certificate[0] != '\0';

        if (*fd_of(a, 0, i) < 0)
            continue;
        if (is_heard)
            is_heard = listen_sockets_say("listening %s %s\n",
                                          is_tls ? "https" : "http", at.text);
        log_info(NULL, "listen address=%s tls=%s", at.text,
                 is_tls ? "yes" : "no");
        if (lacks_ip4(a, i))
            log_warn(NULL,
                     "listen.ipv6_only address=%s hint=\"no IPv4 client can "
                     "connect; listen at 0.0.0.0 as well\"",
                     at.text);
    }
    if (is_heard)
        (void)listen_sockets_say("ready\n");
    log_info(NULL, "ready");
}
