#include "outbox.h"

#include <assert.h>
#include <stdlib.h>

#define ITEMS_FIRST 8u

void outbox_init(struct outbox *o, size_t max_bytes)
{
    memset(o, 0, sizeof(*o));
    buf_init(&o->bytes, max_bytes);
}

void outbox_free(struct outbox *o)
{
    buf_free(&o->bytes);
    free(o->items);
    o->items = NULL;
    o->first = o->count = o->item_cap = 0;
}

static enum err outbox_grow(struct outbox *o)
{
    uint32_t cap = o->item_cap == 0 ? ITEMS_FIRST : o->item_cap * 2;
    struct outbox_item *items = malloc(cap * sizeof(*items));
    uint32_t i;

    if (items == NULL)
        return ERR_NOMEM;
    for (i = 0; i < o->count; i++)
        items[i] = o->items[(o->first + i) % o->item_cap];
    free(o->items);
    o->items = items;
    o->item_cap = cap;
    o->first = 0;
    return ERR_OK;
}

enum err outbox_push(struct outbox *o, struct slice element, bool is_alone)
{
    struct outbox_item *item;
    enum err err;

    if (element.len > UINT32_MAX)
        return ERR_LIMIT;
    if (o->count == o->item_cap) {
        err = outbox_grow(o);
        if (err != ERR_OK)
            return err;
    }
    err = buf_append_slice(&o->bytes, element);
    if (err != ERR_OK)
        return err;
    item = &o->items[(o->first + o->count) % o->item_cap];
    item->len = (uint32_t)element.len;
    item->is_alone = is_alone;
    o->count++;
    return ERR_OK;
}

size_t outbox_peek(const struct outbox *o, size_t max_bytes, uint32_t *n)
{
    const struct outbox_item *item;
    size_t bytes = 0;

    for (*n = 0; *n < o->count; (*n)++) {
        item = &o->items[(o->first + *n) % o->item_cap];
        if (*n > 0 && (item->is_alone || bytes >= max_bytes ||
                       item->len > max_bytes - bytes))
            break;
        bytes += item->len;
        if (item->is_alone) {
            (*n)++;
            break;
        }
    }
    return bytes;
}

void outbox_drop(struct outbox *o, uint32_t n)
{
    size_t bytes = 0;
    uint32_t i;

    assert(n <= o->count);
    for (i = 0; i < n; i++)
        bytes += o->items[(o->first + i) % o->item_cap].len;
    o->first = o->item_cap == 0 ? 0 : (o->first + n) % o->item_cap;
    o->count -= n;
    buf_consume(&o->bytes, bytes);
    if (o->count == 0)
        outbox_free(o);
}
