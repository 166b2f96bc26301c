#include "net/proxy_protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static enum proxy_verdict read_text(const char *text, struct proxy_info *info,
                                    size_t *used)
{
    return proxy_read(text, strlen(text), info, used);
}

/* In memory of exactly this size. */
static enum proxy_verdict read_exactly(const char *at, size_t len)
{
    char *copy = malloc(len > 0 ? len : 1);
    struct proxy_info info;
    size_t used = 0;
    enum proxy_verdict verdict;

    assert_non_null(copy);
    memcpy(copy, at, len);
    verdict = proxy_read(copy, len, &info, &used);
    free(copy);
    return verdict;
}

static struct addr ip(const char *text, uint16_t port)
{
    struct addr a;

    assert_int_equal(addr_parse_ip(&a, text, port), ERR_OK);
    return a;
}

/* A header of version 2 with so many bytes behind its head. */
static size_t make_v2(char *out, int version_command, int family,
                      const char *rest, size_t rest_len)
{
    memcpy(out, SIGNATURE, 12);
    out[12] = (char)version_command;
    out[13] = (char)family;
    out[14] = (char)(rest_len >> 8);
    out[15] = (char)(rest_len & 0xFF);
    memcpy(out + 16, rest, rest_len);
    return 16 + rest_len;
}

/* K54 */
static void lines_of_version_1_are_read(void **state)
{
    static const struct {
        const char *line;
        const char *source;
        const char *target;
    } good[] = {
        {"PROXY TCP4 192.0.2.1 198.51.100.2 40000 5280\r\n", "192.0.2.1:40000",
         "198.51.100.2:5280"},
        {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n",
         "255.255.255.255:65535", "255.255.255.255:65535"},
        {"PROXY TCP6 2001:db8::1 ::1 0 443\r\n", "[2001:db8::1]:0",
         "[::1]:443"},
        {"PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
         "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
         "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535"},
    };
    struct proxy_info info;
    size_t used;
    size_t i;

    for (i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(read_text(good[i].line, &info, &used), PROXY_OK);
        assert_int_equal(used, strlen(good[i].line));
        assert_false(info.is_local);
        assert_string_equal(addr_format(&info.source).text, good[i].source);
        assert_string_equal(addr_format(&info.target).text, good[i].target);
    }
}

/* K54: what follows the header belongs to the connection. */
static void nothing_behind_the_header_is_taken(void **state)
{
    static const char text[] = "PROXY UNKNOWN\r\nPOST / HTTP/1.1\r\n";
    char v2[64];
    struct proxy_info info;
    size_t used;
    size_t len = make_v2(v2, 0x20, 0, "abc", 3);

    assert_int_equal(read_text(text, &info, &used), PROXY_OK);
    assert_int_equal(used, 15);
    assert_true(info.is_local);
    assert_int_equal(info.source.len, 0);
    /* Whatever stands behind the word, even if it is nothing. */
    assert_int_equal(read_text("PROXY UNKNOWN \r\n", &info, &used), PROXY_OK);
    assert_int_equal(used, 16);
    assert_true(info.is_local);
    memcpy(v2 + len, "POST", 4);
    assert_int_equal(proxy_read(v2, len + 4, &info, &used), PROXY_OK);
    assert_int_equal(used, len);
    assert_true(info.is_local);
}

/* K54 */
static void malformed_lines_are_refused(void **state)
{
    static const char *const bad[] = {
        "GET / HTTP/1.1\r\n",
        "PROXY\r\n",
        "PROXY \r\n",
        "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY  TCP4 1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 \r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 123456\r\n",
        "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n",
        "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n",
        "PROXY TCP4 ::1 1.2.3.4 1 2\r\n",
        "PROXY TCP6 1.2.3.4 ::1 1 2\r\n",
        "PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
        "PROXY TCP5 ::1 ::1 1 2\r\n",
        "PROXY UNKNOWNS\r\n",
        "PROXY UNKNOWN\n",
        "PROXY UNKNOWN\r \n",
        "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n\r\n",
    };
    struct proxy_info info;
    size_t used;
    size_t i;

    for (i = 0; i < COUNT_OF(bad); i++)
        if (read_text(bad[i], &info, &used) != PROXY_INVALID)
            fail_msg("accepted: %s", bad[i]);
    assert_int_equal(read_exactly("PROXY TCP4 1.2.3.4\0 1.2.3.4 1 2\r\n", 33),
                     PROXY_INVALID);
}

