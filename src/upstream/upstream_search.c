#include "upstream_search.h"

#include "upstream/target_history.h"
#include "net/addr.h"
#include "net/sock.h"
#include "net/sock_text.h"
#include "dns/resolve.h"
#include "base/log.h"
#include "base/loop.h"

#include <stdio.h>
#include <stdlib.h>

#define PORT_CLIENT     5222
#define PORT_DIRECT_TLS 5223

#define CAUSE_BYTES 160

#define REDIRECTS_MAX    3
#define OTHER_HOST_BYTES 300

/* Of one name; more are not looked at. */
#define ADDRS_MAX (2 * RESOLVE_ADDRS_MAX)

struct candidate {
    struct addr addr;
    bool is_tried;
};

struct search {
    const struct domain_rule *rule; /* borrowed: see upstream_params */
    const struct log_ctx *log;      /* borrowed: the same */
    struct resolver *resolver;      /* borrowed: outlives all upstreams */
    struct loop *loop;              /* borrowed: the same, as are history */
    struct target_history *history;
    const struct addr *client; /* borrowed: of our owner */
    const char *domain;        /* borrowed: of our owner */
    void (*found)(void *owner);
    void *owner;
    struct resolve *question; /* owned while one is under way */
    bool is_begun;
    bool is_asked; /* the client names the server */
    bool was_busy; /* see search_is_busy */
    unsigned n_redirects;
    char *other_domain; /* owned: see-other-host without a port, A-labels */
    struct resolve_target *targets; /* owned */
    size_t n_targets;
    size_t next_target;
    struct candidate *addrs; /* owned: of the target before next_target */
    size_t n_addrs;
    int last_family;         /* of the address that was handed out last */
    enum upstream_mode mode; /* of that target */
    enum upstream_end why;   /* what became of the last attempt */
    char cause[CAUSE_BYTES];
};

static void on_srv(void *owner, enum resolve_status status,
                   const struct resolve_target *targets, size_t n);
static void on_host(void *owner, enum resolve_status status,
                    const struct addr *addrs, size_t n, bool is_more);

void search_free(struct search *s)
{
    if (s == NULL)
        return;
    resolve_cancel(s->question);
    free(s->other_domain);
    free(s->targets);
    free(s->addrs);
    free(s);
}

void search_stop(struct search *s)
{
    resolve_cancel(s->question);
    s->question = NULL;
    s->is_begun = true;
    s->next_target = s->n_targets;
    s->n_addrs = 0;
}

const struct domain_rule *search_rule(const struct search *s)
{
    return s->rule;
}

void search_note(struct search *s, enum upstream_end why, const char *what,
                 const char *cause)
{
    s->why = why;
    if (why == UPSTREAM_END_BUSY)
        s->was_busy = true;
    snprintf(s->cause, sizeof(s->cause), "%s: %s", what, cause);
    log_debug(s->log, "upstream.attempt why=%s cause=%s",
              upstream_end_name(why), log_quote(slice_of(s->cause)).text);
}

const char *search_cause(const struct search *s)
{
    return s->cause;
}

enum upstream_end search_why(const struct search *s)
{
    return s->why;
}

void search_log_failure(const struct search *s, uint64_t now_ms)
{
    static _Thread_local struct log_limit limit = LOG_LIMIT_INIT;
    unsigned suppressed = 0;

    if (!log_allow(&limit, now_ms, &suppressed))
        return;
    log_warn(s->log, "upstream.failed domain=%s why=%s cause=%s suppressed=%u",
             log_quote(slice_of(s->domain)).text, upstream_end_name(s->why),
             log_quote(slice_of(s->cause)).text, suppressed);
}

void search_log_server(const struct search *s, const struct sock *sock)
{
    struct addr_text address = sock_peer_text(sock);
    const char *policy = s->rule->is_verified ? "verified" : "unverified";
    char trust[300];
    char tls[100];

    if (s->rule->mode == UPSTREAM_PLAIN)
        policy = "plain";
    else if (s->rule->mode == UPSTREAM_OPPORTUNISTIC)
        policy = "opportunistic";
    log_info(s->log, "upstream.open domain=%s address=%s policy=%s tls=%s %s",
             log_quote(slice_of(s->domain)).text, address.text, policy,
             log_quote(slice_of(sock_tls_text(sock, tls, sizeof(tls)))).text,
             sock_trust_text(sock, trust, sizeof(trust)));
}

