#include "upstream/domain.h"

#include "net/addr.h"
#include "base/table.h"

#include <stdlib.h>

#define RULES_MAX 100000

struct entry {
    struct table_node node; /* under rule.pattern */
    struct domain_rule rule;
};

struct domain_table {
    struct table *by_pattern; /* owned */
    struct entry **entries;   /* owned, in the order of the configuration */
    size_t count;
    size_t cap;
    const struct domain_rule *by_default; /* one of the entries', or NULL */
};

enum err domain_table_new(struct domain_table **out)
{
    struct domain_table *t = calloc(1, sizeof(*t));
    enum err err;

    if (t == NULL)
        return ERR_NOMEM;
    err = table_new(&t->by_pattern, RULES_MAX);
    if (err != ERR_OK) {
        free(t);
        return err;
    }
    *out = t;
    return ERR_OK;
}

enum err domain_rule_add_route(struct domain_rule *rule, const char *host,
                               uint16_t port)
{
    struct domain_route *more =
        realloc(rule->routes, (rule->n_routes + 1) * sizeof(*more));

    if (more == NULL)
        return ERR_NOMEM;
    rule->routes = more;
    more += rule->n_routes;
    more->port = port;
    more->host = strdup(host);
    if (more->host == NULL)
        return ERR_NOMEM;
    rule->n_routes++;
    return ERR_OK;
}

void domain_rule_fini(struct domain_rule *rule)
{
    for (size_t i = 0; i < rule->n_routes; i++)
        free(rule->routes[i].host);
    free(rule->routes);
    free(rule->pattern);
    free(rule->ca_file);
}

static void entry_free(struct entry *e)
{
    domain_rule_fini(&e->rule);
    free(e);
}

void domain_table_free(struct domain_table *t)
{
    if (t == NULL)
        return;
    for (size_t i = 0; i < t->count; i++) {
        table_remove(t->by_pattern, &t->entries[i]->node);
        entry_free(t->entries[i]);
    }
    free(t->entries);
    table_free(t->by_pattern);
    free(t);
}

/* Without a route an address is its own server, under the rules of addresses
 * that DNS names (L50). */
bool domain_rule_may_reach(const struct domain_rule *rule,
                           const struct domain_name *name)
{
    struct addr ip;

    if (!name->is_ip_literal || rule->n_routes > 0)
        return true;
    if (addr_parse_ip(&ip, name->ascii, 0) != ERR_OK)
        return false;
    return addr_is_public(&ip) ||
           (rule->allows_private && addr_is_private(&ip));
}

/* "1.2.3", "256.0.0.1": no domain of the DNS ends in a number (RFC 3696
 * section 2), so it is an address that is malformed. */
static bool ends_in_a_number(const char *name)
{
    const char *dot = strrchr(name, '.');

    return dot != NULL && strspn(dot + 1, "0123456789") == strlen(dot + 1);
}

/* The pattern in the form in which names are compared. */
static enum err normalise_pattern(const struct domain_rule *rule, char **out)
{
    const char *text = rule->pattern;
    bool is_suffix = text[0] == '.';
    struct domain_name name;
    enum err err;

    if (rule->is_default && (is_suffix || strcmp(text, "*") == 0))
        return ERR_INVALID;
    if (strcmp(text, "*") == 0) {
        *out = strdup(text);
        return *out == NULL ? ERR_NOMEM : ERR_OK;
    }

    err = domain_normalise(&name, slice_of(is_suffix ? text + 1 : text));
    if (err != ERR_OK)
        return err;
    if (name.is_ip_literal && is_suffix) /* nothing is below an address */
        return ERR_INVALID;
    if (!rule->is_denied && !domain_rule_may_reach(rule, &name))
        return ERR_INVALID;

    *out = malloc(strlen(name.unicode) + 2);
    if (*out == NULL)
        return ERR_NOMEM;
    **out = '.';
    memcpy(*out + is_suffix, name.unicode, strlen(name.unicode) + 1);
    return ERR_OK;
}

static enum err reserve(struct domain_table *t)
{
    size_t cap = t->cap == 0 ? 8 : t->cap * 2;
    struct entry **entries;

    if (t->count < t->cap)
        return ERR_OK;
    entries = realloc(t->entries, cap * sizeof(struct entry *));
    if (entries == NULL)
        return ERR_NOMEM;
    t->entries = entries;
    t->cap = cap;
    return ERR_OK;
}

enum err domain_table_add(struct domain_table *t,
                          const struct domain_rule *rule)
{
    struct entry *e;
    char *pattern = NULL;
    enum err err;

    if (rule->is_default && (rule->is_denied || t->by_default != NULL))
        return ERR_INVALID;
    err = normalise_pattern(rule, &pattern);
    if (err != ERR_OK)
        return err;
    err = reserve(t);
    if (err != ERR_OK)
        goto fail;
    err = ERR_NOMEM;
    e = calloc(1, sizeof(*e));
    if (e == NULL)
        goto fail;
    err = table_insert(t->by_pattern, &e->node, slice_of(pattern));
    if (err != ERR_OK) {
        free(e);
        goto fail;
    }

    e->rule = *rule;
    free(e->rule.pattern);
    e->rule.pattern = pattern;
    e->rule.is_exact = pattern[0] != '.' && strcmp(pattern, "*") != 0;
    t->entries[t->count++] = e;
    if (e->rule.is_default)
        t->by_default = &e->rule;
    return ERR_OK;

fail:
    free(pattern);
    return err;
}

static const struct domain_rule *lookup(const struct domain_table *t,
                                        const char *pattern)
{
    struct table_node *node = table_find(t->by_pattern, slice_of(pattern));

    return node == NULL ? NULL : &CONTAINER_OF(node, struct entry, node)->rule;
}

const struct domain_rule *domain_table_find(const struct domain_table *t,
                                            const struct domain_name *name)
{
    const struct domain_rule *rule = lookup(t, name->unicode);
    const char *dot = name->is_ip_literal ? NULL : strchr(name->unicode, '.');

    /* From the longest suffix to the shortest; each begins at a dot, so a
     * rule for .example.org can never match evilexample.org. */
    while (rule == NULL && dot != NULL) {
        rule = lookup(t, dot);
        dot = strchr(dot + 1, '.');
    }
    if (rule == NULL) {
        rule = lookup(t, "*");
        /* Any domain is not any address: those of this network are no
         * domains of strangers. */
        if (rule != NULL &&
            (!domain_rule_may_reach(rule, name) ||
             (!name->is_ip_literal && ends_in_a_number(name->ascii))))
            return NULL;
    }
    return rule == NULL || rule->is_denied ? NULL : rule;
}

const struct domain_rule *domain_table_default(const struct domain_table *t)
{
    return t->by_default;
}

size_t domain_table_count(const struct domain_table *t)
{
    return t->count;
}

struct domain_rule *domain_table_at(struct domain_table *t, size_t i)
{
    return &t->entries[i]->rule;
}
