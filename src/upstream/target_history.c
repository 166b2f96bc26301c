#include "upstream/target_history.h"

#include "base/secret.h"
#include "base/table.h"

#include <stdio.h>
#include <stdlib.h>

/* Sets of four places: what comes fifth replaces the oldest. */
#define SETS   1024u
#define PLACES 4u

/* Names are kept as keyed hashes.  Should two ever be the same, a target is
 * preferred or put off for nothing. */
struct place {
    uint64_t name; /* 0: free */
    uint64_t target;
    uint64_t since_ms;
};

struct target_history {
    unsigned char key[16];
    struct place failed[SETS][PLACES];
    struct place good[SETS][PLACES];
};

enum err target_history_new(struct target_history **out)
{
    struct target_history *h = calloc(1, sizeof(*h));

    if (h == NULL)
        return ERR_NOMEM;
    secret_random(h->key, sizeof(h->key));
    *out = h;
    return ERR_OK;
}

void target_history_free(struct target_history *h)
{
    free(h);
}

static uint64_t target_name(const struct target_history *h, const char *domain,
                            const struct resolve_target *t)
{
    char text[600];
    int len = snprintf(text, sizeof(text), "%s %s %u", domain, t->host,
                       (unsigned)t->port);

    return siphash(h->key, (struct slice){text, (size_t)len});
}

/* 0: nobody in particular. */
static uint64_t client_name(const struct target_history *h, const char *domain,
                            const struct addr *client)
{
    unsigned char text[300];
    size_t len = addr_client_key(client, text);
    size_t domain_len = strlen(domain);

    if (len == 0 || domain_len > sizeof(text) - len)
        return 0;
    memcpy(text + len, domain, domain_len);
    return siphash(h->key, (struct slice){(char *)text, len + domain_len});
}

static const struct place *target_history_find(
    const struct place table[SETS][PLACES], uint64_t name)
{
    const struct place *set = table[name % SETS];

    for (size_t i = 0; i < PLACES; i++)
        if (set[i].name == name)
            return &set[i];
    return NULL;
}

static void target_history_keep(struct place table[SETS][PLACES],
                                struct place what)
{
    struct place *set = table[what.name % SETS];
    struct place *oldest = &set[0];

    for (size_t i = 0; i < PLACES; i++) {
        if (set[i].name == what.name || set[i].name == 0) {
            oldest = &set[i];
            break;
        }
        if (set[i].since_ms < oldest->since_ms)
            oldest = &set[i];
    }
    *oldest = what;
}

void target_history_failed(struct target_history *h, const char *domain,
                           const struct resolve_target *t, uint64_t now_ms)
{
    if (h != NULL)
        target_history_keep(h->failed,
                            (struct place){.name = target_name(h, domain, t),
                                           .since_ms = now_ms});
}

void target_history_good(struct target_history *h, const char *domain,
                         const struct addr *client,
                         const struct resolve_target *t, uint64_t now_ms)
{
    uint64_t name = h == NULL ? 0 : client_name(h, domain, client);

    if (name != 0)
        target_history_keep(h->good,
                            (struct place){.name = name,
                                           .target = target_name(h, domain, t),
                                           .since_ms = now_ms});
}

static bool has_failed(const struct target_history *h, const char *domain,
                       const struct resolve_target *t, uint64_t now_ms)
{
    const struct place *p =
        target_history_find(h->failed, target_name(h, domain, t));

    return p != NULL && now_ms - p->since_ms < TARGET_HISTORY_PENALTY_MS;
}

/* targets[from] moves to `to`, before it; those between make room. */
static void move(struct resolve_target *targets, size_t from, size_t to)
{
    struct resolve_target t = targets[from];

    memmove(&targets[to + 1], &targets[to], (from - to) * sizeof(*targets));
    targets[to] = t;
}

static void prefer(const struct target_history *h, const char *domain,
                   uint64_t wanted, struct resolve_target *targets, size_t n)
{
    size_t begin = 0; /* of the targets of one priority */

    for (size_t i = 0; i < n; i++) {
        if (targets[i].priority != targets[begin].priority)
            begin = i;
        if (target_name(h, domain, &targets[i]) != wanted)
            continue;
        move(targets, i, begin);
        return;
    }
}

void target_history_order(const struct target_history *h, const char *domain,
                          const struct addr *client,
                          struct resolve_target *targets, size_t n,
                          uint64_t now_ms)
{
    uint64_t name = h == NULL ? 0 : client_name(h, domain, client);
    const struct place *had =
        name == 0 ? NULL : target_history_find(h->good, name);
    size_t n_healthy = 0;

    if (h == NULL)
        return;
    if (had != NULL)
        prefer(h, domain, had->target, targets, n);
    for (size_t i = 0; i < n; i++)
        if (!has_failed(h, domain, &targets[i], now_ms))
            move(targets, i, n_healthy++);
}
