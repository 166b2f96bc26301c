#include "upstream/connect_limit.h"

#include "net/addr_net.h"
#include "base/table.h"

#include <assert.h>
#include <stdlib.h>

#define NETWORK_BYTES_4 3 /* /24 */
#define NETWORK_BYTES_6 6 /* /48 */

struct connect_limit_bucket {
    struct table_node node;
    unsigned char key[17]; /* client, network or route; bytes of the address */
    unsigned limit;
    unsigned in_flight;
    unsigned users; /* tickets that point here, waiting ones too */
    struct connect_limit_ticket *first;
    struct connect_limit_ticket *last;
    size_t n_waiting;
};

struct connect_limit {
    struct loop *loop; /* borrowed */
    struct connect_limit_limits limits;
    struct table *buckets; /* owned, with its nodes, but for `all` */
    struct connect_limit_bucket all;
    size_t n_waiting;
};

static void connect_limit_on_opened(void *arg);

/* --- Buckets -------------------------------------------------------------- */

static size_t network_key(const struct addr *to, unsigned char out[16])
{
    struct addr inner;
    size_t len = addr_ip(addr_embedded_ip4(to, &inner) ? &inner : to, out);

    if (len == 0)
        return 0;
    return len == 4 ? NETWORK_BYTES_4 : NETWORK_BYTES_6;
}

/* NULL: no memory. */
static struct connect_limit_bucket *find_or_add(struct connect_limit *g,
                                                char kind,
                                                const unsigned char *key,
                                                size_t len, unsigned limit)
{
    unsigned char whole[17] = {(unsigned char)kind};
    struct slice name = {(const char *)whole, len + 1};
    struct table_node *node;
    struct connect_limit_bucket *b;

    memcpy(whole + 1, key, len);
    node = table_find(g->buckets, name);
    if (node != NULL)
        return CONTAINER_OF(node, struct connect_limit_bucket, node);
    b = calloc(1, sizeof(*b));
    if (b == NULL)
        return NULL;
    memcpy(b->key, whole, sizeof(whole));
    b->limit = limit;
    name.at = (const char *)b->key;
    if (table_insert(g->buckets, &b->node, name) == ERR_OK)
        return b;
    free(b);
    return NULL;
}

static void drop_buckets(struct connect_limit_ticket *t)
{
    for (size_t i = 0; i < CONNECT_LIMIT_BUCKETS; i++) {
        struct connect_limit_bucket *b = t->buckets[i];

        t->buckets[i] = NULL;
        if (b == NULL || --b->users > 0 || b == &t->connect_limit->all)
            continue;
        table_remove(t->connect_limit->buckets, &b->node);
        free(b);
    }
}

static bool use_bucket(struct connect_limit_ticket *t, size_t i,
                       struct connect_limit_bucket *b)
{
    if (b == NULL)
        return false;
    t->buckets[i] = b;
    b->users++;
    return true;
}

static bool find_buckets(struct connect_limit_ticket *t,
                         const struct connect_limit_visit *visit)
{
    struct connect_limit *g = t->connect_limit;
    unsigned half = g->limits.all - g->limits.all / 2;
    unsigned char key[16];
    struct connect_limit_bucket *b;
    size_t len = addr_client_key(visit->client, key);

    if (len > 0 && !visit->is_route &&
        !use_bucket(t, 0, find_or_add(g, 'c', key, len, g->limits.per_client)))
        return false;
    len = network_key(visit->to, key);
    if (len > 0) {
        b = visit->is_route
                ? find_or_add(g, 'r', key, len, half)
                : find_or_add(g, 'n', key, len, g->limits.per_network);
        if (!use_bucket(t, 1, b))
            return false;
    }
    return use_bucket(t, 2, &g->all);
}

/* --- Tickets -------------------------------------------------------------- */

/* NULL: there is room everywhere, and it is taken. */
static struct connect_limit_bucket *connect_limit_take(
    struct connect_limit_ticket *t)
{
    for (size_t i = 0; i < CONNECT_LIMIT_BUCKETS; i++)
        if (t->buckets[i] != NULL &&
            t->buckets[i]->in_flight >= t->buckets[i]->limit)
            return t->buckets[i];
    for (size_t i = 0; i < CONNECT_LIMIT_BUCKETS; i++)
        if (t->buckets[i] != NULL)
            t->buckets[i]->in_flight++;
    return NULL;
}

