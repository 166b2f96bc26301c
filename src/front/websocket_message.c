#include "websocket_message.h"

#include "base/secret.h"
#include "websocket_deflate.h"

#include <string.h>

/* Between the events that are told. */
#define GO_ON WEBSOCKET_MESSAGE_MORE

void websocket_message_init(struct websocket_message *in,
                            size_t message_max_bytes, bool may_deflate)
{
    memset(in, 0, sizeof(*in));
    websocket_parse_init(&in->check);
    /* What XML lacks is for who reads it: the message is text (RFC 6455
     * section 8.1).
     */
    in->utf8 = (struct utf8)UTF8_WITH_NUL;
    in->check.may_deflate = may_deflate;
    in->inflated_left = WS_INFLATED_MAX_BYTES;
    buf_init(&in->message, message_max_bytes);
    buf_init(&in->control, WEBSOCKET_CONTROL_MAX_BYTES);
}

void websocket_message_fini(struct websocket_message *in)
{
    buf_free(&in->message); /* it may hold a password */
    buf_free(&in->control);
}

void websocket_message_release(struct websocket_message *in,
                               struct ws_shared *shared)
{
    if (shared->deflate != NULL)
        websocket_deflate_clear(shared->deflate);
    secret_wipe(shared->plain, shared->plain_len);
    shared->plain_len = 0;
    if (!in->is_given)
        return;
    in->is_given = false;
    websocket_message_fini(in);
}

/* Unmasks a run: to the shared place when it is all there is, else behind
 * what is kept already.  *piece: this run; *all: with what came before. */
static enum err unmask(struct buf *kept, struct ws_shared *shared,
                       const struct ws_run *run, struct slice *piece,
                       struct slice *all)
{
    bool is_all = kept->len == 0 && run->is_message_end &&
                  run->masked.len <= sizeof(shared->plain);
    char *room = shared->plain;
    enum err err = ERR_OK;

    if (is_all)
        shared->plain_len = run->masked.len;
    else
        err = buf_reserve(kept, run->masked.len, &room);
    if (err != ERR_OK)
        return err;
    ws_unmask(room, run->masked, run->mask);
    *piece = *all = (struct slice){room, run->masked.len};
    if (is_all)
        return ERR_OK;
    buf_added(kept, run->masked.len);
    *all = buf_slice(kept);
    return ERR_OK;
}

/* The whole compressed message becomes plain: only then can it be read, since
 * all connections share one decompressor. */
static enum ws_fault inflate_message(struct websocket_message *in,
                                     struct ws_shared *shared, size_t max_bytes,
                                     struct slice *text, bool *is_nomem)
{
    size_t left = in->inflated_left + WS_INFLATED_RATIO * text->len;

    if (max_bytes > left)
        max_bytes = left;
    switch (websocket_deflate_read(shared->deflate, *text, max_bytes, text)) {
    case ERR_OK:
        left -= text->len;
        in->inflated_left =
            left < WS_INFLATED_MAX_BYTES ? left : WS_INFLATED_MAX_BYTES;
        return utf8_is_valid_with_nul(*text) ? WEBSOCKET_FAULT_NONE
                                             : WEBSOCKET_FAULT_UTF8;
    case ERR_LIMIT:
        return WEBSOCKET_FAULT_TOO_BIG;
    case ERR_NOMEM:
        *is_nomem = true;
        return WEBSOCKET_FAULT_NONE;
    case ERR_INVALID:
    case ERR_SYSTEM:
    case ERR_CLOSED:
    case ERR_MISSING:
        break;
    }
    return WEBSOCKET_FAULT_DEFLATE;
}

/* Bad UTF-8 is told at its first byte, not at the end of the message. */
static enum ws_fault check_text(struct websocket_message *in,
                                const struct ws_run *run, struct slice piece)
{
    if (run->is_deflated)
        return WEBSOCKET_FAULT_NONE;
    if (!utf8_feed(&in->utf8, piece.at, piece.len) ||
        (run->is_message_end && !utf8_is_complete(&in->utf8)))
        return WEBSOCKET_FAULT_UTF8;
    return WEBSOCKET_FAULT_NONE;
}

static enum websocket_message_event websocket_message_take_text(
    struct websocket_message *in, struct ws_shared *shared,
    const struct ws_run *run, size_t max_bytes,
    struct websocket_message_result *out)
{
    bool is_nomem = false;
    struct slice piece;

    if (unmask(&in->message, shared, run, &piece, &out->text) != ERR_OK)
        return WEBSOCKET_MESSAGE_NOMEM;
    out->fault = check_text(in, run, piece);
    if (out->fault == WEBSOCKET_FAULT_NONE && !run->is_message_end)
        return run->masked.len == 0 ? WEBSOCKET_MESSAGE_NOTHING : GO_ON;
    if (out->fault == WEBSOCKET_FAULT_NONE && run->is_deflated)
        out->fault =
            inflate_message(in, shared, max_bytes, &out->text, &is_nomem);
    if (is_nomem)
        return WEBSOCKET_MESSAGE_NOMEM;
    if (out->fault != WEBSOCKET_FAULT_NONE)
        return WEBSOCKET_MESSAGE_FAULT;
    in->utf8 = (struct utf8)UTF8_WITH_NUL;
    in->is_given = in->message.data != NULL;
    return WEBSOCKET_MESSAGE_MESSAGE;
}

static enum websocket_message_event take_ping(
    struct websocket_message *in, struct ws_shared *shared,
    const struct ws_run *run, struct websocket_message_result *out)
{
    struct slice piece;

    if (unmask(&in->control, shared, run, &piece, &out->text) != ERR_OK)
        return WEBSOCKET_MESSAGE_NOMEM;
    if (!run->is_frame_end)
        return GO_ON;
    /* It stands in the middle of a message, perhaps: that one stays. */
    if (in->control.len > 0) {
        memcpy(shared->plain, out->text.at, out->text.len);
        shared->plain_len = out->text.len;
        out->text.at = shared->plain;
        buf_free(&in->control);
    }
    return WEBSOCKET_MESSAGE_PING;
}

static enum websocket_message_event websocket_message_take(
    struct websocket_message *in, struct ws_shared *shared,
    const struct ws_run *run, size_t max_bytes,
    struct websocket_message_result *out)
{
    switch (run->kind) {
    case WS_RUN_NONE:
        break;
    case WS_RUN_TEXT:
        return websocket_message_take_text(in, shared, run, max_bytes, out);
    case WS_RUN_PING:
        return take_ping(in, shared, run, out);
    case WS_RUN_PONG:
        return run->is_frame_end ? WEBSOCKET_MESSAGE_NOTHING : GO_ON;
    case WS_RUN_CLOSE:
        out->code = in->check.close_code;
        return run->is_frame_end ? WEBSOCKET_MESSAGE_CLOSE : GO_ON;
    }
    return GO_ON;
}

enum websocket_message_event websocket_message_next(
    struct websocket_message *in, struct ws_shared *shared, struct slice *bytes,
    size_t max_bytes, struct websocket_message_result *out)
{
    enum websocket_message_event event = GO_ON;
    struct ws_run run;

    websocket_message_release(in, shared);
    memset(out, 0, sizeof(*out));
    do {
        out->fault = websocket_parse_next(&in->check, bytes, max_bytes, &run);
        if (out->fault != WEBSOCKET_FAULT_NONE)
            return WEBSOCKET_MESSAGE_FAULT;
        event = websocket_message_take(in, shared, &run, max_bytes, out);
    } while (event == GO_ON && run.kind != WS_RUN_NONE);
    return event;
}
