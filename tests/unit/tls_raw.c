#include "tls_raw.h"
#include "net/sock_open.h"
#include "net/sock_text.h"
#include "net/tls_client.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TURNS_MAX 2000

SSL_CTX *raw_ctx(const struct leaf_files *files, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    assert_non_null(ctx);
    signal(SIGPIPE, SIG_IGN); /* OpenSSL's own sockets raise it */
    SSL_CTX_set_security_level(ctx, 0);
    SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0");
    SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(ctx, version);
    SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"raw", 3);
    assert_int_equal(
        SSL_CTX_use_certificate_chain_file(ctx, files->certificate), 1);
    assert_int_equal(
        SSL_CTX_use_PrivateKey_file(ctx, files->key, SSL_FILETYPE_PEM), 1);
    return ctx;
}

void raw_close(struct raw *r)
{
    if (r->ssl != NULL) {
        /* Otherwise it would not know the session any more. */
        SSL_set_shutdown(r->ssl, SSL_SENT_SHUTDOWN);
        close(r->fd);
    }
    SSL_free(r->ssl);
    *r = (struct raw){NULL, -1};
}

void raw_meet(struct raw *r, SSL_CTX *server_side, struct tls_ctx *ours,
              const struct tls_peer *peer)
{
    int fds[2];

    raw_close(r);
    endpoint_close(&client);
    endpoint_close(&server);
    endpoint_init(&client);
    endpoint_init(&server);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    r->fd = fds[1];
    r->ssl = SSL_new(server_side);
    assert_non_null(r->ssl);
    SSL_set_fd(r->ssl, r->fd);
    SSL_set_accept_state(r->ssl);
    endpoint_accept(&client, loop, fds[0]);
    assert_int_equal(sock_start_tls_client(client.s, ours, peer), ERR_OK);
}

bool raw_shake_hands(struct raw *r)
{
    bool is_done = false;
    int i;

    for (i = 0; i < TURNS_MAX && client.count[ON_LOST] == 0; i++) {
        if (!is_done)
            is_done = SSL_do_handshake(r->ssl) == 1;
        run_for(loop, 1);
        if (is_done && client.count[ON_SECURED] > 0)
            break;
    }
    if (client.count[ON_LOST] > 0)
        return false;
    assert_int_equal(client.count[ON_SECURED], 1);
    assert_int_equal(SSL_write(r->ssl, "x", 1), 1);
    run_until_got(loop, &client, 1);
    return true;
}

const char *raw_trust(void)
{
    static char text[200];

    return sock_trust_text(client.s, text, sizeof(text));
}
