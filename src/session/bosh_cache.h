/*
 * bosh_cache.h - the last answers of a BOSH session, kept for repeats
 * (XEP-0124 section 14.3; conformance B07-B13).  Pure.
 *
 * Answers are kept as they were given: the same bytes, the same status.
 * Constant answers (the empty body) cost no memory.
 */
#ifndef SESSION_BOSH_CACHE_H
#define SESSION_BOSH_CACHE_H

#include "base/base.h"
#include "base/buf.h"
#include "rid.h"

struct bosh_reply {
    uint64_t rid; /* 0: the place is free */
    struct slice bytes;
    uint64_t sent_ms;
    uint16_t status;
    bool is_owned; /* the bytes are ours to free; else they are constant */
};

struct bosh_cache {
    struct bosh_reply *replies; /* owned: count of them */
    unsigned count;
};

/* Room for `count` answers, 1..RID_REQUESTS_MAX.  ERR_NOMEM. */
MUST_CHECK enum err bosh_cache_open(struct bosh_cache *c, unsigned count);
void bosh_cache_free(struct bosh_cache *c);

/*
 * Keeps an answer in the place of the oldest and returns it.  constant: bytes
 * that live for ever; otherwise pass an empty slice and the contents of
 * *owned are taken.
 */
const struct bosh_reply *bosh_cache_put(struct bosh_cache *c, uint64_t rid,
                                        unsigned status, struct slice constant,
                                        struct buf *owned, uint64_t now_ms);

/* The client has received the answers up to that rid: they are dropped. */
void bosh_cache_drop(struct bosh_cache *c, uint64_t rid);

/* Drops the oldest answers while all together are larger than max_bytes, but
 * not the `keep` newest, of which `newest` is the last (B11). */
void bosh_cache_trim(struct bosh_cache *c, uint64_t newest, unsigned keep,
                     size_t max_bytes);

/* All memory of it. */
size_t bosh_cache_bytes(const struct bosh_cache *c);

const struct bosh_reply *bosh_cache_find(const struct bosh_cache *c,
                                         uint64_t rid);

#endif /* SESSION_BOSH_CACHE_H */
