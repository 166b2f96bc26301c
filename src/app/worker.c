#include "app/worker.h"

#include "app/crew.h"
#include "app/settings.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "front/http.h"
#include "front/http_bind.h"
#include "front/listener.h"
#include "front/pages.h"
#include "front/route.h"
#include "front/websocket.h"
#include "net/sock.h"
#include "net/tls.h"
#include "net/tls_cache.h"
#include "session/bosh.h"
#include "session/session.h"
#include "upstream/turnstile.h"
#include "upstream/hints.h"
#include "upstream/reach.h"
#include "upstream/resolve.h"
#include "xmpp/element.h"
#include "xmpp/stream.h"
#include "xmpp/xml_read.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define DRAIN_POLL_MS    20
#define IDLE_PARSERS_MAX 64 /* 10 to 64 KB each */

/* One address. */
struct door {
    struct tls_ctx *tls;       /* owned; NULL: plain */
    struct listener *listener; /* owned; NULL: not on this machine, or closed */
};

/* A connection on its way to the worker of its session. */
struct passage {
    struct worker *to; /* borrowed: of the same crew */
    struct http_parcel parcel;
};

/* In the order in which it is built; destroyed in the reverse. */
struct worker {
    struct worker_params params;
    struct metrics metrics;
    struct mailbox mail;
    atomic_int order;

    struct loop *loop;
    struct resolver *resolver;
    struct xml_pool *pool;
    struct element_copier *copier;
    struct tls_cache *tls_cache; /* of the connections to servers */
    struct settings_domains domains;
    struct addr *listeners; /* owned: of the reach */
    struct reach reach;
    struct turnstile *turnstile;
    struct hints *hints;
    struct session_host *sessions;
    struct http_server *http;
    struct http_bind *bind;
    struct websocket_host *websockets;
    struct door *doors; /* owned: one for each listen section */

    struct timer drain_poll;
    uint64_t drain_until_ms;
    struct defer end;
    bool is_draining;
    bool is_stopped;
};

static void on_wake(void *arg);
static void on_move(void *arg, unsigned number, struct http_parcel *parcel);
static void on_arrival(void *arg);
static void on_request(void *arg, struct http_exchange *x,
                       const struct http_request *r);
static void on_drain_poll(void *arg);
static void on_end(void *arg);

static const struct http_handler handler = {.request = on_request};

/* --- Requests ------------------------------------------------------------- */

static void on_request(void *arg, struct http_exchange *x,
                       const struct http_request *r)
{
    struct worker *w = arg;

    switch (route_of(r->head)) {
    case ROUTE_HTTP_BIND:
        http_bind_request(w->bind, x, r);
        break;
    case ROUTE_WEBSOCKET:
        websocket_request(w->websockets, x, r);
        break;
    case ROUTE_PAGE:
        pages_request(w->params.pages, x, r);
        break;
    case ROUTE_SERVER:
        http_respond_options(x, "GET, HEAD, POST, OPTIONS");
        break;
    }
}

/* --- The mailbox ---------------------------------------------------------- */

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

static void on_wake(void *arg)
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

/* A request of another worker's session: its connection goes there, for
 * good.  It keeps its place among the connections of all, which bounds what
 * can be in the mailboxes. */
static void on_move(void *arg, unsigned number, struct http_parcel *parcel)
{
    struct worker *w = arg;
    struct passage *p = malloc(sizeof(*p));

    if (p != NULL) {
        p->to = w->params.crew->workers[number];
        p->parcel = *parcel;
        if (worker_post(p->to, on_arrival, p) == ERR_OK)
            return;
        free(p);
    }
    /* The client sees the connection end, and asks again. */
    http_parcel_drop(parcel);
}

static void on_arrival(void *arg)
{
    struct passage *p = arg;
    struct http_server *http = p->to->http; /* NULL: it has stopped */

    if (http == NULL || http_attach(http, &p->parcel) != ERR_OK)
        http_parcel_drop(&p->parcel);
    free(p);
}

/* --- Building ------------------------------------------------------------- */

/* The addresses are those that are really listened on: a port 0 is another one
 * by now. */
static enum err make_shared(struct worker *w)
{
    const struct config *c = w->params.config;
    struct turnstile_limits turnstile = {
        .all = c->upstream.connects_max,
        .per_network = c->upstream.connects_per_network,
        .per_client = c->upstream.connects_per_client,
        .waiting = c->upstream.connects_waiting_max,
    };
    enum err err;

