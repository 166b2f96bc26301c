/*
 * What OpenSSL makes once for all connections is made at start-up.  At the
 * first connection a lack of memory would last: no later one could have TLS.
 */
#include "tls_pair.h"

#include <dlfcn.h>
#include <openssl/bio.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static bool is_short; /* of memory */

/* Found before OpenSSL's. */
BIO_METHOD *BIO_meth_new(int type, const char *name)
{
    BIO_METHOD *(*real)(int, const char *);

    *(void **)&real = dlsym(RTLD_NEXT, "BIO_meth_new");
    return is_short ? NULL : real(type, name);
}

static int begin_group(void **state)
{
    is_short = true;
    if (tls_start() != ERR_NOMEM)
        return -1;
    is_short = false;
    return tls_pair_begin_group(state);
}

static int begin(void **state)
{
    return tls_pair_begin(state);
}

static int end(void **state)
{
    is_short = false;
    return tls_pair_end(state);
}

static void the_first_connection_makes_nothing_that_lasts(void **state)
{
    const struct tls_peer peer = {.domain = "example.org"};

    is_short = true;
    assert_int_equal(sock_start_tls_server(server.s, server_ctx), ERR_OK);
    assert_int_equal(sock_start_tls_client(client.s, client_ctx, &peer),
                     ERR_OK);
    run_until(loop, &client.count[ON_SECURED], 1);
}

static void it_may_start_twice(void **state)
{
    is_short = true;
    assert_int_equal(tls_start(), ERR_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_connection_makes_nothing_that_lasts),
        TEST(it_may_start_twice),
    };

    return cmocka_run_group_tests_name("tls_start", tests, begin_group,
                                       tls_pair_end_group);
}
