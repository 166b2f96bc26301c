#include "base/mailbox.h"

#include <stdlib.h>

struct letter {
    struct letter *next; /* posted before; turned round for reading */
    void (*fn)(void *arg);
    void *arg;
};

void mailbox_init(struct mailbox *m)
{
    atomic_init(&m->newest, NULL);
}

enum err mailbox_post(struct mailbox *m, void (*fn)(void *arg), void *arg)
{
    struct letter *l = calloc(1, sizeof(*l));

    if (l == NULL)
        return ERR_NOMEM;
    l->fn = fn;
    l->arg = arg;
    l->next = atomic_load_explicit(&m->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak_explicit(
        &m->newest, &l->next, l, memory_order_release, memory_order_relaxed))
        continue;
    return ERR_OK;
}

/* All that is there; nobody else takes, so no letter can come back under the
 * hands of one who posts. */
static struct letter *take_in_order(struct mailbox *m)
{
    struct letter *l =
        atomic_exchange_explicit(&m->newest, NULL, memory_order_acquire);
    struct letter *first = NULL;

    while (l != NULL) {
        struct letter *before = l->next;

        l->next = first;
        first = l;
        l = before;
    }
    return first;
}

void mailbox_read(struct mailbox *m)
{
    struct letter *l = take_in_order(m);

    while (l != NULL) {
        struct letter *next = l->next;

        l->fn(l->arg);
        free(l);
        l = next;
    }
}
