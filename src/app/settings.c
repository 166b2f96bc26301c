#include "settings.h"

#include "net/tls.h"
#include "net/tls_ctx.h"
#include "session/session_host.h"

#include <stdlib.h>

#define XMPP_PORT     5222
#define XMPP_TLS_PORT 5223

struct sock_limits settings_client_sock(const struct config *c)
{
    return (struct sock_limits){
        .queue_max_bytes = c->http.queue_max_bytes,
        .high_bytes = c->http.queue_max_bytes / 2,
        .low_bytes = c->http.queue_max_bytes / 4,
        .stall_ms = c->http.write_ms,
        .handshake_ms = c->http.tls_ms,
    };
}

struct sock_limits settings_websocket_sock(const struct config *c)
{
    struct sock_limits limits = settings_client_sock(c);

    /* There the server is no longer read; what it has delivered is taken. */
    if (limits.queue_max_bytes < c->limits.queue_max_bytes)
        limits.queue_max_bytes = c->limits.queue_max_bytes;
    limits.high_bytes = c->limits.queue_max_bytes / 2;
    limits.low_bytes = c->limits.queue_max_bytes / 4;
    return limits;
}

struct http_limits settings_http(const struct config *c, unsigned workers)
{
    size_t handshakes_max = c->http.tls_handshakes_max / workers;

    return (struct http_limits){
        .header_max_bytes = c->http.header_max_bytes,
        .body_max_bytes = c->limits.body_max_bytes,
        .header_ms = c->http.header_ms,
        .body_ms = c->http.body_ms,
        .idle_ms = c->http.idle_ms,
        .handshakes_max = handshakes_max > 0 ? handshakes_max : 1,
        .sock = settings_client_sock(c),
    };
}

struct http_origins settings_origins(const struct config *c)
{
    const struct config_list *list = &c->http.origins;
    bool is_any = list->n == 1 && strcmp(list->items[0], "*") == 0;

    return (struct http_origins){
        .any = is_any,
        .list = is_any ? NULL : (const char *const *)list->items,
        .n = is_any ? 0 : list->n,
        .allows_credentials = c->http.credentials,
        .leaves_headers = !c->http.cors_headers,
        .headers = (const char *const *)c->http.allow_headers.items,
        .n_headers = c->http.allow_headers.n,
    };
}

struct forwarded_rules settings_forwarded(const struct config *c)
{
    return (struct forwarded_rules){
        .trusted = c->http.trusted,
        .n_trusted = c->http.trusted_proxies.n,
        .header = c->http.client_header,
    };
}

static struct stream_limits stream_limits(const struct config *c)
{
    return (struct stream_limits){
        .upstream =
            {
                .connect_ms = c->upstream.connect_ms,
                .target_ms = c->upstream.target_ms,
                .attempt_ms = c->upstream.attempt_ms,
                .delay_ms = c->upstream.delay_ms,
                .stall_ms = c->upstream.write_ms,
                .queue_max_bytes = c->upstream.queue_max_bytes,
                .high_bytes = c->upstream.queue_max_bytes / 2,
                .low_bytes = c->upstream.queue_max_bytes / 4,
            },
        .header_ms = c->upstream.stream_ms,
        .close_ms = c->upstream.close_ms,
        .keepalive_ms = c->upstream.keepalive_ms,
        .element_max_bytes = c->upstream.stanza_max_bytes,
    };
}

struct session_settings settings_session(const struct config *c)
{
    return (struct session_settings){
        .stream = stream_limits(c),
        .stanza_max_bytes = c->limits.stanza_max_bytes,
        .stanza_max_unauthenticated_bytes =
            c->limits.stanza_max_unauthenticated_bytes,
        .stanza_max_login_bytes = c->limits.stanza_max_login_bytes,
        .queue_max_bytes = c->limits.queue_max_bytes,
        .authenticate_ms = c->limits.authenticate_ms,
        .tells_cause = c->upstream.tell_cause,
        .strips_plain = c->upstream.strip_plain,
        .sessions_max = c->limits.sessions_max,
        .bosh =
            {
                .wait_s = c->bosh.wait_s,
                .wait_max_s = c->bosh.wait_max_s,
                .hold_max = c->bosh.hold_max,
                .inactivity_s = c->bosh.inactivity_s,
                .polling_s = c->bosh.polling_s,
                .maxpause_s = c->bosh.maxpause_s,
                .tombstone_s = c->bosh.tombstone_s,
                .tombstones_max_bytes = c->bosh.tombstones_max_bytes,
                .repeats_max = c->bosh.repeats_max,
                .gap_ms = c->bosh.gap_ms,
                .answer_max_bytes = c->bosh.answer_max_bytes,
            },
        .ws =
            {
                .ping_s = c->websocket.ping_s,
                .ping_timeout_s = c->websocket.ping_timeout_s,
                .open_ms = c->websocket.open_ms,
                .close_ms = c->websocket.close_ms,
                .is_legacy_allowed = c->websocket.legacy,
                .see_other_uri = c->websocket.see_other_uri,
            },
    };
}

/* --- Domains -------------------------------------------------------------- */

/* The domain's own roots, or those of all; NULL: the system's. */
static const char *ca_file_of(const struct config *c, size_t i)
{
    const char *file = c->domains[i].ca_file;

    if (file[0] == '\0')
        file = c->upstream.ca_file;
    return file[0] == '\0' ? NULL : file;
}

