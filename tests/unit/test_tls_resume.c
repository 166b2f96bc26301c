/*
 * Which sessions are resumed, and who is asked again then.  The cache here is
 * one of the test's own: it gives out what it is told to, so that a handshake
 * can be made to resume what it never should.
 * decisions: the identity is checked again on a resumed session, which never
 * outlives the certificate.
 */
#include "net/tls_cache.h"
#include "tls_raw.h"
#include "net/sock_open.h"
#include "net/sock_text.h"
#include "net/tls_ctx.h"
#include "net/tls_client.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define SAVED_MAX 16

struct entry {
    char key[400];
    struct tls_saved saved;
};

static struct {
    struct entry entries[SAVED_MAX];
    size_t n;
    bool ignores_keys; /* gives out whatever there is */
    unsigned taken;
    unsigned forgotten;
} spy;

static const struct tls_peer example = {
    .domain = "example.org", .is_verified = true, .is_direct = true};
static struct raw far;
static struct tls_ctx *ours;

/* --- net/tls_cache.h --- */

static struct tls_cache *spy_cache(void)
{
    return (struct tls_cache *)(void *)&spy;
}

void tls_cache_put(struct tls_cache *c, struct slice key,
                   const struct tls_saved *saved)
{
    struct entry *e = &spy.entries[spy.n++];

    assert_ptr_equal(c, spy_cache());
    assert_true(spy.n <= SAVED_MAX);
    snprintf(e->key, sizeof(e->key), "%.*s", (int)key.len, key.at);
    e->saved = *saved;
}

bool tls_cache_take(struct tls_cache *c, struct slice key, int64_t now_s,
                    struct tls_saved *out)
{
    for (size_t i = spy.n; i-- > 0;) {
        struct entry *e = &spy.entries[i];

        if (!spy.ignores_keys &&
            (strlen(e->key) != key.len || memcmp(e->key, key.at, key.len) != 0))
            continue;
        *out = e->saved;
        spy.n--;
        memmove(e, e + 1, (spy.n - i) * sizeof(*e));
        spy.taken++;
        return true;
    }
    return false;
}

void tls_cache_forget(struct tls_cache *c, struct slice key)
{
    spy.forgotten++;
}

static void spy_empty(void)
{
    while (spy.n > 0)
        SSL_SESSION_free(spy.entries[--spy.n].saved.session);
    memset(&spy, 0, sizeof(spy));
}

/* --- Handshakes --- */

static int begin(void **state)
{
    ours = tls_pair_client(&(struct tls_policy){.cache = spy_cache()});
    return tls_pair_begin(state);
}

static int end(void **state)
{
    raw_close(&far);
    tls_pair_end(state);
    tls_ctx_free(ours);
    spy_empty();
    return 0;
}

static void assert_resumed(SSL_CTX *ctx, const struct tls_peer *peer,
                           bool is_resumed)
{
    raw_meet(&far, ctx, ours, peer);
    if (!raw_shake_hands(&far))
        fail_msg("%s", client.error);
    assert_int_equal(SSL_session_reused(far.ssl), is_resumed);
    assert_int_equal(strncmp(raw_trust(), "resumed=yes", 11) == 0, is_resumed);
}

static void tickets_of_tls_1_3_are_used_once(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);

    assert_resumed(ctx, &example, false);
    assert_int_equal(spy.n, 2); /* so many does OpenSSL send */
    assert_resumed(ctx, &example, true);
    assert_int_equal(spy.taken, 1);
    assert_int_equal(spy.n, 2); /* one came for the one that was used */
    assert_true(spy.entries[0].saved.session != spy.entries[1].saved.session);
    assert_resumed(ctx, &example, true);
    assert_int_equal(spy.forgotten, 0);
    SSL_CTX_free(ctx);
}

