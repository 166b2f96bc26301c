/*
 * Which certificates are believed: a handshake for each, by direct TLS and by
 * STARTTLS, and each once more where a session could be resumed.
 * Conformance K31-K39.
 */
#include "net/tls_cache.h"
#include "tls_pair.h"
#include "upstream/idna.h"
#include "net/sock_open.h"
#include "net/sock_text.h"
#include "net/tls_ctx.h"
#include "net/tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define SRV(type, name) "otherName:1.3.6.1.5.5.7.8.7;" type ":" name
#define JID(type, name) "otherName:1.3.6.1.5.5.7.8.5;" type ":" name
#define JID_OID         "\x06\x08\x2b\x06\x01\x05\x05\x07\x08\x05"
#define NOT_FOR         "certificate refused: not for "
#define REFUSED         "certificate refused: "
#define LABEL63                                                                \
    "aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeeeffffffffffggg"

struct row {
    const char *domain;
    struct leaf leaf;
    const char *why; /* it is refused; NULL: it is not */
};

static const struct row rows[] = {
    /* K33-K35, K37: names that count */
    {"example.org", {.names = "DNS:example.org"}, NULL},
    {"example.org", {.names = "DNS:EXAMPLE.Org"}, NULL},
    {"im.example.org", {.names = "DNS:example.net,DNS:*.example.org"}, NULL},
    {"example.org", {.names = SRV("IA5", "_xmpp-client.example.org")}, NULL},
    {"example.org",
     {.names = "DNS:a.example," SRV("IA5", "_XMPP-Client.EXAMPLE.org")},
     NULL},
    {"example.org",
     {.names = SRV("IA5", "_xmpp-server.example.org") ",DNS:example.org"},
     NULL},
    {"example.org", {.names = JID("UTF8", "example.org")}, NULL},
    {"xn--bcher-kva.example", {.names = "DNS:xn--bcher-kva.example"}, NULL},
    {"192.0.2.1", {.names = "IP:192.0.2.1"}, NULL},
    /* K38: U-labels, composed or not */
    {"xn--bcher-kva.example",
     {.raw_names = SLICE("\x30\x1f\xa0\x1d" JID_OID "\xa0\x11\x0c\x0f"
                         "b\xc3\xbc"
                         "cher.example")},
     NULL},
    {"xn--bcher-kva.example",
     {.raw_names = SLICE("\x30\x20\xa0\x1e" JID_OID "\xa0\x12\x0c\x10"
                         "Bu\xcc\x88"
                         "cher.EXAMPLE")},
     NULL},
    /* K31 */
    {"example.org",
     {.names = "DNS:example.org",
      .usage = "serverAuth",
      .key_usage = "critical,digitalSignature"},
     NULL},
    {"example.org", {.names = "DNS:example.org", .constraints = ""}, NULL},
    {"example.org",
     {.names = "DNS:example.org", .constraints = "permitted;DNS:example.org"},
     NULL},

    /* K32-K37: names that do not */
    {"example.org",
     {.common_name = "example.org", .names = "DNS:example.com"},
     NOT_FOR "example.org"},
    {"example.org",
     {.common_name = "example.org"}, /* K36 */
     NOT_FOR "example.org"},
    {"example.org", {.names = "DNS:*.example.org"}, NOT_FOR "example.org"},
    {"a.b.example.org",
     {.names = "DNS:*.example.org"},
     NOT_FOR "a.b.example.org"},
    {"im.example.org",
     {.names = "DNS:i*.example.org"},
     NOT_FOR "im.example.org"},
    {"example.org", {.names = "DNS:*.org"}, NOT_FOR "example.org"},
    {"example.org", {.names = "DNS:*"}, NOT_FOR "example.org"},
    {"example.org",
     {.names = SRV("IA5", "_xmpp-server.example.org")},
     NOT_FOR "example.org"},
    {"example.org",
     {.names = SRV("IA5", "_xmpps-client.example.org")},
     NOT_FOR "example.org"},
    {"example.org",
     {.names = JID("UTF8", "example.org/x")}, /* K38 */
     NOT_FOR "example.org"},
    {"example.org",
     {.names = JID("UTF8", "u@example.org")},
     NOT_FOR "example.org"},
    {"example.org",
     {.names = JID("UTF8", "example.org.")},
     NOT_FOR "example.org"},
    {"example.org",
     {.names = "otherName:1.3.6.1.5.5.7.8.9;UTF8:example.org"},
     NOT_FOR "example.org"},
    {"example.org",
     {.names = "email:example.org,URI:xmpp://example.org"},
     NOT_FOR "example.org"},

    /* K39: string types, NUL, length, addresses */
    {"example.org",
     {.names = SRV("UTF8", "_xmpp-client.example.org")},
     NOT_FOR "example.org"},
    {"example.org",
     {.names = JID("IA5", "example.org")},
     NOT_FOR "example.org"},
    {"example.org",
     {.raw_names = SLICE("\x30\x13\x82\x11"
                         "example.org\0.evil")},
     NOT_FOR "example.org"},
    {"example.org",
     {.raw_names = SLICE("\x30\x0e\x82\x0c"
                         "example.org\0")},
     NOT_FOR "example.org"},
    {LABEL63 "." LABEL63 "." LABEL63 "." LABEL63,
     {.names = "DNS:" LABEL63 "." LABEL63 "." LABEL63 "." LABEL63},
     NOT_FOR LABEL63},
    {"xn--bcher-kva.example", /* no UTF-8 */
     {.raw_names = SLICE("\x30\x1e\xa0\x1c" JID_OID "\xa0\x10\x0c\x0e"
                         "b\xfc"
                         "cher.example")},
     NOT_FOR "xn--bcher-kva.example"},
    {"192.0.2.1", {.names = "DNS:192.0.2.1"}, NOT_FOR "192.0.2.1"},
    {"192.0.2.1", {.names = "IP:192.0.2.2"}, NOT_FOR "192.0.2.1"},

    /* K31: the chain */
    {"example.org",
     {.names = "DNS:example.org", .is_expired = true},
     REFUSED "certificate has expired"},
    {"example.org",
     {.names = "DNS:example.org", .is_future = true},
     REFUSED "certificate is not yet valid"},
    {"example.org",
     {.names = "DNS:example.org", .is_self_signed = true},
     REFUSED "self-signed certificate"},
    {"example.org",
     {.names = "DNS:example.org", .constraints = "", .hides_authority = true},
     REFUSED "unable to get local issuer certificate"},
    {"example.org",
     {.names = "DNS:example.org", .usage = "clientAuth"},
     REFUSED "unsuitable certificate purpose"},
    {"example.org",
     {.names = "DNS:example.org", .key_usage = "critical,keyCertSign"},
     REFUSED "unsuitable certificate purpose"},
    {"example.org",
     {.names = "DNS:example.org", .constraints = "permitted;DNS:example.net"},
     REFUSED "permitted subtree violation"},
    {"example.org",
     {.names = "DNS:example.org", .constraints = "excluded;DNS:example.org"},
     REFUSED "excluded subtree violation"},
    /* What OpenSSL's constraints do not reach (RFC 9525, section 7.6). */
    {"example.org",
     {.names = "DNS:a.example.net," SRV("IA5", "_xmpp-client.example.org"),
      .constraints = "permitted;DNS:example.net"},
     NOT_FOR "example.org"},
    {"example.org",
     {.names = "DNS:a.example.net," JID("UTF8", "example.org"),
      .constraints = "permitted;DNS:example.net"},
     NOT_FOR "example.org"},
};

