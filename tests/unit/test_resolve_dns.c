/*
 * The resolver against a server of the DNS that is good, bad or slow: what is
 * remembered, what is asked once, and what one domain can do to others.
 */
#include "dns_world.h"

#include "dns/resolve_cache.h"

#include <ares.h>
#include <dlfcn.h>
#include <unistd.h>

#define HOST "a.example.test"

static void start_cached(unsigned timeout_ms, unsigned queries_max)
{
    start_with((struct resolver_params){.timeout_ms = timeout_ms,
                                        .cache_max_bytes = 1000000,
                                        .ttl_min_s = 1,
                                        .ttl_max_s = 3600,
                                        .stale_s = 600,
                                        .queries_max = queries_max});
}

static bool is_short; /* of memory, says c-ares */

/* Found before that of the library. */
void ares_query(ares_channel channel, const char *name, int class, int type,
                ares_callback done, void *arg)
{
    void (*real)(ares_channel, const char *, int, int, ares_callback, void *);

    *(void **)&real = dlsym(RTLD_NEXT, "ares_query");
    if (is_short)
        done(arg, ARES_ENOMEM, 0, NULL, 0);
    else
        real(channel, name, class, type, done, arg);
}

static unsigned n_queries(void)
{
    return dns_server_log()->n_queries;
}

/* Lets the loop run for so long. */
static void on_pause(void *arg)
{
    loop_stop(dns.loop);
}

static void pause_ms(unsigned ms)
{
    struct timer timer;

    timer_init(&timer, dns.loop, on_pause, NULL);
    timer_set(&timer, ms);
    loop_run(dns.loop);
    timer_stop(&timer);
}

/* --- What is remembered --------------------------------------------------- */

/* K13 */
static void what_was_answered_is_not_asked_again(void **state)
{
    start_cached(2000, 32);
    add_srv(CLIENT, 0, 0, 5222, HOST);
    add_soa(DIRECT, TYPE_SRV, "example.test", 60, 60);
    add_address(HOST, "192.0.2.1");
    add_soa(HOST, TYPE_AAAA, "example.test", 60, 60);
    for (unsigned i = 0; i < 3; i++) {
        ask_srv("Example.TEST.");
        assert_int_equal(got.status, RESOLVE_OK);
        assert_string_equal(got.targets[0].host, HOST);
        ask_host("A.example.test");
        assert_int_equal(got.status, RESOLVE_OK);
        assert_int_equal(got.n, 1);
        assert_int_equal(n_queries(), 4);
    }
    stop();
}

/* K13: an IP address that is configured or in the hosts file is none of it. */
static void names_of_the_hosts_file_are_not_asked_for(void **state)
{
    char line[400];
    FILE *hosts = fopen("/etc/hosts", "r");
    bool has_localhost = false;

    while (hosts != NULL && fgets(line, sizeof(line), hosts) != NULL)
        has_localhost |= strstr(line, "localhost") != NULL;
    if (hosts != NULL)
        fclose(hosts);
    if (!has_localhost)
        skip();
    start_cached(2000, 32);
    ask_host("localhost");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(n_queries(), 0);
    stop();
}

/* K08 */
static void a_late_answer_is_there_the_next_time(void **state)
{
    start_cached(3000, 32);
    add_srv(CLIENT, 0, 0, 5222, HOST);
    add_srv(DIRECT, 0, 0, 5223, HOST);
    script(DIRECT, TYPE_SRV, RCODE_OK)->delay_ms = 500;
    ask_srv("example.test");
    assert_int_equal(got.n, 1);
    pause_ms(400);
    ask_srv("example.test");
    assert_int_equal(got.n, 2);
    assert_int_equal(n_queries(), 2);
    stop();
}

