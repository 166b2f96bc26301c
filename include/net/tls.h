/*
 * tls.h - OpenSSL for both sides: what clients are shown, and how servers
 * are checked.  A tls runs over a non-blocking fd that net/sock.c owns.
 *
 * TLS 1.2 or later, no renegotiation, no compression, no early data, idle
 * buffers released (conformance K30, L73; security.md 1.1).
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/base.h"

struct tls_ctx; /* settings shared by many connections of one thread */
struct tls;     /* one connection */

enum tls_verify {
    TLS_VERIFY_REQUIRED,  /* chain and name must be right */
    TLS_VERIFY_UNCHECKED, /* encrypted only; by explicit configuration */
};

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

/*
 * A context for connecting to XMPP servers.  ca_file: PEM file of the only
 * trusted roots, or NULL for the system's.  Errors as above.
 */
MUST_CHECK enum err tls_client_new(struct tls_ctx **out, const char *ca_file,
                                   char *why, size_t why_cap);
void tls_ctx_free(struct tls_ctx *ctx); /* connections keep what they need */

/* Takes no ownership of fd.  ERR_NOMEM. */
MUST_CHECK enum err tls_accept_new(struct tls **out, struct tls_ctx *ctx,
                                   int fd);

/*
 * domain (A-label, copied) is sent as SNI and is the reference identity:
 * DNS-ID, SRV-ID _xmpp-client, XmppAddr, by the rules of RFC 9525 without
 * CN and without partial wildcards (conformance K31-K39).  is_direct: offer
 * ALPN xmpp-client (XEP-0368).
 */
MUST_CHECK enum err tls_connect_new(struct tls **out, struct tls_ctx *ctx,
                                    int fd, const char *domain,
                                    enum tls_verify verify, bool is_direct);
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

/* At start-up once: the library's own set-up and a warning for old ones. */
void tls_start(void);

/* Name and version of the library that is in use, for doab -V. */
const char *tls_library(void);

#endif /* NET_TLS_H */
