#include "resolve_queue.h"

#include "net/addr.h"
#include "base/table.h"

#include <stdlib.h>

/* One part in so many of the places, and of the queue. */
#define KIND_PART       8  /* what a kind has for itself */
#define ZONE_PART       8  /* the most that a zone has */
#define CLIENT_PART     16 /* the most that a client has */
#define CONFIGURED_PART 2  /* and with names of the configuration */

/* One question for each family of a host, or for each kind of SRV record. */
#define PAIR 2u

#define NAME_CAP 128

/* Places, or rooms in the queue. */
struct gate_count {
    unsigned running;
    unsigned waiting;
};

struct gate_pool {
    enum gate_kind kind;
    struct table *clients; /* owned, of struct gate_client, owned */
    struct table *zones;   /* owned, of struct gate_zone, owned */
    struct table *lines;   /* owned, of struct gate_line, owned */
    struct list ring;      /* of clients whose turn may come */
    struct gate_count n;
};

struct gate_client {
    struct table_node node;
    struct list_node place; /* in the ring of the pool */
    struct list ready;      /* of lines whose zones had room when they came */
    struct gate_pool *pool; /* back pointer */
    struct gate_count n;
    size_t len; /* 0: all clients without an address */
    unsigned char key[16];
};

struct gate_zone {
    struct table_node node;
    struct list parked; /* of lines; empty unless all its places are taken */
    struct gate_count n;
    size_t len;
    char name[NAME_CAP];
};

struct gate_pair {
    struct gate_client *client; /* back pointer */
    struct gate_zone *zone;     /* back pointer */
};

/* What one client asks of one zone and has to wait.  Never empty. */
struct gate_line {
    struct table_node node;
    struct list_node place; /* ready with its client, or parked at its zone */
    struct list entries;    /* borrowed: of those who ask */
    struct gate_pair of;    /* the key */
};

struct gate {
    struct gate_pool pools[GATE_KINDS];
    struct gate_count max;
    struct gate_count n;
    unsigned turn; /* the kind that is looked at first */
};

enum err gate_new(struct gate **out, unsigned running_max)
{
    struct gate *g = calloc(1, sizeof(*g));
    enum err err = ERR_OK;

    if (g == NULL)
        return ERR_NOMEM;
    g->max.running = running_max;
    g->max.waiting = running_max * GATE_WAITING_FACTOR;
    for (unsigned i = 0; i < GATE_KINDS && err == ERR_OK; i++) {
        struct gate_pool *p = &g->pools[i];
        size_t max = (size_t)g->max.running + g->max.waiting + 1;

        p->kind = (enum gate_kind)i;
        list_init(&p->ring);
        err = table_new(&p->clients, max);
        if (err == ERR_OK)
            err = table_new(&p->zones, max);
        if (err == ERR_OK)
            err = table_new(&p->lines, max);
    }
    if (err != ERR_OK) {
        gate_free(g);
        return err;
    }
    *out = g;
    return ERR_OK;
}

void gate_free(struct gate *g)
{
    if (g == NULL)
        return;
    for (unsigned i = 0; i < GATE_KINDS; i++) {
        table_free(g->pools[i].clients);
        table_free(g->pools[i].zones);
        table_free(g->pools[i].lines);
    }
    free(g);
}

/* --- Shares --------------------------------------------------------------- */

static unsigned dns_queue_part_of(unsigned all, unsigned part, unsigned least)
{
    return all / part < least ? least : all / part;
}

/* A client has half of a zone at most, so another one has room there. */
static unsigned zone_share(unsigned all)
{
    return dns_queue_part_of(all, ZONE_PART, 2 * PAIR);
}

static unsigned client_share(const struct gate_client *c, unsigned all)
{
    if (c->pool->kind == GATE_CONFIGURED)
        return dns_queue_part_of(all, CONFIGURED_PART, PAIR);
    return c->len == 0 ? all : dns_queue_part_of(all, CLIENT_PART, PAIR);
}

