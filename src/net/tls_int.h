/*
 * tls_int.h - the structs that tls.c (connections), tls_client.c (the side
 * that connects) and tls_ctx.c (settings) share, and what they call of each
 * other and of tls_verify.c.  Nobody else includes it.
 */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H

#include "net/tls.h"
#include "net/tls_client.h"
#include "net/tls_ctx.h"

#include <openssl/ssl.h>

struct tls_ctx {
    SSL_CTX *ssl; /* owned, counted by OpenSSL: connections hold it too */
    /* The rest is for connecting. */
    uint64_t number;         /* no other context of this process has it */
    struct tls_cache *cache; /* borrowed: see tls_policy; or NULL */
    size_t n_pins;
    struct tls_pin pins[];
};

/* What a connection to a server must know besides. */
struct tls_client {
    struct tls_cache *cache;     /* borrowed: see tls_policy; or NULL */
    char *key;                   /* owned: of the cache */
    char *domain;                /* owned */
    tls_same_domain_fn *is_same; /* NULL: ASCII only */
    int64_t until_s;             /* no session made here is used later */
    bool is_verified;
    bool is_checked;     /* the server is the right one: its tickets count */
    bool is_constrained; /* an authority of the chain may not name just any */
    bool is_named;       /* the certificate is the domain's */
    size_t n_pins;
    struct tls_pin pins[];
};

struct tls {
    SSL *ssl;                  /* owned */
    int fd;                    /* borrowed: from the sock that owns us */
    struct tls_client *client; /* owned; NULL on the server's side */
    int error;                 /* errno of the last failed recv or send */
    bool saw_fin;              /* the fd is at its end */
    bool is_failed;            /* nothing more may be asked of ssl */
    bool is_truncated;
    char *text; /* owned; NULL while nothing failed */
};

/* tls_ctx.c.  One line to why (cap bytes): what cannot be used, and the reason
 * of OpenSSL's queue, which is empty then. */
void tls_explain(char *why, size_t cap, const char *what, const char *file);

/*
 * tls_roots.c.  The certificates of ca_file (NULL: of the system) in memory.
 * With tls_roots_load *out is the caller's; with tls_roots_get it is borrowed
 * from r, which reads each file once.  ERR_INVALID with a line in why,
 * ERR_NOMEM.
 */
MUST_CHECK enum err tls_roots_load(X509_STORE **out, const char *ca_file,
                                   char *why, size_t why_cap);
MUST_CHECK enum err tls_roots_get(struct tls_roots *r, X509_STORE **out,
                                  const char *ca_file, char *why,
                                  size_t why_cap);

/* tls.c.  A connection on either side, not started yet. */
MUST_CHECK enum err tls_make(struct tls **out, struct tls_ctx *ctx, int fd);

/* tls.c.  The connection is lost, for this reason: TLS_FAILED. */
enum tls_io tls_fail(struct tls *t, const char *what, const char *detail);

/* tls_client.c.  The handshake is through: is it with the right server? */
enum tls_io tls_client_check(struct tls *t);

/* tls_client.c.  TLS itself failed: no session with that server is resumed
 * (RFC 8446, section 6.2). */
void tls_client_failed(struct tls *t);
void tls_client_free(struct tls_client *c); /* NULL is fine */

/* tls_client.c.  For a context with a cache: lets sessions be saved. */
void tls_client_keep_sessions(SSL_CTX *ssl);

/*
 * tls_verify.c.  True when one of the certificate's names stands for domain.
 * is_constrained: an authority of its chain may issue names below certain
 * domains only.  OpenSSL applies that to dNSName and iPAddress, not to the
 * otherNames of SRV-ID and XmppAddr: they do not count then (RFC 9525,
 * section 7.6).
 */
bool tls_verify_identity(X509 *certificate, const char *domain,
                         tls_same_domain_fn *is_same, bool is_constrained);

/* tls_verify.c.  True when an authority of the chain has name constraints. */
bool tls_verify_is_constrained(const STACK_OF(X509) * chain);

/* tls_verify.c.  True when the certificate's key is one of the pins. */
bool tls_verify_pins(X509 *certificate, const struct tls_pin *pins, size_t n);

#endif /* NET_TLS_INT_H */
