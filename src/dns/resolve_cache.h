/*
 * resolve_cache.h - answers of the DNS that still hold (conformance K13).
 *
 * Pure: the caller says what time it is.  One cache a worker.  Each answer
 * holds for its TTL, but never less than ttl_min_s, so that a zone without
 * TTL costs no question a session, and never longer than ttl_max_s;
 * one that says "there is none" for what the SOA tells (RFC 2308), at most
 * RESOLVE_ABSENCE_MAX_S, so that a new server is found soon; a failure for
 * RESOLVE_FAILURE_S (RFC 9520 asks for 1 s to 5 min).  Records that have
 * expired stay for another stale_s, for times when nobody answers (RFC 8767).
 * When the memory is full, what was not used for longest goes.
 */
#ifndef DNS_RESOLVE_CACHE_H
#define DNS_RESOLVE_CACHE_H

#include "base/base.h"

struct answer;
struct resolve_cache;

#define RESOLVE_ABSENCE_MAX_S 300
#define RESOLVE_FAILURE_S     5
/* A stale answer that was given holds for so long, then DNS is asked again
 * (RFC 8767 section 5). */
#define RESOLVE_STALE_AGAIN_S 30

struct resolve_cache_limits {
    size_t bytes_max; /* all entries together; 0: keeps nothing */
    unsigned ttl_min_s;
    unsigned ttl_max_s;
    unsigned stale_s; /* 0: never stale */
};

/* ERR_NOMEM. */
MUST_CHECK enum err resolve_cache_new(
    struct resolve_cache **out, const struct resolve_cache_limits *limits);
void resolve_cache_free(struct resolve_cache *c);

/* The answer that holds now, or NULL.  Borrowed until the next put.  name:
 * as domain_normalise gives it, lower case and without a last dot. */
const struct answer *resolve_cache_find(struct resolve_cache *c,
                                        const char *name, int type,
                                        uint64_t now_ms);

/* Records that held once and may be used while nobody answers, or NULL. */
const struct answer *resolve_cache_stale(const struct resolve_cache *c,
                                         const char *name, int type,
                                         uint64_t now_ms);

/*
 * Keeps a copy of what was answered now, instead of what was known.  Except
 * that a failure does not take the place of stale records: these hold again
 * for a while instead.  Without memory nothing is kept.
 */
void resolve_cache_put(struct resolve_cache *c, const char *name, int type,
                       const struct answer *answer, uint64_t now_ms);

size_t resolve_cache_count(const struct resolve_cache *c);
size_t resolve_cache_bytes(const struct resolve_cache *c);

#endif /* DNS_RESOLVE_CACHE_H */
