#include "run_settings.h"

#include "net/addr.h"

#include <stdlib.h>

struct settings settings;

enum unit {
    UNIT_S,
    UNIT_MS,
    UNIT_BYTES, /* size_t */
    UNIT_COUNT,
    UNIT_BOOL,
};

#define AT(field) offsetof(struct settings, field)

/* As doab.conf names them. */
static const struct key {
    const char *name;
    enum unit unit;
    size_t offset;
    size_t initial; /* ms where it is a time of either unit */
} keys[] = {
    {"bosh.wait", UNIT_S, AT(session.bosh.wait_s), 45000},
    {"bosh.wait_max", UNIT_S, AT(session.bosh.wait_max_s), 45000},
    {"bosh.hold_max", UNIT_COUNT, AT(session.bosh.hold_max), 2},
    {"bosh.inactivity", UNIT_S, AT(session.bosh.inactivity_s), 90000},
    {"bosh.polling", UNIT_S, AT(session.bosh.polling_s), 2000},
    {"bosh.maxpause", UNIT_S, AT(session.bosh.maxpause_s), 120000},
    {"bosh.tombstone", UNIT_S, AT(session.bosh.tombstone_s), 60000},
    {"bosh.tombstones_max", UNIT_BYTES, AT(session.bosh.tombstones_max_bytes),
     8388608},
    {"bosh.repeats_max", UNIT_COUNT, AT(session.bosh.repeats_max), 10},
    {"bosh.gap_timeout", UNIT_MS, AT(session.bosh.gap_ms), 5000},
    {"bosh.answer_max", UNIT_BYTES, AT(session.bosh.answer_max_bytes), 65536},
    {"bosh.gzip", UNIT_COUNT, AT(gzip), 0},
    {"bosh.gzip_min", UNIT_BYTES, AT(gzip_min_bytes), 1024},
    {"websocket.ping", UNIT_S, AT(session.ws.ping_s), 30000},
    {"websocket.ping_timeout", UNIT_S, AT(session.ws.ping_timeout_s), 30000},
    {"websocket.open_timeout", UNIT_MS, AT(session.ws.open_ms), 10000},
    {"websocket.close_timeout", UNIT_MS, AT(session.ws.close_ms), 5000},
    {"websocket.legacy", UNIT_BOOL, AT(session.ws.is_legacy_allowed), 0},
    {"http.header_timeout", UNIT_MS, AT(http.header_ms), 10000},
    {"http.body_timeout", UNIT_MS, AT(http.body_ms), 10000},
    {"http.idle_timeout", UNIT_MS, AT(http.idle_ms), 130000},
    {"http.write_timeout", UNIT_MS, AT(http.sock.stall_ms), 30000},
    {"http.header_max", UNIT_BYTES, AT(http.header_max_bytes), 16384},
    {"http.queue_max", UNIT_BYTES, AT(http.sock.queue_max_bytes), 1048576},
    {"http.queue_high", UNIT_BYTES, AT(http.sock.high_bytes), 65536},
    {"http.queue_low", UNIT_BYTES, AT(http.sock.low_bytes), 16384},
    {"http.tls_timeout", UNIT_MS, AT(http.sock.handshake_ms), 10000},
    {"upstream.connect_timeout", UNIT_MS,
     AT(session.stream.upstream.connect_ms), 15000},
    {"upstream.target_timeout", UNIT_MS, AT(session.stream.upstream.target_ms),
     7000},
    {"upstream.attempt_delay", UNIT_MS, AT(session.stream.upstream.delay_ms),
     250},
    {"upstream.attempt_timeout", UNIT_MS,
     AT(session.stream.upstream.attempt_ms), 5000},
    {"upstream.write_timeout", UNIT_MS, AT(session.stream.upstream.stall_ms),
     30000},
    {"upstream.stanza_max", UNIT_BYTES, AT(session.stream.element_max_bytes),
     2097152},
    {"upstream.queue_max", UNIT_BYTES,
     AT(session.stream.upstream.queue_max_bytes), 524288},
    {"upstream.queue_high", UNIT_BYTES, AT(session.stream.upstream.high_bytes),
     65536},
    {"upstream.queue_low", UNIT_BYTES, AT(session.stream.upstream.low_bytes),
     16384},
    {"upstream.stream_timeout", UNIT_MS, AT(session.stream.header_ms), 15000},
    {"upstream.close_timeout", UNIT_MS, AT(session.stream.close_ms), 5000},
    {"upstream.keepalive", UNIT_MS, AT(session.stream.keepalive_ms), 300000},
    {"upstream.connects_max", UNIT_BYTES, AT(connects_max), 0},
    {"upstream.tell_cause", UNIT_BOOL, AT(session.tells_cause), 0},
    {"upstream.strip_plain", UNIT_BOOL, AT(session.strips_plain), 0},
    {"limits.body_max", UNIT_BYTES, AT(http.body_max_bytes), 262144},
    {"limits.stanza_max", UNIT_BYTES, AT(session.stanza_max_bytes), 262144},
    {"limits.stanza_max_unauthenticated", UNIT_BYTES,
     AT(session.stanza_max_unauthenticated_bytes), 10000},
    {"limits.stanza_max_login", UNIT_BYTES, AT(session.stanza_max_login_bytes),
     65536},
    {"limits.queue_max", UNIT_BYTES, AT(session.queue_max_bytes), 524288},
    {"limits.authenticate_timeout", UNIT_MS, AT(session.authenticate_ms),
     120000},
    {"limits.sessions_max", UNIT_BYTES, AT(session.sessions_max), 1000},
};

