/*
 * worker.h - one thread's worth of doab: a loop and everything that lives on
 * it.  Workers share nothing but what they borrow from `app`, which does not
 * change, and counters that are only read.
 *
 * Made and freed by the thread that starts the program; between the two it
 * belongs to the thread that runs it.  Only worker_post and worker_order may
 * be called from another one.
 *
 *   RUNNING -> DRAINING -> STOPPED
 *      `---------------------^
 */
#ifndef APP_WORKER_H
#define APP_WORKER_H

#include "config.h"
#include "base/metrics.h"

struct worker_pool;
struct loop;
struct pages;
struct tls_ctx;
struct tls_roots;
struct worker;

struct worker_params {
    const struct config *config; /* borrowed, as is all of this */
    const struct pages *pages;
    const int *fds; /* listening, one for each listen section; -1: none */
    struct tls_roots *roots;  /* while the worker is made; NULL: it reads its
                                 own */
    struct worker_pool *pool; /* to whom it belongs, at its number */
    unsigned number;          /* 0..31 */
    unsigned n_workers;       /* that it will have */
};

/*
 * ERR_INVALID: a file that the configuration names cannot be used; `why`
 * (why_cap bytes) has one line.  ERR_SYSTEM, ERR_NOMEM.
 */
MUST_CHECK enum err worker_new(struct worker **out,
                               const struct worker_params *params, char *why,
                               size_t why_cap);

/* Turns the loop until the worker is stopped. */
void worker_run(struct worker *w);

/*
 * Accepts nothing any more and refuses who connects, tells every session that
 * doab is going down, and stops when all connections are gone or after
 * timeout_ms.  All connections of the pool: until then one of another worker
 * may bring a request.
 */
void worker_drain(struct worker *w, unsigned timeout_ms);

/* Drops everything now; worker_run returns at the end of this turn. */
void worker_stop(struct worker *w);

/* Not while it runs.  NULL is fine. */
void worker_free(struct worker *w);

enum worker_order {
    WORKER_GOES_ON,
    WORKER_DRAINS, /* limits.drain_timeout at most */
    WORKER_STOPS,
};

/* From any thread: worker_drain or worker_stop, in its own.  Cannot fail. */
void worker_order(struct worker *w, enum worker_order order);

/*
 * Calls fn(arg) soon in the worker's thread, in the order of the calls.  From
 * any thread.  What is still in the mailbox when the worker is freed is
 * called then.  ERR_NOMEM.
 */
MUST_CHECK enum err worker_post(struct worker *w, void (*fn)(void *arg),
                                void *arg);

struct worker_pool *worker_get_pool(const struct worker *w);
const struct metrics *worker_metrics(const struct worker *w);

#endif /* APP_WORKER_H */
