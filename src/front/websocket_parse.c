#include "websocket_parse.h"

#include <string.h>

#define FIN           0x80u
#define RESERVED_BITS 0x70u
#define RSV1          0x40u
#define OPCODE_BITS   0x0fu
#define MASKED        0x80u
#define LENGTH_BITS   0x7fu
#define LENGTH_16     126u
#define LENGTH_64     127u

void websocket_parse_init(struct websocket_parse *c)
{
    memset(c, 0, sizeof(*c));
}

static bool is_control(unsigned opcode)
{
    return opcode >= WEBSOCKET_OP_CLOSE;
}

/* RFC 6455 sections 5.2, 5.4 and 5.5, by the first byte alone. */
static enum ws_fault check_first(const struct websocket_parse *c)
{
    unsigned allowed = 0;
    unsigned first = c->head[0];
    unsigned opcode = first & OPCODE_BITS;

    /* RFC 7692 section 6: on the first frame of a message, and only there. */
    if (c->may_deflate &&
        (opcode == WEBSOCKET_OP_TEXT || opcode == WEBSOCKET_OP_BINARY))
        allowed = RSV1;
    if (first & RESERVED_BITS & ~allowed)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (is_control(opcode)) {
        bool is_known = opcode <= WEBSOCKET_OP_PONG;

        return is_known && (first & FIN) ? WEBSOCKET_FAULT_NONE
                                         : WEBSOCKET_FAULT_PROTOCOL;
    }
    if (opcode > WEBSOCKET_OP_BINARY)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (c->in_message != (opcode == WEBSOCKET_OP_CONTINUATION))
        return WEBSOCKET_FAULT_PROTOCOL;
    return opcode == WEBSOCKET_OP_BINARY ? WEBSOCKET_FAULT_BINARY
                                         : WEBSOCKET_FAULT_NONE;
}

static enum ws_fault check_second(const struct websocket_parse *c)
{
    unsigned opcode = c->head[0] & OPCODE_BITS;
    unsigned length = c->head[1] & LENGTH_BITS;

    if ((c->head[1] & MASKED) == 0)
        return WEBSOCKET_FAULT_PROTOCOL; /* RFC 6455 section 5.1 */
    if (is_control(opcode) && length > WEBSOCKET_CONTROL_MAX_BYTES)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (opcode == WEBSOCKET_OP_CLOSE && length == 1)
        return WEBSOCKET_FAULT_PROTOCOL; /* section 5.5.1: a code has two bytes
                                          */
    return WEBSOCKET_FAULT_NONE;
}

/* Bytes of the header up to the mask; the first two must be there. */
static size_t length_end(const struct websocket_parse *c)
{
    switch (c->head[1] & LENGTH_BITS) {
    case LENGTH_16:
        return 4;
    case LENGTH_64:
        return 10;
    default:
        return 2;
    }
}

static uint64_t payload_length(const struct websocket_parse *c)
{
    size_t end = length_end(c);
    uint64_t length = 0;
    size_t i;

    if (end == 2)
        return c->head[1] & LENGTH_BITS;
    for (i = 2; i < end; i++)
        length = length << 8 | c->head[i];
    return length;
}

/* The length is complete: is it minimal, and is there room for it? */
static enum ws_fault check_length(const struct websocket_parse *c,
                                  uint64_t max_bytes)
{
    uint64_t length = payload_length(c);
    size_t end = length_end(c);
    uint64_t before = c->in_message ? c->message_bytes : 0;

    if (end == 4 && length < LENGTH_16)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (end == 10 && (length <= UINT16_MAX || length >> 63 != 0))
        return WEBSOCKET_FAULT_PROTOCOL;
    if (is_control(c->head[0] & OPCODE_BITS))
        return WEBSOCKET_FAULT_NONE;
    /* The limit may have sunk since the message began. */
    if (before > max_bytes || length > max_bytes - before)
        return WEBSOCKET_FAULT_TOO_BIG;
    if (c->in_message && c->fragments >= WS_FRAGMENTS_MAX)
        return WEBSOCKET_FAULT_TOO_BIG;
    return WEBSOCKET_FAULT_NONE;
}

/* The header is complete and good: from now on its payload passes. */
static void begin_payload(struct websocket_parse *c)
{
    unsigned opcode = c->head[0] & OPCODE_BITS;

    c->in_payload = true;
    c->payload_left = payload_length(c);
    c->payload_at = 0;
    if (is_control(opcode)) {
        c->close_utf8 = (struct utf8)UTF8_WITH_NUL;
        return;
    }
    if (opcode != WEBSOCKET_OP_CONTINUATION) {
        c->message_bytes = 0;
        c->fragments = 0;
        c->is_deflated = (c->head[0] & RSV1) != 0;
    }
    c->message_bytes += c->payload_left;
    c->fragments++;
    c->in_message = (c->head[0] & FIN) == 0;
}

static enum ws_fault take_head_byte(struct websocket_parse *c, char byte,
                                    uint64_t max_bytes)
{
    enum ws_fault fault = WEBSOCKET_FAULT_NONE;

    c->head[c->head_len++] = (unsigned char)byte;
    if (c->head_len == 1)
        return check_first(c);
    if (c->head_len == 2)
        fault = check_second(c);
    if (fault != WEBSOCKET_FAULT_NONE)
        return fault;
    if (c->head_len == length_end(c))
        return check_length(c, max_bytes);
    if (c->head_len == length_end(c) + WS_MASK_BYTES)
        begin_payload(c);
    return WEBSOCKET_FAULT_NONE;
}