static void store(const struct key *key, size_t value)
{
    void *at = (char *)&settings + key->offset;

    if (key->unit == UNIT_BYTES)
        *(size_t *)at = value;
    else if (key->unit == UNIT_BOOL)
        *(bool *)at = value != 0;
    else
        *(unsigned *)at =
            (unsigned)(key->unit == UNIT_S ? value / 1000 : value);
}

/* Times in ms, sizes in bytes. */
bool settings_number(const char *text, size_t *out)
{
    static const struct {
        const char *suffix;
        size_t factor;
    } suffixes[] = {
        {"", 1}, {"ms", 1}, {"s", 1000}, {"m", 60000}, {"k", 1024},
    };
    char *end;

    *out = strtoul(text, &end, 10);
    for (size_t i = 0; i < COUNT_OF(suffixes) && end != text; i++) {
        if (strcmp(end, suffixes[i].suffix) != 0)
            continue;
        *out *= suffixes[i].factor;
        return true;
    }
    return false;
}

void settings_reset(void)
{
    domain_table_free(settings.domains);
    memset(&settings, 0, sizeof(settings));
    settings.origins.any = true;
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        store(&keys[i], keys[i].initial);
}

static bool set_origins(struct run *r, const char *value)
{
    settings.origins.any = strcmp(value, "*") == 0;
    settings.origin = arena_text(&r->arena, slice_of(value));
    settings.origins.list = &settings.origin;
    settings.origins.n =
        settings.origins.any || strcmp(value, "none") == 0 ? 0 : 1;
    return true;
}

static bool set_key(struct run *r, const char *name, const char *value)
{
    size_t number;

    if (strcmp(name, "http.origins") == 0)
        return set_origins(r, value);
    if (strcmp(name, "http.cors_headers") == 0) {
        settings.origins.leaves_headers = strcmp(value, "no") == 0;
        return true;
    }
    if (strcmp(name, "websocket.see_other_uri") == 0) {
        settings.session.ws.see_other_uri =
            arena_text(&r->arena, slice_of(value));
        return true;
    }
    if (strcmp(value, "yes") == 0)
        value = "1";
    if (!settings_number(value, &number))
        return fail(r, "a number with unit", "%s", value);
    for (size_t i = 0; i < COUNT_OF(keys); i++) {
        if (strcmp(keys[i].name, name) != 0)
            continue;
        store(&keys[i], number);
        return true;
    }
    return fail(r, "a known key", "%s", name);
}

bool settings_config(struct run *r, const struct step *s)
{
    const char *key;
    const char *value;

    if (r->world != NULL)
        return fail(r, "config before the first step that acts", "it is late");
    for (size_t i = 1; i < s->n_words; i++) {
        if (!word_split(r, s->words[i], &key, &value))
            return fail(r, "key=value", "%s", s->words[i]);
        if (!set_key(r, key, value))
            return false;
    }
    return true;
}

/* What a rule with TLS has: the fake sockets never look at it. */
static struct tls_ctx *some_tls(void)
{
    static char place;

    return (struct tls_ctx *)(void *)&place;
}

bool settings_add_domain(struct run *r, const char *pattern, const char *route,
                         enum upstream_mode mode, bool is_default)
{
    struct domain_rule rule = {
        .mode = mode,
        .is_verified = true,
        .is_default = is_default,
    };
    char host[256];
    uint16_t port;

    if (settings.domains == NULL &&
        domain_table_new(&settings.domains) != ERR_OK)
        return fail(r, "a table", "no memory");
    rule.pattern = strdup(pattern);
    rule.tls = mode == UPSTREAM_PLAIN ? NULL : some_tls();
    if (route != NULL &&
        addr_split(route, host, sizeof(host), &port, 5222) == ERR_OK &&
        domain_rule_add_route(&rule, host, port) != ERR_OK)
        return fail(r, "a route", "no memory");
    if (domain_table_add(settings.domains, &rule) == ERR_OK)
        return true;
    domain_rule_fini(&rule);
    return fail(r, "a domain", "%s", pattern);
}

/* domain example.org mode=plain route=127.0.0.1:5222 default */
bool settings_domain(struct run *r, const struct step *s)
{
    static const struct {
        const char *name;
        enum upstream_mode mode;
    } modes[] = {
        {"plain", UPSTREAM_PLAIN},
        {"starttls", UPSTREAM_STARTTLS},
        {"tls", UPSTREAM_TLS},
        {"opportunistic", UPSTREAM_OPPORTUNISTIC},
    };
    const char *mode = step_value(s, 2, "mode");

    if (r->world != NULL || s->n_words < 2)
        return fail(r, "domain NAME, before the first step that acts", "not");
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        if (strcmp(mode == NULL ? "plain" : mode, modes[i].name) == 0)
            return settings_add_domain(r, s->words[1],
                                       step_value(s, 2, "route"), modes[i].mode,
                                       step_has(s, 2, "default"));
    }
    return fail(r, "mode=plain, opportunistic, starttls or tls", "%s", mode);
}
