#include "config_check.h"

#include "config_keys.h"
#include "front/http.h"
#include "upstream/domain.h"
#include "net/tls_ctx.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#define XMPP_PORT 5222
#define DNS_PORT  53

void config_report(struct config_report *r, unsigned line, const char *fmt, ...)
{
    char text[2 * CONFIG_WHY_BYTES + 256];
    char where[16] = "";
    va_list args;
    enum err err;

    r->n++;
    if (r->n > CONFIG_FAULTS_MAX)
        return;
    if (line > 0)
        snprintf(where, sizeof(where), ":%u", line);
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);

    /* A fault that finds no room is still counted. */
    err = buf_append_text(r->to, r->file);
    if (err == ERR_OK)
        err = buf_append_text(r->to, where);
    if (err == ERR_OK)
        err = buf_append_text(r->to, ": ");
    if (err == ERR_OK)
        err = buf_append_text(r->to, text);
    if (err == ERR_OK)
        err = buf_append_text(r->to, "\n");
    (void)err;
}

/* The line of a key of a section without title. */
static unsigned line_of(const struct config *c, enum config_section section,
                        const char *name)
{
    return c->marks[config_key_find(section, name) - config_keys].line;
}

static unsigned later(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

/* --- Listeners ------------------------------------------------------------ */

static void check_listen(const struct config *c, struct config_listen *l,
                         struct config_report *r)
{
    const char *why = "";
    bool has_certificate = l->certificate[0] != '\0';
    bool has_key = l->key[0] != '\0';

    if (addr_parse(&l->addr, l->address, &why) != ERR_OK) {
        config_report(r, l->line, "listen %s: %s",
                      log_quote(slice_of(l->address)).text, why);
        return;
    }
    if (has_certificate != has_key)
        config_report(r, l->line, "listen %s: %s without %s",
                      log_quote(slice_of(l->address)).text,
                      has_certificate ? "a certificate" : "a key",
                      has_certificate ? "its key" : "its certificate");
    if (l->addr.storage.ss_family != AF_UNIX && addr_port(&l->addr) == 0)
        return; /* the kernel chooses: no two are the same */
    for (const struct config_listen *o = c->listens; o != l; o++)
        if (strcmp(addr_format(&o->addr).text, addr_format(&l->addr).text) == 0)
            config_report(r, l->line, "listen %s: the same as on line %u",
                          log_quote(slice_of(l->address)).text, o->line);
}

/* --- Domains -------------------------------------------------------------- */

static void check_domain(const struct config_domain *d, struct config_report *r)
{
    struct log_quoted name = log_quote(slice_of(d->pattern));

    for (size_t i = 0; i < d->routes.n; i++) {
        const char *route = d->routes.items[i];
        char host[256];
        struct domain_name ignored;
        uint16_t port;

        if (route[0] == '\0' && d->routes.n == 1)
            continue; /* the same as none */
        if (addr_split(route, host, sizeof(host), &port, XMPP_PORT) != ERR_OK ||
            domain_normalise(&ignored, slice_of(host)) != ERR_OK)
            config_report(r, d->line,
                          "domain %s: route = %s: expected host, host:port or "
                          "[v6]:port",
                          name.text, log_quote(slice_of(route)).text);
    }
    for (size_t i = 0; i < d->pins.n; i++) {
        struct tls_pin pin;

        if (tls_pin_parse(&pin, d->pins.items[i]) != ERR_OK)
            config_report(r, d->line,
                          "domain %s: pin: %s: expected sha256/ and 44 "
                          "characters of base64",
                          name.text,
                          log_quote(slice_of(d->pins.items[i])).text);
    }
    if (d->mode == UPSTREAM_PLAIN && d->pins.n > 0)
        config_report(r, d->line,
                      "domain %s: pin means nothing with mode = plain",
                      name.text);
    if (d->allows_private && strcmp(d->pattern, "*") == 0)
        config_report(r, d->line,
                      "domain %s: private = yes is for named domains: anybody "
                      "may have one that names addresses of this network",
                      name.text);
    if (d->mode == UPSTREAM_PLAIN && !d->verify)
        config_report(r, d->line,
                      "domain %s: verify = no means nothing with mode = plain",
                      name.text);
}

static void report_pattern(const struct config_domain *d,
                           const struct domain_rule *rule,
                           struct config_report *r)
{
    struct domain_name name;
    struct log_quoted text = log_quote(slice_of(d->pattern));

    if (!rule->is_denied &&
        domain_normalise(&name, slice_of(d->pattern)) == ERR_OK &&
        !domain_rule_may_reach(rule, &name))
        config_report(r, d->line,
                      "domain %s: an address that is not public needs a "
                      "route, or private = yes",
                      text.text);
    else
        config_report(r, d->line,
                      "domain %s: not a domain name, or the same as an "
                      "earlier one; expected a name, an address, a .suffix "
                      "or \"*\"; default = yes is for one name that is served",
                      text.text);
}

/* A rule that says of its domain what the table asks. */
static enum err pattern_rule(struct domain_rule *rule,
                             const struct config_domain *d)
{
    bool has_route = d->routes.n > 0 && d->routes.items[0][0] != '\0';

    *rule = (struct domain_rule){
        .pattern = strdup(d->pattern),
        .is_denied = d->is_denied,
        .is_default = d->is_default,
        .allows_private = d->allows_private,
    };
    if (rule->pattern == NULL)
        return ERR_NOMEM;
    return has_route ? domain_rule_add_route(rule, "", XMPP_PORT) : ERR_OK;
}

/* The table itself knows which patterns it takes. */
static enum err check_patterns(const struct config *c, struct config_report *r)
{
    struct domain_table *table = NULL;
    enum err err = domain_table_new(&table);

    for (size_t i = 0; err == ERR_OK && i < c->n_domains; i++) {
        struct domain_rule rule;

        err = pattern_rule(&rule, &c->domains[i]);
        if (err == ERR_OK)
            err = domain_table_add(table, &rule);
        if (err == ERR_OK)
            continue;
        if (err == ERR_INVALID) {
            report_pattern(&c->domains[i], &rule, r);
            err = ERR_OK;
        }
        domain_rule_fini(&rule);
    }
    domain_table_free(table);
    return err;
}

/* --- Origins -------------------------------------------------------------- */

static bool config_check_is_port(const char *text)
{
    size_t len = strspn(text, "0123456789");

    return len > 0 && len <= 5 && text[len] == '\0' &&
           strtoul(text, NULL, 10) <= 65535;
}

/* scheme://host[:port], as a browser writes it in Origin (RFC 6454). */
static bool is_site(const char *text, bool may_be_below)
{
    const char *host = strstr(text, "://");
    size_t len;

    if (host == NULL || !isalpha((unsigned char)text[0]) ||
        strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789+-.") !=
            (size_t)(host - text))
        return false;
    host += 3;
    if (may_be_below && strncmp(host, "*.", 2) == 0)
        host += 2;
    if (host[0] == '[') {
        len = strspn(host + 1, "0123456789abcdef:.") + 2;
        if (host[len - 1] != ']' || len < 4)
            return false;
    } else {
        len = strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._");
        if (len == 0)
            return false;
    }
    return host[len] == '\0' ||
           (host[len] == ':' && config_check_is_port(host + len + 1));
}

static bool is_origin(const char *text)
{
    return strcmp(text, "null") == 0 || strcmp(text, "file://") == 0 ||
           is_site(text, true);
}

/* A name of a header, which is a token (RFC 9110 section 5.1), or "*". */
static bool is_header_name(const char *text)
{
    return text[0] != '\0' &&
           text[strspn(text, "!#$%&'*+-.^_`|~0123456789"
                             "abcdefghijklmnopqrstuvwxyz"
                             "ABCDEFGHIJKLMNOPQRSTUVWXYZ")] == '\0';
}

static void check_allow_headers(const struct config *c, struct config_report *r)
{
    const struct config_list *list = &c->http.allow_headers;
    unsigned line = line_of(c, SECTION_HTTP, "allow_headers");
    size_t len = 0;

    for (size_t i = 0; i < list->n; i++) {
        const char *item = list->items[i];

        len += strlen(item) + strlen(", ");
        if (!is_header_name(item))
            config_report(r, line,
                          "http.allow_headers: %s: expected the name of a "
                          "header",
                          log_quote(slice_of(item)).text);
        else if (strcmp(item, "*") == 0 && c->http.credentials)
            config_report(r, line,
                          "http.allow_headers: \"*\" has no meaning for "
                          "browsers with http.credentials = yes");
    }
    if (len > HTTP_ALLOWED_MAX_BYTES)
        config_report(r, line, "http.allow_headers: more than %d bytes",
                      HTTP_ALLOWED_MAX_BYTES);
}

static void check_origins(struct config *c, struct config_report *r)
{
    struct config_list *list = &c->http.origins;
    unsigned line = line_of(c, SECTION_HTTP, "origins");
    bool is_any = list->n == 1 && strcmp(list->items[0], "*") == 0;

    for (size_t i = 0; i < list->n && !is_any; i++) {
        char *item = list->items[i];

        for (char *p = item; *p != '\0'; p++)
            *p = (char)tolower((unsigned char)*p);
        if (strcmp(item, "*") == 0)
            config_report(r, line, "http.origins: \"*\" stands alone");
        else if (!is_origin(item))
            config_report(r, line,
                          "http.origins: %s: expected scheme://host, "
                          "scheme://host:port, null or file://; a host may "
                          "be *.example.org",
                          log_quote(slice_of(item)).text);
    }
    if (c->http.credentials && (is_any || list->n == 0))
        config_report(r, line_of(c, SECTION_HTTP, "credentials"),
                      "http.credentials = yes needs a list of origins");
}

/* scheme://host[:port] and a path, nothing that would not stand in a URI. */
static bool is_websocket_uri(const char *text)
{
    char origin[512];
    const char *host = strstr(text, "://");
    size_t len;

    if (strncmp(text, "ws://", 5) != 0 && strncmp(text, "wss://", 6) != 0)
        return false;
    for (const char *p = text; *p != '\0'; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("\"<>\\^`{|}#", *p) != NULL)
            return false;
    len = (size_t)(host - text) + 3;
    len += strcspn(text + len, "/?");
    if (len >= sizeof(origin))
        return false;
    for (size_t i = 0; i < len; i++)
        origin[i] = (char)tolower((unsigned char)text[i]);
    origin[len] = '\0';
    return is_site(origin, false);
}

static void check_websocket(const struct config *c, struct config_report *r)
{
    const char *uri = c->websocket.see_other_uri;

    if (uri[0] != '\0' && !is_websocket_uri(uri))
        config_report(r, line_of(c, SECTION_WEBSOCKET, "see_other_uri"),
                      "websocket.see_other_uri = %s: expected ws://host or "
                      "wss://host, with port and path where needed",
                      log_quote(slice_of(uri)).text);
}

/* --- Proxies in front ----------------------------------------------------- */

/* The networks of a list; NULL: no memory. */
static struct addr_net *read_nets(const struct config_list *list, unsigned line,
                                  const char *key, struct config_report *r)
{
    struct addr_net *nets = calloc(list->n > 0 ? list->n : 1, sizeof(*nets));

    for (size_t i = 0; nets != NULL && i < list->n; i++)
        if (addr_net_parse(&nets[i], list->items[i]) != ERR_OK)
            config_report(r, line,
                          "%s: %s: expected an address, a network such as "
                          "192.0.2.0/24 with nothing behind its bits, or "
                          "unix:",
                          key, log_quote(slice_of(list->items[i])).text);
    return nets;
}

static enum err read_networks(struct config *c, struct config_report *r)
{
    c->http.trusted = read_nets(&c->http.trusted_proxies,
                                line_of(c, SECTION_HTTP, "trusted_proxies"),
                                "http.trusted_proxies", r);
    c->upstream.forbidden =
        read_nets(&c->upstream.forbid, line_of(c, SECTION_UPSTREAM, "forbid"),
                  "upstream.forbid", r);
    return c->http.trusted == NULL || c->upstream.forbidden == NULL ? ERR_NOMEM
                                                                    : ERR_OK;
}

static enum err read_ports(struct config *c, struct config_report *r)
{
    const struct config_list *list = &c->upstream.ports;

    c->upstream.port_numbers =
        calloc(list->n > 0 ? list->n : 1, sizeof(uint16_t));
    if (c->upstream.port_numbers == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < list->n; i++)
        if (!addr_parse_port(list->items[i], &c->upstream.port_numbers[i]) ||
            c->upstream.port_numbers[i] == 0)
            config_report(r, line_of(c, SECTION_UPSTREAM, "ports"),
                          "upstream.ports: %s: expected a port from 1 to 65535",
                          log_quote(slice_of(list->items[i])).text);
    return ERR_OK;
}

static void check_proxies(const struct config *c, struct config_report *r)
{
    for (size_t i = 0; i < c->n_listens; i++) {
        const struct config_listen *l = &c->listens[i];

        if (l->proxy_protocol && c->http.trusted_proxies.n == 0)
            config_report(r, l->line,
                          "listen %s: proxy_protocol needs "
                          "http.trusted_proxies",
                          log_quote(slice_of(l->address)).text);
        if (l->secure && l->certificate[0] != '\0')
            config_report(r, l->line,
                          "listen %s: secure is for listeners without a "
                          "certificate",
                          log_quote(slice_of(l->address)).text);
    }
}

/* --- The rest ------------------------------------------------------------- */

/*
 * One of these must not be above the other.  A key that the file does not set
 * follows the one that it sets, where the table says so, and else keeps its
 * default.  The order matters: a pair may rely on those before it.
 */
enum follow {
    FOLLOW_NONE,  /* a fault only if both are set: alone, each makes sense */
    FOLLOW_LOWER, /* the lower one is lowered */
    FOLLOW_UPPER, /* the upper one is raised */
};

static const struct pair {
    enum config_section lower_section;
    const char *lower;
    enum config_section upper_section;
    const char *upper;
    enum follow follow;
    const char *why;
} pairs[] = {
    {SECTION_LIMITS, "stanza_max_unauthenticated", SECTION_LIMITS, "stanza_max",
     FOLLOW_LOWER, "a login would take away what was allowed before it"},
    {SECTION_LIMITS, "stanza_max_unauthenticated", SECTION_LIMITS,
     "stanza_max_login", FOLLOW_UPPER,
     "a login consists of such elements, too"},
    {SECTION_LIMITS, "stanza_max_login", SECTION_LIMITS, "stanza_max",
     FOLLOW_LOWER, "a login would take away what was allowed before it"},
    {SECTION_LIMITS, "stanza_max", SECTION_LIMITS, "body_max", FOLLOW_UPPER,
     "no request has room for such a stanza"},
    {SECTION_BOSH, "answer_max", SECTION_LIMITS, "queue_max", FOLLOW_LOWER,
     "so much never waits"},
    {SECTION_BOSH, "wait", SECTION_BOSH, "wait_max", FOLLOW_LOWER,
     "clients that ask for nothing would get more than those that ask"},
    {SECTION_UPSTREAM, "connect_timeout", SECTION_LIMITS,
     "authenticate_timeout", FOLLOW_NONE,
     "the session ends before the server may have answered"},
    {SECTION_UPSTREAM, "stream_timeout", SECTION_LIMITS, "authenticate_timeout",
     FOLLOW_NONE, "the session ends before the server may have answered"},
    {SECTION_UPSTREAM, "target_timeout", SECTION_UPSTREAM, "connect_timeout",
     FOLLOW_LOWER, "one server may not take more time than all together"},
    {SECTION_UPSTREAM, "attempt_timeout", SECTION_UPSTREAM, "target_timeout",
     FOLLOW_LOWER, "one address may not take more time than its server"},
    {SECTION_UPSTREAM, "dns_timeout", SECTION_UPSTREAM, "connect_timeout",
     FOLLOW_LOWER, "one question may not take more time than all together"},
    {SECTION_UPSTREAM, "connects_per_network", SECTION_UPSTREAM, "connects_max",
     FOLLOW_LOWER, "a part may not be more than all together"},
    {SECTION_UPSTREAM, "connects_per_client", SECTION_UPSTREAM, "connects_max",
     FOLLOW_LOWER, "a part may not be more than all together"},
};

#define NUMBER_MAX_CHARS 32

/* Times in ms, whatever the key's unit. */
static uint64_t key_number(const struct config_key *key, const struct config *c)
{
    const char *at = (const char *)c + key->offset;

    if (key->type == CONFIG_BYTES)
        return *(const size_t *)(const void *)at;
    if (key->type == CONFIG_SECONDS)
        return *(const unsigned *)(const void *)at * UINT64_C(1000);
    return *(const unsigned *)(const void *)at;
}

static void key_set_number(const struct config_key *key, struct config *c,
                           uint64_t value)
{
    char *at = (char *)c + key->offset;

    if (key->type == CONFIG_BYTES)
        *(size_t *)(void *)at = (size_t)value;
    else if (key->type == CONFIG_SECONDS)
        *(unsigned *)(void *)at = (unsigned)(value / 1000);
    else
        *(unsigned *)(void *)at = (unsigned)value;
}

/* "64k", as the file writes it. */
static const char *word_of(const struct config_key *key, const struct config *c,
                           char out[NUMBER_MAX_CHARS])
{
    struct buf text;

    buf_init(&text, NUMBER_MAX_CHARS - 1);
    if (config_value_write(key, c, &text) != ERR_OK)
        buf_truncate(&text, 0);
    memcpy(out, buf_at(&text), text.len);
    out[text.len] = '\0';
    buf_free(&text);
    return out;
}

static void report_pair(const struct config *c, const struct pair *p,
                        struct config_report *r)
{
    const struct config_key *lower =
        config_key_find(p->lower_section, p->lower);
    const struct config_key *upper =
        config_key_find(p->upper_section, p->upper);
    char low[NUMBER_MAX_CHARS];
    char high[NUMBER_MAX_CHARS];

    config_report(r,
                  later(line_of(c, p->lower_section, p->lower),
                        line_of(c, p->upper_section, p->upper)),
                  "%s.%s = %s is above %s.%s = %s: %s; lower the first or "
                  "raise the second",
                  config_section_name(p->lower_section), p->lower,
                  word_of(lower, c, low), config_section_name(p->upper_section),
                  p->upper, word_of(upper, c, high), p->why);
}

static void check_pair(struct config *c, const struct pair *p,
                       struct config_report *r)
{
    const struct config_key *lower =
        config_key_find(p->lower_section, p->lower);
    const struct config_key *upper =
        config_key_find(p->upper_section, p->upper);
    bool has_lower = c->marks[lower - config_keys].is_set;
    bool has_upper = c->marks[upper - config_keys].is_set;

    if (key_number(lower, c) <= key_number(upper, c))
        return;
    if (p->follow == FOLLOW_LOWER && !has_lower)
        key_set_number(lower, c, key_number(upper, c));
    else if (p->follow == FOLLOW_UPPER && !has_upper)
        key_set_number(upper, c, key_number(lower, c));
    else if (p->follow == FOLLOW_LOWER || (has_lower && has_upper))
        report_pair(c, p, r);
}

static void check_pairs(struct config *c, struct config_report *r)
{
    const struct config_key *maxpause =
        config_key_find(SECTION_BOSH, "maxpause");
    static const struct pair away = {
        SECTION_BOSH,
        "inactivity",
        SECTION_BOSH,
        "maxpause",
        FOLLOW_NONE,
        "who asks for a pause would be given less time than who does not"};

    for (size_t i = 0; i < COUNT_OF(pairs); i++)
        check_pair(c, &pairs[i], r);
    if (key_number(maxpause, c) > 0) /* 0s: there is none */
        check_pair(c, &away, r);
}

static void check_bosh(const struct config *c, struct config_report *r)
{
    if (strspn(c->bosh.node, "abcdefghijklmnopqrstuvwxyz0123456789") !=
        strlen(c->bosh.node))
        config_report(r, line_of(c, SECTION_BOSH, "node"),
                      "bosh.node = %s: expected 1 to %d of a-z and 0-9",
                      log_quote(slice_of(c->bosh.node)).text, CONFIG_NODE_MAX);
}

/* A comma-separated list of literals with or without port. */
static void check_dns(const struct config *c, struct config_report *r)
{
    const char *at = c->upstream.dns_servers;

    while (*at != '\0') {
        size_t len = strcspn(at, ",");
        char text[ADDR_TEXT_BYTES];
        char host[ADDR_TEXT_BYTES];
        uint16_t port;

        snprintf(text, sizeof(text), "%.*s", (int)len, at);
        if (len == 0 || len >= sizeof(text) ||
            addr_split(text, host, sizeof(host), &port, DNS_PORT) != ERR_OK ||
            !addr_is_ip_literal(host)) {
            config_report(r, line_of(c, SECTION_UPSTREAM, "dns_servers"),
                          "upstream.dns_servers = %s: expected addresses such "
                          "as 192.0.2.1:53,[2001:db8::1]:53",
                          log_quote(slice_of(c->upstream.dns_servers)).text);
            return;
        }
        at += len;
        at += *at == ',';
    }
}

enum err config_check(struct config *c, struct config_report *r)
{
    enum err err;

    for (size_t i = 0; i < c->n_listens; i++)
        check_listen(c, &c->listens[i], r);
    for (size_t i = 0; i < c->n_domains; i++)
        check_domain(&c->domains[i], r);
    err = check_patterns(c, r);
    if (err == ERR_OK)
        err = read_networks(c, r);
    if (err == ERR_OK)
        err = read_ports(c, r);
    if (err != ERR_OK)
        return err;
    check_proxies(c, r);
    check_bosh(c, r);
    check_websocket(c, r);
    check_origins(c, r);
    check_allow_headers(c, r);
    check_pairs(c, r);
    check_dns(c, r);
    return r->n == 0 ? ERR_OK : ERR_INVALID;
}
