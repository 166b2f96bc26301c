#include "early.h"

#include <assert.h>
#include <stdlib.h>

#define FIRST_CAP 4

void early_init(struct early *q)
{
    memset(q, 0, sizeof(*q));
    buf_init(&q->bytes, SIZE_MAX); /* early_push bounds it */
}

void early_free(struct early *q)
{
    buf_free(&q->bytes); /* it may hold a password */
    free(q->items);
    q->items = NULL;
    q->first = q->end = q->cap = 0;
}

static enum err early_grow(struct early *q)
{
    uint32_t cap = q->cap == 0 ? FIRST_CAP : q->cap * 2;
    void *items;

    if (q->end < q->cap)
        return ERR_OK;
    items = realloc(q->items, cap * sizeof(*q->items));
    if (items == NULL)
        return ERR_NOMEM;
    q->items = items;
    q->cap = cap;
    return ERR_OK;
}

enum err early_push(struct early *q, const struct element *e, size_t max_bytes)
{
    size_t before = q->bytes.len;
    size_t len = e->bytes.len + e->id.len;
    enum err err;

    if (before > max_bytes || len > max_bytes - before)
        return ERR_LIMIT;
    err = early_grow(q);
    if (err == ERR_OK)
        err = buf_append_slice(&q->bytes, e->bytes);
    if (err == ERR_OK)
        err = buf_append_slice(&q->bytes, e->id);
    if (err != ERR_OK) {
        buf_truncate(&q->bytes, before);
        return err;
    }
    q->items[q->end++] = (struct early_item){
        .len = (uint32_t)e->bytes.len,
        .id_len = (uint16_t)e->id.len,
        .kind = (uint8_t)e->kind,
        .type = (uint8_t)e->type,
        .is_iq_auth = e->is_iq_auth,
    };
    return ERR_OK;
}

bool early_peek(const struct early *q, struct element *e)
{
    const struct early_item *item;
    const char *at = buf_at(&q->bytes);

    if (early_is_empty(q))
        return false;
    item = &q->items[q->first];
    *e = (struct element){
        .kind = (enum element_kind)item->kind,
        .type = (enum element_type)item->type,
        .is_iq_auth = item->is_iq_auth,
        .bytes = {at, item->len},
        .id = {at + item->len, item->id_len},
    };
    return true;
}

void early_drop(struct early *q)
{
    const struct early_item *item;

    assert(!early_is_empty(q));
    item = &q->items[q->first++];
    buf_consume(&q->bytes, (size_t)item->len + item->id_len);
    if (early_is_empty(q))
        early_free(q);
}

bool early_has(const struct early *q, enum element_kind kind)
{
    uint32_t i;

    for (i = q->first; i < q->end; i++) {
        if (q->items[i].kind == (uint8_t)kind)
            return true;
    }
    return false;
}
