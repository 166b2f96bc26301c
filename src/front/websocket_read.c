#include "websocket_int.h"

#include "base/metrics.h"

#include <string.h>

#define ANY_SIZE UINT64_MAX

static void update_reading(struct websocket *c)
{
    if (c->is_stopped ||
        (c->carrier != NULL && ws_carrier_is_congested(c->carrier)))
        sock_pause(c->sock);
    else
        sock_resume(c->sock);
}

void websocket_on_flow(void *arg, bool is_flowing)
{
    struct websocket *c = arg;

    c->is_stopped = !is_flowing;
    if (c->carrier != NULL)
        ws_carrier_set_flow(c->carrier, is_flowing);
    update_reading(c);
}

void websocket_on_input_drained(void *arg)
{
    update_reading(arg);
}

static enum ws_code code_of(enum ws_fault fault)
{
    switch (fault) {
    case WS_FAULT_NONE:
    case WS_FAULT_PROTOCOL:
        return WS_PROTOCOL_ERROR;
    case WS_FAULT_BINARY:
        return WS_UNSUPPORTED;
    case WS_FAULT_UTF8:
        return WS_BAD_DATA;
    case WS_FAULT_TOO_BIG:
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
                 addr_format_host(sock_peer(c->sock)).text, (int)code,
                 suppressed);
}

/* Checks bytes and gives the good ones to the library. */
static void check(struct websocket *c, const char *at, size_t len)
{
    size_t ok;
    enum ws_fault fault =
        ws_check_feed(&c->check, at, len, ws_message_max(c->ws), &ok);

    if (ok > 0 && ws_carrier_input(c->carrier, at, ok) != ERR_OK) {
        websocket_drop(c);
        return;
    }
    if (fault != WS_FAULT_NONE) {
        c->code = code_of(fault);
        note_fault(c, c->code);
        websocket_enter(c, WEBSOCKET_FAULTED);
        ws_carrier_end(c->carrier);
    } else if (c->check.is_closed) {
        c->is_through = true;
        websocket_enter(c, WEBSOCKET_LEAVING);
    }
    update_reading(c);
}

/* We are closing: only the client's Close frame is of interest. */
static void check_for_close(struct websocket *c, const char *at, size_t len)
{
    size_t ok;

    if (c->is_through)
        return;
    if (ws_check_feed(&c->check, at, len, ANY_SIZE, &ok) != WS_FAULT_NONE ||
        c->check.is_closed)
        c->is_through = true;
    if (c->is_through && c->state == WEBSOCKET_CLOSING)
        websocket_close(c);
}

void websocket_on_received(void *arg, const char *at, size_t len)
{
    struct websocket *c = arg;

    c->is_heard = true;
    if (c->is_broken)
        return;
    switch (c->state) {
    case WEBSOCKET_OPEN:
        check(c, at, len);
        break;
    case WEBSOCKET_FLUSHING:
    case WEBSOCKET_CLOSING:
        check_for_close(c, at, len);
        break;
    case WEBSOCKET_FAULTED: /* discarded (RFC 6455 section 1.4) */
    case WEBSOCKET_LEAVING:
    case WEBSOCKET_GONE:
        break;
    }
}

/* A whole message; the session may end the connection from inside. */
static void deliver(struct websocket *c, struct slice last)
{
    struct buf whole;

    memset(&c->utf8, 0, sizeof(c->utf8));
    if (c->message.len == 0) {
        ws_message(c->ws, last);
        return;
    }
    if (buf_append_slice(&c->message, last) != ERR_OK) {
        websocket_drop(c);
        return;
    }
    memset(&whole, 0, sizeof(whole));
    buf_take(&whole, &c->message);
    ws_message(c->ws, buf_slice(&whole));
    buf_wipe(&whole);
}

void websocket_on_piece(void *arg, struct slice piece, bool is_last)
{
    struct websocket *c = arg;

    if (c->ws == NULL || c->is_broken)
        return;
    if (!utf8_feed(&c->utf8, piece.at, piece.len) ||
        (is_last && !utf8_is_complete(&c->utf8))) {
        note_fault(c, WS_BAD_DATA);
        ws_fault(c->ws, WS_BAD_DATA);
    } else if (is_last) {
        deliver(c, piece);
    } else if (buf_append_slice(&c->message, piece) != ERR_OK) {
        websocket_drop(c);
    }
}
