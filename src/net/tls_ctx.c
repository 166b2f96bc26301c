/* What all connections of a kind have in common. */
#include "tls_int.h"

#include "base/log.h"
#include "net/tls_ctx.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/opensslv.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

/* A name and two keys, as OpenSSL has them; of another length they are not
 * shared, and a resumption may need a full handshake. */
#define TICKET_KEYS_BYTES 80

static const char server_ciphers[] = "ECDHE+AESGCM:ECDHE+CHACHA20";

/* Any server in the world, but none without forward secrecy (RFC 9325,
 * section 4.1). */
static const char client_ciphers[] = "DEFAULT:!kRSA:!PSK:!SRP";

/* What still speaks TLS 1.0 knows little else. */
static const char old_ciphers[] = "DEFAULT:@SECLEVEL=0";

/* Never asks on the terminal of a daemon. */
static int no_passphrase(char *to, int cap, int is_writing, void *arg)
{
    return 0;
}

void tls_explain(char *why, size_t cap, const char *what, const char *file)
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

static SSL_CTX *tls_ctx_make(const SSL_METHOD *method)
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

/* Takes ssl. */
static enum err wrap(struct tls_ctx **out, SSL_CTX *ssl,
                     const struct tls_pin *pins, size_t n_pins)
{
    static atomic_uint_fast64_t last;
    struct tls_ctx *ctx = calloc(1, sizeof(*ctx) + n_pins * sizeof(*pins));

    if (ctx == NULL) {
        SSL_CTX_free(ssl);
        return ERR_NOMEM;
    }
    ctx->ssl = ssl;
    ctx->number = atomic_fetch_add(&last, 1) + 1;
    ctx->n_pins = n_pins;
    if (n_pins > 0)
        memcpy(ctx->pins, pins, n_pins * sizeof(*pins));
    *out = ctx;
    return ERR_OK;
}

