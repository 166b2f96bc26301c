/* Who is behind a proxy. */
#include "front/forwarded.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define MINE "127.0.0.1" /* trusted, as is 10.0.0.0/8 and 2001:db8:f::/48 */
#define XFF  "X-Forwarded-For: "
#define XFP  "X-Forwarded-Proto: "
#define FWD  "Forwarded: "

struct row {
    const char *lines;
    const char *client;
    bool is_tls;
};

static struct forwarded read_lines(enum forwarded_header header,
                                   const char *peer, bool is_tls,
                                   const char *lines)
{
    struct forwarded_rules rules = {.n_trusted = 3, .header = header};
    struct addr_net trusted[3];
    struct forwarded out;
    struct http_head head;
    struct addr a;
    char text[2048];
    unsigned status;
    size_t used;

    assert_int_equal(addr_net_parse(&trusted[0], MINE), ERR_OK);
    assert_int_equal(addr_net_parse(&trusted[1], "10.0.0.0/8"), ERR_OK);
    assert_int_equal(addr_net_parse(&trusted[2], "2001:db8:f::/48"), ERR_OK);
    rules.trusted = trusted;
    assert_int_equal(addr_parse_ip(&a, peer, 999), ERR_OK);
    snprintf(text, sizeof(text), "GET / HTTP/1.0\r\n%s\r\n", lines);
    assert_int_equal(
        http_parse_head(&head, text, strlen(text), 4096, &used, &status),
        HTTP_DONE);
    forwarded_read(&out, &rules, &head, &a, is_tls);
    return out;
}

static void check(enum forwarded_header header, const struct row *rows,
                  size_t n)
{
    for (size_t i = 0; i < n; i++) {
        struct forwarded f = read_lines(header, MINE, false, rows[i].lines);

        assert_string_equal(addr_format_host(&f.client).text, rows[i].client);
        assert_int_equal(f.is_tls, rows[i].is_tls);
    }
}

/* L04 */
static void the_nearest_stranger_is_the_client(void **state)
{
    static const struct row rows[] = {
        {"", MINE, false},
        {XFF "192.0.2.1\r\n", "192.0.2.1", false},
        {XFF "198.51.100.9, 192.0.2.1\r\n", "192.0.2.1", false},
        {XFF "198.51.100.9\r\n" XFF "192.0.2.1\r\n", "192.0.2.1", false},
        {XFF "192.0.2.1, 10.1.2.3\r\n", "192.0.2.1", false},
        {XFF "192.0.2.1,10.1.2.3 , 10.4.5.6\r\n", "192.0.2.1", false},
        {XFF "10.9.9.9, 10.1.2.3\r\n", "10.9.9.9", false},
        {XFF "2001:db8::7\r\n", "2001:db8::7", false},
        {XFF "[2001:db8::7]:4711, 2001:db8:f::1\r\n", "2001:db8::7", false},
        {XFF "192.0.2.1:4711\r\n", "192.0.2.1", false},
        {XFF "::ffff:192.0.2.1\r\n", "192.0.2.1", false},
        {XFF ", ,192.0.2.1,,\r\n", "192.0.2.1", false},
        {XFF "192.0.2.1\r\n" FWD "for=203.0.113.1\r\n", "192.0.2.1", false},
    };

    check(FORWARDED_X, rows, COUNT_OF(rows));
}

/* L04 */
static void what_is_no_address_hides_what_is_behind_it(void **state)
{
    static const struct row rows[] = {
        {XFF "unknown\r\n", MINE, false},
        {XFF "192.0.2.1, unknown\r\n", MINE, false},
        {XFF "192.0.2.1, unknown, 10.1.2.3\r\n", "10.1.2.3", false},
        {XFF "unknown, 192.0.2.1\r\n", "192.0.2.1", false},
        {XFF "192.0.2.1/24\r\n", MINE, false},
        {XFF "example.org\r\n", MINE, false},
        {XFF "192.0.2.1:99999\r\n", MINE, false},
        {XFF "1111111111111111111111111111111111111111111111111111111111111111"
             "\r\n",
         MINE, false},
        {XFF "\r\n", MINE, false},
    };

    check(FORWARDED_X, rows, COUNT_OF(rows));
}

