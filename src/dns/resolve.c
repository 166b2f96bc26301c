#include "dns/resolve.h"

#include "resolve_answer.h"
#include "resolve_lookup.h"
#include "resolve_sort.h"
#include "resolve_srv.h"
#include "base/loop.h"
#include "base/secret.h"

#include <arpa/nameser.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

/* After one of the two SRV answers brought targets, the other may still come
 * for so long (conformance K08). */
#define GRACE_MS 300

/* Addresses of IPv4 wait so long for those of IPv6 (RFC 8305 section 3). */
#define RESOLUTION_DELAY_MS 50

struct resolver {
    struct loop *loop; /* borrowed: outlives the resolver */
    struct lookups *lookups;
    struct resolve *waiting; /* owned: something is still to come */
    struct resolve *ready;   /* owned: have something to tell */
    struct defer deliver;    /* queued while there are ready ones */
    unsigned timeout_ms;
    bool has_timeout_fallback;
};

/* Both questions are two: for SRV the names of STARTTLS and direct TLS, for
 * a host its families. */
enum {
    SRV_CLIENT = 0,
    SRV_DIRECT = 1,
    HOST_V6 = 0,
    HOST_V4 = 1,
    PARTS = 2,
};

struct part {
    struct lookup_wait wait;
    struct resolve *question; /* back pointer */
    bool is_answered;
    struct answer *answer; /* owned; NULL: no memory, or told already */
};

struct resolve {
    struct resolve *next;
    struct resolve **self;     /* the pointer that points here */
    struct resolver *resolver; /* back pointer */
    bool is_ready;             /* in the list of the ready ones */
    bool is_over;              /* no more time */
    bool is_told;              /* addresses were handed over already */
    resolve_srv_fn *srv_done;  /* one of the two is NULL */
    resolve_host_fn *host_done;
    void *owner;
    struct timer timer;
    uint64_t until_ms;
    struct part parts[PARTS];
    struct addr literal; /* len 0 when the host is a name */
    uint16_t port;
};

/* In the order in which they happen. */
static void resolve_on_answer(void *owner, const struct answer *answer);
static void on_question_timer(void *arg);
static void on_deliver(void *arg);

enum err resolver_new(struct resolver **out, struct loop *loop,
                      const struct resolver_params *params)
{
    struct resolver *r = calloc(1, sizeof(*r));
    enum err err;

    if (r == NULL)
        return ERR_NOMEM;
    r->loop = loop;
    r->timeout_ms = params->timeout_ms;
    r->has_timeout_fallback = params->has_timeout_fallback;
    err = lookups_new(&r->lookups, loop, params);
    if (err != ERR_OK) {
        free(r);
        return err;
    }
    *out = r;
    return ERR_OK;
}

/* --- Questions ------------------------------------------------------------ */

static void link_to(struct resolve *q, struct resolve **list)
{
    q->next = *list;
    q->self = list;
    if (q->next != NULL)
        q->next->self = &q->next;
    *list = q;
}

static void resolve_unlink_it(struct resolve *q)
{
    *q->self = q->next;
    if (q->next != NULL)
        q->next->self = q->self;
}

static struct resolve *question_new(struct resolver *r, void *owner)
{
    struct resolve *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->resolver = r;
    q->owner = owner;
    timer_init(&q->timer, r->loop, on_question_timer, q);
    q->until_ms = loop_now_ms(r->loop) + r->timeout_ms;
    timer_set(&q->timer, r->timeout_ms);
    for (size_t i = 0; i < PARTS; i++)
        q->parts[i].question = q;

    link_to(q, &r->waiting);
    return q;
}

void resolve_cancel(struct resolve *q)
{
    if (q == NULL)
        return;
    timer_stop(&q->timer);
    for (size_t i = 0; i < PARTS; i++) {
        lookups_cancel(&q->parts[i].wait);
        free(q->parts[i].answer);
    }
    resolve_unlink_it(q);
    free(q);
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    while (r->waiting != NULL)
        resolve_cancel(r->waiting);
    while (r->ready != NULL)
        resolve_cancel(r->ready);
    loop_undefer(&r->deliver);
    lookups_free(r->lookups);
    free(r);
}

/* The owner is told by a deferred call, so that what comes in one turn of
 * the loop is told together, and never from inside resolve_*. */
static void make_ready(struct resolve *q)
{
    struct resolver *r = q->resolver;

    timer_stop(&q->timer);
    if (q->is_ready)
        return;
    q->is_ready = true;
    resolve_unlink_it(q);
    link_to(q, &r->ready);
    loop_defer(r->loop, &r->deliver, on_deliver, r);
}