/* K13: RFC 8767 */
static void stale_records_serve_when_the_dns_is_silent(void **state)
{
    unsigned before;

    start_cached(600, 32);
    script(HOST, TYPE_A, RCODE_OK)->ttl_s = 0;
    add_address(HOST, "192.0.2.1");
    script(HOST, TYPE_AAAA, RCODE_OK);
    ask_host(HOST);
    script(HOST, TYPE_A, RCODE_OK)->rcode = SILENT;
    script(HOST, TYPE_AAAA, RCODE_OK)->rcode = SILENT;
    pause_ms(1100);
    ask_host(HOST);
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 1);
    pause_ms(700); /* the question has failed: no other follows for 30 s */
    before = n_queries();
    ask_host(HOST);
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(n_queries(), before);
    stop();
}

/* The time of the loop stands while it cannot serve; that of the DNS does not.
 */
static void on_block(void *arg)
{
    usleep(1900000);
}

static void a_pause_of_ours_keeps_no_answer_alive(void **state)
{
    struct timer block;
    unsigned before;

    start_cached(2000, 32);
    script(HOST, TYPE_A, RCODE_OK)->ttl_s = 0; /* 1 s is the least */
    add_address(HOST, "192.0.2.1");
    add_soa(HOST, TYPE_AAAA, "example.test", 60, 60);
    ask_host(HOST);
    before = n_queries();
    timer_init(&block, dns.loop, on_block, NULL);
    timer_set(&block, 1);
    pause_ms(50);
    ask_host(HOST);
    assert_int_equal(got.status, RESOLVE_OK);
    assert_true(n_queries() > before);
    stop();
}

/* --- What is asked once --------------------------------------------------- */

static struct {
    unsigned wanted;
    unsigned calls;
    unsigned n_ok;
} many;

static void on_many(void *owner, enum resolve_status status,
                    const struct resolve_target *targets, size_t n)
{
    many.n_ok += status == RESOLVE_OK && n == 2;
    if (++many.calls == many.wanted)
        loop_stop(dns.loop);
}

/* K13: a thousand sessions that open to one domain ask once. */
static void equal_questions_are_asked_once(void **state)
{
    struct resolve *q = NULL;

    start_cached(3000, 32);
    memset(&many, 0, sizeof(many));
    many.wanted = 1000;
    add_srv(CLIENT, 0, 0, 5222, HOST);
    add_srv(DIRECT, 0, 0, 5223, HOST);
    script(CLIENT, TYPE_SRV, RCODE_OK)->delay_ms = 50;
    for (unsigned i = 0; i < 1000; i++)
        assert_int_equal(begin_srv(&q, "example.test", on_many, NULL), ERR_OK);
    loop_run(dns.loop);
    assert_int_equal(many.n_ok, 1000);
    assert_int_equal(n_queries(), 2);
    stop();
}

static void on_never_srv(void *owner, enum resolve_status status,
                         const struct resolve_target *targets, size_t n)
{
    fail_msg("a cancelled question was answered");
}

static void one_that_gives_up_does_not_stop_the_others(void **state)
{
    struct resolve *q[3];

    start_cached(3000, 32);
    memset(&many, 0, sizeof(many));
    many.wanted = 1;
    add_srv(CLIENT, 0, 0, 5222, HOST);
    add_srv(DIRECT, 0, 0, 5223, HOST);
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(begin_srv(&q[i], "example.test",
                                   i == 1 ? on_many : on_never_srv, NULL),
                         ERR_OK);
    resolve_cancel(q[0]);
    resolve_cancel(q[2]);
    loop_run(dns.loop);
    assert_int_equal(many.n_ok, 1);
    stop();
}

static void on_any_host(void *owner, enum resolve_status status,
                        const struct addr *addrs, size_t n, bool is_more)
{
    many.calls++;
}

/* --- CNAMEs --------------------------------------------------------------- */

