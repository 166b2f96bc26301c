/*
 * crew.h - the workers of the process, each in a thread of its own, and what
 * they share: places that are counted for all of them, and each other's
 * mailboxes, through which connections move (design.md 4).
 *
 * The thread that starts the program makes it, starts it, tells it to end
 * and frees it; it runs no worker itself, so that signals are heard while
 * workers are busy.
 */
#ifndef APP_CREW_H
#define APP_CREW_H

#include "app/config.h"
#include "base/metrics.h"
#include "base/quota.h"

#include <pthread.h>

struct loop;
struct pages;
struct worker;

#define CREW_MAX      32 /* sids have one character for the worker */
#define CREW_CORE_MAX 4  /* of as many as there are cores */

struct crew {
    struct quota files;               /* descriptors for the next two */
    struct quota connections;         /* of clients: limits.connections_max */
    struct quota sessions;            /* limits.sessions_max */
    struct worker *workers[CREW_MAX]; /* owned; do not change once it runs */
    unsigned n;
    pthread_t threads[CREW_MAX];
    unsigned n_threads;    /* that were started */
    atomic_uint n_running; /* that have not ended */
    struct loop *home;     /* borrowed: woken when the last one has ended */
    bool is_draining;
};

/* How many workers the configuration asks for: limits.workers, or one for
 * each core that we may use, up to CREW_CORE_MAX. */
unsigned crew_size(const struct config *c);

/* Without workers. */
void crew_init(struct crew *crew, const struct config *c);

/* Connections and sessions share so many file descriptors (files.h), whatever
 * their own limits are.  Before there are workers. */
void crew_share_files(struct crew *crew, size_t places, size_t keep);

struct crew_params {
    const struct config *config; /* borrowed, as is all of this */
    const struct pages *pages;
    const int *fds; /* listening: those of worker 0, one for each listen
                       section, then those of worker 1, ... */
    unsigned n;     /* 1..CREW_MAX */
};

/* Makes the workers.  Errors, and `why`, as worker_new: what was made is
 * freed by crew_free. */
MUST_CHECK enum err crew_build(struct crew *crew,
                               const struct crew_params *params, char *why,
                               size_t why_cap);

/* Starts the threads.  home is woken (loop_wake) when all have ended.
 * ERR_SYSTEM: none runs. */
MUST_CHECK enum err crew_start(struct crew *crew, struct loop *home);
bool crew_is_running(const struct crew *crew);  /* one of them at least */
unsigned crew_running(const struct crew *crew); /* how many */

/* All drain at the same time (worker_drain); or end at once. */
void crew_drain(struct crew *crew);
bool crew_is_draining(const struct crew *crew);
void crew_stop(struct crew *crew);

/* Adds the counters of all. */
void crew_metrics(const struct crew *crew, struct metrics *sum);

/* Waits for threads that still run: they must have been told to end. */
void crew_free(struct crew *crew);

#endif /* APP_CREW_H */
