#include "base/table.h"

#include "base/secret.h"

#include <endian.h>
#include <stdlib.h>

#define SLOTS_MIN 16
#define MOVE_STEP 4 /* old slots emptied by each insertion while growing */

/*
 * While the table grows there are two arrays.  Old slots below `moved` are
 * empty and their nodes are in the new array; the others still live in the
 * old one.  So each hash has exactly one slot at any time.
 */
struct table {
    unsigned char seed[16];
    struct table_node **slots; /* owned */
    size_t mask;
    struct table_node **old; /* owned; NULL while not growing */
    size_t old_mask;
    size_t moved;
    size_t count;
    size_t count_max;
};

static uint64_t rotate(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

/* Inline: a request is hashed once, and these are all of it. */
static inline __attribute__((always_inline)) void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

/* Little endian, on every machine. */
static uint64_t read_word(const unsigned char *at)
{
    uint64_t word;

    memcpy(&word, at, sizeof(word));
    return le64toh(word);
}

/* Fewer than 8 bytes. */
static uint64_t read_rest(const unsigned char *at, size_t len)
{
    uint64_t word = 0;
    size_t i;

    for (i = 0; i < len; i++)
        word |= (uint64_t)at[i] << (8 * i);
    return word;
}

static void sip_block(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t siphash(const unsigned char key[16], struct slice bytes)
{
    const unsigned char *at = (const unsigned char *)bytes.at;
    uint64_t k0 = read_word(key);
    uint64_t k1 = read_word(key + 8);
    uint64_t v[4] = {
        k0 ^ UINT64_C(0x736f6d6570736575),
        k1 ^ UINT64_C(0x646f72616e646f6d),
        k0 ^ UINT64_C(0x6c7967656e657261),
        k1 ^ UINT64_C(0x7465646279746573),
    };
    size_t left = bytes.len;
    int i;

    for (; left >= 8; left -= 8) {
        sip_block(v, read_word(at));
        at += 8;
    }
    sip_block(v, (left > 0 ? read_rest(at, left) : 0) |
                     (uint64_t)(bytes.len & 0xFF) << 56);

    v[2] ^= 0xFF;
    for (i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

enum err table_new(struct table **out, size_t count_max)
{
    struct table *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return ERR_NOMEM;
    t->slots = calloc(SLOTS_MIN, sizeof(struct table_node *));
    if (t->slots == NULL) {
        free(t);
        return ERR_NOMEM;
    }
    t->mask = SLOTS_MIN - 1;
    t->count_max = count_max;
    secret_random(t->seed, sizeof(t->seed));
    *out = t;
    return ERR_OK;
}

void table_free(struct table *t)
{
    if (t == NULL)
        return;
    free(t->old);
    free(t->slots);
    free(t);
}

static struct table_node **slot_of(const struct table *t, uint64_t hash)
{
    size_t old = (size_t)hash & t->old_mask;

    if (t->old != NULL && old >= t->moved)
        return &t->old[old];
    return &t->slots[(size_t)hash & t->mask];
}

static struct table_node *find_hashed(const struct table *t, uint64_t hash,
                                      struct slice key)
{
    struct table_node *node;

    for (node = *slot_of(t, hash); node != NULL; node = node->next)
        if (node->hash == hash && slice_equal(node->key, key))
            return node;
    return NULL;
}

/* Without memory the chains grow instead. */
static void start_growing(struct table *t)
{
    struct table_node **slots;
    size_t count = (t->mask + 1) * 2;

    slots = calloc(count, sizeof(struct table_node *));
    if (slots == NULL)
        return;
    t->old = t->slots;
    t->old_mask = t->mask;
    t->moved = 0;
    t->slots = slots;
    t->mask = count - 1;
}

static void move_some(struct table *t)
{
    int i;

    for (i = 0; i < MOVE_STEP && t->moved <= t->old_mask; i++) {
        struct table_node *node = t->old[t->moved++];

        while (node != NULL) {
            struct table_node *next = node->next;
            struct table_node **slot = slot_of(t, node->hash);

            node->next = *slot;
            *slot = node;
            node = next;
        }
    }
    if (t->moved > t->old_mask) {
        free(t->old);
        t->old = NULL;
    }
}

enum err table_insert(struct table *t, struct table_node *node,
                      struct slice key)
{
    uint64_t hash = siphash(t->seed, key);
    struct table_node **slot;

    if (find_hashed(t, hash, key) != NULL)
        return ERR_INVALID;
    if (t->count >= t->count_max)
        return ERR_LIMIT;

    if (t->old == NULL && t->count > t->mask)
        start_growing(t);
    if (t->old != NULL)
        move_some(t);

    slot = slot_of(t, hash);
    node->next = *slot;
    node->key = key;
    node->hash = hash;
    node->is_in = true;
    *slot = node;
    t->count++;
    return ERR_OK;
}

struct table_node *table_find(const struct table *t, struct slice key)
{
    return find_hashed(t, siphash(t->seed, key), key);
}

void table_remove(struct table *t, struct table_node *node)
{
    struct table_node **link;

    if (!node->is_in)
        return;
    link = slot_of(t, node->hash);
    while (*link != node)
        link = &(*link)->next;
    *link = node->next;
    node->next = NULL;
    node->is_in = false;
    t->count--;
}

size_t table_count(const struct table *t)
{
    return t->count;
}

static void each_in(struct table_node *node,
                    void (*fn)(struct table_node *node, void *arg), void *arg)
{
    while (node != NULL) {
        struct table_node *next = node->next; /* fn may remove node */

        fn(node, arg);
        node = next;
    }
}

void table_each(struct table *t, void (*fn)(struct table_node *node, void *arg),
                void *arg)
{
    size_t i;

    for (i = 0; t->old != NULL && i <= t->old_mask; i++)
        if (i >= t->moved)
            each_in(t->old[i], fn, arg);
    for (i = 0; i <= t->mask; i++)
        each_in(t->slots[i], fn, arg);
}
