#include "upstream/resolve_srv.h"

#include "base/secret.h"

#include <ares.h>
#include <stdlib.h>

/* A host name as an SRV record may hold it, in lower case and without the
 * last dot; false for what no server is called. */
static bool copy_host(char *out, size_t cap, const char *host)
{
    size_t len = strlen(host);

    if (len > 0 && host[len - 1] == '.')
        len--;
    if (len == 0 || len >= cap || len > 253)
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = host[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c - 'A' + 'a');
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
            c != '_' && c != '.')
            return false;
        out[i] = c;
    }
    out[len] = '\0';
    return true;
}

static bool is_root(const char *host)
{
    return host[0] == '\0' || strcmp(host, ".") == 0;
}

enum resolve_status resolve_srv_read(const unsigned char *reply, int len,
                                     bool is_direct_tls,
                                     struct resolve_target *targets, size_t *n)
{
    struct ares_srv_reply *records = NULL;
    size_t before = *n;
    size_t seen = 0;
    size_t roots = 0;
    int rc = ares_parse_srv_reply(reply, len, &records);

    if (rc == ARES_ENODATA)
        return RESOLVE_NONE;
    if (rc != ARES_SUCCESS)
        return RESOLVE_FAILED;

    for (struct ares_srv_reply *at = records;
         at != NULL && seen < RESOLVE_RECORDS_MAX; at = at->next, seen++) {
        struct resolve_target *t = &targets[*n];

        roots += is_root(at->host);
        if (at->port == 0 || !copy_host(t->host, sizeof(t->host), at->host))
            continue;
        t->port = at->port;
        t->priority = at->priority;
        t->weight = at->weight;
        t->is_direct_tls = is_direct_tls;
        (*n)++;
    }
    if (records != NULL)
        ares_free_data(records);
    if (*n > before)
        return RESOLVE_OK;
    if (seen == 0)
        return RESOLVE_NONE;
    return roots == seen ? RESOLVE_ABSENT : RESOLVE_FAILED;
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
static void shuffle(struct resolve_target *t, size_t n)
{
    for (size_t i = n; i > 1; i--)
        swap(&t[i - 1], &t[secret_below(i)]);
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
static size_t draw(const struct resolve_target *t, size_t n)
{
    uint64_t sum = 0;
    uint64_t drawn;

    for (size_t i = 0; i < n; i++)
        sum += t[i].weight;
    drawn = secret_below(sum + 1);
    sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += t[i].weight;
        if (sum >= drawn)
            return i;
    }
    return n - 1;
}

static void order_group(struct resolve_target *t, size_t n)
{
    shuffle(t, n);
    for (; n > 1; t++, n--) {
        zero_weights_first(t, n);
        swap(&t[0], &t[draw(t, n)]);
    }
}

void resolve_srv_order(struct resolve_target *targets, size_t n)
{
    size_t from = 0;

    if (n == 0)
        return;
    qsort(targets, n, sizeof(*targets), by_priority);
    for (size_t i = 1; i <= n; i++) {
        if (i < n && targets[i].priority == targets[from].priority)
            continue;
        order_group(targets + from, i - from);
        from = i;
    }
}