/* Whose SRV records are asked for. */
static const char *domain_of(const struct search *s)
{
    return s->other_domain != NULL ? s->other_domain : s->domain;
}

static uint16_t default_port(const struct search *s)
{
    return s->rule->mode == UPSTREAM_TLS ? PORT_DIRECT_TLS : PORT_CLIENT;
}

static void order_targets(struct search *s)
{
    target_history_order(s->history, s->domain, s->client, s->targets,
                         s->n_targets, loop_now_ms(s->loop));
}

/* Copies the targets that the rule's mode can use: a plain rule never goes
 * to a direct TLS port, and a rule for direct TLS only there (K20, K21). */
static bool take_targets(struct search *s, const struct resolve_target *from,
                         size_t n)
{
    free(s->targets);
    s->n_targets = s->next_target = 0;
    s->targets = calloc(n > 0 ? n : 1, sizeof(*s->targets));
    if (s->targets == NULL)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (s->rule->mode == UPSTREAM_PLAIN && from[i].is_direct_tls)
            continue;
        if (s->rule->mode == UPSTREAM_TLS && !from[i].is_direct_tls)
            continue;
        s->targets[s->n_targets++] = from[i];
    }
    order_targets(s);
    return true;
}

static bool take_one_target(struct search *s, const char *host, uint16_t port,
                            bool is_direct_tls)
{
    struct resolve_target t;

    memset(&t, 0, sizeof(t));
    if (strlen(host) >= sizeof(t.host))
        return false;
    memcpy(t.host, host, strlen(host) + 1);
    t.port = port;
    t.is_direct_tls = s->rule->mode == UPSTREAM_TLS || is_direct_tls;
    return take_targets(s, &t, 1);
}

/* Each route is a target; the mode is that of the rule. */
static bool take_routes(struct search *s)
{
    const struct domain_rule *rule = s->rule;

    s->targets = calloc(rule->n_routes, sizeof(*s->targets));
    if (s->targets == NULL)
        return false;
    for (size_t i = 0; i < rule->n_routes; i++) {
        struct resolve_target *t = &s->targets[s->n_targets];

        if (strlen(rule->routes[i].host) >= sizeof(t->host))
            continue; /* no such name exists */
        memcpy(t->host, rule->routes[i].host, strlen(rule->routes[i].host) + 1);
        t->port = rule->routes[i].port;
        t->is_direct_tls = rule->mode == UPSTREAM_TLS;
        t->priority = (uint16_t)i; /* failover: no two are equal */
        s->n_targets++;
    }
    order_targets(s);
    return true;
}

static void on_srv(void *owner, enum resolve_status status,
                   const struct resolve_target *targets, size_t n)
{
    struct search *s = owner;
    const char *cause = "no target of the wanted kind";
    bool is_taken = true;

    s->question = NULL;
    switch (status) {
    case RESOLVE_OK:
        is_taken = take_targets(s, targets, n);
        break;
    case RESOLVE_NONE: /* the only case with a fallback (K06, K07) */
        is_taken = take_one_target(s, domain_of(s), default_port(s), false);
        break;
    case RESOLVE_ABSENT:
        cause = "the domain says that it has no server";
        break;
    case RESOLVE_FAILED:
        cause = "no usable answer";
        break;
    }
    if (!is_taken)
        search_note(s, UPSTREAM_END_NOMEM, "SRV", "no memory");
    else if (s->n_targets == 0)
        search_note(s, UPSTREAM_END_DNS, "SRV", cause);
    s->found(s->owner);
}

static bool search_take_addrs(struct search *s, const struct addr *addrs,
                              size_t n)
{
    struct candidate *all;

    if (n > ADDRS_MAX - s->n_addrs)
        n = ADDRS_MAX - s->n_addrs;
    if (n == 0)
        return true;
    all = realloc(s->addrs, (s->n_addrs + n) * sizeof(*all));
    if (all == NULL)
        return false;
    s->addrs = all;
    for (size_t i = 0; i < n; i++)
        s->addrs[s->n_addrs++] = (struct candidate){.addr = addrs[i]};
    return true;
}

