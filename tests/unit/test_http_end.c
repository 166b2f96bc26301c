/* How a connection of http ends: the client leaves, or time is up. */
#include "http_world.h"

#define POST_HEAD(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"

/* B81, T11, decision 4 */
static void a_fin_is_told_once_and_the_answer_still_written(void **state)
{
    struct world *w = world_open();

    world_send(w, GET("/hold") GET("/hold"));
    world_expect_requests(w, 2);
    shutdown(w->fd, SHUT_WR);
    world_run(w, 10);
    assert_int_equal(w->held[0].n_left, 1);
    assert_int_equal(w->held[0].how, HTTP_LEFT_FIN);
    assert_int_equal(w->held[1].n_left, 1);
    world_release(w, 0, "first");
    world_run(w, 5);
    world_read(w);
    assert_null(strstr(w->in, "Connection: close")); /* one more comes */
    world_expect(w, "\r\n\r\nfirst");
    world_release(w, 1, "second");
    world_expect(w, "Connection: close\r\n");
    world_expect(w, "\r\n\r\nsecond");
    world_expect_eof(w);
    world_run(w, 5);
    assert_int_equal(http_server_count(w->srv), 0);
    world_free(w);
}

/* T11, decision 4: a half-close of HTTP/1.0 is how it asks */
static void a_fin_after_the_last_request_is_no_news(void **state)
{
    static const char *const requests[] = {
        "GET /hold HTTP/1.0\r\n\r\n",
        "GET /hold HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    };

    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        struct world *w = world_open();

        world_send(w, requests[i]);
        shutdown(w->fd, SHUT_WR);
        world_expect_requests(w, 1);
        world_run(w, 10);
        assert_int_equal(w->held[0].n_left, 0);
        world_release(w, 0, "late");
        world_expect(w, "\r\n\r\nlate");
        world_expect_eof(w);
        world_free(w);
    }
}

/* B80, T7: unread bytes make the close a reset */
static void a_reset_ends_every_held_request(void **state)
{
    struct world *w = world_open();

    world_send(w, GET("/echo") GET("/hold") GET("/hold"));
    world_expect_requests(w, 3);
    close(w->fd);
    w->fd = -1;
    world_run(w, 10);
    assert_int_equal(w->held[0].n_left, 1);
    assert_int_equal(w->held[0].how, HTTP_LEFT_RST);
    assert_int_equal(w->held[1].n_left, 1);
    assert_int_equal(http_server_count(w->srv), 0);
    world_free(w);
}

/* The owner answers from inside left(): the connection ends under it. */
static void on_left_answer(void *owner, enum http_left how)
{
    struct held *h = owner;

    h->n_left++;
    h->how = how;
    world_answer(h->x, SLICE("bye"));
    h->x = NULL;
}

static void hold_and_answer_when_left(struct world *w, struct http_exchange *x,
                                      const struct http_request *r)
{
    static const struct http_exchange_ops ops = {.left = on_left_answer};
    struct held *h = &w->held[w->n_held++];

    h->x = x;
    http_hold(x, &ops, h);
}

static void an_owner_may_answer_when_told(void **state)
{
    struct world *w = world_open();

    w->move = hold_and_answer_when_left;
    world_send(w, GET("/move") GET("/move"));
    world_expect_requests(w, 2);
    shutdown(w->fd, SHUT_WR);
    world_expect(w, "\r\n\r\nbye");
    world_expect(w, "\r\n\r\nbye");
    world_expect_eof(w);
    world_free(w);

    w = world_open();
    w->move = hold_and_answer_when_left;
    world_send(w, GET("/echo") GET("/move") GET("/move"));
    world_expect_requests(w, 3);
    close(w->fd);
    w->fd = -1;
    world_run(w, 10);
    assert_int_equal(w->held[1].n_left, 1);
    assert_int_equal(http_server_count(w->srv), 0);
    world_free(w);
}

static void an_owner_may_answer_when_the_server_goes(void **state)
{
    struct world *w = world_open();

    w->move = hold_and_answer_when_left;
    world_send(w, GET("/move") GET("/move"));
    world_expect_requests(w, 2);
    http_server_free(w->srv);
    w->srv = NULL;
    assert_int_equal(w->held[0].n_left, 1);
    assert_int_equal(w->held[1].n_left, 1);
    world_expect_eof(w);
    assert_int_equal(w->in_len, 0);
    world_free(w);
}

/* The owner of one answers the other, which is as dead. */
static struct held *other;

static void on_left_answer_other(void *owner, enum http_left how)
{
    struct held *h = owner;

    h->n_left++;
    if (other->x != NULL && other != h)
        world_answer(other->x, SLICE("other"));
    other->x = NULL;
}

static void hold_and_answer_other(struct world *w, struct http_exchange *x,
                                  const struct http_request *r)
{
    static const struct http_exchange_ops ops = {.left = on_left_answer_other};

    other = &w->held[w->n_held++];
    other->x = x;
    http_hold(x, &ops, other);
}

static void an_owner_may_answer_another_when_told(void **state)
{
    struct world *w = world_open();

    w->move = hold_and_answer_other;
    world_send(w, GET("/echo") GET("/move") GET("/move") GET("/move"));
    world_expect_requests(w, 4);
    close(w->fd);
    w->fd = -1;
    world_run(w, 10);
    assert_int_equal(w->held[0].n_left, 1);
    assert_int_equal(w->held[1].n_left, 1);
    assert_int_equal(w->held[2].n_left, 0); /* was answered */
    assert_int_equal(http_server_count(w->srv), 0);
    world_free(w);
}