/* The time is up, or a delay that is shorter. */
static void on_question_timer(void *arg)
{
    struct resolve *q = arg;

    q->is_over = loop_now_ms(q->resolver->loop) >= q->until_ms;
    make_ready(q);
}

static void wait_at_most(struct resolve *q, unsigned delay_ms)
{
    uint64_t now_ms = loop_now_ms(q->resolver->loop);

    if (q->until_ms > now_ms + delay_ms)
        timer_set(&q->timer, delay_ms);
}

static bool has_records(const struct part *part)
{
    return part->answer != NULL && part->answer->n > 0;
}

static bool is_complete(const struct resolve *q)
{
    return q->parts[0].is_answered && q->parts[1].is_answered;
}

static void resolve_on_answer(void *owner, const struct answer *answer)
{
    struct part *part = owner;
    struct resolve *q = part->question;

    part->is_answered = true;
    part->answer = answer_copy(answer);
    if (is_complete(q))
        make_ready(q);
    else if (!has_records(part))
        return;
    else if (q->srv_done != NULL)
        wait_at_most(q, GRACE_MS);
    else if (part == &q->parts[HOST_V6])
        make_ready(q);
    else
        wait_at_most(q, RESOLUTION_DELAY_MS);
}

static void resolve_ask(struct part *part, const char *name, int type,
                        const struct resolve_question *question)
{
    struct lookup_question lookup = {
        .name = name,
        .type = type,
        .asker = {question->client, question->is_configured},
        .done = resolve_on_answer,
        .owner = part,
    };
    const struct answer *known =
        lookups_ask(part->question->resolver->lookups, &part->wait, &lookup);

    if (known != NULL)
        resolve_on_answer(part, known);
}

