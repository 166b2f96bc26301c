#include "upstream/resolve.h"

#include "upstream/resolve_channel.h"
#include "upstream/resolve_srv.h"
#include "base/loop.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>

/* After one of the two SRV answers brought targets, the other may still come
 * for so long (conformance K08). */
#define GRACE_MS 300

/* Addresses of IPv4 wait so long for those of IPv6 (RFC 8305 section 3). */
#define RESOLUTION_DELAY_MS 50

struct resolver {
    struct loop *loop;               /* borrowed: outlives the resolver */
    struct resolve_channel *channel; /* owned */
    struct resolve *waiting;         /* owned: c-ares owes them an answer */
    struct resolve *ready;           /* owned: the others */
    struct defer deliver;            /* queued while there are ready ones */
    unsigned timeout_ms;
    bool is_closing;
};

enum {
    SRV_CLIENT, /* _xmpp-client: STARTTLS */
    SRV_DIRECT, /* _xmpps-client: direct TLS */
    SRV_SETS,
};

enum {
    HOST_V6,
    HOST_V4,
    HOST_SETS,
};

/* The addresses of one family. */
struct host_set {
    struct resolve *question; /* back pointer */
    bool is_answered;
    int status;
    struct ares_addrinfo *info; /* owned, or NULL */
};

/* What c-ares said about one name, kept until it is safe to look at it. */
struct srv_set {
    struct resolve *question; /* back pointer */
    bool is_answered;
    int status;
    unsigned char *bytes; /* owned copy of the reply, or NULL */
    int len;
};

struct resolve {
    struct resolve *next;
    struct resolve **self;     /* the pointer that points here */
    struct resolver *resolver; /* back pointer */
    unsigned pending;          /* answers of c-ares still to come */
    bool is_ready;             /* in the list of the ready ones */
    bool is_over;              /* no more time */
    bool is_told;              /* addresses were handed over already */
    resolve_srv_fn *srv_done;  /* both NULL: nobody waits any more */
    resolve_host_fn *host_done;
    void *owner;
    struct timer timer;
    uint64_t until_ms;

    struct srv_set sets[SRV_SETS];
    struct host_set hosts[HOST_SETS];
    struct addr literal; /* len 0 when the host is a name */
    uint16_t port;
};

static void on_srv_reply(void *arg, int status, int timeouts,
                         unsigned char *bytes, int len);
static void on_host_reply(void *arg, int status, int timeouts,
                          struct ares_addrinfo *info);
static void on_question_timer(void *arg);
static void on_deliver(void *arg);

enum err resolver_new(struct resolver **out, struct loop *loop,
                      unsigned timeout_ms, const char *servers)
{
    struct resolver *r = calloc(1, sizeof(*r));
    enum err err;

    if (r == NULL)
        return ERR_NOMEM;
    r->loop = loop;
    r->timeout_ms = timeout_ms;
    err = resolve_channel_new(&r->channel, loop, timeout_ms, servers);
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

static void unlink_it(struct resolve *q)
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
    for (size_t i = 0; i < SRV_SETS; i++)
        q->sets[i].question = q;
    for (size_t i = 0; i < HOST_SETS; i++)
        q->hosts[i].question = q;

    link_to(q, &r->waiting);
    return q;
}

static void question_free(struct resolve *q)
{
    timer_stop(&q->timer);
    for (size_t i = 0; i < SRV_SETS; i++)
        free(q->sets[i].bytes);
    for (size_t i = 0; i < HOST_SETS; i++)
        if (q->hosts[i].info != NULL)
            ares_freeaddrinfo(q->hosts[i].info);
    unlink_it(q);
    free(q);
}

/* The owner is told by a deferred call: never from inside c-ares, where
 * nothing may be asked or cancelled (CVE-2026-33630). */
