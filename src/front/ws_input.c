#include "front/ws_input.h"

#include <string.h>

/* Between the events that are told. */
#define GO_ON WS_INPUT_MORE

void ws_input_init(struct ws_input *in, size_t message_max_bytes)
{
    memset(in, 0, sizeof(*in));
    ws_check_init(&in->check);
    buf_init(&in->message, message_max_bytes);
    buf_init(&in->control, WEBSOCKET_CONTROL_MAX_BYTES);
}

void ws_input_fini(struct ws_input *in)
{
    buf_wipe(&in->message); /* it may hold a password */
    buf_free(&in->control);
}

void ws_input_release(struct ws_input *in)
{
    if (!in->is_given)
        return;
    in->is_given = false;
    ws_input_fini(in);
}

/* Unmasks a run: to `plain` when it is all there is, else behind what is
 * kept already.  *piece: this run; *all: with what came before it. */
static enum err unmask(struct buf *kept, struct ws_plain *plain,
                       const struct ws_run *run, struct slice *piece,
                       struct slice *all)
{
    bool is_all = kept->len == 0 && run->is_message_end &&
                  run->masked.len <= sizeof(plain->bytes);
    char *room = plain->bytes;
    enum err err = ERR_OK;

    if (!is_all)
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

/* Bad UTF-8 is told at its first byte, not at the end of the message. */
static enum ws_input_event take_text(struct ws_input *in,
                                     struct ws_plain *plain,
                                     const struct ws_run *run,
                                     struct ws_input_result *out)
{
    struct slice piece;

    if (unmask(&in->message, plain, run, &piece, &out->text) != ERR_OK)
        return WS_INPUT_NOMEM;
    if (!utf8_feed(&in->utf8, piece.at, piece.len) ||
        (run->is_message_end && !utf8_is_complete(&in->utf8))) {
        out->fault = WS_FAULT_UTF8;
        return WS_INPUT_FAULT;
    }
    if (!run->is_message_end)
        return run->masked.len == 0 ? WS_INPUT_NOTHING : GO_ON;
    memset(&in->utf8, 0, sizeof(in->utf8));
    in->is_given = in->message.len > 0;
    return WS_INPUT_MESSAGE;
}

static enum ws_input_event take_ping(struct ws_input *in,
                                     struct ws_plain *plain,
                                     const struct ws_run *run,
                                     struct ws_input_result *out)
{
    struct slice piece;

    if (unmask(&in->control, plain, run, &piece, &out->text) != ERR_OK)
        return WS_INPUT_NOMEM;
    if (!run->is_frame_end)
        return GO_ON;
    /* It stands in the middle of a message, perhaps: that one stays. */
    if (in->control.len > 0) {
        memcpy(plain->bytes, out->text.at, out->text.len);
        out->text.at = plain->bytes;
        buf_free(&in->control);
    }
    return WS_INPUT_PING;
}

static enum ws_input_event take(struct ws_input *in, struct ws_plain *plain,
                                const struct ws_run *run,
                                struct ws_input_result *out)
{
    switch (run->kind) {
    case WS_RUN_NONE:
        break;
    case WS_RUN_TEXT:
        return take_text(in, plain, run, out);
    case WS_RUN_PING:
        return take_ping(in, plain, run, out);
    case WS_RUN_PONG:
        return run->is_frame_end ? WS_INPUT_NOTHING : GO_ON;
    case WS_RUN_CLOSE:
        out->code = in->check.close_code;
        return run->is_frame_end ? WS_INPUT_CLOSE : GO_ON;
    }
    return GO_ON;
}

enum ws_input_event ws_input_next(struct ws_input *in, struct ws_plain *plain,
                                  struct slice *bytes, size_t max_bytes,
                                  struct ws_input_result *out)
{
    enum ws_input_event event = GO_ON;
    struct ws_run run;

    ws_input_release(in);
    memset(out, 0, sizeof(*out));
    do {
        out->fault = ws_check_next(&in->check, bytes, max_bytes, &run);
        if (out->fault != WS_FAULT_NONE)
            return WS_INPUT_FAULT;
        event = take(in, plain, &run, out);
    } while (event == GO_ON && run.kind != WS_RUN_NONE);
    return event;
}
