/* A request that belongs elsewhere waits until those before it on its
 * connection are answered, and then moves. */
#include "http_world.h"

#define POST_HEAD(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"
#define MOVED           POST_HEAD("/move") "Content-Length: 5\r\n\r\nmoved"
#define MOVED_CHUNKED                                                          \
    POST_HEAD("/move")                                                         \
    "Transfer-Encoding: chunked\r\n\r\n2\r\nmo\r\n3\r\nved\r\n0\r\n\r\n"

static void check_and_hold(struct world *w, struct http_exchange *x,
                           const struct http_request *r)
{
    assert_true(slice_is(r->body, "moved"));
    world_hold(w, x);
}

static void detach_or_postpone(struct world *w, struct http_exchange *x,
                               const struct http_request *r)
{
    assert_true(slice_is(r->body, "moved"));
    if (http_detach(x, w->transfer) != ERR_OK)
        assert_int_equal(http_postpone(x), ERR_OK);
}

static struct world *open_with(struct http_transfer *transfer)
{
    struct world *w = world_open();

    *transfer = (struct http_transfer){.sock = {.fd = -1}};
    w->move = detach_or_postpone;
    w->transfer = transfer;
    return w;
}

/* The transfer's request, held by a server of another loop, whose client is
 * that of `from`. */
static struct world *arrive(struct world *from, struct http_transfer *transfer)
{
    struct world *to = world_new(NULL);

    assert_true(transfer->sock.fd >= 0);
    assert_int_equal(http_server_count(from->srv), 0);
    to->fd = from->fd; /* and from now on its turns are those of `to` */
    slots_give(&from->places);
    assert_true(slots_take(&to->places));
    from->fd = -1;
    world_free(from);
    to->move = check_and_hold;
    assert_int_equal(http_attach(to->srv, transfer), ERR_OK);
    return to;
}

/* decision 38: nothing is lost, nothing overtakes */
static void a_postponed_request_moves_behind_the_answers_before_it(void **state)
{
    struct http_transfer transfer;
    struct world *w = open_with(&transfer);

    world_send(w, GET("/hold") GET("/hold") MOVED_CHUNKED GET("/echo"));
    world_expect_requests(w, 3);
    assert_int_equal(w->held[0].n_awaited, 1);
    assert_int_equal(w->held[1].n_awaited, 1);
    world_release(w, 1, "second");
    world_expect_silence(w);
    assert_int_equal(w->n_requests, 3);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirst");
    world_expect(w, "\r\n\r\nsecond");
    world_expect_requests(w, 4); /* the same again, and no other */

    w = arrive(w, &transfer);
    world_expect_requests(w, 2);
    world_send(w, GET("/echo"));
    world_expect_silence(w);
    assert_int_equal(w->n_requests, 2); /* behind an answer that waits */
    world_release(w, 0, "moved");
    world_expect(w, "\r\n\r\nmoved");
    world_expect(w, "\r\n\r\n");
    world_expect_requests(w, 3);
    world_free(w);
}

static void a_postponed_request_survives_the_end_behind_it(void **state)
{
    struct http_transfer transfer;
    struct world *w = open_with(&transfer);

    world_send(w, GET("/hold") MOVED);
    world_expect_requests(w, 2);
    shutdown(w->fd, SHUT_WR);
    world_run(w, 5);
    assert_int_equal(w->held[0].n_left, 1);
    assert_int_equal(w->held[0].how, HTTP_LEFT_FIN);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirst");
    world_expect_requests(w, 3);

    w = arrive(w, &transfer);
    world_run(w, 5);
    assert_int_equal(w->held[0].how, HTTP_LEFT_FIN);
    assert_int_equal(w->held[0].n_left, 1);
    world_release(w, 0, "moved");
    world_expect(w, "\r\n\r\nmoved");
    world_expect_eof(w);
    world_free(w);
}

static void a_postponed_request_goes_with_its_server(void **state)
{
    struct http_transfer transfer;
    struct world *w = open_with(&transfer);

    world_send(w, GET("/hold") MOVED GET("/echo"));
    world_expect_requests(w, 2);
    world_free(w);
    assert_int_equal(transfer.sock.fd, -1);
}

/* Asked by a client that sends without end: it is not read any more. */
static void behind_a_postponed_request_little_is_kept(void **state)
{
    struct http_transfer transfer;
    struct world *w = open_with(&transfer);
    size_t sent = 0;

    world_send(w, GET("/hold") MOVED);
    world_expect_requests(w, 2);
    for (int i = 0; i < 100; i++) {
        ssize_t n = send(w->fd, world_big, 1 << 16, MSG_DONTWAIT);

        sent += n > 0 ? (size_t)n : 0;
        world_run(w, 1);
    }
    assert_in_range(sent, 1, 2u << 20);
    assert_int_equal(http_server_count(w->srv), 1);
    world_free(w);
}

static void drop_connection(struct world *w, struct http_exchange *x,
                            const struct http_request *r)
{
    assert_int_equal(http_postpone(x), ERR_CLOSED);
    http_drop(x);
}

static void a_dropped_connection_is_closed_without_an_answer(void **state)
{
    struct world *w = world_open();

    w->move = drop_connection;
    world_send(w, MOVED GET("/echo"));
    world_expect_eof(w);
    assert_int_equal(w->in_len, 0);
    assert_int_equal(w->n_requests, 1);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            a_postponed_request_moves_behind_the_answers_before_it),
        cmocka_unit_test(a_postponed_request_survives_the_end_behind_it),
        cmocka_unit_test(a_postponed_request_goes_with_its_server),
        cmocka_unit_test(behind_a_postponed_request_little_is_kept),
        cmocka_unit_test(a_dropped_connection_is_closed_without_an_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
