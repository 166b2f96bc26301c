/* What is spoken, and unknown authorities.  Conformance K30, K31; which
 * certificates are believed, see test_tls_trust.c. */
#include "tls_pair.h"
#include "net/sock_open.h"
#include "net/tls_ctx.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* name: of the stranger's root. */
static void refuse_stranger(const char *name, const char *reason)
{
    struct authority *stranger = authority_new(name);
    const struct leaf leaf = {.common_name = "x", .names = "DNS:example.org"};
    struct leaf_files files;
    struct tls_ctx *ctx;

    authority_issue(stranger, &leaf, &files);
    ctx = tls_pair_server(&files);
    tls_pair_shake_hands(ctx, "example.org", true);
    run_until(loop, &client.count[ON_LOST], 1);
    run_until(loop, &server.count[ON_LOST], 1); /* it got an alert */
    assert_int_equal(client.why, SOCK_TLS);
    assert_string_equal(client.error, reason);
    tls_pair_end(NULL);
    tls_pair_begin(NULL);

    tls_pair_shake_hands(ctx, "elsewhere.org", false);
    run_until(loop, &client.count[ON_SECURED], 1);
    tls_pair_end(NULL);
    tls_pair_begin(NULL);
    tls_ctx_free(ctx);
    authority_free(stranger);
}

static void unknown_authorities_are_refused_unless_unchecked(void **state)
{
    refuse_stranger("Stranger", "certificate refused: unable to get local "
                                "issuer certificate");
    refuse_stranger("Root",
                    "certificate refused: certificate signature failure");
}

static void bytes_that_are_no_tls_end_the_handshake(void **state)
{
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    assert_int_equal(endpoint_write(&client, "GET / HTTP/1.1\r\n\r\n"), ERR_OK);
    run_until(loop, &server.count[ON_LOST], 1);
    assert_int_equal(server.why, SOCK_TLS);
    assert_true(strlen(server.error) > 0);
    assert_int_equal(server.count[ON_SECURED], 0);
}

static void unusable_files_are_explained(void **state)
{
    struct tls_ctx *ctx = NULL;
    char why[300] = "";

    assert_int_equal(
        tls_server_new(&ctx, "/nonexistent", good.key, why, sizeof(why)),
        ERR_INVALID);
    assert_string_equal(why,
                        "certificate /nonexistent: No such file or directory");
    assert_int_equal(tls_server_new(&ctx, good.certificate, good.certificate,
                                    why, sizeof(why)),
                     ERR_INVALID);
    assert_non_null(strstr(why, "key "));
    assert_int_equal(tls_server_new(&ctx, authority_file(authority), good.key,
                                    why, sizeof(why)),
                     ERR_INVALID); /* they do not belong together */
    assert_int_equal(tls_client_new(&ctx,
                                    &(struct tls_policy){.ca_file = good.key},
                                    why, sizeof(why)),
                     ERR_INVALID);
    assert_non_null(strstr(why, "ca_file "));
    assert_null(ctx);
}

/* A client of OpenSSL's own, with old habits. */
static SSL *raw_client(int fd, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, version);
    ssl = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(ssl, fd);
    SSL_set_connect_state(ssl);
    return ssl;
}

static int replace_client(void)
{
    int fds[2];

    endpoint_close(&client);
    endpoint_close(&server);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    endpoint_accept(&server, loop, fds[0]);
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    return fds[1];
}

static void renegotiation_is_refused(void **state)
{
    int fd = replace_client();
    SSL *ssl = raw_client(fd, TLS1_2_VERSION);
    int i;

    for (i = 0; i < 100 && SSL_do_handshake(ssl) != 1; i++)
        run_for(loop, 1);
    assert_int_equal(server.count[ON_SECURED], 1);
    assert_int_equal(strncmp(server.tls, "TLSv1.2 ", 8), 0);
    assert_int_equal(SSL_write(ssl, "x", 1), 1);
    run_until_got(loop, &server, 1);
    assert_int_equal(SSL_renegotiate(ssl), 1);
    for (i = 0; i < 20 && SSL_do_handshake(ssl) != 1; i++)
        run_for(loop, 1);
    assert_int_equal(i, 20); /* it never came about */
    SSL_free(ssl);
    close(fd);
}

static void old_versions_are_refused(void **state)
{
    int fd = replace_client();
    SSL *ssl = raw_client(fd, TLS1_1_VERSION);
    int i;

    for (i = 0; i < 20 && SSL_do_handshake(ssl) != 1; i++)
        run_for(loop, 1);
    assert_int_equal(server.count[ON_SECURED], 0);
    run_until(loop, &server.count[ON_LOST], 1);
    assert_int_equal(server.why, SOCK_TLS);
    SSL_free(ssl);
    close(fd);
}

static void alpn_chooses_what_we_speak(void **state)
{
    int fd = replace_client();
    SSL *ssl = raw_client(fd, TLS1_3_VERSION);
    const unsigned char *chosen = NULL;
    unsigned len = 0;
    int i;

    SSL_set_alpn_protos(ssl, (const unsigned char *)"\x02h2\x08http/1.1", 12);
    for (i = 0; i < 100 && SSL_do_handshake(ssl) != 1; i++)
        run_for(loop, 1);
    SSL_get0_alpn_selected(ssl, &chosen, &len);
    assert_int_equal(len, 8);
    assert_memory_equal(chosen, "http/1.1", 8);
    SSL_free(ssl);
    close(fd);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, tls_pair_begin, tls_pair_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(unknown_authorities_are_refused_unless_unchecked),
        TEST(bytes_that_are_no_tls_end_the_handshake),
        TEST(unusable_files_are_explained),
        TEST(renegotiation_is_refused),
        TEST(old_versions_are_refused),
        TEST(alpn_chooses_what_we_speak),
    };

    return cmocka_run_group_tests_name("tls", tests, tls_pair_begin_group,
                                       tls_pair_end_group);
}
