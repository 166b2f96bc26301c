#include "front/http_parse.h"
#include "front/http_head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEAD_MAX 16384

#define POST "POST /http-bind HTTP/1.1\r\n"
#define HOST "Host: a\r\n"

/* A text with its length, for those that hold a NUL. */
#define BYTES(literal) literal, sizeof(literal) - 1

struct row {
    const char *bytes;
    size_t len;
    unsigned status; /* 0: accepted */
};

/* The bytes lie in a block of exactly their size, for the sanitizer. */
static enum http_verdict parse(struct http_head *head, const char *bytes,
                               size_t len, size_t *used, unsigned *status)
{
    char *copy = malloc(len + 1); /* +1: malloc(0) may be NULL */
    enum http_verdict verdict;

    assert_non_null(copy);
    memcpy(copy + 1, bytes, len);
    verdict = http_parse_head(head, copy + 1, len, HEAD_MAX, used, status);
    free(copy);
    return verdict;
}

/* Every cut of the bytes says "more", or what the whole says. */
static void check_cuts(const struct row *row)
{
    struct http_head head;
    unsigned status = 0;
    size_t used = 0;

    for (size_t cut = 0; cut <= row->len; cut++) {
        enum http_verdict v = parse(&head, row->bytes, cut, &used, &status);

        if (v == HTTP_WRONG && status != row->status)
            fail_msg("status %u at %zu of %s", status, cut, row->bytes);
        if (v == HTTP_DONE && (row->status != 0 || used > cut))
            fail_msg("done at %zu of %s", cut, row->bytes);
        if (v == HTTP_MORE && cut == row->len)
            fail_msg("never ends: %s", row->bytes);
    }
}

static void check_whole(const struct row *row)
{
    struct http_head head;
    unsigned status = 0;
    size_t used = 0;
    enum http_verdict v = parse(&head, row->bytes, row->len, &used, &status);

    if (v != (row->status == 0 ? HTTP_DONE : HTTP_WRONG) ||
        (row->status != 0 && status != row->status))
        fail_msg("status %u of %s", status, row->bytes);
}

static void check_rows(const struct row *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        check_cuts(&rows[i]);
}

static struct http_head parsed(const char *text)
{
    static struct http_head head;
    unsigned status = 0;
    size_t used = 0;

    if (http_parse_head(&head, text, strlen(text), HEAD_MAX, &used, &status) !=
        HTTP_DONE)
        fail_msg("status %u: %s", status, text);
    assert_int_equal(used, strlen(text));
    return head;
}

