#include "bench.h"

#include <stdlib.h>

#define TENTH_NS 100000000u

struct tenths {
    struct histogram *now;  /* of the tenth that is under way */
    struct histogram *p99s; /* of those before it */
    uint64_t end_ns;        /* of the one under way; 0: none is */
};

struct tenths *tenths_new(void)
{
    struct tenths *t = calloc(1, sizeof(*t));

    if (t == NULL)
        return NULL;
    t->now = histogram_new();
    t->p99s = histogram_new();
    if (t->now != NULL && t->p99s != NULL)
        return t;
    tenths_free(t);
    return NULL;
}

void tenths_free(struct tenths *t)
{
    if (t == NULL)
        return;
    free(t->now);
    free(t->p99s);
    free(t);
}

/* The last one is cut short and says nothing; nor does one in which nothing
 * came: who was due in it counts in the tenth in which it comes. */
void tenths_add(struct tenths *t, uint64_t now_ns, uint64_t ns)
{
    if (now_ns >= t->end_ns) {
        double p99_ms = histogram_at(t->now, 0.99);

        if (p99_ms > 0)
            histogram_add(t->p99s, (uint64_t)(p99_ms * 1e6));
        histogram_reset(t->now);
        t->end_ns = now_ns + TENTH_NS;
    }
    histogram_add(t->now, ns);
}

double tenths_p99(const struct tenths *t)
{
    return histogram_at(t->p99s, 0.5);
}
