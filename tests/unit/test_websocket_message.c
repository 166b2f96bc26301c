/* Frames and messages: lengths, control frames, fragments, limits. */
#include "websocket_message_world.h"

#include "front/websocket_deflate.h"

/* ---- framing ---- */

/* J10, J11: each form of the length, at its edges. */
static void lengths_are_read_in_all_forms(void **state)
{
    static const size_t lengths[] = {0,   1,   124,   125,   126,   127,
                                     128, 255, 65534, 65535, 65536, 70001};
    char expected[TOLD_BYTES];
    size_t i;
    size_t k;

    for (i = 0; i < COUNT_OF(lengths); i++) {
        char *text = malloc(lengths[i] + 1);

        assert_non_null(text);
        for (k = 0; k < lengths[i]; k++)
            text[k] = (char)('!' + k % 90);
        begin();
        add(0x81, text, lengths[i]);
        add(0x81, "next", 4);
        (void)run(WIRE_BYTES, LIMIT, false);
        memcpy(expected, told, strlen(told) + 1);
        told[0] = '\0';
        tell_text("message", (struct slice){text, lengths[i]});
        tell("message next\n");
        assert_string_equal(expected, told);
        assert_tells("a length", expected);
        free(text);
    }
}

static const struct example controls[] = {
    {"ping", {F(0x89, "")}, "ping \n"},
    {"ping with text", {F(0x89, "are you there")}, "ping are you there\n"},
    {"ping with bytes that are no text",
     {F(0x89, "\xff\xfe\xc0\x80\xfd")},
     "ping \xff\xfe\xc0\x80\xfd\n"},
    {"pings",
     {F(0x89, "1"), F(0x89, "2"), F(0x89, "3"), F(0x89, "4")},
     "ping 1\nping 2\nping 3\nping 4\n"},
    {"pong that nobody asked for", {F(0x8a, ""), F(0x81, "a")}, "message a\n"},
    {"pong with text, then a ping",
     {F(0x8a, "unasked"), F(0x89, "asked")},
     "ping asked\n"},
    {"fragmented ping", {F(0x09, "a"), F(0x80, "b")}, "fault 1002\n"},
    {"fragmented pong", {F(0x0a, "a"), F(0x80, "b")}, "fault 1002\n"},
    {"fragmented close", {F(0x08, "\x03\xe8")}, "fault 1002\n"},
};

/* J12, J51 */
static void control_frames_are_told(void **state)
{
    char full[125];
    char expected[TOLD_BYTES];

    assert_examples(controls, COUNT_OF(controls));
    memset(full, '~', sizeof(full));
    begin();
    add(0x89, full, sizeof(full));
    snprintf(expected, sizeof(expected), "ping %.125s\n", full);
    assert_tells("the largest ping", expected);
    begin();
    add(0x89, "a", 1);
    add(0x89, wire.bytes, 126);
    assert_tells("a ping of 126 bytes", "ping a\nfault 1002\n");
    begin();
    add(0x8a, wire.bytes, 126);
    assert_tells("a pong of 126 bytes", "fault 1002\n");
}

/* J12: with and without FIN, first, behind a message and inside of one. */
static void reserved_bits_and_opcodes_are_refused(void **state)
{
    static const unsigned opcodes[] = {0, 1, 2, 8, 9, 10};
    unsigned fin;
    unsigned i;

    for (fin = 0; fin <= 0x80; fin += 0x80) {
        for (i = 0; i < 7 * COUNT_OF(opcodes); i++) {
            begin();
            add(0x81, "a", 1);
            add(fin | (i % 7 + 1) << 4 | opcodes[i / 7], "", 0);
            assert_tells("a reserved bit", "message a\nfault 1002\n");
        }
        for (i = 3; i <= 15; i++) {
            if (i >= 8 && i <= 10)
                continue;
            begin();
            add(fin | i, "payload", 7);
            assert_tells("a reserved opcode", "fault 1002\n");
            begin();
            add(0x01, "a", 1);
            add(0x89, "b", 1);
            add(fin | i, "", 0);
            add(0x80, "c", 1);
            assert_tells("a reserved opcode inside", "ping b\nfault 1002\n");
        }
    }
}

static const struct example fragments[] = {
    {"two", {F(0x01, "a"), F(0x80, "b")}, "message ab\n"},
    {"three", {F(0x01, "a"), F(0x00, "b"), F(0x80, "c")}, "message abc\n"},
    {"empty ones", {F(0x01, ""), F(0x00, ""), F(0x80, "")}, "message \n"},
    {"only the first is not empty",
     {F(0x01, "a"), F(0x00, ""), F(0x80, "")},
     "message a\n"},
    {"only the last is not empty",
     {F(0x01, ""), F(0x00, ""), F(0x80, "a")},
     "message a\n"},
    {"a ping between",
     {F(0x01, "a"), F(0x89, "p"), F(0x80, "b")},
     "ping p\nmessage ab\n"},
    {"pings everywhere",
     {F(0x89, "1"), F(0x01, "a"), F(0x89, "2"), F(0x00, "b"), F(0x89, "3"),
      F(0x80, "c"), F(0x89, "4")},
     "ping 1\nping 2\nping 3\nmessage abc\nping 4\n"},
    {"a pong between",
     {F(0x01, "a"), F(0x8a, "p"), F(0x80, "b")},
     "message ab\n"},
    {"a close between",
     {F(0x01, "a"), F(0x88, "\x03\xe8"), F(0x80, "b")},
     "close 1000\n"},
    {"two messages",
     {F(0x01, "a"), F(0x80, "b"), F(0x01, "c"), F(0x80, "d")},
     "message ab\nmessage cd\n"},
    {"never finished", {F(0x01, "a"), F(0x00, "b")}, ""},
    {"a stray last one", {F(0x80, "a"), F(0x81, "b")}, "fault 1002\n"},
    {"a stray one", {F(0x00, "a"), F(0x81, "b")}, "fault 1002\n"},
    {"a stray one, empty", {F(0x00, "")}, "fault 1002\n"},
    {"a stray one behind a whole message",
     {F(0x81, "a"), F(0x80, "b")},
     "message a\nfault 1002\n"},
    {"a stray one behind fragments",
     {F(0x01, "a"), F(0x80, "b"), F(0x80, "c")},
     "message ab\nfault 1002\n"},
    {"a whole message inside", {F(0x01, "a"), F(0x81, "b")}, "fault 1002\n"},
    {"another message inside", {F(0x01, "a"), F(0x01, "b")}, "fault 1002\n"},
    {"a binary one inside", {F(0x01, "a"), F(0x82, "b")}, "fault 1002\n"},
    {"binary", {F(0x82, "a")}, "fault 1003\n"},
    {"binary fragments", {F(0x02, "a"), F(0x80, "b")}, "fault 1003\n"},
};

