#include "front/ws_check.h"

#include <string.h>

enum {
    OP_CONTINUATION = 0,
    OP_TEXT = 1,
    OP_BINARY = 2,
    OP_CLOSE = 8,
    OP_PING = 9,
    OP_PONG = 10,
};

#define FIN               0x80u
#define RESERVED_BITS     0x70u
#define OPCODE_BITS       0x0fu
#define MASKED            0x80u
#define LENGTH_BITS       0x7fu
#define LENGTH_16         126u
#define LENGTH_64         127u
#define MASK_BYTES        4
#define CONTROL_MAX_BYTES 125u

void ws_check_init(struct ws_check *c)
{
    memset(c, 0, sizeof(*c));
}

static bool is_control(unsigned opcode)
{
    return opcode >= OP_CLOSE;
}

/* RFC 6455 sections 5.2, 5.4 and 5.5, by the first byte alone. */
static enum ws_fault check_first(const struct ws_check *c)
{
    unsigned first = c->head[0];
    unsigned opcode = first & OPCODE_BITS;

    if (first & RESERVED_BITS)
        return WS_FAULT_PROTOCOL; /* no extension was negotiated */
    if (is_control(opcode)) {
        bool is_known = opcode <= OP_PONG;

        return is_known && (first & FIN) ? WS_FAULT_NONE : WS_FAULT_PROTOCOL;
    }
    if (opcode > OP_BINARY)
        return WS_FAULT_PROTOCOL;
    if (c->in_message != (opcode == OP_CONTINUATION))
        return WS_FAULT_PROTOCOL;
    return opcode == OP_BINARY ? WS_FAULT_BINARY : WS_FAULT_NONE;
}

static enum ws_fault check_second(const struct ws_check *c)
{
    unsigned opcode = c->head[0] & OPCODE_BITS;
    unsigned length = c->head[1] & LENGTH_BITS;

    if ((c->head[1] & MASKED) == 0)
        return WS_FAULT_PROTOCOL; /* RFC 6455 section 5.1 */
    if (is_control(opcode) && length > CONTROL_MAX_BYTES)
        return WS_FAULT_PROTOCOL;
    if (opcode == OP_CLOSE && length == 1)
        return WS_FAULT_PROTOCOL; /* section 5.5.1: a code has two bytes */
    return WS_FAULT_NONE;
}

/* Bytes of the header up to the mask; the first two must be there. */
static size_t length_end(const struct ws_check *c)
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

static uint64_t payload_length(const struct ws_check *c)
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
static enum ws_fault check_length(const struct ws_check *c, uint64_t max_bytes)
{
    uint64_t length = payload_length(c);
    size_t end = length_end(c);
    uint64_t before = c->in_message ? c->message_bytes : 0;

    if (end == 4 && length < LENGTH_16)
        return WS_FAULT_PROTOCOL;
    if (end == 10 && (length <= UINT16_MAX || length >> 63 != 0))
        return WS_FAULT_PROTOCOL;
    if (is_control(c->head[0] & OPCODE_BITS))
        return WS_FAULT_NONE;
    /* The limit may have sunk since the message began. */
    if (before > max_bytes || length > max_bytes - before)
        return WS_FAULT_TOO_BIG;
    if (c->in_message && c->fragments >= WS_FRAGMENTS_MAX)
        return WS_FAULT_TOO_BIG;
    return WS_FAULT_NONE;
}

/* The header is complete and good: from now on its payload passes. */
static void begin_payload(struct ws_check *c)
{
    c->opcode = c->head[0] & OPCODE_BITS;
    c->payload_left = payload_length(c);
    c->payload_at = 0;
    if (is_control(c->opcode)) {
        memset(&c->close_utf8, 0, sizeof(c->close_utf8));
        return;
    }
    if (c->opcode != OP_CONTINUATION) {
        c->message_bytes = 0;
        c->fragments = 0;
    }
    c->message_bytes += c->payload_left;
    c->fragments++;
    c->in_message = (c->head[0] & FIN) == 0;
}

/* Takes one byte of a header.  *is_whole: the payload comes next. */
static enum ws_fault take_head_byte(struct ws_check *c, char byte,
                                    uint64_t max_bytes, bool *is_whole)
{
    enum ws_fault fault = WS_FAULT_NONE;

    *is_whole = false;
    c->head[c->head_len++] = (unsigned char)byte;
    if (c->head_len == 1)
        return check_first(c);
    if (c->head_len == 2)
        fault = check_second(c);
    if (fault != WS_FAULT_NONE)
        return fault;
    if (c->head_len == length_end(c))
        return check_length(c, max_bytes);
    if (c->head_len == length_end(c) + MASK_BYTES) {
        begin_payload(c);
        *is_whole = true;
    }
    return WS_FAULT_NONE;
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

static enum ws_fault check_close_bytes(struct ws_check *c, const char *at,
                                       size_t len)
{
    const unsigned char *mask = c->head + c->head_len - MASK_BYTES;
    size_t i;

    for (i = 0; i < len; i++) {
        uint64_t where = c->payload_at + i;
        char byte = (char)((unsigned char)at[i] ^ mask[where % MASK_BYTES]);

        if (where < 2) {
            c->close_bytes[where] = (unsigned char)byte;
            if (where == 1 &&
                !is_close_code(c->close_bytes[0] << 8 | c->close_bytes[1]))
                return WS_FAULT_PROTOCOL;
        } else if (!utf8_feed(&c->close_utf8, &byte, 1)) {
            return WS_FAULT_UTF8;
        }
    }
    return WS_FAULT_NONE;
}

/* Passes up to len bytes of payload; *used of them belong to this frame. */
static enum ws_fault take_payload(struct ws_check *c, const char *at,
                                  size_t len, size_t *used)
{
    size_t n = c->payload_left < len ? (size_t)c->payload_left : len;
    enum ws_fault fault = WS_FAULT_NONE;

    if (c->opcode == OP_CLOSE)
        fault = check_close_bytes(c, at, n);
    c->payload_left -= n;
    c->payload_at += n;
    *used = n;
    return fault;
}

static enum ws_fault end_frame(struct ws_check *c)
{
    c->head_len = 0;
    if (c->opcode != OP_CLOSE)
        return WS_FAULT_NONE;
    if (!utf8_is_complete(&c->close_utf8))
        return WS_FAULT_UTF8;
    c->is_closed = true;
    return WS_FAULT_NONE;
}

enum ws_fault ws_check_feed(struct ws_check *c, const char *at, size_t len,
                            uint64_t message_max_bytes, size_t *ok)
{
    size_t frame_at = 0; /* where the current frame begins in `at` */
    size_t pos = 0;

    while (pos < len && !c->is_closed) {
        bool is_whole = true;
        enum ws_fault fault;

        if (c->payload_left > 0) {
            size_t used;

            fault = take_payload(c, at + pos, len - pos, &used);
            pos += used;
        } else {
            if (c->head_len == 0)
                frame_at = pos;
            fault = take_head_byte(c, at[pos++], message_max_bytes, &is_whole);
        }
        if (fault == WS_FAULT_NONE && is_whole && c->payload_left == 0)
            fault = end_frame(c);
        if (fault != WS_FAULT_NONE) {
            *ok = frame_at;
            return fault;
        }
    }
    *ok = pos;
    return WS_FAULT_NONE;
}
