/*
 * slots.h - places that all threads of the process share: how many are
 * taken, and how many there are.
 *
 * For limits of the whole process.  A place is taken where something begins
 * and given back where it ends, never on the way of a message, so that the
 * threads do not wait for each other's cache lines there.
 *
 * Several quotas may share places of a whole, such as the file descriptors of
 * the process; one of them may have to leave some of these to the others.
 */
#ifndef BASE_SLOTS_H
#define BASE_SLOTS_H

#include "base/base.h"

#include <assert.h>
#include <stdatomic.h>

struct slots {
    atomic_size_t taken;
    size_t max;
    struct slots *whole; /* borrowed: outlives us; NULL: there is none */
    size_t keep;         /* places of the whole that are not for this one */
};

static inline void slots_init(struct slots *q, size_t max)
{
    atomic_init(&q->taken, 0);
    q->max = max;
    q->whole = NULL;
    q->keep = 0;
}

/* Before any place is taken.  A place of q is one of whole's, too; the last
 * `keep` of that are left to others. */
static inline void slots_share(struct slots *q, struct slots *whole,
                               size_t keep)
{
    q->whole = whole;
    q->keep = keep;
}

static inline size_t slots_taken(struct slots *q)
{
    return atomic_load_explicit(&q->taken, memory_order_relaxed);
}

/* True: it is the whole that has no place left for q. */
static inline bool slots_lacks_whole(struct slots *q)
{
    return q->whole != NULL && slots_taken(q->whole) + q->keep >= q->whole->max;
}

/* For refusing before any work; slots_take has the last word. */
static inline bool slots_is_full(struct slots *q)
{
    return slots_taken(q) >= q->max || slots_lacks_whole(q);
}

static inline bool slots_take_below(struct slots *q, size_t max)
{
    if (atomic_fetch_add_explicit(&q->taken, 1, memory_order_relaxed) < max)
        return true;
    atomic_fetch_sub_explicit(&q->taken, 1, memory_order_relaxed);
    return false;
}

/* False: there is no place.  Never more than max are taken at a time. */
static inline bool slots_take(struct slots *q)
{
    if (!slots_take_below(q, q->max))
        return false;
    if (q->whole == NULL ||
        (q->keep < q->whole->max &&
         slots_take_below(q->whole, q->whole->max - q->keep)))
        return true;
    atomic_fetch_sub_explicit(&q->taken, 1, memory_order_relaxed);
    return false;
}

static inline void slots_give(struct slots *q)
{
    size_t before =
        atomic_fetch_sub_explicit(&q->taken, 1, memory_order_relaxed);

    assert(before > 0);
    if (q->whole != NULL)
        slots_give(q->whole);
}

#endif /* BASE_SLOTS_H */
