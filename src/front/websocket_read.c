#include "websocket_int.h"

#include "base/metrics.h"
#include "net/sock_text.h"

#define ANY_SIZE UINT64_MAX

static void update_reading(struct websocket *c)
{
    if (c->is_stopped || c->rest.len > 0)
        sock_pause(c->sock);
    else
        sock_resume(c->sock);
}

void websocket_on_flow(void *arg, bool is_flowing)
{
    struct websocket *c = arg;

    c->is_stopped = !is_flowing;
    if (is_flowing && c->rest.len > 0)
        websocket_do_later(c);
    update_reading(c);
}

static enum ws_code websocket_read_code_of(enum ws_fault fault)
{
    switch (fault) {
    case WEBSOCKET_FAULT_NONE:
    case WEBSOCKET_FAULT_PROTOCOL:
        return WS_PROTOCOL_ERROR;
    case WEBSOCKET_FAULT_BINARY:
        return WS_UNSUPPORTED;
    case WEBSOCKET_FAULT_UTF8:
    case WEBSOCKET_FAULT_DEFLATE:
        return WS_BAD_DATA;
    case WEBSOCKET_FAULT_TOO_BIG:
        return WS_TOO_BIG;
    }
    return WS_PROTOCOL_ERROR;
}

static void note_fault(struct websocket *c, enum ws_code code)
{
    struct websocket_host *h = c->host;
    unsigned suppressed;

    metrics_count(METRIC_WS_BAD_FRAMES);
    c->is_through = true;
    if (log_allow(&h->fault_limit, loop_now_ms(h->params.loop), &suppressed))
        log_info(NULL, "websocket.fault client=%s code=%d suppressed=%u",
                 sock_peer_host(c->sock).text, (int)code, suppressed);
}

/* What came before was handed over; the session may speak its last words. */
static void fault(struct websocket *c, enum ws_code code)
{
    note_fault(c, code);
    ws_fault(c->ws, code);
}

/* RFC 6455 section 5.5.3: of several pings the latest may be answered alone,
 * so that a client that does not read leaves one pong here, no more. */
static void pong(struct websocket *c, struct slice payload)
{
    if (!sock_is_congested(c->sock)) {
        (void)websocket_write(c, WEBSOCKET_OP_PONG, payload);
        return;
    }
    buf_clear(&c->pong, WEBSOCKET_CONTROL_MAX_BYTES);
    c->has_pong = buf_append_slice(&c->pong, payload) == ERR_OK;
}

/* A frame that brings the session nothing. */
static void count_idle(struct websocket *c)
{
    uint64_t now_ms = loop_now_ms(c->host->params.loop);

    if (now_ms - c->idle_since_ms >= WEBSOCKET_IDLE_PERIOD_MS) {
        c->idle_since_ms = now_ms;
        c->n_idle = 0;
    }
    if (++c->n_idle > WEBSOCKET_IDLE_MAX && c->ws != NULL && !c->is_broken)
        fault(c, WS_POLICY);
}

/* One event of what has come.  False: there is none any more. */
static bool take_event(struct websocket *c, struct slice *bytes)
{
    struct websocket_message_result r;

    switch (websocket_message_next(&c->input, &c->host->shared, bytes,
                                   ws_message_max(c->ws), &r)) {
    case WEBSOCKET_MESSAGE_MORE:
        return false;
    case WEBSOCKET_MESSAGE_MESSAGE:
        ws_message(c->ws, r.text);
        return true;
    case WEBSOCKET_MESSAGE_PING:
        pong(c, r.text);
        count_idle(c);
        return true;
    case WEBSOCKET_MESSAGE_NOTHING:
        count_idle(c);
        return true;
    case WEBSOCKET_MESSAGE_CLOSE:
        websocket_leave(c, r.code);
        return false;
    case WEBSOCKET_MESSAGE_FAULT:
        fault(c, websocket_read_code_of(r.fault));
        return false;
    case WEBSOCKET_MESSAGE_NOMEM:
        websocket_drop(c);
        return false;
    }
    return false;
}

/* We are closing: only the client's Close frame is of interest. */
static void look_for_close(struct websocket *c, struct slice *bytes)
{
    struct ws_run run = {.kind = WS_RUN_NONE};

    do {
        if (websocket_parse_next(&c->input.check, bytes, ANY_SIZE, &run) !=
                WEBSOCKET_FAULT_NONE ||
            c->input.check.is_closed)
            c->is_through = true;
    } while (!c->is_through && run.kind != WS_RUN_NONE);
    if (c->is_through)
        websocket_close(c);
}

/* Takes what the session and this turn take from the front of *bytes. */
static void websocket_read_take(struct websocket *c, struct slice *bytes)
{
    size_t len = bytes->len;
    unsigned n = 0;
    bool is_going = true;

    while (is_going && c->ws != NULL && !c->is_stopped && !c->is_broken &&
           n++ < WEBSOCKET_TURN_MESSAGES &&
           len - bytes->len < WEBSOCKET_TURN_BYTES)
        is_going = take_event(c, bytes);
    websocket_message_release(&c->input, &c->host->shared);
    if (c->state == WEBSOCKET_CLOSING && !c->is_broken)
        look_for_close(c, bytes);
}

/* Something is left in c->rest. */
static void websocket_read_wait_for_turn(struct websocket *c)
{
    update_reading(c);
    if (!c->is_stopped)
        websocket_do_next_turn(c);
}

void websocket_on_received(void *arg, const char *at, size_t len)
{
    struct websocket *c = arg;
    struct slice bytes = {at, len};

    c->is_heard = true;
    websocket_read_take(c, &bytes);
    if (c->ws == NULL || c->is_broken || bytes.len == 0)
        return;
    if (buf_append_slice(&c->rest, bytes) != ERR_OK)
        websocket_drop(c);
    else
        websocket_read_wait_for_turn(c);
}

void websocket_go_on(struct websocket *c)
{
    struct slice bytes = buf_slice(&c->rest);

    if (bytes.len == 0)
        return;
    websocket_read_take(c, &bytes);
    if (c->state == WEBSOCKET_GONE)
        return;
    buf_consume(&c->rest, c->rest.len - bytes.len);
    if (c->rest.len == 0) {
        buf_free(&c->rest);
        update_reading(c);
    } else {
        websocket_read_wait_for_turn(c);
    }
}