static void make_ready(struct resolve *q)
{
    struct resolver *r = q->resolver;

    timer_stop(&q->timer);
    if (q->is_ready)
        return;
    q->is_ready = true;
    unlink_it(q);
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

static bool is_asked(const struct resolve *q)
{
    return q->srv_done != NULL || q->host_done != NULL;
}

void resolve_cancel(struct resolve *q)
{
    if (q == NULL)
        return;
    q->srv_done = NULL;
    q->host_done = NULL;
    make_ready(q);
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    r->is_closing = true;
    resolve_channel_free(r->channel); /* answers every question */
    while (r->waiting != NULL)
        question_free(r->waiting);
    while (r->ready != NULL)
        question_free(r->ready);
    loop_undefer(&r->deliver);
    free(r);
}

/* --- SRV ------------------------------------------------------------------ */

static enum resolve_status status_of(int status)
{
    switch (status) {
    case ARES_SUCCESS:
        return RESOLVE_OK;
    case ARES_ENODATA:
    case ARES_ENOTFOUND:
    case ARES_EBADNAME: /* too long to exist */
        return RESOLVE_NONE;
    default:
        return RESOLVE_FAILED;
    }
}

/* Only keeps the reply: see make_ready. */
static void on_srv_reply(void *arg, int status, int timeouts,
                         unsigned char *bytes, int len)
{
    struct srv_set *set = arg;
    struct resolve *q = set->question;
    uint64_t now_ms = loop_now_ms(q->resolver->loop);

    q->pending--;
    set->is_answered = true;
    set->status = status;
    if (status == ARES_SUCCESS && len > 0 && is_asked(q)) {
        set->bytes = malloc((size_t)len);
        set->len = len;
        if (set->bytes == NULL)
            set->status = ARES_ENOMEM;
        else
            memcpy(set->bytes, bytes, (size_t)len);
    }

    if (q->resolver->is_closing)
        return;
    if (q->pending == 0)
        make_ready(q);
    else if (set->bytes != NULL && q->until_ms > now_ms + GRACE_MS)
        timer_set(&q->timer, GRACE_MS);
}

/* The verdict on one name; its targets are appended. */
static enum resolve_status read_set(const struct srv_set *set, bool is_direct,
                                    struct resolve_target *targets, size_t *n)
{
    if (!set->is_answered)
        return RESOLVE_FAILED;
    if (set->status != ARES_SUCCESS)
        return status_of(set->status);
    if (set->bytes == NULL)
        return RESOLVE_FAILED;
    return resolve_srv_read(set->bytes, set->len, is_direct, targets, n);
}

static void deliver_srv(struct resolve *q)
{
    struct resolve_target *targets =
        calloc(SRV_SETS * RESOLVE_RECORDS_MAX, sizeof(*targets));
    resolve_srv_fn *done = q->srv_done;
    enum resolve_status status = RESOLVE_FAILED;
    size_t n = 0;

    if (targets != NULL) {
        enum resolve_status client =
            read_set(&q->sets[SRV_CLIENT], false, targets, &n);
        enum resolve_status direct =
            read_set(&q->sets[SRV_DIRECT], true, targets, &n);

        status = resolve_srv_judge(client, direct);
        resolve_srv_order(targets, n);
    }
    q->srv_done = NULL;
    done(q->owner, status, targets,
         n < RESOLVE_TARGETS_MAX ? n : RESOLVE_TARGETS_MAX);
    free(targets);
}

enum err resolve_srv(struct resolve **out, struct resolver *r,
                     const char *domain, resolve_srv_fn *done, void *owner)
{
    static const char *const service[SRV_SETS] = {
        [SRV_CLIENT] = "_xmpp-client._tcp",
        [SRV_DIRECT] = "_xmpps-client._tcp",
    };
    struct resolve *q = question_new(r, owner);

    if (q == NULL)
        return ERR_NOMEM;
    q->srv_done = done;
    q->pending = SRV_SETS;
    *out = q;

    for (size_t i = 0; i < SRV_SETS; i++) {
        char name[300];

        snprintf(name, sizeof(name), "%s.%s", service[i], domain);
        ares_query(resolve_channel_ares(r->channel), name, ns_c_in, ns_t_srv,
                   on_srv_reply, &q->sets[i]);
    }
    resolve_channel_arm(r->channel);
    return ERR_OK;
}

/* --- A and AAAA ----------------------------------------------------------- */

static const struct ares_addrinfo_node *next_of(
    const struct ares_addrinfo *info, int family)
{
    const struct ares_addrinfo_node *node = info == NULL ? NULL : info->nodes;

    while (node != NULL && node->ai_family != family)
        node = node->ai_next;
    return node;
}

/* Only keeps the answer: see make_ready. */
static void on_host_reply(void *arg, int status, int timeouts,
                          struct ares_addrinfo *info)
{
    struct host_set *set = arg;
    struct resolve *q = set->question;
    uint64_t now_ms = loop_now_ms(q->resolver->loop);

    q->pending--;
    set->is_answered = true;
    set->status = status;
    set->info = info;
    if (q->resolver->is_closing)
        return;
    if (q->pending == 0 ||
        (set == &q->hosts[HOST_V6] && next_of(set->info, AF_INET6) != NULL))
        make_ready(q);
    else if (next_of(set->info, AF_INET) != NULL &&
             q->until_ms > now_ms + RESOLUTION_DELAY_MS)
        timer_set(&q->timer, RESOLUTION_DELAY_MS);
}

static bool take(struct addr *out, const struct ares_addrinfo_node **node,
                 uint16_t port)
{
    if (*node == NULL || (*node)->ai_addrlen > sizeof(out->storage))
        return false;
    memset(out, 0, sizeof(*out));
    memcpy(&out->storage, (*node)->ai_addr, (*node)->ai_addrlen);
    out->len = (*node)->ai_addrlen;
    addr_set_port(out, port);
    *node = (*node)->ai_next; /* one family was asked for */
    return true;
}

/* c-ares has sorted each family by RFC 6724; the families then take turns,
 * IPv6 first (RFC 8305 section 4).  What was handed over is forgotten. */
static size_t interleave(struct resolve *q, struct addr *addrs)
{
    const struct ares_addrinfo_node *v6 =
        next_of(q->hosts[HOST_V6].info, AF_INET6);
    const struct ares_addrinfo_node *v4 =
        next_of(q->hosts[HOST_V4].info, AF_INET);
    size_t n = 0;

    while (n < RESOLVE_ADDRS_MAX && (v6 != NULL || v4 != NULL)) {
        if (take(&addrs[n], &v6, q->port))
            n++;
        if (n < RESOLVE_ADDRS_MAX && take(&addrs[n], &v4, q->port))
            n++;
    }
    for (size_t i = 0; i < HOST_SETS; i++) {
        if (q->hosts[i].info != NULL)
            ares_freeaddrinfo(q->hosts[i].info);
        q->hosts[i].info = NULL;
    }
    return n;
}

/* Neither family brought an address. */
static enum resolve_status host_failure(const struct resolve *q)
{
    for (size_t i = 0; i < HOST_SETS; i++)
        if (!q->hosts[i].is_answered ||
            status_of(q->hosts[i].status) == RESOLVE_FAILED)
            return RESOLVE_FAILED;
    return RESOLVE_NONE;
}

static void deliver_host(struct resolve *q)
{
    struct addr addrs[RESOLVE_ADDRS_MAX];
    resolve_host_fn *done = q->host_done;
    bool is_last = q->pending == 0 || q->is_over;
    size_t n = 0;

    if (q->literal.len > 0)
        addrs[n++] = q->literal;
    else
        n = interleave(q, addrs);
    if (n == 0 && !is_last)
        return;

    q->is_told |= n > 0;
    if (is_last)
        q->host_done = NULL;
    done(q->owner, q->is_told ? RESOLVE_OK : host_failure(q), addrs, n,
         !is_last);
}

enum err resolve_host(struct resolve **out, struct resolver *r,
                      const char *host, uint16_t port, resolve_host_fn *done,
                      void *owner)
{
    struct ares_addrinfo_hints hints;
    struct resolve *q = question_new(r, owner);

    if (q == NULL)
        return ERR_NOMEM;
    q->host_done = done;
    q->port = port;
    *out = q;

    if (addr_parse_ip(&q->literal, host, port) == ERR_OK) {
        make_ready(q);
        return ERR_OK;
    }
    memset(&q->literal, 0, sizeof(q->literal));
    memset(&hints, 0, sizeof(hints));
    hints.ai_socktype = SOCK_STREAM;
    q->pending = HOST_SETS;
    for (size_t i = 0; i < HOST_SETS; i++) {
        hints.ai_family = i == HOST_V6 ? AF_INET6 : AF_INET;
        ares_getaddrinfo(resolve_channel_ares(r->channel), host, NULL, &hints,
                         on_host_reply, &q->hosts[i]);
    }
    resolve_channel_arm(r->channel);
    return ERR_OK;
}

/* --- Delivery ------------------------------------------------------------- */

static void on_deliver(void *arg)
{
    struct resolver *r = arg;

    while (r->ready != NULL) {
        struct resolve *q = r->ready;

        if (q->srv_done != NULL)
            deliver_srv(q);
        else if (q->host_done != NULL)
            deliver_host(q);

        if (q->pending == 0 && !is_asked(q)) {
            question_free(q);
            continue;
        }
        /* The rest comes later, or too late: then the question stays,
         * unheard, until c-ares lets go of it. */
        q->is_ready = false;
        unlink_it(q);
        link_to(q, &r->waiting);
        if (is_asked(q))
            timer_set(&q->timer, q->until_ms > loop_now_ms(r->loop)
                                     ? q->until_ms - loop_now_ms(r->loop)
                                     : 1);
    }
}
