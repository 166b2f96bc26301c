#include "resolve_cache.h"

#include "resolve_answer.h"
#include "resolve_wire.h"
#include "base/table.h"

#include <stdlib.h>

/* The least that an entry can weigh: how many the table may have to hold. */
#define ENTRY_BYTES (sizeof(struct entry) + sizeof(struct answer))

struct entry {
    struct table_node node;
    struct entry *older; /* in the order of their last use */
    struct entry *newer;
    struct answer *answer; /* owned */
    uint64_t fresh_until_ms;
    uint64_t keep_until_ms;
    size_t key_len;
    char key[2 + RESOLVE_NAME_CAP]; /* type and name */
};

struct resolve_cache {
    struct resolve_cache_limits limits;
    struct table *entries; /* of struct entry, owned */
    struct entry *oldest;
    struct entry *newest;
    size_t bytes;
};

enum err resolve_cache_new(struct resolve_cache **out,
                           const struct resolve_cache_limits *limits)
{
    struct resolve_cache *c = calloc(1, sizeof(*c));
    enum err err;

    if (c == NULL)
        return ERR_NOMEM;
    c->limits = *limits;
    err = table_new(&c->entries, limits->bytes_max / ENTRY_BYTES + 1);
    if (err != ERR_OK) {
        free(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

static size_t weight(const struct entry *e)
{
    return sizeof(*e) + e->answer->bytes;
}

static void dns_cache_unlink_it(struct resolve_cache *c, struct entry *e)
{
    *(e->older != NULL ? &e->older->newer : &c->oldest) = e->newer;
    *(e->newer != NULL ? &e->newer->older : &c->newest) = e->older;
}

static void dns_cache_link_newest(struct resolve_cache *c, struct entry *e)
{
    e->older = c->newest;
    e->newer = NULL;
    *(c->newest != NULL ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
}

static void dns_cache_drop(struct resolve_cache *c, struct entry *e)
{
    table_remove(c->entries, &e->node);
    dns_cache_unlink_it(c, e);
    c->bytes -= weight(e);
    free(e->answer);
    free(e);
}

void resolve_cache_free(struct resolve_cache *c)
{
    if (c == NULL)
        return;
    while (c->oldest != NULL)
        dns_cache_drop(c, c->oldest);
    table_free(c->entries);
    free(c);
}

/* Its length; 0: too long to be kept. */
static size_t dns_cache_make_key(char *key, const char *name, int type)
{
    size_t len = strlen(name);

    if (len >= RESOLVE_NAME_CAP)
        return 0;
    key[0] = (char)(type >> 8);
    key[1] = (char)type;
    memcpy(key + 2, name, len);
    return 2 + len;
}

static struct entry *dns_cache_find(const struct resolve_cache *c,
                                    const char *name, int type)
{
    char key[2 + RESOLVE_NAME_CAP];
    size_t len = dns_cache_make_key(key, name, type);
    struct table_node *node = NULL;

    if (len > 0)
        node = table_find(c->entries, (struct slice){key, len});
    return node == NULL ? NULL : CONTAINER_OF(node, struct entry, node);
}

const struct answer *resolve_cache_find(struct resolve_cache *c,
                                        const char *name, int type,
                                        uint64_t now_ms)
{
    struct entry *e = dns_cache_find(c, name, type);

    if (e == NULL || now_ms >= e->fresh_until_ms)
        return NULL;
    dns_cache_unlink_it(c, e);
    dns_cache_link_newest(c, e);
    return e->answer;
}

static bool has_stale(const struct entry *e, uint64_t now_ms)
{
    return e != NULL && now_ms < e->keep_until_ms &&
           (e->answer->status == RESOLVE_OK ||
            e->answer->status == RESOLVE_ABSENT);
}

const struct answer *resolve_cache_stale(const struct resolve_cache *c,
                                         const char *name, int type,
                                         uint64_t now_ms)
{
    const struct entry *e = dns_cache_find(c, name, type);

    return has_stale(e, now_ms) ? e->answer : NULL;
}

static unsigned clamp(unsigned value, unsigned min, unsigned max)
{
    return value < min ? min : value > max ? max : value;
}

static unsigned holds_s(const struct resolve_cache *c, const struct answer *a)
{
    unsigned min = c->limits.ttl_min_s;
    unsigned max = c->limits.ttl_max_s;

    if (a->status == RESOLVE_FAILED && a->n == 0 && !a->has_ttl)
        return RESOLVE_FAILURE_S;
    if (!a->has_ttl) /* RFC 2308 section 5: no SOA, no cache to speak of */
        return min;
    if (a->status == RESOLVE_NONE && max > RESOLVE_ABSENCE_MAX_S)
        max = RESOLVE_ABSENCE_MAX_S;
    return clamp(a->ttl_s, min, max);
}

/* The new entry, not linked yet, or NULL. */
static struct entry *entry_new(const char *name, int type,
                               const struct answer *answer)
{
    struct entry *e = calloc(1, sizeof(*e));

    if (e == NULL)
        return NULL;
    e->key_len = dns_cache_make_key(e->key, name, type);
    if (e->key_len > 0)
        e->answer = answer_copy(answer);
    if (e->answer == NULL) {
        free(e);
        return NULL;
    }
    return e;
}

void resolve_cache_put(struct resolve_cache *c, const char *name, int type,
                       const struct answer *answer, uint64_t now_ms)
{
    struct entry *e = dns_cache_find(c, name, type);

    if (answer->status == RESOLVE_FAILED && has_stale(e, now_ms)) {
        e->fresh_until_ms = now_ms + RESOLVE_STALE_AGAIN_S * UINT64_C(1000);
        if (e->fresh_until_ms > e->keep_until_ms)
            e->fresh_until_ms = e->keep_until_ms;
        return;
    }

    if (e != NULL)
        dns_cache_drop(c, e);
    e = entry_new(name, type, answer);
    if (e == NULL)
        return;
    e->fresh_until_ms = now_ms + holds_s(c, answer) * UINT64_C(1000);
    e->keep_until_ms = e->fresh_until_ms + c->limits.stale_s * UINT64_C(1000);
    while (c->oldest != NULL && c->limits.bytes_max - c->bytes < weight(e))
        dns_cache_drop(c, c->oldest);
    if (c->limits.bytes_max - c->bytes < weight(e) ||
        table_insert(c->entries, &e->node,
                     (struct slice){e->key, e->key_len}) != ERR_OK) {
        free(e->answer);
        free(e);
        return;
    }
    dns_cache_link_newest(c, e);
    c->bytes += weight(e);
}

size_t resolve_cache_count(const struct resolve_cache *c)
{
    return table_count(c->entries);
}

size_t resolve_cache_bytes(const struct resolve_cache *c)
{
    return c->bytes;
}
