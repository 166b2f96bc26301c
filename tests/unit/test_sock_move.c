/* Connections at their end, which move to another loop or not. */
#include "endpoint.h"
#include "net/sock_open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct loop *loop;
static struct endpoint a;

/* a is a sock, the other end a bare fd. */
static int half_pair(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    endpoint_accept(&a, loop, fds[0]);
    return fds[1];
}

static int begin(void **state)
{
    endpoint_init(&a);
    return loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int end(void **state)
{
    endpoint_close(&a);
    sock_stop_lingering(loop);
    loop_free(loop);
    return 0;
}

static void the_end_of_a_connection_moves_with_it(void **state)
{
    struct endpoint moved;
    struct sock_transfer transfer;
    int far = half_pair();
    char last[8];

    shutdown(far, SHUT_WR);
    run_until(loop, &a.count[ON_EOF], 1);
    assert_int_equal(sock_detach(a.s, &transfer), ERR_OK);
    a.s = NULL;
    assert_true(transfer.is_at_end);
    endpoint_init(&moved);
    assert_int_equal(
        sock_attach(&moved.s, loop, &transfer, &endpoint_ops, &moved), ERR_OK);
    run_until(loop, &moved.count[ON_EOF], 1);
    assert_int_equal(endpoint_write(&moved, "last"), ERR_OK);
    assert_int_equal(read(far, last, sizeof(last)), 4);
    endpoint_close(&moved);
    close(far);
}

static void a_lost_connection_is_not_moved(void **state)
{
    struct sock_transfer transfer;
    int far = half_pair();

    close(far);
    run_until(loop, &a.count[ON_EOF], 1);
    assert_int_equal(endpoint_write(&a, "x"), ERR_CLOSED);
    assert_int_equal(sock_detach(a.s, &transfer), ERR_CLOSED);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_end_of_a_connection_moves_with_it),
        TEST(a_lost_connection_is_not_moved),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
