#include "websocket_int.h"

#include "base/slots.h"
#include "websocket_deflate.h"
#include "session/session_host.h"
#include "net/sock_open.h"
#include "net/sock_text.h"

#include <assert.h>
#include <stdlib.h>

#define MS 1000u

/* What is put together before it is written. */
#define CORK_BYTES 16384

static bool on_send(void *arg, struct slice message);
static void on_gather(void *arg);
static bool on_is_congested(void *arg);
static void websocket_on_drained(void *arg);
static void on_finish(void *arg, enum ws_code code, const char *reason);
static void websocket_on_eof(void *arg);
static void websocket_on_lost(void *arg, enum sock_end why);
static void websocket_on_timer(void *arg);
static void on_later(void *arg);

static const struct sock_ops sock_ops = {
    .received = websocket_on_received,
    .drained = websocket_on_drained,
    .eof = websocket_on_eof,
    .lost = websocket_on_lost,
};

static const struct ws_ops ws_ops = {
    .send = on_send,
    .gather = on_gather,
    .is_congested = on_is_congested,
    .finish = on_finish,
    .flow = websocket_on_flow,
};

static const struct ws_settings *settings(const struct websocket *c)
{
    return &session_host_settings(c->host->params.sessions)->ws;
}

/* The only place that writes c->state. */
static void websocket_enter(struct websocket *c, enum websocket_state next)
{
    static const unsigned from[] = {
        [WEBSOCKET_OPEN] = 0,
        [WEBSOCKET_CLOSING] = 1u << WEBSOCKET_OPEN,
        [WEBSOCKET_GONE] = 1u << WEBSOCKET_OPEN | 1u << WEBSOCKET_CLOSING,
    };

    assert(from[next] & 1u << c->state);
    c->state = next;
    timer_stop(&c->timer);
    if (next == WEBSOCKET_CLOSING)
        timer_set(&c->timer, settings(c)->close_ms);
}

/* ---- the way out ---- */

/* What a session was given stays until here: it may be reading it still. */
static void on_free(void *arg)
{
    struct websocket *c = arg;

    websocket_message_fini(&c->input);
    buf_free(&c->rest);
    buf_free(&c->corked);
    buf_free(&c->pong);
    free(c);
}

/* The session, if it is still there, has lost its client.  The sock is the
 * caller's to close or to abort. */
static struct sock *websocket_conn_do_leave(struct websocket *c)
{
    struct websocket_host *h = c->host;
    struct sock *sock = c->sock;
    struct ws *ws = c->ws;

    websocket_enter(c, WEBSOCKET_GONE);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        h->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    h->count--;
    if (c->has_place && h->params.places != NULL)
        slots_give(h->params.places);

    c->sock = NULL;
    c->ws = NULL;
    if (ws != NULL)
        ws_lost(ws);
    loop_undefer(&c->later);
    loop_defer(h->params.loop, &c->later, on_free, c);
    return sock;
}

/* From inside a call of the session, which must not lose its feet. */
static void drop_soon(struct websocket *c)
{
    c->is_broken = true;
    timer_set(&c->timer, 0);
}

static void uncork(struct websocket *c)
{
    struct slice part = buf_slice(&c->corked);

    c->is_corked = false;
    if (part.len > 0 && !c->is_broken &&
        sock_write(c->sock, &part, 1) != ERR_OK)
        drop_soon(c);
    buf_free(&c->corked);
}

/* RFC 6455 section 7.1.1: the server closes first; T54. */
void websocket_close(struct websocket *c)
{
    uncork(c);
    sock_close(websocket_conn_do_leave(c));
}

void websocket_drop(struct websocket *c)
{
    sock_abort(websocket_conn_do_leave(c));
}

/* ---- to the client ---- */

/* What is small waits for the end of the turn behind what was sent in it. */
static bool cork(struct websocket *c, const struct slice *parts, size_t n_parts)
{
    size_t before = c->corked.len;
    size_t i;

    for (i = 0; i < n_parts; i++) {
        if (buf_append_slice(&c->corked, parts[i]) == ERR_OK)
            continue;
        buf_truncate(&c->corked, before);
        return false;
    }
    return true;
}

