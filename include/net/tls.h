/*
 * tls.h - OpenSSL for both sides: what clients are shown, and how servers
 * are checked.  A tls runs over a non-blocking fd that net/sock.c owns.
 *
 * TLS 1.2 or later, no renegotiation, no compression, no early data, idle
 * buffers released (conformance K30, L73; L15).  Sessions with
 * servers are resumed from a tls_cache.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/base.h"

struct tls_cache;
struct tls_roots;
struct tls_ctx; /* settings shared by many connections of one thread */
struct tls;     /* one connection */

enum tls_io {
    TLS_DONE,       /* bytes were moved, or the handshake is finished */
    TLS_WANT_READ,  /* again when the fd is readable */
    TLS_WANT_WRITE, /* again when the fd is writable */
    TLS_EOF,        /* the peer closed; tls_truncated tells how */
    TLS_FAILED,     /* tls_error_text tells why; the connection is lost */
};

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
 * Sets of trusted roots, each read when the first context asks for it and kept
 * in memory: for contexts that share them, those of several threads included,
 * which OpenSSL counts and locks.  Contexts are made by one thread at a time.
 * A change of the files is seen after a restart.
 *
 * The system's roots are the files and directories that OpenSSL was built with,
 * or those of SSL_CERT_FILE and SSL_CERT_DIR.  ERR_NOMEM.
 */
MUST_CHECK enum err tls_roots_new(struct tls_roots **out);
void tls_roots_free(struct tls_roots *r); /* contexts keep what they need */

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

/* Takes no ownership of fd.  ERR_NOMEM. */
MUST_CHECK enum err tls_accept_new(struct tls **out, struct tls_ctx *ctx,
                                   int fd);

/* True when text, a domain as a certificate has it, U-labels or any case
 * included, is the domain (A-labels). */
typedef bool tls_same_domain_fn(const char *domain, struct slice text);

/* The server that is meant.  The strings are copied. */
struct tls_peer {
    const char *domain;          /* A-labels, no dot at the end: SNI, and the
                                    reference identity */
    const char *target;          /* its address: a session is resumed only where
                                    it was made */
    tls_same_domain_fn *is_same; /* NULL: only ASCII names are compared */
    bool is_verified;            /* false: encrypted only, by configuration;
                                    pins are checked all the same */
    bool is_direct;              /* ALPN xmpp-client is offered (XEP-0368) */
};

/*
 * The certificate must name the domain as DNS-ID, SRV-ID _xmpp-client or
 * XmppAddr, by the rules of RFC 9525 without CN and without partial wildcards
 * (conformance K31-K39), and have one of the policy's pinned keys if there
 * are any.  ERR_NOMEM.
 */
MUST_CHECK enum err tls_connect_new(struct tls **out, struct tls_ctx *ctx,
                                    int fd, const struct tls_peer *peer);

/* The connection goes to another thread: it saves no sessions any more. */
void tls_leave_cache(struct tls *t);
void tls_free(struct tls *t);

/* The handshake; to be called again as its answer says.  The peer's
 * certificate has been checked when it answers TLS_DONE. */
enum tls_io tls_handshake(struct tls *t);

/* *moved receives the number of bytes with TLS_DONE. */
enum tls_io tls_read(struct tls *t, char *at, size_t cap, size_t *moved);
enum tls_io tls_write(struct tls *t, const char *at, size_t len, size_t *moved);

/* Decrypted bytes wait inside: the fd need not become readable again. */
bool tls_has_pending(const struct tls *t);

/* Sends close_notify if that needs no waiting. */
void tls_shutdown(struct tls *t);
bool tls_truncated(const struct tls *t); /* EOF came without close_notify */

/* One line about the last failure; "" if none. */
const char *tls_error_text(const struct tls *t);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384" for the log. */
const char *tls_describe(const struct tls *t, char *out, size_t cap);

/* After the handshake with a server: was it a short one, and whom is it with?
 * "verified", "verified, pinned", "pinned" or "unverified: why". */
bool tls_is_resumed(const struct tls *t);
const char *tls_trust(const struct tls *t, char *out, size_t cap);

/* At start-up once: the library's own set-up, and ours of it. */
void tls_start(void);

/* Name and version of the library that is in use, for doab -V. */
const char *tls_library(void);

#endif /* NET_TLS_H */
