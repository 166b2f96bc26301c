/*
 * websocket_message_world.h - RFC 6455 from the bytes of a client to what is
 * told of them: each case in one piece, octet by octet, and cut in pieces of
 * several sizes.  What is told is written down:
 *
 *   message TEXT    ping TEXT    close CODE    fault CODE
 *
 * To be included by one file of a program.
 */
#ifndef TESTS_WS_INPUT_WORLD_H
#define TESTS_WS_INPUT_WORLD_H

#include "front/websocket_message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT      100000
#define WIRE_BYTES 300000
#define TOLD_BYTES 20000

static struct ws_shared shared;
static struct {
    char bytes[WIRE_BYTES];
    size_t len;
} wire;
static char told[TOLD_BYTES];

/* ---- what a client sends ---- */

static inline void begin(void)
{
    wire.len = 0;
}

/* A frame under a mask that is never the same. */
static inline void add(unsigned first, const char *payload, size_t len)
{
    static unsigned turn;
    unsigned char mask[4];
    char *out = wire.bytes + wire.len;
    size_t form = len < 126 ? 0 : len < 65536 ? 2 : 8;
    size_t at = 2;
    size_t i;

    assert_true(wire.len + len + 14 <= WIRE_BYTES);
    out[0] = (char)first;
    out[1] = (char)(0x80 | (form == 0 ? len : form == 2 ? 126 : 127));
    for (i = 0; i < form; i++)
        out[at++] = (char)((uint64_t)len >> 8 * (form - 1 - i));
    turn = turn * 1103515245 + 12345;
    for (i = 0; i < 4; i++)
        out[at++] = (char)(mask[i] = (unsigned char)(turn >> 8 * i));
    for (i = 0; i < len; i++)
        out[at++] = (char)((unsigned char)payload[i] ^ mask[i % 4]);
    wire.len += at;
}

/* ---- what is told of it ---- */

static inline void tell(const char *fmt, ...) PRINTF_LIKE(1, 2);

static inline void tell(const char *fmt, ...)
{
    size_t len = strlen(told);
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(told + len, TOLD_BYTES - len, fmt, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < TOLD_BYTES - len);
}

static inline void tell_text(const char *what, struct slice text)
{
    uint64_t sum = 0;
    size_t i;

    if (text.len <= 125 && memchr(text.at, '\0', text.len) == NULL) {
        tell("%s %.*s\n", what, (int)text.len, text.at);
        return;
    }
    for (i = 0; i < text.len; i++)
        sum = sum * 31 + (unsigned char)text.at[i];
    tell("%s of %zu: %llx\n", what, text.len, (unsigned long long)sum);
}

static inline const char *name_of(enum ws_fault fault)
{
    static const char *const names[] = {
        [WEBSOCKET_FAULT_NONE] = "none",
        [WEBSOCKET_FAULT_PROTOCOL] = "1002",
        [WEBSOCKET_FAULT_BINARY] = "1003",
        [WEBSOCKET_FAULT_UTF8] = "1007",
        [WEBSOCKET_FAULT_DEFLATE] = "1007d",
        [WEBSOCKET_FAULT_TOO_BIG] = "1009",
    };

    return names[fault];
}

/* False: nothing more will be told. */
static inline bool tell_event(enum websocket_message_event event,
                              const struct websocket_message_result *r)
{
    switch (event) {
    case WEBSOCKET_MESSAGE_MESSAGE:
        tell_text("message", r->text);
        return true;
    case WEBSOCKET_MESSAGE_PING:
        tell_text("ping", r->text);
        return true;
    case WEBSOCKET_MESSAGE_NOTHING:
    case WEBSOCKET_MESSAGE_MORE:
        return true;
    case WEBSOCKET_MESSAGE_CLOSE:
        tell("close %u\n", r->code);
        return false;
    case WEBSOCKET_MESSAGE_FAULT:
        tell("fault %s\n", name_of(r->fault));
        return false;
    case WEBSOCKET_MESSAGE_NOMEM:
        break;
    }
    fail_msg("no memory");
    return false;
}

/* Feeds the wire in pieces; returns the bytes that were given until the last
 * thing was told. */
static inline size_t run(size_t piece, size_t limit, bool may_deflate)
{
    struct websocket_message in;
    struct websocket_message_result r;
    bool is_going = true;
    size_t at = 0;

    told[0] = '\0';
    websocket_message_init(&in, limit, may_deflate);
    while (is_going && at < wire.len) {
        size_t len = piece < wire.len - at ? piece : wire.len - at;
        struct slice bytes = {wire.bytes + at, len};
        enum websocket_message_event event = WEBSOCKET_MESSAGE_NOTHING;

        at += len;
        while (is_going && event != WEBSOCKET_MESSAGE_MORE) {
            event = websocket_message_next(&in, &shared, &bytes, limit, &r);
            is_going = tell_event(event, &r);
        }
        websocket_message_release(&in, &shared);
    }
    /* Between two messages nothing is kept. */
    if (is_going && !in.check.in_message && !in.check.in_payload)
        assert_null(in.message.data);
    assert_null(in.control.data);
    websocket_message_fini(&in);
    return at;
}

static inline void assert_run(const char *what, size_t piece,
                              const char *expected)
{
    (void)run(piece, LIMIT, false);
    if (strcmp(told, expected) != 0)
        fail_msg("%s, %zu bytes at a time, told:\n%s\nexpected:\n%s", what,
                 piece, told, expected);
}

/* However it is cut. */
static inline void assert_tells(const char *what, const char *expected)
{
    static const size_t pieces[] = {1,   2,   3,    5,    7,    13,        64,
                                    126, 997, 1460, 4096, 8192, WIRE_BYTES};
    size_t i;

    for (i = wire.len > 70000 ? 6 : 0; i < COUNT_OF(pieces); i++)
        assert_run(what, pieces[i], expected);
}

struct frame {
    unsigned first;
    const char *payload;
    size_t len;
};

#define FRAMES_MAX 8
#define F(first, literal)                                                      \
    {                                                                          \
        first, literal, sizeof(literal) - 1                                    \
    }

struct example {
    const char *what;
    struct frame frames[FRAMES_MAX];
    const char *told;
};

static inline void assert_examples(const struct example *e, size_t n)
{
    size_t i;

    for (; n > 0; n--, e++) {
        begin();
        for (i = 0; i < FRAMES_MAX && e->frames[i].payload != NULL; i++)
            add(e->frames[i].first, e->frames[i].payload, e->frames[i].len);
        assert_tells(e->what, e->told);
    }
}

#endif /* TESTS_WS_INPUT_WORLD_H */
