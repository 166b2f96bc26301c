/* A connection leaves a server between two messages: for another server in
 * another loop, or out of HTTP. */
#include "http_world.h"

#include "base/metrics.h"
#include "net/tls.h"
#include "net/tls_ctx.h"
#include "net/sock_open.h"
#include "front/http_head.h"

#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#define POST_HEAD(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define MOVED           POST_HEAD("/move") "Content-Length: 5\r\n\r\nmoved"
#define MOVED_CHUNKED                                                          \
    POST_HEAD("/move")                                                         \
    "Transfer-Encoding: chunked\r\n\r\n2\r\nmo\r\n3\r\nved\r\n0\r\n\r\n"

/* --- A certificate and a client with TLS ---------------------------------- */

static char cert_path[64] = "/tmp/doab-test-cert-XXXXXX";
static char key_path[64] = "/tmp/doab-test-key-XXXXXX";

static FILE *make_file(char *path)
{
    int fd = mkstemp(path);

    assert_true(fd >= 0);
    return fdopen(fd, "w");
}

static int make_certificate(void **state)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    FILE *file;

    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                               (const unsigned char *)"test", -1, -1, 0);
    X509_set_issuer_name(cert, name);
    X509_set_pubkey(cert, key);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);

    file = make_file(cert_path);
    PEM_write_X509(file, cert);
    fclose(file);
    file = make_file(key_path);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
    return 0;
}

static int remove_certificate(void **state)
{
    unlink(cert_path);
    unlink(key_path);
    return 0;
}

static ssize_t client_receive(struct world *w, char *at, size_t cap)
{
    int n = SSL_read(w->tls, at, (int)cap);

    if (n > 0)
        return n;
    errno = EAGAIN;
    return SSL_get_error(w->tls, n) == SSL_ERROR_WANT_READ ? -1 : 0;
}

static ssize_t client_transmit(struct world *w, const char *at, size_t len)
{
    return SSL_write(w->tls, at, (int)len);
}

/* The server's side of it. */
static void await_tls(struct world *w)
{
    struct tls_ctx *server;
    char why[256] = "";

    assert_int_equal(tls_start(), ERR_OK);
    if (tls_server_new(&server, cert_path, key_path, why, sizeof(why)) !=
        ERR_OK)
        fail_msg("%s", why);
    world_connect(w, server);
    tls_ctx_free(server);
}

static void connect_tls(struct world *w)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    int done = 0;

    await_tls(w);
    w->tls = SSL_new(ctx);
    SSL_CTX_free(ctx);
    SSL_set_fd(w->tls, w->fd);
    for (int i = 0; i < 500 && done != 1; i++) {
        done = SSL_connect(w->tls);
        world_run(w, 1);
    }
    assert_int_equal(done, 1);
    w->receive = client_receive;
    w->transmit = client_transmit;
}

/* The client from now on is talked to in the turns of another world. */
static void give_client(struct world *to, struct world *from)
{
    to->fd = from->fd;
    to->tls = from->tls;
    to->receive = from->receive;
    to->transmit = from->transmit;
    slots_give(&from->places); /* it went with the connection */
    assert_true(slots_take(&to->places));
    from->fd = -1;
    from->tls = NULL;
    from->receive = NULL;
}

static void free_world(struct world *w)
{
    SSL_free(w->tls);
    world_free(w);
}

/* --- Moving --------------------------------------------------------------- */

static void detach(struct world *w, struct http_exchange *x,
                   const struct http_request *r)
{
    assert_int_equal(http_detach(x, w->transfer), ERR_OK);
}

static void check_and_hold(struct world *w, struct http_exchange *x,
                           const struct http_request *r)
{
    assert_true(slice_is(r->body, "moved"));
    assert_int_equal(r->head->method, HTTP_POST);
    assert_true(slice_is(http_header(r->head, "host", NULL), "a"));
    assert_int_equal(r->is_tls, w->transfer != NULL);
    world_hold(w, x);
}

/* Sends the bytes, sees the connection leave the first server, which is then
 * gone, and arrive in the second. */
static struct world *move(const char *bytes, bool is_tls)
{
    struct world *from = world_new(NULL);
    struct world *to = world_new(NULL);
    struct http_transfer transfer = {.sock = {.fd = -1}};

