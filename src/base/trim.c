#include "base/trim.h"

#include <malloc.h>

static bool is_due(const struct trim *t)
{
    return t->count <= t->peak / 2 && t->peak - t->count >= TRIM_LEAVERS_MIN;
}

static void on_due(void *arg)
{
    struct trim *t = arg;

    if (!is_due(t))
        return; /* others have come */
    t->peak = t->count;
#ifdef __GLIBC__
    malloc_trim(0);
#endif
}

void trim_init(struct trim *t, struct loop *loop)
{
    timer_init(&t->timer, loop, on_due, t);
    t->count = t->peak = 0;
}

void trim_stop(struct trim *t)
{
    timer_stop(&t->timer);
}

void trim_note(struct trim *t, size_t count)
{
    t->count = count;
    if (count > t->peak)
        t->peak = count;
    if (is_due(t) && !timer_is_set(&t->timer))
        timer_set(&t->timer, TRIM_DELAY_MS);
}
