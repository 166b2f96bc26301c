/* What all connections of a kind have in common. */
#include "tls_int.h"

#include "base/log.h"

#include <openssl/err.h>
#include <openssl/opensslv.h>
#include <stdio.h>
#include <stdlib.h>

/* Before 3.0.8 lie the fixes of CVE-2022-3602 and CVE-2023-0286: names in
 * certificates that corrupt memory. */
#define OPENSSL_GOOD 0x30000080UL

static const char server_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

void tls_start(void)
{
    OPENSSL_init_ssl(0, NULL);
    if (OpenSSL_version_num() < OPENSSL_GOOD)
        log_warn(
            NULL, "tls.library_old version=%s",
            log_quote(slice_of(OpenSSL_version(OPENSSL_VERSION_STRING))).text);
}

/* Never asks on the terminal of a daemon. */
static int no_passphrase(char *to, int cap, int is_writing, void *arg)
{
    return 0;
}

static void explain(char *why, size_t cap, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error();
    const char *reason = ERR_reason_error_string(code);
    char system[64] = "";

    if (ERR_SYSTEM_ERROR(code)) {
        snprintf(system, sizeof(system), "%s", strerror(ERR_GET_REASON(code)));
        reason = system;
    }
    snprintf(why, cap, "%s %s: %s", what, file,
             reason != NULL ? reason : "cannot be used");
    ERR_clear_error();
}

static SSL_CTX *make(const SSL_METHOD *method)
{
    SSL_CTX *ssl = SSL_CTX_new(method);

    if (ssl == NULL)
        return NULL;
    SSL_CTX_set_security_level(ssl, 2);
    SSL_CTX_set_options(ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ssl, SSL_MODE_RELEASE_BUFFERS |
                              SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    SSL_CTX_clear_mode(ssl, SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_default_passwd_cb(ssl, no_passphrase);
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_OFF);
    if (SSL_CTX_set_min_proto_version(ssl, TLS1_2_VERSION) != 1) {
        SSL_CTX_free(ssl);
        return NULL;
    }
    return ssl;
}

/* Browsers offer h2 first; what we speak is HTTP/1.1. */
static int on_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                   const unsigned char *in, unsigned in_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;

    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in,
                              in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static enum err wrap(struct tls_ctx **out, SSL_CTX *ssl)
{
    struct tls_ctx *ctx = calloc(1, sizeof(*ctx));

    if (ctx == NULL) {
        SSL_CTX_free(ssl);
        return ERR_NOMEM;
    }
    ctx->ssl = ssl;
    *out = ctx;
    return ERR_OK;
}

enum err tls_server_new(struct tls_ctx **out, const char *certificate_file,
                        const char *key_file, char *why, size_t why_cap)
{
    static const unsigned char session_context[] = "doab";
    SSL_CTX *ssl;

    ERR_clear_error();
    ssl = make(TLS_server_method());
    if (ssl == NULL)
        return ERR_NOMEM;
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_cipher_list(ssl, server_ciphers);
    SSL_CTX_set_session_id_context(ssl, session_context,
                                   sizeof(session_context) - 1);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);

    if (SSL_CTX_use_certificate_chain_file(ssl, certificate_file) != 1) {
        explain(why, why_cap, "certificate", certificate_file);
        goto fail;
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1) {
        explain(why, why_cap, "key", key_file);
        goto fail;
    }
    return wrap(out, ssl);

fail:
    SSL_CTX_free(ssl);
    return ERR_INVALID;
}

enum err tls_client_new(struct tls_ctx **out, const char *ca_file, char *why,
                        size_t why_cap)
{
    SSL_CTX *ssl;
    int loaded;

    ERR_clear_error();
    ssl = make(TLS_client_method());
    if (ssl == NULL)
        return ERR_NOMEM;
    loaded = ca_file != NULL ? SSL_CTX_load_verify_file(ssl, ca_file)
                             : SSL_CTX_set_default_verify_paths(ssl);
    if (loaded != 1) {
        explain(why, why_cap, "ca_file",
                ca_file != NULL ? ca_file : "of the system");
        SSL_CTX_free(ssl);
        return ERR_INVALID;
    }
    return wrap(out, ssl);
}

void tls_ctx_free(struct tls_ctx *ctx)
{
    if (ctx == NULL)
        return;
    SSL_CTX_free(ctx->ssl);
    free(ctx);
}

const char *tls_library(void)
{
    return OpenSSL_version(OPENSSL_VERSION);
}