static bool is_same(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool is_same_list(const struct config_list *a,
                         const struct config_list *b)
{
    if (a->n != b->n)
        return false;
    for (size_t i = 0; i < a->n; i++)
        if (strcmp(a->items[i], b->items[i]) != 0)
            return false;
    return true;
}

static bool is_same_policy(const struct config *c, size_t a, size_t b)
{
    const struct config_domain *x = &c->domains[a];
    const struct config_domain *y = &c->domains[b];

    return is_same(ca_file_of(c, a), ca_file_of(c, b)) &&
           is_same_list(&x->pins, &y->pins) && x->tls_min == y->tls_min &&
           strcmp(x->ciphers, y->ciphers) == 0;
}

enum err settings_tls_policy(struct tls_policy *out, struct tls_pin **pins,
                             const struct config *c, size_t i)
{
    const struct config_domain *d = &c->domains[i];

    *pins = calloc(d->pins.n + 1, sizeof(**pins));
    if (*pins == NULL)
        return ERR_NOMEM;
    *out = (struct tls_policy){
        .ca_file = ca_file_of(c, i),
        .floor = d->tls_min,
        .ciphers = d->ciphers[0] == '\0' ? NULL : d->ciphers,
        .pins = *pins,
    };
    /* config_check has read all of them before. */
    for (size_t k = 0; k < d->pins.n; k++)
        if (tls_pin_parse(&(*pins)[out->n_pins], d->pins.items[k]) == ERR_OK)
            out->n_pins++;
    return ERR_OK;
}

/* The context of rule i: that of an earlier rule with the same policy, or a
 * new one. */
static enum err tls_of(struct settings_domains *d, const struct config *c,
                       size_t i, struct tls_ctx **out, char *why,
                       size_t why_cap)
{
    struct tls_policy policy;
    struct tls_pin *pins;
    enum err err;

    for (size_t k = 0; k < i; k++) {
        if (d->tls[k] == NULL || !is_same_policy(c, k, i))
            continue;
        *out = d->tls[k];
        return ERR_OK;
    }
    err = settings_tls_policy(&policy, &pins, c, i);
    if (err != ERR_OK)
        return err;
    policy.cache = d->shared.cache;
    policy.roots = d->shared.roots;
    err = tls_client_new(&d->tls[i], &policy, why, why_cap);
    free(pins);
    if (err == ERR_OK)
        *out = d->tls[i];
    return err;
}

static enum err add_routes(struct domain_rule *rule,
                           const struct config_domain *d)
{
    uint16_t port = d->mode == UPSTREAM_TLS ? XMPP_TLS_PORT : XMPP_PORT;
    enum err err = ERR_OK;

    for (size_t i = 0; err == ERR_OK && i < d->routes.n; i++) {
        char host[256];
        struct domain_name name;
        uint16_t at;

        if (d->routes.items[i][0] == '\0')
            continue; /* as if it were not there */
        err = addr_split(d->routes.items[i], host, sizeof(host), &at, port);
        if (err == ERR_OK)
            err = domain_normalise(&name, slice_of(host));
        if (err == ERR_OK)
            err = domain_rule_add_route(rule, name.ascii, at);
    }
    return err;
}

static enum err make_rule(struct domain_rule *rule,
                          const struct config_domain *d)
{
    *rule = (struct domain_rule){
        .pattern = strdup(d->pattern),
        .is_denied = d->is_denied,
        .is_default = d->is_default,
        .allows_private = d->allows_private,
        .heeds_route = d->heeds_route,
        .proxy = d->proxy,
        .mode = d->mode,
        .is_verified = d->verify,
    };
    if (rule->pattern == NULL)
        return ERR_NOMEM;
    if (d->ca_file[0] != '\0') {
        rule->ca_file = strdup(d->ca_file);
        if (rule->ca_file == NULL)
            return ERR_NOMEM;
    }
    return add_routes(rule, d);
}

static enum err add_rule(struct settings_domains *d, const struct config *c,
                         size_t i, char *why, size_t why_cap)
{
    struct domain_rule rule;
    enum err err = make_rule(&rule, &c->domains[i]);

    if (err == ERR_OK && rule.mode != UPSTREAM_PLAIN)
        err = tls_of(d, c, i, &rule.tls, why, why_cap);
    if (err == ERR_OK)
        err = domain_table_add(d->table, &rule);
    if (err == ERR_OK)
        return ERR_OK; /* the table owns what the rule points to */

    domain_rule_fini(&rule);
    return err;
}

enum err settings_domains_new(struct settings_domains *out,
                              const struct config *c,
                              const struct settings_tls *shared, char *why,
                              size_t why_cap)
{
    struct settings_domains d = {.shared = *shared, .n_tls = c->n_domains};
    enum err err = domain_table_new(&d.table);

    if (err != ERR_OK)
        return err;
    d.tls = calloc(c->n_domains > 0 ? c->n_domains : 1, sizeof(*d.tls));
    if (d.tls == NULL)
        err = ERR_NOMEM;
    for (size_t i = 0; err == ERR_OK && i < c->n_domains; i++)
        err = add_rule(&d, c, i, why, why_cap);
    if (err != ERR_OK) {
        settings_domains_free(&d);
        return err;
    }
    *out = d;
    return ERR_OK;
}

void settings_domains_free(struct settings_domains *d)
{
    domain_table_free(d->table);
    for (size_t i = 0; d->tls != NULL && i < d->n_tls; i++)
        tls_ctx_free(d->tls[i]);
    free(d->tls);
    *d = (struct settings_domains){0};
}
