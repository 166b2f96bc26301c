#include "app/app.h"

#include "app/config.h"
#include "app/worker.h"
#include "base/log.h"
#include "base/loop.h"
#include "front/listener.h"
#include "front/pages.h"
#include "net/tls.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define WHY_BYTES 512

struct app {
    const struct config *config; /* borrowed: outlives us */
    struct pages *pages;         /* owned, as is the rest */
    int *fds;                    /* one for each listen section; -1: none */
    struct addr *bound;          /* where they are, port included */
    struct worker *worker;
    int signal_fd;
    struct watch signals;
};

static void on_signal(void *arg, unsigned events);

/* --- The process ---------------------------------------------------------- */

/* No core files with passwords in them, nobody who attaches, no file that
 * others may read, and as many connections as the system allows. */
static rlim_t harden(void)
{
    struct rlimit none = {0, 0};
    struct rlimit files;

    umask(0077);
    signal(SIGPIPE, SIG_IGN);
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        log_warn(NULL, "start.harden error=%s",
                 log_quote(slice_of(strerror(errno))).text);

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 0;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) < 0)
        log_warn(NULL, "start.files error=%s",
                 log_quote(slice_of(strerror(errno))).text);
    return files.rlim_cur;
}

static void warn(void *arg, const char *text)
{
    log_warn(NULL, "config.open text=%s", log_quote(slice_of(text)).text);
}

static int exit_status(enum err err)
{
    return err == ERR_INVALID ? EX_CONFIG : EX_OSERR;
}

static int fail(const char *what, enum err err, const char *why)
{
    if (why[0] == '\0')
        why = err == ERR_SYSTEM ? strerror(errno) : err_name(err);
    log_error(NULL, "start.failed what=%s error=%s", what,
              log_quote(slice_of(why)).text);
    return exit_status(err);
}

/* --- Addresses ------------------------------------------------------------ */

static int listen_status(int error)
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

/* A machine without IPv6 has no [::1], and nobody asked for it by name. */
static bool may_be_skipped(const struct config_listen *l, int error)
{
    return l->line == 0 && l->addr.storage.ss_family == AF_INET6 &&
           (error == EADDRNOTAVAIL || error == EAFNOSUPPORT);
}

static int open_address(struct app *a, size_t i)
{
    const struct config_listen *l = &a->config->listens[i];
    struct log_quoted name = log_quote(slice_of(l->address));
    int error;

    if (listener_open_fd(&a->fds[i], &l->addr, false) == ERR_OK) {
        if (addr_of_local(&a->bound[i], a->fds[i]) == ERR_OK)
            return EX_OK;
        return fail("listen", ERR_SYSTEM, "");
    }
    error = errno;
    a->fds[i] = -1;
    if (may_be_skipped(l, error)) {
        log_warn(NULL, "listen.skipped address=%s error=%s", name.text,
                 log_quote(slice_of(strerror(error))).text);
        return EX_OK;
    }
    log_error(NULL, "listen.failed address=%s error=%s", name.text,
              log_quote(slice_of(strerror(error))).text);
    return listen_status(error);
}

static int open_addresses(struct app *a)
{
    size_t n = a->config->n_listens;
    int status = EX_OK;

    a->fds = calloc(n, sizeof(*a->fds));
    a->bound = calloc(n, sizeof(*a->bound));
    if (a->fds == NULL || a->bound == NULL)
        return fail("listen", ERR_NOMEM, "");
    for (size_t i = 0; i < n; i++)
        a->fds[i] = -1;
    for (size_t i = 0; status == EX_OK && i < n; i++)
        status = open_address(a, i);
    return status;
}

static void close_address(struct app *a, size_t i)
{
    const struct addr *at = &a->config->listens[i].addr;

    if (a->fds[i] < 0)
        return;
    close(a->fds[i]);
    if (at->storage.ss_family == AF_UNIX)
        unlink(
            ((const struct sockaddr_un *)(const void *)&at->storage)->sun_path);
}

static void announce(const struct app *a)
{
    const struct config *c = a->config;

    for (size_t i = 0; i < c->n_listens; i++) {
        bool is_tls = c->listens[i].certificate[0] != '\0';

        if (a->fds[i] < 0)
            continue;
        printf("listening %s %s\n", is_tls ? "https" : "http",
               addr_format(&a->bound[i]).text);
        log_info(NULL, "listen address=%s tls=%s",
                 addr_format(&a->bound[i]).text, is_tls ? "yes" : "no");
    }
    printf("ready\n");
    fflush(stdout);
    log_info(NULL, "ready");
}