/* K10: at a target, at the domain, and at the SRV name itself. */
static void aliases_are_followed(void **state)
{
    start(2000);
    add_cname(HOST, TYPE_A, HOST, "b.example.test");
    add_cname(HOST, TYPE_A, "b.example.test", "c.example.test");
    add_record(script(HOST, TYPE_A, RCODE_OK), "c.example.test", TYPE_A,
               "\xc0\x00\x02\x07", 4, false);
    ask_host(HOST);
    assert_int_equal(got.status, RESOLVE_OK);
    assert_string_equal(addr_format_host(&got.addrs[0]).text, "192.0.2.7");

    add_cname(CLIENT, TYPE_SRV, CLIENT, "srv.example.net");
    add_srv("srv.example.net", 0, 0, 5222, HOST); /* in another reply */
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 1);
    stop();
}

/* K10 */
static void loops_of_aliases_end(void **state)
{
    char name[2][40];

    start(2000);
    add_cname(HOST, TYPE_A, HOST, HOST);
    add_cname(HOST, TYPE_AAAA, HOST, "b.example.test");
    add_cname("b.example.test", TYPE_AAAA, "b.example.test", HOST);
    ask_host(HOST);
    assert_int_equal(got.status, RESOLVE_FAILED);
    assert_true(n_queries() <= 10);

    /* A chain of replies that is longer than RESOLVE_ALIASES_MAX. */
    for (unsigned i = 0; i < 20; i++) {
        snprintf(name[0], sizeof(name[0]), "n%u.example.test", i);
        snprintf(name[1], sizeof(name[1]), "n%u.example.test", i + 1);
        add_cname(name[0], TYPE_A, name[0], name[1]);
    }
    add_address("n20.example.test", "192.0.2.1");
    ask_host("n0.example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    ask_host("n13.example.test"); /* seven are no problem */
    assert_int_equal(got.status, RESOLVE_OK);
    stop();
}

/* A lack of ours says nothing about the domain. */
static void a_lack_of_memory_is_not_remembered(void **state)
{
    start_cached(2000, 32);
    add_srv(CLIENT, 0, 0, 5222, HOST);
    add_soa(DIRECT, TYPE_SRV, "example.test", 60, 60);
    is_short = true;
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    is_short = false;
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    stop();
}

/* --- Replies that are none ------------------------------------------------ */

/* K04-K10: no bytes of a reply are worth more than a failure, and no failure
 * allows a fallback to the addresses of the domain. */
static void what_is_no_answer_is_a_failure(void **state)
{
    static const int bad[] = {
        RCODE_SERVFAIL, RCODE_REFUSED,  EMPTY,        SHORT,  CUT, LOOP, COUNTS,
        WRONG_ID,       WRONG_QUESTION, WRONG_LENGTH, SILENT, 1,   4};

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        start(90);
        add_srv(CLIENT, 0, 0, 5222, HOST);
        add_address(HOST, "192.0.2.1");
        script(CLIENT, TYPE_SRV, 0)->rcode = bad[i];
        script(HOST, TYPE_A, 0)->rcode = bad[i];
        ask_srv("example.test");
        assert_int_equal(got.status, RESOLVE_FAILED);
        assert_int_equal(got.n, 0);
        ask_host(HOST);
        assert_int_equal(got.status, RESOLVE_FAILED);
        assert_int_equal(got.n, 0);
        stop();
    }
}

/* RFC 2308 section 2.2: a referral does not say that there is nothing. */
static void a_referral_is_no_absence(void **state)
{
    unsigned char data[40];

    start(500);
    add_record(script(CLIENT, TYPE_SRV, RCODE_OK), "example.test", TYPE_NS,
               data, put_name(data, "ns.example.test"), true);
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    stop();
}

/* K10: a target may look like an address; it is a name all the same. */
static void targets_that_look_like_addresses_are_not_connected_to(void **state)
{
    start(2000);
    add_srv(CLIENT, 0, 0, 5222, "127.0.0.1");
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_FAILED);
    add_srv(CLIENT, 9, 0, 5222, HOST);
    add_srv(CLIENT, 1, 0, 0, HOST); /* port 0 */
    add_srv(CLIENT, 1, 0, 5222, "");
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 1);
    assert_int_equal(got.targets[0].priority, 9);
    stop();
}

