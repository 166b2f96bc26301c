#include "front/http.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/slots.h"
#include "http_conn.h"
#include "net/sock_open.h"
#include "net/sock_text.h"

#include <assert.h>
#include <stdlib.h>

/* A body may be slow, but not slower than this (L13). */
#define BODY_BYTES_PER_MS 1

/* Bytes of a client who goes on sending after his last request. */
#define DROPPED_MAX_BYTES 65536

/* The most that one read can bring: the loop's scratch. */
#define READ_BYTES 65536

static void http_on_received(void *owner, const char *at, size_t len);
static void http_on_drained(void *owner);
static void http_on_eof(void *owner);
static void http_on_lost(void *owner, enum sock_end why);
static void http_on_late(void *arg);
static void on_turn_end(void *arg);

static void http_on_connected(void *owner)
{
    /* It was when we got it. */
}

static void http_on_secured(void *owner)
{
    struct http_conn *c = owner;

    c->is_secured = true;
    http_conn_end_securing(c);
}

const struct sock_ops http_sock_ops = {
    .connected = http_on_connected,
    .secured = http_on_secured,
    .received = http_on_received,
    .drained = http_on_drained,
    .eof = http_on_eof,
    .lost = http_on_lost,
};

/* --- A connection's end --------------------------------------------------- */

static void http_release(void *arg)
{
    free(arg);
}

void http_conn_count(struct http_conn *c, int change)
{
    const struct http_server_params *params = &c->server->params;
    struct addr peer;

    if (params->handler->accounted == NULL)
        return;
    peer = sock_peer(c->sock);
    params->handler->accounted(params->arg, &peer, change);
}

/* It ends here, and goes nowhere else. */
static void leave_for_good(struct http_conn *c)
{
    http_conn_count(c, -1);
    if (c->server->params.places != NULL)
        slots_give(c->server->params.places);
}

void http_conn_close(struct http_conn *c)
{
    if (c->reading == HTTP_READS_CLOSED)
        return;

    c->reading = HTTP_READS_CLOSED;
    http_conn_end_securing(c);
    timer_stop(&c->patience);
    loop_undefer(&c->later);
    if (c->sock != NULL) {
        leave_for_good(c);
        sock_abort(c->sock);
    }
    c->sock = NULL;
    while (c->first != NULL)
        http_exchange_pop(c);
    buf_free(&c->in);
    http_postponed_free(c->postponed);
    c->postponed = NULL;
    c->prev->next = c->next;
    c->next->prev = c->prev;
    trim_note(&c->server->trim, --c->server->count);
    /* A handler further up the stack may still hold it. */
    loop_defer(c->server->params.loop, &c->later, http_release, c);
}

/* Every answer is out: the sock sends what it has queued, and lingers, so
 * that a client who is still sending reads the answer before a reset. */
static void http_finish(struct http_conn *c)
{
    struct sock *sock = c->sock;

    leave_for_good(c);
    c->sock = NULL;
    http_conn_close(c);
    sock_close(sock);
}

/* Nothing can be written: who holds a request is told, then it all goes. */
static void die(struct http_conn *c)
{
    c->is_broken = true; /* answers from inside left() do nothing */
    for (struct http_exchange *x = c->first; x != NULL; x = c->first) {
        const struct http_exchange_ops *ops = x->ops;

        if (!x->is_answered && ops != NULL)
            ops->left(x->owner, HTTP_LEFT_RST);
        http_exchange_pop(c);
    }
    http_conn_close(c);
}

void http_conn_break(struct http_conn *c)
{
    if (c->reading == HTTP_READS_CLOSED || c->is_broken)
        return;
    c->is_broken = true;
    http_conn_stop_reading(c);
    loop_defer(c->server->params.loop, &c->later, on_turn_end, c);
}

void http_conn_stop_reading(struct http_conn *c)
{
    if (c->reading == HTTP_READS_CLOSED)
        return;
    c->reading = HTTP_READS_NOTHING;
    c->owes_continue = false;
    buf_free(&c->in);
}

/* --- TLS handshakes under way --------------------------------------------- */

static void http_complain(struct http_server *srv, const struct http_conn *c,
                          const char *why)
{
    unsigned suppressed;

    if (log_allow(&srv->refusals, loop_now_ms(srv->params.loop), &suppressed))
        log_info(NULL, "http.dropped c=%s why=%s suppressed=%u",
                 sock_peer_host(c->sock).text, why, suppressed);
}

