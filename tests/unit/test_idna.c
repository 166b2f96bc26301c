#include "upstream/idna.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct domain_name name_of(const char *text)
{
    struct domain_name name;

    assert_int_equal(domain_normalise(&name, slice_of(text)), ERR_OK);
    return name;
}

static void assert_refused(struct slice text)
{
    struct domain_name name;

    memset(&name, 0x55, sizeof(name));
    assert_int_equal(domain_normalise(&name, text), ERR_INVALID);
    assert_int_equal((unsigned char)name.unicode[0], 0x55);
}

/* A06 */
static void case_and_the_last_dot_do_not_matter(void **state)
{
    struct domain_name name = name_of("ExAmple.ORG.");

    assert_string_equal(name.unicode, "example.org");
    assert_string_equal(name.ascii, "example.org");
    assert_false(name.is_ip_literal);
    assert_string_equal(name_of("localhost").ascii, "localhost");
    assert_string_equal(name_of("a_b.example").ascii, "a_b.example");
}

/* A06, K34 */
static void both_forms_of_an_international_name_are_one_name(void **state)
{
    struct domain_name a = name_of("B\xc3\xbc"
                                   "cher.example");
    struct domain_name b = name_of("XN--bcher-KVA.Example.");

    assert_string_equal(a.ascii, "xn--bcher-kva.example");
    assert_string_equal(a.unicode, "b\xc3\xbc"
                                   "cher.example");
    assert_string_equal(b.ascii, a.ascii);
    assert_string_equal(b.unicode, a.unicode);
    /* Decomposed, full-width, and with the ideographic full stop. */
    assert_string_equal(name_of("bu\xcc\x88"
                                "cher.example")
                            .ascii,
                        a.ascii);
    assert_string_equal(name_of("\xef\xbd\x85xample\xe3\x80\x82org").ascii,
                        "example.org");
}

static void addresses_are_recognised(void **state)
{
    struct domain_name v6 = name_of("[2001:DB8::1]");

    assert_true(v6.is_ip_literal);
    assert_string_equal(v6.unicode, "[2001:db8::1]");
    assert_string_equal(v6.ascii, "2001:db8::1");
    assert_string_equal(name_of("[2001:0db8:0:0::0001]").unicode,
                        "[2001:db8::1]");
    assert_string_equal(name_of("0:0:0:0:0:0:0:1").ascii, "::1");
    assert_true(name_of("192.0.2.1").is_ip_literal);
    assert_true(name_of("192.0.2.1.").is_ip_literal);
    assert_string_equal(name_of("::1").unicode, "[::1]");
    assert_string_equal(name_of("[::1].").unicode, "[::1]");
    assert_false(name_of("192.0.2.example").is_ip_literal);
}

/* L50: an address in disguise is not let through as a name */
static void an_address_in_full_width_digits_is_refused(void **state)
{
    assert_refused(slice_of("\xef\xbc\x91\xef\xbc\x92\xef\xbc\x97.0.0.1"));
    assert_refused(slice_of("[192.0.2.1]"));
    assert_refused(slice_of("[::ffff:192.0.2.1]"));
    assert_refused(slice_of("[::FFFF:c000:0201]"));
    assert_refused(slice_of("[fe80::1%eth0]"));
    assert_refused(slice_of("[fe80::1%25eth0]"));
    assert_refused(slice_of("[::1"));
    assert_refused(slice_of("::1]"));
    assert_refused(slice_of("[[::1]]"));
    assert_refused(slice_of("[::1]:5222"));
    assert_refused(slice_of("[v1.x]"));
    assert_refused(slice_of("[]"));
    assert_refused(slice_of("[example.org]"));
}

/* K39 among others */
static void what_no_domain_has_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        ".",
        "..",
        ".example.org",
        "a..b",
        "a@b",
        "a/b",
        "a b",
        "a\tb",
        "a\nb",
        "a\x7f"
        "b",
        "*",
        "*.example",
        "-a.example",
        "a-.example",
        "a:5222",
        "a%00.b",
        "a\\b",
        "xn--a-.example",
        "xn--",
        "a\xff.b",
        "\xc0\xaf.b",
        "a\xe2\x80\xae.b",
        "a.example..",
        "\xed\xa0\x80.b",
        "<a>",
        "a'b",
        "a&b",
        "a\xe2\x81\x84"
        "b",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_refused(slice_of(bad[i]));
    assert_refused((struct slice){"a\0b", 3});
    assert_refused((struct slice){"a.example\0", 10});
    assert_refused((struct slice){NULL, 0});
}

