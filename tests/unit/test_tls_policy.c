/*
 * What a connection to a server insists on beside the certificate's names:
 * pinned keys, versions, ciphers, ALPN, SNI, and how it ends.
 * Conformance K20, K22, K27, K29, K30, K48, K49, K51.
 */
#include "tls_raw.h"
#include "net/sock_text.h"
#include "net/tls_ctx.h"
#include "net/tls_client.h"

#include <openssl/err.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static const struct tls_peer example = {
    .domain = "example.org", .is_verified = true, .is_direct = true};
static const struct tls_peer unverified = {.domain = "example.org"};
static struct raw far;
static struct tls_ctx *ours;

static int begin(void **state)
{
    ours = tls_pair_client(&(struct tls_policy){0});
    return tls_pair_begin(state);
}

static int end(void **state)
{
    raw_close(&far);
    tls_pair_end(state);
    tls_ctx_free(ours);
    return 0;
}

static void set_policy(const struct tls_policy *policy)
{
    endpoint_close(&client);
    endpoint_init(&client);
    tls_ctx_free(ours);
    ours = tls_pair_client(policy);
}

static void assert_believed(SSL_CTX *ctx, const struct tls_peer *peer,
                            const char *trust)
{
    char wanted[200];

    raw_meet(&far, ctx, ours, peer);
    if (!raw_shake_hands(&far))
        fail_msg("%s", client.error);
    snprintf(wanted, sizeof(wanted), "resumed=no trust=%s", trust);
    assert_string_equal(raw_trust(), wanted);
}

static void assert_refused(SSL_CTX *ctx, const struct tls_peer *peer,
                           const char *why)
{
    raw_meet(&far, ctx, ours, peer);
    assert_false(raw_shake_hands(&far));
    assert_int_equal(client.count[ON_SECURED], 0);
    assert_int_equal(client.why, SOCK_TLS);
    if (strstr(client.error, why) == NULL)
        fail_msg("%s: not %s", client.error, why);
}

/* --- Pins --- */

static SSL_CTX *serve(const struct leaf *leaf, struct leaf_files *files)
{
    authority_issue(authority, leaf, files);
    return raw_ctx(files, TLS1_3_VERSION);
}

static void pin(const char *const *texts, size_t n)
{
    struct tls_pin pins[4];

    for (size_t i = 0; i < n; i++)
        assert_int_equal(tls_pin_parse(&pins[i], texts[i]), ERR_OK);
    set_policy(&(struct tls_policy){.pins = pins, .n_pins = n});
}

static void a_pin_is_asked_besides_the_certificate(void **state)
{
    const struct leaf right = {.common_name = "x", .names = "DNS:example.org"};
    const struct leaf wrong = {.common_name = "x", .names = "DNS:example.net"};
    struct leaf_files a;
    struct leaf_files b;
    struct leaf_files c;
    SSL_CTX *first = serve(&right, &a);
    SSL_CTX *second = serve(&right, &b);
    SSL_CTX *misnamed = serve(&wrong, &c);
    const char *const two[] = {a.pin, c.pin};

    pin(two, 2);
    assert_believed(first, &example, "\"verified, pinned\"");
    assert_refused(second, &example, "its key is not pinned");
    assert_refused(misnamed, &example, "not for example.org");
    SSL_CTX_free(first);
    SSL_CTX_free(second);
    SSL_CTX_free(misnamed);
}

static void a_pin_alone_is_enough_without_verification(void **state)
{
    const struct leaf leaf = {
        .common_name = "x", .is_expired = true, .is_self_signed = true};
    struct leaf_files a;
    struct leaf_files b;
    SSL_CTX *right = serve(&leaf, &a);
    SSL_CTX *wrong = serve(&leaf, &b);
    const char *const one[] = {a.pin};

    pin(one, 1);
    assert_believed(right, &unverified, "pinned");
    assert_refused(right, &example, "certificate refused");
    assert_refused(wrong, &unverified, "its key is not pinned");
    SSL_CTX_free(right);
    SSL_CTX_free(wrong);
}