static void on_host(void *owner, enum resolve_status status,
                    const struct addr *addrs, size_t n, bool is_more)
{
    struct search *s = owner;
    const char *host = s->targets[s->next_target - 1].host;

    if (!is_more)
        s->question = NULL;
    if (!search_take_addrs(s, addrs, n))
        search_note(s, UPSTREAM_END_NOMEM, host, "no memory");
    else if (status != RESOLVE_OK)
        search_note(s, UPSTREAM_END_DNS, host,
                    status == RESOLVE_FAILED ? "no usable answer"
                                             : "no address");
    s->found(s->owner);
}

/* Routes, and what the DNS says of a domain that the configuration names, are
 * few.  All other names are as many as clients like. */
static bool is_configured(const struct search *s)
{
    return search_trust(s) == ADDRESS_POLICY_ROUTE ||
           (s->rule->is_exact && !s->is_asked);
}

bool search_is_busy(const struct search *s)
{
    return s->was_busy && is_configured(s);
}

static enum err ask_srv(struct search *s, const char *domain)
{
    struct resolve_question question = {
        .name = domain,
        .client = s->client,
        .is_configured = is_configured(s),
    };

    return resolve_srv(&s->question, s->resolver, &question, on_srv, s);
}

static enum err ask_host(struct search *s, const struct resolve_target *t)
{
    struct resolve_question question = {
        .name = t->host,
        .port = t->port,
        .client = s->client,
        .is_configured = is_configured(s),
    };

    return resolve_host(&s->question, s->resolver, &question, on_host, s);
}

/* A route says where to go; a domain that is an address is its own server;
 * otherwise DNS is asked.  ERR_NOMEM. */
static enum err search_begin(struct search *s)
{
    bool is_taken;

    s->is_begun = true;
    if (s->rule->n_routes > 0 || addr_is_ip_literal(s->domain)) {
        is_taken = s->rule->n_routes > 0
                       ? take_routes(s)
                       : take_one_target(s, s->domain, default_port(s), false);
        return is_taken ? ERR_OK : ERR_NOMEM;
    }
    return ask_srv(s, s->domain);
}

/* --- see-other-host ------------------------------------------------------- */

/* A port says nothing of TLS, but 5223 is that of direct TLS (XEP-0368); a
 * rule for plain connections knows none. */
static bool take_other_port(struct search *s, const char *host, uint16_t port)
{
    return take_one_target(s, host, port,
                           port == PORT_DIRECT_TLS &&
                               s->rule->mode != UPSTREAM_PLAIN);
}

enum err search_new(struct search **out, const struct upstream_params *params,
                    const char *domain, void (*found)(void *owner), void *owner)
{
    struct search *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return ERR_NOMEM;
    s->rule = params->rule;
    s->log = params->log;
    s->resolver = params->resolver;
    s->loop = params->loop;
    s->history = params->shared.history;
    s->client = params->client;
    s->domain = domain;
    s->found = found;
    s->owner = owner;
    s->why = UPSTREAM_END_DNS;
    if (params->asked_host != NULL && s->rule->n_routes == 0) {
        s->is_begun = s->is_asked = true;
        if (!take_other_port(s, params->asked_host, params->asked_port)) {
            search_free(s);
            return ERR_NOMEM;
        }
    }
    *out = s;
    return ERR_OK;
}

/* host without brackets; 0: there was no port. */
static bool begin_other(struct search *s, const char *host, uint16_t port)
{
    struct domain_name name;

    if (domain_normalise(&name, slice_of(host)) != ERR_OK) {
        search_note(s, UPSTREAM_END_STREAM, "see-other-host", "no host");
        return false;
    }
    if (port != 0)
        return take_other_port(s, name.ascii, port);
    if (name.is_ip_literal || strcmp(name.ascii, s->domain) == 0)
        return take_other_port(s, name.ascii, default_port(s));

    free(s->other_domain);
    s->other_domain = strdup(name.ascii);
    return s->other_domain != NULL && ask_srv(s, s->other_domain) == ERR_OK;
}

