/*
 * What OpenSSL has taken off the socket and not given out yet: no epoll tells
 * of it.  A read of one turn (64 KB) ends inside the last record here.
 */
#include "tls_pair.h"
#include "net/sock_open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#define FIRST_BYTES 1000
#define REST_BYTES  65536
#define ALL_BYTES   (FIRST_BYTES + REST_BYTES)

/* All of it lies in the kernel before the server reads any. */
static void send_all(void)
{
    sock_pause(server.s);
    run_for(loop, 20);
    assert_int_equal(
        endpoint_write_bytes(&client, pattern(ALL_BYTES), FIRST_BYTES), ERR_OK);
    assert_int_equal(endpoint_write_bytes(
                         &client, pattern(ALL_BYTES) + FIRST_BYTES, REST_BYTES),
                     ERR_OK);
    run_for(loop, 20);
    assert_int_equal(sock_queued_bytes(client.s), 0);
    assert_int_equal(server.got.len, 0);
}

static void assert_all_got(const struct endpoint *e)
{
    assert_int_equal(e->got.len, ALL_BYTES);
    assert_memory_equal(buf_at(&e->got), pattern(ALL_BYTES), ALL_BYTES);
}

static void the_rest_of_a_record_comes_by_itself(void **state)
{
    tls_pair_secure();
    send_all();
    sock_resume(server.s);
    run_until_got(loop, &server, ALL_BYTES);
    assert_all_got(&server);
}

static void the_rest_of_a_record_moves_with_the_connection(void **state)
{
    struct endpoint moved;
    size_t before;

    tls_pair_secure();
    send_all();
    server.act[ON_RECEIVED] = DO_DETACH;
    sock_resume(server.s);
    run_until(loop, &server.count[ON_RECEIVED], 1);
    before = server.got.len;
    assert_true(server.is_parcel);
    assert_true(before < ALL_BYTES);

    endpoint_init(&moved);
    assert_int_equal(
        sock_attach(&moved.s, loop, &server.transfer, &endpoint_ops, &moved),
        ERR_OK);
    server.is_parcel = false;
    run_until_got(loop, &moved, ALL_BYTES - before);
    assert_memory_equal(buf_at(&moved.got), pattern(ALL_BYTES) + before,
                        ALL_BYTES - before);
    endpoint_close(&moved);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_rest_of_a_record_comes_by_itself,
                                        tls_pair_begin, tls_pair_end),
        cmocka_unit_test_setup_teardown(
            the_rest_of_a_record_moves_with_the_connection, tls_pair_begin,
            tls_pair_end),
    };

    return cmocka_run_group_tests_name("tls_rest", tests, tls_pair_begin_group,
                                       tls_pair_end_group);
}
