#include "app.h"

#include "listen_sockets.h"
#include "config.h"
#include "worker_pool.h"
#include "files.h"
#include "libraries.h"
#include "process.h"
#include "base/log.h"
#include "base/loop.h"
#include "front/pages.h"
#include "net/tls.h"
#include "net/tls_ctx.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sysexits.h>
#include <unistd.h>

#define WHY_BYTES 512

/* What the end of the workers may take beyond limits.drain_timeout, or after
 * the second signal.  Then the process ends without them. */
#define GRACE_MS 3000

/* For the reader of the log at the end. */
#define FLUSH_MS 1000

struct app {
    const struct config *config; /* borrowed: outlives us */
    struct pages *pages;         /* owned, as is the rest */
    struct listen_sockets addresses;
    struct worker_pool pool;
    struct loop *loop; /* of signals alone */
    int signal_fd;
    struct watch signals;
    struct timer patience; /* set once the end has begun */
    bool is_stopping;      /* the second signal has come */
};

static void on_signal(void *arg, unsigned events);
static void on_impatience(void *arg);

static void app_warn(void *arg, const char *text)
{
    log_warn(NULL, "config.open text=%s", log_quote(slice_of(text)).text);
}

static void warn_files(void *arg, const char *text)
{
    log_warn(NULL, "start.files text=%s", log_quote(slice_of(text)).text);
}

static int exit_status(enum err err)
{
    return err == ERR_INVALID ? EX_CONFIG : EX_OSERR;
}

static int app_fail(const char *what, enum err err, const char *why)
{
    if (why[0] == '\0')
        why = err == ERR_SYSTEM ? strerror(errno) : err_name(err);
    log_error(NULL, "start.failed what=%s error=%s", what,
              log_quote(slice_of(why)).text);
    return exit_status(err);
}

/* --- Signals -------------------------------------------------------------- */

static void log_counters(const struct app *a)
{
    struct metrics sum = {{0}};
    char line[1600];
    size_t used = 0;

    worker_pool_metrics(&a->pool, &sum);
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

/* A worker that hangs must not keep the process: what it would have cleaned up
 * ends with the process, but for the names of unix sockets and the log. */
static _Noreturn void end_by_force(struct app *a)
{
    log_error(NULL, "end.forced workers=%u", worker_pool_running(&a->pool));
    addresses_unlink(&a->addresses);
    (void)log_flush(FLUSH_MS);
    _exit(EX_SOFTWARE);
}

static void on_impatience(void *arg)
{
    end_by_force(arg);
}

/* The first signal drains; the second one ends without waiting for clients,
 * and the third one without waiting for workers. */
static void app_end(struct app *a, const char *name)
{
    log_info(NULL, "signal name=%s", name);
    if (!worker_pool_is_draining(&a->pool)) {
        worker_pool_drain(&a->pool);
        timer_set(&a->patience, a->config->limits.drain_ms + GRACE_MS);
    } else if (!a->is_stopping) {
        a->is_stopping = true;
        worker_pool_stop(&a->pool);
        timer_set(&a->patience, GRACE_MS);
    } else {
        end_by_force(a);
    }
}

static void app_handle(struct app *a, unsigned signo)
{
    switch (signo) {
    case SIGTERM:
        app_end(a, "TERM");
        break;
    case SIGINT:
        app_end(a, "INT");
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
        app_handle(a, info.ssi_signo);
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
        return app_fail("signals", ERR_SYSTEM, "");
    a->signal_fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return a->signal_fd < 0 ? app_fail("signals", ERR_SYSTEM, "") : EX_OK;
}

/* --- Start and end -------------------------------------------------------- */

static int open_pages(struct app *a)
{
    char why[WHY_BYTES] = "";
    enum err err =
        pages_new(&a->pages, a->config->pages.directory, why, sizeof(why));

    if (err == ERR_OK)
        return EX_OK;
    app_fail("pages", err, why);
    return err == ERR_NOMEM ? EX_OSERR : EX_CONFIG;
}

/* Every worker has ended. */
static void app_on_wake(void *arg)
{
    struct app *a = arg;

    if (!worker_pool_is_running(&a->pool))
        loop_stop(a->loop);
}

static int open_loop(struct app *a)
{
    enum err err = loop_new(&a->loop);

    if (err == ERR_OK) {
        timer_init(&a->patience, a->loop, on_impatience, a);
        loop_on_wake(a->loop, app_on_wake, a);
        err = watch_start(&a->signals, a->loop, a->signal_fd, LOOP_READ,
                          on_signal, a);
    }
    return err == ERR_OK ? EX_OK : app_fail("signals", err, "");
}

static int open_worker_pool(struct app *a)
{
    struct worker_pool_params params = {
        .config = a->config,
        .pages = a->pages,
        .fds = a->addresses.fds,
        .n = a->addresses.n_workers,
    };
    char why[WHY_BYTES] = "";
    enum err err = worker_pool_build(&a->pool, &params, why, sizeof(why));

    if (err != ERR_OK)
        return app_fail("worker", err, why);
    err = worker_pool_start(&a->pool, a->loop);
    return err == ERR_OK ? EX_OK : app_fail("thread", err, "");
}

static int app_start(struct app *a)
{
    const struct config *c = a->config;
    unsigned n_workers = worker_pool_size(c);
    struct files files;
    enum err err;
    int status;

    log_setup(c->log.level, c->log.format);
    process_harden();
    err = log_start();
    if (err != ERR_OK)
        return app_fail("log", err, "");
    libraries_warn();
    files = files_share(c, n_workers, process_raise_files());
    log_info(NULL, "start version=%s pid=%ld domains=%zu files=%zu workers=%u",
             DOAB_VERSION, (long)getpid(), c->n_domains, files.limit,
             n_workers);
    config_warn(c, app_warn, NULL);
    files_warn(&files, c, warn_files, NULL);
    if (!files_suffice(&files))
        return app_fail("files", ERR_LIMIT,
                        "the limit of open files is too low");
    worker_pool_share_files(&a->pool, files.places, files.keep);
    err = tls_start();
    if (err != ERR_OK)
        return app_fail("tls", err, "");

    status = block_signals(a);
    if (status == EX_OK)
        status = open_pages(a);
    if (status == EX_OK)
        status = listen_sockets_open(&a->addresses, c, n_workers);
    if (status == EX_OK)
        status = open_loop(a);
    if (status == EX_OK)
        status = open_worker_pool(a);
    return status;
}

static void app_finish(struct app *a)
{
    watch_stop(&a->signals);
    timer_stop(&a->patience);
    worker_pool_free(&a->pool);
    loop_free(a->loop);
    if (a->signal_fd >= 0)
        close(a->signal_fd);
    listen_sockets_close(&a->addresses);
    pages_free(a->pages);
}

int app_run(const struct config *c)
{
    struct app a = {.config = c, .signal_fd = -1};
    int status;

    worker_pool_init(&a.pool, c);
    status = app_start(&a);
    if (status == EX_OK) {
        listen_sockets_announce(&a.addresses);
        loop_run(a.loop);
        log_counters(&a);
        log_info(NULL, "exit");
    }
    app_finish(&a);
    log_stop(FLUSH_MS);
    return status;
}
