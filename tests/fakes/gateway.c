#include "gateway.h"

#include "fake_resolve.h"
#include "fakes.h"
#include "session/bosh.h"
#include "upstream/domain.h"
#include "xmpp/xml_read.h"
#include "session/session_host.h"

#include <stdlib.h>

#define LONG_MS 7200000u

#define REQUIRE(fact)                                                          \
    do {                                                                       \
        if (!(fact))                                                           \
            abort();                                                           \
    } while (0)

struct session_settings gateway_settings(void)
{
    return (struct session_settings){
        .stream = {.upstream = {.connect_ms = LONG_MS,
                                .target_ms = LONG_MS,
                                .attempt_ms = LONG_MS,
                                .delay_ms = LONG_MS,
                                .stall_ms = LONG_MS,
                                .queue_max_bytes = 100000,
                                .high_bytes = 50000,
                                .low_bytes = 10000},
                   .header_ms = LONG_MS,
                   .close_ms = 1000,
                   .element_max_bytes = 10000},
        .stanza_max_unauthenticated_bytes = 10000,
        .stanza_max_bytes = 20000,
        .queue_max_bytes = 100000,
        .authenticate_ms = LONG_MS,
        .sessions_max = 4,
        .ws = {.open_ms = 1000, .close_ms = 1000},
        .bosh = {.wait_s = 60,
                 .wait_max_s = 60,
                 .hold_max = 1,
                 .inactivity_s = LONG_MS / 1000,
                 .tombstone_s = 1,
                 .tombstones_max_bytes = 100000,
                 .repeats_max = 10,
                 .gap_ms = 2000,
                 .answer_max_bytes = 10000},
    };
}

static void serve_domain(struct gateway *g)
{
    struct domain_rule rule = {.mode = UPSTREAM_PLAIN};

    rule.pattern = strdup("example.org");
    REQUIRE(rule.pattern != NULL);
    REQUIRE(domain_rule_add_route(&rule, "127.0.0.1", 5222) == ERR_OK);
    REQUIRE(domain_table_new(&g->domains) == ERR_OK);
    REQUIRE(domain_table_add(g->domains, &rule) == ERR_OK);
}

void gateway_begin(struct gateway *g, const struct session_settings *settings)
{
    struct session_host_params params = {.node = "n", .settings = *settings};

    REQUIRE(loop_new(&g->loop) == ERR_OK);
    REQUIRE(xml_pool_new(&g->pool, 2) == ERR_OK);
    REQUIRE(element_copier_new(&g->copier) == ERR_OK);
    REQUIRE(resolver_new(&g->resolver, g->loop,
                         &(struct resolver_params){.timeout_ms = 10}) ==
            ERR_OK);
    serve_domain(g);
    params.env.loop = g->loop;
    params.env.resolver = g->resolver;
    params.env.pool = g->pool;
    params.env.copier = g->copier;
    params.domains = g->domains;
    REQUIRE(session_host_new(&g->host, &params) == ERR_OK);
}

void gateway_end(struct gateway *g)
{
    bosh_drop_all(g->host);
    fake_loop_pass(g->loop, 5000);
    for (size_t i = 0; i < fake_sock_connects(); i++)
        fake_sock_lost(fake_sock_connect_at(i), SOCK_RESET);
    fake_loop_pass(g->loop, 5000);
    REQUIRE(session_host_count(g->host) == 0);
    session_host_free(g->host);
    resolver_free(g->resolver);
    domain_table_free(g->domains);
    element_copier_free(g->copier);
    REQUIRE(fake_loop_timers(g->loop) == 0);
    loop_free(g->loop);
    xml_pool_free(g->pool);
    REQUIRE(fake_sock_reset() == 0);
    fake_resolve_reset();
}