/* What the other kinds have for themselves and do not use now. */
static struct gate_count kept_from(const struct gate *g,
                                   const struct gate_pool *p)
{
    unsigned running = dns_queue_part_of(g->max.running, KIND_PART, PAIR);
    unsigned waiting = dns_queue_part_of(g->max.waiting, KIND_PART, PAIR);
    struct gate_count kept = {0, 0};

    if (p->kind == GATE_CONFIGURED)
        return kept;
    for (unsigned i = 0; i < GATE_KINDS; i++) {
        const struct gate_pool *other = &g->pools[i];

        if (other != p && other->n.running < running)
            kept.running += running - other->n.running;
        if (other != p && other->n.waiting < waiting)
            kept.waiting += waiting - other->n.waiting;
    }
    return kept;
}

static bool pool_has_place(const struct gate *g, const struct gate_pool *p)
{
    return g->n.running + kept_from(g, p).running < g->max.running;
}

static bool client_has_place(const struct gate *g, const struct gate_client *c)
{
    return c->n.running < client_share(c, g->max.running);
}

static bool zone_has_place(const struct gate *g, const struct gate_zone *z)
{
    return z->n.running < zone_share(g->max.running);
}

static bool may_run(const struct gate *g, const struct gate_client *c,
                    const struct gate_zone *z)
{
    return pool_has_place(g, c->pool) && client_has_place(g, c) &&
           zone_has_place(g, z);
}

static bool queue_has_room(const struct gate *g, const struct gate_client *c,
                           const struct gate_zone *z)
{
    return g->n.waiting + kept_from(g, c->pool).waiting < g->max.waiting &&
           c->n.waiting < client_share(c, g->max.waiting) &&
           z->n.waiting < zone_share(g->max.waiting);
}

/* --- Clients, zones and lines --------------------------------------------- */

static struct gate_client *find_or_add_client(struct gate *g,
                                              const struct gate_asker *asker)
{
    unsigned char key[16];
    size_t len = addr_client_key(asker->client, key);
    struct gate_pool *p = &g->pools[len > 0 ? GATE_KNOWN : GATE_UNKNOWN];
    struct gate_client *c;
    struct table_node *node;

    if (asker->is_configured)
        p = &g->pools[GATE_CONFIGURED];
    node = table_find(p->clients, (struct slice){(const char *)key, len});
    if (node != NULL)
        return CONTAINER_OF(node, struct gate_client, node);
    c = calloc(1, sizeof(*c));
    if (c == NULL)
        return NULL;
    c->pool = p;
    list_init(&c->ready);
    c->len = len;
    memcpy(c->key, key, len);
    if (table_insert(p->clients, &c->node,
                     (struct slice){(const char *)c->key, len}) == ERR_OK)
        return c;
    free(c);
    return NULL;
}

/* The last two labels, and of those what fits. */
static struct slice zone_of(const char *name)
{
    size_t len = strlen(name);
    size_t at = len;
    unsigned dots = 0;

    while (at > 0 && len - at < NAME_CAP - 1) {
        dots += name[at - 1] == '.';
        if (dots == 2)
            break;
        at--;
    }
    return (struct slice){name + at, len - at};
}

static struct gate_zone *find_or_add_zone(struct gate_pool *p,
                                          struct slice name)
{
    struct table_node *node = table_find(p->zones, name);
    struct gate_zone *z;

    if (node != NULL)
        return CONTAINER_OF(node, struct gate_zone, node);
    z = calloc(1, sizeof(*z));
    if (z == NULL)
        return NULL;
    list_init(&z->parked);
    z->len = name.len;
    memcpy(z->name, name.at, name.len);
    if (table_insert(p->zones, &z->node, (struct slice){z->name, z->len}) ==
        ERR_OK)
        return z;
    free(z);
    return NULL;
}

static void drop_if_empty(struct gate_client *c, struct gate_zone *z)
{
    struct gate_pool *p = c->pool;

    if (z != NULL && z->n.running == 0 && z->n.waiting == 0) {
        table_remove(p->zones, &z->node);
        free(z);
    }
    if (c->n.running == 0 && c->n.waiting == 0) {
        list_remove(&c->place);
        table_remove(p->clients, &c->node);
        free(c);
    }
}