static void on_gather(void *arg)
{
    struct websocket *c = arg;

    c->is_corked = true;
    loop_defer(c->host->params.loop, &c->later, on_later, c);
}

/* The first message of a turn is written at once and without a copy; those
 * behind it, when a server says much at once, go together. */
static bool websocket_write_parts(struct websocket *c,
                                  const struct slice *parts, size_t n_parts)
{
    if (c->is_broken)
        return false;
    if (c->is_corked && cork(c, parts, n_parts))
        return true;
    uncork(c);
    if (c->is_broken)
        return false;
    if (sock_write(c->sock, parts, n_parts) != ERR_OK) {
        drop_soon(c);
        return false;
    }
    on_gather(c);
    return true;
}

bool websocket_write(struct websocket *c, unsigned first, struct slice payload)
{
    char head[WEBSOCKET_HEAD_MAX_BYTES];
    struct slice parts[2] = {{head, websocket_head(head, first, payload.len)},
                             payload};

    return websocket_write_parts(c, parts, 2);
}

/* Our Close frame, behind all that was sent. */
static void send_close(struct websocket *c, unsigned code, const char *reason)
{
    char frame[WEBSOCKET_CLOSE_MAX_BYTES];
    struct slice part = {frame, websocket_close_frame(frame, code, reason)};

    websocket_enter(c, WEBSOCKET_CLOSING);
    if (websocket_write_parts(c, &part, 1) && c->is_through)
        websocket_close(c);
}

/* Nothing that belongs to a login is ever compressed: the length would tell
 * of the secrets in it. */
static bool on_send(void *arg, struct slice message)
{
    struct websocket *c = arg;
    unsigned first = WEBSOCKET_OP_TEXT;
    struct slice coded;

    if (c->is_deflated && message.len >= c->host->params.deflate_min_bytes &&
        c->ws != NULL && ws_may_compress(c->ws) &&
        websocket_deflate_write(c->host->shared.deflate, c->window_bits,
                                message, &coded) == ERR_OK) {
        first |= WEBSOCKET_DEFLATED;
        message = coded;
    }
    return websocket_write(c, first, message);
}

static bool on_is_congested(void *arg)
{
    const struct websocket *c = arg;

    return sock_is_congested(c->sock);
}

static void websocket_on_drained(void *arg)
{
    struct websocket *c = arg;

    if (c->has_pong && c->state == WEBSOCKET_OPEN) {
        c->has_pong = false;
        (void)websocket_write(c, WEBSOCKET_OP_PONG, buf_slice(&c->pong));
        buf_free(&c->pong);
    }
    if (c->ws != NULL)
        ws_drained(c->ws);
}

static void on_finish(void *arg, enum ws_code code, const char *reason)
{
    struct websocket *c = arg;

    c->ws = NULL;
    if (c->is_broken)
        return;
    websocket_on_flow(c, true); /* the client's Close frame, or FIN */
    send_close(c, code, reason);
}

/* ---- ends ---- */

void websocket_leave(struct websocket *c, unsigned code)
{
    struct ws *ws = c->ws;

    c->is_through = true;
    c->ws = NULL;
    ws_lost(ws);
    if (!c->is_broken)
        send_close(c, code, "");
}

static void websocket_on_eof(void *arg)
{
    websocket_close(arg);
}

static void websocket_on_lost(void *arg, enum sock_end why)
{
    websocket_drop(arg);
}

/* A ping each ping_s; bytes of any kind within ping_timeout_s are a sign of
 * life.  A client that we do not read cannot give one. */
