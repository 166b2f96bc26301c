#include "front/http.h"

#include "base/metrics.h"
#include "base/slots.h"
#include "http_conn.h"
#include "net/sock_open.h"
#include "net/sock_text.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* The bytes behind the only exchange. */
static struct slice read_ahead_of(const struct http_conn *c)
{
    return c->now != NULL ? c->now->rest : buf_slice(&c->in);
}

static bool is_movable(const struct http_exchange *x)
{
    const struct http_conn *c = x->conn;
    bool is_begun = c->now != NULL && c->now->is_begun;

    return c->first == x && c->last == x && !x->is_answered && !c->is_broken &&
           (c->reading != HTTP_READS_BODY || is_begun);
}

static enum err copy(struct buf *to, struct slice bytes, size_t max_bytes)
{
    buf_init(to, bytes.len > max_bytes ? bytes.len : max_bytes);
    return buf_append_slice(to, bytes);
}

/* The sock has gone its own way; the rest of the connection goes here. */
static void http_move_leave(struct http_conn *c)
{
    if (c->now != NULL)
        c->now->is_settled = true;
    c->sock = NULL;
    http_conn_close(c);
}

enum err http_take(struct http_exchange *x, struct sock_transfer *out,
                   struct buf *read_ahead)
{
    struct http_conn *c = x->conn;
    struct buf rest;
    enum err err;

    if (!is_movable(x) || sock_queued_bytes(c->sock) > 0)
        return ERR_CLOSED;
    err = copy(&rest, read_ahead_of(c), c->in.max_bytes);
    if (err != ERR_OK)
        return err;
    http_conn_count(c, -1);
    err = sock_detach(c->sock, out);
    if (err != ERR_OK) {
        http_conn_count(c, 1);
        buf_free(&rest);
        return err;
    }
    *read_ahead = rest;
    http_move_leave(c);
    return ERR_OK;
}

/* The request is to be read anew: its head, and what has come of its body.  Of
 * a chunked one that is a single chunk, in which the bytes that are still to
 * come of the client's own chunk go on. */
static enum err pack_begun(struct buf *to, const struct http_conn *c)
{
    const struct http_dispatch *now = c->now;
    char size[24];
    int len = snprintf(size, sizeof(size), "%zx\r\n",
                       now->body.len + (size_t)c->chunks.left);
    struct buf_writer w = {.to = to};

    buf_init(to, c->in.max_bytes + sizeof(size) + now->rest.len);
    buf_put(&w, now->head);
    if (c->is_chunked)
        buf_put(&w, (struct slice){size, (size_t)len});
    buf_put(&w, now->body);
    buf_put(&w, now->rest);
    return w.err;
}

static enum err pack_whole(struct http_transfer *p, const struct http_conn *c)
{
    const struct http_dispatch *now = c->now;
    enum err err;

    err = copy(&p->request, now->head,
               c->in.max_bytes + now->head.len + now->body.len);
    if (err == ERR_OK)
        err = buf_append_slice(&p->request, now->body);
    if (err == ERR_OK)
        err = copy(&p->read_ahead, now->rest, c->in.max_bytes);
    p->head_len = now->head.len;
    return err;
}

static enum err pack(struct http_transfer *p, const struct http_conn *c)
{
    enum err err =
        c->now->is_begun ? pack_begun(&p->read_ahead, c) : pack_whole(p, c);

    p->client = sock_peer(c->sock);
    p->places = c->server->params.places;
    p->is_tls = c->is_tls;
    return err;
}

enum err http_detach(struct http_exchange *x, struct http_transfer *out)
{
    struct http_conn *c = x->conn;
    struct http_transfer transfer = {.sock = {.fd = -1}};
    enum err err;

    if (c->now == NULL || c->now->x != x || !is_movable(x))
        return ERR_CLOSED;
    err = pack(&transfer, c);
    if (err != ERR_OK)
        goto fail;
    http_conn_count(c, -1);
    err = sock_detach(c->sock, &transfer.sock);
    if (err != ERR_OK) {
        http_conn_count(c, 1);
        goto fail;
    }
    *out = transfer;
    http_move_leave(c);
    return ERR_OK;

fail:
    buf_free(&transfer.request);
    buf_free(&transfer.read_ahead);
    return err;
}

/* --- Waiting for the exchanges before it ---------------------------------- */