/* I10, I10: each row of the table of smugglers */
static void framing_that_two_readers_take_differently_is_refused(void **state)
{
    static const struct row rows[] = {
        {BYTES(POST HOST "Content-Length: 3\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n"),
         400},
        {BYTES(POST HOST "Transfer-Encoding: chunked\r\n"
                         "Content-Length: 3\r\n\r\n"),
         400},
        {BYTES(POST HOST "Transfer-Encoding : chunked\r\n"
                         "Content-Length: 3\r\n\r\n"),
         400},
        {BYTES(POST HOST "Content-Length: 3\r\nContent-Length: 4\r\n\r\n"),
         400},
        {BYTES(POST HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\n"),
         400},
        {BYTES(POST HOST "Content-Length: 3, 3\r\n\r\n"), 400},
        {BYTES(POST HOST "Content-Length: +3\r\n\r\n"), 400},
        {BYTES(POST HOST "Content-Length: -3\r\n\r\n"), 400},
        {BYTES(POST HOST "Content-Length: 0x3\r\n\r\n"), 400},
        {BYTES(POST HOST "Content-Length: 3a\r\n\r\n"), 400},
        {BYTES(POST HOST "Content-Length: 3 3\r\n\r\n"), 400},
        {BYTES(POST HOST "Content-Length:\r\n\r\n"), 400},
        {BYTES(POST HOST "Content-Length: 18446744073709551619\r\n\r\n"), 400},
        {BYTES(POST HOST "Content-Length: 18446744073709551616\r\n\r\n"), 400},
        {BYTES("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), 400},
        {BYTES(POST HOST "Transfer-Encoding: gzip\r\n\r\n"), 400},
        {BYTES(POST HOST "Transfer-Encoding: identity\r\n\r\n"), 400},
        {BYTES(POST HOST "Transfer-Encoding: chunked, gzip\r\n\r\n"), 400},
        {BYTES(POST HOST "Transfer-Encoding: xchunked\r\n\r\n"), 400},
        {BYTES(POST HOST "Transfer-Encoding: chunked;q=1\r\n\r\n"), 400},
        {BYTES(POST HOST "Transfer-Encoding:\r\n\r\n"), 400},
        {BYTES(POST HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"), 501},
        {BYTES(POST HOST "Transfer-Encoding: chunked\r\n"
                         "Transfer-Encoding: chunked\r\n\r\n"),
         501},
        {BYTES(POST HOST "X: a\0b\r\n\r\n"), 400},
        {BYTES(POST HOST "X\0: a\r\n\r\n"), 400},
        {BYTES(POST "Host: a\r\nHost: a\r\n\r\n"), 400},
    };

    (void)state;
    check_rows(rows, COUNT_OF(rows));
}

static const struct row wrong_lines[] = {
    {BYTES(POST "\r\n"), 400}, /* no Host */
    {BYTES(POST "Host: a b\r\n\r\n"), 400},
    {BYTES(POST "Host: a/b\r\n\r\n"), 400},
    {BYTES(POST "Host: u@a\r\n\r\n"), 400},
    {BYTES("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n"), 400},
    {BYTES(POST "Host : a\r\n\r\n"), 400},
    {BYTES(POST HOST "X: a\r\n folded\r\n\r\n"), 400},
    {BYTES(POST HOST "X: a\r\n\tfolded\r\n\r\n"), 400},
    {BYTES(POST " Host: a\r\n\r\n"), 400},
    {BYTES("POST /http-bind HTTP/1.1\nHost: a\r\n\r\n"), 400},
    {BYTES("POST /http-bind HTTP/1.0\n\n"), 400},
    {BYTES(POST "Host: a\n\r\n"), 400},
    {BYTES(POST HOST "X: a\nY: b\r\n\r\n"), 400},
    {BYTES(POST HOST "X: X\nTransfer-Encoding: chunked\r\n\r\n"), 400},
    {BYTES(POST HOST "X: a\r\n\n"), 400},
    {BYTES(POST HOST "X:\n\r\n"), 400},
    {BYTES(POST HOST "\n"), 400},
    {BYTES(POST HOST "X: a\n\r\n"), 400},
    {BYTES(POST HOST "X: a\rb\r\n\r\n"), 400},
    {BYTES(POST HOST "X: a\r\r\n\r\n"), 400},
    {BYTES(POST HOST "X: \x7f\r\n\r\n"), 400},
    {BYTES(POST HOST "X: \x01\r\n\r\n"), 400},
    {BYTES(POST HOST ": a\r\n\r\n"), 400},
    {BYTES(POST HOST "X\r\n\r\n"), 400},
    {BYTES(POST HOST "X(: a\r\n\r\n"), 400},
    {BYTES(POST HOST "X\xc3\xa4: a\r\n\r\n"), 400},
    {BYTES("\r\n\r\n\r\n\r\n\r\n" POST HOST "\r\n"), 400},
    {BYTES("\rPOST / HTTP/1.1\r\n"), 400},
    {BYTES("POST  / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("POST /  HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("POST / HTTP/1.1 \r\n" HOST "\r\n"), 400},
    {BYTES("POST\t/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES(" POST / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("P(ST / HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("POST /a\rb HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("POST /a\0b HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("POST /\xc3\xa4 HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("POST http-bind HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("POST * HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET ://a/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http:/a HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http:///http-bind HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http://?x HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http:// HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http://:80/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http://u@a/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http://u:p@a/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http://a:x/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http://[::1/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http://a\\b/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET http://a%zz/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET 1ttp://a/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET ht_tp://a/ HTTP/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET / http/1.1\r\n" HOST "\r\n"), 400},
    {BYTES("GET / HTTP/1.10\r\n" HOST "\r\n"), 400},
    {BYTES("GET / HTTP/1,1\r\n" HOST "\r\n"), 400},
    {BYTES("GET\r\n\r\n"), 400},
    {BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc"), 400}, /* TLS hello */
    {BYTES("GET /\r\n"), 505},                            /* HTTP/0.9 */
    {BYTES("GET / HTTP/2.0\r\n" HOST "\r\n"), 505},
    {BYTES("GET / HTTP/0.9\r\n\r\n"), 505},
    {BYTES("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505},
    {BYTES(POST HOST "Expect: tea\r\n\r\n"), 417},
    {BYTES(POST HOST "Expect: 100-continue, tea\r\n\r\n"), 417},
};

/* I13, I14, I17, I18 */
static void lines_of_wrong_form_are_refused(void **state)
{
    (void)state;
    check_rows(wrong_lines, COUNT_OF(wrong_lines));
}

/* A value of that length with the byte c at that place. */
static void check_value(size_t len, size_t at, unsigned char c)
{
    bool is_bad = (c < ' ' && c != '\t') || c == 0x7F;
    char text[128] = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    struct row row = {text, strlen(text), is_bad ? 400 : 0};

    memset(text + row.len, 'v', len);
    text[row.len + at] = (char)c;
    memcpy(text + row.len + len, "\r\n\r\n", 5);
    row.len += len + 4;
    check_whole(&row);
}

/* I14: wherever in a value of whatever length it stands, any control character
 * but a tab is at fault. */
static void no_control_character_hides_in_a_value(void **state)
{
    for (size_t len = 1; len < 40; len++) {
        for (size_t i = 0; i < len * 256; i++) {
            unsigned char c = (unsigned char)i;

            /* These end the line, and what is behind has no colon. */
            if (c != '\n' && (c != '\r' || i / 256 + 1 < len))
                check_value(len, i / 256, c);
        }
    }
}

static const struct {
    const char *host;
    bool is_valid;
} hosts[] = {
    {"a", true},
    {"a.example", true},
    {"a.example.", true},
    {"A_b-c.example:65535", true},
    {"a:", true}, /* RFC 3986 3.2.3: a port may be empty */
    {"a:0", true},
    {"a:00080", true},
    {"192.0.2.1:5280", true},
    {"[::1]", true},
    {"[2001:DB8::1]:443", true},
    {"[::ffff:192.0.2.1]:", true},
    {"xn--bcher-kva.example", true},
    {"b%C3%BCcher.example", true},
    {"!$&'()*+;=~", true},
    {"a:x", false},
    {"a:80x", false},
    {"a:-1", false},
    {"a:+1", false},
    {"a: 80", false},
    {"a:65536", false},
    {"a:99999999999999999999", false},
    {"a:80:80", false},
    {":", false},
    {":80", false},
    {"::1", false},
    {"a b", false},
    {"a\tb", false},
    {"a,b", false},
    {"a, b", false},
    {"a/b", false},
    {"a?b", false},
    {"a#b", false},
    {"u@a", false},
    {"u:p@a", false},
    {"a\\b", false},
    {"a\"b", false},
    {"<a>", false},
    {"a%", false},
    {"a%2", false},
    {"a%g0", false},
    {"caf\xc3\xa9", false},
    {"[]", false},
    {"[", false},
    {"[::1", false},
    {"::1]", false},
    {"[::1]x", false},
    {"[::1]]", false},
    {"[::1]:x", false},
    {"[[::1]]", false},
    {"[1.2.3.4]", false},
    {"[::g]", false},
    {"[1:2:3]", false},
    {"[fe80::1%eth0]", false},
    {"[fe80::1%25eth0]", false},
    {"[v1.a]", false},
    {"[1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb:cccc]", false},
    {"http://a", false},
};

/* I13, RFC 9110 4.2, 7.2: host[:port], and nothing else */
static void hosts_are_names_or_addresses_with_a_port(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(hosts); i++) {
        char text[256];
        struct row row = {text, 0, hosts[i].is_valid ? 0 : 400};

        row.len = (size_t)snprintf(text, sizeof(text), POST "Host: %s\r\n\r\n",
                                   hosts[i].host);
        check_whole(&row);
        row.len = (size_t)snprintf(text, sizeof(text),
                                   "GET / HTTP/1.0\r\nX: y\r\nhost:%s \r\n\r\n",
                                   hosts[i].host);
        check_whole(&row);
        if (strpbrk(hosts[i].host, "/?# \t") != NULL)
            continue; /* ends the authority, or the target */
        row.len = (size_t)snprintf(text, sizeof(text),
                                   "GET https://%s/ws HTTP/1.1\r\n" HOST "\r\n",
                                   hosts[i].host);
        check_cuts(&row);
        check_whole(&row);
    }
}

/* Q09; I14, I36: what real clients send */
static void lenient_clients_are_understood(void **state)
{
    static const struct row rows[] = {
        {BYTES(POST HOST "\r\n"), 0},
        {BYTES("\r\n\r\n" POST HOST "\r\n"), 0},
        {BYTES("\n" POST HOST "\r\n"), 0},
        {BYTES(POST "host: localhost:5222\r\n\r\n"), 0},
        {BYTES(POST "Host: [::1]:5280\r\n\r\n"), 0},
        {BYTES(POST "Host:\r\n\r\n"), 0},
        {BYTES(POST HOST "Content-Length: 3 \r\n\r\n"), 0},
        {BYTES(POST HOST "Content-Type: text/xml charset=utf-8\r\n\r\n"), 0},
        {BYTES(POST HOST "Content-Encoding: text/xml; charset=utf-8\r\n\r\n"),
         0},
        {BYTES(POST HOST "keep-alive: true\r\n\r\n"), 0},
        {BYTES(POST HOST "X: caf\xe9\r\n\r\n"), 0},
        {BYTES(POST HOST "X:\r\nY:\t a\tb \r\n\r\n"), 0},
        {BYTES("POST / HTTP/1.0\r\nConnection: close\r\n\r\n"), 0},
        {BYTES("POST / HTTP/1.0\r\nExpect: tea\r\n\r\n"), 0},
        {BYTES("BREW / HTTP/1.1\r\n" HOST "\r\n"), 0},
        {BYTES("CONNECT a:443 HTTP/1.1\r\n" HOST "\r\n"), 0},
    };

    (void)state;
    check_rows(rows, COUNT_OF(rows));
}

/* I01-I05, RFC 9112 3.2 */
static void the_path_is_found_in_every_form_of_target(void **state)
{
    static const struct {
        const char *line;
        enum http_method method;
        const char *path;
    } rows[] = {
        {"POST /http-bind", HTTP_POST, "/http-bind"},
        {"POST /http-bind/?a=b?c", HTTP_POST, "/http-bind/"},
        {"GET /?", HTTP_GET, "/"},
        {"GET /a%2e%2e/..;/x", HTTP_GET, "/a%2e%2e/..;/x"},
        {"GET http://a.example/ws?x", HTTP_GET, "/ws"},
        {"GET https://a.example:1", HTTP_GET, "/"},
        {"GET https://a.example?x", HTTP_GET, "/"},
        {"OPTIONS *", HTTP_OPTIONS, "*"},
        {"OPTIONS http://a.example", HTTP_OPTIONS, "*"},
        {"OPTIONS http://a.example/", HTTP_OPTIONS, "/"},
        {"HEAD /", HTTP_HEAD, "/"},
        {"PUT /x", HTTP_KNOWN, "/x"},
        {"CONNECT a.example:443", HTTP_KNOWN, "a.example:443"},
        {"get /x", HTTP_UNKNOWN, "/x"},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[256];
        struct http_head head;

        snprintf(text, sizeof(text), "%s HTTP/1.1\r\nHost: a\r\n\r\n",
                 rows[i].line);
        head = parsed(text);
        assert_int_equal(head.method, rows[i].method);
        if (!slice_is(head.path, rows[i].path))
            fail_msg("%s: path %.*s", text, (int)head.path.len, head.path.at);
    }
}

/* I17, I19 */
static void persistence_follows_version_and_connection(void **state)
{
    (void)state;
    assert_true(parsed("GET / HTTP/1.1\r\nHost: a\r\n\r\n").keep_alive);
    assert_true(parsed("GET / HTTP/1.9\r\nHost: a\r\n\r\n").keep_alive);
    assert_false(parsed("GET / HTTP/1.1\r\nHost: a\r\n"
                        "Connection: Upgrade , Close\r\n\r\n")
                     .keep_alive);
    assert_false(parsed("GET / HTTP/1.1\r\nHost: a\r\nConnection: x\r\n"
                        "connection: close\r\n\r\n")
                     .keep_alive);
    assert_false(parsed("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(
        parsed("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    assert_int_equal(parsed("GET / HTTP/1.0\r\n\r\n").minor, 0);
}

/* I10, I15, I16 */
static void framing_and_expectation_are_told(void **state)
{
    struct http_head head = parsed(POST HOST "Content-Length: 0007\r\n"
                                             "Expect: 100-Continue\r\n\r\n");

    (void)state;
    assert_true(head.has_length && !head.is_chunked);
    assert_int_equal(head.content_length, 7);
    assert_true(head.expects_continue);

    head = parsed(POST HOST "Content-Length: 18446744073709551615\r\n\r\n");
    assert_true(head.content_length == UINT64_MAX);
    head = parsed(POST HOST "transfer-encoding: Chunked\r\n\r\n");
    assert_true(head.is_chunked && !head.has_length);
    head = parsed(POST HOST "\r\n");
    assert_false(head.is_chunked || head.has_length || head.expects_continue);
    head = parsed("POST / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
    assert_false(head.expects_continue); /* I16: ignored from 1.0 */
}

/* I36, L13 */
static void heads_that_are_too_large_are_refused(void **state)
{
    static char text[HEAD_MAX + 64];
    struct http_head head;
    unsigned status = 0;
    size_t used;
    size_t len = strlen(POST HOST);

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, POST HOST "X: ", len + 3);
    assert_int_equal(parse(&head, text, HEAD_MAX - 1, &used, &status),
                     HTTP_MORE);
    assert_int_equal(parse(&head, text, HEAD_MAX, &used, &status), HTTP_WRONG);
    assert_int_equal(status, 431);
    memcpy(text + HEAD_MAX, "\r\n\r\n", 4); /* ends, but behind the limit */
    assert_int_equal(parse(&head, text, HEAD_MAX + 4, &used, &status),
                     HTTP_WRONG);
    assert_int_equal(status, 431);
    memcpy(text + HEAD_MAX - 4, "\r\n\r\n", 4); /* ends on it */
    assert_int_equal(parse(&head, text, HEAD_MAX, &used, &status), HTTP_DONE);
    assert_int_equal(used, HEAD_MAX);
}

/* I36 */
static void too_many_headers_are_refused(void **state)
{
    static char text[4096] = POST HOST;
    struct http_head head;
    unsigned status = 0;
    size_t used;
    size_t len = strlen(text);

    (void)state;
    for (int i = 1; i < HTTP_HEADERS_MAX; i++, len += 6)
        memcpy(text + len, "X: a\r\n", 6);
    memcpy(text + len, "\r\n", 2);
    assert_int_equal(parse(&head, text, len + 2, &used, &status), HTTP_DONE);
    assert_int_equal(head.n_headers, HTTP_HEADERS_MAX);
    memcpy(text + len, "Y: a\r\n\r\n", 8);
    assert_int_equal(parse(&head, text, len + 8, &used, &status), HTTP_WRONG);
    assert_int_equal(status, 431);
}

/* I10 */
static void long_targets_are_refused_before_they_end(void **state)
{
    static char text[HTTP_TARGET_MAX_BYTES + 64];
    struct http_head head;
    unsigned status = 0;
    size_t used;
    struct row row = {text, 0, 0};

    (void)state;
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    memcpy(text + 4 + HTTP_TARGET_MAX_BYTES, " HTTP/1.0\r\n\r\n", 13);
    row.len = 4 + HTTP_TARGET_MAX_BYTES + 13;
    check_cuts(&row);

    memset(text + 4 + HTTP_TARGET_MAX_BYTES, 'a', 13);
    memcpy(text + 5 + HTTP_TARGET_MAX_BYTES, " HTTP/1.0\r\n\r\n", 13);
    row.len++;
    row.status = 414;
    check_cuts(&row);
    memset(text + 5 + HTTP_TARGET_MAX_BYTES, 'a', 13);
    assert_int_equal(
        parse(&head, text, 5 + HTTP_TARGET_MAX_BYTES + 2, &used, &status),
        HTTP_WRONG);
    assert_int_equal(status, 414);
    /* A request line that fills the whole allowance is no header's fault. */
    assert_int_equal(http_parse_head(&head, text, 64, 64, &used, &status),
                     HTTP_WRONG);
    assert_int_equal(status, 414);
}

/* T52: an error's CORS headers need the Origin that came before it */
static void headers_before_an_error_are_kept(void **state)
{
    static const char text[] = POST HOST "Origin: https://a\r\nX : y\r\n\r\n";
    struct http_head head;
    unsigned status = 0;
    size_t used;
    size_t count;

    (void)state;
    assert_int_equal(
        http_parse_head(&head, text, strlen(text), HEAD_MAX, &used, &status),
        HTTP_WRONG);
    assert_true(slice_is(http_header(&head, "origin", &count), "https://a"));
    assert_int_equal(count, 1);
}

/* J01, J03: lists over several headers */
static void headers_and_lists_are_searched(void **state)
{
    struct http_head head =
        parsed("GET /ws HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, "
               "Upgrade\r\nSec-WebSocket-Protocol: foo\r\n"
               "Sec-WebSocket-Protocol: , XMPP ,\r\nEmpty:\r\n\r\n");
    size_t count;

    (void)state;
    assert_true(http_list_has(&head, "connection", "upgrade"));
    assert_false(http_list_has(&head, "connection", "keep"));
    assert_true(http_list_has(&head, "sec-websocket-protocol", "xmpp"));
    assert_false(http_list_has(&head, "sec-websocket-protocol", "xmp"));
    assert_false(http_list_has(&head, "upgrade", "websocket"));
    assert_true(
        slice_is(http_header(&head, "sec-websocket-protocol", &count), "foo"));
    assert_int_equal(count, 2);
    assert_null(http_header(&head, "upgrade", &count).at);
    assert_int_equal(count, 0);
    assert_non_null(http_header(&head, "empty", NULL).at);
    assert_true(http_name_is(SLICE("Host"), "host"));
    assert_false(http_name_is(SLICE("Hos"), "host"));
    assert_false(http_name_is(SLICE("Hosts"), "host"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(framing_that_two_readers_take_differently_is_refused),
        cmocka_unit_test(lines_of_wrong_form_are_refused),
        cmocka_unit_test(no_control_character_hides_in_a_value),
        cmocka_unit_test(hosts_are_names_or_addresses_with_a_port),
        cmocka_unit_test(lenient_clients_are_understood),
        cmocka_unit_test(the_path_is_found_in_every_form_of_target),
        cmocka_unit_test(persistence_follows_version_and_connection),
        cmocka_unit_test(framing_and_expectation_are_told),
        cmocka_unit_test(heads_that_are_too_large_are_refused),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(long_targets_are_refused_before_they_end),
        cmocka_unit_test(headers_before_an_error_are_kept),
        cmocka_unit_test(headers_and_lists_are_searched),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
