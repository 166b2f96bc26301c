#include "base/metrics.h"

#include <assert.h>
#include <ctype.h>
#include <pthread.h>

#define NAME_BYTES 32

static _Thread_local struct metrics unread;
static _Thread_local struct metrics *bound;

static char names[METRIC_COUNT][NAME_BYTES];
static pthread_once_t names_once = PTHREAD_ONCE_INIT;

void metrics_bind(struct metrics *m)
{
    bound = m;
}

/* One writer: a load and a store do, without a locked instruction. */
void metrics_add(enum metric which, uint64_t n)
{
    uint64_t *value = &(bound != NULL ? bound : &unread)->value[which];

    __atomic_store_n(value, __atomic_load_n(value, __ATOMIC_RELAXED) + n,
                     __ATOMIC_RELAXED);
}

void metrics_read(const struct metrics *m, struct metrics *sum)
{
    size_t i;

    for (i = 0; i < METRIC_COUNT; i++)
        sum->value[i] += __atomic_load_n(&m->value[i], __ATOMIC_RELAXED);
}

static void make_names(void)
{
    static const char *const upper[] = {
#define METRIC_NAME(name, help) #name,
        METRICS(METRIC_NAME)
#undef METRIC_NAME
    };
    size_t i;
    size_t at;

    for (i = 0; i < METRIC_COUNT; i++) {
        assert(strlen(upper[i]) < NAME_BYTES);
        for (at = 0; upper[i][at] != '\0'; at++)
            names[i][at] = (char)tolower((unsigned char)upper[i][at]);
    }
}

const char *metrics_name(enum metric which)
{
    pthread_once(&names_once, make_names);
    return names[which];
}

const char *metrics_help(enum metric which)
{
    static const char *const help_of[] = {
#define METRIC_HELP(name, help) help,
        METRICS(METRIC_HELP)
#undef METRIC_HELP
    };

    return help_of[which];
}
