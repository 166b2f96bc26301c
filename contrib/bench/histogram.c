#include "bench.h"

#include <stdlib.h>

/* 32 steps in each power of two: no more than 3 % off. */
#define STEP_BITS 5
#define STEPS     (1u << STEP_BITS)
#define SLOTS     (64u * STEPS)

struct histogram {
    uint64_t count;
    uint64_t slots[SLOTS];
};

struct histogram *histogram_new(void)
{
    return calloc(1, sizeof(struct histogram));
}

void histogram_reset(struct histogram *h)
{
    memset(h, 0, sizeof(*h));
}

static unsigned slot_of(uint64_t ns)
{
    unsigned power;

    if (ns < STEPS)
        return (unsigned)ns;
    power = 63u - (unsigned)__builtin_clzll(ns);
    return (power - STEP_BITS + 1) * STEPS +
           (unsigned)((ns >> (power - STEP_BITS)) & (STEPS - 1));
}

/* The middle of a slot. */
static double value_of(unsigned slot)
{
    unsigned power = slot / STEPS;
    double step = slot % STEPS;

    if (power == 0)
        return step;
    return (STEPS + step + 0.5) * (double)(1ull << (power - 1));
}

void histogram_add(struct histogram *h, uint64_t ns)
{
    h->slots[slot_of(ns)]++;
    h->count++;
}

double histogram_at(const struct histogram *h, double share)
{
    uint64_t rank = (uint64_t)((double)h->count * share);
    uint64_t seen = 0;

    if (h->count == 0)
        return 0;
    for (unsigned i = 0; i < SLOTS; i++) {
        seen += h->slots[i];
        if (seen > rank || seen == h->count)
            return value_of(i) / 1e6;
    }
    return 0;
}
