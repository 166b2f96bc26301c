#include "worker_int.h"

#include "worker_pool.h"
#include "net/tls_cache.h"
#include "session/session.h"
#include "session/session_host.h"
#include "upstream/target_history.h"
#include "dns/resolve.h"
#include "upstream/connect_limit.h"
#include "xmpp/element.h"
#include "xmpp/stream.h"
#include "xmpp/xml_read.h"

#include <stdio.h>
#include <stdlib.h>

#define IDLE_PARSERS_MAX 64 /* 10 to 64 KB each */

static enum err make_resolver(struct worker *w)
{
    const struct config *c = w->params.config;
    const char *servers = c->upstream.dns_servers;
    struct resolver_params params = {
        .timeout_ms = c->upstream.dns_ms,
        .servers = servers[0] == '\0' ? NULL : servers,
        .has_timeout_fallback = c->upstream.has_srv_timeout_fallback,
        .cache_max_bytes = c->upstream.dns_cache_max_bytes,
        .ttl_min_s = RESOLVE_TTL_MIN_S,
        .ttl_max_s = c->upstream.dns_ttl_max_s,
        .stale_s = c->upstream.dns_stale_s,
        .queries_max = c->upstream.dns_queries_max,
    };

    return resolver_new(&w->resolver, w->loop, &params);
}

/* The addresses are those that are really listened on: a port 0 is another one
 * by now. */
static enum err make_shared(struct worker *w)
{
    const struct config *c = w->params.config;
    struct connect_limit_limits connect_limit = {
        .all = c->upstream.connects_max,
        .per_network = c->upstream.connects_per_network,
        .per_client = c->upstream.connects_per_client,
        .waiting = c->upstream.connects_waiting_max,
    };
    enum err err;

    w->policy.ports = c->upstream.port_numbers;
    w->policy.n_ports = c->upstream.ports.n;
    w->policy.forbidden = c->upstream.forbidden;
    w->policy.n_forbidden = c->upstream.forbid.n;
    w->listeners = calloc(c->n_listens, sizeof(*w->listeners));
    if (w->listeners == NULL)
        return ERR_NOMEM;
    w->policy.listeners = w->listeners;
    for (size_t i = 0; i < c->n_listens; i++)
        if (w->params.fds[i] >= 0 &&
            addr_of_local(&w->listeners[w->policy.n_listeners],
                          w->params.fds[i]) == ERR_OK)
            w->policy.n_listeners++;
    err = connect_limit_new(&w->connect_limit, w->loop, &connect_limit);
    return err == ERR_OK ? target_history_new(&w->history) : err;
}

static enum err make_sessions(struct worker *w, char *why, size_t why_cap)
{
    const struct config *c = w->params.config;
    enum err err = tls_cache_new(&w->tls_cache, c->upstream.tls_sessions_max);
    struct settings_tls tls = {w->tls_cache, w->params.roots};
    struct session_host_params params = {
        .settings = settings_session(c),
        .places = &w->params.pool->sessions,
        .worker = w->params.number,
        .node = c->bosh.node,
    };

    if (err == ERR_OK)
        err = settings_domains_new(&w->domains, c, &tls, why, why_cap);
    if (err != ERR_OK)
        return err;
    params.domains = w->domains.table;
    params.env = (struct stream_env){
        .loop = w->loop,
        .resolver = w->resolver,
        .pool = w->pool,
        .copier = w->copier,
        .shared = {&w->policy, w->connect_limit, w->history},
    };
    return session_host_new(&w->sessions, &params);
}

enum err worker_build(struct worker *w, char *why, size_t why_cap)
{
    enum err err = loop_new(&w->loop);

    if (err != ERR_OK)
        return err;
    err = make_resolver(w);
    if (err == ERR_INVALID)
        snprintf(why, why_cap, "upstream.dns_servers: not a list of addresses");
    if (err == ERR_OK)
        err = xml_pool_new(&w->pool, IDLE_PARSERS_MAX);
    if (err == ERR_OK)
        err = element_copier_new(&w->copier);
    if (err == ERR_OK)
        err = make_shared(w);
    if (err == ERR_OK)
        err = make_sessions(w, why, why_cap);
    if (err == ERR_OK)
        err = worker_front_open(w, why, why_cap);
    return err;
}