/* L04 */
static void encryption_is_believed_when_every_proxy_says_so(void **state)
{
    static const struct row rows[] = {
        {XFP "https\r\n", MINE, true},
        {XFP "HTTPS\r\n", MINE, true},
        {XFP "wss\r\n", MINE, true},
        {XFP "http\r\n", MINE, false},
        {XFP "https, http\r\n", MINE, false},
        {XFP "https\r\n" XFP "http\r\n", MINE, false},
        {XFP "https,https\r\n", MINE, true},
        {XFP "https,\r\n", MINE, false},
        {XFP "\r\n", MINE, false},
        {XFP "httpsx\r\n", MINE, false},
        {XFF "192.0.2.1\r\n" XFP "https\r\n", "192.0.2.1", true},
        {XFF "unknown\r\n" XFP "https\r\n", MINE, true},
        {FWD "for=192.0.2.1;proto=https\r\n", MINE, false},
    };
    struct forwarded f;

    check(FORWARDED_X, rows, COUNT_OF(rows));
    f = read_lines(FORWARDED_X, MINE, true, "");
    assert_true(f.is_tls);
    f = read_lines(FORWARDED_X, MINE, true, XFP "http\r\n");
    assert_false(f.is_tls);
}

/* L04 */
static void forwarded_is_read_as_rfc_7239_writes_it(void **state)
{
    static const struct row rows[] = {
        {FWD "for=192.0.2.1\r\n", "192.0.2.1", false},
        {FWD "For=\"[2001:db8::7]:4711\"\r\n", "2001:db8::7", false},
        {FWD "for=192.0.2.1;proto=https;by=203.0.113.43\r\n", "192.0.2.1",
         true},
        {FWD "proto=https ; for=192.0.2.1\r\n", "192.0.2.1", true},
        {FWD "for=192.0.2.1;proto=http, for=10.0.0.1;proto=https\r\n",
         "192.0.2.1", false},
        {FWD "for=192.0.2.1;proto=https\r\n" FWD "for=10.0.0.1;proto=http\r\n",
         "192.0.2.1", true},
        {FWD "for=198.51.100.9, for=192.0.2.1\r\n", "192.0.2.1", false},
        {FWD "for=\"a,b;c\", for=192.0.2.1\r\n", "192.0.2.1", false},
        {FWD "for=192.0.2.1, for=_hidden\r\n", MINE, false},
        {FWD "for=192.0.2.1, for=unknown, for=10.0.0.1\r\n", "10.0.0.1", false},
        {FWD "for=192.0.2.1, by=10.0.0.1\r\n", MINE, false},
        {FWD "for=\"192.0.2\\.1\"\r\n", MINE, false},
        {FWD ", for=192.0.2.1 ,\r\n", "192.0.2.1", false},
        {XFF "203.0.113.1\r\n" XFP "https\r\n", MINE, false},
    };

    check(FORWARDED_7239, rows, COUNT_OF(rows));
}

static void a_malformed_forwarded_says_nothing(void **state)
{
    static const struct row rows[] = {
        {FWD "for=192.0.2.1, for=\"10.0.0.1\r\n", MINE, false},
        {FWD "for=192.0.2.1;proto=https;\"x\"\r\n", MINE, false},
        {FWD "for=192.0.2.1 proto=https\r\n", MINE, false},
        {FWD "for=192.0.2.1;proto\r\n", MINE, false},
        {FWD "for=192.0.2.1;=https\r\n", MINE, false},
        {FWD "for=2001:db8::7\r\n", MINE, false},
        {FWD "for=\"192.0.2.1\\\r\n", MINE, false},
        {FWD "for=\r\n", MINE, false},
        {FWD "\r\n", MINE, false},
    };

    check(FORWARDED_7239, rows, COUNT_OF(rows));
}

/* L04 */
static void strangers_and_other_headers_are_not_believed(void **state)
{
    static const char lines[] =
        XFF "192.0.2.1\r\n" XFP "https\r\n" FWD "for=192.0.2.1;proto=https\r\n";
    struct forwarded f = read_lines(FORWARDED_X, "127.0.0.2", false, lines);

    assert_string_equal(addr_format(&f.client).text, "127.0.0.2:999");
    assert_false(f.is_tls);
    f = read_lines(FORWARDED_7239, "2001:db8:e::1", false, lines);
    assert_string_equal(addr_format_host(&f.client).text, "2001:db8:e::1");
    f = read_lines(FORWARDED_NONE, MINE, false, lines);
    assert_string_equal(addr_format_host(&f.client).text, MINE);
    assert_false(f.is_tls);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_nearest_stranger_is_the_client),
        cmocka_unit_test(what_is_no_address_hides_what_is_behind_it),
        cmocka_unit_test(encryption_is_believed_when_every_proxy_says_so),
        cmocka_unit_test(forwarded_is_read_as_rfc_7239_writes_it),
        cmocka_unit_test(a_malformed_forwarded_says_nothing),
        cmocka_unit_test(strangers_and_other_headers_are_not_believed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
