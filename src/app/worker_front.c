#include "worker_int.h"

#include "app/crew.h"
#include "front/http.h"
#include "front/http_bind.h"
#include "front/listener.h"
#include "front/pages.h"
#include "front/route.h"
#include "front/websocket.h"
#include "net/tls.h"

#include <stdlib.h>

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

/* Only the BOSH endpoint is for long bodies. */
static size_t on_begun(void *arg, struct http_exchange *x,
                       const struct http_request *r)
{
    struct worker *w = arg;

    if (route_of(r->head) == ROUTE_HTTP_BIND)
        return http_bind_begun(w->bind, x, r);
    return HTTP_BODY_FIRST_BYTES;
}

/* --- Between workers ------------------------------------------------------ */

static void on_arrival(void *arg)
{
    struct passage *p = arg;
    struct http_server *http = p->to->http; /* NULL: it has stopped */

    if (http == NULL || http_attach(http, &p->parcel) != ERR_OK)
        http_parcel_drop(&p->parcel);
    free(p);
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

enum err worker_front_open(struct worker *w, char *why, size_t why_cap)
{
    size_t n = w->params.config->n_listens;
    enum err err = make_servers(w);

    if (err != ERR_OK)
        return err;
    w->doors = calloc(n, sizeof(*w->doors));
    if (w->doors == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && i < n; i++)
        err = open_door(w, i, why, why_cap);
    return err;
}

/* --- The end -------------------------------------------------------------- */

void worker_front_close(struct worker *w)
{
    for (size_t i = 0; w->doors != NULL && i < w->params.config->n_listens;
         i++) {
        listener_free(w->doors[i].listener);
        w->doors[i].listener = NULL;
    }
}

void worker_front_free(struct worker *w)
{
    http_bind_free(w->bind);
    for (size_t i = 0; w->doors != NULL && i < w->params.config->n_listens; i++)
        tls_ctx_free(w->doors[i].tls);
    free(w->doors);
}
