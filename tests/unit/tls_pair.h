/*
 * tls_pair.h - two socks that can talk TLS, with certificates: what the tests
 * of TLS begin with.
 */
#ifndef UNIT_TLS_PAIR_H
#define UNIT_TLS_PAIR_H

#include "endpoint.h"
#include "net/tls.h"
#include "net/tls_ctx.h"
#include "tls_authority.h"

extern struct authority *authority;
extern struct leaf_files good;     /* for example.org */
extern struct tls_ctx *server_ctx; /* shows it */
extern struct tls_ctx *client_ctx; /* trusts the authority */
extern struct loop *loop;
extern struct endpoint client;
extern struct endpoint server;

/* Fixtures for cmocka: certificates for the group; for each test a loop with
 * two connected ends, plain. */
int tls_pair_begin_group(void **state);
int tls_pair_end_group(void **state);
int tls_pair_begin(void **state);
int tls_pair_end(void **state);

struct tls_ctx *tls_pair_server(const struct leaf_files *files);

/* ca_file: NULL is the authority here. */
struct tls_ctx *tls_pair_client(const struct tls_policy *policy);

/* Starts TLS on both, with ctx on the server's side. */
void tls_pair_shake_hands(struct tls_ctx *ctx, const char *domain,
                          bool is_verified);

/* The same for example.org, and waits until it is up. */
void tls_pair_secure(void);

#endif /* UNIT_TLS_PAIR_H */
