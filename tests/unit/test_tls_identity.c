/* Conformance K32-K39; RFC 9525, section 6. */
#include "net/tls_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

struct row {
    enum tls_name_kind kind;
    const char *domain;
    struct slice name;
};

#define LABEL63                                                                \
    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"
#define TOO_LONG LABEL63 "." LABEL63 "." LABEL63 "." LABEL63

static const struct row right[] = {
    {TLS_NAME_DNS, "example.org", SLICE("example.org")},
    {TLS_NAME_DNS, "example.org", SLICE("EXAMPLE.Org")}, /* K34 */
    {TLS_NAME_DNS, "Example.org", SLICE("example.org")},
    {TLS_NAME_DNS, "im.example.org", SLICE("*.example.org")}, /* K35 */
    {TLS_NAME_DNS, "IM.Example.ORG", SLICE("*.example.org")},
    {TLS_NAME_DNS, "xn--bcher-kva.example.org", SLICE("*.example.org")},
    {TLS_NAME_DNS, "localhost", SLICE("localhost")},
    {TLS_NAME_SRV, "example.org", SLICE("_xmpp-client.example.org")}, /* K37 */
    {TLS_NAME_SRV, "example.org", SLICE("_XMPP-Client.EXAMPLE.org")},
    {TLS_NAME_XMPP, "example.org", SLICE("example.org")},
    {TLS_NAME_XMPP, "example.org", SLICE("Example.Org")},
    {TLS_NAME_IP, "192.0.2.1", SLICE("\xc0\x00\x02\x01")},
    {TLS_NAME_IP, "2001:db8::1",
     SLICE("\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01")},
};

static const struct row wrong[] = {
    {TLS_NAME_DNS, "example.org", SLICE("example.com")},
    {TLS_NAME_DNS, "example.org", SLICE("im.example.org")},
    {TLS_NAME_DNS, "example.org", SLICE("evilexample.org")},
    {TLS_NAME_DNS, "im.example.org", SLICE("example.org")},
    {TLS_NAME_DNS, "example.org", SLICE("")},
    {TLS_NAME_DNS, "example.org", SLICE("example.org.")},
    {TLS_NAME_DNS, "example.org", SLICE(".example.org")},
    {TLS_NAME_DNS, "example.org", SLICE("example.org\0.evil.com")}, /* K39 */
    {TLS_NAME_DNS, "example.org", SLICE("example.org\0")},
    {TLS_NAME_DNS, "example.org", SLICE("*.example.org")}, /* bare parent */
    {TLS_NAME_DNS, "a.b.example.org", SLICE("*.example.org")},
    {TLS_NAME_DNS, "example.org", SLICE("*.org")}, /* public top */
    {TLS_NAME_DNS, "example.org", SLICE("*")},
    {TLS_NAME_DNS, "example.org", SLICE("*.")},
    {TLS_NAME_DNS, "example.org", SLICE("*example.org")},
    {TLS_NAME_DNS, "im.example.org", SLICE("i*.example.org")}, /* partial */
    {TLS_NAME_DNS, "im.example.org", SLICE("*m.example.org")},
    {TLS_NAME_DNS, "im.example.org", SLICE("im.*.org")},
    {TLS_NAME_DNS, "im.a.example.org", SLICE("*.*.example.org")},
    {TLS_NAME_DNS, "im.example.org", SLICE("*..example.org")},
    {TLS_NAME_DNS, "im.example.org", SLICE("*.example\0.org")},
    {TLS_NAME_DNS, ".example.org", SLICE("im.example.org")},
    {TLS_NAME_DNS, ".example.org", SLICE("*.example.org")},
    {TLS_NAME_DNS, "*.example.org", SLICE("*.example.org")},
    {TLS_NAME_DNS, "example.org.", SLICE("example.org.")},
    {TLS_NAME_DNS, "", SLICE("")},
    {TLS_NAME_DNS, "a..b", SLICE("a..b")},
    {TLS_NAME_DNS, TOO_LONG, SLICE(TOO_LONG)},
    {TLS_NAME_DNS, "192.0.2.1", SLICE("192.0.2.1")}, /* an address */
    {TLS_NAME_DNS, "192.0.2.1", SLICE("*.0.2.1")},
    {TLS_NAME_SRV, "example.org", SLICE("_xmpp-server.example.org")}, /* K37 */
    {TLS_NAME_SRV, "example.org", SLICE("_xmpps-client.example.org")},
    {TLS_NAME_SRV, "example.org", SLICE("example.org")},
    {TLS_NAME_SRV, "example.org", SLICE("_xmpp-client.example.com")},
    {TLS_NAME_SRV, "example.org", SLICE("_xmpp-client.")},
    {TLS_NAME_SRV, "im.example.org", SLICE("_xmpp-client.*.example.org")},
    {TLS_NAME_SRV, "example.org", SLICE("_xmpp-client.example.org\0x")},
    {TLS_NAME_XMPP, "example.org", SLICE("user@example.org")}, /* K38 */
    {TLS_NAME_XMPP, "example.org", SLICE("example.org/x")},
    {TLS_NAME_XMPP, "im.example.org", SLICE("*.example.org")},
    {TLS_NAME_XMPP, "example.org", SLICE("example.org\0")},
    {TLS_NAME_IP, "192.0.2.1", SLICE("\xc0\x00\x02\x02")},
    {TLS_NAME_IP, "192.0.2.1", SLICE("192.0.2.1")},
    {TLS_NAME_IP, "192.0.2.1", SLICE("")},
    {TLS_NAME_IP, "2001:db8::1", SLICE("\x20\x01\x0d\xb8")},
    {TLS_NAME_IP, "example.org", SLICE("\xc0\x00\x02\x01")},
};

