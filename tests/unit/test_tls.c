/* TLS through sock.h: both sides in one process.  Conformance K30-K39. */
#include "net/tls.h"

#include "endpoint.h"
#include "tls_authority.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct authority *authority;
static struct leaf_files good; /* for example.org */
static struct tls_ctx *server_ctx;
static struct tls_ctx *client_ctx;
static struct loop *loop;
static struct endpoint client;
static struct endpoint server;

static struct tls_ctx *make_server(const struct leaf_files *files)
{
    struct tls_ctx *ctx = NULL;
    char why[200] = "";

    if (tls_server_new(&ctx, files->certificate, files->key, why,
                       sizeof(why)) != ERR_OK)
        fail_msg("%s", why);
    return ctx;
}

static int begin_group(void **state)
{
    const struct leaf leaf = {"Test", "DNS:example.org", false};
    char why[200];

    tls_start();
    authority = authority_new("Root");
    authority_issue(authority, &leaf, &good);
    server_ctx = make_server(&good);
    return tls_client_new(&client_ctx, authority_file(authority), why,
                          sizeof(why)) == ERR_OK
               ? 0
               : -1;
}

static int end_group(void **state)
{
    tls_ctx_free(server_ctx);
    tls_ctx_free(client_ctx);
    tls_ctx_free(NULL);
    authority_free(authority);
    return 0;
}

static int begin(void **state)
{
    endpoint_init(&client);
    endpoint_init(&server);
    if (loop_new(&loop) != ERR_OK)
        return -1;
    endpoint_pair(&client, &server, loop);
    return 0;
}

static int end(void **state)
{
    endpoint_close(&client);
    endpoint_close(&server);
    sock_stop_lingering(loop);
    loop_free(loop);
    return 0;
}

static void shake_hands(struct tls_ctx *ctx, const char *domain,
                        bool is_verified)
{
    assert_int_equal(sock_start_tls_server(server.s, ctx), ERR_OK);
    assert_int_equal(
        sock_start_tls_client(client.s, client_ctx, domain, is_verified, true),
        ERR_OK);
}

static void secure(void)
{
    shake_hands(server_ctx, "example.org", true);
    run_until(loop, &client.count[ON_SECURED], 1);
    run_until(loop, &server.count[ON_SECURED], 1);
}

static void assert_got(const struct endpoint *e, const char *at, size_t len)
{
    assert_int_equal(e->got.len, len);
    assert_memory_equal(buf_at(&e->got), at, len);
}

static void both_sides_agree_and_talk(void **state)
{
    const struct slice parts[] = {SLICE("head "), SLICE(""), SLICE("body")};

    secure();
    assert_true(sock_is_tls(client.s));
    assert_int_equal(strncmp(client.tls, "TLSv1.3 ", 8), 0);
    assert_string_equal(client.tls, server.tls);
    assert_int_equal(sock_write(client.s, parts, 3), ERR_OK);
    assert_int_equal(endpoint_write(&server, "reply"), ERR_OK);
    run_until_got(loop, &server, 9);
    run_until_got(loop, &client, 5);
    assert_got(&server, "head body", 9);
    assert_got(&client, "reply", 5);
}

static void what_is_written_during_the_handshake_follows_it(void **state)
{
    shake_hands(server_ctx, "example.org", true);
    assert_int_equal(endpoint_write(&client, "early"), ERR_OK);
    assert_int_equal(endpoint_write(&server, "too"), ERR_OK);
    run_until_got(loop, &server, 5);
    run_until_got(loop, &client, 3);
    assert_int_equal(client.count[ON_SECURED], 1);
}

static void congestion_works_as_on_a_plain_connection(void **state)
{
    size_t sent = 0;
    enum err err = ERR_OK;

    secure();
    sock_pause(server.s);
    while (err == ERR_OK) {
        const char *at = pattern(4 << 20) + sent;
        const struct slice parts[] = {
            {at, 7}, {at + 7, 40000}, {at + 40007, 1}};

        err = sock_write(client.s, parts, 3);
        if (err == ERR_OK)
            sent += 40008;
    }
    assert_int_equal(err, ERR_LIMIT);
    assert_true(sock_is_congested(client.s));
    run_for(loop, 5);
    assert_int_equal(server.got.len, 0);
    sock_resume(server.s);
    run_until_got(loop, &server, sent);
    assert_got(&server, pattern(4 << 20), sent);
    assert_int_equal(client.count[ON_DRAINED], 1);
    assert_int_equal(sock_queued_bytes(client.s), 0);
}

