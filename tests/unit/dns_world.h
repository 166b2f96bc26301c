/*
 * dns_world.h - a resolver on a real loop and a scripted DNS server on
 * loopback, for the tests of resolve.
 */
#ifndef TESTS_DNS_WORLD_H
#define TESTS_DNS_WORLD_H

#include "dns_server.h"
#include "dns/resolve.h"
#include "dns/resolve_srv.h"
#include "base/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static struct {
    struct loop *loop;
    struct resolver *resolver;
    struct timer guard;
} dns;

/* What the last question was told. */
static struct {
    unsigned calls;
    unsigned n_first; /* addresses that came with is_more */
    enum resolve_status status;
    struct resolve_target targets[RESOLVE_TARGETS_MAX];
    struct addr addrs[RESOLVE_ADDRS_MAX];
    size_t n;
} got;

static void on_guard(void *arg)
{
    fail_msg("no answer");
}

static void start_with(struct resolver_params params)
{
    memset(&dns, 0, sizeof(dns));
    memset(&got, 0, sizeof(got));
    assert_int_equal(loop_new(&dns.loop), ERR_OK);
    params.servers = dns_server_start(dns.loop);
    timer_init(&dns.guard, dns.loop, on_guard, NULL);
    timer_set(&dns.guard, 10000);
    assert_int_equal(resolver_new(&dns.resolver, dns.loop, &params), ERR_OK);
}

/* Nothing is remembered: each question goes to the server. */
static void start(unsigned timeout_ms)
{
    start_with((struct resolver_params){
        .timeout_ms = timeout_ms, .ttl_max_s = 60, .queries_max = 32});
}

static void stop(void)
{
    resolver_free(dns.resolver);
    timer_stop(&dns.guard);
    dns_server_stop();
    loop_free(dns.loop);
}

static void on_srv(void *owner, enum resolve_status status,
                   const struct resolve_target *targets, size_t n)
{
    assert_ptr_equal(owner, &got);
    assert_true(n <= RESOLVE_TARGETS_MAX);
    got.calls++;
    got.status = status;
    got.n = n;
    for (size_t i = 0; i < n; i++)
        got.targets[i] = targets[i];
    loop_stop(dns.loop);
}

/* Both families together, however they came. */
static void on_host(void *owner, enum resolve_status status,
                    const struct addr *addrs, size_t n, bool is_more)
{
    size_t had = is_more ? 0 : got.n_first;

    assert_ptr_equal(owner, &got);
    assert_true(had + n <= RESOLVE_ADDRS_MAX);
    for (size_t i = 0; i < n; i++)
        got.addrs[had + i] = addrs[i];
    if (is_more) {
        assert_int_equal(status, RESOLVE_OK);
        assert_int_equal(got.n_first, 0); /* once */
        assert_true(n > 0);
        got.n_first = (unsigned)n;
        return;
    }
    got.calls++;
    got.status = status;
    got.n = had + n;
    loop_stop(dns.loop);
}

static enum err begin_srv(struct resolve **q, const char *domain,
                          resolve_srv_fn *done, void *owner)
{
    struct resolve_question question = {.name = domain};

    return resolve_srv(q, dns.resolver, &question, done, owner);
}

static enum err begin_host(struct resolve **q, const char *host,
                           resolve_host_fn *done, void *owner)
{
    struct resolve_question question = {.name = host, .port = 5222};

    return resolve_host(q, dns.resolver, &question, done, owner);
}

static void ask_srv(const char *domain)
{
    struct resolve *q = NULL;
    unsigned before = got.calls;

    assert_int_equal(begin_srv(&q, domain, on_srv, &got), ERR_OK);
    assert_int_equal(got.calls, before); /* never from inside */
    loop_run(dns.loop);
    assert_int_equal(got.calls, before + 1);
}

static void ask_host(const char *host)
{
    struct resolve *q = NULL;
    unsigned before = got.calls;

    got.n_first = 0;
    assert_int_equal(begin_host(&q, host, on_host, &got), ERR_OK);
    assert_int_equal(got.calls, before);
    loop_run(dns.loop);
    assert_int_equal(got.calls, before + 1);
}

#define CLIENT "_xmpp-client._tcp.example.test"
#define DIRECT "_xmpps-client._tcp.example.test"

#endif /* TESTS_DNS_WORLD_H */