/* Lower case and without a dot at the end; false: longer than names are. */
static bool copy_name(char *out, size_t cap, const char *name)
{
    size_t len = strlen(name);

    if (len > 0 && name[len - 1] == '.')
        len--;
    if (len >= cap)
        return false;
    for (size_t i = 0; i < len; i++)
        out[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a')
                                                  : name[i];
    out[len] = '\0';
    return true;
}

enum err resolve_srv(struct resolve **out, struct resolver *r,
                     const struct resolve_question *question,
                     resolve_srv_fn *done, void *owner)
{
    static const char *const service[PARTS] = {
        [SRV_CLIENT] = "_xmpp-client._tcp",
        [SRV_DIRECT] = "_xmpps-client._tcp",
    };
    struct resolve *q = question_new(r, owner);
    char host[RESOLVE_NAME_CAP] = "";

    if (q == NULL)
        return ERR_NOMEM;
    q->srv_done = done;
    *out = q;

    if (!copy_name(host, sizeof(host), question->name))
        host[0] = '\0'; /* which has no record */
    for (size_t i = 0; i < PARTS; i++) {
        char name[RESOLVE_NAME_CAP + 20];

        snprintf(name, sizeof(name), "%s.%s", service[i], host);
        resolve_ask(&q->parts[i], name, ns_t_srv, question);
    }
    return ERR_OK;
}

enum err resolve_host(struct resolve **out, struct resolver *r,
                      const struct resolve_question *question,
                      resolve_host_fn *done, void *owner)
{
    struct resolve *q = question_new(r, owner);
    char name[RESOLVE_NAME_CAP] = "";

    if (q == NULL)
        return ERR_NOMEM;
    q->host_done = done;
    q->port = question->port;
    *out = q;

    if (addr_parse_ip(&q->literal, question->name, question->port) == ERR_OK) {
        make_ready(q);
        return ERR_OK;
    }
    memset(&q->literal, 0, sizeof(q->literal));
    if (!copy_name(name, sizeof(name), question->name))
        name[0] = '\0';
    resolve_ask(&q->parts[HOST_V6], name, ns_t_aaaa, question);
    resolve_ask(&q->parts[HOST_V4], name, ns_t_a, question);
    return ERR_OK;
}

/* --- Delivery ------------------------------------------------------------- */

static enum resolve_status resolve_status_of(const struct resolve *q,
                                             const struct part *part)
{
    bool is_timeout = !part->is_answered;

    if (part->answer != NULL && part->answer->status != RESOLVE_FAILED)
        return part->answer->status;
    if (part->answer != NULL)
        is_timeout = part->answer->is_timeout;
    if (q->srv_done != NULL && is_timeout && q->resolver->has_timeout_fallback)
        return RESOLVE_NONE;
    return RESOLVE_FAILED;
}

/* Ends the question before it tells its owner. */
static void deliver_srv(struct resolve *q)
{
    struct resolve_target *targets =
        calloc(PARTS * RESOLVE_RECORDS_MAX, sizeof(*targets));
    resolve_srv_fn *done = q->srv_done;
    void *owner = q->owner;
    enum resolve_status status = RESOLVE_FAILED;
    size_t n = 0;

    if (targets != NULL) {
        status = resolve_srv_judge(resolve_status_of(q, &q->parts[SRV_CLIENT]),
                                   resolve_status_of(q, &q->parts[SRV_DIRECT]));
        for (size_t i = 0; i < PARTS; i++)
            if (has_records(&q->parts[i]))
                resolve_srv_add(targets, &n, q->parts[i].answer,
                                i == SRV_DIRECT);
        resolve_srv_order(targets, n, secret_below);
    }
    resolve_cancel(q);
    done(owner, status, targets,
         n < RESOLVE_TARGETS_MAX ? n : RESOLVE_TARGETS_MAX);
    free(targets);
}

static void fill_addr(struct addr *out, const struct answer_record *record,
                      bool is_v6)
{
    struct sockaddr_in6 *v6 = (void *)&out->storage;
    struct sockaddr_in *v4 = (void *)&out->storage;

    memset(out, 0, sizeof(*out));
    if (is_v6) {
        v6->sin6_family = AF_INET6;
        memcpy(&v6->sin6_addr, record->ip, 16);
        out->len = sizeof(*v6);
    } else {
        v4->sin_family = AF_INET;
        memcpy(&v4->sin_addr, record->ip, 4);
        out->len = sizeof(*v4);
    }
}

/* What has come and was not told yet, in the order in which it is tried;
 * half of the room is for either family. */
static size_t resolve_take_addrs(struct resolve *q, struct addr *addrs)
{
    size_t n = 0;

    for (size_t i = 0; i < PARTS; i++) {
        struct answer *answer = q->parts[i].answer;
        size_t before = n;

        if (!has_records(&q->parts[i]))
            continue;
        while (n - before < answer->n && n - before < RESOLVE_ADDRS_MAX) {
            fill_addr(&addrs[n], &answer->records[n - before], i == HOST_V6);
            addr_set_port(&addrs[n++], q->port);
        }
        free(answer);
        q->parts[i].answer = NULL;
    }
    resolve_sort(addrs, n, resolve_sort_source);
    return n < RESOLVE_ADDRS_MAX ? n : RESOLVE_ADDRS_MAX;
}

/* Neither family brought an address. */
static enum resolve_status host_failure(const struct resolve *q)
{
    for (size_t i = 0; i < PARTS; i++)
        if (resolve_status_of(q, &q->parts[i]) != RESOLVE_NONE)
            return RESOLVE_FAILED;
    return RESOLVE_NONE;
}

/* To where it was before it was ready. */
static void wait_on(struct resolve *q)
{
    uint64_t now_ms = loop_now_ms(q->resolver->loop);

    q->is_ready = false;
    resolve_unlink_it(q);
    link_to(q, &q->resolver->waiting);
    timer_set(&q->timer, q->until_ms > now_ms ? q->until_ms - now_ms : 1);
}

/* The question ends, or is in order again, before its owner is told: it may
 * be cancelled from there. */
static void deliver_host(struct resolve *q)
{
    struct addr addrs[PARTS * RESOLVE_ADDRS_MAX];
    resolve_host_fn *done = q->host_done;
    void *owner = q->owner;
    bool is_last = is_complete(q) || q->is_over || q->literal.len > 0;
    enum resolve_status status;
    size_t n = 0;

    if (q->literal.len > 0)
        addrs[n++] = q->literal;
    else
        n = resolve_take_addrs(q, addrs);
    q->is_told |= n > 0;
    status = q->is_told ? RESOLVE_OK : host_failure(q);

    if (is_last)
        resolve_cancel(q);
    else
        wait_on(q);
    if (is_last || n > 0)
        done(owner, status, addrs, n, !is_last);
}

static void on_deliver(void *arg)
{
    struct resolver *r = arg;

    while (r->ready != NULL) {
        if (r->ready->srv_done != NULL)
            deliver_srv(r->ready);
        else
            deliver_host(r->ready);
    }
}