/* A handshake takes a few round trips; one that is the oldest of many has most
 * likely been left. */
static void end_oldest(struct http_server *srv)
{
    struct list_node *node = list_first(&srv->securing);
    struct http_conn *c = CONTAINER_OF(node, struct http_conn, securing);

    metrics_count(METRIC_TLS_FAILED);
    http_complain(srv, c, "http.tls_handshakes_max");
    die(c);
}

void http_conn_begin_securing(struct http_conn *c)
{
    struct http_server *srv = c->server;
    size_t max = srv->params.limits.handshakes_max;

    if (max > 0 && srv->n_securing >= max)
        end_oldest(srv);
    list_append(&srv->securing, &c->securing);
    srv->n_securing++;
}

void http_conn_end_securing(struct http_conn *c)
{
    if (!list_holds(&c->securing))
        return;
    list_remove(&c->securing);
    c->server->n_securing--;
}

/* --- What a connection waits for ------------------------------------------ */

static enum http_waiting waits_for(const struct http_conn *c)
{
    if (c->reading == HTTP_READS_BODY && !c->owes_continue)
        return HTTP_WAITS_BODY;
    if (c->reading != HTTP_READS_HEAD || c->is_paused)
        return HTTP_WAITS_NOT;
    if (c->in.len > 0)
        return HTTP_WAITS_HEAD;
    /* Never while a request is held or an answer leaves (I22). */
    return c->first == NULL ? HTTP_WAITS_IDLE : HTTP_WAITS_NOT;
}

/* The timer starts when a wait begins; no byte of its own prolongs it. */
static void http_set_patience(struct http_conn *c)
{
    const struct http_limits *limits = &c->server->params.limits;
    enum http_waiting waiting = waits_for(c);

    if (waiting == c->waiting)
        return;
    c->waiting = waiting;
    switch (waiting) {
    case HTTP_WAITS_NOT:
        timer_stop(&c->patience);
        break;
    case HTTP_WAITS_IDLE:
        timer_set(&c->patience, limits->idle_ms);
        break;
    case HTTP_WAITS_HEAD:
        timer_set(&c->patience, limits->header_ms);
        break;
    case HTTP_WAITS_BODY:
        c->body_began_ms = loop_now_ms(c->server->params.loop);
        timer_set(&c->patience, limits->body_ms);
        break;
    }
}

void http_conn_settle(struct http_conn *c)
{
    struct loop *loop = c->server->params.loop;

    if (c->reading == HTTP_READS_CLOSED || c->is_broken || c->now != NULL)
        return;
    if (c->first == NULL && c->postponed != NULL) {
        loop_defer(loop, &c->later, on_turn_end, c);
        return;
    }
    if (c->first == NULL && c->reading == HTTP_READS_NOTHING) {
        http_finish(c);
        return;
    }
    /* Not here and now: a handler that answers must not find itself called
     * with the next request before it returns.  And the others come first. */
    if (c->is_paused && c->reading != HTTP_READS_NOTHING && !http_is_full(c))
        loop_defer_next(loop, &c->later, on_turn_end, c);
    http_set_patience(c);
}

static void on_turn_end(void *arg)
{
    struct http_conn *c = arg;

    if (c->is_broken) {
        die(c);
        return;
    }
    if (c->postponed != NULL && c->first == NULL)
        http_dispatch_postponed(c);
    if (c->reading == HTTP_READS_CLOSED)
        return;
    if (!c->is_paused || http_is_full(c))
        return;
    c->is_paused = false;
    http_read_kept(c);
    if (c->reading != HTTP_READS_CLOSED && !c->is_paused)
        sock_resume(c->sock);
    http_conn_settle(c);
}

static void http_on_late(void *arg)
{
    struct http_conn *c = arg;
    const struct http_limits *limits = &c->server->params.limits;
    uint64_t now_ms = loop_now_ms(c->server->params.loop);

    if (c->waiting == HTTP_WAITS_BODY) {
        uint64_t due_ms = c->body_began_ms + limits->body_ms +
                          (c->in.len - c->head_len) / BODY_BYTES_PER_MS;

        if (now_ms < due_ms) {
            timer_set(&c->patience, due_ms - now_ms);
            return;
        }
    }
    if (c->waiting == HTTP_WAITS_IDLE && sock_queued_bytes(c->sock) > 0) {
        timer_set(&c->patience, limits->idle_ms); /* still reading */
        return;
    }
    if (c->waiting == HTTP_WAITS_IDLE)
        http_conn_stop_reading(c); /* nobody asked anything: no answer */
    else
        http_refuse_late(c);
    http_conn_settle(c);
}

