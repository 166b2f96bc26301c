#include "http_world.h"

#include "base/metrics.h"
#include "../../src/front/http_conn.h"

#define POST_HEAD(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"

/* I12, I30-I32, I41, T13 */
static void an_answer_has_its_headers_and_one_length(void **state)
{
    struct world *w = world_open();

    world_send(w, POST_HEAD("/echo") "Content-Length: 5\r\n\r\nhello");
    world_expect(w, "HTTP/1.1 200 OK\r\nDate: ");
    world_expect(w, " GMT\r\nX-Content-Type-Options: nosniff\r\n"
                    "Content-Length: 5\r\n"
                    "Access-Control-Allow-Origin: *\r\n"
                    "Content-Type: text/xml; charset=utf-8\r\n"
                    "Cache-Control: no-store\r\n"
                    "Content-Security-Policy: default-src 'none'; sandbox\r\n"
                    "\r\nhello");
    world_send(w, GET("/empty"));
    world_expect(w, "Content-Length: 0\r\n");
    world_expect(w, "\r\n\r\n");
    assert_int_equal(http_server_count(w->srv), 1);
    world_expect_silence(w);
    world_free(w);
}

/* I10, I21: whatever way the network cuts it */
static void a_request_is_read_at_every_cut(void **state)
{
    static const char *const requests[] = {
        "\r\n" POST_HEAD("/echo") "Content-Length: 11\r\n\r\nhello world",
        POST_HEAD("/echo") "Transfer-Encoding: chunked\r\n\r\n"
                           "5\r\nhello\r\n6;x\r\n world\r\n0\r\nT: u\r\n\r\n",
    };
    struct world *w = world_open();

    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        size_t len = strlen(requests[i]);

        for (size_t cut = 1; cut < len; cut++) {
            send(w->fd, requests[i], cut, MSG_NOSIGNAL);
            world_run(w, 1);
            world_send(w, requests[i] + cut);
            world_expect(w, "Content-Length: 11\r\n");
            world_expect(w, "\r\n\r\nhello world");
            assert_int_equal(w->in_len, 0);
        }
    }
    world_free(w);
}

/* B82, I20, T12, Q15 */
static void answers_leave_in_the_order_of_the_wire(void **state)
{
    struct world *w = world_open();

    world_send(w, GET("/hold") GET("/hold")
                      POST_HEAD("/echo") "Content-Length: 5\r\n\r\nthird");
    world_expect_requests(w, 3); /* none waits for the first */
    world_release(w, 1, "second");
    world_expect_silence(w);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirst");
    world_expect(w, "\r\n\r\nsecond");
    world_expect(w, "\r\n\r\nthird");
    assert_int_equal(w->in_len, 0);
    world_free(w);
}

/* I21: the read-ahead is bounded, and goes on */
static void reading_pauses_at_the_pipeline_maximum(void **state)
{
    struct world *w = world_open();

    world_send(w, GET("/hold") GET("/hold") GET("/hold") GET("/hold")
                      GET("/hold") GET("/echo"));
    world_expect_requests(w, HTTP_PIPELINE_MAX);
    world_send(w, GET("/none"));
    world_run(w, 10);
    assert_int_equal(w->n_requests, HTTP_PIPELINE_MAX);
    world_release(w, 0, "0");
    world_expect_requests(w, HTTP_PIPELINE_MAX + 1);
    for (unsigned i = 1; i <= HTTP_PIPELINE_MAX; i++)
        world_release(w, i, "n");
    world_expect_requests(w, HTTP_PIPELINE_MAX + 3);
    world_expect(w, "404 Not Found\r\n");
    world_free(w);
}

