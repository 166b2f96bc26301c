#include "resolve_srv.h"

#include "resolve_answer.h"

#include <stdlib.h>

void resolve_srv_add(struct resolve_target *targets, size_t *n,
                     const struct answer *answer, bool is_direct_tls)
{
    for (size_t i = 0; i < answer->n && i < RESOLVE_RECORDS_MAX; i++) {
        const struct answer_record *from = &answer->records[i];
        struct resolve_target *t = &targets[(*n)++];

        memset(t, 0, sizeof(*t));
        memcpy(t->host, from->host, strlen(from->host) + 1);
        t->port = from->port;
        t->priority = from->priority;
        t->weight = from->weight;
        t->is_direct_tls = is_direct_tls;
    }
}

enum resolve_status resolve_srv_judge(enum resolve_status client,
                                      enum resolve_status direct)
{
    if (client == RESOLVE_OK || direct == RESOLVE_OK)
        return RESOLVE_OK;
    if (client == RESOLVE_ABSENT || direct == RESOLVE_ABSENT)
        return RESOLVE_ABSENT;
    if (client == RESOLVE_NONE && direct == RESOLVE_NONE)
        return RESOLVE_NONE;
    return RESOLVE_FAILED;
}

static void swap(struct resolve_target *a, struct resolve_target *b)
{
    struct resolve_target keep = *a;

    *a = *b;
    *b = keep;
}

static int by_priority(const void *a, const void *b)
{
    const struct resolve_target *x = a;
    const struct resolve_target *y = b;

    return (x->priority > y->priority) - (x->priority < y->priority);
}

/* Equal weights, zeros above all, must not favour whoever stood first. */
static void shuffle(struct resolve_target *t, size_t n, resolve_below_fn *below)
{
    for (size_t i = n; i > 1; i--)
        swap(&t[i - 1], &t[below(i)]);
}

static void zero_weights_first(struct resolve_target *t, size_t n)
{
    size_t zeros = 0;

    for (size_t i = 0; i < n; i++)
        if (t[i].weight == 0)
            swap(&t[zeros++], &t[i]);
}

/* The record that is to come next, by one draw over all that are left.  The
 * sum itself can be drawn: only so a weight of zero has its small chance. */
static size_t draw(const struct resolve_target *t, size_t n,
                   resolve_below_fn *below)
{
    uint64_t sum = 0;
    uint64_t drawn;

    for (size_t i = 0; i < n; i++)
        sum += t[i].weight;
    drawn = below(sum + 1);
    sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += t[i].weight;
        if (sum >= drawn)
            return i;
    }
    return n - 1;
}

static void order_group(struct resolve_target *t, size_t n,
                        resolve_below_fn *below)
{
    shuffle(t, n, below);
    for (; n > 1; t++, n--) {
        zero_weights_first(t, n);
        swap(&t[0], &t[draw(t, n, below)]);
    }
}

void resolve_srv_order(struct resolve_target *targets, size_t n,
                       resolve_below_fn *below)
{
    size_t from = 0;

    if (n == 0)
        return;
    qsort(targets, n, sizeof(*targets), by_priority);
    for (size_t i = 1; i <= n; i++) {
        if (i < n && targets[i].priority == targets[from].priority)
            continue;
        order_group(targets + from, i - from, below);
        from = i;
    }
}