/* --- Signals -------------------------------------------------------------- */

static void log_counters(const struct app *a)
{
    struct metrics sum = {{0}};
    char line[1600];
    size_t used = 0;

    metrics_read(worker_metrics(a->worker), &sum);
    line[0] = '\0';
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        int n;

        if (sum.value[i] == 0)
            continue;
        n = snprintf(line + used, sizeof(line) - used, " %s=%llu",
                     metrics_name(i), (unsigned long long)sum.value[i]);
        if (n < 0 || (size_t)n >= sizeof(line) - used)
            break;
        used += (size_t)n;
    }
    log_info(NULL, "counters%s", line);
}

/* The second time without waiting for anybody. */
static void end(struct app *a, const char *name)
{
    log_info(NULL, "signal name=%s", name);
    if (worker_is_draining(a->worker))
        worker_stop(a->worker);
    else
        worker_drain(a->worker, a->config->limits.drain_ms);
}

static void handle(struct app *a, unsigned signo)
{
    switch (signo) {
    case SIGTERM:
        end(a, "TERM");
        break;
    case SIGINT:
        end(a, "INT");
        break;
    case SIGHUP:
        log_warn(NULL, "signal name=HUP text=\"settings are read at start "
                       "only; nothing was changed\"");
        break;
    case SIGUSR1:
        log_counters(a);
        break;
    default:
        break;
    }
}

static void on_signal(void *arg, unsigned events)
{
    struct app *a = arg;
    struct signalfd_siginfo info;

    while (read(a->signal_fd, &info, sizeof(info)) == sizeof(info))
        handle(a, info.ssi_signo);
}

/* Blocked before anything that makes threads, so that they inherit it. */
static int block_signals(struct app *a)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGUSR1);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return fail("signals", ERR_SYSTEM, "");
    a->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return a->signal_fd < 0 ? fail("signals", ERR_SYSTEM, "") : EX_OK;
}

/* --- Start and end -------------------------------------------------------- */

static int open_pages(struct app *a)
{
    char why[WHY_BYTES] = "";
    enum err err =
        pages_new(&a->pages, a->config->pages.directory, why, sizeof(why));

    if (err == ERR_OK)
        return EX_OK;
    fail("pages", err, why);
    return err == ERR_NOMEM ? EX_OSERR : EX_CONFIG;
}

static int open_worker(struct app *a)
{
    struct worker_params params = {
        .config = a->config,
        .pages = a->pages,
        .fds = a->fds,
    };
    char why[WHY_BYTES] = "";
    enum err err = worker_new(&a->worker, &params, why, sizeof(why));

    if (err != ERR_OK)
        return fail("worker", err, why);
    err = watch_start(&a->signals, worker_loop(a->worker), a->signal_fd,
                      LOOP_READ, on_signal, a);
    return err == ERR_OK ? EX_OK : fail("signals", err, "");
}

static int start(struct app *a)
{
    const struct config *c = a->config;
    rlim_t files;
    int status;

    log_setup(c->log.level, c->log.format);
    files = harden();
    log_info(NULL, "start version=%s pid=%ld domains=%zu files=%llu",
             DOAB_VERSION, (long)getpid(), c->n_domains,
             (unsigned long long)files);
    config_warn(c, warn, NULL);
    tls_start();

    status = block_signals(a);
    if (status == EX_OK)
        status = open_pages(a);
    if (status == EX_OK)
        status = open_addresses(a);
    if (status == EX_OK)
        status = open_worker(a);
    return status;
}

static void finish(struct app *a)
{
    watch_stop(&a->signals);
    worker_free(a->worker);
    if (a->signal_fd >= 0)
        close(a->signal_fd);
    for (size_t i = 0; a->fds != NULL && i < a->config->n_listens; i++)
        close_address(a, i);
    free(a->fds);
    free(a->bound);
    pages_free(a->pages);
}

int app_run(const struct config *c)
{
    struct app a = {.config = c, .signal_fd = -1};
    int status = start(&a);

    if (status == EX_OK) {
        announce(&a);
        worker_run(a.worker);
        log_counters(&a);
        log_info(NULL, "exit");
    }
    finish(&a);
    return status;
}