/* Who does not verify must not be led on by what anybody can put there. */
static void the_key_of_an_authority_is_no_pin(void **state)
{
    const struct leaf leaf = {
        .common_name = "x", .names = "DNS:example.org", .constraints = ""};
    struct leaf_files files;
    SSL_CTX *ctx = serve(&leaf, &files);
    char text[52];
    const char *const one[] = {text};

    authority_pin(authority, text);
    pin(one, 1);
    assert_refused(ctx, &unverified, "its key is not pinned");
    SSL_CTX_free(ctx);
}

/* L70: what the log says of those who are not verified. */
static void the_log_says_why_a_server_is_not_trusted(void **state)
{
    const struct leaf leaf = {.common_name = "x", .is_self_signed = true};
    struct tls_peer other = unverified;
    struct leaf_files files;
    SSL_CTX *ctx = serve(&leaf, &files);

    other.domain = "example.net";
    assert_believed(ctx, &unverified, "\"unverified: not for the domain\"");
    SSL_CTX_free(ctx);
    ctx = raw_ctx(&good, TLS1_3_VERSION);
    assert_believed(ctx, &unverified, "\"unverified: not checked\"");
    assert_believed(ctx, &other, "\"unverified: not for the domain\"");
    SSL_CTX_free(ctx);
}

/* --- Versions and ciphers.  K30 --- */

static void old_versions_are_spoken_only_when_configured(void **state)
{
    static const struct {
        enum tls_floor floor;
        int server;
        const char *spoken; /* NULL: refused */
    } rows[] = {
        {TLS_FLOOR_1_2, TLS1_3_VERSION, "TLSv1.3 "},
        {TLS_FLOOR_1_2, TLS1_2_VERSION, "TLSv1.2 "},
        {TLS_FLOOR_1_2, TLS1_1_VERSION, NULL},
        {TLS_FLOOR_1_3, TLS1_3_VERSION, "TLSv1.3 "},
        {TLS_FLOOR_1_3, TLS1_2_VERSION, NULL},
        {TLS_FLOOR_1_1, TLS1_1_VERSION, "TLSv1.1 "},
        {TLS_FLOOR_1_1, TLS1_VERSION, NULL},
        {TLS_FLOOR_1_0, TLS1_VERSION, "TLSv1 "},
        {TLS_FLOOR_1_0, TLS1_3_VERSION, "TLSv1.3 "},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        SSL_CTX *ctx = raw_ctx(&good, rows[i].server);

        set_policy(&(struct tls_policy){.floor = rows[i].floor});
        if (rows[i].spoken == NULL) {
            assert_refused(ctx, &example, "");
        } else {
            assert_believed(ctx, &example, "verified");
            assert_int_equal(
                strncmp(client.tls, rows[i].spoken, strlen(rows[i].spoken)), 0);
            assert_null(SSL_get_current_compression(far.ssl));
        }
        SSL_CTX_free(ctx);
    }
}

static void ciphers_are_those_of_the_list(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_2_VERSION);
    struct tls_ctx *none = NULL;
    char why[200];

    set_policy(
        &(struct tls_policy){.ciphers = "ECDHE-ECDSA-CHACHA20-POLY1305"});
    assert_believed(ctx, &example, "verified");
    assert_string_equal(client.tls, "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305");
    SSL_CTX_set_cipher_list(ctx, "ECDHE-ECDSA-AES128-GCM-SHA256");
    assert_refused(ctx, &example, "handshake failure");
    SSL_CTX_free(ctx);

    assert_int_equal(tls_client_new(&none,
                                    &(struct tls_policy){.ciphers = "NONE"},
                                    why, sizeof(why)),
                     ERR_INVALID);
    assert_int_equal(strncmp(why, "ciphers NONE: ", 14), 0);
    assert_null(none);
}

