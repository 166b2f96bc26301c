/*
 * pool.h - the workers of the process, each in a thread of its own, and what
 * they share: places that are counted for all of them, and each other's
 * mailboxes, through which connections move (decision 38).
 *
 * The thread that starts the program makes it, starts it, tells it to end
 * and frees it; it runs no worker itself, so that signals are heard while
 * workers are busy.
 */
#ifndef APP_WORKER_POOL_H
#define APP_WORKER_POOL_H

#include "config.h"
#include "base/metrics.h"
#include "base/slots.h"

#include <pthread.h>

struct loop;
struct pages;
struct worker;

#define WORKER_POOL_MAX      32 /* sids have one character for the worker */
#define WORKER_POOL_CORE_MAX 4  /* of as many as there are cores */

struct worker_pool {
    struct slots files;       /* descriptors for the next two */
    struct slots connections; /* of clients: limits.connections_max */
    struct slots sessions;    /* limits.sessions_max */
    struct worker
        *workers[WORKER_POOL_MAX]; /* owned; do not change once it runs */
    unsigned n;
    pthread_t threads[WORKER_POOL_MAX];
    unsigned n_threads;    /* that were started */
    atomic_uint n_running; /* that have not ended */
    struct loop *home;     /* borrowed: woken when the last one has ended */
    bool is_draining;
};

/* How many workers the configuration asks for: limits.workers, or one for
 * each core that we may use, up to WORKER_POOL_CORE_MAX. */
unsigned worker_pool_size(const struct config *c);

/* Without workers. */
void worker_pool_init(struct worker_pool *pool, const struct config *c);

/* Connections and sessions share so many file descriptors (files.h), whatever
 * their own limits are.  Before there are workers. */
void worker_pool_share_files(struct worker_pool *pool, size_t places,
                             size_t keep);

struct worker_pool_params {
    const struct config *config; /* borrowed, as is all of this */
    const struct pages *pages;
    const int *fds; /* listening: those of worker 0, one for each listen
                       section, then those of worker 1, ... */
    unsigned n;     /* 1..WORKER_POOL_MAX */
};

/* Makes the workers.  Errors, and `why`, as worker_new: what was made is
 * freed by worker_pool_free. */
MUST_CHECK enum err worker_pool_build(struct worker_pool *pool,
                                      const struct worker_pool_params *params,
                                      char *why, size_t why_cap);

/* Starts the threads.  home is woken (loop_wake) when all have ended.
 * ERR_SYSTEM: none runs. */
MUST_CHECK enum err worker_pool_start(struct worker_pool *pool,
                                      struct loop *home);
bool worker_pool_is_running(
    const struct worker_pool *pool); /* one of them at least */
unsigned worker_pool_running(const struct worker_pool *pool); /* how many */

/* All drain at the same time (worker_drain); or end at once. */
void worker_pool_drain(struct worker_pool *pool);
bool worker_pool_is_draining(const struct worker_pool *pool);
void worker_pool_stop(struct worker_pool *pool);

/* Adds the counters of all. */
void worker_pool_metrics(const struct worker_pool *pool, struct metrics *sum);

/* Waits for threads that still run: they must have been told to end. */
void worker_pool_free(struct worker_pool *pool);

#endif /* APP_WORKER_POOL_H */