static void join_ring(const struct gate *g, struct gate_client *c)
{
    if (!list_holds(&c->place) && !list_is_empty(&c->ready) &&
        client_has_place(g, c))
        list_append(&c->pool->ring, &c->place);
}

/* One that is new is in no list yet. */
static struct gate_line *find_or_add_line(struct gate_client *c,
                                          struct gate_zone *z)
{
    struct gate_pair of = {c, z};
    struct table_node *node = table_find(
        c->pool->lines, (struct slice){(const char *)&of, sizeof(of)});
    struct gate_line *line;

    if (node != NULL)
        return CONTAINER_OF(node, struct gate_line, node);
    line = calloc(1, sizeof(*line));
    if (line == NULL)
        return NULL;
    line->of = of;
    list_init(&line->entries);
    if (table_insert(c->pool->lines, &line->node,
                     (struct slice){(const char *)&line->of, sizeof(of)}) ==
        ERR_OK)
        return line;
    free(line);
    return NULL;
}

static void line_free(struct gate_line *line)
{
    list_remove(&line->place);
    table_remove(line->of.client->pool->lines, &line->node);
    free(line);
}

/* The zone has a place again: each client that waits for it has a chance, in
 * the order in which they came. */
static void wake(const struct gate *g, struct gate_zone *z)
{
    struct list_node *node;

    for (node = list_pop(&z->parked); node != NULL;
         node = list_pop(&z->parked)) {
        struct gate_line *line = CONTAINER_OF(node, struct gate_line, place);

        list_append(&line->of.client->ready, &line->place);
        join_ring(g, line->of.client);
    }
}

/* --- Entries -------------------------------------------------------------- */

static void start_running(struct gate *g, struct gate_entry *entry)
{
    entry->is_running = true;
    entry->client->pool->n.running++;
    entry->client->n.running++;
    entry->zone->n.running++;
    g->n.running++;
}

static void stop_running(struct gate *g, struct gate_entry *entry)
{
    entry->is_running = false;
    entry->client->pool->n.running--;
    entry->client->n.running--;
    entry->zone->n.running--;
    g->n.running--;
    wake(g, entry->zone);
    join_ring(g, entry->client);
}

static void start_waiting(struct gate *g, struct gate_entry *entry,
                          struct gate_line *line)
{
    entry->line = line;
    list_append(&line->entries, &entry->node);
    entry->client->pool->n.waiting++;
    entry->client->n.waiting++;
    entry->zone->n.waiting++;
    g->n.waiting++;
    if (list_holds(&line->place))
        return;
    if (zone_has_place(g, entry->zone))
        list_append(&entry->client->ready, &line->place);
    else
        list_append(&entry->zone->parked, &line->place);
    join_ring(g, entry->client);
}

static void stop_waiting(struct gate *g, struct gate_entry *entry)
{
    list_remove(&entry->node);
    entry->client->pool->n.waiting--;
    entry->client->n.waiting--;
    entry->zone->n.waiting--;
    g->n.waiting--;
    if (list_is_empty(&entry->line->entries))
        line_free(entry->line);
    entry->line = NULL;
}

enum err gate_enter(struct gate *g, struct gate_entry *entry, const char *name,
                    const struct gate_asker *asker)
{
    struct gate_client *c = find_or_add_client(g, asker);
    struct gate_zone *z =
        c == NULL ? NULL : find_or_add_zone(c->pool, zone_of(name));
    struct gate_line *line = NULL;
    enum err err = ERR_NOMEM;

    if (c == NULL)
        return ERR_NOMEM;
    if (z == NULL)
        goto fail;
    memset(entry, 0, sizeof(*entry));
    if (!may_run(g, c, z)) {
        err = ERR_LIMIT;
        if (!queue_has_room(g, c, z))
            goto fail;
        err = ERR_NOMEM;
        line = find_or_add_line(c, z);
        if (line == NULL)
            goto fail;
    }
    entry->client = c;
    entry->zone = z;
    if (line == NULL)
        start_running(g, entry);
    else
        start_waiting(g, entry, line);
    return ERR_OK;

fail:
    drop_if_empty(c, z);
    return err;
}

