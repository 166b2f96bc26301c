/*
 * table.h - a hash table with a random seed (SipHash-2-4), so that strangers
 * who choose keys cannot choose collisions.
 *
 * Intrusive: the table links nodes that its users embed and owns only its
 * slots.  Keys are bytes inside the user's object and must not change while
 * the node is in.  Grows by doubling, a few slots at a time.
 */
#ifndef BASE_TABLE_H
#define BASE_TABLE_H

#include "base/base.h"

struct table_node {
    struct table_node *next;
    struct slice key; /* borrowed: inside the object that embeds the node */
    uint64_t hash;
    bool is_in;
};

struct table;

/* count_max: table_insert answers ERR_LIMIT beyond it.  ERR_NOMEM. */
MUST_CHECK enum err table_new(struct table **out, size_t count_max);

/* The nodes are not touched: their owner frees them. */
void table_free(struct table *t);

/* ERR_INVALID: the key is there already.  ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK enum err table_insert(struct table *t, struct table_node *node,
                                 struct slice key);
struct table_node *table_find(const struct table *t, struct slice key);
void table_remove(struct table *t, struct table_node *node); /* idle: no-op */
size_t table_count(const struct table *t);

/* Calls fn for each node; fn may remove that node but add none. */
void table_each(struct table *t, void (*fn)(struct table_node *node, void *arg),
                void *arg);

/* SipHash-2-4 of the bytes under a 16-byte key: also for keyed digests. */
uint64_t siphash(const unsigned char key[16], struct slice bytes);

#endif /* BASE_TABLE_H */