static void lengths_are_limited(void **state)
{
    char text[2000];
    struct domain_name name;

    memset(text, 'a', sizeof(text));
    assert_int_equal(domain_normalise(&name, (struct slice){text, 63}), ERR_OK);
    assert_refused((struct slice){text, 64});
    for (size_t i = 50; i < sizeof(text); i += 51)
        text[i] = '.';
    assert_int_equal(domain_normalise(&name, (struct slice){text, 253}),
                     ERR_OK);
    assert_refused((struct slice){text, 254});
    assert_refused((struct slice){text, DOMAIN_MAX_BYTES});
    assert_refused((struct slice){text, DOMAIN_MAX_BYTES + 1});
    assert_refused((struct slice){text, sizeof(text)});
}

/* A06, K01: what IDNA 2008 keeps apart, and IDNA 2003 did not. */
static void sharp_s_sigma_and_joiners_are_letters(void **state)
{
    assert_string_equal(name_of("stra\xc3\x9f"
                                "e.example")
                            .ascii,
                        "xn--strae-oqa.example");
    assert_string_equal(name_of("\xce\xb1\xcf\x82.example").ascii,
                        "xn--mxa8a.example");
    /* A joiner between letters that it joins (RFC 5892 appendix A). */
    assert_string_equal(
        name_of("\xe0\xa4\x95\xe0\xa5\x8d\xe2\x80\x8d\xe0\xa4\xb7.example")
            .ascii,
        "xn--11b2ezcw70k.example");
    assert_refused(slice_of("a\xe2\x80\x8c"
                            "b.example"));
}

/* A06, L50: no A-label but the one that its U-label has. */
static void labels_that_only_look_encoded_are_refused(void **state)
{
    static const char *const bad[] = {
        "xn--abc-.example",      /* nothing is encoded */
        "xn--ab-r13a.example",   /* a full stop inside */
        "xn--ab-l3t.example",    /* a character that is mapped to one */
        "xn--bcher-2pa.example", /* a capital letter */
        "xn--n3h.example",       /* a symbol */
        "xn--a-wbb.example",     /* a mark without a letter before it */
        "xn--ab-j1t.example",    /* a joiner that joins nothing */
        "xn--127-.1",
        "xn--.example",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_refused(slice_of(bad[i]));
}

/* A06: RFC 5893, RFC 5892, UTS 46 */
static void what_idna_forbids_is_refused(void **state)
{
    static const char *const bad[] = {
        "\xd7\x90"
        "a.example",                /* both directions in one label */
        "\xd9\xa1\xdb\xb1.example", /* two kinds of Arabic digits */
        "\xe2\x98\x83.example",     /* a symbol */
        "\xf0\x9f\x98\x80.example", /* an emoji */
        "\xcc\x81"
        "a.example",         /* a mark first */
        "\xcd\xb8.example",  /* not assigned */
        "\xc2\xbd.example",  /* one half, with a slash */
        "\xc3\xbc-.example", /* a hyphen last */
        "-\xc3\xbc.example",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_refused(slice_of(bad[i]));
    /* Characters that are not to be seen are dropped, as browsers do. */
    assert_string_equal(name_of("a\xc2\xad"
                                "b.example")
                            .ascii,
                        "ab.example");
}

/* K34: a certificate may have the name in either form. */
static void a_name_is_compared_in_any_form(void **state)
{
    const char *ascii = "xn--bcher-kva.example";

    assert_true(domain_is_same(ascii, slice_of(ascii)));
    assert_true(domain_is_same(ascii, slice_of("B\xc3\x9c"
                                               "cher.example.")));
    assert_false(domain_is_same(ascii, slice_of("bucher.example")));
    assert_false(domain_is_same(ascii, slice_of("*.example")));
    assert_false(domain_is_same(ascii, (struct slice){NULL, 0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(case_and_the_last_dot_do_not_matter),
        cmocka_unit_test(both_forms_of_an_international_name_are_one_name),
        cmocka_unit_test(addresses_are_recognised),
        cmocka_unit_test(an_address_in_full_width_digits_is_refused),
        cmocka_unit_test(what_no_domain_has_is_refused),
        cmocka_unit_test(lengths_are_limited),
        cmocka_unit_test(sharp_s_sigma_and_joiners_are_letters),
        cmocka_unit_test(labels_that_only_look_encoded_are_refused),
        cmocka_unit_test(what_idna_forbids_is_refused),
        cmocka_unit_test(a_name_is_compared_in_any_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
