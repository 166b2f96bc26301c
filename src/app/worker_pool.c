#include "worker_pool.h"

#include "worker.h"
#include "base/loop.h"
#include "net/tls.h"
#include "net/tls_roots.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>

unsigned worker_pool_size(const struct config *c)
{
    cpu_set_t cores;
    int n = 1;

    if (c->limits.workers > 0)
        return c->limits.workers;
    if (sched_getaffinity(0, sizeof(cores), &cores) == 0)
        n = CPU_COUNT(&cores);
    if (n < 1)
        n = 1;
    return n < WORKER_POOL_CORE_MAX ? (unsigned)n : WORKER_POOL_CORE_MAX;
}

void worker_pool_init(struct worker_pool *pool, const struct config *c)
{
    memset(pool, 0, sizeof(*pool));
    slots_init(&pool->connections, c->limits.connections_max);
    slots_init(&pool->sessions, c->limits.sessions_max);
    slots_init(&pool->files, 0);
    atomic_init(&pool->n_running, 0);
}

void worker_pool_share_files(struct worker_pool *pool, size_t places,
                             size_t keep)
{
    slots_init(&pool->files, places);
    slots_share(&pool->connections, &pool->files, keep);
    slots_share(&pool->sessions, &pool->files, 0);
}

/* Serially: some libraries initialise lazily and are not thread-safe while they
 * do. */
static enum err build_each(struct worker_pool *pool,
                           const struct worker_pool_params *params,
                           struct tls_roots *roots, char *why, size_t why_cap)
{
    struct worker_params worker = {
        .config = params->config,
        .pages = params->pages,
        .roots = roots,
        .pool = pool,
        .n_workers = params->n,
    };

    for (unsigned i = 0; i < params->n; i++) {
        enum err err;

        worker.number = i;
        worker.fds = params->fds + i * params->config->n_listens;
        err = worker_new(&pool->workers[i], &worker, why, why_cap);
        if (err != ERR_OK)
            return err;
        pool->n = i + 1;
    }
    return ERR_OK;
}

enum err worker_pool_build(struct worker_pool *pool,
                           const struct worker_pool_params *params, char *why,
                           size_t why_cap)
{
    struct tls_roots *roots;
    enum err err = tls_roots_new(&roots);

    assert(params->n >= 1 && params->n <= WORKER_POOL_MAX);
    if (err != ERR_OK)
        return err;
    err = build_each(pool, params, roots, why, why_cap);
    tls_roots_free(roots);
    return err;
}

/* --- Threads -------------------------------------------------------------- */

static void *worker_pool_run(void *arg)
{
    struct worker *w = arg;
    struct worker_pool *pool = worker_get_pool(w);

    worker_run(w);
    if (atomic_fetch_sub(&pool->n_running, 1) == 1)
        loop_wake(pool->home);
    return NULL;
}

static void name(pthread_t thread, unsigned number)
{
    char text[16];

    snprintf(text, sizeof(text), "doab-%u", number);
    pthread_setname_np(thread, text);
}

static void join(struct worker_pool *pool)
{
    while (pool->n_threads > 0)
        pthread_join(pool->threads[--pool->n_threads], NULL);
}

enum err worker_pool_start(struct worker_pool *pool, struct loop *home)
{
    pool->home = home;
    for (unsigned i = 0; i < pool->n; i++) {
        int error;

        atomic_fetch_add(&pool->n_running, 1);
        error = pthread_create(&pool->threads[i], NULL, worker_pool_run,
                               pool->workers[i]);
        if (error != 0) {
            atomic_fetch_sub(&pool->n_running, 1);
            worker_pool_stop(pool);
            join(pool);
            errno = error;
            return ERR_SYSTEM;
        }
        pool->n_threads++;
        name(pool->threads[i], i);
    }
    return ERR_OK;
}

bool worker_pool_is_running(const struct worker_pool *pool)
{
    return worker_pool_running(pool) > 0;
}

unsigned worker_pool_running(const struct worker_pool *pool)
{
    return atomic_load(&pool->n_running);
}

/* --- The end -------------------------------------------------------------- */

static void order(struct worker_pool *pool, enum worker_order what)
{
    for (unsigned i = 0; i < pool->n; i++)
        worker_order(pool->workers[i], what);
}

void worker_pool_drain(struct worker_pool *pool)
{
    pool->is_draining = true;
    order(pool, WORKER_DRAINS);
}

bool worker_pool_is_draining(const struct worker_pool *pool)
{
    return pool->is_draining;
}

void worker_pool_stop(struct worker_pool *pool)
{
    order(pool, WORKER_STOPS);
}

void worker_pool_metrics(const struct worker_pool *pool, struct metrics *sum)
{
    for (unsigned i = 0; i < pool->n; i++)
        metrics_read(worker_metrics(pool->workers[i]), sum);
}

void worker_pool_free(struct worker_pool *pool)
{
    join(pool);
    /* What one still had in its mailbox is dropped, and touches no other. */
    for (unsigned i = 0; i < pool->n; i++)
        worker_free(pool->workers[i]);
    pool->n = 0;
}
