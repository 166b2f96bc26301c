/*
 * fuzz_websocket_parse.c - the frame checker against a plain model of RFC 6455
 * section 5 that sees all bytes at once, and against itself with the bytes
 * cut elsewhere.
 *
 * Input: one byte for the sizes of the pieces, two for the message limit,
 * then what a client sends.
 */
#include "front/websocket_parse.h"

#include <stdint.h>
#include <stdlib.h>

#define REQUIRE(fact)                                                          \
    do {                                                                       \
        if (!(fact))                                                           \
            abort();                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct model {
    const uint8_t *at;
    size_t len;
    uint64_t max;
    bool in_message;
    uint64_t bytes;
    unsigned fragments;
    bool is_closed;
    uint64_t seen;
};

/* Both sides write down what passes: each byte of payload with the kind of
 * its frame, and where frames and messages end. */
static void note(uint64_t *seen, unsigned what, unsigned byte)
{
    *seen = (*seen ^ (what << 8 | byte)) * UINT64_C(0x100000001b3);
}

static void note_end(uint64_t *seen, unsigned kind, bool is_final)
{
    note(seen, 16 + kind, is_final);
}

/* What the frame's first bytes alone allow; 0 bytes: undecided. */
static enum ws_fault model_head(const struct model *m, uint64_t *length,
                                size_t *head)
{
    unsigned op = m->at[0] & 15;
    size_t i, form;

    *head = 0;
    if ((m->at[0] >> 4 & 7) != 0 || (op > 2 && op < 8) || op > 10)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (op >= 8 && m->at[0] < 128)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (op < 8 && (op == 0) != m->in_message)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (op == 2)
        return WEBSOCKET_FAULT_BINARY;
    if (m->len < 2)
        return WEBSOCKET_FAULT_NONE;
    if (m->at[1] < 128)
        return WEBSOCKET_FAULT_PROTOCOL;
    *length = m->at[1] - 128u;
    if (op >= 8 && *length >= 126)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (op == 8 && *length == 1)
        return WEBSOCKET_FAULT_PROTOCOL;
    form = *length == 127 ? 8 : *length == 126 ? 2 : 0;
    if (m->len < 2 + form)
        return WEBSOCKET_FAULT_NONE;
    if (form > 0)
        *length = 0;
    for (i = 0; i < form; i++)
        *length = *length * 256 + m->at[2 + i];
    if ((form == 2 && *length < 126) || (form == 8 && *length < 65536) ||
        *length > INT64_MAX)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (op < 8) {
        uint64_t before = op == 0 ? m->bytes : 0;

        if (*length > m->max - before)
            return WEBSOCKET_FAULT_TOO_BIG;
        if (op == 0 && m->fragments == WS_FRAGMENTS_MAX)
            return WEBSOCKET_FAULT_TOO_BIG;
    }
    *head = 2 + form + 4;
    return WEBSOCKET_FAULT_NONE;
}

/* The payload of a close frame, as much of it as there is. */
static enum ws_fault model_close(const uint8_t *mask, const uint8_t *at,
                                 size_t have, size_t length)
{
    char text[125];
    struct utf8 utf8 = {0};
    unsigned code;
    size_t i;

    for (i = 0; i < have; i++)
        text[i] = (char)(at[i] ^ mask[i % 4]);
    if (have < 2)
        return WEBSOCKET_FAULT_NONE;
    code = (unsigned)(uint8_t)text[0] * 256 + (uint8_t)text[1];
    if (code < 1000 || code > 4999 || (code > 1014 && code < 3000) ||
        code == 1004 || code == 1005 || code == 1006)
        return WEBSOCKET_FAULT_PROTOCOL;
    if (!utf8_feed(&utf8, text + 2, have - 2))
        return WEBSOCKET_FAULT_UTF8;
    if (have == length && !utf8_is_complete(&utf8))
        return WEBSOCKET_FAULT_UTF8;
    return WEBSOCKET_FAULT_NONE;
}

/* One frame; *used: its bytes, 0 when it is not complete. */
static enum ws_fault model_frame(struct model *m, size_t *used)
{
    uint64_t length = 0;
    size_t head;
    enum ws_fault fault = model_head(m, &length, &head);
    unsigned op = m->at[0] & 15;
    size_t have;
    size_t i;

    *used = 0;
    if (fault != WEBSOCKET_FAULT_NONE || head == 0 || m->len < head)
        return fault;
    have = m->len - head < length ? m->len - head : (size_t)length;
    if (op == 8) {
        fault =
            model_close(m->at + head - 4, m->at + head, have, (size_t)length);
        if (fault != WEBSOCKET_FAULT_NONE)
            return fault;
    }
    if (op < 8) {
        m->bytes = (op == 0 ? m->bytes : 0) + length;
        m->fragments = (op == 0 ? m->fragments : 0) + 1;
        m->in_message = m->at[0] < 128;
    }
    for (i = 0; op != 8 && i < have; i++)
        note(&m->seen, op < 8 ? 1 : op,
             m->at[head + i] ^ m->at[head - 4 + i % 4]);
    if (have < length)
        return WEBSOCKET_FAULT_NONE;
    note_end(&m->seen, op < 8 ? 1 : op, m->at[0] >= 128);
    m->is_closed = op == 8;
    *used = head + have;
    return WEBSOCKET_FAULT_NONE;
}

static enum ws_fault model_run(const uint8_t *at, size_t len, uint64_t max,
                               uint64_t *seen)
{
    struct model m = {.at = at, .len = len, .max = max};
    enum ws_fault fault = WEBSOCKET_FAULT_NONE;
    size_t used = 1;

    while (m.len > 0 && used > 0 && !m.is_closed) {
        fault = model_frame(&m, &used);
        if (fault != WEBSOCKET_FAULT_NONE)
            break;
        m.at += used;
        m.len -= used;
    }
    *seen = m.seen;
    return fault;
}

static unsigned opcode_of(enum ws_run_kind kind)
{
    switch (kind) {
    case WS_RUN_NONE:
        return 0;
    case WS_RUN_TEXT:
        return 1;
    case WS_RUN_CLOSE:
        return 8;
    case WS_RUN_PING:
        return 9;
    case WS_RUN_PONG:
        return 10;
    }
    return 0;
}

static void note_run(uint64_t *seen, const struct ws_run *run)
{
    unsigned op = opcode_of(run->kind);
    char *plain = malloc(run->masked.len + 1);
    size_t i;

    REQUIRE(plain != NULL);
    ws_unmask(plain, run->masked, run->mask);
    for (i = 0; op != 8 && i < run->masked.len; i++)
        note(seen, op, (uint8_t)plain[i]);
    if (run->is_frame_end)
        note_end(seen, op, run->is_message_end);
    free(plain);
}

static enum ws_fault feed(struct websocket_parse *c, struct slice bytes,
                          uint64_t max, uint64_t *seen)
{
    const char *end = bytes.at + bytes.len;
    enum ws_fault fault;
    struct ws_run run;

    do {
        fault = websocket_parse_next(c, &bytes, max, &run);
        REQUIRE(bytes.at <= end);
        if (fault != WEBSOCKET_FAULT_NONE || run.kind == WS_RUN_NONE)
            break;
        REQUIRE(run.masked.at + run.masked.len == bytes.at);
        note_run(seen, &run);
    } while (true);
    REQUIRE(fault != WEBSOCKET_FAULT_NONE || bytes.len == 0);
    return fault;
}

/* In pieces of changing size. */
static enum ws_fault feed_pieces(const uint8_t *at, size_t len, uint64_t max,
                                 unsigned seed, uint64_t *seen)
{
    enum ws_fault fault = WEBSOCKET_FAULT_NONE;
    struct websocket_parse c;
    size_t pos = 0;

    websocket_parse_init(&c);
    while (pos < len && fault == WEBSOCKET_FAULT_NONE) {
        size_t n = 1 + seed % 7;

        seed = seed * 31 + 17;
        if (n > len - pos)
            n = len - pos;
        fault = feed(&c, (struct slice){(const char *)at + pos, n}, max, seen);
        pos += n;
    }
    return fault;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice all = {(const char *)data + 3, len - 3};
    uint64_t model = 0, whole = 0, pieces = 0;
    enum ws_fault expected;
    struct websocket_parse c;
    uint64_t max;

    if (len < 3)
        return 0;
    max = (uint64_t)data[1] << 8 | data[2];
    expected = model_run(data + 3, len - 3, max, &model);

    websocket_parse_init(&c);
    REQUIRE(feed(&c, all, max, &whole) == expected);
    REQUIRE(whole == model);
    REQUIRE(feed_pieces(data + 3, len - 3, max, data[0], &pieces) == expected);
    REQUIRE(pieces == model);
    return 0;
}
