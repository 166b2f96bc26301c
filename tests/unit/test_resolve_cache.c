#include "dns/resolve_cache.h"

#include "dns/resolve_answer.h"

#include <arpa/nameser.h>
#include <sys/socket.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define S UINT64_C(1000)

static struct resolve_cache *cache;

static void open_cache(size_t bytes_max, unsigned ttl_max_s, unsigned stale_s)
{
    struct resolve_cache_limits limits = {bytes_max, 5, ttl_max_s, stale_s};

    assert_int_equal(resolve_cache_new(&cache, &limits), ERR_OK);
}

static void put(const char *name, enum resolve_status status, unsigned ttl_s,
                uint64_t now_ms)
{
    struct answer *a = answer_of_address("\x09\x01\x01\x01", AF_INET);

    assert_non_null(a);
    a->status = status;
    a->has_ttl = ttl_s > 0 || status == RESOLVE_OK;
    a->ttl_s = ttl_s;
    if (status != RESOLVE_OK)
        a->n = 0;
    resolve_cache_put(cache, name, ns_t_a, a, now_ms);
    free(a);
}

/* The status of what is found: -1 is nothing. */
static int found(const char *name, uint64_t now_ms)
{
    const struct answer *a = resolve_cache_find(cache, name, ns_t_a, now_ms);

    return a == NULL ? -1 : (int)a->status;
}

static void assert_holds(const char *name, uint64_t from_ms, unsigned ttl_s)
{
    assert_int_not_equal(found(name, from_ms + ttl_s * S - 1), -1);
    assert_int_equal(found(name, from_ms + ttl_s * S), -1);
}

/* K13 */
static void an_answer_holds_for_its_ttl_within_bounds(void **state)
{
    open_cache(100000, 3600, 0);
    put("a.example", RESOLVE_OK, 60, 1 * S);
    assert_holds("a.example", 1 * S, 60);
    put("zero.example", RESOLVE_OK, 0, 1 * S);
    assert_holds("zero.example", 1 * S, 5);
    put("long.example", RESOLVE_OK, INT32_MAX, 1 * S);
    assert_holds("long.example", 1 * S, 3600);
    assert_int_equal(found("b.example", 1 * S), -1);
    assert_null(resolve_cache_find(cache, "a.example", ns_t_aaaa, 1 * S));
    resolve_cache_free(cache);
}

/* K13, RFC 2308: by the SOA; RFC 9520: failures, briefly. */
static void absence_and_failure_hold_for_shorter(void **state)
{
    open_cache(100000, 86400, 0);
    put("a.example", RESOLVE_NONE, 60, 0);
    assert_holds("a.example", 0, 60);
    put("b.example", RESOLVE_NONE, 9999, 0);
    assert_holds("b.example", 0, RESOLVE_ABSENCE_MAX_S);
    put("c.example", RESOLVE_NONE, 0, 0); /* no SOA */
    assert_holds("c.example", 0, 5);
    put("d.example", RESOLVE_FAILED, 0, 0);
    assert_holds("d.example", 0, RESOLVE_FAILURE_S);
    put("e.example", RESOLVE_ABSENT, 60, 0);
    assert_holds("e.example", 0, 60);
    resolve_cache_free(cache);
}

/* K13, RFC 8767 */
static void expired_records_serve_while_nobody_answers(void **state)
{
    open_cache(100000, 86400, 600);
    put("a.example", RESOLVE_OK, 60, 0);
    assert_int_equal(found("a.example", 60 * S), -1);
    assert_non_null(resolve_cache_stale(cache, "a.example", ns_t_a, 659 * S));
    assert_null(resolve_cache_stale(cache, "a.example", ns_t_a, 660 * S));

    /* A failure gives them a while, during which nobody is asked. */
    put("a.example", RESOLVE_FAILED, 0, 100 * S);
    assert_int_equal(found("a.example", 100 * S), RESOLVE_OK);
    assert_holds("a.example", 100 * S, RESOLVE_STALE_AGAIN_S);
    put("a.example", RESOLVE_FAILED, 0, 650 * S);
    assert_holds("a.example", 650 * S, 10); /* not beyond the end */
    put("a.example", RESOLVE_FAILED, 0, 660 * S);
    assert_int_equal(found("a.example", 660 * S), RESOLVE_FAILED);
    resolve_cache_free(cache);
}

/* RFC 8767 section 4: that there is no record any more is an answer. */
static void an_answer_replaces_what_was_known(void **state)
{
    open_cache(100000, 86400, 600);
    put("a.example", RESOLVE_OK, 60, 0);
    put("a.example", RESOLVE_NONE, 60, 100 * S);
    assert_int_equal(found("a.example", 100 * S), RESOLVE_NONE);
    assert_null(resolve_cache_stale(cache, "a.example", ns_t_a, 200 * S));
    put("a.example", RESOLVE_FAILED, 0, 200 * S);
    assert_int_equal(found("a.example", 200 * S), RESOLVE_FAILED);
    put("a.example", RESOLVE_OK, 60, 201 * S);
    assert_int_equal(found("a.example", 201 * S), RESOLVE_OK);
    assert_int_equal(resolve_cache_count(cache), 1);
    resolve_cache_free(cache);
}

static void what_was_not_used_for_longest_goes(void **state)
{
    size_t one;
    char name[40];

    open_cache(100000, 86400, 600);
    put("first.example", RESOLVE_OK, 600, 0);
    one = resolve_cache_bytes(cache);
    put("second.example", RESOLVE_OK, 600, 0);
    assert_int_equal(resolve_cache_bytes(cache), 2 * one);
    assert_int_equal(found("first.example", 1), RESOLVE_OK); /* used */
    for (unsigned i = 0; i < 100000 / one - 1; i++) {
        snprintf(name, sizeof(name), "n%u.example", i);
        put(name, RESOLVE_OK, 600, 2);
    }
    assert_int_equal(found("second.example", 3), -1);
    assert_int_equal(found("first.example", 3), RESOLVE_OK);
    assert_int_equal(resolve_cache_count(cache), 100000 / one);

    for (unsigned i = 0; i < 5000; i++) { /* a flood of names */
        snprintf(name, sizeof(name), "f%u.example", i);
        put(name, RESOLVE_NONE, 600, 4);
        assert_true(resolve_cache_bytes(cache) <= 100000);
    }
    assert_int_equal(found("first.example", 5), -1);
    resolve_cache_free(cache);
}

static void no_memory_keeps_nothing(void **state)
{
    char name[400];

    open_cache(0, 86400, 600);
    put("a.example", RESOLVE_OK, 60, 0);
    assert_int_equal(found("a.example", 0), -1);
    assert_int_equal(resolve_cache_count(cache), 0);
    resolve_cache_free(cache);

    open_cache(100000, 86400, 600);
    memset(name, 'a', sizeof(name));
    name[sizeof(name) - 1] = '\0';
    put(name, RESOLVE_OK, 60, 0); /* longer than a name is */
    assert_int_equal(found(name, 0), -1);
    resolve_cache_free(cache);
    resolve_cache_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_holds_for_its_ttl_within_bounds),
        cmocka_unit_test(absence_and_failure_hold_for_shorter),
        cmocka_unit_test(expired_records_serve_while_nobody_answers),
        cmocka_unit_test(an_answer_replaces_what_was_known),
        cmocka_unit_test(what_was_not_used_for_longest_goes),
        cmocka_unit_test(no_memory_keeps_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