/* Each move to another queue halves, at least, what the client of the entry
 * has waiting: it ends, however many addresses somebody has. */
static bool gets_on_sooner(const struct gate *g, const struct gate_entry *entry,
                           const struct gate_client *c,
                           const struct gate_zone *z)
{
    bool was_configured = entry->client->pool->kind == GATE_CONFIGURED;
    bool is_configured = c->pool->kind == GATE_CONFIGURED;

    if (may_run(g, c, z))
        return true;
    if (was_configured != is_configured)
        return is_configured && queue_has_room(g, c, z);
    return 2 * (c->n.waiting + 1) <= entry->client->n.waiting &&
           queue_has_room(g, c, z);
}

bool gate_join(struct gate *g, struct gate_entry *entry,
               const struct gate_asker *asker)
{
    struct gate_pair before = {entry->client, entry->zone};
    struct gate_line *line = NULL;
    struct gate_client *c;
    struct gate_zone *z;

    if (entry->is_running)
        return false;
    c = find_or_add_client(g, asker);
    if (c == NULL)
        return false;
    z = find_or_add_zone(c->pool,
                         (struct slice){entry->zone->name, entry->zone->len});
    if (z == NULL || c == entry->client || !gets_on_sooner(g, entry, c, z))
        goto stay;
    if (!may_run(g, c, z)) {
        line = find_or_add_line(c, z);
        if (line == NULL)
            goto stay;
    }
    stop_waiting(g, entry);
    entry->client = c;
    entry->zone = z;
    if (line == NULL)
        start_running(g, entry);
    else
        start_waiting(g, entry, line);
    drop_if_empty(before.client, before.zone == z ? NULL : before.zone);
    return entry->is_running;

stay:
    drop_if_empty(c, z);
    return false;
}

void gate_leave(struct gate *g, struct gate_entry *entry)
{
    struct gate_pair before = {entry->client, entry->zone};

    if (entry->client == NULL)
        return;
    if (entry->is_running)
        stop_running(g, entry);
    else
        stop_waiting(g, entry);
    memset(entry, 0, sizeof(*entry));
    drop_if_empty(before.client, before.zone);
}

/* Its lines take turns.  NULL: it has no place, or no zone that has one. */
static struct gate_entry *next_of_client(struct gate *g, struct gate_client *c)
{
    struct list_node *node;

    while (client_has_place(g, c) && !list_is_empty(&c->ready)) {
        struct gate_line *line;
        struct gate_entry *entry;

        node = list_pop(&c->ready);
        line = CONTAINER_OF(node, struct gate_line, place);
        if (!zone_has_place(g, line->of.zone)) {
            list_append(&line->of.zone->parked, &line->place);
            continue;
        }
        list_append(&c->ready, &line->place);
        entry =
            CONTAINER_OF(list_first(&line->entries), struct gate_entry, node);
        stop_waiting(g, entry);
        start_running(g, entry);
        return entry;
    }
    return NULL;
}

static struct gate_entry *next_of_pool(struct gate *g, struct gate_pool *p)
{
    while (pool_has_place(g, p) && !list_is_empty(&p->ring)) {
        struct list_node *node = list_pop(&p->ring);
        struct gate_client *c = CONTAINER_OF(node, struct gate_client, place);
        struct gate_entry *entry = next_of_client(g, c);

        if (entry == NULL)
            continue;
        join_ring(g, c); /* behind the others */
        return entry;
    }
    return NULL;
}

struct gate_entry *gate_next(struct gate *g)
{
    for (unsigned i = 0; i < GATE_KINDS; i++) {
        unsigned kind = (g->turn + i) % GATE_KINDS;
        struct gate_entry *entry = next_of_pool(g, &g->pools[kind]);

        if (entry == NULL)
            continue;
        g->turn = (kind + 1) % GATE_KINDS;
        return entry;
    }
    return NULL;
}

unsigned gate_running(const struct gate *g)
{
    return g->n.running;
}

unsigned gate_waiting(const struct gate *g)
{
    return g->n.waiting;
}