/* --- The sock's words ----------------------------------------------------- */

static void http_on_received(void *owner, const char *at, size_t len)
{
    struct http_conn *c = owner;

    if (c->reading == HTTP_READS_NOTHING) {
        /* Goes on reading for a while, to see the client leave. */
        c->dropped_bytes += len;
        if (c->dropped_bytes > DROPPED_MAX_BYTES) {
            c->is_paused = true;
            sock_pause(c->sock);
        }
        return;
    }
    http_read_bytes(c, at, len);
    /* Behind a postponed request it is read to see the client leave. */
    if (c->postponed != NULL && c->in.len > 0)
        sock_pause(c->sock);
    http_conn_settle(c);
}

static void http_on_drained(void *owner)
{
    struct http_conn *c = owner;

    http_advance(c);
    http_conn_settle(c);
}

/* The next held request on a keep-alive connection whose owner has not heard
 * of the FIN.  One that announced its end with HTTP/1.0 or Connection: close
 * half-closes in good faith and still reads (decision 4). */
static struct http_exchange *next_untold(struct http_conn *c)
{
    struct http_exchange *x = c->first;

    while (x != NULL && (x->is_answered || x->ops == NULL || !x->keep_alive ||
                         x->was_told_fin))
        x = x->next;
    return x;
}

static void http_on_eof(void *owner)
{
    struct http_conn *c = owner;
    struct http_exchange *x;

    http_conn_stop_reading(c);
    /* The owner may answer any exchange, so each time from the start. */
    for (x = next_untold(c); x != NULL; x = next_untold(c)) {
        x->was_told_fin = true;
        x->ops->left(x->owner, HTTP_LEFT_FIN);
    }
    http_conn_settle(c);
}

static void http_on_lost(void *owner, enum sock_end why)
{
    struct http_conn *c = owner;

    log_debug(NULL, "http.lost c=%s why=%s", sock_peer_host(c->sock).text,
              log_quote(slice_of(sock_error_text(c->sock))).text);
    if (!c->is_secured)
        metrics_count(METRIC_TLS_FAILED);
    http_conn_stop_reading(c);
    die(c);
}

/* --- Server --------------------------------------------------------------- */

static size_t kept_max(const struct http_limits *limits)
{
    size_t body_max_bytes = limits->body_max_bytes;

    /* Half a head and one read, whatever the limits are. */
    if (body_max_bytes < READ_BYTES)
        body_max_bytes = READ_BYTES;
    return limits->header_max_bytes + body_max_bytes;
}

struct http_conn *http_conn_new(struct http_server *srv)
{
    struct http_conn *c = calloc(1, sizeof(*c));

    if (c == NULL)
        return NULL;
    c->server = srv;
    buf_init(&c->in, kept_max(&srv->params.limits));
    timer_init(&c->patience, srv->params.loop, http_on_late, c);
    c->next = &srv->conns;
    c->prev = srv->conns.prev;
    c->prev->next = c;
    srv->conns.prev = c;
    trim_note(&srv->trim, ++srv->count);
    return c;
}

enum err http_server_new(struct http_server **out,
                         const struct http_server_params *params)
{
    struct http_server *srv;

    for (size_t i = 0; i < params->origins.n; i++) {
        if (strlen(params->origins.list[i]) > HTTP_ORIGIN_MAX_BYTES)
            return ERR_INVALID;
    }
    srv = calloc(1, sizeof(*srv));
    if (srv == NULL)
        return ERR_NOMEM;
    srv->params = *params;
    srv->conns.next = srv->conns.prev = &srv->conns;
    list_init(&srv->securing);
    trim_init(&srv->trim, params->loop);
    srv->refusals = (struct log_limit)LOG_LIMIT_INIT;
    *out = srv;
    return ERR_OK;
}

size_t http_server_count(const struct http_server *srv)
{
    return srv->count;
}

void http_server_drain(struct http_server *srv)
{
    struct http_conn *c = srv->conns.next;

    srv->is_draining = true;
    while (c != &srv->conns) {
        struct http_conn *next = c->next;

        if (c->first == NULL && c->reading == HTTP_READS_HEAD && c->in.len == 0)
            http_conn_stop_reading(c);
        http_conn_settle(c);
        c = next;
    }
}

