#include "websocket_int.h"

#include "front/websocket_frame.h"

#include <assert.h>
#include <stdlib.h>

#define MS 1000u

static void on_output(void *arg, const char *at, size_t len);
static bool on_send(void *arg, struct slice message);
static bool on_is_congested(void *arg);
static void on_sock_drained(void *arg);
static void on_finish(void *arg, enum ws_code code, const char *reason);
static void on_client_closing(void *arg);
static void on_carrier_ended(void *arg);
static void on_eof(void *arg);
static void on_lost(void *arg, enum sock_end why);
static void on_timer(void *arg);

static const struct sock_ops sock_ops = {
    .received = websocket_on_received,
    .drained = on_sock_drained,
    .eof = on_eof,
    .lost = on_lost,
};

static const struct ws_carrier_ops carrier_ops = {
    .output = on_output,
    .piece = websocket_on_piece,
    .closing = on_client_closing,
    .drained = websocket_on_input_drained,
    .ended = on_carrier_ended,
};

static const struct ws_ops ws_ops = {
    .send = on_send,
    .is_congested = on_is_congested,
    .finish = on_finish,
    .flow = websocket_on_flow,
};

static const struct ws_settings *settings(const struct websocket *c)
{
    return &session_host_settings(c->host->params.sessions)->ws;
}

void websocket_enter(struct websocket *c, enum websocket_state next)
{
    static const unsigned from[] = {
        [WEBSOCKET_OPEN] = 0,
        [WEBSOCKET_FAULTED] = 1u << WEBSOCKET_OPEN,
        [WEBSOCKET_LEAVING] = 1u << WEBSOCKET_OPEN,
        [WEBSOCKET_FLUSHING] = 1u << WEBSOCKET_OPEN | 1u << WEBSOCKET_FAULTED |
                               1u << WEBSOCKET_LEAVING,
        [WEBSOCKET_CLOSING] = 1u << WEBSOCKET_FLUSHING,
        [WEBSOCKET_GONE] = 1u << WEBSOCKET_OPEN | 1u << WEBSOCKET_FAULTED |
                           1u << WEBSOCKET_LEAVING | 1u << WEBSOCKET_FLUSHING |
                           1u << WEBSOCKET_CLOSING,
    };

    assert(from[next] & 1u << c->state);
    c->state = next;
    if (next != WEBSOCKET_GONE)
        timer_set(&c->timer, settings(c)->close_ms);
}

/* ---- the way out ---- */

static void on_free(void *arg)
{
    free(arg);
}

/* The session, if it is still there, has lost its client; the library and
 * the message go.  The sock is the caller's to close or to abort. */
static struct sock *leave(struct websocket *c)
{
    struct websocket_host *h = c->host;
    struct sock *sock = c->sock;
    struct ws *ws = c->ws;

    websocket_enter(c, WEBSOCKET_GONE);
    timer_stop(&c->timer);
    if (c->prev != NULL)
        c->prev->next = c->next;
    else
        h->first = c->next;
    if (c->next != NULL)
        c->next->prev = c->prev;
    h->count--;

    c->sock = NULL;
    c->ws = NULL;
    ws_carrier_free(c->carrier);
    c->carrier = NULL;
    buf_wipe(&c->message);
    if (ws != NULL)
        ws_lost(ws);
    loop_defer(h->params.loop, &c->dead, on_free, c);
    return sock;
}

/* What was sent still goes out; then FIN, and the client's is awaited
 * (RFC 6455 section 7.1.1: the server closes first; T54). */
void websocket_close(struct websocket *c)
{
    sock_close(leave(c));
}

void websocket_drop(struct websocket *c)
{
    sock_abort(leave(c));
}

/* From inside a call of the session, which must not lose its feet. */
static void drop_soon(struct websocket *c)
{
    c->is_broken = true;
    timer_set(&c->timer, 0);
}

/* ---- to the client ---- */

static bool write_out(struct websocket *c, const struct slice *parts,
                      size_t n_parts)
{
    if (c->is_broken)
        return false;
    if (sock_write(c->sock, parts, n_parts) == ERR_OK)
        return true;
    drop_soon(c);
    return false;
}

/* Our Close frame, behind all that the library has written. */
static void send_close(struct websocket *c)
{
    char frame[WEBSOCKET_CLOSE_MAX_BYTES];
    struct slice part = {frame, 0};

    if (c->carrier != NULL && !ws_carrier_is_flushed(c->carrier))
        return; /* on_output comes again */
    ws_carrier_free(c->carrier);
    c->carrier = NULL;
    part.len = websocket_close_frame(frame, c->code, c->reason);
    websocket_enter(c, WEBSOCKET_CLOSING);
    if (write_out(c, &part, 1) && c->is_through)
        websocket_close(c);
}

static void on_output(void *arg, const char *at, size_t len)
{
    struct websocket *c = arg;
    struct slice part = {at, len};

    if (write_out(c, &part, 1) && c->state == WEBSOCKET_FLUSHING)
        send_close(c);
}

