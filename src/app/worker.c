#include "worker_int.h"

#include "worker_pool.h"
#include "base/log.h"
#include "front/http.h"
#include "front/websocket.h"
#include "net/sock.h"
#include "net/tls_cache.h"
#include "session/bosh.h"
#include "session/session.h"
#include "session/session_host.h"
#include "upstream/target_history.h"
#include "dns/resolve.h"
#include "upstream/connect_limit.h"
#include "xmpp/element.h"
#include "xmpp/stream.h"
#include "xmpp/xml_read.h"

#include <stdlib.h>
#include <sys/socket.h>

#define DRAIN_POLL_MS 20

static void worker_on_wake(void *arg);
static void on_drain_poll(void *arg);
static void worker_on_end(void *arg);

enum err worker_new(struct worker **out, const struct worker_params *params,
                    char *why, size_t why_cap)
{
    struct worker *w = calloc(1, sizeof(*w));
    enum err err;

    if (w == NULL)
        return ERR_NOMEM;
    w->params = *params;
    mailbox_init(&w->mail);
    atomic_init(&w->order, WORKER_GOES_ON);
    err = worker_build(w, why, why_cap);
    w->params.roots = NULL;
    if (err != ERR_OK) {
        worker_free(w);
        return err;
    }
    loop_on_wake(w->loop, worker_on_wake, w);
    timer_init(&w->drain_poll, w->loop, on_drain_poll, w);
    *out = w;
    return ERR_OK;
}

/* --- Orders --------------------------------------------------------------- */

enum err worker_post(struct worker *w, void (*fn)(void *arg), void *arg)
{
    enum err err = mailbox_post(&w->mail, fn, arg);

    if (err == ERR_OK)
        loop_wake(w->loop);
    return err;
}

void worker_order(struct worker *w, enum worker_order order)
{
    atomic_store(&w->order, (int)order);
    loop_wake(w->loop);
}

static void worker_on_wake(void *arg)
{
    struct worker *w = arg;

    switch ((enum worker_order)atomic_load(&w->order)) {
    case WORKER_GOES_ON:
        break;
    case WORKER_DRAINS:
        worker_drain(w, w->params.config->limits.drain_ms);
        break;
    case WORKER_STOPS:
        worker_stop(w);
        break;
    }
    mailbox_read(&w->mail);
}

/* --- Running and ending --------------------------------------------------- */

void worker_run(struct worker *w)
{
    metrics_bind(&w->metrics);
    loop_run(w->loop);
    metrics_bind(NULL);
}

/* While the loop runs, so that what is closed here is also freed by it; a
 * worker that was never run has nothing that waits for that. */
static void drop_all(struct worker *w)
{
    worker_front_close(w);
    websocket_host_free(w->websockets);
    w->websockets = NULL;
    http_server_free(w->http);
    w->http = NULL;
    if (w->sessions != NULL)
        bosh_drop_all(w->sessions);
}

void worker_stop(struct worker *w)
{
    if (w->is_stopped)
        return;
    w->is_stopped = true;
    timer_stop(&w->drain_poll);
    log_info(NULL, "worker.stop number=%u sessions=%zu connections=%zu",
             w->params.number, session_host_count(w->sessions),
             http_server_count(w->http));
    drop_all(w);
    loop_defer(w->loop, &w->end, worker_on_end, w);
    loop_stop(w->loop);
}

/* What was closed politely and still waits for the other side; in the thread
 * that closed it. */
static void worker_on_end(void *arg)
{
    struct worker *w = arg;

    stream_end_released();
    sock_stop_lingering(w->loop);
}

static void on_drain_poll(void *arg)
{
    struct worker *w = arg;
    size_t left = slots_taken(&w->params.pool->sessions) +
                  slots_taken(&w->params.pool->connections);

    if (left == 0 || loop_now_ms(w->loop) >= w->drain_until_ms)
        worker_stop(w);
    else
        timer_set(&w->drain_poll, DRAIN_POLL_MS);
}

/* Whoever comes now is refused at once and can go elsewhere, instead of
 * waiting in the kernel's queue for a process that ends. */
static void refuse_newcomers(struct worker *w)
{
    worker_front_close(w);
    for (size_t i = 0; i < w->params.config->n_listens; i++)
        if (w->params.fds[i] >= 0)
            shutdown(w->params.fds[i], SHUT_RDWR);
}

void worker_drain(struct worker *w, unsigned timeout_ms)
{
    if (w->is_draining || w->is_stopped)
        return;
    w->is_draining = true;
    log_info(NULL, "worker.drain number=%u sessions=%zu timeout_ms=%u",
             w->params.number, session_host_count(w->sessions), timeout_ms);
    refuse_newcomers(w);
    http_server_drain(w->http); /* first: the last answers say close */
    session_host_drain(w->sessions);
    websocket_host_drain(w->websockets);
    w->drain_until_ms = loop_now_ms(w->loop) + timeout_ms;
    timer_set(&w->drain_poll, 0);
}

void worker_free(struct worker *w)
{
    if (w == NULL)
        return;
    if (!w->is_stopped)
        drop_all(w);
    mailbox_read(&w->mail); /* what arrives now is dropped */
    worker_front_free(w);
    session_host_free(w->sessions);
    settings_domains_free(&w->domains);
    free(w->listeners);
    connect_limit_free(w->connect_limit);
    target_history_free(w->history);
    tls_cache_free(w->tls_cache); /* no connection is left to use it */
    element_copier_free(w->copier);
    resolver_free(w->resolver);
    xml_pool_free(w->pool);
    loop_free(w->loop);
    free(w);
}

struct worker_pool *worker_get_pool(const struct worker *w)
{
    return w->params.pool;
}

const struct metrics *worker_metrics(const struct worker *w)
{
    return &w->metrics;
}
