/*
 * quota.h - places that all threads of the process share: how many are
 * taken, and how many there are.
 *
 * For limits of the whole process.  A place is taken where something begins
 * and given back where it ends, never on the way of a message, so that the
 * threads do not wait for each other's cache lines there.
 */
#ifndef BASE_QUOTA_H
#define BASE_QUOTA_H

#include "base/base.h"

#include <assert.h>
#include <stdatomic.h>

struct quota {
    atomic_size_t taken;
    size_t max;
};

static inline void quota_init(struct quota *q, size_t max)
{
    atomic_init(&q->taken, 0);
    q->max = max;
}

static inline size_t quota_taken(struct quota *q)
{
    return atomic_load_explicit(&q->taken, memory_order_relaxed);
}

/* For refusing before any work; quota_take has the last word. */
static inline bool quota_is_full(struct quota *q)
{
    return quota_taken(q) >= q->max;
}

/* False: there is no place.  Never more than max are taken at a time. */
static inline bool quota_take(struct quota *q)
{
    if (atomic_fetch_add_explicit(&q->taken, 1, memory_order_relaxed) < q->max)
        return true;
    atomic_fetch_sub_explicit(&q->taken, 1, memory_order_relaxed);
    return false;
}

static inline void quota_give(struct quota *q)
{
    size_t before =
        atomic_fetch_sub_explicit(&q->taken, 1, memory_order_relaxed);

    assert(before > 0);
}

#endif /* BASE_QUOTA_H */
