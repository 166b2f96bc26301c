/*
 * list.h - a doubly linked list whose nodes are embedded in what it holds.
 *
 * The list owns nothing: whoever owns the objects removes a node before its
 * memory goes.  A node is in one list at most; a zeroed node is in none, and
 * list_remove of such a one does nothing.  No function allocates or fails.
 *
 *     struct list sessions;             LIST_INIT, or list_init()
 *     struct session { struct list_node node; ... };
 *
 *     LIST_EACH(node, &sessions)
 *         struct session *s = CONTAINER_OF(node, struct session, node);
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include "base/base.h"

struct list_node {
    struct list_node *next; /* NULL: in no list */
    struct list_node *prev;
};

/* A ring: head.next is the first node, head.prev the last. */
struct list {
    struct list_node head;
};

static inline void list_init(struct list *l)
{
    l->head.next = l->head.prev = &l->head;
}

static inline bool list_is_empty(const struct list *l)
{
    return l->head.next == &l->head;
}

static inline bool list_holds(const struct list_node *n)
{
    return n->next != NULL;
}

/* The node must be in no list. */
static inline void list_insert_before(struct list_node *at, struct list_node *n)
{
    n->next = at;
    n->prev = at->prev;
    at->prev->next = n;
    at->prev = n;
}

static inline void list_append(struct list *l, struct list_node *n)
{
    list_insert_before(&l->head, n);
}

static inline void list_prepend(struct list *l, struct list_node *n)
{
    list_insert_before(l->head.next, n);
}

/* Harmless when the node is in no list. */
static inline void list_remove(struct list_node *n)
{
    if (n->next == NULL)
        return;
    n->prev->next = n->next;
    n->next->prev = n->prev;
    n->next = n->prev = NULL;
}

/* NULL: the list is empty. */
static inline struct list_node *list_first(const struct list *l)
{
    return list_is_empty(l) ? NULL : l->head.next;
}

/* The node behind n; NULL: n is the last. */
static inline struct list_node *list_next(const struct list *l,
                                          const struct list_node *n)
{
    return n->next == &l->head ? NULL : n->next;
}

/* Removes and returns the first node; NULL: the list is empty. */
static inline struct list_node *list_pop(struct list *l)
{
    struct list_node *n = list_first(l);

    if (n != NULL)
        list_remove(n);
    return n;
}

/* All nodes of `from` go behind those of `to`, in their order. */
static inline void list_move_all(struct list *to, struct list *from)
{
    struct list_node *first = from->head.next;
    struct list_node *last = from->head.prev;

    if (list_is_empty(from))
        return;
    first->prev = to->head.prev;
    to->head.prev->next = first;
    last->next = &to->head;
    to->head.prev = last;
    list_init(from);
}

/* Visits each node in order.  The body may remove the node that it visits,
 * since the next one is known before; it must not remove the next one. */
#define LIST_EACH(node, list)                                                  \
    for (struct list_node *node = (list)->head.next, *node##_next;             \
         node##_next = node->next, node != &(list)->head; node = node##_next)

#endif /* BASE_LIST_H */
