#include "dns_world.h"

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
    assert_true(loop_now_ms(dns.loop) - began < 4000);
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
    assert_in_range(loop_now_ms(dns.loop) - began, 300, 4000);
    stop();
}

static void malformed_replies_are_failures(void **state)
{
    start(400);
    script(CLIENT, TYPE_SRV, CUT);
    script(DIRECT, TYPE_SRV, CUT);
    script("a.example.test", TYPE_A, CUT);
    script("a.example.test", TYPE_AAAA, CUT);
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

/* --- Addresses ------------------------------------------------------------ */

static void delay(const char *name, int type, unsigned delay_ms)
{
    script(name, type, RCODE_OK)->delay_ms = delay_ms;
}

/* IPv4 first and IPv6 a moment later.  A machine that stands still for a
 * Resolution Delay parts them all the same, but not five times. */
static void ask_host_together(const char *host)
{
    for (unsigned tries = 0; tries < 5; tries++) {
        ask_host(host);
        if (got.n_first == 0)
            return;
    }
    fail_msg("the families never came together");
}

/* K11 */
static void families_that_come_together_are_told_together(void **state)
{
    unsigned n_v6 = 0;

    start(2000);
    add_address("a.example.test", "192.0.2.1");
    add_address("a.example.test", "192.0.2.2");
    add_address("a.example.test", "192.0.2.3");
    add_address("a.example.test", "2001:db8::1");
    add_address("a.example.test", "2001:db8::2");
    delay("a.example.test", TYPE_AAAA, 5);
    ask_host_together("A.Example.Test.");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n, 5);
    for (size_t i = 0; i < got.n; i++) {
        n_v6 += got.addrs[i].storage.ss_family == AF_INET6;
        assert_int_equal(addr_port(&got.addrs[i]), 5222);
    }
    assert_int_equal(n_v6, 2);
    stop();
}

/* K11: IPv6 does not wait for IPv4. */
static void early_addresses_of_ipv6_are_told_at_once(void **state)
{
    start(2000);
    add_address("a.example.test", "2001:db8::1");
    add_address("a.example.test", "192.0.2.1");
    delay("a.example.test", TYPE_A, 200);
    ask_host("a.example.test");
    assert_int_equal(got.n_first, 1);
    assert_int_equal(got.n, 2);
    assert_string_equal(addr_format(&got.addrs[0]).text, "[2001:db8::1]:5222");
    assert_string_equal(addr_format(&got.addrs[1]).text, "192.0.2.1:5222");
    stop();
}

/* K11: IPv4 waits a Resolution Delay for IPv6, not longer. */
static void early_addresses_of_ipv4_wait_a_moment(void **state)
{
    start(3000);
    add_address("a.example.test", "2001:db8::1");
    add_address("a.example.test", "192.0.2.1");
    delay("a.example.test", TYPE_AAAA, 5);
    ask_host_together("a.example.test");
    assert_int_equal(got.n, 2);

    delay("a.example.test", TYPE_AAAA, 400);
    ask_host("a.example.test");
    assert_int_equal(got.n_first, 1);
    assert_int_equal(got.n, 2);
    assert_string_equal(addr_format(&got.addrs[0]).text, "192.0.2.1:5222");
    stop();
}

/* K11: nothing is told of a family that has no address, but the end is. */
static void an_empty_family_tells_only_the_end(void **state)
{
    start(500);
    add_address("a.example.test", "192.0.2.1");
    script("a.example.test", TYPE_AAAA, SILENT);
    ask_host("a.example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n_first, 1);
    assert_int_equal(got.n, 1);

    script("b.example.test", TYPE_AAAA, RCODE_OK);
    add_address("b.example.test", "192.0.2.1");
    delay("b.example.test", TYPE_A, 100);
    ask_host("b.example.test");
    assert_int_equal(got.status, RESOLVE_OK);
    assert_int_equal(got.n_first, 0);
    assert_int_equal(got.n, 1);
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
    assert_int_equal(dns_server_log()->n_queries, 0);
    stop();
}

/* --- Life ----------------------------------------------------------------- */

static struct resolve *other;

static void on_host_cancels(void *owner, enum resolve_status status,
                            const struct addr *addrs, size_t n, bool is_more)
{
    resolve_cancel(other);
    other = NULL;
    on_host(owner, status, addrs, n, is_more);
}

static void on_never(void *owner, enum resolve_status status,
                     const struct addr *addrs, size_t n, bool is_more)
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
    assert_int_equal(begin_host(&q, "a.example.test", on_never, NULL), ERR_OK);
    resolve_cancel(q);
    assert_int_equal(begin_host(&q, "192.0.2.1", on_never, NULL), ERR_OK);
    resolve_cancel(q);
    resolve_cancel(NULL);

    /* From the callback of another one. */
    assert_int_equal(begin_host(&other, "a.example.test", on_never, NULL),
                     ERR_OK);
    assert_int_equal(begin_host(&q, "b.example.test", on_host_cancels, &got),
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
    assert_int_equal(begin_host(&q, "a.example.test", on_never, NULL), ERR_OK);
    assert_int_equal(begin_host(&q, "192.0.2.1", on_never, NULL), ERR_OK);
    assert_int_equal(begin_srv(&q, "example.test", on_srv, NULL), ERR_OK);
    stop();
    assert_int_equal(got.calls, 0);
}

static void servers_that_are_no_addresses_are_refused(void **state)
{
    struct resolver *r = NULL;
    struct loop *loop;

    assert_int_equal(loop_new(&loop), ERR_OK);
    assert_int_equal(
        resolver_new(&r, loop,
                     &(struct resolver_params){.timeout_ms = 100,
                                               .servers = "nonsense",
                                               .queries_max = 8}),
        ERR_INVALID);
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
        cmocka_unit_test(families_that_come_together_are_told_together),
        cmocka_unit_test(early_addresses_of_ipv6_are_told_at_once),
        cmocka_unit_test(early_addresses_of_ipv4_wait_a_moment),
        cmocka_unit_test(an_empty_family_tells_only_the_end),
        cmocka_unit_test(one_family_is_enough),
        cmocka_unit_test(literals_need_no_dns),
        cmocka_unit_test(questions_can_be_cancelled_at_any_time),
        cmocka_unit_test(pending_questions_end_with_the_resolver),
        cmocka_unit_test(servers_that_are_no_addresses_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
