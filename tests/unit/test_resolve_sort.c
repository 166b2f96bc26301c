#include "dns/resolve_sort.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* What the host of the test would send from; NULL: it has no such way. */
static const char *from_global6;
static const char *from_ula;
static const char *from_ip4;

static bool source(struct addr *out, const struct addr *to)
{
    const char *text = addr_format_host(to).text;
    const char *from = from_global6;

    if (to->storage.ss_family == AF_INET)
        from = strncmp(text, "127.", 4) == 0 ? "127.0.0.1" : from_ip4;
    else if (strncmp(text, "fd", 2) == 0)
        from = from_ula != NULL ? from_ula : from_global6;
    else if (strncmp(text, "fe80", 4) == 0)
        from = "fe80::9";
    return from != NULL && addr_parse_ip(out, from, 0) == ERR_OK;
}

/* The list, sorted, as one line. */
static const char *sorted(const char *list)
{
    static char line[500];
    struct addr addrs[16];
    size_t n = 0;

    for (const char *at = list; *at != '\0';) {
        size_t len = strcspn(at, " ");
        char text[64];

        memcpy(text, at, len);
        text[len] = '\0';
        assert_int_equal(addr_parse_ip(&addrs[n++], text, 1), ERR_OK);
        at += len + (at[len] == ' ');
    }
    resolve_sort(addrs, n, source);
    line[0] = '\0';
    for (size_t i = 0; i < n; i++)
        snprintf(line + strlen(line), sizeof(line) - strlen(line), "%s%s",
                 i > 0 ? " " : "", addr_format_host(&addrs[i]).text);
    return line;
}

static int set_up(void **state)
{
    from_global6 = "2620:fe::1";
    from_ula = NULL;
    from_ip4 = "9.0.0.1";
    return 0;
}

/* K11 */
static void families_take_turns_and_ipv6_is_first(void **state)
{
    assert_string_equal(sorted("9.1.1.1 9.1.1.2 9.1.1.3 2620::1 2620::2"),
                        "2620::1 9.1.1.1 2620::2 9.1.1.2 9.1.1.3");
    assert_string_equal(sorted("2620::1 2620::2 2620::3 9.1.1.1"),
                        "2620::1 9.1.1.1 2620::2 2620::3");
    assert_string_equal(sorted("9.1.1.1"), "9.1.1.1");
    assert_string_equal(sorted(""), "");
}

/* K11, RFC 6724 rule 1 */
static void what_cannot_be_reached_is_last(void **state)
{
    from_global6 = NULL;
    assert_string_equal(sorted("2620::1 2620::2 9.1.1.1 9.1.1.2"),
                        "9.1.1.1 9.1.1.2 2620::1 2620::2");
    from_ip4 = NULL;
    assert_string_equal(sorted("9.1.1.1 2620::2"), "2620::2 9.1.1.1");
    from_global6 = "fe80::9"; /* nothing else speaks for 6to4 */
    assert_string_equal(sorted("9.1.1.1 2002:900::1"), "2002:900::1 9.1.1.1");
}

/* K11, RFC 6724 rule 10: the DNS lets equal servers take turns. */
static void equals_stay_as_they_came(void **state)
{
    assert_string_equal(sorted("9.3.3.3 9.1.1.1 9.2.2.2"),
                        "9.3.3.3 9.1.1.1 9.2.2.2");
}

/* K11, RFC 6724 rules 2, 5 and 6 */
static void tunnels_and_private_addresses_stand_behind(void **state)
{
    /* 6to4 from a native address: another label. */
    assert_string_equal(sorted("2002:900::1 9.1.1.1"), "9.1.1.1 2002:900::1");
    /* Teredo too. */
    assert_string_equal(sorted("2001:0:1::1 9.1.1.1"), "9.1.1.1 2001:0:1::1");
    /* Unique local: only from such an address, and then below IPv4. */
    assert_string_equal(sorted("fd00::1 9.1.1.1"), "9.1.1.1 fd00::1");
    from_ula = "fd00::9";
    assert_string_equal(sorted("fd00::1 2620::1"), "2620::1 fd00::1");
    /* Equal scope before precedence. */
    from_ip4 = "169.254.0.9";
    assert_string_equal(sorted("9.1.1.1 2620::1 2620::2"),
                        "2620::1 9.1.1.1 2620::2");
}

/* The kernel is asked without a packet. */
static void the_source_of_loopback_is_known(void **state)
{
    struct addr to;
    struct addr from;

    assert_int_equal(addr_parse_ip(&to, "127.0.0.1", 5222), ERR_OK);
    assert_true(resolve_sort_source(&from, &to));
    assert_string_equal(addr_format_host(&from).text, "127.0.0.1");
    assert_int_equal(addr_parse_ip(&to, "255.255.255.255", 5222), ERR_OK);
    assert_false(resolve_sort_source(&from, &to)); /* broadcast: EACCES */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(families_take_turns_and_ipv6_is_first, set_up),
        cmocka_unit_test_setup(what_cannot_be_reached_is_last, set_up),
        cmocka_unit_test_setup(equals_stay_as_they_came, set_up),
        cmocka_unit_test_setup(tunnels_and_private_addresses_stand_behind,
                               set_up),
        cmocka_unit_test(the_source_of_loopback_is_known),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