    if (is_tls)
        connect_tls(from);
    else
        world_connect(from, NULL);
    from->transfer = &transfer;
    from->move = detach;
    world_send(from, bytes);
    world_expect_requests(from, 1);
    assert_int_equal(http_server_count(from->srv), 0);
    assert_int_equal(from->accounted, 0);
    assert_true(transfer.sock.fd >= 0);
    assert_int_equal(transfer.is_tls, is_tls);
    give_client(to, from);
    world_run(from, 5);
    assert_int_equal(from->n_requests, 1); /* the rest is not served here */
    free_world(from);

    to->move = check_and_hold;
    to->transfer = is_tls ? to : NULL;
    assert_int_equal(http_attach(to->srv, &transfer), ERR_OK);
    assert_int_equal(http_server_count(to->srv), 1);
    assert_int_equal(to->accounted, 1);
    assert_int_equal(to->held[0].x != NULL, true);
    http_transfer_drop(&transfer); /* empty: nothing happens */
    return to;
}

static void check_moved(const char *first, bool is_tls)
{
    char bytes[512];
    struct world *w;

    snprintf(bytes, sizeof(bytes), "%s%s", first,
             POST_HEAD("/echo") "Content-Length: 6\r\n\r\nbehind");
    w = move(bytes, is_tls);
    world_expect_requests(w, 2);
    world_expect_silence(w); /* the one behind waits for the held one */
    world_release(w, 0, "answer");
    world_expect(w, "\r\n\r\nanswer");
    world_expect(w, "\r\n\r\nbehind");

    /* And it goes on as any other connection. */
    world_send(w, GET("/hold"));
    world_expect_requests(w, 3);
    if (!is_tls) {
        shutdown(w->fd, SHUT_WR);
        world_run(w, 10);
        assert_int_equal(w->held[1].how, HTTP_LEFT_FIN);
        assert_int_equal(w->held[1].n_left, 1);
    }
    world_release(w, 1, "third");
    world_expect(w, "\r\n\r\nthird");
    free_world(w);
}

/* decisions 19, 21, 38 */
static void a_plain_connection_moves_with_what_was_read_ahead(void **state)
{
    check_moved(MOVED, false);
    check_moved(MOVED_CHUNKED, false);
}

static void a_tls_connection_moves_with_what_was_read_ahead(void **state)
{
    check_moved(MOVED, true);
    check_moved(MOVED_CHUNKED, true);
}

/* metrics: TLS_FAILED is of handshakes, not of what comes later */
static void only_failed_handshakes_count_as_such(void **state)
{
    struct metrics m = {{0}};
    struct world *w = world_new(NULL);

    metrics_bind(&m);
    await_tls(w);
    world_send(w, GET("/echo")); /* plainly */
    world_expect_eof(w);
    assert_int_equal(m.value[METRIC_TLS_FAILED], 1);
    assert_int_equal(http_server_count(w->srv), 0);
    close(w->fd);

    connect_tls(w);
    world_send(w, GET("/hold"));
    world_expect_requests(w, 1);
    assert_int_equal(send(w->fd, "garbage", 7, 0), 7);
    world_run(w, 10);
    assert_int_equal(w->held[0].how, HTTP_LEFT_RST);
    assert_int_equal(w->held[0].n_left, 1);
    assert_int_equal(m.value[METRIC_TLS_FAILED], 1);
    metrics_bind(NULL);
    free_world(w);
}

static void half_a_request_behind_is_moved_too(void **state)
{
    struct world *w = move(MOVED "POST /echo HT", false);

    world_send(w, "TP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\na");
    world_run(w, 5);
    world_send(w, "b");
    world_expect_requests(w, 2);
    world_release(w, 0, "answer");
    world_expect(w, "\r\n\r\nanswer");
    world_expect(w, "\r\n\r\nab");
    free_world(w);
}

static void drop(struct world *w, struct http_exchange *x,
                 const struct http_request *r)
{
    struct http_transfer transfer;

    assert_int_equal(http_detach(x, &transfer), ERR_OK);
    http_transfer_drop(&transfer);
}

static void a_dropped_parcel_closes_the_connection(void **state)
{
    struct world *w = world_open();

    w->move = drop;
    world_send(w, MOVED);
    world_expect_eof(w);
    world_free(w);
}

static void fail_to_detach(struct world *w, struct http_exchange *x,
                           const struct http_request *r)
{
    struct http_transfer transfer;
    struct sock_transfer sock;
    struct buf rest;

    assert_int_equal(http_detach(x, &transfer), ERR_CLOSED);
    assert_int_equal(http_take(x, &sock, &rest), ERR_CLOSED);
    world_answer(x, SLICE("stays"));
}

