#include "app/crew.h"

#include "app/worker.h"
#include "base/loop.h"
#include "net/tls.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

unsigned crew_size(const struct config *c)
{
    cpu_set_t cores;
    int n = 1;

    if (c->limits.workers > 0)
        return c->limits.workers;
    if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
        n = CPU_COUNT(&cores);
    if (n < 1)
        n = 1;
    return n < CREW_CORE_MAX ? (unsigned)n : CREW_CORE_MAX;
}

void crew_init(struct crew *crew, const struct config *c)
{
    memset(crew, 0, sizeof(*crew));
    quota_init(&crew->connections, c->limits.connections_max);
    quota_init(&crew->sessions, c->limits.sessions_max);
    quota_init(&crew->files, 0);
    atomic_init(&crew->n_running, 0);
}

void crew_share_files(struct crew *crew, size_t places, size_t keep)
{
    quota_init(&crew->files, places);
    quota_share(&crew->connections, &crew->files, keep);
    quota_share(&crew->sessions, &crew->files, 0);
}

/* Serially: some libraries initialise lazily and are not thread-safe while they
 * do. */
static enum err build_each(struct crew *crew, const struct crew_params *params,
                           struct tls_roots *roots, char *why, size_t why_cap)
{
    struct worker_params worker = {
        .config = params->config,
        .pages = params->pages,
        .roots = roots,
        .crew = crew,
        .n_workers = params->n,
    };

    for (unsigned i = 0; i < params->n; i++) {
        enum err err;

        worker.number = i;
        worker.fds = params->fds + i * params->config->n_listens;
        err = worker_new(&crew->workers[i], &worker, why, why_cap);
        if (err != ERR_OK)
            return err;
        crew->n = i + 1;
    }
    return ERR_OK;
}

enum err crew_build(struct crew *crew, const struct crew_params *params,
                    char *why, size_t why_cap)
{
    struct tls_roots *roots;
    enum err err = tls_roots_new(&roots);

    assert(params->n >= 1 && params->n <= CREW_MAX);
    if (err != ERR_OK)
        return err;
    err = build_each(crew, params, roots, why, why_cap);
    tls_roots_free(roots);
    return err;
}

/* --- Threads -------------------------------------------------------------- */

static void *run(void *arg)
{
    struct worker *w = arg;
    struct crew *crew = worker_crew(w);

    worker_run(w);
    if (atomic_fetch_sub(&crew->n_running, 1) == 1)
        loop_wake(crew->home);
    return NULL;
}

static void name(pthread_t thread, unsigned number)
{
    char text[16];

    snprintf(text, sizeof(text), "doab-%u", number);
    pthread_setname_np(thread, text);
}

static void join(struct crew *crew)
{
    while (crew->n_threads > 0)
        pthread_join(crew->threads[--crew->n_threads], NULL);
}

enum err crew_start(struct crew *crew, struct loop *home)
{
    crew->home = home;
    for (unsigned i = 0; i < crew->n; i++) {
        int error;

        atomic_fetch_add(&crew->n_running, 1);
        error = pthread_create(&crew->threads[i], NULL, run, crew->workers[i]);
        if (error != 0) {
            atomic_fetch_sub(&crew->n_running, 1);
            crew_stop(crew);
            join(crew);
            errno = error;
            return ERR_SYSTEM;
        }
        crew->n_threads++;
        name(crew->threads[i], i);
    }
    return ERR_OK;
}

bool crew_is_running(const struct crew *crew)
{
    return crew_running(crew) > 0;
}

unsigned crew_running(const struct crew *crew)
{
    return atomic_load(&crew->n_running);
}

/* --- The end -------------------------------------------------------------- */

static void order(struct crew *crew, enum worker_order what)
{
    for (unsigned i = 0; i < crew->n; i++)
        worker_order(crew->workers[i], what);
}

void crew_drain(struct crew *crew)
{
    crew->is_draining = true;
    order(crew, WORKER_DRAINS);
}

bool crew_is_draining(const struct crew *crew)
{
    return crew->is_draining;
}

void crew_stop(struct crew *crew)
{
    order(crew, WORKER_STOPS);
}

void crew_metrics(const struct crew *crew, struct metrics *sum)
{
    for (unsigned i = 0; i < crew->n; i++)
        metrics_read(worker_metrics(crew->workers[i]), sum);
}

void crew_free(struct crew *crew)
{
    join(crew);
    /* What one still had in its mailbox is dropped, and touches no other. */
    for (unsigned i = 0; i < crew->n; i++)
        worker_free(crew->workers[i]);
    crew->n = 0;
}