static void a_server_cannot_renegotiate(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_2_VERSION);
    unsigned char before[64];
    unsigned char after[64];
    size_t len;
    int i;

    assert_believed(ctx, &example, "verified");
    len = SSL_get_peer_finished(far.ssl, before, sizeof(before));
    assert_true(len > 0);
    assert_int_equal(SSL_renegotiate(far.ssl), 1);
    for (i = 0; i < 20; i++) {
        char byte;

        SSL_do_handshake(far.ssl);
        SSL_read(far.ssl, &byte, 1);
        run_for(loop, 1);
    }
    assert_int_equal(SSL_get_peer_finished(far.ssl, after, sizeof(after)), len);
    assert_memory_equal(after, before, len); /* of the first and only one */
    ERR_clear_error();
    SSL_CTX_free(ctx);
}

/* --- ALPN and SNI.  K20, K22 --- */

static struct {
    char alpn[100]; /* what was offered, as on the wire */
    char sni[100];
    const char *choice; /* NULL: none; "!": the alert */
} seen;

static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    snprintf(seen.alpn, sizeof(seen.alpn), "%.*s", (int)in_len,
             (const char *)in);
    if (seen.choice == NULL)
        return SSL_TLSEXT_ERR_NOACK;
    if (seen.choice[0] == '!')
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = (const unsigned char *)seen.choice;
    *out_len = (unsigned char)strlen(seen.choice);
    return SSL_TLSEXT_ERR_OK;
}

static int on_sni(SSL *ssl, int *alert, void *arg)
{
    const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);

    snprintf(seen.sni, sizeof(seen.sni), "%s", name == NULL ? "none" : name);
    return SSL_TLSEXT_ERR_OK;
}

static SSL_CTX *curious(const char *choice)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);

    memset(&seen, 0, sizeof(seen));
    seen.choice = choice;
    SSL_CTX_set_alpn_select_cb(ctx, on_alpn, NULL);
    SSL_CTX_set_tlsext_servername_callback(ctx, on_sni);
    return ctx;
}

static void direct_tls_offers_xmpp_client_and_starttls_nothing(void **state)
{
    SSL_CTX *ctx = curious("xmpp-client");
    struct tls_peer starttls = example;

    assert_believed(ctx, &example, "verified");
    assert_string_equal(seen.alpn, "\x0bxmpp-client");
    assert_string_equal(seen.sni, "example.org");
    starttls.is_direct = false;
    seen.alpn[0] = '\0';
    assert_believed(ctx, &starttls, "verified");
    assert_string_equal(seen.alpn, "");
    assert_string_equal(seen.sni, "example.org");
    SSL_CTX_free(ctx);
}

static void an_address_is_no_server_name(void **state)
{
    const struct leaf leaf = {.common_name = "x", .names = "IP:192.0.2.1"};
    struct tls_peer peer = example;
    struct leaf_files files;
    SSL_CTX *ctx = serve(&leaf, &files);

    memset(&seen, 0, sizeof(seen));
    SSL_CTX_set_tlsext_servername_callback(ctx, on_sni);
    peer.domain = "192.0.2.1";
    assert_believed(ctx, &peer, "verified");
    assert_string_equal(seen.sni, "none");
    SSL_CTX_free(ctx);
}

static void servers_may_ignore_alpn_but_not_choose_another(void **state)
{
    SSL_CTX *ctx = curious(NULL);

    assert_believed(ctx, &example, "verified");
    seen.choice = "h2";
    assert_refused(ctx, &example, ""); /* by OpenSSL, or by us */
    seen.choice = "xmpp-server";
    assert_refused(ctx, &example, ""); /* by OpenSSL, or by us */
    seen.choice = "!";
    assert_refused(ctx, &example, "no application protocol");
    SSL_CTX_free(ctx);
}

/* --- What is no TLS, and the end --- */

