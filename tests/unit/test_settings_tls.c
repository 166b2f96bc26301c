/* How a domain's TLS is configured, and what becomes of it.  Conformance K25,
 * K30, K31, L70. */
#include "app/settings.h"
#include "net/tls_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config_faults.h"

#define PIN_A "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
#define PIN_B "sha256/BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA="

static char said[2000];

static void say(void *arg, const char *text)
{
    size_t used = strlen(said);

    snprintf(said + used, sizeof(said) - used, "%s\n", text);
}

static struct config *load(const char *text)
{
    struct config *c = NULL;

    assert_string_equal(faults_of(text), "");
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(config_load_text(&c, "t.conf", slice_of(text), &problems),
                     ERR_OK);
    buf_free(&problems);
    return c;
}

/* The warnings about a domain with these keys. */
static const char *warnings_of(const char *keys)
{
    char text[600];
    struct config *c;

    said[0] = '\0';
    snprintf(text, sizeof(text), "domain a.example { %s }", keys);
    c = load(text);
    config_warn(c, say, NULL);
    config_free(c);
    return said;
}

static void assert_warned(const char *keys, const char *word)
{
    if (strstr(warnings_of(keys), word) == NULL)
        fail_msg("%s: no \"%s\" in \"%s\"", keys, word, said);
}

static void what_is_weaker_than_the_default_is_warned_of(void **state)
{
    assert_warned("tls_min = 1.1", "tls_min = 1.1");
    assert_warned("tls_min = 1.0", "tls_min = 1.0");
    assert_warned("verify = no", "verify = no");
    assert_warned("ciphers = AES128-SHA", "ciphers"); /* no forward secrecy */
    assert_warned("ciphers = 'DEFAULT:@SECLEVEL=1'", "ciphers");
    assert_warned("ciphers = 'ALL:eNULL'", "ciphers");
    assert_string_equal(warnings_of(""), "");
    assert_string_equal(warnings_of("tls_min = 1.3"), "");
    assert_string_equal(warnings_of("ciphers = ECDHE-RSA-AES256-GCM-SHA384"),
                        "");
    assert_string_equal(warnings_of("pin = { '" PIN_A "' }"), "");
    /* The pin says who it is. */
    assert_string_equal(warnings_of("verify = no pin = { '" PIN_A "' }"), "");
}

static void pins_are_digests(void **state)
{
    static const char *const wrong[] = {
        "",
        "sha256/",
        "sha1/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
        "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==",
        "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=A",
        "sha256/AAAAAAAAAAAAAAAAAAAA.AAAAAAAAAAAAAAAAAAAAAA=",
        "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=A",
        "sha256/AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA =",
    };
    char text[300];

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        snprintf(text, sizeof(text), "domain a.example {\npin = { \"%s\" } }",
                 wrong[i]);
        assert_fault(text, "t.conf:1: domain a.example: pin", "sha256/");
    }
    assert_fault("domain a.example { mode = plain pin = { '" PIN_A "' } }",
                 "t.conf:1: domain a.example: pin", "plain");
    assert_fault("domain a.example { tls_min = 1.4 }", "t.conf:1: domain.tls",
                 "1.2, 1.3, 1.1 or 1.0");
}

static void what_the_library_does_not_know_is_a_fault_of_the_file(void **state)
{
    struct config *c = load("domain a.example { }\n"
                            "domain b.example { ciphers = NO-SUCH-CIPHER }");

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(config_check_files(c, &problems), ERR_INVALID);
    assert_int_equal(strncmp(buf_at(&problems), "t.conf:2: ciphers", 17), 0);
    buf_free(&problems);
    config_free(c);
}

static const struct tls_ctx *ctx_of(struct settings_domains *d, size_t i)
{
    return domain_table_at(d->table, i)->tls;
}

/* Resumption and trust are the context's: who differs has another. */
static void domains_share_a_context_only_under_one_policy(void **state)
{
    struct config *c = load("domain a.example { pin = { '" PIN_A "' } }\n"
                            "domain b.example { pin = { '" PIN_B "' } }\n"
                            "domain c.example { tls_min = 1.3 }\n"
                            "domain d.example { ciphers = AES128-SHA }\n"
                            "domain e.example { }\n"
                            "domain f.example { mode = tls verify = no }\n"
                            "domain g.example { pin = { '" PIN_A "' } }\n"
                            "domain h.example { mode = plain }");
    struct settings_domains d;
    struct settings_tls tls = {0};
    struct tls_cache *cache;
    char why[200];

    assert_int_equal(tls_cache_new(&cache, 10), ERR_OK);
    tls.cache = cache;
    assert_int_equal(settings_domains_new(&d, c, &tls, why, sizeof(why)),
                     ERR_OK);
    for (size_t i = 0; i < 5; i++)
        for (size_t k = 0; k < i; k++)
            assert_true(ctx_of(&d, i) != ctx_of(&d, k));
    assert_ptr_equal(ctx_of(&d, 5), ctx_of(&d, 4));
    assert_ptr_equal(ctx_of(&d, 6), ctx_of(&d, 0));
    assert_null(ctx_of(&d, 7));
    settings_domains_free(&d);
    tls_cache_free(cache);
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_weaker_than_the_default_is_warned_of),
        cmocka_unit_test(pins_are_digests),
        cmocka_unit_test(what_the_library_does_not_know_is_a_fault_of_the_file),
        cmocka_unit_test(domains_share_a_context_only_under_one_policy),
    };

    return cmocka_run_group_tests_name("settings_tls", tests, NULL, NULL);
}
