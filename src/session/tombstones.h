/*
 * tombstones.h - the BOSH sessions of one worker that have ended and still
 * answer repeats, in the order in which they ended (conformance B73).  Pure.
 *
 * Anybody can make tombstones as fast as sessions can be opened and ended.
 * So their memory is bounded, and above the bound the oldest makes room for
 * the newest: a new session is never refused for the sake of old ones.
 *
 * Intrusive: it links nodes that bosh.c embeds, and owns nothing.
 */
#ifndef SESSION_TOMBSTONES_H
#define SESSION_TOMBSTONES_H

#include "base/base.h"

struct tombstone {
    struct tombstone *older;
    struct tombstone *newer;
    size_t bytes;
    bool is_in;
};

struct tombstones {
    struct tombstone *oldest;
    struct tombstone *newest;
    size_t count;
    size_t bytes; /* of all together */
    size_t max_bytes;
};

void tombstones_init(struct tombstones *t, size_t max_bytes);

/* Adds one, which must not be in, as the newest.  bytes: all its memory. */
void tombstones_add(struct tombstones *t, struct tombstone *s, size_t bytes);
void tombstones_remove(struct tombstones *t, struct tombstone *s); /* not in:
                                                                      no-op */

/* The oldest, when all together have more than max_bytes; else NULL.  The
 * newest stays, however large it is. */
struct tombstone *tombstones_surplus(const struct tombstones *t);

#endif /* SESSION_TOMBSTONES_H */
