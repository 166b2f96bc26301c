/* UTF-8 in messages, and the payload of Close frames. */
#include "websocket_message_world.h"

/* ---- UTF-8 ---- */

static const char *const texts[] = {
    "\x7f",
    "\xc2\x80",
    "\xdf\xbf",
    "\xe0\xa0\x80",
    "\xed\x9f\xbf",
    "\xee\x80\x80",
    "\xef\xbf\xbd",
    "\xef\xbf\xbe", /* a noncharacter is a character to UTF-8 */
    "\xf0\x90\x80\x80",
    "\xf0\x9f\x98\x80",
    "\xf4\x8f\xbf\xbf",
    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
    "a\xcc\x88\xe2\x82\xac\xf0\x90\x8d\x88z",
};

/* J10: cut anywhere, in one frame and in two. */
static void text_may_be_cut_inside_a_character(void **state)
{
    char expected[64];
    size_t i;
    size_t at;

    for (i = 0; i < COUNT_OF(texts); i++) {
        size_t len = strlen(texts[i]);

        snprintf(expected, sizeof(expected), "message %s\n", texts[i]);
        for (at = 0; at <= len; at++) {
            begin();
            add(0x01, texts[i], at);
            add(0x80, texts[i] + at, len - at);
            assert_tells(texts[i], expected);
        }
    }
}

/* The bytes, and how many of them it takes to see it (RFC 3629). */
static const struct {
    const char *bytes;
    size_t seen;
} bad_texts[] = {
    {"\x80", 1},
    {"\xbf", 1},
    {"a\x80", 2},
    {"\xc0\x80", 1}, /* overlong */
    {"\xc0\xaf", 1},
    {"\xc1\xbf", 1},
    {"\xe0\x80\xaf", 2},
    {"\xe0\x9f\xbf", 2},
    {"\xf0\x80\x80\xaf", 2},
    {"\xf0\x8f\xbf\xbf", 2},
    {"\xf8\x88\x80\x80\x80", 1}, /* forms of old */
    {"\xfc\x84\x80\x80\x80\x80", 1},
    {"\xfe", 1},
    {"\xff", 1},
    {"\xed\xa0\x80", 2}, /* surrogates */
    {"\xed\xbf\xbf", 2},
    {"\xed\xa0\x81\xed\xb0\x80", 2},
    {"\xf4\x90\x80\x80", 2}, /* above U+10FFFF */
    {"\xf5\x80\x80\x80", 1},
    {"\xc2\x41", 2}, /* the next one too early */
    {"\xe2\x82\x41", 3},
    {"\xe2\x41\x41", 2},
    {"\xf0\x9f\x98\x41", 4},
    {"\xc2\xc2\x80", 2},
    {"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80xyz", 13},
};

/* J10: at once, not at the end of the message. */
static void bad_text_is_told_at_its_first_byte(void **state)
{
    size_t i;

    for (i = 0; i < COUNT_OF(bad_texts); i++) {
        const char *bytes = bad_texts[i].bytes;
        size_t len = strlen(bytes);

        begin();
        add(0x01, bytes, len);
        assert_tells(bytes, "fault 1007\n");
        assert_int_equal(run(1, LIMIT, false), 6 + bad_texts[i].seen);
        begin();
        add(0x01, "good", 4);
        add(0x80, bytes, len);
        assert_int_equal(run(1, LIMIT, false), 10 + 6 + bad_texts[i].seen);
        assert_string_equal(told, "fault 1007\n");
    }
}

static void half_a_character_at_the_end_is_refused(void **state)
{
    static const char *const halves[] = {
        "\xc2", "\xe0\xa0", "\xf0\x90\x80", "a\xe2\x82", "\xf4",
    };
    size_t i;

    for (i = 0; i < COUNT_OF(halves); i++) {
        begin();
        add(0x81, halves[i], strlen(halves[i]));
        assert_tells("half a character", "fault 1007\n");
        begin();
        add(0x01, halves[i], strlen(halves[i]));
        add(0x00, "", 0);
        add(0x80, "", 0);
        assert_tells("half a character", "fault 1007\n");
    }
}

/* ---- closing ---- */

/* RFC 6455 section 7.4 and IANA's registry: 1000 to 1003 and 1007 to 1014 may
 * stand in a frame (1012 to 1014 were registered after the RFC: service
 * restart, try again later, bad gateway); 1004 is reserved; 1005, 1006 and
 * 1015 are for the API of a client alone; 3000 to 4999 are anybody's. */
static bool may_be_sent(unsigned code)
{
    return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
           (code >= 3000 && code <= 4999);
}

/* J42 */
static void each_code_of_a_close_frame_is_judged(void **state)
{
    char expected[32];
    unsigned code;

    for (code = 0; code <= 65535; code += code < 5100 ? 1 : 4099) {
        char payload[2] = {(char)(code >> 8), (char)(code & 0xff)};

        begin();
        add(0x88, payload, 2);
        snprintf(expected, sizeof(expected),
                 may_be_sent(code) ? "close %u\n" : "fault 1002\n", code);
        assert_run("a code", 1, expected);
        assert_run("a code", WIRE_BYTES, expected);
    }
}

static const struct example closes[] = {
    {"no code", {F(0x88, "")}, "close 0\n"},
    {"one byte", {F(0x88, "\x03")}, "fault 1002\n"},
    {"a reason", {F(0x88, "\x03\xe8gone")}, "close 1000\n"},
    {"a reason of other letters",
     {F(0x88, "\x03\xe9\xe2\x82\xac\xf0\x9f\x98\x80")},
     "close 1001\n"},
    {"a bad reason", {F(0x88, "\x03\xe8\xed\xa0\x80")}, "fault 1007\n"},
    {"half a character", {F(0x88, "\x03\xe8 \xe2\x82")}, "fault 1007\n"},
    {"a bad code and a bad reason", {F(0x88, "\x03\xed\xff")}, "fault 1002\n"},
    {"text behind", {F(0x88, "\x03\xe8"), F(0x81, "a")}, "close 1000\n"},
    {"a fault behind", {F(0x88, "\x03\xe8"), F(0xff, "a")}, "close 1000\n"},
    {"a ping and a close behind",
     {F(0x88, ""), F(0x89, "a"), F(0x88, "\x03\xe8")},
     "close 0\n"},
    {"all at once",
     {F(0x81, "a"), F(0x89, "b"), F(0x81, "c"), F(0x88, "\x0b\xb8"),
      F(0x81, "d")},
     "message a\nping b\nmessage c\nclose 3000\n"},
};

static void close_frames_are_told(void **state)
{
    char payload[127] = "\x03\xe8";

    assert_examples(closes, COUNT_OF(closes));
    memset(payload + 2, 'r', sizeof(payload) - 2);
    begin();
    add(0x88, payload, 125);
    assert_tells("a reason of 123 bytes", "close 1000\n");
    begin();
    add(0x88, payload, 126);
    assert_tells("a reason of 124 bytes", "fault 1002\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_may_be_cut_inside_a_character),
        cmocka_unit_test(bad_text_is_told_at_its_first_byte),
        cmocka_unit_test(half_a_character_at_the_end_is_refused),
        cmocka_unit_test(each_code_of_a_close_frame_is_judged),
        cmocka_unit_test(close_frames_are_told),
    };

    return cmocka_run_group_tests_name("websocket_message_text", tests, NULL,
                                       NULL);
}
