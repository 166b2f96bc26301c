#include "resolve_lookup.h"

#include "resolve_answer.h"
#include "resolve_cache.h"
#include "dns/resolve_channel.h"
#include "resolve_wire.h"
#include "base/loop.h"
#include "base/table.h"

#include <arpa/nameser.h>
#include <stdlib.h>

struct lookups {
    struct loop *loop; /* borrowed: outlives this */
    struct resolve_hosts *hosts;
    struct resolve_cache *cache;
    struct gate *gate;
    struct table *under_way; /* of struct lookup, owned */
    struct answer *last;     /* owned: what lookups_ask gave last */
    struct wire_reply reply; /* room to read into */
    char *servers;           /* owned; NULL: the system's */
    unsigned timeout_ms;
};

/* One question that is asked or waits for its turn. */
struct lookup {
    struct table_node node;
    struct lookups *all; /* back pointer */
    struct gate_entry place;
    struct resolve_channel *channel; /* owned; NULL while it waits */
    struct lookup_wait *waits;       /* borrowed: of those who asked */
    struct timer timer;              /* all the time there is */
    struct timer stale;
    bool is_stale; /* stale records answer, meanwhile */
    int type;
    unsigned n_aliases;
    uint32_t ttl_s; /* of the CNAMEs that were followed */
    size_t key_len;
    char key[2 + RESOLVE_NAME_CAP];
    char alias[RESOLVE_NAME_CAP]; /* what is asked now instead of the name */
};

/* In the order in which they happen. */
static void on_stale_timer(void *arg);
static void on_channel_ended(void *owner, enum channel_end end,
                             struct slice reply);
static void on_lookup_timer(void *arg);

enum err lookups_new(struct lookups **out, struct loop *loop,
                     const struct resolver_params *params)
{
    struct lookups *l = calloc(1, sizeof(*l));
    struct resolve_cache_limits limits = {
        .bytes_max = params->cache_max_bytes,
        .ttl_min_s = params->ttl_min_s,
        .ttl_max_s = params->ttl_max_s,
        .stale_s = params->stale_s,
    };
    enum err err = ERR_NOMEM;

    if (l == NULL)
        return ERR_NOMEM;
    l->loop = loop;
    l->timeout_ms = params->timeout_ms;
    if (params->servers != NULL) {
        l->servers = strdup(params->servers);
        if (l->servers == NULL)
            goto fail;
    }
    err = resolve_hosts_new(&l->hosts, params->servers);
    if (err == ERR_OK)
        err = resolve_cache_new(&l->cache, &limits);
    if (err == ERR_OK)
        err = gate_new(&l->gate, params->queries_max);
    if (err == ERR_OK)
        err = table_new(&l->under_way, (size_t)params->queries_max *
                                           (1 + GATE_WAITING_FACTOR));
    if (err != ERR_OK)
        goto fail;
    *out = l;
    return ERR_OK;

fail:
    lookups_free(l);
    return err;
}

static const char *lookup_name_of(const struct lookup *q)
{
    return q->key + 2;
}

/* --- Those who wait ------------------------------------------------------- */

static void link_wait(struct lookup_wait *wait, struct lookup_wait **list)
{
    wait->next = *list;
    wait->self = list;
    if (wait->next != NULL)
        wait->next->self = &wait->next;
    *list = wait;
}

static void unlink_wait(struct lookup_wait *wait)
{
    *wait->self = wait->next;
    if (wait->next != NULL)
        wait->next->self = wait->self;
    wait->next = NULL;
    wait->self = NULL;
    wait->lookup = NULL;
}

/* Takes all who wait now.  They can still be cancelled one by one. */
static struct lookup_wait *take_waits(struct lookup *q)
{
    struct lookup_wait *list = q->waits;

    q->waits = NULL;
    for (struct lookup_wait *at = list; at != NULL; at = at->next)
        at->lookup = NULL;
    return list;
}

static void tell_all(struct lookup_wait *list, const struct answer *answer)
{
    if (list != NULL)
        list->self = &list;
    while (list != NULL) {
        struct lookup_wait *wait = list;

        unlink_wait(wait);
        wait->done(wait->owner, answer);
    }
}

static void lookup_free(struct lookup *q)
{
    struct lookups *l = q->all;

    timer_stop(&q->timer);
    timer_stop(&q->stale);
    resolve_channel_free(q->channel);
    gate_leave(l->gate, &q->place);
    table_remove(l->under_way, &q->node);
    free(q);
}

static void on_each_free(struct table_node *node, void *arg)
{
    struct lookup *q = CONTAINER_OF(node, struct lookup, node);

    while (q->waits != NULL)
        unlink_wait(q->waits);
    lookup_free(q);
}

