/*
 * dns_world.h - a resolver on a real loop and a scripted DNS server on
 * loopback, for the tests of resolve.
 */
#ifndef TESTS_DNS_WORLD_H
#define TESTS_DNS_WORLD_H

#include "upstream/resolve.h"
#include "upstream/resolve_srv.h"
#include "base/loop.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* --- A scripted DNS server on loopback ------------------------------------ */

enum {
    TYPE_A = 1,
    TYPE_CNAME = 5,
    TYPE_AAAA = 28,
    TYPE_SRV = 33
};

enum {
    RCODE_OK,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN,
    SILENT = 100,
    GARBAGE
};

struct script {
    char name[300];
    int type;
    int rcode;
    unsigned delay_ms;
    unsigned n_records;
    unsigned char records[2000]; /* in wire form */
    size_t len;
};

static struct {
    struct loop *loop;
    struct resolver *resolver;
    int fd;
    struct watch watch;
    struct timer guard;
    struct script scripts[16];
    size_t n_scripts;
    unsigned n_queries;
    struct reply *replies; /* owned: to be sent later */
} dns;

struct reply {
    struct reply *next;
    struct timer timer;
    struct sockaddr_storage to;
    socklen_t to_len;
    unsigned char bytes[4000];
    size_t len;
};

/* What the last question was told. */
static struct {
    unsigned calls;
    unsigned n_first; /* addresses that came with is_more */
    enum resolve_status status;
    struct resolve_target targets[RESOLVE_TARGETS_MAX];
    struct addr addrs[RESOLVE_ADDRS_MAX];
    size_t n;
} got;

static struct script *script(const char *name, int type, int rcode)
{
    struct script *s;

    for (size_t i = 0; i < dns.n_scripts; i++) {
        s = &dns.scripts[i];
        if (strcmp(s->name, name) == 0 && s->type == type)
            return s;
    }
    assert_true(dns.n_scripts < COUNT_OF(dns.scripts));
    s = &dns.scripts[dns.n_scripts++];
    memset(s, 0, sizeof(*s));
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->type = type;
    s->rcode = rcode;
    return s;
}

static void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static size_t put_name(unsigned char *at, const char *name)
{
    size_t n = 0;

    while (*name != '\0') {
        size_t label = strcspn(name, ".");

        at[n++] = (unsigned char)label;
        memcpy(at + n, name, label);
        n += label;
        name += label + (name[label] == '.');
    }
    at[n++] = 0;
    return n;
}

static void add_record(struct script *s, int type, const void *data, size_t len)
{
    unsigned char *at = s->records + s->len;
    size_t n = 2;

    put16(at, 0xc00c); /* the name in the question */
    put16(at + n, (unsigned)type);
    put16(at + n + 2, 1);
    memset(at + n + 4, 0, 4); /* TTL 0 */
    put16(at + n + 8, (unsigned)len);
    memcpy(at + n + 10, data, len);
    s->len += n + 10 + len;
    s->n_records++;
}

static void add_srv(const char *name, unsigned priority, unsigned weight,
                    unsigned port, const char *target)
{
    unsigned char data[300];

    put16(data, priority);
    put16(data + 2, weight);
    put16(data + 4, port);
    add_record(script(name, TYPE_SRV, RCODE_OK), TYPE_SRV, data,
               6 + put_name(data + 6, target));
}

static void add_address(const char *name, const char *ip)
{
    unsigned char data[16];
    bool is_v6 = strchr(ip, ':') != NULL;
    int type = is_v6 ? TYPE_AAAA : TYPE_A;

    assert_int_equal(inet_pton(is_v6 ? AF_INET6 : AF_INET, ip, data), 1);
    add_record(script(name, type, RCODE_OK), type, data, is_v6 ? 16 : 4);
}

static const struct script *find_script(const unsigned char *question,
                                        size_t len, int type)
{
    for (size_t i = 0; i < dns.n_scripts; i++) {
        unsigned char name[300];
        size_t n = put_name(name, dns.scripts[i].name);

        if (dns.scripts[i].type == type && n == len &&
            memcmp(name, question, n) == 0)
            return &dns.scripts[i];
    }
    return NULL;
}

static void on_reply_due(void *arg)
{
    struct reply *r = arg;

    (void)!sendto(dns.fd, r->bytes, r->len, 0,
                  (struct sockaddr *)(void *)&r->to, r->to_len);
}