/* RFC 6455 section 7.4; 1012 to 1014 were registered later. */
static bool is_close_code(unsigned code)
{
    if (code >= 3000)
        return code <= 4999;
    if (code < 1000 || code > 1014)
        return false;
    return code < 1004 || code > 1006;
}

static enum ws_fault check_close_bytes(struct websocket_parse *c,
                                       const struct ws_run *run)
{
    size_t i;

    for (i = 0; i < run->masked.len; i++) {
        size_t where = c->payload_at + i;
        unsigned byte =
            (unsigned char)run->masked.at[i] ^ run->mask[i % WS_MASK_BYTES];
        char text = (char)byte;

        if (where < 2)
            c->close_code = (uint16_t)(c->close_code << 8 | byte);
        else if (!utf8_feed(&c->close_utf8, &text, 1))
            return WEBSOCKET_FAULT_UTF8;
        if (where == 1 && !is_close_code(c->close_code))
            return WEBSOCKET_FAULT_PROTOCOL;
    }
    return WEBSOCKET_FAULT_NONE;
}

static enum ws_run_kind websocket_parse_kind_of(unsigned opcode)
{
    switch (opcode) {
    case WEBSOCKET_OP_CLOSE:
        return WS_RUN_CLOSE;
    case WEBSOCKET_OP_PING:
        return WS_RUN_PING;
    case WEBSOCKET_OP_PONG:
        return WS_RUN_PONG;
    default:
        return WS_RUN_TEXT;
    }
}

/* Passes what is there of the payload, which may be all that was awaited. */
static enum ws_fault take_payload(struct websocket_parse *c,
                                  struct slice *bytes, struct ws_run *run)
{
    size_t len =
        c->payload_left < bytes->len ? (size_t)c->payload_left : bytes->len;
    enum ws_fault fault = WEBSOCKET_FAULT_NONE;
    size_t i;

    run->kind = websocket_parse_kind_of(c->head[0] & OPCODE_BITS);
    run->masked = (struct slice){bytes->at, len};
    for (i = 0; i < WS_MASK_BYTES; i++)
        run->mask[i] = c->head[c->head_len - WS_MASK_BYTES +
                               (c->payload_at + i) % WS_MASK_BYTES];
    if (run->kind == WS_RUN_CLOSE)
        fault = check_close_bytes(c, run);
    bytes->at += len;
    bytes->len -= len;
    c->payload_at = (uint8_t)(c->payload_at + len);
    c->payload_left -= len;
    run->is_deflated = run->kind == WS_RUN_TEXT && c->is_deflated;
    run->is_frame_end = c->payload_left == 0;
    run->is_message_end = run->is_frame_end && (c->head[0] & FIN) != 0;
    return fault;
}

static enum ws_fault end_frame(struct websocket_parse *c,
                               const struct ws_run *run)
{
    c->in_payload = false;
    c->head_len = 0;
    if (run->kind != WS_RUN_CLOSE)
        return WEBSOCKET_FAULT_NONE;
    if (!utf8_is_complete(&c->close_utf8))
        return WEBSOCKET_FAULT_UTF8;
    c->is_closed = true;
    return WEBSOCKET_FAULT_NONE;
}

enum ws_fault websocket_parse_next(struct websocket_parse *c,
                                   struct slice *bytes,
                                   uint64_t message_max_bytes,
                                   struct ws_run *run)
{
    enum ws_fault fault = WEBSOCKET_FAULT_NONE;

    run->kind = WS_RUN_NONE;
    if (c->is_closed) {
        bytes->len = 0;
        return WEBSOCKET_FAULT_NONE;
    }
    while (!c->in_payload && bytes->len > 0 && fault == WEBSOCKET_FAULT_NONE) {
        fault = take_head_byte(c, *bytes->at++, message_max_bytes);
        bytes->len--;
    }
    if (fault != WEBSOCKET_FAULT_NONE || !c->in_payload ||
        (bytes->len == 0 && c->payload_left > 0))
        return fault;
    fault = take_payload(c, bytes, run);
    if (fault == WEBSOCKET_FAULT_NONE && run->is_frame_end)
        fault = end_frame(c, run);
    return fault;
}

void ws_unmask(char *to, struct slice from,
               const unsigned char mask[WS_MASK_BYTES])
{
    unsigned char keys[sizeof(uint64_t)];
    uint64_t key;
    size_t i;

    memcpy(keys, mask, WS_MASK_BYTES);
    memcpy(keys + WS_MASK_BYTES, mask, WS_MASK_BYTES);
    memcpy(&key, keys, sizeof(key));
    for (i = 0; from.len - i >= sizeof(key); i += sizeof(key)) {
        uint64_t word;

        memcpy(&word, from.at + i, sizeof(word));
        word ^= key;
        memcpy(to + i, &word, sizeof(word));
    }
    for (; i < from.len; i++)
        to[i] = (char)((unsigned char)from.at[i] ^ mask[i % WS_MASK_BYTES]);
}
