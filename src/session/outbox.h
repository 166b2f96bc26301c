/*
 * outbox.h - elements waiting for a client, in order.
 *
 * Bytes in one buffer, and where each element ends.  An empty outbox owns
 * nothing.  Elements are never split (B29), and features do not share an
 * answer with anything else (G01).
 */
#ifndef SESSION_OUTBOX_H
#define SESSION_OUTBOX_H

#include "base/base.h"
#include "base/buf.h"

struct outbox_item {
    uint32_t len;
    bool is_alone; /* features: not to be mixed */
};

struct outbox {
    struct buf bytes;
    struct outbox_item *items; /* owned: ring of item_cap */
    uint32_t first;
    uint32_t count;
    uint32_t item_cap;
};

void outbox_init(struct outbox *o, size_t max_bytes);
void outbox_free(struct outbox *o);

/* ERR_LIMIT: above the maximum; ERR_NOMEM.  Nothing changes then. */
MUST_CHECK enum err outbox_push(struct outbox *o, struct slice element,
                                bool is_alone);

/*
 * How many bytes at the front go into one answer of at most max_bytes: whole
 * elements, at least one (T59), features only by themselves.  *n: how many
 * elements that is.  0 when empty.
 */
size_t outbox_peek(const struct outbox *o, size_t max_bytes, uint32_t *n);

/* Drops the n elements at the front. */
void outbox_drop(struct outbox *o, uint32_t n);

static inline bool outbox_is_empty(const struct outbox *o)
{
    return o->count == 0;
}

static inline size_t outbox_bytes(const struct outbox *o)
{
    return o->bytes.len;
}

#endif /* SESSION_OUTBOX_H */
