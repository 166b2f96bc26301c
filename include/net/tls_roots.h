/*
 * tls_roots.h - the trusted roots of the system, read once and shared by all
 * policies.
 */
#ifndef NET_TLS_ROOTS_H
#define NET_TLS_ROOTS_H

#include "base/base.h"

struct tls_roots;

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

#endif /* NET_TLS_ROOTS_H */
