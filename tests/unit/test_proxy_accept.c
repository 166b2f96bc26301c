/* Listeners whose connections begin with a PROXY header. */
#include "http_world.h"

#include "base/metrics.h"
#include "front/listener.h"

#define V1 "PROXY TCP4 192.0.2.7 203.0.113.1 4711 443\r\n"

/* Version 2, PROXY, TCP over IPv6 from [2001:db8::7]:4711, an extension. */
static const char v2[] = "\r\n\r\n\0\r\nQUIT\n\x21\x21\0\x29"
                         "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x07"
                         "\x20\x01\x0D\xB8\0\0\0\0\0\0\0\0\0\0\0\x01"
                         "\x12\x67\x01\xBB"
                         "\x04\0\x02xx";
static const char v2_local[] = "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0";

static struct metrics counted;
static struct addr_net trusted;
static unsigned proxy_accept_ms = 10000;

struct place {
    struct world *w;
    struct listener *l;
    struct addr at;
    int fd;
};

static struct place open_place(const char *trust, bool is_secure)
{
    struct place p = {.w = world_new(NULL)};
    struct listener_params params = {
        .loop = p.w->loop,
        .http = p.w->srv,
        .places = &p.w->places,
        .is_secure = is_secure,
        .has_proxy_header = true,
        .proxy_accept_ms = proxy_accept_ms,
        .trusted = &trusted,
        .n_trusted = 1,
    };
    const char *why = "";

    p.w->places.max = 2;
    memset(&counted, 0, sizeof(counted));
    metrics_bind(&counted);
    assert_int_equal(addr_net_parse(&trusted, trust), ERR_OK);
    assert_int_equal(addr_parse(&p.at, "127.0.0.1:0", &why), ERR_OK);
    assert_int_equal(listener_open_fd(&p.fd, &p.at, LISTENER_ALONE), ERR_OK);
    assert_int_equal(addr_of_local(&p.at, p.fd), ERR_OK);
    params.fd = p.fd;
    assert_int_equal(listener_new(&p.l, &params), ERR_OK);
    return p;
}

static void close_place(struct place *p)
{
    listener_free(p->l);
    close(p->fd);
    world_free(p->w);
    metrics_bind(NULL);
}

static void connect_client(struct place *p)
{
    const struct sockaddr *sa = (const void *)&p->at.storage;

    if (p->w->fd >= 0)
        close(p->w->fd);
    p->w->saw_eof = false;
    p->w->fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_true(p->w->fd >= 0);
    assert_int_equal(connect(p->w->fd, sa, p->at.len), 0);
    assert_int_equal(fcntl(p->w->fd, F_SETFL, O_NONBLOCK), 0);
}

static void send_bytes(struct place *p, const char *at, size_t len)
{
    assert_int_equal(send(p->w->fd, at, len, MSG_NOSIGNAL), len);
}

static void expect_refused(struct place *p, unsigned n)
{
    world_expect_eof(p->w);
    assert_int_equal(counted.value[METRIC_CONNECTIONS_REFUSED], n);
    assert_int_equal(counted.value[METRIC_CONNECTIONS_ACCEPTED], 0);
    assert_int_equal(http_server_count(p->w->srv), 0);
}

/* L04 */
static void the_header_names_the_client(void **state)
{
    struct place p = open_place("127.0.0.1", false);

    connect_client(&p);
    world_send(p.w, V1 GET("/who"));
    world_expect(p.w, "192.0.2.7:4711 clear.");
    world_send(p.w, GET("/who")); /* for the whole connection */
    world_expect(p.w, "192.0.2.7:4711 clear.");

    connect_client(&p);
    send_bytes(&p, v2, sizeof(v2) - 1);
    world_send(p.w, GET("/who"));
    world_expect(p.w, "[2001:db8::7]:4711 clear.");
    close_place(&p);
}

/* L04 */
static void a_header_may_come_a_byte_at_a_time(void **state)
{
    static const char all[] = V1 GET("/who");
    struct place p = open_place("127.0.0.0/8", false);

    connect_client(&p);
    for (size_t i = 0; i < sizeof(all) - 1; i++) {
        send_bytes(&p, all + i, 1);
        world_run(p.w, 0);
    }
    world_expect(p.w, "192.0.2.7:4711 clear.");
    close_place(&p);
}

static void a_proxy_may_speak_for_itself(void **state)
{
    struct place p = open_place("127.0.0.1", false);

    connect_client(&p);
    send_bytes(&p, v2_local, sizeof(v2_local) - 1);
    world_send(p.w, GET("/who"));
    world_expect(p.w, "127.0.0.1:");
    connect_client(&p);
    world_send(p.w, "PROXY UNKNOWN\r\n" GET("/who"));
    world_expect(p.w, "127.0.0.1:");
    close_place(&p);
}

