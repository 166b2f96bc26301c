#define HEADER_MAX_BYTES 16384 /* the default of http.header_max */
#include "websocket_world.h"

#define COOKIE_BYTES 5120

/* It is more than some libraries for WebSocket take. */
static void large_cookie_does_no_harm(void **state)
{
    static char cookie[COOKIE_BYTES];
    char head[1024];

    memset(cookie, 'c', sizeof(cookie));
    plug_in(NULL);
    SEND("GET /ws HTTP/1.1\r\nHost: a\r\n"
         "Upgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Protocol: xmpp\r\n"
         "Cookie: a=");
    send_bytes(cookie, sizeof(cookie));
    SEND("\r\n\r\n");
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
    assert_null(strcasestr(head, "cookie"));
    TEXT("hello");
    NEXT("\x81\x05hello");
}

/* J02: whatever the case of the names, and with nothing where 13 should be. */
static void names_of_headers_have_no_case(void **state)
{
    char head[1024];

    plug_in(NULL);
    SEND("GET /ws HTTP/1.1\r\nhost: a\r\n"
         "UPGRADE: h2c, WebSocket\r\ncONNECTION: keep-alive\r\n"
         "connection: UPGRADE\r\n"
         "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "SEC-WEBSOCKET-VERSION: 13\r\n"
         "sec-websocket-protocol: xmpp\r\n\r\n");
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
}

static void two_versions_are_refused(void **state)
{
    char head[1024];

    plug_in(NULL);
    SEND("GET /ws HTTP/1.1\r\nHost: a\r\n"
         "Upgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Version: 8\r\nSec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Protocol: xmpp\r\n\r\n");
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 426 ", 13);
    assert_non_null(strstr(head, "\r\nSec-WebSocket-Version: 13\r\n"));
}

/* RFC 6455 section 4.2.1 no. 1: one Host. */
static void upgrade_without_host_is_refused(void **state)
{
    char head[1024];

    plug_in(NULL);
    SEND("GET /ws HTTP/1.1\r\n"
         "Upgrade: websocket\r\nConnection: Upgrade\r\n"
         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
         "Sec-WebSocket-Version: 13\r\n"
         "Sec-WebSocket-Protocol: xmpp\r\n\r\n");
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 400 ", 13);
    assert_int_equal(websocket_host_count(world->host), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(large_cookie_does_no_harm),
        TEST(names_of_headers_have_no_case),
        TEST(two_versions_are_refused),
        TEST(upgrade_without_host_is_refused),
    };

    return cmocka_run_group_tests_name("websocket_head", tests, NULL, NULL);
}