bool search_redirect(struct search *s, struct slice host)
{
    char text[OTHER_HOST_BYTES];
    char name[OTHER_HOST_BYTES];
    uint16_t port = 0;

    search_stop(s);
    if (++s->n_redirects > REDIRECTS_MAX) {
        search_note(s, UPSTREAM_END_STREAM, "see-other-host", "once too often");
        return false;
    }
    snprintf(text, sizeof(text), "%.*s", (int)host.len, host.at);
    s->n_targets = s->next_target = 0;
    if (host.len >= sizeof(text) ||
        addr_split(text, name, sizeof(name), &port, 0) != ERR_OK) {
        search_note(s, UPSTREAM_END_STREAM, "see-other-host", "no host");
        return false;
    }
    return begin_other(s, name, port);
}

enum address_policy_trust search_trust(const struct search *s)
{
    if (s->rule->n_routes > 0 && s->n_redirects == 0)
        return ADDRESS_POLICY_ROUTE;
    return s->rule->allows_private ? ADDRESS_POLICY_PRIVATE
                                   : ADDRESS_POLICY_STRANGER;
}

/* --- The order ------------------------------------------------------------ */

/* The families take turns, IPv6 first, also when one of them comes late
 * (RFC 8305 sections 4 and 5).  NULL: all were handed out. */
static struct candidate *next_addr(struct search *s)
{
    struct candidate *any = NULL;

    for (size_t i = 0; i < s->n_addrs; i++) {
        struct candidate *c = &s->addrs[i];
        int family = c->addr.storage.ss_family;

        if (c->is_tried)
            continue;
        if (any == NULL)
            any = c;
        if (s->last_family == AF_INET6 ? family == AF_INET : family == AF_INET6)
            return c;
    }
    return any;
}

enum search_step search_next(struct search *s, const struct addr **to,
                             enum upstream_mode *mode)
{
    struct candidate *c;

    if (!s->is_begun && search_begin(s) != ERR_OK) {
        search_note(s, UPSTREAM_END_NOMEM, s->domain, "no memory");
        return SEARCH_DRY;
    }
    c = next_addr(s);
    if (c == NULL)
        return s->question != NULL ? SEARCH_WAIT : SEARCH_DRY;
    c->is_tried = true;
    s->last_family = c->addr.storage.ss_family;
    *to = &c->addr;
    *mode = s->mode;
    return SEARCH_ADDR;
}

void search_put_back(struct search *s, const struct addr *a)
{
    for (size_t i = 0; i < s->n_addrs; i++)
        if (s->addrs[i].addr.len == a->len &&
            memcmp(&s->addrs[i].addr.storage, &a->storage, a->len) == 0)
            s->addrs[i].is_tried = false;
}

bool search_has_more_targets(const struct search *s)
{
    return s->next_target < s->n_targets;
}

/* Not when it is the policy or we who are to blame. */
void search_blame_target(struct search *s)
{
    if (s->next_target > 0 && s->why != UPSTREAM_END_REFUSED &&
        s->why != UPSTREAM_END_BUSY && s->why != UPSTREAM_END_NOMEM)
        target_history_failed(s->history, s->domain,
                              &s->targets[s->next_target - 1],
                              loop_now_ms(s->loop));
}

void search_praise_target(struct search *s)
{
    /* Where a server sends its users is its own business each time. */
    if (s->next_target > 0 && s->n_redirects == 0)
        target_history_good(s->history, s->domain, s->client,
                            &s->targets[s->next_target - 1],
                            loop_now_ms(s->loop));
}

bool search_next_target(struct search *s)
{
    search_blame_target(s);
    resolve_cancel(s->question);
    s->question = NULL;
    s->n_addrs = 0;
    s->last_family = AF_UNSPEC;

    while (s->next_target < s->n_targets) {
        const struct resolve_target *t = &s->targets[s->next_target++];

        s->mode = t->is_direct_tls ? UPSTREAM_TLS : s->rule->mode;
        if (ask_host(s, t) == ERR_OK)
            return true;
        search_note(s, UPSTREAM_END_NOMEM, t->host, "no memory");
    }
    return false;
}
