#include "websocket_world.h"

#include <sys/ioctl.h>

/* ---- the upgrade ---- */

static unsigned count_of(const char *text, const char *what)
{
    unsigned n = 0;

    for (text = strstr(text, what); text != NULL; n++)
        text = strstr(text + 1, what);
    return n;
}

/* J01, J03, J05 */
static void answer_to_an_upgrade_is_exact(void **state)
{
    char head[1024];

    plug_in(NULL);
    SEND(UPGRADE);
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
    assert_int_equal(count_of(head, "\r\nUpgrade: "), 1);
    assert_non_null(strcasestr(head, "\r\nUpgrade: websocket\r\n"));
    assert_int_equal(count_of(head, "\r\nConnection: Upgrade\r\n"), 1);
    assert_int_equal(count_of(head, "onnection"), 1);
    assert_int_equal(count_of(head, "\r\nSec-WebSocket-Accept: "
                                    "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"),
                     1);
    assert_int_equal(count_of(head, "\r\nSec-WebSocket-Protocol: xmpp\r\n"), 1);
    assert_int_equal(count_of(head, "-Protocol"), 1);
    assert_null(strcasestr(head, "extensions"));
    assert_int_equal(world->in.len, 0);
    assert_int_equal(websocket_host_count(world->host), 1);
}

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define XMPP    "Sec-WebSocket-Protocol: xmpp\r\n"
#define GET     "GET /ws HTTP/1.1\r\nHost: a\r\n"
#define UP      "Upgrade: WebSocket\r\nConnection: upgrade\r\n"

/* J01-J04 */
static void wrong_requests_are_refused(void **state)
{
    static const struct {
        const char *request;
        const char *answer;
        const char *header;
    } requests[] = {
        {GET "\r\n", "426", "\r\nUpgrade: websocket\r\n"},
        {GET "Upgrade: h2c\r\nConnection: upgrade\r\n\r\n", "426",
         "\r\nUpgrade: websocket\r\n"},
        {GET "Upgrade: websocket\r\n" KEY VERSION XMPP "\r\n", "400", ""},
        {GET UP KEY XMPP "Sec-WebSocket-Version: 8\r\n\r\n", "426",
         "\r\nSec-WebSocket-Version: 13\r\n"},
        {GET UP KEY XMPP "\r\n", "426", "\r\nSec-WebSocket-Version: 13\r\n"},
        {GET UP VERSION XMPP "\r\n", "400", ""},
        {GET UP KEY KEY VERSION XMPP "\r\n", "400", ""},
        {GET UP VERSION XMPP "Sec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n",
         "400", ""},
        {GET UP VERSION XMPP
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA\r\n\r\n",
         "400", ""},
        {GET UP VERSION XMPP
         "Sec-WebSocket-Key: dGhlIHNhb!BsZSBub25jZQ==\r\n\r\n",
         "400", ""},
        {GET UP KEY VERSION "\r\n", "400", ""},
        {GET UP KEY VERSION "Sec-WebSocket-Protocol: xmpps, chat\r\n\r\n",
         "400", ""},
        {"GET /ws HTTP/1.0\r\nHost: a\r\n" UP KEY VERSION XMPP "\r\n", "400",
         ""},
        {"POST /ws HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n" UP KEY VERSION
             XMPP "\r\n",
         "405", "\r\nAllow: GET\r\n"},
        {GET UP KEY VERSION XMPP "Content-Length: 1\r\n\r\nx", "400", ""},
    };
    char head[1024];
    size_t i;

    for (i = 0; i < COUNT_OF(requests); i++) {
        plug_in(NULL);
        send_bytes(requests[i].request, strlen(requests[i].request));
        read_head(head, sizeof(head));
        if (strncmp(head + 9, requests[i].answer, 3) != 0 ||
            strstr(head, requests[i].header) == NULL)
            fail_msg("%s was answered %s", requests[i].request, head);
        unplug();
        buf_clear(&world->in, 0);
    }
    assert_int_equal(websocket_host_count(world->host), 0);
    assert_told("");
}