static struct tls_cache *cache;
static struct tls_ctx *resuming;

/* One handshake.  NULL: the server was believed. */
static const char *meet(const struct row *row, struct tls_ctx *ctx,
                        bool is_direct, bool *is_resumed)
{
    static char why[200];
    const struct tls_peer peer = {.domain = row->domain,
                                  .is_same = domain_is_same,
                                  .is_verified = true,
                                  .is_direct = is_direct};
    char trust[200];
    bool is_believed;
    unsigned i;

    tls_pair_end(NULL);
    tls_pair_begin(NULL);
    assert_int_equal(sock_start_tls_server(server.s, ctx), ERR_OK);
    assert_int_equal(sock_start_tls_client(client.s, resuming, &peer), ERR_OK);
    for (i = 0; i < 5000; i++) {
        if (client.count[ON_SECURED] > 0 || client.count[ON_LOST] > 0)
            break;
        run_for(loop, 1);
    }
    is_believed = client.count[ON_SECURED] > 0;
    assert_int_not_equal(is_believed, client.count[ON_LOST] > 0);
    snprintf(why, sizeof(why), "%s", client.error);
    if (!is_believed) {
        assert_int_equal(client.why, SOCK_TLS);
        return why;
    }

    /* The tickets come behind the handshake, as a stream would. */
    run_until(loop, &server.count[ON_SECURED], 1);
    assert_int_equal(endpoint_write(&server, "x"), ERR_OK);
    run_until_got(loop, &client, 1);
    sock_trust_text(client.s, trust, sizeof(trust));
    *is_resumed = strcmp(trust, "resumed=yes trust=verified") == 0;
    if (!*is_resumed)
        assert_string_equal(trust, "resumed=no trust=verified");
    return NULL;
}