/* K10 */
static void records_beyond_the_cap_are_left_out(void **state)
{
    start(2000);
    for (unsigned i = 0; i < 70; i++)
        add_srv(CLIENT, i, 0, 5222, HOST);
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, RESOLVE_TARGETS_MAX);
    for (unsigned i = 0; i < 40; i++)
        add_address(HOST, "192.0.2.1");
    ask_host(HOST);
    assert_int_equal(got.n, RESOLVE_ADDRS_MAX);
    stop();
}

/* --- Fallback ------------------------------------------------------------- */

static enum resolve_status verdict(bool has_fallback, int client, int direct)
{
    start_with((struct resolver_params){.timeout_ms = 400,
                                        .has_timeout_fallback = has_fallback,
                                        .ttl_max_s = 60,
                                        .queries_max = 32});
    script(CLIENT, TYPE_SRV, client);
    script(DIRECT, TYPE_SRV, direct);
    ask_srv("example.test");
    stop();
    return got.status;
}

/* K07 */
static void silence_allows_a_fallback_only_when_configured(void **state)
{
    assert_int_equal(verdict(false, SILENT, SILENT), RESOLVE_FAILED);
    assert_int_equal(verdict(true, SILENT, SILENT), RESOLVE_NONE);
    assert_int_equal(verdict(true, SILENT, RCODE_NXDOMAIN), RESOLVE_NONE);
    assert_int_equal(verdict(true, SILENT, RCODE_SERVFAIL), RESOLVE_FAILED);
    assert_int_equal(verdict(true, RCODE_SERVFAIL, RCODE_SERVFAIL),
                     RESOLVE_FAILED);
}

/* --- One question apart from the other ------------------------------------ */