    w->reach.ports = c->upstream.port_numbers;
    w->reach.n_ports = c->upstream.ports.n;
    w->reach.forbidden = c->upstream.forbidden;
    w->reach.n_forbidden = c->upstream.forbid.n;
    w->listeners = calloc(c->n_listens, sizeof(*w->listeners));
    if (w->listeners == NULL)
        return ERR_NOMEM;
    w->reach.listeners = w->listeners;
    for (size_t i = 0; i < c->n_listens; i++)
        if (w->params.fds[i] >= 0 &&
            addr_of_local(&w->listeners[w->reach.n_listeners],
                          w->params.fds[i]) == ERR_OK)
            w->reach.n_listeners++;
    err = turnstile_new(&w->turnstile, w->loop, &turnstile);
    return err == ERR_OK ? hints_new(&w->hints) : err;
}

static enum err make_sessions(struct worker *w, char *why, size_t why_cap)
{
    const struct config *c = w->params.config;
    enum err err = tls_cache_new(&w->tls_cache, c->upstream.tls_sessions_max);
    struct session_host_params params = {
        .settings = settings_session(c),
        .places = &w->params.crew->sessions,
        .worker = w->params.number,
        .node = c->bosh.node,
    };

    if (err == ERR_OK)
        err = settings_domains_new(&w->domains, c, w->tls_cache, why, why_cap);
    if (err != ERR_OK)
        return err;
    params.domains = w->domains.table;
    params.env = (struct stream_env){
        .loop = w->loop,
        .resolver = w->resolver,
        .pool = w->pool,
        .copier = w->copier,
        .shared = {&w->reach, w->turnstile, w->hints},
    };
    return session_host_new(&w->sessions, &params);
}

static enum err make_front(struct worker *w)
{
    const struct config *c = w->params.config;
    struct http_origins origins = settings_origins(c);
    struct http_server_params http = {
        .loop = w->loop,
        .limits = settings_http(c),
        .origins = origins,
        .forwarded = settings_forwarded(c),
        .places = &w->params.crew->connections,
        .handler = &handler,
        .arg = w,
    };
    struct http_bind_params bind = {
        .sessions = w->sessions,
        .origins = origins,
        .body_max_bytes = c->limits.body_max_bytes,
        .gzip = c->bosh.gzip,
        .gzip_min_bytes = c->bosh.gzip_min_bytes,
        .move = on_move,
        .arg = w,
        .worker = w->params.number,
        .workers = w->params.n_workers,
    };
    struct websocket_params websockets = {
        .loop = w->loop,
        .sessions = w->sessions,
        .origins = origins,
        .sock = settings_websocket_sock(c),
        .places = &w->params.crew->connections,
        .deflate = c->websocket.deflate,
        .deflate_min_bytes = c->websocket.deflate_min_bytes,
    };
    enum err err = http_server_new(&w->http, &http);

    if (err == ERR_OK)
        err = http_bind_new(&w->bind, &bind);
    if (err == ERR_OK)
        err = websocket_host_new(&w->websockets, &websockets);
    return err;
}

static enum err open_door(struct worker *w, size_t i, char *why, size_t why_cap)
{
    const struct config_listen *l = &w->params.config->listens[i];
    struct door *door = &w->doors[i];
    struct listener_params params = {
        .loop = w->loop,
        .fd = w->params.fds[i],
        .http = w->http,
        .places = &w->params.crew->connections,
        .is_secure = l->secure,
        .has_preface = l->proxy_protocol,
        .preface_ms = w->params.config->http.header_ms,
        .trusted = w->params.config->http.trusted,
        .n_trusted = w->params.config->http.trusted_proxies.n,
    };
    enum err err;

    if (params.fd < 0)
        return ERR_OK;
    if (l->certificate[0] != '\0') {
        err = tls_server_new(&door->tls, l->certificate, l->key, why, why_cap);
        if (err != ERR_OK)
            return err;
        if (w->params.number > 0)
            tls_server_share_tickets(door->tls,
                                     w->params.crew->workers[0]->doors[i].tls);
    }
    params.tls = door->tls;
    return listener_new(&door->listener, &params);
}