void lookups_free(struct lookups *l)
{
    if (l == NULL)
        return;
    if (l->under_way != NULL)
        table_each(l->under_way, on_each_free, NULL);
    table_free(l->under_way);
    gate_free(l->gate);
    resolve_cache_free(l->cache);
    resolve_hosts_free(l->hosts);
    free(l->servers);
    free(l->last);
    free(l);
}

/* --- Asking --------------------------------------------------------------- */

static const char *asked_name(const struct lookup *q)
{
    return q->alias[0] != '\0' ? q->alias : lookup_name_of(q);
}

static enum err send_it(struct lookup *q)
{
    struct lookups *l = q->all;
    struct channel_params params = {
        .loop = l->loop,
        .servers = l->servers,
        .timeout_ms = l->timeout_ms,
        .name = asked_name(q),
        .type = q->type,
        .ended = on_channel_ended,
        .owner = q,
    };

    return resolve_channel_ask(&q->channel, &params);
}

/* The cache counts in loop_boot_ms: how long an answer holds is its owner's
 * word, and no pause of ours makes it longer. */

/* Its turn has come: from now on its time runs. */
static enum err lookup_begin(struct lookup *q)
{
    struct lookups *l = q->all;
    uint64_t stale_ms = l->timeout_ms / 2;

    timer_set(&q->timer, l->timeout_ms);
    if (stale_ms > RESOLVE_STALE_AFTER_MS)
        stale_ms = RESOLVE_STALE_AFTER_MS;
    if (!q->is_stale &&
        resolve_cache_stale(l->cache, lookup_name_of(q), q->type,
                            loop_boot_ms(l->loop)) != NULL)
        timer_set(&q->stale, stale_ms);
    return send_it(q);
}

/* Whoever can be asked now, is. */
static void fill_places(struct lookups *l)
{
    struct gate_entry *place;

    while ((place = gate_next(l->gate)) != NULL) {
        struct lookup *q = CONTAINER_OF(place, struct lookup, place);

        /* Without memory its timer ends it. */
        (void)!lookup_begin(q);
    }
}

/* The question is over: its answer is kept for later and told to all. */
static void lookup_finish(struct lookup *q, const struct answer *answer)
{
    struct lookups *l = q->all;
    uint64_t now_ms = loop_boot_ms(l->loop);
    struct lookup_wait *waits = take_waits(q);
    const struct answer *stale = NULL;
    struct answer *copy = NULL;

    if (!answer->is_ours)
        resolve_cache_put(l->cache, lookup_name_of(q), q->type, answer, now_ms);
    if (answer->status == RESOLVE_FAILED)
        stale =
            resolve_cache_stale(l->cache, lookup_name_of(q), q->type, now_ms);
    if (stale != NULL)
        copy = answer_copy(stale); /* the cache changes below */
    lookup_free(q);
    fill_places(l);
    tell_all(waits, copy != NULL ? copy : answer);
    free(copy);
}

static void on_lookup_timer(void *arg)
{
    struct lookup *q = arg;

    /* Without a channel it was never asked. */
    lookup_finish(q, q->channel != NULL ? &answer_timeout : &answer_no_memory);
}

/* RFC 8767 section 5: nobody waits longer for what may never come; the
 * question goes on. */
static void on_stale_timer(void *arg)
{
    struct lookup *q = arg;
    struct lookups *l = q->all;
    const struct answer *stale = resolve_cache_stale(
        l->cache, lookup_name_of(q), q->type, loop_boot_ms(l->loop));
    struct answer *copy = stale == NULL ? NULL : answer_copy(stale);

    if (copy == NULL)
        return;
    q->is_stale = true;
    tell_all(take_waits(q), copy);
    free(copy);
}

/* The chain of CNAMEs leaves the reply, and nothing is said about its end. */
static bool is_open_ended(const struct wire_reply *reply)
{
    return reply->n == 0 && reply->n_aliases > 0 && !reply->has_soa &&
           !reply->is_missing;
}

/* Asks for the end of the chain (K10); false: it is too long already. */
static bool lookup_follow(struct lookup *q)
{
    const struct wire_reply *reply = &q->all->reply;

    q->n_aliases += reply->n_aliases;
    if (q->n_aliases > RESOLVE_ALIASES_MAX)
        return false;
    if (reply->ttl_s < q->ttl_s)
        q->ttl_s = reply->ttl_s;
    memcpy(q->alias, reply->alias, sizeof(q->alias));
    return send_it(q) == ERR_OK;
}

/* What a reply says, or NULL. */
static struct answer *answer_of(const struct lookup *q)
{
    struct wire_reply *reply = &q->all->reply;

    if (q->ttl_s < reply->ttl_s)
        reply->ttl_s = q->ttl_s;
    return answer_new(reply, q->type);
}