static void queue_at(struct connect_limit_bucket *b,
                     struct connect_limit_ticket *t)
{
    t->waits_at = b;
    t->next = NULL;
    t->prev = b->last;
    if (b->last != NULL)
        b->last->next = t;
    else
        b->first = t;
    b->last = t;
    b->n_waiting++;
    t->connect_limit->n_waiting++;
}

static void unqueue(struct connect_limit_ticket *t)
{
    struct connect_limit_bucket *b = t->waits_at;

    if (t->prev != NULL)
        t->prev->next = t->next;
    else
        b->first = t->next;
    if (t->next != NULL)
        t->next->prev = t->prev;
    else
        b->last = t->prev;
    t->waits_at = NULL;
    b->n_waiting--;
    t->connect_limit->n_waiting--;
}

/* There is room in b.  Whoever finds another one full waits there instead, so
 * each is looked at once. */
static void admit(struct connect_limit_bucket *b)
{
    size_t n = b->n_waiting;

    for (; n > 0 && b->in_flight < b->limit; n--) {
        struct connect_limit_ticket *t = b->first;
        struct connect_limit_bucket *full;

        unqueue(t);
        full = connect_limit_take(t);
        if (full != NULL)
            queue_at(full, t);
        else
            loop_defer(t->connect_limit->loop, &t->later,
                       connect_limit_on_opened, t);
    }
}

/* One client, or a network that swallows connections, leaves half of the
 * room to those who wait for something else. */
static bool may_wait(const struct connect_limit *g,
                     const struct connect_limit_bucket *full)
{
    size_t max = g->limits.waiting;

    if (g->n_waiting >= max)
        return false;
    return full == &g->all || full->n_waiting < max - max / 2;
}

static void connect_limit_on_opened(void *arg)
{
    struct connect_limit_ticket *t = arg;

    t->opened(t->arg);
}

enum connect_limit_verdict connect_limit_enter(
    struct connect_limit *g, struct connect_limit_ticket *t,
    const struct connect_limit_visit *visit, void (*opened)(void *arg),
    void *arg)
{
    struct connect_limit_bucket *full;

    assert(t->connect_limit == NULL);
    t->connect_limit = g;
    t->opened = opened;
    t->arg = arg;
    if (!find_buckets(t, visit))
        goto fail;
    full = connect_limit_take(t);
    if (full == NULL)
        return CONNECT_LIMIT_OPEN;
    if (!may_wait(g, full))
        goto fail;
    queue_at(full, t);
    return CONNECT_LIMIT_WAIT;

fail:
    drop_buckets(t);
    t->connect_limit = NULL;
    return CONNECT_LIMIT_FULL;
}

void connect_limit_leave(struct connect_limit_ticket *t)
{
    if (t->connect_limit == NULL)
        return;
    loop_undefer(&t->later);
    if (t->waits_at != NULL) {
        unqueue(t);
    } else {
        for (size_t i = 0; i < CONNECT_LIMIT_BUCKETS; i++)
            if (t->buckets[i] != NULL)
                t->buckets[i]->in_flight--;
        for (size_t i = 0; i < CONNECT_LIMIT_BUCKETS; i++)
            if (t->buckets[i] != NULL)
                admit(t->buckets[i]);
    }
    drop_buckets(t);
    t->connect_limit = NULL;
}

/* --- The connect_limit
 * -------------------------------------------------------- */

enum err connect_limit_new(struct connect_limit **out, struct loop *loop,
                           const struct connect_limit_limits *limits)
{
    struct connect_limit *g = calloc(1, sizeof(*g));
    enum err err;

    if (g == NULL)
        return ERR_NOMEM;
    g->loop = loop;
    g->limits = *limits;
    g->all.limit = limits->all;
    /* Two for each ticket, open or waiting. */
    err = table_new(&g->buckets,
                    2 * ((size_t)limits->all + (size_t)limits->waiting + 1));
    if (err != ERR_OK) {
        free(g);
        return err;
    }
    *out = g;
    return ERR_OK;
}

void connect_limit_free(struct connect_limit *g)
{
    if (g == NULL)
        return;
    assert(g->all.users == 0);
    table_free(g->buckets);
    free(g);
}