/* K13: TCP when UDP is too small. */
static void truncated_answers_are_fetched_by_tcp(void **state)
{
    start(2000);
    for (unsigned i = 0; i < 60; i++)
        add_srv(CLIENT, i, 0, 5222, HOST);
    script(CLIENT, TYPE_SRV, RCODE_OK)->is_truncated = true;
    ask_srv("example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, RESOLVE_TARGETS_MAX);
    assert_int_equal(dns_server_log()->n_tcp, 1);
    stop();
}

/* A TCP connection that is reset is that question's trouble alone: in c-ares
 * it ends what else is with the same server on the same channel. */
static void a_reset_by_tcp_ends_no_other_question(void **state)
{
    struct resolve *q = NULL;
    char name[40];

    start(3000);
    add_address(HOST, "192.0.2.1");
    script(HOST, TYPE_AAAA, RCODE_OK);
    script(HOST, TYPE_A, RCODE_OK)->delay_ms = 400;
    memset(&many, 0, sizeof(many));
    for (unsigned i = 0; i < 10; i++) {
        snprintf(name, sizeof(name), "x%u.test", i);
        script(name, TYPE_A, RCODE_OK)->is_truncated = true;
        script(name, TYPE_A, RCODE_OK)->is_reset = true;
        assert_int_equal(begin_host(&q, name, on_any_host, NULL), ERR_OK);
    }
    ask_host(HOST);
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(script(HOST, TYPE_A, RCODE_OK)->n_asked, 1);
    stop();
}

static int by_number(const void *a, const void *b)
{
    return (int)*(const uint16_t *)a - (int)*(const uint16_t *)b;
}

static unsigned count_distinct(uint16_t *at, size_t n)
{
    unsigned distinct = n > 0;

    qsort(at, n, sizeof(*at), by_number);
    for (size_t i = 1; i < n; i++)
        distinct += at[i] != at[i - 1];
    return distinct;
}

/* K13: an answer can be forged only by who guesses both. */
static void ids_and_ports_are_random(void **state)
{
    const struct dns_log *log;
    uint16_t ids[200];
    uint16_t ports[200];
    unsigned ascending = 0;
    char name[40];

    start(2000);
    for (unsigned i = 0; i < 100; i++) {
        snprintf(name, sizeof(name), "n%u.test", i);
        ask_host(name);
    }
    log = dns_server_log();
    assert_int_equal(log->n_queries, 200);
    for (size_t i = 0; i < 200; i++) {
        ids[i] = log->queries[i].id;
        ports[i] = log->queries[i].port;
        ascending += i > 0 && (uint16_t)(ids[i] - ids[i - 1]) < 256;
    }
    assert_true(ascending < 20); /* one by chance */
    assert_true(count_distinct(ids, 200) > 180);
    assert_true(count_distinct(ports, 200) > 150);
    stop();
}

/* K13, P6: a thousand questions for names below a domain that never answers
 * leave places for all others. */
static void a_domain_that_never_answers_holds_up_no_other(void **state)
{
    struct resolve *q[1000];
    unsigned n_silent = 0;
    char name[40];

    start_cached(3000, 32);
    dns_server_silence(".black.test");
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "n%u.black.test", i);
        assert_int_equal(begin_host(&q[i], name, on_any_host, NULL), ERR_OK);
    }
    for (unsigned i = 0; i < 50; i++) {
        snprintf(name, sizeof(name), "n%u.white%u.test", i, i);
        add_address(name, "192.0.2.1");
        ask_host(name);
        assert_int_equal(got.status, RESOLVE_OK);
    }
    n_silent = n_queries() - 100;
    /* What is known costs no place, were there one or not. */
    ask_host("n7.white7.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(script("n7.white7.test", TYPE_A, RCODE_OK)->n_asked, 1);
    assert_true(n_silent > 0);
    assert_true(n_silent <= 32 / 8 * 2); /* the share, and each twice */
    stop();
}

/* --- One client apart from the others ------------------------------------- */

/* ip: NULL when not known. */
static enum err begin_for(struct resolve **q, const char *ip,
                          bool is_configured, const char *host)
{
    struct addr client;
    struct resolve_question question = {
        .name = host, .port = 1, .is_configured = is_configured};

    if (ip != NULL) {
        assert_int_equal(addr_parse_ip(&client, ip, 0), ERR_OK);
        question.client = &client;
    }
    return resolve_host(q, dns.resolver, &question, on_host, &got);
}

static enum resolve_status status_for(const char *ip, bool is_configured,
                                      const char *host)
{
    struct resolve *q = NULL;

    got.n_first = 0;
    assert_int_equal(begin_for(&q, ip, is_configured, host), ERR_OK);
    loop_run(dns.loop);
    return got.status;
}

static struct {
    unsigned n_failed;
    unsigned n_ok;
} flood;

static void on_flood(void *owner, enum resolve_status status,
                     const struct addr *addrs, size_t n, bool is_more)
{
    flood.n_failed += status == RESOLVE_FAILED;
    flood.n_ok += status == RESOLVE_OK && !is_more;
}

/* One client asks for so many names, each of a zone of its own, that nobody
 * answers for. */
static void flood_from(const char *ip, unsigned n)
{
    struct addr client;
    struct resolve_question question = {.client = &client};
    struct resolve *q = NULL;
    char name[60];

    memset(&flood, 0, sizeof(flood));
    dns_server_silence(".flood");
    assert_int_equal(addr_parse_ip(&client, ip, 0), ERR_OK);
    for (unsigned i = 0; i < n; i++) {
        snprintf(name, sizeof(name), "n%u.flood", i);
        question.name = name;
        assert_int_equal(
            resolve_host(&q, dns.resolver, &question, on_flood, NULL), ERR_OK);
    }
}