/* K54: 107 bytes are the most that version 1 can need. */
static void a_line_may_have_107_bytes(void **state)
{
    char line[PROXY_V1_MAX_BYTES + 2];
    struct proxy_info info;
    size_t used;

    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    assert_int_equal(proxy_read(line, 106, &info, &used), PROXY_MORE);
    assert_int_equal(proxy_read(line, 107, &info, &used), PROXY_INVALID);
    line[106] = '\r';
    line[107] = '\n';
    assert_int_equal(proxy_read(line, 108, &info, &used), PROXY_INVALID);
    line[105] = '\r';
    line[106] = '\n';
    assert_int_equal(proxy_read(line, 108, &info, &used), PROXY_OK);
    assert_int_equal(used, 107);
}

/* K54 */
static void headers_of_version_2_are_read(void **state)
{
    static const char ip4[] = "\xC0\0\2\1\xC6\x33\x64\2\x9C\x40\x14\xA0T\0\1x";
    static const char ip6[] = "\x20\1\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\1"
                              "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\1\0\1\1\xBB";
    char path[216] = "/run/client";
    char v2[512];
    struct proxy_info info;
    size_t used;
    size_t len = make_v2(v2, 0x21, 0x11, ip4, 12);

    assert_int_equal(proxy_read(v2, len, &info, &used), PROXY_OK);
    assert_int_equal(used, 28);
    assert_string_equal(addr_format(&info.source).text, "192.0.2.1:40000");
    assert_string_equal(addr_format(&info.target).text, "198.51.100.2:5280");

    len = make_v2(v2, 0x21, 0x11, ip4, 16); /* an extension */
    assert_int_equal(proxy_read(v2, len, &info, &used), PROXY_OK);
    assert_int_equal(used, 32);
    for (size_t i = 13; i < 16; i++) { /* one that is cut off */
        len = make_v2(v2, 0x21, 0x11, ip4, i);
        assert_int_equal(proxy_read(v2, len, &info, &used), PROXY_INVALID);
    }

    len = make_v2(v2, 0x21, 0x21, ip6, 36);
    assert_int_equal(proxy_read(v2, len, &info, &used), PROXY_OK);
    assert_string_equal(addr_format(&info.source).text, "[2001:db8::1]:1");
    assert_string_equal(addr_format(&info.target).text, "[::1]:443");

    len = make_v2(v2, 0x21, 0x31, path, sizeof(path));
    assert_int_equal(proxy_read(v2, len, &info, &used), PROXY_OK);
    assert_false(info.is_local);
    assert_string_equal(addr_format(&info.source).text, "unix:/run/client");
    assert_string_equal(addr_format(&info.target).text, "unix:");

    len = make_v2(v2, 0x21, 0x00, "whatever", 8);
    assert_int_equal(proxy_read(v2, len, &info, &used), PROXY_OK);
    assert_true(info.is_local);
    assert_int_equal(used, 24);
}

/* K54: a path is printed in the log. */
static void a_path_cannot_forge_lines_of_the_log(void **state)
{
    char paths[216] = "/run/a\nerror: b";
    char v2[512];
    struct proxy_info info;
    size_t used;
    size_t len;

    memset(paths + 108, 'y', 108); /* without NUL: the longest there is */
    len = make_v2(v2, 0x21, 0x31, paths, sizeof(paths));
    assert_int_equal(proxy_read(v2, len, &info, &used), PROXY_OK);
    assert_string_equal(addr_format(&info.source).text, "unix:");
    assert_int_equal(strlen(addr_format(&info.target).text), 5 + 107);
}

/* K54 */
static void malformed_headers_of_version_2_are_refused(void **state)
{
    static const struct {
        int version_command;
        int family;
        size_t len;
    } bad[] = {
        {0x11, 0x11, 12},                   /* version */
        {0x31, 0x11, 12}, {0x22, 0x11, 12}, /* command */
        {0x21, 0x12, 12},                   /* datagrams */
        {0x21, 0x10, 12}, {0x21, 0x01, 12},   {0x21, 0x41, 216},
        {0x21, 0x11, 11}, {0x21, 0x21, 35},   {0x21, 0x31, 215},
        {0x21, 0x11, 0},  {0x21, 0x00, 4081}, {0x20, 0x00, 65535},
    };
    static char zeros[65535];
    static char v2[65535 + 16];
    struct proxy_info info;
    size_t used;
    size_t i;

    for (i = 0; i < COUNT_OF(bad); i++) {
        size_t len = make_v2(v2, bad[i].version_command, bad[i].family, zeros,
                             bad[i].len);

        if (proxy_read(v2, len, &info, &used) != PROXY_INVALID)
            fail_msg("accepted: %x %x %zu", (unsigned)bad[i].version_command,
                     (unsigned)bad[i].family, bad[i].len);
    }
    /* The length alone tells: nobody waits for 64 KB. */
    assert_int_equal(proxy_read(v2, 16, &info, &used), PROXY_INVALID);
    i = make_v2(v2, 0x21, 0x11, zeros, PROXY_V2_MAX_BYTES - 16);
    assert_int_equal(proxy_read(v2, i, &info, &used), PROXY_OK);
    assert_int_equal(used, PROXY_V2_MAX_BYTES);
}