/* L04: PP2_TYPE_SSL, whose first byte says whether TLS is used */
static void a_proxy_says_of_each_connection_whether_it_is_secure(void **state)
{
    static const char used[] = "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x18"
                               "\xC0\0\x02\x07\xCB\0\x71\x01\x12\x67\x01\xBB"
                               "\x04\0\x01x\x20\0\x05\x01\0\0\0\0";
    char text[sizeof(used)];

    for (int is_secure = 0; is_secure < 2; is_secure++) {
        struct place p = open_place("127.0.0.1", is_secure == 1);

        connect_client(&p);
        send_bytes(&p, used, sizeof(used) - 1);
        world_send(p.w, GET("/who"));
        world_expect(p.w, "192.0.2.7:4711 tls.");
        memcpy(text, used, sizeof(used));
        text[sizeof(used) - 6] = 0;
        connect_client(&p);
        send_bytes(&p, text, sizeof(used) - 1);
        world_send(p.w, GET("/who"));
        world_expect(p.w, "192.0.2.7:4711 clear.");
        close_place(&p);
    }
}

/* A connection without a byte is how balancers look whether we live. */
static void a_check_of_tcp_is_no_fault(void **state)
{
    static const struct linger reset = {.l_onoff = 1};
    struct place p = open_place("127.0.0.1", false);

    for (int i = 0; i < 2; i++) {
        connect_client(&p);
        world_run(p.w, 5);
        if (i == 1)
            setsockopt(p.w->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
        close(p.w->fd);
        p.w->fd = -1;
        world_run(p.w, 10);
        assert_int_equal(slots_taken(&p.w->places), 0);
    }
    assert_int_equal(counted.value[METRIC_CONNECTIONS_REFUSED], 0);
    assert_int_equal(counted.value[METRIC_CONNECTIONS_ACCEPTED], 0);
    close_place(&p);
}

/* L04, L72: a TCP proxy that ends TLS */
static void a_listener_can_be_declared_secure(void **state)
{
    struct place p = open_place("127.0.0.1", true);

    connect_client(&p);
    world_send(p.w, V1 GET("/who"));
    world_expect(p.w, "192.0.2.7:4711 tls.");
    close_place(&p);
}

/* L04 */
static void strangers_are_turned_away(void **state)
{
    struct place p = open_place("127.0.0.2", false);

    connect_client(&p);
    expect_refused(&p, 1);
    close_place(&p);
}

static void without_a_header_there_is_no_connection(void **state)
{
    static const char *const wrong[] = {
        GET("/who"),
        "PROXY\r\n",
        "PROXY TCP4 192.0.2.7 203.0.113.1 4711\r\n",
        "\r\n\r\nX",
        "\x16\x03\x01",
    };

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct place p = open_place("127.0.0.1", false);

        connect_client(&p);
        world_send(p.w, wrong[i]);
        expect_refused(&p, 1);
        close_place(&p);
    }
}

/* L13 */
static void whoever_is_late_or_leaves_is_forgotten(void **state)
{
    struct place p;

    proxy_accept_ms = 50;
    p = open_place("127.0.0.1", false);
    proxy_accept_ms = 10000;
    connect_client(&p);
    world_send(p.w, "PROXY TCP4 ");
    expect_refused(&p, 1);
    connect_client(&p);
    world_send(p.w, "PROXY TCP4 ");
    assert_int_equal(shutdown(p.w->fd, SHUT_WR), 0);
    expect_refused(&p, 2);
    close_place(&p);
}

/* L13 */
static void those_who_wait_count_as_connections(void **state)
{
    struct place p;
    int waiting[2];

    proxy_accept_ms = 50;
    p = open_place("127.0.0.1", false);
    proxy_accept_ms = 10000;
    for (int i = 0; i < 2; i++) {
        connect_client(&p);
        waiting[i] = p.w->fd;
        p.w->fd = -1;
    }
    world_run(p.w, 10);
    connect_client(&p);
    expect_refused(&p, 1); /* at once */
    world_run(p.w, 100);   /* until the two are given up */
    connect_client(&p);
    world_send(p.w, V1 GET("/who"));
    world_expect(p.w, "192.0.2.7:4711");
    assert_int_equal(counted.value[METRIC_CONNECTIONS_REFUSED], 3);
    close(waiting[0]);
    close(waiting[1]);
    close_place(&p);
}

/* Freed while one waits. */
static void a_listener_takes_those_who_wait_with_it(void **state)
{
    struct place p = open_place("127.0.0.1", false);

    connect_client(&p);
    world_run(p.w, 5);
    listener_free(p.l);
    p.l = NULL;
    world_expect_eof(p.w);
    close_place(&p);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_header_names_the_client),
        cmocka_unit_test(a_header_may_come_a_byte_at_a_time),
        cmocka_unit_test(a_proxy_may_speak_for_itself),
        cmocka_unit_test(a_listener_can_be_declared_secure),
        cmocka_unit_test(a_proxy_says_of_each_connection_whether_it_is_secure),
        cmocka_unit_test(a_check_of_tcp_is_no_fault),
        cmocka_unit_test(strangers_are_turned_away),
        cmocka_unit_test(without_a_header_there_is_no_connection),
        cmocka_unit_test(whoever_is_late_or_leaves_is_forgotten),
        cmocka_unit_test(those_who_wait_count_as_connections),
        cmocka_unit_test(a_listener_takes_those_who_wait_with_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