/* J11, J12 */
static void fragments_become_messages(void **state)
{
    assert_examples(fragments, COUNT_OF(fragments));
}

static void long_fragments_become_one_message(void **state)
{
    static const size_t lengths[] = {1, 64, 256, 1024, 4096, 65536};
    static char text[98304];
    char expected[TOLD_BYTES];
    size_t i;
    size_t at;

    for (at = 0; at < sizeof(text); at++)
        text[at] = (char)('a' + at % 23);
    for (i = 0; i < COUNT_OF(lengths); i++) {
        size_t len =
            lengths[i] * 1000 < sizeof(text) ? lengths[i] * 1000 : sizeof(text);

        begin();
        for (at = 0; at < len; at += lengths[i]) {
            size_t n = len - at < lengths[i] ? len - at : lengths[i];

            add((at == 0 ? 1u : 0u) | (at + n == len ? 0x80u : 0u), text + at,
                n);
        }
        told[0] = '\0';
        tell_text("message", (struct slice){text, len});
        memcpy(expected, told, strlen(told) + 1);
        assert_tells("fragments", expected);
    }
}

/* ---- limits ---- */

/* J13: known from the header, before any of the payload is there. */
static void limit_is_kept_to_the_byte(void **state)
{
    static char text[1001];

    memset(text, 'x', sizeof(text));
    begin();
    add(0x81, text, 1000);
    (void)run(7, 1000, false);
    assert_memory_equal(told, "message of 1000: ", 17);
    begin();
    add(0x81, text, 1001);
    assert_int_equal(run(1, 1000, false), 4);
    assert_string_equal(told, "fault 1009\n");
    begin();
    add(0x01, text, 600);
    add(0x80, text, 400);
    (void)run(7, 1000, false);
    assert_memory_equal(told, "message of 1000: ", 17);
    begin();
    add(0x01, text, 600);
    add(0x80, text, 401);
    assert_int_equal(run(1, 1000, false), 608 + 4);
    assert_string_equal(told, "fault 1009\n");
}

/* ---- compressed ---- */

/* J05: a fragment at each place; it is the message that is compressed. */
static void compressed_message_may_be_cut_anywhere(void **state)
{
    static const char hello[] = "\xf2\x48\xcd\xc9\xc9\x07\x00";
    size_t pieces[] = {1, 2, 5, WIRE_BYTES};
    size_t at;
    size_t i;

    assert_int_equal(websocket_deflate_new(&shared.deflate), ERR_OK);
    for (at = 0; at < sizeof(hello); at++) {
        begin();
        add(0x41, hello, at);
        add(0x89, "p", 1);
        add(0x80, hello + at, sizeof(hello) - 1 - at);
        add(0x81, "plain", 5);
        for (i = 0; i < COUNT_OF(pieces); i++) {
            (void)run(pieces[i], LIMIT, true);
            assert_string_equal(told, "ping p\nmessage Hello\nmessage plain\n");
            (void)run(pieces[i], LIMIT, false);
            assert_string_equal(told, "fault 1002\n");
        }
    }
    websocket_deflate_free(shared.deflate);
    shared.deflate = NULL;
}

/* ---- and afterwards ---- */

/* L71: the place is shared by all connections. */
static void nothing_of_a_message_stays(void **state)
{
    static const char secret[] = "correct horse battery staple";

    begin();
    add(0x81, secret, strlen(secret));
    add(0x89, secret, strlen(secret));
    (void)run(WIRE_BYTES, LIMIT, false);
    assert_non_null(strstr(told, "message correct horse"));
    assert_non_null(strstr(told, "ping correct horse"));
    assert_null(memmem(shared.plain, sizeof(shared.plain), "horse", 5));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lengths_are_read_in_all_forms),
        cmocka_unit_test(control_frames_are_told),
        cmocka_unit_test(reserved_bits_and_opcodes_are_refused),
        cmocka_unit_test(fragments_become_messages),
        cmocka_unit_test(long_fragments_become_one_message),
        cmocka_unit_test(limit_is_kept_to_the_byte),
        cmocka_unit_test(compressed_message_may_be_cut_anywhere),
        cmocka_unit_test(nothing_of_a_message_stays),
    };

    return cmocka_run_group_tests_name("websocket_message", tests, NULL, NULL);
}