/* J03: in any of several headers, in any letters */
static void protocol_is_found_in_several_headers(void **state)
{
    char head[1024];

    plug_in(NULL);
    SEND(GET UP KEY VERSION "Sec-WebSocket-Protocol: chat, soap\r\n"
                            "Sec-WebSocket-Protocol: mqtt, XmpP\r\n\r\n");
    read_head(head, sizeof(head));
    assert_non_null(strstr(head, "\r\nSec-WebSocket-Protocol: xmpp\r\n"));
}

static const char *const one_origin[] = {"https://example.org"};
static struct http_origins origins = {.list = one_origin, .n = 1};

/* J06 */
static void foreign_origin_is_refused(void **state)
{
    char head[1024];

    plug_in(NULL);
    SEND(GET UP KEY VERSION XMPP "Origin: https://example.org.evil\r\n\r\n");
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 403 ", 13);
    assert_int_equal(websocket_host_count(world->host), 0);
    assert_false(world->has_ws); /* so nothing was connected to */
}

static void listed_origin_is_let_in(void **state)
{
    char head[1024];

    plug_in(NULL);
    SEND(GET UP KEY VERSION XMPP "Origin: https://example.org\r\n\r\n");
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
}

/* decision 9 */
static void full_gateway_answers_503(void **state)
{
    char head[1024];

    world->open_answer = ERR_LIMIT;
    plug_in(NULL);
    SEND(UPGRADE);
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 503 ", 13);
    assert_non_null(strstr(head, "\r\nRetry-After: "));
    assert_int_equal(websocket_host_count(world->host), 0);
}

/* J07 */
static void frames_behind_the_head_are_not_lost(void **state)
{
    char head[1024];

    plug_in(NULL);
    SEND(UPGRADE "\x81\x82\0\0\0\0hi");
    read_head(head, sizeof(head));
    NEXT("\x81\x02hi");
    assert_told("message hi\n");
}

/* ---- messages ---- */

static void message_is_echoed(void **state)
{
    upgrade();
    TEXT("hello");
    NEXT("\x81\x05hello");
    TEXT("again");
    NEXT("\x81\x05"
         "again");
    assert_told("message hello\nmessage again\n");
}

/* J11 */
static void fragments_are_one_message(void **state)
{
    upgrade();
    send_frame(0x01, SLICE("one "));
    send_frame(0x00, SLICE("two "));
    send_frame(0x80, SLICE("three"));
    NEXT("\x81\x0done two three");
    send_frame(0x01, SLICE("empty"));
    send_frame(0x00, SLICE(""));
    send_frame(0x80, SLICE(""));
    NEXT("\x81\x05"
         "empty");
    assert_told("message one two three\nmessage empty\n");
}

/* J11, J51 */
static void ping_between_fragments_is_answered(void **state)
{
    upgrade();
    send_frame(0x01, SLICE("one "));
    send_frame(0x89, SLICE("are you there"));
    NEXT("\x8a\x0d"
         "are you there");
    send_frame(0x8a, SLICE("unasked"));
    send_frame(0x80, SLICE("two"));
    NEXT("\x81\x07one two");
    assert_told("message one two\n");
}

static void bytes_may_come_one_by_one(void **state)
{
    char frame[64];
    size_t len = make_frame(frame, 0x81, SLICE("slow"));
    size_t i;

    upgrade();
    for (i = 0; i < len; i++) {
        send_bytes(frame + i, 1);
        turn(1);
    }
    NEXT("\x81\x04slow");
}

/* J15: the session decides about it. */
static void empty_message_is_a_message(void **state)
{
    upgrade();
    TEXT("");
    await_told("message \n");
    TEXT("x");
    NEXT("\x81\x00\x81\x01x");
}

static void many_messages_in_one_write_keep_their_order(void **state)
{
    char bytes[4096];
    char expected[2048];
    size_t len = 0;
    size_t out = 0;
    int i;

    upgrade();
    for (i = 0; i < 200; i++) {
        char text = (char)('a' + i % 26);

        len += make_frame(bytes + len, 0x81, (struct slice){&text, 1});
        expected[out++] = (char)0x81;
        expected[out++] = 1;
        expected[out++] = text;
    }
    send_bytes(bytes, len);
    assert_next(expected, out);
}