static void ping(struct websocket *c)
{
    const struct ws_settings *s = settings(c);

    if (c->is_awaited && !c->is_heard && !c->is_stopped) {
        log_debug(NULL, "websocket.dead client=%s",
                  sock_peer_host(c->sock).text);
        websocket_drop(c);
        return;
    }
    if (c->is_awaited && s->ping_s > s->ping_timeout_s) {
        c->is_awaited = false;
        timer_set(&c->timer, MS * (s->ping_s - s->ping_timeout_s));
        return;
    }
    c->is_awaited = true;
    c->is_heard = false;
    timer_set(&c->timer, MS * s->ping_timeout_s);
    (void)websocket_write(c, WEBSOCKET_OP_PING, SLICE(""));
}

static void websocket_on_timer(void *arg)
{
    struct websocket *c = arg;

    if (c->is_broken) {
        websocket_drop(c);
        return;
    }
    switch (c->state) {
    case WEBSOCKET_OPEN:
        ping(c);
        break;
    case WEBSOCKET_CLOSING:
        websocket_close(c);
        break;
    case WEBSOCKET_GONE:
        break;
    }
}

static void on_later(void *arg)
{
    struct websocket *c = arg;

    uncork(c);
    websocket_go_on(c);
}

void websocket_do_later(struct websocket *c)
{
    loop_defer(c->host->params.loop, &c->later, on_later, c);
}

/* What is to go out at the end of this turn waits, too: the next one begins at
 * once. */
void websocket_do_next_turn(struct websocket *c)
{
    loop_undefer(&c->later);
    loop_defer_next(c->host->params.loop, &c->later, on_later, c);
}

/* ---- the upgrade ---- */

/* A connection that is not on the wire yet. */
enum err websocket_open(struct websocket **out, struct websocket_host *h,
                        const struct http_request *r,
                        const struct websocket_extension *e)
{
    size_t max_bytes =
        session_host_settings(h->params.sessions)->stanza_max_bytes;
    struct websocket *c = calloc(1, sizeof(*c));
    enum err err;

    if (c == NULL)
        return ERR_NOMEM;
    c->host = h;
    c->is_deflated = e->is_deflate;
    c->window_bits = e->window_bits;
    websocket_message_init(&c->input, max_bytes, e->is_deflate);
    buf_init(&c->corked, CORK_BYTES);
    buf_init(&c->pong, WEBSOCKET_CONTROL_MAX_BYTES);
    buf_init(&c->rest, SIZE_MAX); /* of what was read at once */
    timer_init(&c->timer, h->params.loop, websocket_on_timer, c);
    err = ws_open(&c->ws, h->params.sessions, r->client, r->is_tls, &ws_ops, c);
    if (err != ERR_OK) {
        free(c);
        return err;
    }
    c->next = h->first;
    if (c->next != NULL)
        c->next->prev = c;
    h->first = c;
    h->count++;
    *out = c;
    return ERR_OK;
}

/* Answers, and reads what came behind the request already. */
static void websocket_begin(struct websocket *c, const char *answer,
                            struct slice ahead)
{
    struct slice part = slice_of(answer);

    if (settings(c)->ping_s > 0)
        timer_set(&c->timer, MS * settings(c)->ping_s);
    if (websocket_write_parts(c, &part, 1) && ahead.len > 0)
        websocket_on_received(c, ahead.at, ahead.len);
}

enum err websocket_take(struct websocket *c, struct http_exchange *x,
                        const char *answer)
{
    struct websocket_host *h = c->host;
    struct sock_transfer transfer;
    struct buf read_ahead;
    enum err err = http_take(x, &transfer, &read_ahead);

    if (err != ERR_OK) {
        (void)websocket_conn_do_leave(c);
        return err;
    }
    c->has_place = true;
    transfer.limits = h->params.sock;
    if (sock_attach(&c->sock, h->params.loop, &transfer, &sock_ops, c) ==
        ERR_OK) {
        websocket_begin(c, answer, buf_slice(&read_ahead));
    } else {
        sock_transfer_drop(&transfer);
        (void)websocket_conn_do_leave(c); /* it has no sock, and x is gone */
    }
    buf_free(&read_ahead);
    return ERR_OK;
}