static struct world *open_with(unsigned header_ms, unsigned body_ms,
                               unsigned idle_ms, unsigned stall_ms)
{
    struct world none = {.loop = NULL};
    struct http_server_params p = world_params(&none);
    struct world *w;

    p.limits.header_ms = header_ms;
    p.limits.body_ms = body_ms;
    p.limits.idle_ms = idle_ms;
    p.limits.sock.stall_ms = stall_ms;
    w = world_new(&p);
    world_connect(w, NULL);
    return w;
}

/* I22, L13 */
static void slow_heads_and_bodies_end_in_408(void **state)
{
    /* Long beside the pauses, also where the machine makes them longer. */
    struct world *w = open_with(400, 5000, 5000, 5000);

    world_send(w, "GET / HTTP/1.1\r\n");
    for (int i = 0; i < 50; i++) {
        world_send(w, "X: y\r\n"); /* a line now and then does not help */
        world_run(w, 10);
    }
    world_read(w);
    assert_true(w->in_len > 0);
    world_expect(w, "HTTP/1.1 408 Request Timeout\r\n");
    world_expect(w, "Connection: close\r\n");
    world_expect(w, "Access-Control-Allow-Origin: *\r\n");
    world_expect_eof(w);
    world_free(w);

    w = open_with(5000, 40, 5000, 5000);
    world_send(w, POST_HEAD("/echo") "Content-Length: 5\r\n\r\nhel");
    world_expect(w, "HTTP/1.1 408 Request Timeout\r\n");
    world_expect_eof(w);
    assert_int_equal(w->n_requests, 0);
    world_free(w);
}

/* I22 */
static void an_idle_connection_is_closed_in_silence(void **state)
{
    struct world *w = open_with(5000, 5000, 40, 5000);

    world_expect_eof(w);
    assert_int_equal(w->in_len, 0);
    close(w->fd);

    w->saw_eof = false;
    world_connect(w, NULL);
    world_send(w, GET("/hold"));
    world_expect_requests(w, 1);
    world_run(w, 100); /* never while a request is held */
    world_expect_silence(w);
    world_send(w, GET("/echo"));
    world_expect_requests(w, 2);
    world_release(w, 0, "late");
    world_expect(w, "\r\n\r\nlate");
    world_expect(w, "\r\n\r\n");
    world_expect_eof(w);
    world_free(w);
}

/* Old clients end a body with a line end of their own: no request begins. */
static void a_stray_line_end_is_no_late_request(void **state)
{
    struct world *w = open_with(30, 5000, 90, 5000);

    world_send(w, POST_HEAD("/echo") "Content-Length: 1\r\n\r\na\r\n");
    world_expect(w, "\r\n\r\na");
    world_expect_eof(w);
    assert_int_equal(w->in_len, 0);
    world_free(w);
}

/* L13: a body may be slow, but 1 kB/s it must be */
static void a_body_that_flows_may_take_its_time(void **state)
{
    static const char piece[] = "12345678901234567890123456789012345678901234"
                                "5678901234567890123456789012345678901234567890"
                                "1234567890"; /* 100 bytes */
    struct world *w = open_with(5000, 150, 5000, 5000);

    world_send(w, POST_HEAD("/echo") "Content-Length: 300\r\n\r\n");
    for (int i = 0; i < 3; i++) {
        world_send(w, piece);
        world_run(w, 100); /* the last one comes after 200 ms */
    }
    world_expect(w, "HTTP/1.1 200 OK\r\n");
    world_free(w);
}

/* I22: a request begun behind a held one is timed all the same */
static void the_head_timeout_runs_behind_a_held_request(void **state)
{
    struct world *w = open_with(30, 5000, 5000, 5000);

    world_send(w, GET("/hold") "GET");
    world_expect_requests(w, 1);
    world_run(w, 60);
    assert_int_equal(w->held[0].n_left, 0);
    world_release(w, 0, "held");
    world_expect(w, "\r\n\r\nheld");
    world_expect(w, "408 Request Timeout\r\n");
    world_expect_eof(w);
    world_free(w);
}

/* I23, L13: slow readers */
static void a_client_that_does_not_read_is_cut_off(void **state)
{
    struct world *w = open_with(5000, 5000, 5000, 50);

    world_send(w, GET("/big") GET("/hold"));
    world_run(w, 20);
    assert_int_equal(http_server_count(w->srv), 1);
    world_run(w, 150);
    assert_int_equal(http_server_count(w->srv), 0);
    assert_int_equal(w->n_requests, 1); /* and reading paused meanwhile */
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fin_is_told_once_and_the_answer_still_written),
        cmocka_unit_test(a_fin_after_the_last_request_is_no_news),
        cmocka_unit_test(a_reset_ends_every_held_request),
        cmocka_unit_test(an_owner_may_answer_when_told),
        cmocka_unit_test(an_owner_may_answer_when_the_server_goes),
        cmocka_unit_test(an_owner_may_answer_another_when_told),
        cmocka_unit_test(a_stray_line_end_is_no_late_request),
        cmocka_unit_test(a_body_that_flows_may_take_its_time),
        cmocka_unit_test(slow_heads_and_bodies_end_in_408),
        cmocka_unit_test(an_idle_connection_is_closed_in_silence),
        cmocka_unit_test(the_head_timeout_runs_behind_a_held_request),
        cmocka_unit_test(a_client_that_does_not_read_is_cut_off),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