static void begin_policy(void)
{
    assert_int_equal(tls_cache_new(&cache, 100), ERR_OK);
    resuming = tls_pair_client(&(struct tls_policy){.cache = cache});
}

static void end_policy(void)
{
    tls_pair_end(NULL);
    tls_pair_begin(NULL);
    tls_ctx_free(resuming);
    tls_cache_free(cache);
}

static void expect_belief(const struct row *row, struct tls_ctx *ctx,
                          bool is_direct)
{
    bool is_resumed = true;
    const char *why = meet(row, ctx, is_direct, &is_resumed);

    if (why != NULL)
        fail_msg("%s with %s: %s", row->domain, row->leaf.names, why);
    assert_false(is_resumed);
    assert_true(tls_cache_count(cache) > 0);
    why = meet(row, ctx, is_direct, &is_resumed);
    if (why != NULL)
        fail_msg("%s with %s, resumed: %s", row->domain, row->leaf.names, why);
    assert_true(is_resumed);
}

static void expect_refusal(const struct row *row, struct tls_ctx *ctx,
                           bool is_direct)
{
    bool is_resumed = false;
    const char *why = meet(row, ctx, is_direct, &is_resumed);

    if (why == NULL)
        fail_msg("%s is believed with %s, not: %s", row->domain,
                 row->leaf.names, row->why);
    if (strncmp(why, row->why, strlen(row->why)) != 0)
        fail_msg("%s with %s: %s, not: %s", row->domain, row->leaf.names, why,
                 row->why);
    assert_int_equal(tls_cache_count(cache), 0);
}

/* The server was right, and shows another certificate from now on. */
static void expect_refusal_after_a_good_one(const struct row *row,
                                            struct tls_ctx *ctx, bool is_direct)
{
    bool is_ip = row->domain[0] == '1';
    struct row right = *row;
    struct leaf_files files;
    struct tls_ctx *before;
    char names[300];

    if (strlen(row->domain) > 253)
        return; /* nothing is right for that */
    snprintf(names, sizeof(names), "%s:%s", is_ip ? "IP" : "DNS", row->domain);
    right.leaf = (struct leaf){.common_name = "x", .names = names};
    authority_issue(authority, &right.leaf, &files);
    before = tls_pair_server(&files);
    expect_belief(&right, before, is_direct);
    tls_ctx_free(before);
    assert_true(tls_cache_count(cache) > 0);
    expect_refusal(row, ctx, is_direct);
}

static void judge(const struct row *row, bool is_direct)
{
    struct leaf leaf = row->leaf;
    struct leaf_files files;
    struct tls_ctx *ctx;

    if (leaf.common_name == NULL)
        leaf.common_name = "x";
    authority_issue(authority, &leaf, &files);
    ctx = tls_pair_server(&files);
    begin_policy();
    if (row->why == NULL) {
        expect_belief(row, ctx, is_direct);
    } else {
        expect_refusal(row, ctx, is_direct);
        expect_refusal(row, ctx, is_direct);
        expect_refusal_after_a_good_one(row, ctx, is_direct);
    }
    end_policy();
    tls_ctx_free(ctx);
}

static void certificates_are_judged_on_direct_tls(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        judge(&rows[i], true);
}

static void certificates_are_judged_on_starttls(void **state)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        judge(&rows[i], false);
}

/* K31: configured roots replace those of the system, and each other. */
static void only_the_configured_roots_count(void **state)
{
    struct authority *stranger = authority_new("Stranger");
    struct leaf_files files;
    struct tls_ctx *ctx;
    bool is_resumed;
    const struct row row = {
        "example.org", {.common_name = "x", .names = "DNS:example.org"}, NULL};

    authority_issue(stranger, &row.leaf, &files);
    ctx = tls_pair_server(&files);
    begin_policy();
    assert_string_equal(meet(&row, ctx, true, &is_resumed),
                        REFUSED "unable to get local issuer certificate");
    tls_ctx_free(resuming);
    resuming = tls_pair_client(
        &(struct tls_policy){.ca_file = authority_file(stranger)});
    assert_null(meet(&row, ctx, true, &is_resumed));
    assert_string_equal(meet(&row, server_ctx, true, &is_resumed),
                        REFUSED "unable to get local issuer certificate");
    end_policy();
    tls_ctx_free(ctx);
    authority_free(stranger);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, tls_pair_begin, tls_pair_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(certificates_are_judged_on_direct_tls),
        TEST(certificates_are_judged_on_starttls),
        TEST(only_the_configured_roots_count),
    };

    return cmocka_run_group_tests_name("tls_trust", tests, tls_pair_begin_group,
                                       tls_pair_end_group);
}
