#include "net/addr_net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool has(const char *net, const char *ip)
{
    struct addr_net n;
    struct addr a;

    assert_int_equal(addr_net_parse(&n, net), ERR_OK);
    assert_int_equal(addr_parse_ip(&a, ip, 1234), ERR_OK);
    return addr_net_has(&n, &a);
}

/* L04 */
static void a_network_has_its_addresses(void **state)
{
    static const struct {
        const char *net;
        const char *ip;
        bool has;
    } rows[] = {
        {"192.0.2.0/24", "192.0.2.0", true},
        {"192.0.2.0/24", "192.0.2.255", true},
        {"192.0.2.0/24", "192.0.3.0", false},
        {"192.0.2.128/25", "192.0.2.127", false},
        {"192.0.2.128/25", "192.0.2.129", true},
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.3", false},
        {"192.0.2.1", "::ffff:192.0.2.1", true},
        {"::ffff:192.0.2.0/120", "192.0.2.77", true},
        {"0.0.0.0/0", "203.0.113.9", true},
        {"0.0.0.0/0", "2001:db8::1", false},
        {"::/0", "2001:db8::1", true},
        {"::/0", "127.0.0.1", false},
        {"::/0", "::ffff:127.0.0.1", false},
        {"::/0", "::fffe:203.0.113.9", true},
        {"::/95", "203.0.113.9", false},
        {"::ffff:0:0/96", "203.0.113.9", true},
        {"2001:db8::/33", "2001:db8:7fff::1", true},
        {"2001:db8::/33", "2001:db8:8000::1", false},
        {"::1", "::1", true},
        {"::1", "127.0.0.1", false},
        {"unix:", "127.0.0.1", false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(has(rows[i].net, rows[i].ip), rows[i].has);
}

static void unix_peers_have_a_network_of_their_own(void **state)
{
    struct addr a = {.len = sizeof(sa_family_t)};
    struct addr_net nets[2];

    a.storage.ss_family = AF_UNIX;
    assert_int_equal(addr_net_parse(&nets[0], "::/0"), ERR_OK);
    assert_int_equal(addr_net_parse(&nets[1], "unix:"), ERR_OK);
    assert_false(addr_net_list_has(nets, 1, &a));
    assert_true(addr_net_list_has(nets, 2, &a));
    assert_false(addr_net_list_has(nets, 0, &a));
}

static void what_is_no_network_is_refused(void **state)
{
    static const char *const texts[] = {
        "",
        "/",
        "/24",
        "192.0.2.0/",
        "192.0.2.0/33",
        "192.0.2.0/-1",
        "192.0.2.0/024x",
        "192.0.2.0/ 24",
        "192.0.2.0/0024",
        "192.0.2.1/24",
        "192.0.2",
        "192.0.2.0/255.255.255.0",
        "2001:db8::/129",
        "2001:db8::1/64",
        "[2001:db8::]/64",
        "example.org",
        "*",
        "unix:/run/x",
        "2001:0db8:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0000",
    };
    struct addr_net n;

    for (size_t i = 0; i < COUNT_OF(texts); i++)
        assert_int_equal(addr_net_parse(&n, texts[i]), ERR_INVALID);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_network_has_its_addresses),
        cmocka_unit_test(unix_peers_have_a_network_of_their_own),
        cmocka_unit_test(what_is_no_network_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