static void on_channel_ended(void *owner, enum channel_end end,
                             struct slice reply)
{
    struct lookup *q = owner;
    struct lookups *l = q->all;
    struct resolve_channel *channel = q->channel;
    struct answer *answer = NULL;
    bool is_read;

    q->channel = NULL;
    is_read =
        end == CHANNEL_REPLY &&
        resolve_wire_read(&l->reply, reply, asked_name(q), q->type) == ERR_OK;
    resolve_channel_free(channel);
    if (is_read && is_open_ended(&l->reply)) {
        if (lookup_follow(q))
            return;
    } else if (is_read) {
        answer = answer_of(q);
        if (answer == NULL)
            end = CHANNEL_NO_MEMORY;
    }

    if (answer != NULL)
        lookup_finish(q, answer);
    else if (end == CHANNEL_NONE)
        lookup_finish(q, &answer_none);
    else if (end == CHANNEL_TIMEOUT)
        lookup_finish(q, &answer_timeout);
    else if (end == CHANNEL_NO_MEMORY)
        lookup_finish(q, &answer_no_memory);
    else
        lookup_finish(q, &answer_failed);
    free(answer);
}

/* With a NUL behind it.  Names are checked before. */
static size_t lookup_make_key(char *key, const char *name, int type)
{
    size_t len = strlen(name);

    key[0] = (char)(type >> 8);
    key[1] = (char)type;
    memcpy(key + 2, name, len + 1);
    return 2 + len;
}

static struct lookup *lookup_new(struct lookups *l,
                                 const struct lookup_question *question)
{
    struct lookup *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->all = l;
    q->type = question->type;
    q->ttl_s = UINT32_MAX;
    timer_init(&q->timer, l->loop, on_lookup_timer, q);
    timer_init(&q->stale, l->loop, on_stale_timer, q);
    q->key_len = lookup_make_key(q->key, question->name, question->type);
    if (gate_enter(l->gate, &q->place, question->name, &question->asker) !=
        ERR_OK) {
        free(q);
        return NULL;
    }
    if (table_insert(l->under_way, &q->node,
                     (struct slice){q->key, q->key_len}) != ERR_OK) {
        gate_leave(l->gate, &q->place);
        free(q);
        return NULL;
    }
    if (q->place.is_running && lookup_begin(q) != ERR_OK) {
        lookup_free(q);
        return NULL;
    }
    return q;
}

static struct lookup *lookup_find(const struct lookups *l, const char *name,
                                  int type)
{
    char key[2 + RESOLVE_NAME_CAP];
    size_t len = lookup_make_key(key, name, type);
    struct table_node *node =
        table_find(l->under_way, (struct slice){key, len});

    return node == NULL ? NULL : CONTAINER_OF(node, struct lookup, node);
}

/* One that is under way, or a new one.  NULL: no memory, or too many wait. */
static struct lookup *find_or_add_lookup(struct lookups *l,
                                         const struct lookup_question *question)
{
    struct lookup *q = lookup_find(l, question->name, question->type);

    if (q == NULL)
        return lookup_new(l, question);
    /* Without memory its timer ends it. */
    if (gate_join(l->gate, &q->place, &question->asker))
        (void)!lookup_begin(q);
    return q;
}

const struct answer *lookups_ask(struct lookups *l, struct lookup_wait *wait,
                                 const struct lookup_question *question)
{
    uint64_t now_ms = loop_boot_ms(l->loop);
    const char *name = question->name;
    int type = question->type;
    const struct answer *known;
    struct lookup *q;

    if (!resolve_wire_is_host(name))
        return &answer_none;
    known = resolve_cache_find(l->cache, name, type, now_ms);
    if (known != NULL)
        return known;

    if (type != ns_t_srv && lookup_find(l, name, type) == NULL) {
        free(l->last);
        l->last = resolve_hosts_find(l->hosts, name, type);
        if (l->last != NULL)
            return l->last;
    }
    q = find_or_add_lookup(l, question);
    known = resolve_cache_stale(l->cache, name, type, now_ms);
    if (q == NULL) /* no memory, or too many wait */
        return known != NULL ? known : &answer_failed;
    if (q->is_stale && known != NULL)
        return known;
    wait->done = question->done;
    wait->owner = question->owner;
    wait->lookup = q;
    link_wait(wait, &q->waits);
    return NULL;
}

void lookups_cancel(struct lookup_wait *wait)
{
    struct lookup *q = wait->lookup;

    if (wait->self == NULL)
        return;
    unlink_wait(wait);
    if (q != NULL && q->waits == NULL && !q->place.is_running)
        lookup_free(q);
}

unsigned lookups_running(const struct lookups *l)
{
    return gate_running(l->gate);
}

unsigned lookups_waiting(const struct lookups *l)
{
    return gate_waiting(l->gate);
}