static void pausing_inside_received_holds_the_rest_back(void **state)
{
    size_t first;

    secure();
    server.act[ON_RECEIVED] = DO_PAUSE;
    assert_int_equal(endpoint_write_bytes(&client, pattern(90000), 90000),
                     ERR_OK);
    sock_close(client.s);
    client.s = NULL;
    run_until(loop, &server.count[ON_RECEIVED], 1);
    first = server.got.len;
    run_for(loop, 10);
    assert_int_equal(server.got.len, first);
    assert_int_equal(server.count[ON_EOF], 0);
    server.act[ON_RECEIVED] = DO_NOTHING;
    sock_resume(server.s);
    run_until(loop, &server.count[ON_EOF], 1);
    assert_got(&server, pattern(90000), 90000);
}

static void closing_delivers_every_byte_and_close_notify(void **state)
{
    secure();
    sock_pause(server.s);
    assert_int_equal(endpoint_write_bytes(&client, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    sock_close(client.s);
    client.s = NULL;
    run_for(loop, 5);
    sock_resume(server.s);
    run_until(loop, &server.count[ON_EOF], 1);
    assert_got(&server, pattern(1 << 20), 1 << 20);
    assert_int_equal(server.count[ON_LOST], 0);
    assert_int_equal(endpoint_write(&server, "still"), ERR_OK);
    sock_close(server.s);
    server.s = NULL;
    run_for(loop, 10);
}

/* The peer's death without close_notify is an end as well. */
static void truncation_is_an_eof(void **state)
{
    secure();
    sock_abort(server.s);
    server.s = NULL;
    run_until(loop, &client.count[ON_EOF], 1);
    run_for(loop, 5);
    assert_int_equal(client.count[ON_EOF], 1);
    assert_int_equal(client.count[ON_LOST], 0);
    assert_int_equal(endpoint_write(&client, "x"), ERR_CLOSED);
    run_until(loop, &client.count[ON_LOST], 1);
    assert_int_equal(client.why, SOCK_TLS);
    assert_true(strlen(client.error) > 0);
}

static void refuse(const struct leaf *leaf, const char *domain,
                   const char *reason)
{
    struct leaf_files files;
    struct tls_ctx *ctx;

    authority_issue(authority, leaf, &files);
    ctx = make_server(&files);
    shake_hands(ctx, domain, true);
    tls_ctx_free(ctx); /* connections keep what they need */
    run_until(loop, &client.count[ON_LOST], 1);
    assert_int_equal(client.why, SOCK_TLS);
    assert_int_equal(client.count[ON_SECURED], 0);
    assert_string_equal(client.error, reason);
    end(NULL);
    begin(NULL);
}

static void wrong_certificates_are_refused(void **state)
{
    const struct leaf other = {"example.org", "DNS:example.com", false};
    const struct leaf none = {"example.org", NULL, false}; /* K36 */
    const struct leaf server_srv = {
        "x", "otherName:1.3.6.1.5.5.7.8.7;IA5:_xmpp-server.example.org", false};
    const struct leaf srv_type = {
        "x", "otherName:1.3.6.1.5.5.7.8.7;UTF8:_xmpp-client.example.org",
        false}; /* K39: the wrong string type */
    const struct leaf other_oid = {
        "x", "otherName:1.3.6.1.5.5.7.8.9;UTF8:example.org", false};
    const struct leaf expired = {"x", "DNS:example.org", true};
    const struct leaf address = {"x", "DNS:192.0.2.1", false};
    const char *not_for = "certificate refused: not for example.org";

    refuse(&other, "example.org", not_for);
    refuse(&none, "example.org", not_for);
    refuse(&server_srv, "example.org", not_for);
    refuse(&srv_type, "example.org", not_for);
    refuse(&other_oid, "example.org", not_for);
    refuse(&expired, "example.org",
           "certificate refused: certificate has expired");
    refuse(&address, "192.0.2.1", "certificate refused: not for 192.0.2.1");
}

static void accept_leaf(const char *names, const char *domain)
{
    const struct leaf leaf = {"x", names, false};
    struct leaf_files files;
    struct tls_ctx *ctx;

    authority_issue(authority, &leaf, &files);
    ctx = make_server(&files);
    shake_hands(ctx, domain, true);
    tls_ctx_free(ctx);
    run_until(loop, &client.count[ON_SECURED], 1);
    end(NULL);
    begin(NULL);
}

static void every_kind_of_name_is_accepted(void **state)
{
    accept_leaf("DNS:example.net,DNS:*.example.org", "im.example.org");
    accept_leaf("DNS:a.example,otherName:1.3.6.1.5.5.7.8.7;"
                "IA5:_xmpp-client.example.org",
                "example.org");
    accept_leaf("otherName:1.3.6.1.5.5.7.8.5;UTF8:example.org", "example.org");
    accept_leaf("IP:192.0.2.1", "192.0.2.1");
}

/* name: of the stranger's root. */
static void refuse_stranger(const char *name, const char *reason)
{
    struct authority *stranger = authority_new(name);
    const struct leaf leaf = {"x", "DNS:example.org", false};
    struct leaf_files files;
    struct tls_ctx *ctx;

    authority_issue(stranger, &leaf, &files);
    ctx = make_server(&files);
    shake_hands(ctx, "example.org", true);
    run_until(loop, &client.count[ON_LOST], 1);
    run_until(loop, &server.count[ON_LOST], 1); /* it got an alert */
    assert_int_equal(client.why, SOCK_TLS);
    assert_string_equal(client.error, reason);
    end(NULL);
    begin(NULL);

    shake_hands(ctx, "elsewhere.org", false);
    run_until(loop, &client.count[ON_SECURED], 1);
    end(NULL);
    begin(NULL);
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

static void leaving_during_the_handshake_is_a_loss(void **state)
{
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    sock_close(client.s);
    client.s = NULL;
    run_until(loop, &server.count[ON_LOST], 1);
    assert_int_equal(server.why, SOCK_TLS);
    assert_string_equal(server.error, "the peer closed during the handshake");
}

static void tls_starts_only_on_an_idle_open_connection(void **state)
{
    sock_pause(server.s);
    assert_int_equal(endpoint_write_bytes(&client, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    assert_int_equal(
        sock_start_tls_client(client.s, client_ctx, "example.org", true, false),
        ERR_INVALID);
    end(NULL);
    begin(NULL);
    secure();
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_INVALID);
    sock_abort(client.s);
    client.s = NULL;
    run_until(loop, &server.count[ON_EOF], 1);
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_CLOSED);
}

static void the_handshake_takes_only_so_long(void **state)
{
    struct sock_limits limits = endpoint_limits;
    int fds[2];

    endpoint_close(&server);
    limits.handshake_ms = 30;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    endpoint_init(&server);
    assert_int_equal(sock_accept(&server.s, loop, fds[0], NULL, &limits,
                                 &endpoint_ops, &server),
                     ERR_OK);
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    run_until(loop, &server.count[ON_LOST], 1);
    assert_int_equal(server.why, SOCK_TIMEOUT);
    close(fds[1]);
}

static void provoke(enum endpoint_event event)
{
    if (event == ON_SECURED) {
        shake_hands(server_ctx, "example.org", true);
        assert_int_equal(endpoint_write(&client, "queued"), ERR_OK);
        run_until(loop, &client.count[ON_SECURED], 1);
        return;
    }
    secure();
    if (event == ON_RECEIVED) {
        assert_int_equal(endpoint_write_bytes(&server, pattern(200000), 200000),
                         ERR_OK);
    } else if (event == ON_DRAINED) {
        sock_pause(server.s);
        assert_int_equal(
            endpoint_write_bytes(&client, pattern(1 << 20), 1 << 20), ERR_OK);
        sock_resume(server.s);
    } else if (event == ON_EOF) {
        assert_int_equal(endpoint_write(&server, "last"), ERR_OK);
        sock_close(server.s);
        server.s = NULL;
    } else {
        sock_abort(server.s);
        server.s = NULL;
        assert_int_equal(endpoint_write(&client, "x"), ERR_CLOSED);
    }
    run_until(loop, &client.count[event], 1);
}

static void owner_may_end_it_in_every_callback(void **state)
{
    static const enum endpoint_event events[] = {ON_SECURED, ON_RECEIVED,
                                                 ON_DRAINED, ON_EOF, ON_LOST};
    size_t i;
    unsigned act;

    for (i = 0; i < COUNT_OF(events); i++) {
        for (act = DO_CLOSE; act < DO_PAUSE; act++) {
            client.act[events[i]] = (enum endpoint_act)act;
            provoke(events[i]);
            run_for(loop, 3);
            assert_int_equal(client.count[events[i]], 1);
            assert_null(client.s);
            end(NULL);
            begin(NULL);
        }
    }
}

/* Design 4: TLS state, unsent bytes and unread ones move along, also those
 * that OpenSSL holds and epoll does not know of. */
static void moves_between_loops_with_bytes_in_flight(void **state)
{
    struct loop *other;
    struct endpoint moved;

    assert_int_equal(loop_new(&other), ERR_OK);
    endpoint_init(&moved);
    secure();
    sock_pause(client.s);
    assert_int_equal(endpoint_write_bytes(&server, pattern(1 << 20), 1 << 20),
                     ERR_OK);
    assert_true(sock_queued_bytes(server.s) > 0);
    /* More than one turn reads: a record stays half read inside. */
    assert_int_equal(endpoint_write_bytes(&client, pattern(100000), 100000),
                     ERR_OK);
    server.act[ON_RECEIVED] = DO_DETACH;
    run_until(loop, &server.count[ON_RECEIVED], 1);
    assert_true(server.is_parcel);
    assert_true(server.parcel.queue.len > 0);
    assert_true(server.got.len < 100000);
    assert_int_equal(endpoint_write(&client, "after"), ERR_OK);
    run_for(loop, 5);

    server.is_parcel = false;
    assert_int_equal(
        sock_attach(&moved.s, other, &server.parcel, &endpoint_ops, &moved),
        ERR_OK);
    assert_null(server.parcel.tls);
    assert_true(sock_is_tls(moved.s));
    while (server.got.len + moved.got.len < 100005) {
        run_for(other, 1);
        run_for(loop, 1);
    }
    assert_memory_equal(buf_at(&server.got), pattern(100000), server.got.len);
    assert_memory_equal(buf_at(&moved.got), pattern(100000) + server.got.len,
                        100000 - server.got.len);
    sock_resume(client.s);
    while (client.got.len < 1 << 20) {
        run_for(other, 1);
        run_for(loop, 1);
    }
    assert_got(&client, pattern(1 << 20), 1 << 20);
    assert_int_equal(endpoint_write(&moved, "bye"), ERR_OK);
    run_until_got(loop, &client, (1 << 20) + 3);
    endpoint_close(&moved);
    loop_free(other);
}

/* A request and the end of sending in one go, moved between the two. */
static void the_end_of_input_is_seen_after_the_move(void **state)
{
    struct loop *other;
    struct endpoint moved;

    assert_int_equal(loop_new(&other), ERR_OK);
    endpoint_init(&moved);
    secure();
    assert_int_equal(endpoint_write(&client, "request"), ERR_OK);
    sock_close(client.s);
    client.s = NULL;
    server.act[ON_RECEIVED] = DO_DETACH;
    run_until(loop, &server.count[ON_RECEIVED], 1);
    assert_true(server.is_parcel);
    server.is_parcel = false;
    assert_int_equal(
        sock_attach(&moved.s, other, &server.parcel, &endpoint_ops, &moved),
        ERR_OK);
    run_until(other, &moved.count[ON_EOF], 1);
    assert_int_equal(moved.count[ON_LOST], 0);
    endpoint_close(&moved);
    run_for(loop, 5);
    loop_free(other);
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
    assert_int_equal(tls_client_new(&ctx, good.key, why, sizeof(why)),
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(both_sides_agree_and_talk),
        TEST(what_is_written_during_the_handshake_follows_it),
        TEST(congestion_works_as_on_a_plain_connection),
        TEST(pausing_inside_received_holds_the_rest_back),
        TEST(closing_delivers_every_byte_and_close_notify),
        TEST(truncation_is_an_eof),
        TEST(wrong_certificates_are_refused),
        TEST(every_kind_of_name_is_accepted),
        TEST(unknown_authorities_are_refused_unless_unchecked),
        TEST(bytes_that_are_no_tls_end_the_handshake),
        TEST(leaving_during_the_handshake_is_a_loss),
        TEST(tls_starts_only_on_an_idle_open_connection),
        TEST(the_handshake_takes_only_so_long),
        TEST(owner_may_end_it_in_every_callback),
        TEST(moves_between_loops_with_bytes_in_flight),
        TEST(the_end_of_input_is_seen_after_the_move),
        TEST(unusable_files_are_explained),
        TEST(renegotiation_is_refused),
        TEST(old_versions_are_refused),
        TEST(alpn_chooses_what_we_speak),
    };

    return cmocka_run_group_tests_name("tls", tests, begin_group, end_group);
}