static bool on_send(void *arg, struct slice message)
{
    struct websocket *c = arg;
    char head[WEBSOCKET_HEAD_MAX_BYTES];
    struct slice parts[2] = {{head, 0}, message};

    if (c->is_broken)
        return false;
    if (c->carrier == NULL) {
        parts[0].len = websocket_text_head(head, message.len);
        return write_out(c, parts, 2);
    }
    if (ws_carrier_text(c->carrier, message))
        return !c->is_broken;
    drop_soon(c);
    return false;
}

static bool on_is_congested(void *arg)
{
    const struct websocket *c = arg;

    return sock_is_congested(c->sock);
}

static void on_sock_drained(void *arg)
{
    struct websocket *c = arg;

    if (c->ws != NULL)
        ws_drained(c->ws);
}

static void on_finish(void *arg, enum ws_code code, const char *reason)
{
    struct websocket *c = arg;

    c->ws = NULL;
    if (c->is_broken)
        return;
    c->code = code;
    c->reason = reason;
    c->is_stopped = false;
    sock_resume(c->sock); /* the client's Close frame, or FIN */
    websocket_enter(c, WEBSOCKET_FLUSHING);
    send_close(c);
}

/* ---- ends ---- */

/* What came before the fault was handled: the session may speak. */
static void tell_fault(struct websocket *c)
{
    ws_carrier_free(c->carrier);
    c->carrier = NULL;
    if (c->ws != NULL)
        ws_fault(c->ws, c->code);
    else
        websocket_drop(c);
}

static void on_client_closing(void *arg)
{
    struct websocket *c = arg;
    struct ws *ws = c->ws;

    c->ws = NULL;
    if (ws != NULL)
        ws_lost(ws);
}

static void on_carrier_ended(void *arg)
{
    struct websocket *c = arg;

    switch (c->state) {
    case WEBSOCKET_OPEN:
        log_debug(NULL, "websocket.library-gone");
        websocket_drop(c);
        break;
    case WEBSOCKET_FAULTED:
        tell_fault(c);
        break;
    case WEBSOCKET_LEAVING:
        websocket_close(c);
        break;
    case WEBSOCKET_FLUSHING:
        send_close(c);
        break;
    case WEBSOCKET_CLOSING:
    case WEBSOCKET_GONE:
        break;
    }
}

static void on_eof(void *arg)
{
    struct websocket *c = arg;

    c->is_through = true;
    if (c->state == WEBSOCKET_OPEN) {
        websocket_enter(c, WEBSOCKET_LEAVING);
        ws_carrier_end(c->carrier);
    } else if (c->state == WEBSOCKET_CLOSING) {
        websocket_close(c);
    }
}

static void on_lost(void *arg, enum sock_end why)
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
                  addr_format_host(sock_peer(c->sock)).text);
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
    ws_carrier_ping(c->carrier);
}

static void on_timer(void *arg)
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
    case WEBSOCKET_FAULTED: /* the server is slow: no longer waited for */
        tell_fault(c);
        break;
    case WEBSOCKET_FLUSHING: /* the client does not read */
        websocket_drop(c);
        break;
    case WEBSOCKET_LEAVING:
    case WEBSOCKET_CLOSING:
        websocket_close(c);
        break;
    case WEBSOCKET_GONE:
        break;
    }
}

/* ---- the upgrade ---- */

/* A connection that is not on the wire yet. */
enum err websocket_open(struct websocket **out, struct websocket_host *h,
                        const struct http_request *r, struct slice key)
{
    struct websocket *c = calloc(1, sizeof(*c));
    enum err err;

    if (c == NULL)
        return ERR_NOMEM;
    c->host = h;
    ws_check_init(&c->check);
    timer_init(&c->timer, h->params.loop, on_timer, c);
    buf_init(&c->message,
             session_host_settings(h->params.sessions)->stanza_max_bytes);
    err = ws_open(&c->ws, h->params.sessions, r->client, r->is_tls, &ws_ops, c);
    if (err == ERR_OK)
        err = ws_carrier_open(&c->carrier, h->carriers, key, &carrier_ops, c);
    if (err != ERR_OK) {
        if (c->ws != NULL)
            ws_lost(c->ws);
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

/* Takes the client's socket and begins. */
enum err websocket_take(struct websocket *c, struct http_exchange *x)
{
    struct websocket_host *h = c->host;
    struct sock_parcel parcel;
    struct buf read_ahead;
    enum err err = http_take(x, &parcel, &read_ahead);

    if (err != ERR_OK) {
        (void)leave(c);
        return err;
    }
    parcel.limits = h->params.sock;
    if (sock_attach(&c->sock, h->params.loop, &parcel, &sock_ops, c) !=
        ERR_OK) {
        sock_parcel_drop(&parcel);
        buf_free(&read_ahead);
        (void)leave(c); /* it has no sock, and x is gone */
        return ERR_OK;
    }
    if (settings(c)->ping_s > 0)
        timer_set(&c->timer, MS * settings(c)->ping_s);
    if (read_ahead.len > 0)
        websocket_on_received(c, buf_at(&read_ahead), read_ahead.len);
    buf_free(&read_ahead);
    return ERR_OK;
}