static void behind_a_held_request_nothing_moves(void **state)
{
    struct world *w = world_open();

    w->move = fail_to_detach;
    world_send(w, GET("/hold") MOVED);
    world_expect_requests(w, 2);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirst");
    world_expect(w, "\r\n\r\nstays");
    world_free(w);
}

static void a_parcel_without_a_request_is_refused(void **state)
{
    struct world *w = world_new(NULL);
    struct http_transfer transfer = {.sock = {.fd = -1}};

    assert_int_equal(http_attach(w->srv, &transfer), ERR_INVALID);
    assert_int_equal(http_server_count(w->srv), 0);
    world_free(w);
}

/* --- TLS that is never finished ------------------------------------------- */

/* One more handshake than there may be ends the oldest, which is the likeliest
 * to stay; those that are done do not count. */
static void unfinished_handshakes_have_a_limit(void **state)
{
    struct world none = {.loop = NULL};
    struct http_server_params p = world_params(&none);
    struct world *w;
    int fds[4];
    char byte;

    p.limits.handshakes_max = 2;
    w = world_new(&p);
    connect_tls(w);
    for (int i = 0; i < 4; i++) {
        int kept = w->fd;

        await_tls(w);
        fds[i] = w->fd;
        w->fd = kept;
    }
    world_run(w, 5);
    assert_int_equal(http_server_count(w->srv), 3);
    for (int i = 0; i < 4; i++) {
        ssize_t n = recv(fds[i], &byte, 1, MSG_DONTWAIT);

        assert_int_equal(n, i < 2 ? 0 : -1);
        close(fds[i]);
    }
    world_send(w, GET("/who"));
    world_expect(w, " tls.");
    world_run(w, 5);
    assert_int_equal(http_server_count(w->srv), 1);
    free_world(w);
}

/* --- Leaving HTTP --------------------------------------------------------- */

struct taken {
    struct sock_transfer sock;
    struct buf rest;
};

static void take(struct world *w, struct http_exchange *x,
                 const struct http_request *r)
{
    struct taken *t = w->transfer;

    assert_int_equal(http_take(x, &t->sock, &t->rest), ERR_OK);
}

/* J07: bytes after the head belong to what follows */
static void a_taken_connection_is_given_with_the_bytes_behind(void **state)
{
    struct taken t = {.sock = {.fd = -1}};
    struct world *w = world_open();

    w->move = take;
    w->transfer = &t;
    world_send(w, GET("/echo") GET("/move") GET("/echo"));
    world_expect_requests(w, 2);
    assert_int_equal(http_server_count(w->srv), 0);
    assert_true(slice_is(buf_slice(&t.rest), GET("/echo")));
    world_expect(w, "\r\n\r\n");
    assert_int_equal(write(t.sock.fd, "raw", 3), 3);
    world_expect(w, "raw");
    buf_free(&t.rest);
    sock_transfer_drop(&t.sock);
    slots_give(&w->places); /* it was given with the connection */
    world_free(w);
}

/* Later, when what was asked of another has come. */
static void a_held_connection_can_be_taken(void **state)
{
    struct taken t = {.sock = {.fd = -1}};
    struct world *w = world_open();

    world_send(w, GET("/hold") "early");
    world_expect_requests(w, 1);
    assert_int_equal(http_take(w->held[0].x, &t.sock, &t.rest), ERR_OK);
    assert_true(slice_is(buf_slice(&t.rest), "early"));
    world_run(w, 5);
    assert_int_equal(http_server_count(w->srv), 0);
    buf_free(&t.rest);
    sock_transfer_drop(&t.sock);
    slots_give(&w->places); /* it was given with the connection */
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_connection_moves_with_what_was_read_ahead),
        cmocka_unit_test(a_tls_connection_moves_with_what_was_read_ahead),
        cmocka_unit_test(only_failed_handshakes_count_as_such),
        cmocka_unit_test(half_a_request_behind_is_moved_too),
        cmocka_unit_test(a_dropped_parcel_closes_the_connection),
        cmocka_unit_test(behind_a_held_request_nothing_moves),
        cmocka_unit_test(a_parcel_without_a_request_is_refused),
        cmocka_unit_test(unfinished_handshakes_have_a_limit),
        cmocka_unit_test(a_taken_connection_is_given_with_the_bytes_behind),
        cmocka_unit_test(a_held_connection_can_be_taken),
    };

    return cmocka_run_group_tests(tests, make_certificate, remove_certificate);
}