/* Ends the loop at the end of this turn; how many messages there are then. */
static unsigned messages_after_a_turn(void)
{
    struct defer d = {0};

    loop_defer_next(world->loop, &d, on_patience, NULL);
    loop_run(world->loop);
    return count_of(world->told, "message ");
}

/* Others wait for their turn. */
static void a_turn_takes_a_few_of_the_messages_sent_ahead(void **state)
{
    static const struct {
        size_t len;
        unsigned a_turn;
    } sizes[] = {{5, 16}, {6000, 3}};
    static char text[6000];
    char *frames = malloc(40 * (sizeof(text) + 14));

    assert_non_null(frames);
    memset(text, 'x', sizeof(text));
    upgrade();
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct slice message = {text, sizes[i].len};
        size_t len = 0;
        unsigned last = 0;
        unsigned n;

        for (unsigned k = 0; k < 9; k++)
            len += make_frame(frames + len, 0x81, message);
        for (unsigned k = 9; sizes[i].len < 100 && k < 40; k++)
            len += make_frame(frames + len, 0x81, message);
        assert_int_equal(send(world->fd, frames, len, MSG_NOSIGNAL), len);
        for (int turns = 0; turns < 1000; turns++) {
            n = messages_after_a_turn();
            assert_true(n - last <= sizes[i].a_turn);
            last = n;
        }
        assert_int_equal(last, sizes[i].len < 100 ? 40 : 9);
        world->told_len = 0;
        world->told[0] = '\0';
    }
    free(frames);
}

static void large_message_crosses_both_ways(void **state)
{
    char *big = malloc(BIG_BYTES);
    const char *at;
    size_t i;

    assert_non_null(big);
    for (i = 0; i < BIG_BYTES; i++)
        big[i] = (char)('a' + i % 26);
    upgrade();
    send_frame(0x81, (struct slice){big, BIG_BYTES});
    await_bytes(10 + BIG_BYTES);
    assert_told("message of 200000\n");
    assert_int_equal(world->in.len, 10 + BIG_BYTES);
    at = buf_at(&world->in);
    assert_memory_equal(at, "\x81\x7f\0\0\0\0\0\x03\x0d\x40", 10);
    assert_memory_equal(at + 10, big, BIG_BYTES);
    free(big);
}

/* The client reads nothing: its session learns of it, and of the end. */
static void slow_reader_is_noticed(void **state)
{
    upgrade();
    watch_set(&world->watch, 0);
    world->big_left = 100;
    TEXT("flood");
    await_told("message flood\n");
    pass_ms(SHORT_MS);
    assert_true(world->big_left > 0);
    assert_told("");
    watch_set(&world->watch, LOOP_READ);
    await_bytes(100 * (4 + BIG_BYTES / 4));
    assert_int_equal(world->in.len, 100 * (4 + BIG_BYTES / 4));
    assert_int_equal(world->big_left, 0);
}

static void server_says(size_t len, char text)
{
    static char message[40000];

    memset(message, text, len);
    assert_true(
        world->ws.ops->send(world->ws.owner, (struct slice){message, len}));
}

static int bytes_at_the_client(void)
{
    int n = 0;

    assert_int_equal(ioctl(world->fd, FIONREAD, &n), 0);
    return n;
}

/* The first message is there at once; the others of a turn come together. */
static void much_that_is_said_at_once_goes_together(void **state)
{
    upgrade();
    server_says(1, 'a');
    server_says(2, 'b');
    server_says(3, 'c');
    assert_int_equal(bytes_at_the_client(), 3);
    NEXT("\x81\x01"
         "a\x81\x02"
         "bb\x81\x03"
         "ccc");
    server_says(1, 'd');
    assert_int_equal(bytes_at_the_client(), 3);
    server_says(30000, 'e'); /* too large to be put behind anything */
    server_says(1, 'f');
    assert_int_equal(bytes_at_the_client(), 3 + 30004);
    await_bytes(3 + 30004 + 3);
    assert_memory_equal(buf_at(&world->in),
                        "\x81\x01"
                        "d\x81\x7e\x75\x30"
                        "e",
                        8);
    buf_consume(&world->in, 3 + 30004);
    NEXT("\x81\x01"
         "f");
}

