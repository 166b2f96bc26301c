#include "front/websocket_parse.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MASK   "\x11\x22\x33\x44"
#define NOMASK "\0\0\0\0"
#define ROOM   70000
#define LIMIT  1000

/* Client frames, written by hand: header, mask, payload under mask 0. */
struct example {
    const char *name;
    const char *bytes;
    size_t len;
    enum ws_fault fault;
};

#define GOOD(name, literal)                                                    \
    {                                                                          \
        name, literal, sizeof(literal) - 1, WEBSOCKET_FAULT_NONE               \
    }
#define BAD(name, fault, literal)                                              \
    {                                                                          \
        name, literal, sizeof(literal) - 1, fault                              \
    }

static const struct example examples[] = {
    GOOD("text", "\x81\x83" NOMASK "abc"),
    GOOD("empty text", "\x81\x80" MASK),
    GOOD("two messages", "\x81\x81" MASK "a\x81\x81" MASK "b"),
    GOOD("fragments", "\x01\x81" MASK "a\x00\x81" MASK "b\x80\x81" MASK "c"),
    GOOD("fragments, the last empty", "\x01\x81" MASK "a\x80\x80" MASK),
    GOOD("ping between fragments",
         "\x01\x81" MASK "a\x89\x82" MASK "xy\x80\x81" MASK "c"),
    GOOD("pong without a ping", "\x8a\x80" MASK),
    GOOD("close", "\x88\x80" MASK),
    GOOD("close 1000", "\x88\x82" NOMASK "\x03\xe8"),
    GOOD("close 1014", "\x88\x82" NOMASK "\x03\xf6"),
    GOOD("close 3000", "\x88\x82" NOMASK "\x0b\xb8"),
    GOOD("close 4999", "\x88\x82" NOMASK "\x13\x87"),
    GOOD("close 1001 with a reason", "\x88\x87" NOMASK "\x03\xe9"
                                     "\xe2\x82\xac"
                                     "uf"),
    GOOD("close 1000 under a mask", "\x88\x82" MASK "\x12\xca"),
    GOOD("close between fragments", "\x01\x81" MASK "a\x88\x80" MASK),

    BAD("unmasked", WEBSOCKET_FAULT_PROTOCOL, "\x81\x03"),
    BAD("unmasked control", WEBSOCKET_FAULT_PROTOCOL, "\x89\x00"),
    BAD("unmasked after a good one", WEBSOCKET_FAULT_PROTOCOL,
        "\x81\x81" MASK "a\x81\x01"),
    BAD("RSV1", WEBSOCKET_FAULT_PROTOCOL, "\xc1"),
    BAD("RSV2", WEBSOCKET_FAULT_PROTOCOL, "\xa1"),
    BAD("RSV3", WEBSOCKET_FAULT_PROTOCOL, "\x91"),
    BAD("RSV1 on a ping", WEBSOCKET_FAULT_PROTOCOL, "\xc9"),
    BAD("opcode 3", WEBSOCKET_FAULT_PROTOCOL, "\x83"),
    BAD("opcode 7", WEBSOCKET_FAULT_PROTOCOL, "\x87"),
    BAD("opcode 11", WEBSOCKET_FAULT_PROTOCOL, "\x8b"),
    BAD("opcode 15", WEBSOCKET_FAULT_PROTOCOL, "\x8f"),
    BAD("binary", WEBSOCKET_FAULT_BINARY, "\x82"),
    BAD("binary, fragmented", WEBSOCKET_FAULT_BINARY, "\x02"),
    BAD("binary inside a message", WEBSOCKET_FAULT_PROTOCOL,
        "\x01\x81" MASK "a\x82"),
    BAD("fragmented ping", WEBSOCKET_FAULT_PROTOCOL, "\x09"),
    BAD("fragmented close", WEBSOCKET_FAULT_PROTOCOL, "\x08"),
    BAD("stray continuation", WEBSOCKET_FAULT_PROTOCOL, "\x80"),
    BAD("stray continuation, not final", WEBSOCKET_FAULT_PROTOCOL, "\x00"),
    BAD("continuation of a complete message", WEBSOCKET_FAULT_PROTOCOL,
        "\x81\x81" MASK "a\x80"),
    BAD("text inside a message", WEBSOCKET_FAULT_PROTOCOL,
        "\x01\x81" MASK "a\x81"),
    BAD("ping of 126 bytes", WEBSOCKET_FAULT_PROTOCOL, "\x89\xfe"),
    BAD("ping with a long length", WEBSOCKET_FAULT_PROTOCOL, "\x89\xff"),
    BAD("16 bits for 125", WEBSOCKET_FAULT_PROTOCOL, "\x81\xfe\x00\x7d"),
    BAD("64 bits for 65535", WEBSOCKET_FAULT_PROTOCOL,
        "\x81\xff\0\0\0\0\0\0\xff\xff"),
    BAD("top bit of the length", WEBSOCKET_FAULT_PROTOCOL,
        "\x81\xff\x80\0\0\0\0\x01\0\0"),
    BAD("2^62 bytes", WEBSOCKET_FAULT_TOO_BIG, "\x81\xff\x40\0\0\0\0\0\0\0"),
    BAD("2^63 - 1 bytes", WEBSOCKET_FAULT_TOO_BIG,
        "\x81\xff\x7f\xff\xff\xff\xff\xff\xff\xff"),
    BAD("1001 bytes", WEBSOCKET_FAULT_TOO_BIG, "\x81\xfe\x03\xe9"),
    BAD("1 and 1000 bytes", WEBSOCKET_FAULT_TOO_BIG,
        "\x01\x81" MASK "a\x80\xfe\x03\xe8"),
    BAD("close of one byte", WEBSOCKET_FAULT_PROTOCOL, "\x88\x81"),
    BAD("close 0", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x00\x00"),
    BAD("close 999", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x03\xe7"),
    BAD("close 1004", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x03\xec"),
    BAD("close 1005", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x03\xed"),
    BAD("close 1006", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x03\xee"),
    BAD("close 1015", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x03\xf7"),
    BAD("close 1016", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x03\xf8"),
    BAD("close 2999", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x0b\xb7"),
    BAD("close 5000", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\x13\x88"),
    BAD("close 65535", WEBSOCKET_FAULT_PROTOCOL, "\x88\x82" NOMASK "\xff\xff"),
    BAD("close 1005 under a mask", WEBSOCKET_FAULT_PROTOCOL,
        "\x88\x82" MASK "\x12\xcf"),
    BAD("bad UTF-8 in a reason", WEBSOCKET_FAULT_UTF8,
        "\x88\x84" NOMASK "\x03\xe8\xc3\x28"),
    BAD("half a character in a reason", WEBSOCKET_FAULT_UTF8,
        "\x88\x83" NOMASK "\x03\xe8\xc3"),
    BAD("a surrogate in a reason", WEBSOCKET_FAULT_UTF8,
        "\x81\x81" MASK "a\x88\x85" NOMASK "\x03\xe8\xed\xa0"),
};

/* All runs of these bytes; *taken: bytes of their payload. */
static enum ws_fault feed(struct websocket_parse *c, const char *at, size_t len,
                          uint64_t max_bytes, size_t *taken)
{
    struct slice bytes = {at, len};
    enum ws_fault fault;
    struct ws_run run;

    *taken = 0;
    do {
        fault = websocket_parse_next(c, &bytes, max_bytes, &run);
        if (fault == WEBSOCKET_FAULT_NONE && run.kind != WS_RUN_NONE)
            *taken += run.masked.len;
    } while (fault == WEBSOCKET_FAULT_NONE && run.kind != WS_RUN_NONE);
    if (fault == WEBSOCKET_FAULT_NONE)
        assert_int_equal(bytes.len, 0);
    return fault;
}

static void check_split(const struct example *e, size_t at)
{
    struct websocket_parse c;
    size_t taken;
    enum ws_fault fault;

    websocket_parse_init(&c);
    fault = feed(&c, e->bytes, at, LIMIT, &taken);
    if (fault == WEBSOCKET_FAULT_NONE)
        fault = feed(&c, e->bytes + at, e->len - at, LIMIT, &taken);
    if (fault != e->fault)
        fail_msg("%s: another verdict when cut at %zu", e->name, at);
}

/* J08, J10, J12, J13, J42 */
static void every_example_gets_its_verdict_at_any_split(void **state)
{
    size_t i;
    size_t at;

    for (i = 0; i < COUNT_OF(examples); i++)
        for (at = 0; at <= examples[i].len; at++)
            check_split(&examples[i], at);
}

static void bytes_one_by_one_get_the_same_verdict(void **state)
{
    size_t i;
    size_t at;

    for (i = 0; i < COUNT_OF(examples); i++) {
        enum ws_fault fault = WEBSOCKET_FAULT_NONE;
        struct websocket_parse c;

        websocket_parse_init(&c);
        for (at = 0; at < examples[i].len && fault == WEBSOCKET_FAULT_NONE;
             at++) {
            size_t taken;

            fault = feed(&c, examples[i].bytes + at, 1, LIMIT, &taken);
        }
        assert_int_equal(fault, examples[i].fault);
        /* The verdict is due with the last byte, not before. */
        assert_int_equal(at, examples[i].len);
    }
}

/* RFC 6455 section 1.4 */
static void nothing_behind_a_close_frame_is_handed_on(void **state)
{
    static const char bytes[] = "\x88\x80" MASK "\x81\x81" MASK "x";
    struct websocket_parse c;
    size_t taken;

    websocket_parse_init(&c);
    assert_int_equal(feed(&c, bytes, sizeof(bytes) - 1, LIMIT, &taken),
                     WEBSOCKET_FAULT_NONE);
    assert_int_equal(taken, 0);
    assert_true(c.is_closed);
    assert_int_equal(feed(&c, "\x82\x05garbage", 9, LIMIT, &taken),
                     WEBSOCKET_FAULT_NONE);
    assert_int_equal(taken, 0);
}

static void assert_run(struct websocket_parse *c, struct slice *bytes,
                       const struct ws_run *expected, size_t len)
{
    struct ws_run run;

    assert_int_equal(websocket_parse_next(c, bytes, LIMIT, &run),
                     WEBSOCKET_FAULT_NONE);
    assert_int_equal(run.kind, expected->kind);
    if (run.kind == WS_RUN_NONE)
        return;
    assert_int_equal(run.masked.len, len);
    assert_int_equal(run.is_frame_end, expected->is_frame_end);
    assert_int_equal(run.is_message_end, expected->is_message_end);
}

/* J11 */
static void runs_are_told_with_their_ends(void **state)
{
    static const char text[] = "\x01\x83" MASK "abc\x89\x82" MASK
                               "xy\x80\x80" MASK "\x81\x84" MASK "de";
    static const struct ws_run first = {.kind = WS_RUN_TEXT,
                                        .is_frame_end = true};
    static const struct ws_run ping = {
        .kind = WS_RUN_PING, .is_frame_end = true, .is_message_end = true};
    static const struct ws_run last = {
        .kind = WS_RUN_TEXT, .is_frame_end = true, .is_message_end = true};
    static const struct ws_run half = {.kind = WS_RUN_TEXT};
    static const struct ws_run none = {.kind = WS_RUN_NONE};
    struct slice bytes = {text, sizeof(text) - 1};
    struct slice more = SLICE("fg");
    struct websocket_parse c;

    websocket_parse_init(&c);
    assert_run(&c, &bytes, &first, 3);
    assert_run(&c, &bytes, &ping, 2);
    assert_run(&c, &bytes, &last, 0);
    assert_run(&c, &bytes, &half, 2);
    assert_run(&c, &bytes, &none, 0);
    assert_run(&c, &more, &last, 2);
    assert_run(&c, &more, &none, 0);
}

/* The mask goes on where the last piece ended. */
static void mask_is_turned_for_each_piece(void **state)
{
    char text[40];
    char plain[40];
    struct websocket_parse c;
    size_t cut;
    size_t i;

    memcpy(text, "\x81\x9e" MASK, 6);
    for (i = 0; i < 30; i++)
        text[6 + i] = (char)((unsigned char)('a' + i % 26) ^
                             (unsigned char)MASK[i % WS_MASK_BYTES]);
    for (cut = 7; cut < 36; cut++) {
        struct slice pieces[2] = {{text, cut}, {text + cut, 36 - cut}};
        size_t done = 0;

        websocket_parse_init(&c);
        for (i = 0; i < 2; i++) {
            struct ws_run run;

            assert_int_equal(websocket_parse_next(&c, &pieces[i], LIMIT, &run),
                             WEBSOCKET_FAULT_NONE);
            ws_unmask(plain + done, run.masked, run.mask);
            done += run.masked.len;
        }
        assert_int_equal(done, 30);
        for (i = 0; i < 30; i++)
            assert_int_equal(plain[i], 'a' + i % 26);
    }
}

/* Feeds a text frame of len bytes; its header has the length in `form`
 * bytes. */
static enum ws_fault feed_text(struct websocket_parse *c, uint64_t len,
                               size_t form, uint64_t max_bytes, size_t *taken)
{
    static char frame[ROOM];
    size_t at = 2;
    size_t i;

    memset(frame, 0, sizeof(frame));
    frame[0] = (char)0x81;
    frame[1] = (char)(0x80 | (form == 0   ? (unsigned)len
                              : form == 2 ? 126u
                                          : 127u));
    for (i = 0; i < form; i++)
        frame[at++] = (char)(len >> 8 * (form - 1 - i));
    at += 4 + (size_t)len;
    return feed(c, frame, at, max_bytes, taken);
}

/* J12, J13 */
static void lengths_at_the_edges_pass_in_their_shortest_form(void **state)
{
    static const struct {
        uint64_t len;
        size_t form;
    } edges[] = {{125, 0}, {126, 2}, {65535, 2}, {65536, 8}};
    size_t i;

    for (i = 0; i < COUNT_OF(edges); i++) {
        struct websocket_parse c;
        size_t taken;

        websocket_parse_init(&c);
        assert_int_equal(
            feed_text(&c, edges[i].len, edges[i].form, edges[i].len, &taken),
            WEBSOCKET_FAULT_NONE);
        assert_int_equal(c.head_len, 0);
        assert_int_equal(feed_text(&c, edges[i].len, edges[i].form,
                                   edges[i].len - 1, &taken),
                         WEBSOCKET_FAULT_TOO_BIG);
    }
}

static void limit_is_for_each_message_alone(void **state)
{
    static const char bytes[] = "\x81\x83" NOMASK "abc";
    struct websocket_parse c;
    size_t taken;
    int i;

    websocket_parse_init(&c);
    for (i = 0; i < 5; i++)
        assert_int_equal(feed(&c, bytes, sizeof(bytes) - 1, 3, &taken),
                         WEBSOCKET_FAULT_NONE);
    assert_int_equal(feed(&c, bytes, sizeof(bytes) - 1, 2, &taken),
                     WEBSOCKET_FAULT_TOO_BIG);
}

static void control_frames_do_not_count_as_message(void **state)
{
    static const char bytes[] =
        "\x01\x81" MASK "a\x89\x85" MASK "hello\x80\x82" MASK "bc";
    struct websocket_parse c;
    size_t taken;

    websocket_parse_init(&c);
    assert_int_equal(feed(&c, bytes, sizeof(bytes) - 1, 3, &taken),
                     WEBSOCKET_FAULT_NONE);
    assert_int_equal(c.message_bytes, 3);
}

/* A limit that sinks while a message is under way must not wrap around. */
static void lower_limit_meets_a_message_under_way(void **state)
{
    static const char first[] = "\x01\x85" MASK "hello";
    static const char next[] = "\x80\x80" MASK;
    struct websocket_parse c;
    size_t taken;

    websocket_parse_init(&c);
    assert_int_equal(feed(&c, first, sizeof(first) - 1, 5, &taken),
                     WEBSOCKET_FAULT_NONE);
    assert_int_equal(feed(&c, next, sizeof(next) - 1, 4, &taken),
                     WEBSOCKET_FAULT_TOO_BIG);
}

/* L13: a million empty fragments */
static void endless_empty_fragments_end(void **state)
{
    static const char begin[] = "\x01\x80" MASK;
    static const char more[] = "\x00\x80" MASK;
    static const char last[] = "\x80\x80" MASK;
    struct websocket_parse c;
    size_t taken;
    unsigned i;

    websocket_parse_init(&c);
    assert_int_equal(feed(&c, begin, 6, LIMIT, &taken), WEBSOCKET_FAULT_NONE);
    for (i = 1; i < WS_FRAGMENTS_MAX; i++)
        assert_int_equal(feed(&c, more, 6, LIMIT, &taken),
                         WEBSOCKET_FAULT_NONE);
    assert_int_equal(feed(&c, last, 6, LIMIT, &taken), WEBSOCKET_FAULT_TOO_BIG);
}

static void fragments_are_counted_for_each_message(void **state)
{
    static const char pair[] = "\x01\x80" MASK "\x80\x80" MASK;
    struct websocket_parse c;
    size_t taken;
    unsigned i;

    websocket_parse_init(&c);
    for (i = 0; i < WS_FRAGMENTS_MAX; i++)
        assert_int_equal(feed(&c, pair, 12, LIMIT, &taken),
                         WEBSOCKET_FAULT_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_example_gets_its_verdict_at_any_split),
        cmocka_unit_test(bytes_one_by_one_get_the_same_verdict),
        cmocka_unit_test(nothing_behind_a_close_frame_is_handed_on),
        cmocka_unit_test(runs_are_told_with_their_ends),
        cmocka_unit_test(mask_is_turned_for_each_piece),
        cmocka_unit_test(lengths_at_the_edges_pass_in_their_shortest_form),
        cmocka_unit_test(limit_is_for_each_message_alone),
        cmocka_unit_test(control_frames_do_not_count_as_message),
        cmocka_unit_test(lower_limit_meets_a_message_under_way),
        cmocka_unit_test(endless_empty_fragments_end),
        cmocka_unit_test(fragments_are_counted_for_each_message),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
