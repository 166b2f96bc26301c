/*
 * settings.h - the configuration in the words of the layers below: each of
 * them has its own struct of limits and knows no file.
 *
 * Pure, but for the files of certificates that settings_domains loads.
 */
#ifndef APP_SETTINGS_H
#define APP_SETTINGS_H

#include "config.h"
#include "front/http.h"
#include "net/sock.h"
#include "net/tls.h"
#include "net/tls_ctx.h"
#include "session/session.h"
#include "session/session_host.h"

struct tls_cache;
struct tls_ctx;
struct tls_roots;

/* All borrow from c what they point to. */
/* workers: how many share what is counted for the process. */
struct http_limits settings_http(const struct config *c, unsigned workers);
struct http_origins settings_origins(const struct config *c);
struct forwarded_rules settings_forwarded(const struct config *c);
struct sock_limits settings_client_sock(const struct config *c);
/* The queue of a WebSocket is that of its session. */
struct sock_limits settings_websocket_sock(const struct config *c);
struct session_settings settings_session(const struct config *c);

/* What the TLS contexts of a worker share with others. */
struct settings_tls {
    struct tls_cache
        *cache; /* borrowed: outlives the connections; NULL: none */
    struct tls_roots *roots; /* borrowed; NULL: each context reads its own */
};

/* The rules of one worker, and the TLS contexts that they share: one for
 * each way in which servers are judged. */
struct settings_domains {
    struct domain_table *table; /* owned */
    struct tls_ctx **tls;       /* owned, NULL where a rule shares */
    size_t n_tls;
    struct settings_tls shared;
};

/* What the servers of c->domains[i] must satisfy.  *pins is the caller's to
 * free after use, on success.  ERR_NOMEM. */
MUST_CHECK enum err settings_tls_policy(struct tls_policy *out,
                                        struct tls_pin **pins,
                                        const struct config *c, size_t i);

/* ERR_INVALID: a CA file or a list of ciphers cannot be used; `why` (why_cap
 * bytes) has one line. ERR_NOMEM. */
MUST_CHECK enum err settings_domains_new(struct settings_domains *out,
                                         const struct config *c,
                                         const struct settings_tls *shared,
                                         char *why, size_t why_cap);
void settings_domains_free(struct settings_domains *d);

#endif /* APP_SETTINGS_H */
