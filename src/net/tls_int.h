/*
 * tls_int.h - the structs that tls.c (connections) and tls_ctx.c (settings)
 * share, and tls_verify.c's one function.  Nobody else includes it.
 */
#ifndef NET_TLS_INT_H
#define NET_TLS_INT_H

#include "net/tls.h"

#include <openssl/ssl.h>

struct tls_ctx {
    SSL_CTX *ssl; /* owned, counted by OpenSSL: connections hold it too */
};

/* True when one of the certificate's names stands for domain. */
bool tls_verify_identity(X509 *certificate, const char *domain);

#endif /* NET_TLS_INT_H */
