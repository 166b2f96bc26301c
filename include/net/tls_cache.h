/*
 * tls_cache.h - the TLS sessions of one worker that may be resumed.
 *
 * A key stands for everything that a session was negotiated under: policy,
 * domain, address (decisions: a change of any of them makes another key).
 * Under each key several sessions are kept, because one of TLS 1.3 is used
 * once (RFC 8446, appendix C.4).  What is taken is gone: who could use it puts
 * it, or a newer one, back.
 *
 * Pure bookkeeping: the clock is the caller's.
 */
#ifndef NET_TLS_CACHE_H
#define NET_TLS_CACHE_H

#include "base/base.h"

#define TLS_CACHE_PER_KEY 8

struct ssl_session_st;
struct tls_cache;

struct tls_saved {
    struct ssl_session_st *session; /* owned: one reference */
    int64_t until_s;                /* not resumed from then on; Unix time */
    bool is_constrained;            /* see tls_verify_identity */
};

/* sessions_max: of all keys together; 0: none is kept.  ERR_NOMEM. */
MUST_CHECK enum err tls_cache_new(struct tls_cache **out, size_t sessions_max);
void tls_cache_free(struct tls_cache *c); /* NULL is fine */

/* Takes the session's reference, also where there is no room for it.  The
 * oldest of the key gives way, or of the key that was longest not used. */
void tls_cache_put(struct tls_cache *c, struct slice key,
                   const struct tls_saved *saved);

/* The newest of the key that is still good; the caller owns it.  False: there
 * is none. */
bool tls_cache_take(struct tls_cache *c, struct slice key, int64_t now_s,
                    struct tls_saved *out);

/* Nothing of this key is resumed any more. */
void tls_cache_forget(struct tls_cache *c, struct slice key);
size_t tls_cache_count(const struct tls_cache *c);

#endif /* NET_TLS_CACHE_H */
