#include "upstream/resolve_gate.h"

#include "base/table.h"

#include <stdlib.h>

#define SHARE     8
#define SHARE_MIN 2u /* one question for each family of a host */
#define NAME_CAP  128

struct gate_zone {
    struct table_node node;
    struct gate_zone *next; /* in the ring of those whose turn may come */
    bool is_in_ring;
    unsigned running;
    unsigned waiting;
    struct gate_entry *first; /* borrowed: those that wait */
    struct gate_entry **last;
    size_t len;
    char name[NAME_CAP];
};

struct gate {
    struct table *zones; /* of struct gate_zone, owned */
    struct gate_zone *ring;
    struct gate_zone **ring_end;
    unsigned running_max;
    unsigned running;
    unsigned waiting;
};

enum err gate_new(struct gate **out, unsigned running_max)
{
    struct gate *g = calloc(1, sizeof(*g));
    enum err err;

    if (g == NULL)
        return ERR_NOMEM;
    g->running_max = running_max;
    g->ring_end = &g->ring;
    err = table_new(&g->zones,
                    (size_t)running_max * (GATE_WAITING_FACTOR + 1) + 1);
    if (err != ERR_OK) {
        free(g);
        return err;
    }
    *out = g;
    return ERR_OK;
}

void gate_free(struct gate *g)
{
    if (g == NULL)
        return;
    table_free(g->zones);
    free(g);
}

static unsigned share_of(unsigned all)
{
    return all / SHARE < SHARE_MIN ? SHARE_MIN : all / SHARE;
}

static unsigned waiting_max(const struct gate *g)
{
    return g->running_max * GATE_WAITING_FACTOR;
}

static bool has_place(const struct gate *g, const struct gate_zone *z)
{
    return g->running < g->running_max && z->running < share_of(g->running_max);
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

static struct gate_zone *find_or_add(struct gate *g, struct slice name)
{
    struct table_node *node = table_find(g->zones, name);
    struct gate_zone *z;

    if (node != NULL)
        return CONTAINER_OF(node, struct gate_zone, node);
    z = calloc(1, sizeof(*z));
    if (z == NULL)
        return NULL;
    z->last = &z->first;
    z->len = name.len;
    memcpy(z->name, name.at, name.len);
    if (table_insert(g->zones, &z->node, (struct slice){z->name, z->len}) !=
        ERR_OK) {
        free(z);
        return NULL;
    }
    return z;
}

static void join_ring(struct gate *g, struct gate_zone *z)
{
    if (z->is_in_ring || z->waiting == 0 ||
        z->running >= share_of(g->running_max))
        return;
    z->is_in_ring = true;
    z->next = NULL;
    *g->ring_end = z;
    g->ring_end = &z->next;
}

static struct gate_zone *take_from_ring(struct gate *g)
{
    struct gate_zone *z = g->ring;

    if (z == NULL)
        return NULL;
    g->ring = z->next;
    if (g->ring == NULL)
        g->ring_end = &g->ring;
    z->is_in_ring = false;
    return z;
}

/* One in the ring is found empty when its turn comes. */
static void drop_if_empty(struct gate *g, struct gate_zone *z)
{
    if (z->running > 0 || z->waiting > 0 || z->is_in_ring)
        return;
    table_remove(g->zones, &z->node);
    free(z);
}

static void run(struct gate *g, struct gate_entry *entry)
{
    entry->is_running = true;
    entry->zone->running++;
    g->running++;
}

static void wait_for_turn(struct gate *g, struct gate_entry *entry)
{
    struct gate_zone *z = entry->zone;

    entry->next = NULL;
    entry->self = z->last;
    *z->last = entry;
    z->last = &entry->next;
    z->waiting++;
    g->waiting++;
    join_ring(g, z);
}

static void stop_waiting(struct gate *g, struct gate_entry *entry)
{
    struct gate_zone *z = entry->zone;

    *entry->self = entry->next;
    if (entry->next != NULL)
        entry->next->self = entry->self;
    else
        z->last = entry->self;
    z->waiting--;
    g->waiting--;
}

enum err gate_enter(struct gate *g, struct gate_entry *entry, const char *name)
{
    struct gate_zone *z = find_or_add(g, zone_of(name));

    if (z == NULL)
        return ERR_NOMEM;
    if (!has_place(g, z) && (g->waiting >= waiting_max(g) ||
                             z->waiting >= share_of(waiting_max(g)))) {
        drop_if_empty(g, z);
        return ERR_LIMIT;
    }
    memset(entry, 0, sizeof(*entry));
    entry->zone = z;
    if (has_place(g, z))
        run(g, entry);
    else
        wait_for_turn(g, entry);
    return ERR_OK;
}

void gate_leave(struct gate *g, struct gate_entry *entry)
{
    struct gate_zone *z = entry->zone;

    if (z == NULL)
        return;
    if (entry->is_running) {
        z->running--;
        g->running--;
        join_ring(g, z);
    } else {
        stop_waiting(g, entry);
    }
    memset(entry, 0, sizeof(*entry));
    drop_if_empty(g, z);
}

struct gate_entry *gate_next(struct gate *g)
{
    while (g->running < g->running_max) {
        struct gate_zone *z = take_from_ring(g);
        struct gate_entry *entry;

        if (z == NULL)
            return NULL;
        if (z->waiting == 0 || !has_place(g, z)) {
            drop_if_empty(g, z);
            continue;
        }
        entry = z->first;
        stop_waiting(g, entry);
        run(g, entry);
        join_ring(g, z); /* behind the others */
        return entry;
    }
    return NULL;
}

unsigned gate_running(const struct gate *g)
{
    return g->running;
}

unsigned gate_waiting(const struct gate *g)
{
    return g->waiting;
}
