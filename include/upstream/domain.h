/*
 * domain.h - which domains are served, and how their servers are reached.
 *
 * An immutable table that `app` builds from the configuration; it is closed
 * unless domains stand in it.  Lookup order: the exact domain, the longest
 * suffix that ends at a label boundary (a rule written ".example.org" matches
 * what is below it), then "*" (decision 15).  The rule that is found may say
 * that the domain is denied.
 */
#ifndef UPSTREAM_DOMAIN_H
#define UPSTREAM_DOMAIN_H

#include "base/base.h"
#include "net/proxy_protocol.h"
#include "upstream/idna.h"

struct tls_ctx;

enum upstream_mode {
    UPSTREAM_STARTTLS,      /* TLS is negotiated on the stream, and required */
    UPSTREAM_TLS,           /* TLS from the first byte (XEP-0368) */
    UPSTREAM_PLAIN,         /* no TLS: by explicit configuration only */
    UPSTREAM_OPPORTUNISTIC, /* STARTTLS if it is offered, else none */
};

/* A server that the operator names. */
struct domain_route {
    char *host; /* owned: a name or an IP literal */
    uint16_t port;
};

struct domain_rule {
    char *pattern;               /* owned: "example.org", ".example.org", "*" */
    struct domain_route *routes; /* owned: in the order in which to try */
    size_t n_routes;             /* 0: by DNS of the domain */
    bool is_exact;               /* one domain; domain_table_add sets it */
    bool is_denied;              /* not served; nothing else matters then */
    bool is_default;             /* for clients that name no domain */
    bool allows_private;         /* DNS may name private addresses (L50) */
    bool heeds_route;            /* the `route` of BOSH clients (XEP-0124) */
    enum proxy_version proxy;    /* what its servers are told of clients */
    enum upstream_mode mode;
    bool is_verified;    /* false: certificate not checked, by configuration */
    char *ca_file;       /* owned; NULL: the system's roots */
    struct tls_ctx *tls; /* borrowed: one a rule and worker, or NULL */
};

struct domain_table;

/* False for an address as domain to which the rule does not lead: it has no
 * route, and the address is not public, nor private where the rule allows
 * that (L50).  True for every name. */
bool domain_rule_may_reach(const struct domain_rule *rule,
                           const struct domain_name *name);

/* Copies the host.  ERR_NOMEM. */
MUST_CHECK enum err domain_rule_add_route(struct domain_rule *rule,
                                          const char *host, uint16_t port);
/* Frees what the rule owns, not the rule. */
void domain_rule_fini(struct domain_rule *rule);

/* ERR_NOMEM. */
MUST_CHECK enum err domain_table_new(struct domain_table **out);
void domain_table_free(struct domain_table *t); /* its rules too */

/* Copies *rule and takes what its pointers own, on success.
 * ERR_INVALID: the pattern is malformed or stands there already; it is an
 * address that the rule may not reach; or it is the default and no exact
 * domain, or the second default. */
MUST_CHECK enum err domain_table_add(struct domain_table *t,
                                     const struct domain_rule *rule);

/* NULL: not served (host-unknown).  "*" without a route stands for names and
 * for public addresses. */
const struct domain_rule *domain_table_find(const struct domain_table *t,
                                            const struct domain_name *name);

/* The rule of clients that name no domain; its pattern is that domain.  NULL:
 * there is none. */
const struct domain_rule *domain_table_default(const struct domain_table *t);

/* All rules, in the order of the configuration. */
size_t domain_table_count(const struct domain_table *t);
struct domain_rule *domain_table_at(struct domain_table *t, size_t i);

#endif /* UPSTREAM_DOMAIN_H */
