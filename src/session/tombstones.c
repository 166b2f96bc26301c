#include "tombstones.h"

#include <assert.h>

void tombstones_init(struct tombstones *t, size_t max_bytes)
{
    *t = (struct tombstones){.max_bytes = max_bytes};
}

void tombstones_add(struct tombstones *t, struct tombstone *s, size_t bytes)
{
    assert(!s->is_in);
    *s = (struct tombstone){
        .older = t->newest,
        .bytes = bytes,
        .is_in = true,
    };
    if (t->newest != NULL)
        t->newest->newer = s;
    else
        t->oldest = s;
    t->newest = s;
    t->count++;
    t->bytes += bytes;
}

void tombstones_remove(struct tombstones *t, struct tombstone *s)
{
    if (!s->is_in)
        return;
    if (s->older != NULL)
        s->older->newer = s->newer;
    else
        t->oldest = s->newer;
    if (s->newer != NULL)
        s->newer->older = s->older;
    else
        t->newest = s->older;
    t->count--;
    t->bytes -= s->bytes;
    *s = (struct tombstone){.older = NULL};
}

struct tombstone *tombstones_surplus(const struct tombstones *t)
{
    if (t->bytes <= t->max_bytes || t->oldest == t->newest)
        return NULL;
    return t->oldest;
}