/* K13: whoever floods fails, and nobody else. */
static void a_client_who_floods_fails_alone(void **state)
{
    static const char *const ip[] = {"192.0.2.2", "2001:db8::1", "127.0.0.1",
                                     NULL};
    unsigned n_silent;
    char name[40];

    start_cached(5000, 32);
    flood_from("192.0.2.1", 500);
    pause_ms(10);
    /* Of 18 questions, for two families, two are asked and 16 wait. */
    assert_int_equal(flood.n_failed, 500 - 9);
    for (unsigned i = 0; i < COUNT_OF(ip); i++) {
        snprintf(name, sizeof(name), "a%u.test", i);
        add_address(name, "192.0.2.7");
        assert_int_equal(status_for(ip[i], false, name), RESOLVE_OK);
    }
    n_silent = n_queries() - 2 * COUNT_OF(ip);
    assert_true(n_silent > 0);
    assert_true(n_silent <= 2 * 2); /* each twice */

    /* For the flooder, too, the configuration's names have places. */
    add_address("ours.test", "192.0.2.7");
    assert_int_equal(status_for("192.0.2.1", true, "ours.test"), RESOLVE_OK);
    assert_int_equal(flood.n_failed, 500 - 9);
    stop();
}

/* K13: those who wait do so for the time of a question. */
static void the_wait_for_a_place_ends(void **state)
{
    start_cached(300, 32);
    flood_from("192.0.2.1", 500);
    pause_ms(1000);
    assert_int_equal(flood.n_failed, 500);
    add_address("a.test", "192.0.2.7");
    assert_int_equal(status_for("192.0.2.1", false, "a.test"), RESOLVE_OK);
    stop();
}

/* Nobody can keep a name from others by asking for it behind a flood. */
static void a_name_that_waits_behind_a_flood_is_asked_for_another(void **state)
{
    struct resolve *q = NULL;
    struct addr client;
    struct resolve_question question = {.name = "a.test", .client = &client};

    start_cached(5000, 32);
    add_address("a.test", "192.0.2.7");
    flood_from("192.0.2.1", 5);
    assert_int_equal(addr_parse_ip(&client, "192.0.2.1", 0), ERR_OK);
    assert_int_equal(resolve_host(&q, dns.resolver, &question, on_flood, NULL),
                     ERR_OK);
    assert_int_equal(status_for("192.0.2.2", false, "a.test"), RESOLVE_OK);
    assert_int_equal(script("a.test", TYPE_A, RCODE_OK)->n_asked, 1);
    pause_ms(10);
    assert_int_equal(flood.n_ok, 1); /* the first asker has it as well */
    stop();
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_was_answered_is_not_asked_again),
        TEST(names_of_the_hosts_file_are_not_asked_for),
        TEST(a_late_answer_is_there_the_next_time),
        TEST(stale_records_serve_when_the_dns_is_silent),
        TEST(a_pause_of_ours_keeps_no_answer_alive),
        TEST(equal_questions_are_asked_once),
        TEST(one_that_gives_up_does_not_stop_the_others),
        TEST(aliases_are_followed),
        TEST(loops_of_aliases_end),
        TEST(a_lack_of_memory_is_not_remembered),
        TEST(what_is_no_answer_is_a_failure),
        TEST(a_referral_is_no_absence),
        TEST(targets_that_look_like_addresses_are_not_connected_to),
        TEST(records_beyond_the_cap_are_left_out),
        TEST(silence_allows_a_fallback_only_when_configured),
        TEST(truncated_answers_are_fetched_by_tcp),
        TEST(a_reset_by_tcp_ends_no_other_question),
        TEST(ids_and_ports_are_random),
        TEST(a_domain_that_never_answers_holds_up_no_other),
        TEST(a_client_who_floods_fails_alone),
        TEST(the_wait_for_a_place_ends),
        TEST(a_name_that_waits_behind_a_flood_is_asked_for_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
