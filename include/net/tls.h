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

/* Takes no ownership of fd.  ERR_NOMEM. */
MUST_CHECK enum err tls_accept_new(struct tls **out, struct tls_ctx *ctx,
                                   int fd);

/* The handshake; to be called again as its answer says.  The peer's
 * certificate has been checked when it answers TLS_DONE. */
enum tls_io tls_handshake(struct tls *t);

/* *moved receives the number of bytes with TLS_DONE. */
enum tls_io tls_read(struct tls *t, char *at, size_t cap, size_t *moved);
enum tls_io tls_write(struct tls *t, const char *at, size_t len, size_t *moved);

/* Decrypted bytes wait inside: the fd need not become readable again. */
bool tls_has_pending(const struct tls *t);

/* NULL is fine. */
void tls_free(struct tls *t);

/* Sends close_notify if that needs no waiting. */
void tls_shutdown(struct tls *t);
bool tls_truncated(const struct tls *t); /* EOF came without close_notify */

/* One line about the last failure; "" if none. */
const char *tls_error_text(const struct tls *t);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384" for the log. */
const char *tls_describe(const struct tls *t, char *out, size_t cap);

#endif /* NET_TLS_H */
