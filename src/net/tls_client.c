/* The side that connects to servers: whom it believes, and which sessions it
 * resumes. */
#include "net/addr.h"
#include "net/tls_cache.h"
#include "tls_int.h"
#include "net/tls_client.h"

#include <inttypes.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define DAY_S 86400

/* Certificates are valid by the calendar, not by the loop's clock. */
static int64_t calendar_s(void)
{
    struct timespec now;

    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec;
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* --- Sessions that may be resumed --- */

/* All that a session was negotiated under.  No part has a space in it. */
static char *tls_client_make_key(const struct tls_ctx *ctx,
                                 const struct tls_peer *peer)
{
    char head[40];
    size_t cap;
    char *key;

    snprintf(head, sizeof(head), "%" PRIu64 " %c%c", ctx->number,
             peer->is_verified ? 'v' : '-', peer->is_direct ? 'd' : '-');
    cap = strlen(head) + strlen(peer->domain) + strlen(peer->target) + 3;
    key = malloc(cap);
    if (key != NULL)
        snprintf(key, cap, "%s %s %s", head, peer->domain, peer->target);
    return key;
}

/* What the server said, or what its protocol allows. */
static int64_t session_end_s(const SSL_SESSION *session)
{
    int64_t life_s = SSL_SESSION_get_timeout(session);
    unsigned long hint_s = SSL_SESSION_get_ticket_lifetime_hint(session);

    if (hint_s > 0)
        life_s = earlier(life_s, (int64_t)hint_s);
    return (int64_t)SSL_SESSION_get_time(session) + life_s;
}

/* A copy: OpenSSL spoils the connection's own when that ends without a word,
 * which since TLS 1.1 is no reason not to resume (RFC 5246, section 7.2.1). */
static void save(const struct tls_client *c, const SSL_SESSION *session)
{
    struct tls_saved saved = {
        .until_s = earlier(c->until_s, session_end_s(session)),
        .is_constrained = c->is_constrained,
    };

    if (c->cache == NULL || !SSL_SESSION_is_resumable(session))
        return;
    saved.session = SSL_SESSION_dup(session);
    if (saved.session != NULL)
        tls_cache_put(c->cache, slice_of(c->key), &saved);
}

/* TLS 1.3: tickets come when they please, after the handshake.  Answers 0: the
 * reference stays OpenSSL's. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct tls *t = SSL_get_app_data(ssl);

    if (t->client->is_checked)
        save(t->client, session);
    return 0;
}

void tls_client_keep_sessions(SSL_CTX *ssl)
{
    SSL_CTX_set_session_cache_mode(ssl, SSL_SESS_CACHE_CLIENT |
                                            SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl, on_session);
}

/* Until TLS 1.2 the session is there with the handshake, used or new. */
static void save_old(const struct tls *t)
{
    const SSL_SESSION *session = SSL_get0_session(t->ssl);

    if (session != NULL && SSL_version(t->ssl) < TLS1_3_VERSION)
        save(t->client, session);
}

/* Offers a session, if there is one.  The server may decline: then the
 * handshake is a full one, and nobody notices. */
static void offer(struct tls *t)
{
    struct tls_client *c = t->client;
    struct tls_saved saved;

    if (c->cache == NULL ||
        !tls_cache_take(c->cache, slice_of(c->key), calendar_s(), &saved))
        return;
    if (SSL_set_session(t->ssl, saved.session) == 1) {
        c->until_s = saved.until_s;
        c->is_constrained = saved.is_constrained;
    }
    SSL_SESSION_free(saved.session);
}

void tls_leave_cache(struct tls *t)
{
    if (t->client != NULL)
        t->client->cache = NULL;
}

bool tls_is_resumed(const struct tls *t)
{
    return SSL_session_reused(t->ssl) == 1;
}

/* --- Life --- */

void tls_client_free(struct tls_client *c)
{
    if (c == NULL)
        return;
    free(c->key);
    free(c->domain);
    free(c);
}

static struct tls_client *client_new(const struct tls_ctx *ctx,
                                     const struct tls_peer *peer)
{
    size_t pins_bytes = ctx->n_pins * sizeof(ctx->pins[0]);
    struct tls_client *c = calloc(1, sizeof(*c) + pins_bytes);

    if (c == NULL)
        return NULL;
    c->cache = ctx->cache;
    c->is_same = peer->is_same;
    c->is_verified = peer->is_verified;
    c->n_pins = ctx->n_pins;
    memcpy(c->pins, ctx->pins, pins_bytes);
    c->key = tls_client_make_key(ctx, peer);
    c->domain = strdup(peer->domain);
    if (c->key != NULL && c->domain != NULL)
        return c;
    tls_client_free(c);
    return NULL;
}

enum err tls_connect_new(struct tls **out, struct tls_ctx *ctx, int fd,
                         const struct tls_peer *peer)
{
    static const unsigned char xmpp[] = "\x0bxmpp-client";
    struct tls *t;
    enum err err = tls_make(&t, ctx, fd);

    if (err != ERR_OK)
        return err;
    t->client = client_new(ctx, peer);
    if (t->client == NULL)
        goto fail;
    SSL_set_connect_state(t->ssl);
    SSL_set_verify(t->ssl,
                   peer->is_verified ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
    /* RFC 6066, section 3: no address there. */
    if (!addr_is_ip_literal(peer->domain) &&
        SSL_set_tlsext_host_name(t->ssl, t->client->domain) != 1)
        goto fail;
    if (peer->is_direct &&
        SSL_set_alpn_protos(t->ssl, xmpp, sizeof(xmpp) - 1) != 0)
        goto fail;
    offer(t);
    *out = t;
    return ERR_OK;

fail:
    ERR_clear_error();
    tls_free(t);
    return ERR_NOMEM;
}

/* --- Whom we talk to --- */

static int64_t end_of_certificate_s(const X509 *certificate, int64_t now_s)
{
    int days = 0;
    int seconds = 0;

    if (ASN1_TIME_diff(&days, &seconds, NULL,
                       X509_get0_notAfter(certificate)) != 1)
        return now_s;
    return now_s + (int64_t)days * DAY_S + seconds;
}

/* Of a resumed session this was found out when it was a new one. */
static void learn_chain(struct tls *t, const X509 *certificate)
{
    STACK_OF(X509) *chain = SSL_get0_verified_chain(t->ssl);
    struct tls_client *c = t->client;
    int64_t now_s = calendar_s();
    int i;

    if (SSL_session_reused(t->ssl) == 1)
        return;
    c->is_constrained = tls_verify_is_constrained(chain);
    c->until_s = end_of_certificate_s(certificate, now_s);
    for (i = 1; i < sk_X509_num(chain); i++)
        c->until_s = earlier(
            c->until_s, end_of_certificate_s(sk_X509_value(chain, i), now_s));
}

/* A server that chose what was not offered has chosen for somebody else.
 * OpenSSL sees to that itself only since the summer of 2024. */
static bool is_our_protocol(const SSL *ssl)
{
    static const char xmpp[] = "xmpp-client";
    const unsigned char *chosen = NULL;
    unsigned len = 0;

    SSL_get0_alpn_selected(ssl, &chosen, &len);
    return len == 0 ||
           (len == sizeof(xmpp) - 1 && memcmp(chosen, xmpp, len) == 0);
}

static enum tls_io tls_client_refuse(struct tls *t, const char *what,
                                     const char *detail)
{
    tls_fail(t, what, detail);
    tls_client_failed(t);
    return TLS_FAILED;
}

/* On resumed sessions, too: their certificate was checked for somebody, and
 * the check costs little. */
enum tls_io tls_client_check(struct tls *t)
{
    struct tls_client *c = t->client;
    X509 *certificate = SSL_get0_peer_certificate(t->ssl);

    if (certificate == NULL)
        return tls_client_refuse(t, "certificate refused: ", "there is none");
    if (!is_our_protocol(t->ssl))
        return tls_client_refuse(
            t, "ALPN: ", "the server chose what was not offered");
    learn_chain(t, certificate);
    c->is_named = tls_verify_identity(certificate, c->domain, c->is_same,
                                      c->is_constrained);
    if (c->is_verified && SSL_get_verify_result(t->ssl) != X509_V_OK)
        return tls_client_refuse(t, "certificate refused: ", "not verified");
    if (c->is_verified && !c->is_named)
        return tls_client_refuse(t, "certificate refused: not for ", c->domain);
    if (c->n_pins > 0 && !tls_verify_pins(certificate, c->pins, c->n_pins))
        return tls_client_refuse(
            t, "certificate refused: ", "its key is not pinned");
    ERR_clear_error();
    c->is_checked = true;
    save_old(t);
    return TLS_DONE;
}

void tls_client_failed(struct tls *t)
{
    if (t->client->cache != NULL)
        tls_cache_forget(t->client->cache, slice_of(t->client->key));
}

const char *tls_trust(const struct tls *t, char *out, size_t cap)
{
    const struct tls_client *c = t->client;

    if (c == NULL || !c->is_checked)
        snprintf(out, cap, "unverified: no server");
    else if (c->is_verified)
        snprintf(out, cap, "verified%s", c->n_pins > 0 ? ", pinned" : "");
    else if (c->n_pins > 0)
        snprintf(out, cap, "pinned");
    else
        snprintf(out, cap, "unverified: %s",
                 c->is_named ? "not checked" : "not for the domain");
    return out;
}