/* K54: a header may come byte by byte; what is none is refused at once. */
static void each_prefix_of_a_header_asks_for_more(void **state)
{
    static const char line[] =
        "PROXY TCP6 2001:db8::1 2001:db8::2 40000 5280\r\n";
    struct addr from = ip("192.0.2.1", 40000);
    struct addr to = ip("198.51.100.2", 5280);
    char v2[PROXY_WRITE_BYTES];
    size_t v2_len = proxy_write_v2(v2, &from, &to);
    size_t i;

    for (i = 0; i < sizeof(line) - 1; i++)
        assert_int_equal(read_exactly(line, i), PROXY_MORE);
    assert_int_equal(read_exactly(line, i), PROXY_OK);
    for (i = 0; i < v2_len; i++)
        assert_int_equal(read_exactly(v2, i), PROXY_MORE);
    assert_int_equal(read_exactly(v2, i), PROXY_OK);

    assert_int_equal(read_exactly("G", 1), PROXY_INVALID);
    assert_int_equal(read_exactly("PROXz", 5), PROXY_INVALID);
    assert_int_equal(read_exactly("\r\n\r\n\1", 5), PROXY_INVALID);
    assert_int_equal(read_exactly(SIGNATURE "\x31", 13), PROXY_INVALID);
}

static void assert_v1(const struct addr *from, const struct addr *to,
                      const char *expected)
{
    char out[PROXY_WRITE_BYTES];
    size_t len = proxy_write_v1(out, from, to);

    assert_int_equal(len, strlen(expected));
    assert_memory_equal(out, expected, len);
}

/* K54 */
static void version_1_is_written(void **state)
{
    struct addr four = ip("192.0.2.1", 40000);
    struct addr other = ip("198.51.100.2", 5222);
    struct addr six = ip("2001:db8::1", 0);
    struct addr longest = ip("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", 65535);
    struct addr path;

    addr_of_path(&path, "/run/doab/sock");
    assert_v1(&four, &other,
              "PROXY TCP4 192.0.2.1 198.51.100.2 40000 5222\r\n");
    assert_v1(&six, &other,
              "PROXY TCP6 2001:db8::1 ::ffff:198.51.100.2 0 5222\r\n");
    assert_v1(&four, &six,
              "PROXY TCP6 ::ffff:192.0.2.1 2001:db8::1 40000 0\r\n");
    assert_v1(&longest, &longest,
              "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
              "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n");
    assert_v1(NULL, &other, "PROXY UNKNOWN\r\n");
    assert_v1(&path, &other, "PROXY UNKNOWN\r\n");
}

static void assert_v2(const struct addr *from, const struct addr *to,
                      const char *rest, size_t rest_len)
{
    char out[PROXY_WRITE_BYTES];
    size_t len = proxy_write_v2(out, from, to);

    assert_int_equal(len, 12 + rest_len);
    assert_memory_equal(out, SIGNATURE, 12);
    assert_memory_equal(out + 12, rest, rest_len);
}

/* K54 */
static void version_2_is_written(void **state)
{
    struct addr four = ip("192.0.2.1", 40000);
    struct addr other = ip("198.51.100.2", 5222);
    struct addr six = ip("2001:db8::1", 258);
    struct addr path;

    addr_of_path(&path, "/run/doab/sock");
    assert_v2(&four, &other,
              "\x21\x11\0\x0C\xC0\0\2\1\xC6\x33\x64\2\x9C\x40\x14\x66", 16);
    assert_v2(&six, &other,
              "\x21\x21\0\x24"
              "\x20\1\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\1"
              "\0\0\0\0\0\0\0\0\0\0\xFF\xFF\xC6\x33\x64\2\1\2\x14\x66",
              40);
    assert_v2(NULL, &other, "\x20\0\0\0", 4);
    assert_v2(&path, &other, "\x20\0\0\0", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_version_1_are_read),
        cmocka_unit_test(nothing_behind_the_header_is_taken),
        cmocka_unit_test(malformed_lines_are_refused),
        cmocka_unit_test(a_line_may_have_107_bytes),
        cmocka_unit_test(headers_of_version_2_are_read),
        cmocka_unit_test(a_path_cannot_forge_lines_of_the_log),
        cmocka_unit_test(malformed_headers_of_version_2_are_refused),
        cmocka_unit_test(each_prefix_of_a_header_asks_for_more),
        cmocka_unit_test(version_1_is_written),
        cmocka_unit_test(version_2_is_written),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
