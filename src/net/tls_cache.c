#include "net/tls_cache.h"

#include "base/table.h"

#include <openssl/ssl.h>
#include <stdlib.h>

/* The sessions of one key. */
struct slot {
    struct table_node node;
    struct slot *newer; /* in the order in which they were put to */
    struct slot *older;
    size_t n;
    struct tls_saved saved[TLS_CACHE_PER_KEY]; /* the oldest first */
    char key[];
};

struct tls_cache {
    struct table *slots; /* owned; each has one session or more */
    struct slot *newest;
    struct slot *oldest;
    size_t count;
    size_t max;
};

enum err tls_cache_new(struct tls_cache **out, size_t sessions_max)
{
    struct tls_cache *c = calloc(1, sizeof(*c));
    enum err err;

    if (c == NULL)
        return ERR_NOMEM;
    c->max = sessions_max;
    err = table_new(&c->slots, sessions_max > 0 ? sessions_max : 1);
    if (err != ERR_OK) {
        free(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

/* --- The order of the slots --- */

static void unlink_slot(struct tls_cache *c, struct slot *s)
{
    if (s->newer != NULL)
        s->newer->older = s->older;
    else
        c->newest = s->older;
    if (s->older != NULL)
        s->older->newer = s->newer;
    else
        c->oldest = s->newer;
}

static void tls_cache_link_newest(struct tls_cache *c, struct slot *s)
{
    s->newer = NULL;
    s->older = c->newest;
    if (c->newest != NULL)
        c->newest->newer = s;
    else
        c->oldest = s;
    c->newest = s;
}

/* --- Slots --- */

static struct slot *tls_cache_find(const struct tls_cache *c, struct slice key)
{
    struct table_node *node = table_find(c->slots, key);

    return node == NULL ? NULL : CONTAINER_OF(node, struct slot, node);
}

static struct slot *tls_cache_add(struct tls_cache *c, struct slice key)
{
    struct slot *s = calloc(1, sizeof(*s) + key.len);

    if (s == NULL)
        return NULL;
    memcpy(s->key, key.at, key.len);
    if (table_insert(c->slots, &s->node, (struct slice){s->key, key.len}) !=
        ERR_OK) {
        free(s);
        return NULL;
    }
    tls_cache_link_newest(c, s);
    return s;
}

static void drop_slot(struct tls_cache *c, struct slot *s)
{
    while (s->n > 0) {
        SSL_SESSION_free(s->saved[--s->n].session);
        c->count--;
    }
    unlink_slot(c, s);
    table_remove(c->slots, &s->node);
    free(s);
}

static void drop_oldest_of(struct tls_cache *c, struct slot *s)
{
    SSL_SESSION_free(s->saved[0].session);
    s->n--;
    c->count--;
    memmove(&s->saved[0], &s->saved[1], s->n * sizeof(s->saved[0]));
    if (s->n == 0)
        drop_slot(c, s);
}

void tls_cache_free(struct tls_cache *c)
{
    if (c == NULL)
        return;
    while (c->oldest != NULL)
        drop_slot(c, c->oldest);
    table_free(c->slots);
    free(c);
}

/* --- Sessions --- */

void tls_cache_put(struct tls_cache *c, struct slice key,
                   const struct tls_saved *saved)
{
    struct slot *s = tls_cache_find(c, key);

    if (s != NULL) {
        unlink_slot(c, s);
        tls_cache_link_newest(c, s);
        if (s->n == TLS_CACHE_PER_KEY)
            drop_oldest_of(c, s);
    }
    while (c->count > 0 && c->count >= c->max)
        drop_oldest_of(c, c->oldest);

    s = tls_cache_find(c, key); /* it may just have given way */
    if (s == NULL && c->max > 0)
        s = tls_cache_add(c, key);
    if (s == NULL) {
        SSL_SESSION_free(saved->session);
        return;
    }
    s->saved[s->n++] = *saved;
    c->count++;
}

bool tls_cache_take(struct tls_cache *c, struct slice key, int64_t now_s,
                    struct tls_saved *out)
{
    struct slot *s = tls_cache_find(c, key);
    bool is_good = false;

    if (s == NULL)
        return false;
    while (!is_good && s->n > 0) {
        struct tls_saved *last = &s->saved[--s->n];

        c->count--;
        is_good = now_s < last->until_s;
        if (is_good)
            *out = *last;
        else
            SSL_SESSION_free(last->session);
    }
    if (s->n == 0)
        drop_slot(c, s);
    return is_good;
}

void tls_cache_forget(struct tls_cache *c, struct slice key)
{
    struct slot *s = tls_cache_find(c, key);

    if (s != NULL)
        drop_slot(c, s);
}

size_t tls_cache_count(const struct tls_cache *c)
{
    return c->count;
}
