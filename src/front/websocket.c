#include "front/websocket.h"

#include "base/metrics.h"
#include "websocket_request.h"
#include "websocket_deflate.h"
#include "websocket_int.h"

#include <stdlib.h>

#define RETRY_S 10

static void refuse_busy(struct http_exchange *x)
{
    struct http_response busy = {
        .status = 503,
        .retry_after_s = RETRY_S,
        .content_type = SLICE("text/plain; charset=utf-8"),
        .body = SLICE("503 Service Unavailable\n"),
    };

    http_respond(x, &busy);
}

static void websocket_refuse(struct http_exchange *x, unsigned status,
                             bool is_version)
{
    struct http_response r = {
        .status = status,
        .content_type = SLICE("text/plain; charset=utf-8"),
        .body = SLICE("This is for XMPP over WebSocket (RFC 7395).\n"),
        .allow = status == 405 ? "GET" : NULL,
        .extra = status != 426 ? NULL
                 : is_version  ? "Upgrade: websocket\r\n"
                                 "Sec-WebSocket-Version: 13\r\n"
                               : "Upgrade: websocket\r\n",
    };

    http_respond(x, &r);
}

void websocket_request(struct websocket_host *h, struct http_exchange *x,
                       const struct http_request *r)
{
    struct slice key;
    bool is_version;
    unsigned status = websocket_request_check(r->head, &key, &is_version);
    struct websocket_extension extension = {.is_deflate = false};
    char answer[WEBSOCKET_ANSWER_MAX_BYTES];
    struct websocket *c;

    if (!http_origin_is_allowed(&h->params.origins, r->head)) {
        metrics_count(METRIC_ORIGINS_REFUSED);
        http_respond_status(x, 403);
        return;
    }
    if (status != 101) {
        websocket_refuse(x, status, is_version);
        return;
    }
    if (h->params.deflate)
        extension = websocket_extension_choose(r->head);
    if (websocket_answer(answer, key, &extension) != ERR_OK ||
        websocket_open(&c, h, r, &extension) != ERR_OK)
        refuse_busy(x);
    else if (websocket_take(c, x, answer) != ERR_OK)
        http_respond_status(x, 400); /* pipelined behind another request */
}

enum err websocket_host_new(struct websocket_host **out,
                            const struct websocket_params *params)
{
    struct websocket_host *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return ERR_NOMEM;
    h->params = *params;
    h->fault_limit = (struct log_limit)LOG_LIMIT_INIT;
    if (params->deflate &&
        websocket_deflate_new(&h->shared.deflate) != ERR_OK) {
        free(h);
        return ERR_NOMEM;
    }
    *out = h;
    return ERR_OK;
}

void websocket_host_drain(struct websocket_host *h)
{
    struct websocket *c = h->first;
    struct websocket *next;

    for (; c != NULL; c = next) {
        next = c->next; /* memory stays until the end of the turn */
        if (c->ws != NULL && !c->is_broken)
            ws_shutdown(c->ws);
    }
}

size_t websocket_host_count(const struct websocket_host *h)
{
    return h->count;
}

void websocket_host_free(struct websocket_host *h)
{
    if (h == NULL)
        return;
    while (h->first != NULL)
        websocket_drop(h->first);
    websocket_deflate_free(h->shared.deflate);
    free(h);
}
