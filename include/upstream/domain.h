/*
 * domain.h - which domains are served, and how their servers are reached.
 *
 * An immutable table that `app` builds from the configuration; it is closed
 * unless domains stand in it.  Lookup order: the exact domain, the longest
 * suffix that ends at a label boundary (a rule written ".example.org" matches
 * what is below it), then "*" (decisions 15).
 */
#ifndef UPSTREAM_DOMAIN_H
#define UPSTREAM_DOMAIN_H

#include "base/base.h"
#include "upstream/idna.h"

struct tls_ctx;

enum upstream_mode {
    UPSTREAM_STARTTLS, /* TLS is negotiated on the stream, and required */
    UPSTREAM_TLS,      /* TLS from the first byte (XEP-0368) */
    UPSTREAM_PLAIN,    /* no TLS: by explicit configuration only */
};

struct domain_rule {
    char *pattern; /* owned: "example.org", ".example.org" or "*" */
    char *host;    /* owned: route's host; NULL: by DNS of the domain */
    uint16_t port; /* of the route */
    enum upstream_mode mode;
    bool is_verified;    /* false: certificate not checked, by configuration */
    char *ca_file;       /* owned; NULL: the system's roots */
    struct tls_ctx *tls; /* borrowed: one a rule and worker, or NULL */
};

struct domain_table;

/* ERR_NOMEM. */
MUST_CHECK enum err domain_table_new(struct domain_table **out);
void domain_table_free(struct domain_table *t); /* its rules too */

/* Copies *rule and takes what its pointers own, on success.
 * ERR_INVALID: the pattern is malformed or stands there already. */
MUST_CHECK enum err domain_table_add(struct domain_table *t,
                                     const struct domain_rule *rule);

/* NULL: not served (host-unknown). */
const struct domain_rule *domain_table_find(const struct domain_table *t,
                                            const struct domain_name *name);

/* All rules, in the order of the configuration. */
size_t domain_table_count(const struct domain_table *t);
struct domain_rule *domain_table_at(struct domain_table *t, size_t i);

#endif /* UPSTREAM_DOMAIN_H */