/* What the script says, behind the question. */
static void answer(struct reply *r, const struct script *s)
{
    unsigned char *bytes = r->bytes;

    bytes[2] = 0x81;
    bytes[3] = (unsigned char)(0x80 | (s == NULL ? RCODE_NXDOMAIN : s->rcode));
    memset(bytes + 6, 0, 6);
    if (s == NULL)
        return;
    if (s->rcode == GARBAGE) {
        bytes[3] = 0x80;
        put16(bytes + 6, 7);
        memset(bytes + r->len, 0xc0, 9);
        r->len += 9;
        return;
    }
    put16(bytes + 6, s->n_records);
    memcpy(bytes + r->len, s->records, s->len);
    r->len += s->len;
}

static void on_query(void *arg, unsigned events)
{
    struct reply *r = calloc(1, sizeof(*r));
    const struct script *s;
    ssize_t len;
    size_t end = 12;

    assert_non_null(r);
    r->to_len = sizeof(r->to);
    len = recvfrom(dns.fd, r->bytes, 512, 0, (struct sockaddr *)(void *)&r->to,
                   &r->to_len);
    assert_true(len > 12);
    dns.n_queries++;
    while (r->bytes[end] != 0)
        end += 1u + r->bytes[end];
    end++;
    s = find_script(r->bytes + 12, end - 12,
                    r->bytes[end] << 8 | r->bytes[end + 1]);
    r->len = end + 4;
    r->next = dns.replies;
    dns.replies = r;
    timer_init(&r->timer, dns.loop, on_reply_due, r);
    if (s != NULL && s->rcode == SILENT)
        return;
    answer(r, s);
    if (s != NULL && s->delay_ms > 0)
        timer_set(&r->timer, s->delay_ms);
    else
        on_reply_due(r);
}

static void on_guard(void *arg)
{
    fail_msg("no answer");
}

static void start(unsigned timeout_ms)
{
    struct sockaddr_in to;
    socklen_t len = sizeof(to);
    char servers[64];

    memset(&dns, 0, sizeof(dns));
    memset(&got, 0, sizeof(got));
    memset(&to, 0, sizeof(to));
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    dns.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(dns.fd, (struct sockaddr *)(void *)&to, len), 0);
    assert_int_equal(getsockname(dns.fd, (struct sockaddr *)(void *)&to, &len),
                     0);
    snprintf(servers, sizeof(servers), "127.0.0.1:%u",
             (unsigned)ntohs(to.sin_port));

    assert_int_equal(loop_new(&dns.loop), ERR_OK);
    assert_int_equal(
        watch_start(&dns.watch, dns.loop, dns.fd, LOOP_READ, on_query, NULL),
        ERR_OK);
    timer_init(&dns.guard, dns.loop, on_guard, NULL);
    timer_set(&dns.guard, 10000);
    assert_int_equal(resolver_new(&dns.resolver, dns.loop, timeout_ms, servers),
                     ERR_OK);
}

static void stop(void)
{
    resolver_free(dns.resolver);
    while (dns.replies != NULL) {
        struct reply *r = dns.replies;

        dns.replies = r->next;
        timer_stop(&r->timer);
        free(r);
    }
    timer_stop(&dns.guard);
    watch_stop(&dns.watch);
    loop_free(dns.loop);
    close(dns.fd);
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

static void ask_srv(const char *domain)
{
    struct resolve *q = NULL;
    unsigned before = got.calls;

    assert_int_equal(resolve_srv(&q, dns.resolver, domain, on_srv, &got),
                     ERR_OK);
    assert_int_equal(got.calls, before); /* never from inside */
    loop_run(dns.loop);
    assert_int_equal(got.calls, before + 1);
}

static void ask_host(const char *host)
{
    struct resolve *q = NULL;
    unsigned before = got.calls;

    got.n_first = 0;
    assert_int_equal(resolve_host(&q, dns.resolver, host, 5222, on_host, &got),
                     ERR_OK);
    assert_int_equal(got.calls, before);
    loop_run(dns.loop);
    assert_int_equal(got.calls, before + 1);
}

#define CLIENT "_xmpp-client._tcp.example.test"
#define DIRECT "_xmpps-client._tcp.example.test"

#endif /* TESTS_DNS_WORLD_H */
