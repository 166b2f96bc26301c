/*
 * What an idle TLS connection costs: OpenSSL's memory is counted while pairs
 * of connections stand.  decisions: no buffers while idle, and a resumed
 * session shares its certificate with the one before.
 */
#include "net/tls_cache.h"
#include "tls_pair.h"
#include "net/sock_open.h"
#include "net/tls_ctx.h"
#include "net/tls_client.h"

#include <openssl/crypto.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define PAIRS 10

/* Measured with OpenSSL 3.0: 31 and 28 KB for both ends together.  One buffer
 * of a record more, on either end, is 16 KB. */
#define FULL_BYTES    40000
#define RESUMED_BYTES 37000

static size_t live_bytes;

/* Sizes stand in front. */
static void *count_malloc(size_t size, const char *file, int line)
{
    max_align_t *at = malloc(sizeof(*at) + size);

    if (at == NULL)
        return NULL;
    memcpy(at, &size, sizeof(size));
    live_bytes += size;
    return at + 1;
}

static void count_free(void *p, const char *file, int line)
{
    max_align_t *at = p;
    size_t size;

    if (p == NULL)
        return;
    memcpy(&size, at - 1, sizeof(size));
    live_bytes -= size;
    free(at - 1);
}

static void *count_realloc(void *p, size_t size, const char *file, int line)
{
    size_t before = 0;
    void *more = count_malloc(size, file, line);

    if (p != NULL)
        memcpy(&before, (max_align_t *)p - 1, sizeof(before));
    if (more == NULL)
        return NULL;
    if (p != NULL)
        memcpy(more, p, before < size ? before : size);
    count_free(p, file, line);
    return more;
}

/* One more pair, through its handshake and idle; what came with the handshake
 * has been read. */
static void stand(struct endpoint *a, struct endpoint *b, struct tls_ctx *ctx)
{
    const struct tls_peer peer = {
        .domain = "example.org", .is_verified = true, .is_direct = true};

    endpoint_init(a);
    endpoint_init(b);
    endpoint_pair(a, b, loop);
    assert_int_equal(sock_start_tls_server(b->s, server_ctx), ERR_OK);
    assert_int_equal(sock_start_tls_client(a->s, ctx, &peer), ERR_OK);
    run_until(loop, &a->count[ON_SECURED], 1);
    run_until(loop, &b->count[ON_SECURED], 1);
    assert_int_equal(endpoint_write(b, "x"), ERR_OK);
    run_until_got(loop, a, 1);
    run_for(loop, 1);
}

/* Of a pair, on the average. */
static size_t cost(struct tls_ctx *ctx)
{
    struct endpoint ends[PAIRS + 1][2];
    size_t before = 0;
    size_t bytes;

    for (size_t i = 0; i <= PAIRS; i++) {
        stand(&ends[i][0], &ends[i][1], ctx);
        if (i == 0)
            before = live_bytes; /* what is made once was made */
    }
    bytes = (live_bytes - before) / PAIRS;
    for (size_t i = 0; i <= PAIRS; i++) {
        endpoint_close(&ends[i][0]);
        endpoint_close(&ends[i][1]);
    }
    return bytes;
}

static void idle_connections_hold_no_buffers(void **state)
{
    size_t bytes = cost(client_ctx);

    print_message("%zu bytes a pair\n", bytes);
    assert_true(bytes < FULL_BYTES);
}

static void resumed_connections_share_the_certificate(void **state)
{
    struct tls_cache *cache;
    struct tls_ctx *ctx;
    size_t bytes;

    assert_int_equal(tls_cache_new(&cache, 100), ERR_OK);
    ctx = tls_pair_client(&(struct tls_policy){.cache = cache});
    bytes = cost(ctx);
    print_message("%zu bytes a pair\n", bytes);
    assert_true(bytes < RESUMED_BYTES);
    assert_true(tls_cache_count(cache) <= 2); /* none is kept beside the next */
    run_for(loop, 1);
    tls_ctx_free(ctx);
    tls_cache_free(cache);
}

#define TEST(name)                                                             \
    cmocka_unit_test_setup_teardown(name, tls_pair_begin, tls_pair_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(idle_connections_hold_no_buffers),
        TEST(resumed_connections_share_the_certificate),
    };

    /* Before OpenSSL has any memory. */
    if (CRYPTO_set_mem_functions(count_malloc, count_realloc, count_free) != 1)
        return 1;
    return cmocka_run_group_tests_name(
        "tls_memory", tests, tls_pair_begin_group, tls_pair_end_group);
}
