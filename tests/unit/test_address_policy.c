#include "upstream/address_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct addr ip(const char *text, uint16_t port)
{
    struct addr a;

    assert_int_equal(addr_parse_ip(&a, text, port), ERR_OK);
    return a;
}

static const char *ask(const struct address_policy *r, const char *text,
                       uint16_t port, enum address_policy_trust trust)
{
    struct addr a = ip(text, port);
    const char *why = address_policy_refusal(r, &a, trust);

    return why == NULL ? "-" : why;
}

/* L50 */
static void strangers_reach_public_addresses_on_three_ports(void **state)
{
    static const struct address_policy none;

    assert_string_equal(ask(NULL, "9.9.9.9", 5222, ADDRESS_POLICY_STRANGER),
                        "-");
    assert_string_equal(ask(&none, "2620:fe::9", 443, ADDRESS_POLICY_STRANGER),
                        "-");
    assert_string_equal(ask(&none, "9.9.9.9", 22, ADDRESS_POLICY_STRANGER),
                        "the port");
    assert_string_equal(ask(NULL, "9.9.9.9", 0, ADDRESS_POLICY_STRANGER),
                        "the port");
    assert_string_equal(ask(NULL, "10.0.0.1", 5222, ADDRESS_POLICY_STRANGER),
                        "a private address");
    assert_string_equal(
        ask(NULL, "169.254.169.254", 5222, ADDRESS_POLICY_STRANGER),
        "no public address");
}

/* L50 */
static void what_is_private_may_be_allowed_for_a_domain(void **state)
{
    static const char *const good[] = {
        "127.0.0.1",   "10.1.2.3", "172.16.0.1", "172.31.255.255",
        "192.168.1.1", "::1",      "fd00::1",    "100.64.0.1",
    };
    static const char *const bad[] = {
        "0.0.0.0",           "0.1.2.3",
        "169.254.169.254",   "224.0.0.1",
        "255.255.255.255",   "::",
        "fe80::1",           "fec0::1",
        "ff02::1",           "::ffff:10.0.0.1",
        "64:ff9b::10.0.0.1", "2002:a00:1::1",
        "2001:db8::1",       "2a00::5efe:10.0.0.1",
    };

    for (size_t i = 0; i < COUNT_OF(good); i++)
        if (strcmp(ask(NULL, good[i], 5222, ADDRESS_POLICY_PRIVATE), "-") != 0)
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        if (strcmp(ask(NULL, bad[i], 5222, ADDRESS_POLICY_PRIVATE), "-") == 0)
            fail_msg("allowed: %s", bad[i]);
    assert_string_equal(ask(NULL, "10.0.0.1", 22, ADDRESS_POLICY_PRIVATE),
                        "the port");
}

/* K09: what the operator writes is meant */
static void a_route_may_lead_anywhere(void **state)
{
    struct addr own = ip("127.0.0.1", 5222);
    struct addr_net net;
    struct address_policy r = {
        .listeners = &own,
        .n_listeners = 1,
        .forbidden = &net,
        .n_forbidden = 1,
    };

    assert_int_equal(addr_net_parse(&net, "127.0.0.0/8"), ERR_OK);
    assert_string_equal(ask(&r, "127.0.0.1", 5222, ADDRESS_POLICY_ROUTE), "-");
    assert_string_equal(ask(&r, "169.254.1.1", 7, ADDRESS_POLICY_ROUTE), "-");
}