static void sessions_of_tls_1_2_are_put_back(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_2_VERSION);

    assert_resumed(ctx, &example, false);
    assert_int_equal(spy.n, 1);
    for (int i = 0; i < 3; i++) {
        assert_resumed(ctx, &example, true);
        assert_int_equal(spy.n, 1);
    }
    SSL_CTX_free(ctx);
}

/* By session id, without tickets. */
static void servers_without_tickets_resume_by_their_memory(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_2_VERSION);

    SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_SERVER);
    assert_resumed(ctx, &example, false);
    assert_resumed(ctx, &example, true);
    SSL_CTX_free(ctx);
}

static void a_server_that_has_forgotten_gets_a_full_handshake(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_CTX *ctx = raw_ctx(&good, versions[i]);
        SSL_CTX *restarted = raw_ctx(&good, versions[i]);

        assert_resumed(ctx, &example, false);
        assert_resumed(restarted, &example, false);
        assert_int_equal(spy.taken, 1);
        assert_resumed(restarted, &example, true);
        SSL_CTX_free(ctx);
        SSL_CTX_free(restarted);
        spy_empty();
    }
}

/* Policy (the context), domain, verification, kind of TLS: another of any of
 * them is another key, and so is another address. */
static void what_was_agreed_for_one_is_not_resumed_for_another(void **state)
{
    struct tls_peer others[] = {example, example, example};
    const struct leaf leaf = {.common_name = "x",
                              .names = "DNS:example.org,DNS:example.net"};
    struct leaf_files files;
    struct tls_ctx *first = ours;
    SSL_CTX *ctx;

    authority_issue(authority, &leaf, &files);
    ctx = raw_ctx(&files, TLS1_3_VERSION);
    others[0].domain = "example.net";
    others[1].is_verified = false;
    others[2].is_direct = false;
    assert_resumed(ctx, &example, false);
    for (size_t i = 0; i < COUNT_OF(others); i++) {
        assert_resumed(ctx, &others[i], false);
        assert_resumed(ctx, &others[i], true);
    }
    assert_resumed(ctx, &example, true);

    /* The same settings, loaded anew. */
    ours = tls_pair_client(&(struct tls_policy){.cache = spy_cache()});
    assert_resumed(ctx, &example, false);
    endpoint_close(&client);
    endpoint_init(&client);
    tls_ctx_free(first);
    SSL_CTX_free(ctx);
}

static void the_address_is_part_of_the_key(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);
    struct tls_peer peer = example;
    struct tls *t = NULL;
    char *space;

    assert_resumed(ctx, &example, false);
    space = strrchr(spy.entries[0].key, ' ');
    assert_non_null(space);
    assert_string_equal(space, " unix:");
    peer.target = "192.0.2.1:5222";
    assert_int_equal(tls_connect_new(&t, ours, -1, &peer), ERR_OK);
    assert_int_equal(spy.taken, 0);
    tls_free(t);
    peer.target = "unix:";
    assert_int_equal(tls_connect_new(&t, ours, -1, &peer), ERR_OK);
    assert_int_equal(spy.taken, 1);
    tls_free(t);
    SSL_CTX_free(ctx);
}

/* The server resumes, by OpenSSL all is well: it is our check that refuses. */
static void the_identity_is_checked_again_on_a_resumed_session(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_peer other = example;

    other.domain = "example.net";
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_CTX *ctx = raw_ctx(&good, versions[i]);

        assert_resumed(ctx, &example, false);
        spy.ignores_keys = true;
        raw_meet(&far, ctx, ours, &other);
        assert_false(raw_shake_hands(&far));
        assert_int_equal(SSL_session_reused(far.ssl), 1);
        assert_string_equal(client.error,
                            "certificate refused: not for example.net");
        assert_int_equal(spy.forgotten, 1);
        SSL_CTX_free(ctx);
        spy_empty();
    }
}

