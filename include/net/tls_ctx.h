/*
 * tls_ctx.h - what all TLS connections of a kind have in common: the
 * certificate of a listener, and the policy towards servers.
 */
#ifndef NET_TLS_CTX_H
#define NET_TLS_CTX_H

#include "base/base.h"
#include "net/tls.h"

/*
 * A context for accepting: PEM files of the chain and the key.
 * ERR_INVALID: a file cannot be used; `why` (why_cap bytes) says which and
 * why in one line.  ERR_NOMEM.
 */
MUST_CHECK enum err tls_server_new(struct tls_ctx **out,
                                   const char *certificate_file,
                                   const char *key_file, char *why,
                                   size_t why_cap);

/* Tickets of one context are good for the other, too: for two that serve the
 * same address.  Before either serves. */
void tls_server_share_tickets(struct tls_ctx *ctx, const struct tls_ctx *with);

/* The oldest version that is spoken to a server. */
enum tls_floor {
    TLS_FLOOR_1_2,
    TLS_FLOOR_1_3,
    TLS_FLOOR_1_1, /* for very old servers: by explicit configuration */
    TLS_FLOOR_1_0,
};

/* The SHA-256 digest of a SubjectPublicKeyInfo (RFC 7469, section 2.4). */
#define TLS_PIN_BYTES 32
struct tls_pin {
    unsigned char sha256[TLS_PIN_BYTES];
};

/* From "sha256/" and 44 characters of base64.  ERR_INVALID: anything else. */
MUST_CHECK enum err tls_pin_parse(struct tls_pin *out, const char *text);

/* What is demanded of servers.  Zeroed: the system's roots, TLS 1.2, no
 * resumption. */
struct tls_policy {
    const char *ca_file; /* PEM file of the only trusted roots; NULL: the
                            system's */
    enum tls_floor floor;
    const char *ciphers;        /* OpenSSL's list, for TLS 1.2 and before;
                                   NULL: ours */
    const struct tls_pin *pins; /* copied */
    size_t n_pins;              /* 0: any key */
    struct tls_cache *cache;    /* borrowed: outlives the connections; NULL:
                                   every handshake is a full one */
    struct tls_roots *roots;    /* borrowed: while the context is made; NULL:
                                   the roots are read for it alone */
};

/*
 * A context for connecting to XMPP servers.  What policy points to, except
 * the cache, is not needed afterwards.  Sessions are resumed only under the
 * context that they were made under.  Errors as above.
 */
MUST_CHECK enum err tls_client_new(struct tls_ctx **out,
                                   const struct tls_policy *policy, char *why,
                                   size_t why_cap);

/* True when the list of ciphers allows one that ours does not have. */
bool tls_ciphers_are_weak(const char *ciphers);

void tls_ctx_free(struct tls_ctx *ctx); /* connections keep what they need */

/* At start-up, before there are threads: what all connections need and OpenSSL
 * makes once.  ERR_NOMEM. */
MUST_CHECK enum err tls_start(void);

/* Name and version of the library that is in use, for doab -V. */
const char *tls_library(void);

#endif /* NET_TLS_CTX_H */