/* L50: in every notation, since the packets arrive there all the same */
static void our_own_listeners_are_refused(void **state)
{
    struct addr own[] = {ip("9.9.9.9", 443), ip("2620:fe::9", 5222),
                         ip("10.0.0.1", 5222)};
    struct address_policy r = {.listeners = own, .n_listeners = COUNT_OF(own)};

    assert_string_equal(ask(&r, "9.9.9.9", 443, ADDRESS_POLICY_STRANGER),
                        "our own listener");
    assert_string_equal(ask(&r, "9.9.9.9", 5222, ADDRESS_POLICY_STRANGER), "-");
    assert_string_equal(ask(&r, "9.9.9.8", 443, ADDRESS_POLICY_STRANGER), "-");
    assert_string_equal(ask(&r, "::ffff:9.9.9.9", 443, ADDRESS_POLICY_STRANGER),
                        "our own listener");
    assert_string_equal(
        ask(&r, "64:ff9b::9.9.9.9", 443, ADDRESS_POLICY_STRANGER),
        "our own listener");
    assert_string_equal(
        ask(&r, "2002:909:909::1", 443, ADDRESS_POLICY_STRANGER),
        "our own listener");
    assert_string_equal(ask(&r, "2620:fe::9", 5222, ADDRESS_POLICY_STRANGER),
                        "our own listener");
    assert_string_equal(ask(&r, "10.0.0.1", 5222, ADDRESS_POLICY_PRIVATE),
                        "our own listener");
}

/* L50: 0.0.0.0 is every address of this machine */
static void a_listener_on_any_address_is_on_all_of_ours(void **state)
{
    struct addr own = ip("0.0.0.0", 5222);
    struct address_policy r = {.listeners = &own, .n_listeners = 1};

    assert_string_equal(ask(&r, "127.0.0.1", 5222, ADDRESS_POLICY_PRIVATE),
                        "our own listener");
    assert_string_equal(ask(&r, "127.0.0.1", 5223, ADDRESS_POLICY_PRIVATE),
                        "-");
    assert_string_equal(ask(&r, "9.9.9.9", 5222, ADDRESS_POLICY_STRANGER), "-");
    own = ip("::", 5222);
    assert_string_equal(ask(&r, "127.0.0.1", 5222, ADDRESS_POLICY_PRIVATE),
                        "our own listener");
}

/* L50 */
static void networks_can_be_forbidden(void **state)
{
    struct addr_net nets[2];
    struct address_policy r = {.forbidden = nets, .n_forbidden = 2};

    assert_int_equal(addr_net_parse(&nets[0], "9.9.9.0/24"), ERR_OK);
    assert_int_equal(addr_net_parse(&nets[1], "2620:fe::/48"), ERR_OK);
    assert_string_equal(ask(&r, "9.9.9.9", 5222, ADDRESS_POLICY_STRANGER),
                        "a forbidden network");
    assert_string_equal(ask(&r, "9.9.8.9", 5222, ADDRESS_POLICY_STRANGER), "-");
    assert_string_equal(ask(&r, "2620:fe::9", 5222, ADDRESS_POLICY_STRANGER),
                        "a forbidden network");
    assert_string_equal(
        ask(&r, "64:ff9b::9.9.9.9", 5222, ADDRESS_POLICY_STRANGER),
        "a forbidden network");
    assert_string_equal(
        ask(&r, "2002:909:909::1", 5222, ADDRESS_POLICY_STRANGER),
        "a forbidden network");
    assert_string_equal(
        ask(&r, "2a00::200:5efe:909:909", 5222, ADDRESS_POLICY_STRANGER),
        "a forbidden network");
}

/* L50 */
static void ports_are_configured(void **state)
{
    static const uint16_t ports[] = {15222, 80};
    struct address_policy r = {.ports = ports, .n_ports = COUNT_OF(ports)};

    assert_string_equal(ask(&r, "9.9.9.9", 15222, ADDRESS_POLICY_STRANGER),
                        "-");
    assert_string_equal(ask(&r, "9.9.9.9", 80, ADDRESS_POLICY_STRANGER), "-");
    assert_string_equal(ask(&r, "9.9.9.9", 5222, ADDRESS_POLICY_STRANGER),
                        "the port");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strangers_reach_public_addresses_on_three_ports),
        cmocka_unit_test(what_is_private_may_be_allowed_for_a_domain),
        cmocka_unit_test(a_route_may_lead_anywhere),
        cmocka_unit_test(our_own_listeners_are_refused),
        cmocka_unit_test(a_listener_on_any_address_is_on_all_of_ours),
        cmocka_unit_test(networks_can_be_forbidden),
        cmocka_unit_test(ports_are_configured),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