/* I21, I23: more than any buffer of ours holds, both ways */
static void a_flood_of_pipelined_requests_is_answered_in_full(void **state)
{
    static char flood[60000];
    struct world *w = world_open();
    size_t len = strlen(GET("/echo"));
    unsigned n = 0;

    world_send(w, "GET /echo HTTP/1.1\r\nHo"); /* half a head is kept */
    world_run(w, 5);
    memcpy(flood, "st: a\r\n\r\n", 9);
    for (size_t at = 9; at + len < sizeof(flood); at += len, n++)
        memcpy(flood + at, GET("/echo"), len + 1);
    world_send(w, flood);
    for (int i = 0; i < 1000 && w->n_requests < n + 1; i++) {
        world_read(w);
        w->in_len = 0;
        world_run(w, 1);
    }
    assert_int_equal(w->n_requests, n + 1);
    world_free(w);
}

/* One turn of the loop: what is deferred to the next one ends this one. */
static void run_turn(struct world *w)
{
    struct defer d = {0};

    loop_defer_next(w->loop, &d, world_stop, w->loop);
    loop_run(w->loop);
}

/* Others wait for their turn. */
static void a_turn_serves_a_few_of_the_requests_sent_ahead(void **state)
{
    struct world *w = world_open();
    unsigned last = 0;

    for (int i = 0; i < 50; i++)
        world_send(w, POST_HEAD("/echo") "Content-Length: 5\r\n\r\nhello");
    for (int turns = 0; turns < 200 && w->n_requests < 50; turns++) {
        run_turn(w);
        assert_true(w->n_requests - last <= HTTP_TURN_REQUESTS);
        last = w->n_requests;
    }
    assert_int_equal(w->n_requests, 50);
    for (int i = 0; i < 50; i++)
        world_expect(w, "\r\n\r\nhello");
    world_free(w);
}

/* Few requests may be many bytes: each of these is half of a share. */
static void a_turn_serves_no_request_behind_its_share_of_bytes(void **state)
{
    static char body[HTTP_TURN_BYTES / 2 + 1];
    struct http_server_params params = {.origins = {.any = true}};
    struct world *w = world_new(NULL);
    unsigned last = 0;

    params.limits = world_params(w).limits;
    params.limits.body_max_bytes = sizeof(body);
    world_free(w);
    w = world_new(&params);
    world_connect(w, NULL);
    memset(body, 'x', sizeof(body) - 1);
    for (int i = 0; i < 6; i++) {
        world_send(w, POST_HEAD("/none") "Content-Length: 8192\r\n\r\n");
        world_send(w, body);
    }
    for (int turns = 0; turns < 200 && w->n_requests < 6; turns++) {
        run_turn(w);
        assert_true(w->n_requests - last <= 2);
        last = w->n_requests;
        world_read(w);
        w->in_len = 0;
    }
    assert_int_equal(w->n_requests, 6);
    world_free(w);
}

/* I21: an answer that waits for its turn on the wire ends the reading ahead,
 * and hurries what it waits for. */
static void nothing_begins_behind_an_answer_that_waits(void **state)
{
    struct world *w = world_open();

    world_send(w, GET("/hold") GET("/echo"));
    world_expect_requests(w, 2);
    assert_int_equal(w->held[0].n_awaited, 0); /* nothing more is there */
    world_send(w, GET("/echo") GET("/none"));
    world_expect_silence(w);
    assert_int_equal(w->n_requests, 2);
    assert_int_equal(w->held[0].n_awaited, 1);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirst");
    world_expect_requests(w, 4);
    world_expect(w, "404 Not Found\r\n");
    world_free(w);
}

/* Answers that are not read: the mark, one answer above it, and no more. */
static void a_client_that_does_not_read_is_not_asked_for_more(void **state)
{
    struct world *w = world_open();
    char many[100 * sizeof(GET("/none"))] = "";
    unsigned before;

    for (int i = 0; i < 100; i++)
        memcpy(many + strlen(many), GET("/none"), sizeof(GET("/none")));
    for (int i = 0; i < 100; i++) {
        if (send(w->fd, many, strlen(many), 0) < 0)
            break;
        world_run(w, 2);
    }
    before = w->n_requests;
    world_run(w, 20);
    assert_int_equal(w->n_requests, before);
    assert_true(before > HTTP_PIPELINE_MAX);
    for (int i = 0; i < 2000 && w->n_requests < before + 10; i++) {
        world_read(w);
        w->in_len = 0;
        world_run(w, 1);
    }
    assert_true(w->n_requests >= before + 10);
    world_free(w);
}

