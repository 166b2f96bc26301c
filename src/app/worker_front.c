#include "worker_int.h"

#include "worker_pool.h"
#include "front/http.h"
#include "front/bosh_http.h"
#include "front/listener.h"
#include "front/pages.h"
#include "front/route.h"
#include "front/websocket.h"
#include "net/tls.h"
#include "net/tls_ctx.h"

#include <stdlib.h>

/* One address. */
struct worker_listener {
    struct tls_ctx *tls;       /* owned; NULL: plain */
    struct listener *listener; /* owned; NULL: not on this machine, or closed */
};

/* A connection on its way to the worker of its session. */
struct worker_transfer {
    struct worker *to; /* borrowed: of the same pool */
    struct http_transfer transfer;
};

/* --- Requests ------------------------------------------------------------- */

static void on_request(void *arg, struct http_exchange *x,
                       const struct http_request *r)
{
    struct worker *w = arg;

    switch (route_of(r->head)) {
    case ROUTE_BOSH:
        bosh_http_request(w->bind, x, r);
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

/* Only the BOSH endpoint is for long bodies. */
static size_t on_begun(void *arg, struct http_exchange *x,
                       const struct http_request *r)
{
    struct worker *w = arg;

    if (route_of(r->head) == ROUTE_BOSH)
        return bosh_http_begun(w->bind, x, r);
    return HTTP_BODY_FIRST_BYTES;
}

/* --- Between workers ------------------------------------------------------ */

static void on_arrival(void *arg)
{
    struct worker_transfer *p = arg;
    struct http_server *http = p->to->http; /* NULL: it has stopped */

    if (http == NULL || http_attach(http, &p->transfer) != ERR_OK)
        http_transfer_drop(&p->transfer);
    free(p);
}

/* A request of another worker's session: its connection goes there, for
 * good.  It keeps its place among the connections of all, which bounds what
 * can be in the mailboxes. */
static void on_move(void *arg, unsigned number, struct http_transfer *transfer)
{
    struct worker *w = arg;
    struct worker_transfer *p = malloc(sizeof(*p));

    if (p != NULL) {
        p->to = w->params.pool->workers[number];
        p->transfer = *transfer;
        if (worker_post(p->to, on_arrival, p) == ERR_OK)
            return;
        free(p);
    }
    /* The client sees the connection end, and asks again. */
    http_transfer_drop(transfer);
}

/* --- Making --------------------------------------------------------------- */

static enum err make_servers(struct worker *w)
{
    static const struct http_handler handler = {.request = on_request,
                                                .begun = on_begun};
    const struct config *c = w->params.config;
    struct http_origins origins = settings_origins(c);
    struct http_server_params http = {
        .loop = w->loop,
        .limits = settings_http(c, w->params.n_workers),
        .origins = origins,
        .forwarded = settings_forwarded(c),
        .places = &w->params.pool->connections,
        .handler = &handler,
        .arg = w,
    };
    struct bosh_http_params bind = {
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
        .places = &w->params.pool->connections,
        .deflate = c->websocket.deflate,
        .deflate_min_bytes = c->websocket.deflate_min_bytes,
    };
    enum err err = http_server_new(&w->http, &http);

    if (err == ERR_OK)
        err = bosh_http_new(&w->bind, &bind);
    if (err == ERR_OK)
        err = websocket_host_new(&w->websockets, &websockets);
    return err;
}

static enum err worker_listener_open(struct worker *w, size_t i, char *why,
                                     size_t why_cap)
{
    const struct config_listen *l = &w->params.config->listens[i];
    struct worker_listener *one = &w->accepting[i];
    struct listener_params params = {
        .loop = w->loop,
        .fd = w->params.fds[i],
        .http = w->http,
        .places = &w->params.pool->connections,
        .is_secure = l->secure,
        .has_proxy_header = l->proxy_protocol,
        .proxy_accept_ms = w->params.config->http.header_ms,
        .trusted = w->params.config->http.trusted,
        .n_trusted = w->params.config->http.trusted_proxies.n,
    };
    enum err err;

    if (params.fd < 0)
        return ERR_OK;
    if (l->certificate[0] != '\0') {
        err = tls_server_new(&one->tls, l->certificate, l->key, why, why_cap);
        if (err != ERR_OK)
            return err;
        if (w->params.number > 0)
            tls_server_share_tickets(
                one->tls, w->params.pool->workers[0]->accepting[i].tls);
    }
    params.tls = one->tls;
    return listener_new(&one->listener, &params);
}

enum err worker_front_open(struct worker *w, char *why, size_t why_cap)
{
    size_t n = w->params.config->n_listens;
    enum err err = make_servers(w);

    if (err != ERR_OK)
        return err;
    w->accepting = calloc(n, sizeof(*w->accepting));
    if (w->accepting == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && i < n; i++)
        err = worker_listener_open(w, i, why, why_cap);
    return err;
}

/* --- The end -------------------------------------------------------------- */

void worker_front_close(struct worker *w)
{
    for (size_t i = 0; w->accepting != NULL && i < w->params.config->n_listens;
         i++) {
        listener_free(w->accepting[i].listener);
        w->accepting[i].listener = NULL;
    }
}

void worker_front_free(struct worker *w)
{
    bosh_http_free(w->bind);
    for (size_t i = 0; w->accepting != NULL && i < w->params.config->n_listens;
         i++)
        tls_ctx_free(w->accepting[i].tls);
    free(w->accepting);
}
