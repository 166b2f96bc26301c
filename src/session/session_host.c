#include "session_int.h"

#include "base/table.h"
#include "session/session.h"
#include "upstream/domain.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ERR_NOMEM. */
static enum err keep_texts(struct session_host *host)
{
    const char *uri = host->settings.ws.see_other_uri;

    host->see_other_uri = strdup(uri == NULL ? "" : uri);
    host->settings.ws.see_other_uri = host->see_other_uri;
    return host->see_other_uri == NULL ? ERR_NOMEM : ERR_OK;
}

enum err session_host_new(struct session_host **out,
                          const struct session_host_params *params)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    struct session_host *host = calloc(1, sizeof(*host));

    if (host == NULL)
        return ERR_NOMEM;
    assert(params->worker < sizeof(digits) - 1);
    host->env = params->env;
    host->domains = params->domains;
    host->settings = params->settings;
    trim_init(&host->trim, params->env.loop);
    slots_init(&host->own_places, params->settings.sessions_max);
    tombstones_init(&host->tombstones,
                    params->settings.bosh.tombstones_max_bytes);
    host->places = params->places != NULL ? params->places : &host->own_places;
    host->refused_limit = (struct log_limit)LOG_LIMIT_INIT;
    /* The generation is 'a' until a new process can take over from an old
     * one; its place is there from the first day. */
    snprintf(host->sid_prefix, sizeof(host->sid_prefix), "%.16s-%ca",
             params->node, digits[params->worker]);
    host->sid_prefix_len = strlen(host->sid_prefix);
    if (keep_texts(host) != ERR_OK ||
        table_new(&host->sids, SIZE_MAX) != ERR_OK) {
        free(host->see_other_uri);
        free(host);
        return ERR_NOMEM;
    }
    *out = host;
    return ERR_OK;
}

void session_host_free(struct session_host *host)
{
    if (host == NULL)
        return;
    assert(host->count == 0);
    trim_stop(&host->trim);
    table_free(host->sids);
    free(host->see_other_uri);
    free(host);
}

void session_host_drain(struct session_host *host)
{
    host->is_draining = true;
    session_shutdown_all(host);
}

bool session_host_is_draining(const struct session_host *host)
{
    return host->is_draining;
}

size_t session_host_count(const struct session_host *host)
{
    return host->count;
}

bool session_host_is_full(const struct session_host *host)
{
    return slots_is_full(host->places);
}

const char *session_host_default(const struct session_host *host)
{
    const struct domain_rule *rule = domain_table_default(host->domains);

    return rule == NULL ? NULL : rule->pattern;
}

const struct session_settings *session_host_settings(
    const struct session_host *host)
{
    return &host->settings;
}

struct loop *session_host_loop(const struct session_host *host)
{
    return host->env.loop;
}

struct xml_pool *session_host_pool(const struct session_host *host)
{
    return host->env.pool;
}

struct element_copier *session_host_copier(const struct session_host *host)
{
    return host->env.copier;
}

struct table *session_host_sids(const struct session_host *host)
{
    return host->sids;
}

struct tombstones *session_host_tombstones(struct session_host *host)
{
    return &host->tombstones;
}

struct slice session_host_sid_prefix(const struct session_host *host)
{
    return (struct slice){host->sid_prefix, host->sid_prefix_len};
}
