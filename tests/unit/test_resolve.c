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
} dns;

/* What the last question was told. */
static struct {
    unsigned calls;
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

static void on_query(void *arg, unsigned events)
{
    unsigned char bytes[4000];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);
    ssize_t len = recvfrom(dns.fd, bytes, 512, 0,
                           (struct sockaddr *)(void *)&from, &from_len);
    const struct script *s;
    size_t end = 12;

    assert_true(len > 12);
    dns.n_queries++;
    while (bytes[end] != 0)
        end += 1u + bytes[end];
    end++;
    s = find_script(bytes + 12, end - 12, bytes[end] << 8 | bytes[end + 1]);
    end += 4;

    bytes[2] = 0x81;
    bytes[3] = (unsigned char)(0x80 | (s == NULL ? RCODE_NXDOMAIN : s->rcode));
    memset(bytes + 6, 0, 6);
    if (s != NULL && s->rcode == SILENT)
        return;
    if (s != NULL && s->rcode == GARBAGE) {
        bytes[3] = 0x80;
        put16(bytes + 6, 7);
        memset(bytes + end, 0xc0, 9);
        end += 9;
    } else if (s != NULL) {
        put16(bytes + 6, s->n_records);
        memcpy(bytes + end, s->records, s->len);
        end += s->len;
    }
    (void)!sendto(dns.fd, bytes, end, 0, (struct sockaddr *)(void *)&from,
                  from_len);
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

static void on_host(void *owner, enum resolve_status status,
                    const struct addr *addrs, size_t n)
{
    assert_ptr_equal(owner, &got);
    assert_true(n <= RESOLVE_ADDRS_MAX);
    got.calls++;
    got.status = status;
    got.n = n;
    for (size_t i = 0; i < n; i++)
        got.addrs[i] = addrs[i];
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

    assert_int_equal(resolve_host(&q, dns.resolver, host, 5222, on_host, &got),
                     ERR_OK);
    assert_int_equal(got.calls, before);
    loop_run(dns.loop);
    assert_int_equal(got.calls, before + 1);
}

#define CLIENT "_xmpp-client._tcp.example.test"
#define DIRECT "_xmpps-client._tcp.example.test"

/* --- SRV ------------------------------------------------------------------ */

/* K01, K02 */
static void both_names_are_merged_by_priority(void **state)
{
    start(2000);
    add_srv(CLIENT, 20, 1, 5222, "C.Example.Test");
    add_srv(CLIENT, 5, 1, 5222, "a.example.test");
    add_srv(DIRECT, 10, 1, 443, "b.example.test");
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 3);
    assert_string_equal(got.targets[0].host, "a.example.test");
    assert_false(got.targets[0].is_direct_tls);
    assert_string_equal(got.targets[1].host, "b.example.test");
    assert_true(got.targets[1].is_direct_tls);
    assert_int_equal(got.targets[1].port, 443);
    assert_string_equal(got.targets[2].host, "c.example.test");
    stop();
}

/* K07 */
static void no_record_for_either_name_is_told_apart_from_failure(void **state)
{
    start(2000);
    ask_srv("example.test"); /* NXDOMAIN */
    assert_int_equal(got.status, RESOLVE_NONE);
    script(CLIENT, TYPE_SRV, RCODE_OK); /* NODATA */
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_NONE);
    script(DIRECT, TYPE_SRV, RCODE_SERVFAIL);
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    stop();
}

/* K04, K05, T35 */
static void the_root_as_target_means_no_service(void **state)
{
    start(2000);
    add_srv(DIRECT, 0, 0, 0, "");
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_ABSENT);
    add_srv(CLIENT, 0, 0, 5222, "a.example.test");
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 1);
    stop();
}

/* K06, K10 */
static void records_that_cannot_be_used_allow_no_fallback(void **state)
{
    start(2000);
    add_srv(CLIENT, 0, 0, 0, "a.example.test");      /* port 0 */
    add_srv(CLIENT, 0, 0, 5222, "a b.example.test"); /* no host name */
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    assert_int_equal(got.n, 0);
    stop();
}