static void an_unverified_session_is_not_resumed_as_a_verified_one(void **state)
{
    const struct leaf leaf = {
        .common_name = "x", .names = "DNS:example.org", .is_self_signed = true};
    struct tls_peer unverified = example;
    struct leaf_files files;
    SSL_CTX *ctx;

    authority_issue(authority, &leaf, &files);
    ctx = raw_ctx(&files, TLS1_3_VERSION);
    unverified.is_verified = false;
    assert_resumed(ctx, &unverified, false);
    spy.ignores_keys = true;
    raw_meet(&far, ctx, ours, &example);
    assert_false(raw_shake_hands(&far));
    assert_string_equal(client.error, "certificate refused: not verified");
    SSL_CTX_free(ctx);
}

static void a_pin_is_checked_again_on_a_resumed_session(void **state)
{
    const struct leaf leaf = {.common_name = "x", .names = "DNS:example.org"};
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);
    struct tls_pin pin;
    struct leaf_files other;

    authority_issue(authority, &leaf, &other);
    assert_int_equal(tls_pin_parse(&pin, other.pin), ERR_OK);
    assert_resumed(ctx, &example, false);
    endpoint_close(&client);
    tls_ctx_free(ours);
    ours = tls_pair_client(
        &(struct tls_policy){.cache = spy_cache(), .pins = &pin, .n_pins = 1});
    spy.ignores_keys = true;
    raw_meet(&far, ctx, ours, &example);
    assert_false(raw_shake_hands(&far));
    assert_string_equal(client.error,
                        "certificate refused: its key is not pinned");
    SSL_CTX_free(ctx);
}

/* What a chain is not allowed to say stays so. */
static void constraints_hold_on_a_resumed_session(void **state)
{
    const struct leaf leaf = {
        .common_name = "x",
        .names = "DNS:a.example.net,otherName:1.3.6.1.5.5.7.8.5;"
                 "UTF8:example.org",
        .constraints = "permitted;DNS:example.net",
    };
    struct tls_peer allowed = example;
    struct leaf_files files;
    SSL_CTX *ctx;

    authority_issue(authority, &leaf, &files);
    ctx = raw_ctx(&files, TLS1_3_VERSION);
    allowed.domain = "a.example.net";
    assert_resumed(ctx, &allowed, false);
    assert_true(spy.entries[0].saved.is_constrained);
    spy.ignores_keys = true;
    raw_meet(&far, ctx, ours, &example);
    assert_false(raw_shake_hands(&far));
    assert_string_equal(client.error,
                        "certificate refused: not for example.org");
    SSL_CTX_free(ctx);
}

static void a_session_never_outlives_the_certificate(void **state)
{
    const struct leaf leaf = {
        .common_name = "x", .names = "DNS:example.org", .lives_s = 600};
    struct leaf_files files;
    SSL_CTX *ctx;
    int64_t until_s;
    int64_t now_s = time(NULL);

    authority_issue(authority, &leaf, &files);
    ctx = raw_ctx(&files, TLS1_3_VERSION);
    assert_resumed(ctx, &example, false);
    until_s = spy.entries[0].saved.until_s;
    assert_in_range(until_s, now_s + 590, now_s + 620);
    /* Nor does what came in its name. */
    assert_resumed(ctx, &example, true);
    for (size_t i = 0; i < spy.n; i++)
        assert_true(spy.entries[i].saved.until_s <= until_s);
    SSL_CTX_free(ctx);

    /* With a longer one it is the server who says how long. */
    spy_empty();
    ctx = raw_ctx(&good, TLS1_3_VERSION);
    SSL_CTX_set_timeout(ctx, 1800);
    assert_resumed(ctx, &example, false);
    assert_in_range(spy.entries[0].saved.until_s, now_s + 1790, now_s + 1830);
    SSL_CTX_free(ctx);
}

/* K30: a server that would take early data gets none. */
static void no_early_data_is_sent(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);

    SSL_CTX_set_max_early_data(ctx, 16384);
    SSL_CTX_set_options(ctx, SSL_OP_NO_ANTI_REPLAY);
    assert_resumed(ctx, &example, false);
    assert_true(SSL_SESSION_get_max_early_data(spy.entries[0].saved.session) >
                0);
    assert_resumed(ctx, &example, true);
    assert_int_equal(SSL_get_early_data_status(far.ssl),
                     SSL_EARLY_DATA_NOT_SENT);
    SSL_CTX_free(ctx);
}