/* K27: it is never shown to whoever reads XML. */
static void plain_bytes_where_tls_begins_end_the_connection(void **state)
{
    static const char *const injected[] = {
        "<stream:features><mechanisms/></stream:features>", " ",
        "\x16\x03\x03\xff\xff",
        "\x15\x03\x03\x00\x02\x02\x28", /* an alert, in clear */
    };
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);

    for (size_t i = 0; i < COUNT_OF(injected); i++) {
        size_t len = i == 3 ? 7 : strlen(injected[i]);

        raw_meet(&far, ctx, ours, &unverified);
        assert_int_equal(write(far.fd, injected[i], len), len);
        run_for(loop, 5);
        raw_close(&far); /* some wait for more of that record */
        run_until(loop, &client.count[ON_LOST], 1);
        assert_int_equal(client.why, SOCK_TLS);
        assert_int_equal(client.count[ON_RECEIVED], 0);
        assert_int_equal(client.count[ON_SECURED], 0);
    }
    SSL_CTX_free(ctx);
}

/* K29: nothing but records of TLS is sent, also in the end. */
static void a_refused_server_gets_no_plain_byte(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);
    struct tls_peer other = example;
    unsigned char bytes[4096];
    ssize_t len;
    ssize_t at = 0;

    other.domain = "example.net";
    assert_refused(ctx, &other, "not for example.net");
    sock_abort(client.s);
    client.s = NULL;
    len = read(far.fd, bytes, sizeof(bytes));
    while (at + 5 <= len) {
        assert_in_range(bytes[at], 20, 23);
        at += 5 + bytes[at + 3] * 256 + bytes[at + 4];
    }
    assert_true(at == len || len <= 0);
    SSL_CTX_free(ctx);
}

static int shutdown_seen(void)
{
    char byte;

    SSL_read(far.ssl, &byte, 1);
    ERR_clear_error();
    return SSL_get_shutdown(far.ssl) & SSL_RECEIVED_SHUTDOWN;
}

/* K48, K49 */
static void tls_is_ended_by_close_and_by_abort(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);

    assert_believed(ctx, &example, "verified");
    sock_close(client.s);
    client.s = NULL;
    run_for(loop, 2);
    assert_true(shutdown_seen());

    assert_believed(ctx, &example, "verified");
    sock_abort(client.s);
    client.s = NULL;
    assert_true(shutdown_seen());

    /* What was cut must look cut. */
    assert_believed(ctx, &example, "verified");
    assert_int_equal(endpoint_write_bytes(&client, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    assert_true(sock_queued_bytes(client.s) > 0);
    sock_abort(client.s);
    client.s = NULL;
    for (int i = 0; i < 1000; i++) {
        char bytes[4096];

        if (SSL_read(far.ssl, bytes, sizeof(bytes)) <= 0)
            break;
    }
    assert_false(shutdown_seen());
    SSL_CTX_free(ctx);
}

/* K51 */
static void the_end_of_tls_and_its_lack_are_told_apart(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);

    assert_believed(ctx, &example, "verified");
    assert_int_equal(SSL_shutdown(far.ssl), 0);
    raw_close(&far);
    run_until(loop, &client.count[ON_EOF], 1);
    assert_false(sock_is_truncated(client.s));

    assert_believed(ctx, &example, "verified");
    raw_close(&far);
    run_until(loop, &client.count[ON_EOF], 1);
    assert_true(sock_is_truncated(client.s));
    SSL_CTX_free(ctx);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_pin_is_asked_besides_the_certificate),
        TEST(a_pin_alone_is_enough_without_verification),
        TEST(the_key_of_an_authority_is_no_pin),
        TEST(the_log_says_why_a_server_is_not_trusted),
        TEST(old_versions_are_spoken_only_when_configured),
        TEST(ciphers_are_those_of_the_list),
        TEST(a_server_cannot_renegotiate),
        TEST(direct_tls_offers_xmpp_client_and_starttls_nothing),
        TEST(an_address_is_no_server_name),
        TEST(servers_may_ignore_alpn_but_not_choose_another),
        TEST(plain_bytes_where_tls_begins_end_the_connection),
        TEST(a_refused_server_gets_no_plain_byte),
        TEST(tls_is_ended_by_close_and_by_abort),
        TEST(the_end_of_tls_and_its_lack_are_told_apart),
    };

    return cmocka_run_group_tests_name(
        "tls_policy", tests, tls_pair_begin_group, tls_pair_end_group);
}