/* <open/> waits for the features that come with it. */
static void what_is_gathered_goes_at_the_end_of_the_turn(void **state)
{
    upgrade();
    world->ws.ops->gather(world->ws.owner);
    server_says(1, 'a');
    assert_int_equal(bytes_at_the_client(), 0);
    server_says(2, 'b');
    assert_int_equal(bytes_at_the_client(), 0);
    NEXT("\x81\x01"
         "a\x81\x02"
         "bb");
    world->ws.ops->gather(world->ws.owner); /* and nothing was said */
    assert_int_equal(bytes_at_the_client(), 0);
}

static void messages_of_any_size_keep_their_order(void **state)
{
    static const size_t lengths[] = {1,    10, 16390, 5,    9000,
                                     9000, 3,  200,   40000};
    size_t i;

    upgrade();
    for (i = 0; i < COUNT_OF(lengths); i++)
        server_says(lengths[i], (char)('a' + i));
    for (i = 0; i < COUNT_OF(lengths); i++) {
        size_t head = lengths[i] < 126 ? 2 : 4;

        await_bytes(head + lengths[i]);
        assert_int_equal(buf_at(&world->in)[head], 'a' + i);
        assert_int_equal(buf_at(&world->in)[head + lengths[i] - 1], 'a' + i);
        buf_consume(&world->in, head + lengths[i]);
    }
    assert_int_equal(world->in.len, 0);
}

/* A slow server: the client is not read. */
static void stopped_session_gets_no_more(void **state)
{
    static char big[BIG_BYTES];
    unsigned n = 0;

    upgrade();
    TEXT("stop");
    await_told("message stop\n");
    pass_ms(SHORT_MS);
    memset(big, 'x', sizeof(big));
    while (send(world->fd, big, 8, MSG_DONTWAIT | MSG_NOSIGNAL) == 8 &&
           n < 1000000) { /* the kernel's room is finite */
        n++;
        if (n == 1)
            break;
    }
    pass_ms(SHORT_MS);
    assert_told("");
    world->ws.ops->flow(world->ws.owner, true);
    await_told("fault 1002\n"); /* 'x' is no frame */
}

static void stopped_session_goes_on_in_order(void **state)
{
    upgrade();
    TEXT("stop");
    TEXT("one");
    await_told("message stop\n");
    TEXT("two");
    pass_ms(SHORT_MS);
    assert_told("");
    world->ws.ops->flow(world->ws.owner, true);
    NEXT("\x81\x03one\x81\x03two");
    assert_told("message one\nmessage two\n");
}

/* ---- life ---- */

static void host_drops_what_is_left(void **state)
{
    upgrade();
    TEXT("hi");
    NEXT("\x81\x02hi");
    assert_told("message hi\n");
    websocket_host_free(world->host);
    world->host = NULL;
    assert_told("lost\n");
    await_eof();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
#define TEST_WITH(name, state)                                                 \
    {                                                                          \
#name, name, set_up, tear_down, state                                  \
    }
    const struct CMUnitTest tests[] = {
        TEST(answer_to_an_upgrade_is_exact),
        TEST(wrong_requests_are_refused),
        TEST(protocol_is_found_in_several_headers),
        TEST_WITH(foreign_origin_is_refused, &origins),
        TEST_WITH(listed_origin_is_let_in, &origins),
        TEST(full_gateway_answers_503),
        TEST(frames_behind_the_head_are_not_lost),
        TEST(message_is_echoed),
        TEST(fragments_are_one_message),
        TEST(ping_between_fragments_is_answered),
        TEST(bytes_may_come_one_by_one),
        TEST(empty_message_is_a_message),
        TEST(many_messages_in_one_write_keep_their_order),
        TEST(a_turn_takes_a_few_of_the_messages_sent_ahead),
        TEST(large_message_crosses_both_ways),
        TEST(slow_reader_is_noticed),
        TEST(much_that_is_said_at_once_goes_together),
        TEST(what_is_gathered_goes_at_the_end_of_the_turn),
        TEST(messages_of_any_size_keep_their_order),
        TEST(stopped_session_gets_no_more),
        TEST(stopped_session_goes_on_in_order),
        TEST(host_drops_what_is_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
