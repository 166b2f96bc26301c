/* A body that is long and comes in pieces: the handler says how much of it may
 * come, answers before it has come, or moves the connection. */
#include "http_world.h"

#define BODY_BYTES 40000
#define LONG_HEAD  "Content-Length: 40000\r\n\r\n"
#define CHUNKED    "Transfer-Encoding: chunked\r\n\r\n"

#define POST_HEAD(path) "POST " path " HTTP/1.1\r\nHost: a\r\n"

static char body[BODY_BYTES + 1];

static struct world *open_large(void)
{
    struct http_server_params params = {.origins = {.any = true}};
    struct world *w = world_new(NULL);

    for (size_t i = 0; i < BODY_BYTES; i++)
        body[i] = (char)('a' + i % 23);
    params.limits = world_params(w).limits;
    params.limits.body_max_bytes = BODY_BYTES;
    world_free(w);
    w = world_new(&params);
    return w;
}

static struct world *open_client(void)
{
    struct world *w = open_large();

    world_connect(w, NULL);
    return w;
}

/* Bytes from..to of the body; the server reads before more is sent. */
static void send_body(struct world *w, size_t from, size_t to)
{
    char kept = body[to];

    body[to] = '\0';
    world_send(w, body + from);
    body[to] = kept;
    world_run(w, 5);
}

static void send_chunk(struct world *w, size_t from, size_t to)
{
    char size[16];

    snprintf(size, sizeof(size), "%zx\r\n", to - from);
    world_send(w, size);
    send_body(w, from, to);
}

static void a_long_body_is_asked_about_once(void **state)
{
    struct world *w = open_client();

    world_send(w, POST_HEAD("/echo") LONG_HEAD);
    send_body(w, 0, HTTP_BODY_FIRST_BYTES);
    assert_int_equal(w->n_begun, 0);
    send_body(w, HTTP_BODY_FIRST_BYTES, HTTP_BODY_FIRST_BYTES + 1);
    assert_int_equal(w->n_begun, 1);
    assert_int_equal(w->begun_len, HTTP_BODY_FIRST_BYTES + 1);
    send_body(w, HTTP_BODY_FIRST_BYTES + 1, 30000);
    send_body(w, 30000, BODY_BYTES);
    world_expect(w, body);
    assert_int_equal(w->n_begun, 1);
    assert_int_equal(w->n_requests, 1);

    /* The next one is asked about anew. */
    world_send(w, POST_HEAD("/echo") CHUNKED);
    send_chunk(w, 0, 20000);
    assert_int_equal(w->n_begun, 2);
    world_send(w, "\r\n");
    send_chunk(w, 20000, BODY_BYTES);
    world_send(w, "\r\n0\r\n\r\n");
    world_expect(w, body);
    assert_int_equal(w->n_begun, 2);
    world_free(w);
}

static void a_body_that_may_not_be_long_is_too_long(void **state)
{
    struct world *w = open_client();

    /* By what it says, before it has come. */
    world_send(w, POST_HEAD("/short") LONG_HEAD);
    send_body(w, 0, HTTP_BODY_FIRST_BYTES + 1);
    world_expect(w, "413 Content Too Large\r\n");
    world_expect(w, "\r\nConnection: close\r\n");
    world_free(w);

    w = open_client();
    world_send(w, POST_HEAD("/short") CHUNKED);
    send_chunk(w, 0, HTTP_BODY_FIRST_BYTES);
    world_send(w, "\r\n");
    assert_int_equal(w->n_begun, 0);
    send_chunk(w, HTTP_BODY_FIRST_BYTES, HTTP_BODY_FIRST_BYTES + 1);
    world_expect(w, "413 Content Too Large\r\n");
    assert_int_equal(w->n_requests, 0);
    world_free(w);
}

static void an_answer_before_the_end_ends_the_connection(void **state)
{
    struct world *w = open_client();

    world_send(w, POST_HEAD("/none") LONG_HEAD);
    send_body(w, 0, 20000);
    world_expect(w, "404 Not Found\r\n");
    world_expect(w, "\r\nConnection: close\r\n");
    world_expect(w, "404 Not Found\n");
    world_expect_eof(w);
    assert_int_equal(w->n_requests, 0);
    world_free(w);
}

