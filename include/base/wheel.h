/*
 * wheel.h - a hierarchical timing wheel: timers set and cleared in O(1).
 *
 * Pure: the caller says what time it is.  The loop drives one wheel; the
 * fake loop of the scenario tests drives another in virtual time.  Expiry is
 * never early and at most one millisecond late by the wheel's own doing.
 * Longest delay: WHEEL_DELAY_MAX_MS; longer ones are cut to it.
 */
#ifndef BASE_WHEEL_H
#define BASE_WHEEL_H

#include "base/base.h"

#define WHEEL_LEVELS       5
#define WHEEL_SLOTS        64
#define WHEEL_DELAY_MAX_MS UINT32_C(1000000000)

struct wheel_node {
    struct wheel_node *next; /* NULL while not in a wheel */
    struct wheel_node *prev;
    uint64_t due_ms;
    uint16_t slot; /* level * WHEEL_SLOTS + slot, to clear its bit */
};

struct wheel {
    uint64_t now_ms; /* everything due up to here has been handed out */
    size_t count;
    uint64_t used[WHEEL_LEVELS]; /* one bit for each slot with nodes */
    struct wheel_node slots[WHEEL_LEVELS * WHEEL_SLOTS]; /* list heads */
};

void wheel_init(struct wheel *w, uint64_t now_ms);

/* Puts node in, to be due delay_ms after now_ms (the caller's clock, not
 * before w->now_ms).  A node already in is moved. */
void wheel_add(struct wheel *w, struct wheel_node *node, uint64_t now_ms,
               uint64_t delay_ms);

/* Takes node out; nothing happens when it is not in. */
void wheel_remove(struct wheel *w, struct wheel_node *node);

static inline bool wheel_holds(const struct wheel_node *node)
{
    return node->next != NULL;
}

/*
 * Advances the wheel to now_ms and takes out one node that is due, earliest
 * first to the millisecond; NULL when none is.  Called until it returns
 * NULL; the callback of a node may add and remove nodes in between.
 */
struct wheel_node *wheel_expire(struct wheel *w, uint64_t now_ms);

/* True when a timer is set; *due_ms is then a time not after the earliest
 * due time, at which wheel_expire should next be called. */
bool wheel_next(const struct wheel *w, uint64_t *due_ms);

#endif /* BASE_WHEEL_H */
