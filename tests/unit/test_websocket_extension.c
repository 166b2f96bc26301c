/* websocket_extension.h: what is agreed on, and what is declined. */
#include "front/websocket_extension.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define D         "permessage-deflate"
#define NO_SERVER "server_no_context_takeover"
#define NO_CLIENT "client_no_context_takeover"
#define SERVER    "server_max_window_bits"
#define CLIENT    "client_max_window_bits"

static struct websocket_extension choose(const char *lines)
{
    struct http_head head;
    char text[2048];
    size_t used;
    unsigned status;
    int len = snprintf(text, sizeof(text),
                       "GET / HTTP/1.1\r\nHost: a\r\n%s\r\n", lines);

    assert_in_range(len, 1, sizeof(text) - 1);
    assert_int_equal(
        http_parse_head(&head, text, (size_t)len, sizeof(text), &used, &status),
        HTTP_DONE);
    return websocket_extension_choose(&head);
}

static struct websocket_extension choose_of(const char *value)
{
    char line[1024];

    snprintf(line, sizeof(line), "Sec-WebSocket-Extensions: %s\r\n", value);
    return choose(line);
}

static const struct {
    const char *offer;
    unsigned bits;   /* 0: declined */
    bool names_bits; /* the answer has server_max_window_bits */
} rows[] = {
    {D, 15, false},
    {"  " D "  ", 15, false},
    {D ";" NO_SERVER, 15, false},
    {D "; " NO_CLIENT, 15, false},
    {D "; " NO_SERVER " ; " NO_CLIENT, 15, false},
    {D "; " CLIENT, 15, false},
    {D "; " CLIENT "=8", 15, false},
    {D "; " CLIENT "=15", 15, false},
    {D "; " CLIENT "=\"10\"", 15, false},
    {D "; " SERVER "=9", 9, true},
    {D "; " SERVER "=10", 10, true},
    {D "; " SERVER "=15", 15, true},
    {D "; " SERVER "=\"12\"", 12, true},
    {D "; " SERVER " = 12", 12, true},
    {D "; " CLIENT "; " SERVER "=11; " NO_CLIENT "; " NO_SERVER, 11, true},
    {"x-webkit-deflate-frame, " D, 15, false},
    {"foo; bar=\"a\"; baz, " D "; " SERVER "=10", 10, true},
    {",, " D " ,", 15, false},
    {D "; unknown, " D, 15, false},
    {D "; " SERVER "=8, " D "; " SERVER "=9", 9, true},
    {D "; " SERVER "=10, " D, 10, true},
    {D "; " NO_SERVER "=1, " D "; " CLIENT, 15, false},

    {"", 0, false},
    {",", 0, false},
    {"permessage-deflat", 0, false},
    {"permessage-deflatex", 0, false},
    {"x-" D, 0, false},
    {"PERMESSAGE-DEFLATE", 0, false},
    {D "; unknown", 0, false},
    {D "; unknown=1", 0, false},
    {D "; " NO_SERVER "; " NO_SERVER, 0, false},
    {D "; " NO_CLIENT "; " NO_CLIENT, 0, false},
    {D "; " CLIENT "; " CLIENT "=9", 0, false},
    {D "; " SERVER "=9; " SERVER "=9", 0, false},
    {D "; " NO_SERVER "=1", 0, false},
    {D "; " NO_CLIENT "=true", 0, false},
    {D "; " SERVER, 0, false},
    {D "; " SERVER "=", 0, false},
    {D "; " SERVER "=7", 0, false},
    {D "; " SERVER "=8", 0, false}, /* zlib has none */
    {D "; " SERVER "=16", 0, false},
    {D "; " SERVER "=09", 0, false},
    {D "; " SERVER "=+9", 0, false},
    {D "; " SERVER "=9x", 0, false},
    {D "; " SERVER "=150", 0, false},
    {D "; " SERVER "=\"9", 0, false},
    {D "; " SERVER "=\"\"", 0, false},
    {D "; " SERVER "=-1", 0, false},
    {D "; " CLIENT "=7", 0, false},
    {D "; " CLIENT "=16", 0, false},
    {D "; " CLIENT "=", 0, false},
    {D "; " CLIENT "=0", 0, false},
    {D ";", 0, false},
    {D " x", 0, false},
    {"\"" D "\"", 0, false},
    {"; " D, 0, false},
    {"=, " D, 0, false}, /* nothing is understood behind it */
    {D "; " SERVER "=\"9, " D, 0, false},
};

/* J05 */
static void each_offer_is_kept_or_declined(void **state)
{
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        struct websocket_extension e = choose_of(rows[i].offer);

        if (e.is_deflate != (rows[i].bits > 0) ||
            (e.is_deflate && (e.window_bits != rows[i].bits ||
                              e.names_bits != rows[i].names_bits)))
            fail_msg("%s: %d, %u bits", rows[i].offer, e.is_deflate,
                     (unsigned)e.window_bits);
    }
}

static void offers_may_stand_in_several_headers(void **state)
{
    struct websocket_extension e =
        choose("Sec-WebSocket-Extensions: foo\r\n"
               "sec-websocket-extensions: " D "; no\r\n"
               "SEC-WEBSOCKET-EXTENSIONS: " D "; " SERVER "=9\r\n"
               "Sec-WebSocket-Extensions: " D "\r\n");

    assert_true(e.is_deflate);
    assert_int_equal(e.window_bits, 9);
    assert_false(choose("Sec-WebSocket-Protocol: " D "\r\n").is_deflate);
}

/* RFC 7692 section 7.1.1: no window outlives its message, on either side. */
static void answer_says_all_that_was_agreed_on(void **state)
{
    char answer[WEBSOCKET_EXTENSION_ANSWER_MAX_BYTES];
    struct websocket_extension e = choose_of(D);

    websocket_extension_answer(answer, &e);
    assert_string_equal(answer, "Sec-WebSocket-Extensions: " D "; " NO_SERVER
                                "; " NO_CLIENT "\r\n");
    e = choose_of(D "; " CLIENT "; " SERVER "=15");
    websocket_extension_answer(answer, &e);
    assert_string_equal(answer, "Sec-WebSocket-Extensions: " D "; " NO_SERVER
                                "; " NO_CLIENT "; " SERVER "=15\r\n");
    e = choose_of("foo");
    websocket_extension_answer(answer, &e);
    assert_string_equal(answer, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_offer_is_kept_or_declined),
        cmocka_unit_test(offers_may_stand_in_several_headers),
        cmocka_unit_test(answer_says_all_that_was_agreed_on),
    };

    return cmocka_run_group_tests_name("websocket_extension", tests, NULL,
                                       NULL);
}
