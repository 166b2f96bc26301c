/* Which session comes out of the cache, and which one gives way. */
#include "net/tls_cache.h"

#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct tls_cache *cache;

static int begin(void **state)
{
    return tls_cache_new(&cache, 20) == ERR_OK ? 0 : -1;
}

static int end(void **state)
{
    tls_cache_free(cache);
    return 0;
}

/* The until of a session is its name here. */
static void put(const char *key, int64_t until_s)
{
    struct tls_saved saved = {SSL_SESSION_new(), until_s, false};

    assert_non_null(saved.session);
    tls_cache_put(cache, slice_of(key), &saved);
}

/* 0: there is none. */
static int64_t take(const char *key, int64_t now_s)
{
    struct tls_saved saved;

    if (!tls_cache_take(cache, slice_of(key), now_s, &saved))
        return 0;
    SSL_SESSION_free(saved.session);
    return saved.until_s;
}

static void the_newest_comes_first_and_is_gone_then(void **state)
{
    put("a", 101);
    put("a", 102);
    put("b", 201);
    assert_int_equal(tls_cache_count(cache), 3);
    assert_int_equal(take("a", 1), 102);
    assert_int_equal(take("a", 1), 101);
    assert_int_equal(take("a", 1), 0);
    assert_int_equal(take("b", 1), 201);
    assert_int_equal(take("c", 1), 0);
    assert_int_equal(tls_cache_count(cache), 0);
}

static void what_is_too_old_never_comes_out(void **state)
{
    put("a", 300);
    put("a", 200);
    put("a", 100);
    assert_int_equal(take("a", 99), 100);
    put("a", 100);
    assert_int_equal(take("a", 200), 300); /* not at its very end, either */
    assert_int_equal(tls_cache_count(cache), 0);
    put("a", 300);
    assert_int_equal(take("a", 300), 0);
}

static void only_so_many_are_kept_of_a_key(void **state)
{
    for (int i = 1; i <= TLS_CACHE_PER_KEY + 3; i++)
        put("a", i);
    assert_int_equal(tls_cache_count(cache), TLS_CACHE_PER_KEY);
    for (int i = TLS_CACHE_PER_KEY + 3; i > 3; i--)
        assert_int_equal(take("a", 0), i);
    assert_int_equal(take("a", 0), 0);
}

static void the_key_that_was_not_used_gives_way(void **state)
{
    char key[16];

    for (int i = 1; i <= 20; i++) {
        snprintf(key, sizeof(key), "k%d", i);
        put(key, i);
    }
    put("k1", 21); /* the 21st: k2 is the one that waited longest */
    assert_int_equal(tls_cache_count(cache), 20);
    assert_int_equal(take("k2", 0), 0);
    assert_int_equal(take("k1", 0), 21);
    assert_int_equal(take("k1", 0), 1);
    assert_int_equal(take("k3", 0), 3);
}

static void a_full_cache_of_one_key_takes_another(void **state)
{
    tls_cache_free(cache);
    assert_int_equal(tls_cache_new(&cache, 1), ERR_OK);
    put("a", 1);
    put("a", 2);
    assert_int_equal(take("a", 0), 2);
    put("a", 3);
    put("b", 4);
    assert_int_equal(take("a", 0), 0);
    assert_int_equal(take("b", 0), 4);
}

static void forgetting_a_key_leaves_the_others(void **state)
{
    put("a", 1);
    put("a", 2);
    put("ab", 3);
    tls_cache_forget(cache, slice_of("a"));
    tls_cache_forget(cache, slice_of("c"));
    assert_int_equal(tls_cache_count(cache), 1);
    assert_int_equal(take("a", 0), 0);
    assert_int_equal(take("ab", 0), 3);
}

static void a_cache_of_none_keeps_none(void **state)
{
    tls_cache_free(cache);
    assert_int_equal(tls_cache_new(&cache, 0), ERR_OK);
    put("a", 1);
    assert_int_equal(tls_cache_count(cache), 0);
    assert_int_equal(take("a", 0), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_newest_comes_first_and_is_gone_then),
        TEST(what_is_too_old_never_comes_out),
        TEST(only_so_many_are_kept_of_a_key),
        TEST(the_key_that_was_not_used_gives_way),
        TEST(a_full_cache_of_one_key_takes_another),
        TEST(forgetting_a_key_leaves_the_others),
        TEST(a_cache_of_none_keeps_none),
    };

    return cmocka_run_group_tests_name("tls_cache", tests, NULL, NULL);
}