void http_postponed_free(struct http_postponed *p)
{
    if (p == NULL)
        return;
    buf_free(&p->bytes);
    free(p);
}

enum err http_postpone(struct http_exchange *x)
{
    struct http_conn *c = x->conn;
    struct http_postponed *p;
    enum err err;

    assert(c->now != NULL && c->now->x == x && c->last == x && !x->is_answered);
    if (c->first == x)
        return ERR_CLOSED;
    p = calloc(1, sizeof(*p));
    if (p == NULL)
        return ERR_NOMEM;
    p->head_len = c->now->head.len;
    err = copy(&p->bytes, c->now->head, c->in.max_bytes + c->now->body.len);
    if (err == ERR_OK)
        err = buf_append_slice(&p->bytes, c->now->body);
    if (err != ERR_OK) {
        http_postponed_free(p);
        return err;
    }
    c->now->is_settled = true;
    http_exchange_pop_last(c);
    c->postponed = p;
    c->is_paused = true;
    http_hurry(c);
    return ERR_OK;
}

void http_dispatch_postponed(struct http_conn *c)
{
    struct http_postponed *p = c->postponed;
    struct slice bytes = buf_slice(&p->bytes);
    struct http_head head;
    struct buf rest;
    enum http_verdict verdict;
    unsigned status;
    size_t used;

    c->postponed = NULL;
    buf_take(&rest, &c->in);
    verdict = http_parse_head(&head, bytes.at, p->head_len, p->head_len, &used,
                              &status);
    assert(verdict == HTTP_DONE && used == p->head_len);
    http_dispatch(c, &head, (struct slice){bytes.at, used},
                  (struct slice){bytes.at + used, bytes.len - used},
                  buf_slice(&rest));
    if (c->reading == HTTP_READS_HEAD)
        buf_take(&c->in, &rest); /* read when it is no longer paused */
    buf_free(&rest);
    http_postponed_free(p);
}

void http_drop(struct http_exchange *x)
{
    struct http_conn *c = x->conn;

    assert(c->now != NULL && c->now->x == x);
    c->now->is_settled = true;
    http_conn_break(c);
}

/* --- Arriving ------------------------------------------------------------- */

enum err http_attach(struct http_server *srv, struct http_transfer *transfer)
{
    struct slice request = buf_slice(&transfer->request);
    struct http_transfer p;
    struct http_conn *c;
    struct http_head head;
    unsigned status;
    size_t used;
    enum err err;

    if (transfer->head_len > request.len ||
        (transfer->head_len == 0 && transfer->read_ahead.len == 0))
        return ERR_INVALID;
    if (transfer->head_len > 0 &&
        (http_parse_head(&head, request.at, transfer->head_len,
                         transfer->head_len, &used, &status) != HTTP_DONE ||
         used != transfer->head_len))
        return ERR_INVALID;
    c = http_conn_new(srv);
    if (c == NULL)
        return ERR_NOMEM;
    err = sock_attach(&c->sock, srv->params.loop, &transfer->sock,
                      &http_sock_ops, c);
    if (err != ERR_OK) {
        c->sock = NULL;
        http_conn_close(c);
        return err;
    }

    metrics_count(METRIC_HTTP_MOVED);
    http_conn_count(c, 1);
    c->is_secured = true;
    c->is_tls = transfer->is_tls;
    p = *transfer;
    buf_init(&transfer->request, 0);
    buf_init(&transfer->read_ahead, 0);
    transfer->head_len = 0;
    transfer->places = NULL;
    if (p.head_len > 0)
        http_dispatch(c, &head, (struct slice){request.at, used},
                      (struct slice){request.at + used, request.len - used},
                      buf_slice(&p.read_ahead));
    if (p.read_ahead.len > 0 && (c->reading == HTTP_READS_HEAD))
        http_read_bytes(c, buf_at(&p.read_ahead), p.read_ahead.len);
    http_conn_settle(c);
    buf_free(&p.request);
    buf_free(&p.read_ahead);
    return ERR_OK;
}

void http_transfer_drop(struct http_transfer *transfer)
{
    sock_transfer_drop(&transfer->sock);
    buf_free(&transfer->request);
    buf_free(&transfer->read_ahead);
    if (transfer->places != NULL)
        slots_give(transfer->places);
    transfer->places = NULL;
}