enum err tls_server_new(struct tls_ctx **out, const char *certificate_file,
                        const char *key_file, char *why, size_t why_cap)
{
    static const unsigned char session_context[] = "doab";
    SSL_CTX *ssl;

    ERR_clear_error();
    ssl = tls_ctx_make(TLS_server_method());
    if (ssl == NULL)
        return ERR_NOMEM;
    SSL_CTX_set_options(ssl, SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* The chain is what the file holds: there are no roots to look for more. */
    SSL_CTX_set_mode(ssl, SSL_MODE_NO_AUTO_CHAIN);
    SSL_CTX_set_alpn_select_cb(ssl, on_alpn, NULL);
    if (SSL_CTX_set_cipher_list(ssl, server_ciphers) != 1 ||
        SSL_CTX_set_session_id_context(ssl, session_context,
                                       sizeof(session_context) - 1) != 1) {
        SSL_CTX_free(ssl);
        return ERR_NOMEM;
    }

    if (SSL_CTX_use_certificate_chain_file(ssl, certificate_file) != 1) {
        tls_explain(why, why_cap, "certificate", certificate_file);
        goto fail;
    }
    if (SSL_CTX_use_PrivateKey_file(ssl, key_file, SSL_FILETYPE_PEM) != 1) {
        tls_explain(why, why_cap, "key", key_file);
        goto fail;
    }
    return wrap(out, ssl, NULL, 0);

fail:
    SSL_CTX_free(ssl);
    return ERR_INVALID;
}

void tls_server_share_tickets(struct tls_ctx *ctx, const struct tls_ctx *with)
{
    unsigned char keys[TICKET_KEYS_BYTES];

    if (SSL_CTX_get_tlsext_ticket_keys(with->ssl, keys, sizeof(keys)) == 1)
        SSL_CTX_set_tlsext_ticket_keys(ctx->ssl, keys, sizeof(keys));
    OPENSSL_cleanse(keys, sizeof(keys));
    ERR_clear_error();
}

/* 32 bytes are 44 characters, the last of them one "=". */
enum err tls_pin_parse(struct tls_pin *out, const char *text)
{
    static const char prefix[] = "sha256/";
    unsigned char bytes[TLS_PIN_BYTES + 1];
    const char *base64 = text + sizeof(prefix) - 1;

    if (strncmp(text, prefix, sizeof(prefix) - 1) != 0)
        return ERR_INVALID;
    if (strlen(base64) != 44 || strchr(base64, '=') != base64 + 43)
        return ERR_INVALID;
    if (EVP_DecodeBlock(bytes, (const unsigned char *)base64, 44) !=
        (int)sizeof(bytes))
        return ERR_INVALID;
    memcpy(out->sha256, bytes, TLS_PIN_BYTES);
    return ERR_OK;
}

static bool tls_ctx_is_old(enum tls_floor floor)
{
    return floor == TLS_FLOOR_1_0 || floor == TLS_FLOOR_1_1;
}

static int version_of(enum tls_floor floor)
{
    switch (floor) {
    case TLS_FLOOR_1_2:
        return TLS1_2_VERSION;
    case TLS_FLOOR_1_3:
        return TLS1_3_VERSION;
    case TLS_FLOOR_1_1:
        return TLS1_1_VERSION;
    case TLS_FLOOR_1_0:
        return TLS1_VERSION;
    }
    return TLS1_3_VERSION;
}

/* The words of a list that match no cipher are not told apart: OpenSSL
 * complains when nothing is left. */
static enum err set_strength(SSL_CTX *ssl, const struct tls_policy *p,
                             char *why, size_t why_cap)
{
    const char *ciphers = p->ciphers;

    if (ciphers == NULL)
        ciphers = tls_ctx_is_old(p->floor) ? old_ciphers : client_ciphers;
    if (tls_ctx_is_old(p->floor))
        SSL_CTX_set_security_level(ssl, 0);
    if (SSL_CTX_set_cipher_list(ssl, ciphers) != 1) {
        tls_explain(why, why_cap, "ciphers", ciphers);
        return ERR_INVALID;
    }
    if (SSL_CTX_set_min_proto_version(ssl, version_of(p->floor)) != 1) {
        tls_explain(why, why_cap, "tls_min", "");
        return ERR_INVALID;
    }
    return ERR_OK;
}

/* No handshake reads a file: what is trusted is read here, once. */
static enum err set_roots(SSL_CTX *ssl, const struct tls_policy *p, char *why,
                          size_t why_cap)
{
    X509_STORE *store;
    enum err err;

    if (p->roots != NULL) {
        err = tls_roots_get(p->roots, &store, p->ca_file, why, why_cap);
        if (err == ERR_OK)
            SSL_CTX_set1_cert_store(ssl, store);
        return err;
    }
    err = tls_roots_load(&store, p->ca_file, why, why_cap);
    if (err == ERR_OK)
        SSL_CTX_set_cert_store(ssl, store); /* takes it */
    return err;
}

/* Where the configuration asks for no verification no chain is built: it costs
 * time, and its verdict would be ignored.  The verdict that is left is none of
 * success, should it ever be asked for. */
static int on_certificate(X509_STORE_CTX *x509, void *arg)
{
    const SSL *ssl =
        X509_STORE_CTX_get_ex_data(x509, SSL_get_ex_data_X509_STORE_CTX_idx());

    if (ssl == NULL || SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE)
        return X509_verify_cert(x509);
    X509_STORE_CTX_set_error(x509, X509_V_ERR_UNSPECIFIED);
    return 1;
}

enum err tls_client_new(struct tls_ctx **out, const struct tls_policy *policy,
                        char *why, size_t why_cap)
{
    SSL_CTX *ssl;
    enum err err;

    ERR_clear_error();
    ssl = tls_ctx_make(TLS_client_method());
    if (ssl == NULL)
        return ERR_NOMEM;
    err = set_strength(ssl, policy, why, why_cap);
    if (err == ERR_OK)
        err = set_roots(ssl, policy, why, why_cap);
    if (err != ERR_OK) {
        SSL_CTX_free(ssl);
        return err;
    }
    SSL_CTX_set_cert_verify_callback(ssl, on_certificate, NULL);
    if (policy->cache != NULL)
        tls_client_keep_sessions(ssl);
    err = wrap(out, ssl, policy->pins, policy->n_pins);
    if (err == ERR_OK)
        (*out)->cache = policy->cache;
    return err;
}

static bool has_cipher(const SSL_CTX *ssl, const SSL_CIPHER *wanted)
{
    const STACK_OF(SSL_CIPHER) *list = SSL_CTX_get_ciphers(ssl);
    int i;

    for (i = 0; i < sk_SSL_CIPHER_num(list); i++)
        if (SSL_CIPHER_get_id(sk_SSL_CIPHER_value(list, i)) ==
            SSL_CIPHER_get_id(wanted))
            return true;
    return false;
}

bool tls_ciphers_are_weak(const char *ciphers)
{
    SSL_CTX *ours = tls_ctx_make(TLS_client_method());
    SSL_CTX *theirs = tls_ctx_make(TLS_client_method());
    const STACK_OF(SSL_CIPHER) * list;
    bool is_weak = true;
    int i;

    if (ours != NULL && theirs != NULL &&
        SSL_CTX_set_cipher_list(ours, client_ciphers) == 1 &&
        SSL_CTX_set_cipher_list(theirs, ciphers) == 1) {
        is_weak = SSL_CTX_get_security_level(theirs) <
                  SSL_CTX_get_security_level(ours);
        list = SSL_CTX_get_ciphers(theirs);
        for (i = 0; !is_weak && i < sk_SSL_CIPHER_num(list); i++)
            is_weak = !has_cipher(ours, sk_SSL_CIPHER_value(list, i));
    }
    ERR_clear_error();
    SSL_CTX_free(ours);
    SSL_CTX_free(theirs);
    return is_weak;
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
