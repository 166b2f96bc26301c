#include "net/addr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void listening_addresses_are_parsed_and_printed(void **state)
{
    static const char *const texts[] = {
        "127.0.0.1:5280",      "0.0.0.0:0",           "[::1]:5280",
        "[2001:db8::1]:65535", "unix:/run/doab/sock",
    };
    struct addr a;
    const char *why;
    size_t i;

    for (i = 0; i < COUNT_OF(texts); i++) {
        assert_int_equal(addr_parse(&a, texts[i], &why), ERR_OK);
        assert_string_equal(addr_format(&a).text, texts[i]);
    }
    assert_int_equal(addr_parse(&a, "[::1]:80", &why), ERR_OK);
    assert_string_equal(addr_format_host(&a).text, "::1");
    assert_int_equal(addr_port(&a), 80);
    addr_set_port(&a, 443);
    assert_string_equal(addr_format(&a).text, "[::1]:443");
}

static void other_listening_addresses_are_refused(void **state)
{
    static const char *const texts[] = {
        "",
        ":",
        ":80",
        "127.0.0.1",
        "127.0.0.1:",
        "127.0.0.1:65536",
        "127.0.0.1:+1",
        "127.0.0.1:1 ",
        "127.0.0.1:123456",
        "127.1:80",
        "localhost:80",
        "::1:80",
        "[::1]",
        "[::1]80",
        "[::1:80",
        "[]:80",
        "]:8",
        "[127.0.0.1]:80",
        "[:80",
        "unix:",
        "unix:relative",
        "[fe80::1%lo]:80",
    };
    struct addr a;
    char path[200];
    const char *why;
    size_t i;

    for (i = 0; i < COUNT_OF(texts); i++) {
        why = NULL;
        assert_int_equal(addr_parse(&a, texts[i], &why), ERR_INVALID);
        assert_non_null(why);
    }
    snprintf(path, sizeof(path), "unix:/%0107d", 0);
    assert_int_equal(addr_parse(&a, path, &why), ERR_INVALID);
    snprintf(path, sizeof(path), "unix:/%0106d", 0);
    assert_int_equal(addr_parse(&a, path, &why), ERR_OK);
    assert_string_equal(addr_format(&a).text, path);
}

static void host_and_port_are_split(void **state)
{
    static const struct {
        const char *text;
        const char *host;
        unsigned port;
    } good[] = {
        {"example.org:5222", "example.org", 5222},
        {"example.org", "example.org", 5269},
        {"192.0.2.1:1", "192.0.2.1", 1},
        {"[2001:db8::1]:5222", "2001:db8::1", 5222},
        {"[2001:db8::1]", "2001:db8::1", 5269},
        {"2001:db8::1", "2001:db8::1", 5269},
    };
    static const char *const bad[] = {
        "",
        ":5222",
        "example.org:",
        "example.org:0",
        "example.org:65536",
        "example.org:5222:1",
        "[2001:db8::1",
        "[2001:db8::1]x",
        "[example]:1",
        "[]",
        "a b:1",
        "a/b:1",
        "user@host:1",
        "host:-1",
        "host:1x",
    };
    char host[64];
    uint16_t port;
    size_t i;

    for (i = 0; i < COUNT_OF(good); i++) {
        assert_int_equal(
            addr_split(good[i].text, host, sizeof(host), &port, 5269), ERR_OK);
        assert_string_equal(host, good[i].host);
        assert_int_equal(port, good[i].port);
    }
    for (i = 0; i < COUNT_OF(bad); i++)
        assert_int_equal(addr_split(bad[i], host, sizeof(host), &port, 1),
                         ERR_INVALID);
    assert_int_equal(addr_split("abcd", host, 4, &port, 1), ERR_INVALID);
    assert_int_equal(addr_split("abc", host, 4, &port, 1), ERR_OK);
}

/* L50 */
static const char *const closed[] = {
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.255",
    "127.0.0.1",
    "127.255.255.255",
    "169.254.169.254",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "::8.8.8.8",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::1",
    "2a00::5efe:192.168.0.1",
    "2a00::200:5efe:7f00:1",
    "fec0::1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:7f00:1::1",
    "2002:a00:1::1",
    "2002:c0a8:101::",
    "3fff::1",
    "3fff:fff::1",
    "fc00::1",
    "fd12::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "4000::1",
    "5f00::1",
};
static const char *const open_to_all[] = {
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.1",
    "169.253.1.1",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.1",
    "192.167.1.1",
    "192.169.1.1",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2001:4860:4860::8888",
    "2606:4700::1111",
    "2a00::1",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "2002:808:808::1",
    "3fff:1000::1",
    "2a00::5efe:8.8.8.8",
};

static void only_global_unicast_is_public(void **state)
{
    struct addr a;
    size_t i;

    for (i = 0; i < COUNT_OF(closed); i++) {
        assert_int_equal(addr_parse_ip(&a, closed[i], 5222), ERR_OK);
        if (addr_is_public(&a))
            fail_msg("%s is taken for public", closed[i]);
    }
    for (i = 0; i < COUNT_OF(open_to_all); i++) {
        assert_int_equal(addr_parse_ip(&a, open_to_all[i], 5222), ERR_OK);
        if (!addr_is_public(&a))
            fail_msg("%s is not taken for public", open_to_all[i]);
    }
    assert_int_equal(addr_parse(&a, "unix:/x", &(const char *){NULL}), ERR_OK);
    assert_false(addr_is_public(&a));
}

static void literals_are_strict(void **state)
{
    struct addr a;

    assert_true(addr_is_ip_literal("192.0.2.1"));
    assert_true(addr_is_ip_literal("::"));
    assert_false(addr_is_ip_literal("192.0.2"));
    assert_false(addr_is_ip_literal("0x7f.1"));
    assert_false(addr_is_ip_literal("2130706433"));
    assert_false(addr_is_ip_literal("[::1]"));
    assert_false(addr_is_ip_literal("example.org"));
    assert_false(addr_is_ip_literal(""));
    assert_int_equal(addr_parse_ip(&a, "x", 1), ERR_INVALID);
}

static void sockets_know_their_addresses(void **state)
{
    struct addr a;
    const char *why;
    int fds[2];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(addr_parse(&a, "127.0.0.1:0", &why), ERR_OK);
    assert_int_equal(bind(fd, (struct sockaddr *)&a.storage, a.len), 0);
    assert_int_equal(addr_of_local(&a, fd), ERR_OK);
    assert_true(addr_port(&a) > 0);
    assert_string_equal(addr_format_host(&a).text, "127.0.0.1");
    assert_int_equal(addr_of_peer(&a, fd), ERR_SYSTEM);
    close(fd);

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(addr_of_peer(&a, fds[0]), ERR_OK);
    assert_string_equal(addr_format(&a).text, "unix:");
    close(fds[0]);
    close(fds[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(listening_addresses_are_parsed_and_printed),
        cmocka_unit_test(other_listening_addresses_are_refused),
        cmocka_unit_test(host_and_port_are_split),
        cmocka_unit_test(only_global_unicast_is_public),
        cmocka_unit_test(literals_are_strict),
        cmocka_unit_test(sockets_know_their_addresses),
    };

    return cmocka_run_group_tests_name("addr", tests, NULL, NULL);
}
