#include "net/tls.h"

#include "tls_int.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define ERROR_BYTES 160

/* --- The fd as a BIO: OpenSSL's own would raise SIGPIPE --- */

static BIO_METHOD *bio_method; /* of the process, from tls_start to its end */

static bool is_busy(int error)
{
    return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

static int bio_read(BIO *bio, char *at, int len)
{
    struct tls *t = BIO_get_data(bio);
    ssize_t got = recv(t->fd, at, (size_t)len, 0);

    BIO_clear_retry_flags(bio);
    if (got < 0 && is_busy(errno))
        BIO_set_retry_read(bio);
    else if (got < 0)
        t->error = errno;
    else if (got == 0)
        t->saw_fin = true;
    return (int)got;
}

static int bio_write(BIO *bio, const char *at, int len)
{
    struct tls *t = BIO_get_data(bio);
    ssize_t sent = send(t->fd, at, (size_t)len, MSG_NOSIGNAL);

    BIO_clear_retry_flags(bio);
    if (sent < 0 && is_busy(errno))
        BIO_set_retry_write(bio);
    else if (sent < 0)
        t->error = errno;
    return (int)sent;
}

static long bio_ctrl(BIO *bio, int command, long number, void *arg)
{
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *make_bio_method(void)
{
    int index = BIO_get_new_index();
    BIO_METHOD *method;

    if (index < 0)
        return NULL;
    method = BIO_meth_new(index | BIO_TYPE_SOURCE_SINK, "doab connection");
    if (method == NULL)
        return NULL;
    if (BIO_meth_set_read(method, bio_read) == 1 &&
        BIO_meth_set_write(method, bio_write) == 1 &&
        BIO_meth_set_ctrl(method, bio_ctrl) == 1 &&
        BIO_meth_set_create(method, bio_create) == 1)
        return method;
    BIO_meth_free(method);
    return NULL;
}

/* At the first connection instead, a failure would last: no later connection
 * could have TLS. */
enum err tls_start(void)
{
    if (OPENSSL_init_ssl(0, NULL) != 1)
        return ERR_NOMEM;
    if (bio_method == NULL)
        bio_method = make_bio_method();
    ERR_clear_error();
    return bio_method != NULL ? ERR_OK : ERR_NOMEM;
}

/* --- Life --- */

enum err tls_make(struct tls **out, struct tls_ctx *ctx, int fd)
{
    struct tls *t = calloc(1, sizeof(*t));
    BIO *bio;

    assert(bio_method != NULL);
    if (t == NULL)
        return ERR_NOMEM;
    t->fd = fd;
    ERR_clear_error();
    t->ssl = SSL_new(ctx->ssl);
    bio = BIO_new(bio_method);
    if (t->ssl == NULL || bio == NULL) {
        BIO_free(bio);
        goto fail;
    }
    BIO_set_data(bio, t);
    SSL_set_bio(t->ssl, bio, bio);
    /* It allocates.  A ticket would find no connection without it. */
    if (SSL_set_app_data(t->ssl, t) != 1)
        goto fail;
    *out = t;
    return ERR_OK;

fail:
    ERR_clear_error();
    tls_free(t);
    return ERR_NOMEM;
}

enum err tls_accept_new(struct tls **out, struct tls_ctx *ctx, int fd)
{
    enum err err = tls_make(out, ctx, fd);

    if (err == ERR_OK)
        SSL_set_accept_state((*out)->ssl);
    return err;
}

void tls_free(struct tls *t)
{
    if (t == NULL)
        return;
    SSL_free(t->ssl);
    tls_client_free(t->client);
    free(t->text);
    free(t);
}

/* --- Running --- */

enum tls_io tls_fail(struct tls *t, const char *what, const char *detail)
{
    t->is_failed = true;
    if (t->text == NULL)
        t->text = malloc(ERROR_BYTES);
    if (t->text != NULL)
        snprintf(t->text, ERROR_BYTES, "%s%s", what, detail);
    ERR_clear_error();
    return TLS_FAILED;
}

static enum tls_io fail_by_queue(struct tls *t)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    long verdict = SSL_get_verify_result(t->ssl);

    if (t->client != NULL)
        tls_client_failed(t);
    if (t->client != NULL && t->client->is_verified && verdict != X509_V_OK)
        return tls_fail(
            t, "certificate refused: ", X509_verify_cert_error_string(verdict));
    return tls_fail(t, "", reason != NULL ? reason : "protocol error");
}

/* What SSL_* answered, in our words. */
static enum tls_io tls_judge(struct tls *t, int result)
{
    int error = SSL_get_error(t->ssl, result);
    int reason = ERR_GET_REASON(ERR_peek_error());

    if (error == SSL_ERROR_WANT_READ)
        return TLS_WANT_READ;
    if (error == SSL_ERROR_WANT_WRITE)
        return TLS_WANT_WRITE;
    if (error == SSL_ERROR_ZERO_RETURN)
        return TLS_EOF;
    if (t->saw_fin && (error == SSL_ERROR_SYSCALL ||
                       reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)) {
        ERR_clear_error();
        t->is_truncated = true;
        return TLS_EOF;
    }
    if (error == SSL_ERROR_SYSCALL)
        return tls_fail(t, "",
                        t->error != 0 ? strerror(t->error) : "connection lost");
    return fail_by_queue(t);
}

enum tls_io tls_handshake(struct tls *t)
{
    enum tls_io io;
    int result;

    if (t->is_failed)
        return TLS_FAILED;
    ERR_clear_error();
    result = SSL_do_handshake(t->ssl);
    if (result == 1)
        return t->client != NULL ? tls_client_check(t) : TLS_DONE;
    io = tls_judge(t, result);
    if (io == TLS_EOF)
        tls_fail(t, "", "the peer closed during the handshake");
    return io;
}

enum tls_io tls_read(struct tls *t, char *at, size_t cap, size_t *moved)
{
    enum tls_io io;
    int result;

    if (t->is_failed)
        return TLS_FAILED;
    ERR_clear_error();
    result = SSL_read_ex(t->ssl, at, cap, moved);
    if (result == 1)
        return TLS_DONE;
    io = tls_judge(t, result);
    /* A ticket makes OpenSSL allocate what it would write into, and keep that
     * until it writes: 16 KB of each idle connection. */
    if (io == TLS_WANT_READ)
        SSL_free_buffers(t->ssl);
    return io;
}

enum tls_io tls_write(struct tls *t, const char *at, size_t len, size_t *moved)
{
    enum tls_io io;
    int result;

    if (t->is_failed)
        return TLS_FAILED;
    ERR_clear_error();
    result = SSL_write_ex(t->ssl, at, len, moved);
    if (result == 1)
        return TLS_DONE;
    /* The peer's end of sending is none of ours: an error here is one. */
    io = tls_judge(t, result);
    return io == TLS_EOF ? tls_fail(t, "", "connection lost") : io;
}

bool tls_has_pending(const struct tls *t)
{
    if (t->is_failed)
        return false;
    return SSL_has_pending(t->ssl) == 1 || t->saw_fin ||
           (SSL_get_shutdown(t->ssl) & SSL_RECEIVED_SHUTDOWN) != 0;
}

void tls_shutdown(struct tls *t)
{
    if (t->is_failed || SSL_in_init(t->ssl))
        return;
    ERR_clear_error();
    SSL_shutdown(t->ssl);
    ERR_clear_error();
}

bool tls_truncated(const struct tls *t)
{
    return t->is_truncated;
}

const char *tls_error_text(const struct tls *t)
{
    if (t->text != NULL)
        return t->text;
    return t->is_failed ? "out of memory" : "";
}

const char *tls_describe(const struct tls *t, char *out, size_t cap)
{
    snprintf(out, cap, "%s %s", SSL_get_version(t->ssl),
             SSL_get_cipher_name(t->ssl));
    return out;
}