/* Behind a held request it waits for its turn. */
static void an_answer_before_the_end_keeps_the_order(void **state)
{
    struct world *w = open_client();

    world_send(w, GET("/hold") POST_HEAD("/none") LONG_HEAD);
    send_body(w, 0, 20000);
    assert_int_equal(w->n_begun, 1);
    world_expect_silence(w);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirst");
    world_expect(w, "404 Not Found\n");
    world_expect_eof(w);
    world_free(w);
}

/* The connection of `from`, which was detached, in another server. */
static struct world *arrive(struct world *from, struct http_transfer *transfer)
{
    struct world *to = open_large();

    assert_true(transfer->sock.fd >= 0);
    assert_int_equal(transfer->head_len, 0);
    assert_int_equal(http_server_count(from->srv), 0);
    to->fd = from->fd; /* and from now on its turns are those of `to` */
    slots_give(&from->places);
    assert_true(slots_take(&to->places));
    from->fd = -1;
    world_free(from);
    assert_int_equal(http_attach(to->srv, transfer), ERR_OK);
    return to;
}

static void a_begun_request_moves_whole(void **state)
{
    struct http_transfer transfer = {.sock = {.fd = -1}};
    struct world *w = open_client();

    w->transfer = &transfer;
    world_send(w, POST_HEAD("/leave") LONG_HEAD);
    send_body(w, 0, 20000);
    w = arrive(w, &transfer);
    assert_int_equal(w->n_begun, 1);
    send_body(w, 20000, BODY_BYTES);
    world_send(w, GET("/none"));
    world_expect(w, body);
    world_expect(w, "404 Not Found\n");
    world_free(w);
}

/* Where the client's chunk is cut, and what was read behind the cut. */
static void a_begun_chunked_request_moves_whole(void **state)
{
    static const struct {
        size_t first; /* the chunk in which it moves */
        size_t sent;  /* of that, in one piece with the head */
        const char *behind;
    } cuts[] = {
        {20000, 18000, ""},     {20000, 20000, ""},        {20000, 20000, "\r"},
        {20000, 20000, "\r\n"}, {20000, 20000, "\r\n4e2"},
    };
    static const char second_chunk[] = "\r\n4e20\r\n";
    static char request[BODY_BYTES];

    for (size_t i = 0; i < COUNT_OF(cuts); i++) {
        struct http_transfer transfer = {.sock = {.fd = -1}};
        struct world *w = open_client();
        const char *next = &second_chunk[strlen(cuts[i].behind)];

        w->transfer = &transfer;
        snprintf(request, sizeof(request),
                 POST_HEAD("/leave") CHUNKED "4e20\r\n%.*s%s",
                 (int)cuts[i].sent, body, cuts[i].behind);
        world_send(w, request);
        world_run(w, 5);
        w = arrive(w, &transfer);
        send_body(w, cuts[i].sent, cuts[i].first);
        world_send(w, next);
        send_body(w, cuts[i].first, BODY_BYTES);
        world_send(w, "\r\n0\r\n\r\n" GET("/none"));
        world_expect(w, body);
        world_expect(w, "404 Not Found\n");
        world_free(w);
    }
}

/* It stays, and the handler lets it come. */
static void a_begun_request_does_not_move_behind_a_held_one(void **state)
{
    struct http_transfer transfer = {.sock = {.fd = -1}};
    struct world *w = open_client();

    w->transfer = &transfer;
    world_send(w, GET("/hold") POST_HEAD("/leave") LONG_HEAD);
    send_body(w, 0, 20000);
    assert_int_equal(w->n_begun, 1);
    assert_true(transfer.sock.fd < 0);
    send_body(w, 20000, BODY_BYTES);
    world_expect_requests(w, 2);
    world_release(w, 0, "first");
    world_expect(w, "\r\n\r\nfirst");
    world_expect(w, body);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_long_body_is_asked_about_once),
        cmocka_unit_test(a_body_that_may_not_be_long_is_too_long),
        cmocka_unit_test(an_answer_before_the_end_ends_the_connection),
        cmocka_unit_test(an_answer_before_the_end_keeps_the_order),
        cmocka_unit_test(a_begun_request_moves_whole),
        cmocka_unit_test(a_begun_chunked_request_moves_whole),
        cmocka_unit_test(a_begun_request_does_not_move_behind_a_held_one),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