static enum err make_resolver(struct worker *w)
{
    const struct config *c = w->params.config;
    const char *servers = c->upstream.dns_servers;
    struct resolver_params params = {
        .timeout_ms = c->upstream.dns_ms,
        .servers = servers[0] == '\0' ? NULL : servers,
        .has_timeout_fallback = c->upstream.has_srv_timeout_fallback,
        .cache_max_bytes = c->upstream.dns_cache_max_bytes,
        .ttl_min_s = RESOLVE_TTL_MIN_S,
        .ttl_max_s = c->upstream.dns_ttl_max_s,
        .stale_s = c->upstream.dns_stale_s,
        .queries_max = c->upstream.dns_queries_max,
    };

    return resolver_new(&w->resolver, w->loop, &params);
}

static enum err build(struct worker *w, char *why, size_t why_cap)
{
    const struct config *c = w->params.config;
    enum err err = loop_new(&w->loop);

    if (err != ERR_OK)
        return err;
    loop_on_wake(w->loop, on_wake, w);
    timer_init(&w->drain_poll, w->loop, on_drain_poll, w);
    err = make_resolver(w);
    if (err == ERR_INVALID)
        snprintf(why, why_cap, "upstream.dns_servers: not a list of addresses");
    if (err == ERR_OK)
        err = xml_pool_new(&w->pool, IDLE_PARSERS_MAX);
    if (err == ERR_OK)
        err = element_copier_new(&w->copier);
    if (err == ERR_OK)
        err = make_shared(w);
    if (err == ERR_OK)
        err = make_sessions(w, why, why_cap);
    if (err == ERR_OK)
        err = make_front(w);
    if (err != ERR_OK)
        return err;

    w->doors = calloc(c->n_listens, sizeof(*w->doors));
    if (w->doors == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && i < c->n_listens; i++)
        err = open_door(w, i, why, why_cap);
    return err;
}

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
    err = build(w, why, why_cap);
    if (err != ERR_OK) {
        worker_free(w);
        return err;
    }
    *out = w;
    return ERR_OK;
}

/* --- Running and ending --------------------------------------------------- */

void worker_run(struct worker *w)
{
    metrics_bind(&w->metrics);
    loop_run(w->loop);
    metrics_bind(NULL);
}

static void close_doors(struct worker *w)
{
    for (size_t i = 0; w->doors != NULL && i < w->params.config->n_listens;
         i++) {
        listener_free(w->doors[i].listener);
        w->doors[i].listener = NULL;
    }
}

/* While the loop runs, so that what is closed here is also freed by it; a
 * worker that was never run has nothing that waits for that. */
static void drop_all(struct worker *w)
{
    close_doors(w);
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
    loop_defer(w->loop, &w->end, on_end, w);
    loop_stop(w->loop);
}

/* What was closed politely and still waits for the other side; in the thread
 * that closed it. */
static void on_end(void *arg)
{
    struct worker *w = arg;

    stream_end_released();
    sock_stop_lingering(w->loop);
}

static void on_drain_poll(void *arg)
{
    struct worker *w = arg;
    size_t left = quota_taken(&w->params.crew->sessions) +
                  quota_taken(&w->params.crew->connections);

    if (left == 0 || loop_now_ms(w->loop) >= w->drain_until_ms)
        worker_stop(w);
    else
        timer_set(&w->drain_poll, DRAIN_POLL_MS);
}

/* Whoever comes now is refused at once and can go elsewhere, instead of
 * waiting in the kernel's queue for a process that ends. */
static void refuse_newcomers(struct worker *w)
{
    close_doors(w);
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
    http_bind_free(w->bind);
    for (size_t i = 0; w->doors != NULL && i < w->params.config->n_listens; i++)
        tls_ctx_free(w->doors[i].tls);
    free(w->doors);
    session_host_free(w->sessions);
    settings_domains_free(&w->domains);
    free(w->listeners);
    turnstile_free(w->turnstile);
    hints_free(w->hints);
    tls_cache_free(w->tls_cache); /* no connection is left to use it */
    element_copier_free(w->copier);
    resolver_free(w->resolver);
    xml_pool_free(w->pool);
    loop_free(w->loop);
    free(w);
}

struct crew *worker_crew(const struct worker *w)
{
    return w->params.crew;
}

const struct metrics *worker_metrics(const struct worker *w)
{
    return &w->metrics;
}
