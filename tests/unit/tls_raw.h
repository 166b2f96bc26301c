/*
 * tls_raw.h - a server of OpenSSL's own at the far end of a client of ours,
 * for what our server would not do.
 */
#ifndef UNIT_TLS_RAW_H
#define UNIT_TLS_RAW_H

#include "tls_pair.h"
#include "net/tls_client.h"

#include <openssl/ssl.h>

struct raw {
    SSL *ssl;
    int fd;
};

/* Any version, any cipher, up to this one. */
SSL_CTX *raw_ctx(const struct leaf_files *files, int version);

/* Puts a new connection between `client` and *r and starts TLS on both; the
 * previous ones of either are closed. */
void raw_meet(struct raw *r, SSL_CTX *server, struct tls_ctx *ours,
              const struct tls_peer *peer);

/* Until our client knows: true, it believes the server and has read what came
 * with the handshake; false: it does not, see client.error. */
bool raw_shake_hands(struct raw *r);

/* "resumed=… trust=…" of our client; static memory. */
const char *raw_trust(void);

void raw_close(struct raw *r);

#endif /* UNIT_TLS_RAW_H */