/* I17, I19 */
static void persistence_is_as_the_client_asked(void **state)
{
    struct world *w = world_open();

    world_send(w, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    world_expect(w, "\r\nConnection: keep-alive\r\n");
    world_expect(w, "\r\n\r\n");
    world_send(w, "GET / HTTP/1.0\r\n\r\n" GET("/echo"));
    world_expect(w, "\r\nConnection: close\r\n");
    world_expect(w, "\r\n\r\n");
    world_expect_eof(w);
    assert_int_equal(w->in_len, 0); /* what follows a last request is not */
    assert_int_equal(w->n_requests, 2);
    world_free(w);

    w = world_open();
    world_send(w, "GET /hold HTTP/1.1\r\nHost: a\r\n"
                  "Connection: close\r\n\r\n" GET("/echo"));
    world_expect_requests(w, 1);
    world_run(w, 5);
    assert_int_equal(w->n_requests, 1); /* that one was the last */
    world_release(w, 0, "late");
    world_expect(w, "Connection: close\r\n");
    world_expect(w, "\r\n\r\nlate");
    world_expect_eof(w);
    world_free(w);

    w = world_open();
    world_send(w, GET("/close"));
    world_expect(w, "Connection: close\r\n");
    world_expect_eof(w);
    world_free(w);
}

/* T13, I02 */
static void head_has_a_length_and_no_body(void **state)
{
    struct world *w = world_open();

    world_send(w, HEAD("/none") GET("/echo"));
    world_expect(w, "404 Not Found\r\n");
    world_expect(w, "Content-Length: 14\r\n");
    world_expect(w, "\r\n\r\nHTTP/1.1 200 OK\r\n");
    world_free(w);
}

/* I16: 100 before the body, in the order of the wire */
static void a_client_that_expects_100_gets_it_in_turn(void **state)
{
    struct world *w = world_open();

    world_send(w, POST_HEAD("/echo") "Expect: 100-continue\r\n"
                                     "Content-Length: 5\r\n\r\n");
    world_expect(w, "HTTP/1.1 100 Continue\r\n\r\n");
    assert_int_equal(w->n_requests, 0);
    world_send(w, "hello");
    world_expect(w, "\r\n\r\nhello");

    world_send(
        w, GET("/hold") POST_HEAD(
               "/echo") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    world_expect_requests(w, 2);
    world_expect_silence(w);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirstHTTP/1.1 100 Continue\r\n\r\n");
    world_send(w, "ab");
    world_expect(w, "\r\n\r\nab");

    /* Whose body comes before its turn does not get it late. */
    world_send(
        w, GET("/hold") POST_HEAD(
               "/echo") "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    world_run(w, 5);
    world_send(w, "c");
    world_run(w, 5);
    world_release(w, 1, "held");
    world_expect(w, "\r\n\r\nheld");
    world_expect_silence(w);
    world_send(w, "d");
    world_expect(w, "\r\n\r\ncd");

    /* Who sends the body at once does not wait for it. */
    world_send(w, POST_HEAD("/echo") "Expect: 100-continue\r\n"
                                     "Content-Length: 2\r\n\r\na");
    world_expect_silence(w);
    world_send(w, "b");
    world_expect(w, "HTTP/1.1 200 OK\r\n");
    world_free(w);
}

/* I10, I36, I41, T52: status, CORS, Connection: close, and the end */
static void what_is_wrong_is_answered_with_cors_and_closed(void **state)
{
    static const struct {
        const char *request;
        const char *status;
    } rows[] = {
        {"GET / HTTP/1.1\r\n\r\n", "400 Bad Request"},
        {"GET / HTTP/3.0\r\n\r\n", "505 HTTP Version Not Supported"},
        {POST_HEAD("/echo") "Content-Length: 1025\r\n"
                            "Expect: 100-continue\r\n\r\n",
         "413 Content Too Large"},
        {POST_HEAD("/echo") "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\nx",
         "400 Bad Request"},
        {POST_HEAD("/echo") "Transfer-Encoding: gzip, chunked\r\n\r\n",
         "501 Not Implemented"},
        {POST_HEAD("/echo") "Expect: tea\r\n\r\n", "417 Expectation Failed"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct world *w = world_open();

        world_send(w, rows[i].request);
        world_expect(w, "HTTP/1.1 ");
        world_expect(w, rows[i].status);
        world_expect(w, "Connection: close\r\n");
        world_expect(w, "Access-Control-Allow-Origin: *\r\n");
        world_expect(w, rows[i].status);
        world_expect(w, "\n");
        world_expect_eof(w);
        assert_int_equal(w->in_len, 0);
        assert_int_equal(w->n_requests, 0);
        world_free(w);
    }
}

/* decision 11: 413 for chunks, too, when they exceed; never before */
static void chunked_bodies_are_bounded_like_others(void **state)
{
    struct world *w = world_open();
    char chunk[600];

    memset(chunk, 'a', sizeof(chunk));
    memcpy(chunk, "200\r\n", 5);
    memcpy(chunk + 5 + 512, "\r\n", 3);
    world_send(w, POST_HEAD("/echo") "Transfer-Encoding: chunked\r\n\r\n");
    world_send(w, chunk);
    world_send(w, chunk);
    world_send(w, "0\r\n\r\n");
    world_expect(w, "Content-Length: 1024\r\n");
    world_send(w, POST_HEAD("/echo") "Transfer-Encoding: chunked\r\n\r\n");
    world_send(w, chunk);
    world_send(w, chunk);
    world_send(w, "1\r\na");
    world_expect(w, "413 Content Too Large\r\n");
    world_expect_eof(w);
    world_free(w);
}

/* An error waits for the answers before it. */
static void an_error_does_not_overtake_a_held_request(void **state)
{
    struct world *w = world_open();

    world_send(w, GET("/hold") "BAD\r\n\r\n" GET("/echo"));
    world_expect_requests(w, 1);
    world_expect_silence(w);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirst");
    world_expect(w, "HTTP/1.1 400 Bad Request\r\n");
    world_expect_eof(w);
    assert_int_equal(w->n_requests, 1);
    world_free(w);
}

static void a_lasting_body_is_sent_as_the_client_reads(void **state)
{
    struct world *w = world_open();
    size_t total = 0;
    size_t max_queued = 0;

    world_send(w, GET("/big") GET("/echo"));
    world_expect(w, "Content-Length: 3145728\r\n");
    world_expect(w, "\r\n\r\n");
    for (int i = 0; i < 20000 && total < WORLD_BIG_BYTES; i++) {
        struct http_conn *c = w->srv->conns.next;

        if (c != &w->srv->conns && sock_queued_bytes(c->sock) > max_queued)
            max_queued = sock_queued_bytes(c->sock);
        world_read(w);
        if (total + w->in_len > WORLD_BIG_BYTES)
            break;
        total += w->in_len;
        w->in_len = 0;
        world_run(w, 1);
    }
    world_expect(w, "HTTP/1.1 200 OK\r\n");
    assert_true(max_queued > 0 && max_queued <= 100000);
    world_free(w);
}

/* decisions 9, 19 */
static void draining_closes_what_is_idle_and_what_is_answered(void **state)
{
    struct world *w = world_open();
    int idle;

    world_send(w, GET("/echo"));
    world_expect(w, "\r\n\r\n");
    idle = w->fd;
    world_connect(w, NULL);
    world_send(w, GET("/hold"));
    world_expect_requests(w, 2);
    http_server_drain(w->srv);
    assert_int_equal(http_server_count(w->srv), 1);
    world_release(w, 0, "last");
    world_expect(w, "Connection: close\r\n");
    world_expect(w, "\r\n\r\nlast");
    world_expect_eof(w);
    assert_int_equal(http_server_count(w->srv), 0);
    close(idle);
    world_free(w);
}

static void freeing_the_server_tells_who_holds(void **state)
{
    struct world *w = world_open();

    world_send(w, GET("/hold") GET("/hold"));
    world_expect_requests(w, 2);
    http_server_free(w->srv);
    w->srv = NULL;
    assert_int_equal(w->held[0].n_left, 1);
    assert_int_equal(w->held[1].how, HTTP_LEFT_RST);
    world_free(w);
}

/* L11: an idle or held connection is small */
static void a_connection_costs_little(void **state)
{
    struct world *w = world_open();
    unsigned char *space;

    assert_true(sizeof(struct http_conn) < 1024);
    world_send(w, GET("/hold"));
    world_expect_requests(w, 1);
    assert_null(w->srv->conns.next->in.data); /* nothing is kept */
    space = http_space(w->held[0].x);
    assert_int_equal((uintptr_t)space % _Alignof(max_align_t), 0);
    for (size_t i = 0; i < HTTP_SPACE_BYTES; i++)
        assert_int_equal(space[i], 0);
    memset(space, 1, HTTP_SPACE_BYTES);
    world_release(w, 0, "x");
    world_send(w, GET("/hold"));
    world_expect_requests(w, 2);
    space = http_space(w->held[1].x);
    assert_int_equal(space[HTTP_SPACE_BYTES - 1], 0); /* zeroed anew */
    world_free(w);
}

/* metrics: requests read whole, requests answered 4xx or 5xx */
static void requests_and_errors_are_counted(void **state)
{
    struct metrics m = {{0}};
    struct world *w = world_open();

    metrics_bind(&m);
    world_send(w, GET("/echo") GET("/none") "BAD\r\n");
    world_expect(w, "400 Bad Request");
    assert_int_equal(m.value[METRIC_HTTP_REQUESTS], 2);
    assert_int_equal(m.value[METRIC_HTTP_ERRORS], 2);
    metrics_bind(NULL);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_has_its_headers_and_one_length),
        cmocka_unit_test(a_request_is_read_at_every_cut),
        cmocka_unit_test(answers_leave_in_the_order_of_the_wire),
        cmocka_unit_test(reading_pauses_at_the_pipeline_maximum),
        cmocka_unit_test(a_flood_of_pipelined_requests_is_answered_in_full),
        cmocka_unit_test(a_turn_serves_a_few_of_the_requests_sent_ahead),
        cmocka_unit_test(a_turn_serves_no_request_behind_its_share_of_bytes),
        cmocka_unit_test(nothing_begins_behind_an_answer_that_waits),
        cmocka_unit_test(a_client_that_does_not_read_is_not_asked_for_more),
        cmocka_unit_test(persistence_is_as_the_client_asked),
        cmocka_unit_test(head_has_a_length_and_no_body),
        cmocka_unit_test(a_client_that_expects_100_gets_it_in_turn),
        cmocka_unit_test(what_is_wrong_is_answered_with_cors_and_closed),
        cmocka_unit_test(chunked_bodies_are_bounded_like_others),
        cmocka_unit_test(an_error_does_not_overtake_a_held_request),
        cmocka_unit_test(a_lasting_body_is_sent_as_the_client_reads),
        cmocka_unit_test(draining_closes_what_is_idle_and_what_is_answered),
        cmocka_unit_test(freeing_the_server_tells_who_holds),
        cmocka_unit_test(a_connection_costs_little),
        cmocka_unit_test(requests_and_errors_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
