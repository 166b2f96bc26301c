/* permessage-deflate on the wire (RFC 7692; J05). */
#define WITH_DEFLATE true
#include "websocket_fault.h"

#include "front/websocket_deflate.h"

/* A client without an offer beyond the name. */
static void upgrade_with(const char *offer, const char *answer)
{
    char request[1024];
    char head[1024];
    int len = snprintf(request, sizeof(request),
                       "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n"
                       "Connection: Upgrade\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Protocol: xmpp\r\n%s\r\n",
                       offer);

    plug_in(NULL);
    send_bytes(request, (size_t)len);
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
    if (answer == NULL)
        assert_null(strcasestr(head, "extensions"));
    else if (strstr(head, answer) == NULL)
        fail_msg("%s", head);
}

static void upgrade_deflated(void)
{
    upgrade_with("Sec-WebSocket-Extensions: permessage-deflate\r\n",
                 "\r\nSec-WebSocket-Extensions: permessage-deflate; "
                 "server_no_context_takeover; client_no_context_takeover\r\n");
}

static void only_what_is_offered_is_agreed_on(void **state)
{
    upgrade_with("", NULL);
    send_frame(0xc1, SLICE("\xf2\x48\xcd\xc9\xc9\x07\x00"));
    NEXT("\x81\x08<error/>\x88\x05\x03\xeawhy");
    assert_told("fault 1002\n");
    assert_ended();
    upgrade_with("Sec-WebSocket-Extensions: permessage-deflate; x\r\n", NULL);
    TEXT("finish");
    await_told("message finish\n");
    unplug();
    upgrade_with("Sec-WebSocket-Extensions: permessage-deflate; "
                 "server_max_window_bits=10\r\n",
                 "client_no_context_takeover; server_max_window_bits=10\r\n");
}

#define HELLO "\xf2\x48\xcd\xc9\xc9\x07\x00"

static void compressed_message_is_read(void **state)
{
    upgrade_deflated();
    send_frame(0xc1, SLICE(HELLO));
    send_frame(0xc1, SLICE(HELLO)); /* depends on nothing before it */
    TEXT("plain");
    NEXT("\x81\x05Hello\x81\x05Hello\x81\x05plain");
    send_frame(0xc1, SLICE("\x00"));
    TEXT("x");
    NEXT("\x81\x00\x81\x01x");
    assert_told("message Hello\nmessage Hello\nmessage plain\nmessage \n"
                "message x\n");
}

/* RFC 7692 section 6.1: RSV1 on the first frame alone. */
static void compressed_message_may_come_in_fragments(void **state)
{
    upgrade_deflated();
    send_frame(0x41, SLICE("\xf2\x48\xcd"));
    send_frame(0x89, SLICE("between"));
    NEXT("\x8a\x07"
         "between");
    send_frame(0x00, SLICE(""));
    send_frame(0x00, SLICE("\xc9\xc9"));
    send_frame(0x80, SLICE("\x07\x00"));
    send_frame(0x01, SLICE("pl"));
    send_frame(0x80, SLICE("ain"));
    NEXT("\x81\x05Hello\x81\x05plain");
    assert_told("message Hello\nmessage plain\n");
}

static void compressed_bytes_may_come_one_by_one(void **state)
{
    char frame[64];
    size_t len = make_frame(frame, 0xc1, SLICE(HELLO));
    size_t i;

    upgrade_deflated();
    for (i = 0; i < len; i++) {
        send_bytes(frame + i, 1);
        turn(1);
    }
    NEXT("\x81\x05Hello");
}

/* RFC 7692 section 6 for the bit; its section 7.2.2 says nothing of data that
 * cannot be read: it is data that is not what it says it is, 1007. */
static void each_fault_has_its_code(void **state)
{
    static const struct wire_fault faults[] = {
        FAULT("\xc9\x80" M, "fault 1002\n", "\x03\xea"),
        FAULT("\xc8\x80" M, "fault 1002\n", "\x03\xea"),
        FAULT("\xca\x80" M, "fault 1002\n", "\x03\xea"),
        FAULT("\xe1\x80" M, "fault 1002\n", "\x03\xea"),
        FAULT("\xd1\x80" M, "fault 1002\n", "\x03\xea"),
        FAULT("\x41\x81" M "\xf2\xc0\x80" M, "fault 1002\n", "\x03\xea"),
        FAULT("\x01\x81" M "a\xc0\x80" M, "fault 1002\n", "\x03\xea"),
        FAULT("\xc2\x80" M, "fault 1003\n", "\x03\xeb"),
        FAULT("\xc1\x80" M, "fault 1007\n", "\x03\xef"),
        FAULT("\xc1\x81" M "\x06", "fault 1007\n", "\x03\xef"),
        FAULT("\xc1\x84" M "\xf2\x48\xcd\xc9", "fault 1007\n", "\x03\xef"),
        /* a stored block of bytes that are no UTF-8 */
        FAULT("\xc1\x87" M "\x00\x01\x00\xfe\xff\xff\x00", "fault 1007\n",
              "\x03\xef"),
        FAULT("\xc1\x87" M "\x00\x01\x00\xfe\xff\xe2\x00", "fault 1007\n",
              "\x03\xef"),
    };
    size_t i;

    for (i = 0; i < COUNT_OF(faults); i++) {
        upgrade_deflated();
        assert_fault(&faults[i]);
    }
}