static void right_names_match(void **state)
{
    size_t i;

    for (i = 0; i < COUNT_OF(right); i++) {
        struct tls_name name = {right[i].kind, right[i].name};

        if (!tls_identity_matches(right[i].domain, &name, NULL))
            fail_msg("%s does not match %s", right[i].name.at, right[i].domain);
    }
}

static void wrong_names_do_not_match(void **state)
{
    size_t i;

    for (i = 0; i < COUNT_OF(wrong); i++) {
        struct tls_name name = {wrong[i].kind, wrong[i].name};

        if (tls_identity_matches(wrong[i].domain, &name, NULL))
            fail_msg("%s matches %s", wrong[i].name.at, wrong[i].domain);
    }
}

static const char *asked;

static bool is_buecher(const char *domain, struct slice text)
{
    asked = domain;
    return text.len == 3 && memcmp(text.at, "\xc3\xbc!", 3) == 0;
}

/* K38: only for XmppAddr, and what has a dot at the end is none. */
static void u_labels_are_left_to_the_caller(void **state)
{
    static const struct tls_name same = {TLS_NAME_XMPP, SLICE("\xc3\xbc!")};
    static const struct tls_name others[] = {
        {TLS_NAME_DNS, SLICE("\xc3\xbc!")},
        {TLS_NAME_SRV, SLICE("_xmpp-client.\xc3\xbc!")},
        {TLS_NAME_XMPP, SLICE("")},
        {TLS_NAME_XMPP, SLICE("\xc3\xbc.")},
    };

    assert_true(tls_identity_matches("b.example", &same, is_buecher));
    assert_string_equal(asked, "b.example");
    assert_false(tls_identity_matches("b.example", &same, NULL));
    asked = NULL;
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(tls_identity_matches("b.example", &others[i], is_buecher));
    assert_null(asked);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(right_names_match),
        cmocka_unit_test(wrong_names_do_not_match),
        cmocka_unit_test(u_labels_are_left_to_the_caller),
    };

    return cmocka_run_group_tests_name("tls_identity", tests, NULL, NULL);
}