/* K08 */
static void one_silent_name_does_not_hold_up_the_other(void **state)
{
    uint64_t began;

    start(5000);
    add_srv(CLIENT, 0, 0, 5222, "a.example.test");
    script(DIRECT, TYPE_SRV, SILENT);
    began = loop_now_ms(dns.loop);
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 1);
    assert_true(loop_now_ms(dns.loop) - began < 1000);
    stop();
}

/* K45 */
static void silence_ends_in_time(void **state)
{
    uint64_t began;

    start(300);
    script(CLIENT, TYPE_SRV, SILENT);
    script(DIRECT, TYPE_SRV, SILENT);
    script("a.example.test", TYPE_A, SILENT);
    began = loop_now_ms(dns.loop);
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    ask_host("a.example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    assert_in_range(loop_now_ms(dns.loop) - began, 300, 1500);
    stop();
}

static void malformed_replies_are_failures(void **state)
{
    start(400);
    script(CLIENT, TYPE_SRV, GARBAGE);
    script(DIRECT, TYPE_SRV, GARBAGE);
    script("a.example.test", TYPE_A, GARBAGE);
    script("a.example.test", TYPE_AAAA, GARBAGE);
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    ask_host("a.example.test");
    assert_int_not_equal(got.status, RESOLVE_OK);
    stop();
}

static void too_many_records_are_cut_behind_the_best(void **state)
{
    start(2000);
    for (unsigned i = 0; i < 30; i++)
        add_srv(CLIENT, 30 - i, 0, 5222, "a.example.test");
    ask_srv("example.test");
    assert_int_equal(got.n, RESOLVE_TARGETS_MAX);
    for (unsigned i = 0; i < got.n; i++)
        assert_int_equal(got.targets[i].priority, i + 1);
    stop();
}

static unsigned count_first(const unsigned *weights, size_t n, size_t which)
{
    unsigned count = 0;

    for (unsigned round = 0; round < 2000; round++) {
        struct resolve_target t[4];

        memset(t, 0, sizeof(t));
        for (size_t i = 0; i < n; i++) {
            t[i].port = (uint16_t)(i + 1);
            t[i].weight = (uint16_t)weights[i];
        }
        resolve_srv_order(t, n);
        count += t[0].port == which + 1;
    }
    return count;
}

/* K02, K03, T34: the draw includes the sum, so that 0 and 1 are even. */
static void weights_decide_by_chance(void **state)
{
    assert_in_range(count_first((const unsigned[]){0, 1}, 2, 0), 850, 1150);
    assert_in_range(count_first((const unsigned[]){0, 0, 0, 0}, 4, 3), 380,
                    620);
    assert_in_range(count_first((const unsigned[]){10, 30}, 2, 1), 1380, 1620);
    assert_in_range(count_first((const unsigned[]){0, 65535}, 2, 1), 1980,
                    2000);
}

/* --- Addresses ------------------------------------------------------------ */

/* K11 */
static void families_take_turns(void **state)
{
    static const char *const want[] = {"[2001:db8::", "192.0.2.",
                                       "[2001:db8::", "192.0.2.", "192.0.2."};

    start(2000);
    add_address("a.example.test", "192.0.2.1");
    add_address("a.example.test", "192.0.2.2");
    add_address("a.example.test", "192.0.2.3");
    add_address("a.example.test", "2001:db8::1");
    add_address("a.example.test", "2001:db8::2");
    ask_host("a.example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, COUNT_OF(want));
    for (size_t i = 0; i < got.n; i++) {
        struct addr_text text = addr_format(&got.addrs[i]);

        assert_memory_equal(text.text, want[i], strlen(want[i]));
        assert_int_equal(addr_port(&got.addrs[i]), 5222);
    }
    stop();
}

static void one_family_is_enough(void **state)
{
    start(2000);
    add_address("a.example.test", "192.0.2.1");
    script("a.example.test", TYPE_AAAA, RCODE_OK);
    ask_host("a.example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 1);
    ask_host("nobody.example.test");
    assert_int_equal(got.status, RESOLVE_NONE);
    assert_int_equal(got.n, 0);
    stop();
}

static void literals_need_no_dns(void **state)
{
    start(2000);
    ask_host("2001:db8::7");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 1);
    assert_string_equal(addr_format(&got.addrs[0]).text, "[2001:db8::7]:5222");
    assert_int_equal(dns.n_queries, 0);
    stop();
}

/* --- Life ----------------------------------------------------------------- */

static struct resolve *other;

static void on_host_cancels(void *owner, enum resolve_status status,
                            const struct addr *addrs, size_t n)
{
    resolve_cancel(other);
    other = NULL;
    on_host(owner, status, addrs, n);
}

static void on_never(void *owner, enum resolve_status status,
                     const struct addr *addrs, size_t n)
{
    fail_msg("a cancelled question was answered");
}

/* CVE-2026-33630: nothing of c-ares is entered from inside c-ares */
static void questions_can_be_cancelled_at_any_time(void **state)
{
    struct resolve *q = NULL;

    start(300);
    script("a.example.test", TYPE_A, SILENT);
    add_address("b.example.test", "192.0.2.1");
    script("b.example.test", TYPE_AAAA, RCODE_OK);

    /* At once, with and without DNS under way. */
    assert_int_equal(
        resolve_host(&q, dns.resolver, "a.example.test", 1, on_never, NULL),
        ERR_OK);
    resolve_cancel(q);
    assert_int_equal(
        resolve_host(&q, dns.resolver, "192.0.2.1", 1, on_never, NULL), ERR_OK);
    resolve_cancel(q);
    resolve_cancel(NULL);

    /* From the callback of another one. */
    assert_int_equal(
        resolve_host(&other, dns.resolver, "a.example.test", 1, on_never, NULL),
        ERR_OK);
    assert_int_equal(resolve_host(&q, dns.resolver, "b.example.test", 1,
                                  on_host_cancels, &got),
                     ERR_OK);
    loop_run(dns.loop);
    assert_int_equal(got.status, RESOLVE_OK);
    ask_host("192.0.2.9"); /* the resolver still works */
    stop();
}

static void pending_questions_end_with_the_resolver(void **state)
{
    struct resolve *q = NULL;

    start(5000);
    script("a.example.test", TYPE_A, SILENT);
    assert_int_equal(
        resolve_host(&q, dns.resolver, "a.example.test", 1, on_never, NULL),
        ERR_OK);
    assert_int_equal(
        resolve_host(&q, dns.resolver, "192.0.2.1", 1, on_never, NULL), ERR_OK);
    assert_int_equal(
        resolve_srv(&q, dns.resolver, "example.test", on_srv, NULL), ERR_OK);
    stop();
    assert_int_equal(got.calls, 0);
}

static void servers_that_are_no_addresses_are_refused(void **state)
{
    struct resolver *r = NULL;
    struct loop *loop;

    assert_int_equal(loop_new(&loop), ERR_OK);
    assert_int_equal(resolver_new(&r, loop, 100, "nonsense"), ERR_INVALID);
    assert_null(r);
    loop_free(loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_names_are_merged_by_priority),
        cmocka_unit_test(no_record_for_either_name_is_told_apart_from_failure),
        cmocka_unit_test(the_root_as_target_means_no_service),
        cmocka_unit_test(records_that_cannot_be_used_allow_no_fallback),
        cmocka_unit_test(one_silent_name_does_not_hold_up_the_other),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(malformed_replies_are_failures),
        cmocka_unit_test(too_many_records_are_cut_behind_the_best),
        cmocka_unit_test(weights_decide_by_chance),
        cmocka_unit_test(families_take_turns),
        cmocka_unit_test(one_family_is_enough),
        cmocka_unit_test(literals_need_no_dns),
        cmocka_unit_test(questions_can_be_cancelled_at_any_time),
        cmocka_unit_test(pending_questions_end_with_the_resolver),
        cmocka_unit_test(servers_that_are_no_addresses_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