static struct slice compress(struct websocket_deflate *d, const char *at,
                             size_t len)
{
    struct slice coded;

    assert_int_equal(
        websocket_deflate_write(d, 15, (struct slice){at, len}, &coded),
        ERR_OK);
    return coded;
}

/* J13: whatever it is said to be compressed to. */
static void bomb_is_too_large(void **state)
{
    static char text[BIG_BYTES + 1];
    struct websocket_deflate *d;

    assert_int_equal(websocket_deflate_new(&d), ERR_OK);
    memset(text, 'x', sizeof(text));
    upgrade_deflated();
    send_frame(0xc1, compress(d, text, BIG_BYTES));
    await_told("message of 200000\n");
    await_bytes(BIG_BYTES + 10);
    buf_consume(&world->in, BIG_BYTES + 10);
    send_frame(0xc1, compress(d, text, BIG_BYTES + 1));
    NEXT("\x81\x08<error/>\x88\x05\x03\xf1why");
    assert_told("fault 1009\n");
    assert_ended();
    websocket_deflate_free(d);
}

/* One repetitive message is a message, and so is the next when others came in
 * between; a client who sends nothing else is stopped. */
static void bombs_are_too_large_together(void **state)
{
    static char text[BIG_BYTES / 2];
    static char other[20000];
    struct websocket_deflate *d;
    uint32_t random = 1;

    assert_int_equal(websocket_deflate_new(&d), ERR_OK);
    memset(text, 'x', sizeof(text));
    for (size_t i = 0; i < sizeof(other); i++) {
        random = random * 1103515245 + 12345;
        other[i] = (char)('a' + (random >> 16) % 26);
    }
    upgrade_deflated();
    for (int i = 0; i < 5; i++) {
        send_frame(0xc1, compress(d, text, sizeof(text)));
        await_told("message of 100000\n");
        send_frame(0xc1, compress(d, other, sizeof(other)));
        await_told("message of 20000\n");
    }
    send_frame(0xc1, compress(d, text, sizeof(text)));
    await_told("message of 100000\n");
    send_frame(0xc1, compress(d, text, sizeof(text)));
    await_told("message of 100000\n");
    await_bytes(700000);
    world->in.len = 0;
    send_frame(0xc1, compress(d, text, sizeof(text)));
    await_told("fault 1009\n");
    await_eof();
    websocket_deflate_free(d);
}

/* Reads one frame of the server. */
static size_t next_frame(unsigned *first, char *out, size_t cap)
{
    size_t len;

    await_bytes(2);
    *first = (unsigned char)buf_at(&world->in)[0];
    len = (unsigned char)buf_at(&world->in)[1];
    assert_true(len < 126 && len < cap);
    await_bytes(2 + len);
    memcpy(out, buf_at(&world->in) + 2, len);
    buf_consume(&world->in, 2 + len);
    return len;
}

/* J05, L60 */
static void nothing_is_compressed_before_login(void **state)
{
    static const char text[] = "to be or not to be or to be or not to be or to "
                               "be or not to be or to be or";
    struct websocket_deflate *d;
    struct slice message;
    unsigned first;
    char frame[126];
    size_t len;

    upgrade_deflated();
    TEXT("to be or not to be or to be or not to be or to "
         "be or not to be or to be or");
    len = next_frame(&first, frame, sizeof(frame));
    assert_int_equal(first, 0x81);
    assert_int_equal(len, sizeof(text) - 1);

    world->is_past_login = true;
    TEXT("to be or not to be or to be or not to be or to "
         "be or not to be or to be or");
    len = next_frame(&first, frame, sizeof(frame));
    assert_int_equal(first, 0xc1);
    assert_int_equal(websocket_deflate_new(&d), ERR_OK);
    assert_int_equal(
        websocket_deflate_read(d, (struct slice){frame, len}, 1000, &message),
        ERR_OK);
    assert_true(slice_is(message, text));
    websocket_deflate_free(d);

    TEXT("short"); /* below the least size */
    NEXT("\x81\x05short");
}

static void who_offered_nothing_gets_nothing_compressed(void **state)
{
    unsigned first;
    char frame[126];

    upgrade_with("", NULL);
    world->is_past_login = true;
    TEXT("to be or not to be or to be or not to be or to be or not to be or");
    (void)next_frame(&first, frame, sizeof(frame));
    assert_int_equal(first, 0x81);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(only_what_is_offered_is_agreed_on),
        TEST(compressed_message_is_read),
        TEST(compressed_message_may_come_in_fragments),
        TEST(compressed_bytes_may_come_one_by_one),
        TEST(each_fault_has_its_code),
        TEST(bomb_is_too_large),
        TEST(bombs_are_too_large_together),
        TEST(nothing_is_compressed_before_login),
        TEST(who_offered_nothing_gets_nothing_compressed),
    };

    return cmocka_run_group_tests_name("websocket_deflate", tests, NULL, NULL);
}