void http_server_free(struct http_server *srv)
{
    if (srv == NULL)
        return;
    while (srv->conns.next != &srv->conns)
        die(srv->conns.next);
    trim_stop(&srv->trim);
    free(srv);
}

/* TLS did not start: gives the fd back to whoever accepted it. */
static enum err http_give_back(struct http_conn *c, enum err err)
{
    struct sock_transfer transfer;

    if (sock_detach(c->sock, &transfer) == ERR_OK) {
        buf_free(&transfer.queue);
        c->sock = NULL; /* sock_peer is gone, too: not counted yet */
        http_conn_close(c);
        return err;
    }
    http_conn_count(c, 1);
    http_conn_close(c); /* and the fd: nothing is left to give back */
    return ERR_OK;
}

enum err http_serve(struct http_server *srv, int fd, const struct addr *peer,
                    struct tls_ctx *tls, bool is_secure)
{
    struct http_conn *c = http_conn_new(srv);
    enum err err;

    if (c == NULL)
        return ERR_NOMEM;
    err = sock_accept(&c->sock, srv->params.loop, fd, peer,
                      &srv->params.limits.sock, &http_sock_ops, c);
    if (err != ERR_OK) {
        c->sock = NULL;
        http_conn_close(c);
        return err;
    }
    c->is_secured = tls == NULL;
    c->is_tls = tls != NULL || is_secure;
    if (tls != NULL) {
        err = sock_start_tls_server(c->sock, tls);
        if (err != ERR_OK)
            return http_give_back(c, err);
        http_conn_begin_securing(c);
    }
    http_conn_count(c, 1);
    http_conn_settle(c);
    return ERR_OK;
}

/* --- Exchanges -------------------------------------------------------------
 */

/* False: no memory. */
static bool note_origin(struct http_exchange *x, const struct http_head *head)
{
    struct slice below;

    x->origin =
        http_origin_find(&x->conn->server->params.origins, head, &below);
    if (x->origin == NULL || below.len == 0)
        return true;
    x->origin_below = strndup(below.at, below.len);
    x->origin = x->origin_below;
    return x->origin != NULL;
}

static void http_exchange_release(struct http_conn *c, struct http_exchange *x)
{
    buf_free(&x->answer);
    free(x->origin_below);
    if (x == &c->embedded)
        c->embedded_is_used = false;
    else
        free(x);
}

struct http_exchange *http_exchange_new(struct http_conn *c,
                                        const struct http_head *head)
{
    struct http_exchange *x;

    if (!c->embedded_is_used) {
        x = &c->embedded;
        memset(x, 0, sizeof(*x));
        c->embedded_is_used = true;
    } else {
        x = calloc(1, sizeof(*x));
    }
    if (x == NULL)
        return NULL;

    x->conn = c;
    buf_init(&x->answer, SIZE_MAX / 2); /* bounded by whoever answers */
    if (head != NULL) {
        if (!note_origin(x, head)) {
            http_exchange_release(c, x);
            return NULL;
        }
        x->is_head = head->method == HTTP_HEAD;
        x->is_old = head->minor == 0;
        x->keep_alive = head->keep_alive;
    }
    if (c->last == NULL)
        c->first = x;
    else
        c->last->next = x;
    c->last = x;
    c->n_exchanges++;
    return x;
}

static void http_exchange_drop(struct http_conn *c, struct http_exchange *x)
{
    c->n_exchanges--;
    http_exchange_release(c, x);
}

void http_exchange_pop(struct http_conn *c)
{
    struct http_exchange *x = c->first;

    c->first = x->next;
    if (c->first == NULL)
        c->last = NULL;
    http_exchange_drop(c, x);
}

void http_exchange_pop_last(struct http_conn *c)
{
    struct http_exchange *x = c->last;
    struct http_exchange *before = c->first;

    if (before == x) {
        http_exchange_pop(c);
        return;
    }
    while (before->next != x)
        before = before->next;
    before->next = NULL;
    c->last = before;
    http_exchange_drop(c, x);
}

void http_hold(struct http_exchange *x, const struct http_exchange_ops *ops,
               void *owner)
{
    struct http_dispatch *now = x->conn->now;

    assert(!x->is_answered);
    x->ops = ops;
    x->owner = owner;
    if (now != NULL && now->x == x)
        now->is_settled = true;
}

void *http_space(struct http_exchange *x)
{
    return x->space;
}
