/*
 * upstream_world.h - one upstream on the fakes, for its tests: what the
 * owner is told becomes a line of text.
 */
#ifndef TESTS_UPSTREAM_WORLD_H
#define TESTS_UPSTREAM_WORLD_H

#include "../fakes/fake_resolve.h"
#include "../fakes/fakes.h"
#include "base/log.h"
#include "base/metrics.h"
#include "upstream/upstream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define CONNECT_MS 15000
#define ATTEMPT_MS 4000
#define DELAY_MS   250

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct domain_rule rule;
    struct domain_route route;
    struct domain_route *routes; /* of the next start, unless it names one */
    size_t n_routes;
    struct upstream_shared shared; /* and the rest of its parameters */
    const char *name;              /* of the domain; NULL: example.org */
    const char *asked;
    const struct addr *client;
    bool allows_private;
    bool is_exact; /* the rule is of this domain alone */
    enum proxy_version proxy;
    struct domain_name domain;
    struct upstream *up;
    char host[64];
    char log[2000]; /* what the owner was told */
    char lines[4000];
    bool aborts;        /* lets go in each callback */
    unsigned target_ms; /* 0: no such limit */
    uint64_t start_ms;  /* later with each start: log limits go by it */
} w;

static void note(const char *text)
{
    size_t len = strlen(w.log);

    snprintf(w.log + len, sizeof(w.log) - len, "%s%s", len > 0 ? " " : "",
             text);
    if (!w.aborts)
        return;
    upstream_abort(w.up);
    w.up = NULL;
}

static void on_ready(void *owner, bool is_secured)
{
    note(is_secured ? "ready(tls)" : "ready");
}

static void on_secured(void *owner)
{
    note("secured");
}

static void on_received(void *owner, const char *at, size_t len)
{
    char text[100];

    snprintf(text, sizeof(text), "%.*s", (int)len, at);
    note(text);
}

static void on_drained(void *owner)
{
    note("drained");
}

static void on_ended(void *owner, enum upstream_end why)
{
    note(upstream_end_name(why));
}

static void on_line(const char *line, size_t len)
{
    size_t used = strlen(w.lines);

    snprintf(w.lines + used, sizeof(w.lines) - used, "%.*s\n", (int)len, line);
}

/* route: "host" or NULL for DNS. */
static void start(enum upstream_mode mode, const char *route, uint16_t port)
{
    static const struct upstream_ops ops = {
        .ready = on_ready,
        .secured = on_secured,
        .received = on_received,
        .drained = on_drained,
        .ended = on_ended,
    };
    struct upstream_params params;

    w.up = NULL;
    w.log[0] = w.lines[0] = '\0';
    w.aborts = false;
    memset(&params, 0, sizeof(params));
    memset(&w.rule, 0, sizeof(w.rule));
    assert_int_equal(loop_new(&w.loop), ERR_OK);
    assert_int_equal(
        resolver_new(&w.resolver, w.loop,
                     &(struct resolver_params){.timeout_ms = 1000}),
        ERR_OK);
    assert_int_equal(
        domain_normalise(&w.domain,
                         slice_of(w.name != NULL ? w.name : "example.org")),
        ERR_OK);
    log_set_sink(on_line);
    fake_loop_pass(w.loop, w.start_ms);
    w.start_ms += 60000;
    w.rule.mode = mode;
    w.rule.is_verified = true;
    w.rule.tls = (struct tls_ctx *)(void *)&w; /* the fake looks at none */
    w.rule.allows_private = w.allows_private;
    w.rule.is_exact = w.is_exact;
    w.rule.proxy = w.proxy;
    params.shared = w.shared;
    params.asked_host = w.asked;
    params.asked_port = 5222;
    params.client = w.client;
    w.rule.routes = w.routes;
    w.rule.n_routes = w.n_routes;
    if (route != NULL) {
        snprintf(w.host, sizeof(w.host), "%s", route);
        w.route = (struct domain_route){w.host, port};
        w.rule.routes = &w.route;
        w.rule.n_routes = 1;
    }
    params.loop = w.loop;
    params.resolver = w.resolver;
    params.rule = &w.rule;
    params.domain = &w.domain;
    params.limits.connect_ms = CONNECT_MS;
    params.limits.attempt_ms = ATTEMPT_MS;
    params.limits.delay_ms = DELAY_MS;
    params.limits.target_ms = w.target_ms;
    params.limits.queue_max_bytes = 1000;
    params.limits.high_bytes = 500;
    params.limits.low_bytes = 100;
    assert_int_equal(upstream_open(&w.up, &params, &ops, &w), ERR_OK);
    assert_string_equal(w.log, "");
}

/* Nothing may be left behind: no sock, timer, question. */
static void stop(void)
{
    upstream_abort(w.up);
    fake_loop_turn(w.loop);
    assert_int_equal(fake_resolve_pending(), 0);
    assert_int_equal(fake_loop_timers(w.loop), 0);
    resolver_free(w.resolver);
    loop_free(w.loop);
    assert_int_equal(fake_sock_reset(), 0);
    fake_resolve_reset();
    log_set_sink(NULL);
}

static inline struct fake_peer *server(void)
{
    fake_loop_turn(w.loop);
    assert_true(fake_sock_connects() > 0);
    return fake_sock_connect_at(fake_sock_connects() - 1);
}

static inline void answer(bool is_accepted)
{
    fake_sock_answer(server(), is_accepted);
    fake_loop_turn(w.loop);
}

static inline void secure(bool is_trusted)
{
    fake_sock_secure(server(), is_trusted);
    fake_loop_turn(w.loop);
}

static struct resolve_target target(const char *host, uint16_t port,
                                    bool is_direct)
{
    struct resolve_target t;

    memset(&t, 0, sizeof(t));
    snprintf(t.host, sizeof(t.host), "%s", host);
    t.port = port;
    t.is_direct_tls = is_direct;
    return t;
}

static void set_targets(const struct resolve_target *targets, size_t n)
{
    fake_resolve_set_srv("example.org", RESOLVE_OK, targets, n);
}

/* The addresses that were connected to, in order. */
static const char *connects(void)
{
    static char text[2000];
    size_t len = 0;

    fake_loop_turn(w.loop);
    text[0] = '\0';
    for (size_t i = 0; i < fake_sock_connects(); i++) {
        struct addr_text a =
            addr_format(fake_sock_address(fake_sock_connect_at(i)));

        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s",
                                i > 0 ? " " : "", a.text);
    }
    return text;
}

#endif /* TESTS_UPSTREAM_WORLD_H */
