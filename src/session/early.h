/*
 * early.h - elements of a client that wait until the server's stream can take
 * them, in order.
 *
 * Of each element its bytes are kept and what a login must know of it: kind,
 * type, is_iq_auth and id.  Nothing kept is nothing owned.
 */
#ifndef SESSION_EARLY_H
#define SESSION_EARLY_H

#include "base/base.h"
#include "base/buf.h"
#include "xmpp/element.h"

struct early_item {
    uint32_t len;
    uint16_t id_len; /* the id follows the element's bytes */
    uint8_t kind;    /* enum element_kind */
    uint8_t type;    /* enum element_type */
    bool is_iq_auth;
};

struct early {
    struct buf bytes;
    struct early_item *items; /* owned: cap of them */
    uint32_t first;           /* of those that still wait */
    uint32_t end;             /* behind the last */
    uint32_t cap;
};

void early_init(struct early *q);
void early_free(struct early *q);

/* ERR_LIMIT: all that waits would be more than max_bytes.  ERR_NOMEM.  Nothing
 * changes then. */
MUST_CHECK enum err early_push(struct early *q, const struct element *e,
                               size_t max_bytes);

/* The first one; its slices live until the queue changes.  False: none. */
bool early_peek(const struct early *q, struct element *e);

/* Drops the first one. */
void early_drop(struct early *q);

/* True: one of that kind waits. */
bool early_has(const struct early *q, enum element_kind kind);

static inline bool early_is_empty(const struct early *q)
{
    return q->first == q->end;
}

#endif /* SESSION_EARLY_H */