static void who_is_refused_leaves_no_session(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    struct tls_peer other = example;

    other.domain = "example.net";
    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_CTX *ctx = raw_ctx(&good, versions[i]);

        raw_meet(&far, ctx, ours, &other);
        assert_false(raw_shake_hands(&far));
        assert_int_equal(spy.n, 0);
        assert_int_equal(spy.forgotten, i + 1);
        SSL_CTX_free(ctx);
    }
}

/* The server died, or somebody cut the line. */
static void an_end_without_a_word_is_no_reason_not_to_resume(void **state)
{
    static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

    for (size_t i = 0; i < COUNT_OF(versions); i++) {
        SSL_CTX *ctx = raw_ctx(&good, versions[i]);

        SSL_CTX_set_num_tickets(ctx, 1);
        assert_resumed(ctx, &example, false);
        raw_close(&far);
        run_until(loop, &client.count[ON_EOF], 1);
        assert_true(sock_is_truncated(client.s));
        sock_abort(client.s);
        client.s = NULL;
        assert_resumed(ctx, &example, true);
        SSL_CTX_free(ctx);
        spy_empty();
    }
}

static void bytes_that_are_no_tls_end_all_sessions(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);

    assert_resumed(ctx, &example, false);
    assert_int_equal(spy.forgotten, 0);
    assert_int_equal(write(far.fd, "</stream:stream>", 16), 16);
    run_until(loop, &client.count[ON_LOST], 1);
    assert_int_equal(client.why, SOCK_TLS);
    assert_int_equal(spy.forgotten, 1);
    SSL_CTX_free(ctx);
}

static void a_connection_that_moves_saves_no_more(void **state)
{
    SSL_CTX *ctx = raw_ctx(&good, TLS1_3_VERSION);
    struct sock_transfer transfer;

    SSL_CTX_set_num_tickets(ctx, 0);
    assert_resumed(ctx, &example, false);
    assert_int_equal(spy.n, 0);
    assert_int_equal(SSL_new_session_ticket(far.ssl), 1);
    assert_int_equal(SSL_do_handshake(far.ssl), 1);
    assert_int_equal(SSL_write(far.ssl, "y", 1), 1);
    assert_int_equal(sock_detach(client.s, &transfer), ERR_OK);
    assert_int_equal(
        sock_attach(&client.s, loop, &transfer, &endpoint_ops, &client),
        ERR_OK);
    run_until_got(loop, &client, 2);
    assert_int_equal(spy.n, 0);
    SSL_CTX_free(ctx);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(tickets_of_tls_1_3_are_used_once),
        TEST(sessions_of_tls_1_2_are_put_back),
        TEST(servers_without_tickets_resume_by_their_memory),
        TEST(a_server_that_has_forgotten_gets_a_full_handshake),
        TEST(what_was_agreed_for_one_is_not_resumed_for_another),
        TEST(the_address_is_part_of_the_key),
        TEST(the_identity_is_checked_again_on_a_resumed_session),
        TEST(an_unverified_session_is_not_resumed_as_a_verified_one),
        TEST(a_pin_is_checked_again_on_a_resumed_session),
        TEST(constraints_hold_on_a_resumed_session),
        TEST(a_session_never_outlives_the_certificate),
        TEST(no_early_data_is_sent),
        TEST(who_is_refused_leaves_no_session),
        TEST(an_end_without_a_word_is_no_reason_not_to_resume),
        TEST(bytes_that_are_no_tls_end_all_sessions),
        TEST(a_connection_that_moves_saves_no_more),
    };

    return cmocka_run_group_tests_name(
        "tls_resume", tests, tls_pair_begin_group, tls_pair_end_group);
}
