#include "http_world.h"

#include "base/metrics.h"
#include "front/listener.h"
#include "net/addr.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <time.h>

static struct metrics counted;

struct place {
    struct world *w;
    struct listener *l;
    struct addr at;
    int fd;
};

static int listen_at(struct addr *at, const char *text)
{
    const char *why = "";
    int fd = -1;

    if (addr_parse(at, text, &why) != ERR_OK)
        fail_msg("%s: %s", text, why);
    assert_int_equal(listener_open_fd(&fd, at, LISTENER_ALONE), ERR_OK);
    assert_int_equal(addr_of_local(at, fd), ERR_OK);
    return fd;
}

static struct place open_place(const char *text, size_t connections_max)
{
    struct place p = {.w = world_new(NULL)};
    struct listener_params params = {
        .loop = p.w->loop,
        .http = p.w->srv,
        .places = &p.w->places,
    };

    p.w->places.max = connections_max;
    memset(&counted, 0, sizeof(counted));
    metrics_bind(&counted);
    p.fd = listen_at(&p.at, text);
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

static int connect_to(const struct addr *at)
{
    int fd = socket(at->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK, 0);
    const struct sockaddr *sa = (const void *)&at->storage;

    assert_true(fd >= 0);
    if (connect(fd, sa, at->len) < 0)
        assert_int_equal(errno, EINPROGRESS);
    return fd;
}

static void check_served(struct place *p)
{
    p->w->fd = connect_to(&p->at);
    world_run(p->w, 5);
    world_send(p->w, GET("/echo"));
    world_expect(p->w, "HTTP/1.1 200 OK\r\n");
    assert_int_equal(counted.value[METRIC_CONNECTIONS_ACCEPTED], 1);
}

/* decision 14 */
static void connections_are_accepted_and_served(void **state)
{
    static const char *const places[] = {"127.0.0.1:0", "[::1]:0"};

    for (size_t i = 0; i < COUNT_OF(places); i++) {
        struct place p = open_place(places[i], 100);

        assert_true(addr_port(&p.at) > 0);
        check_served(&p);
        close_place(&p);
    }
}

/* decision 14: mode 0660, and what a killed process left is no obstacle */
static void a_unix_socket_is_made_anew_unless_in_use(void **state)
{
    char directory[] = "/tmp/doab-test-listener-XXXXXX";
    char text[128];
    struct addr again;
    struct stat st;
    struct place p;
    const char *path = text + 5;
    const char *why;
    int fd;

    assert_non_null(mkdtemp(directory));
    snprintf(text, sizeof(text), "unix:%s/s", directory);
    close(listen_at(&again, text)); /* leaves the file */
    p = open_place(text, 100);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    check_served(&p);

    assert_int_equal(addr_parse(&again, text, &why), ERR_OK);
    assert_int_equal(listener_open_fd(&fd, &again, LISTENER_ALONE), ERR_SYSTEM);
    assert_int_equal(errno, EADDRINUSE);
    close_place(&p);
    assert_int_equal(unlink(path), 0);

    /* A file of somebody else's is left alone. */
    fd = open(path, O_CREAT | O_WRONLY, 0600);
    close(fd);
    assert_int_equal(listener_open_fd(&fd, &again, LISTENER_ALONE), ERR_SYSTEM);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(directory), 0);
}

static void a_shared_address_can_be_opened_twice(void **state)
{
    struct addr at;
    const char *why;
    int first;
    int second;
    int third;

    assert_int_equal(addr_parse(&at, "127.0.0.1:0", &why), ERR_OK);
    assert_int_equal(listener_open_fd(&first, &at, LISTENER_FIRST), ERR_OK);
    assert_int_equal(addr_of_local(&at, first), ERR_OK);
    assert_int_equal(listener_open_fd(&second, &at, LISTENER_ALONE),
                     ERR_SYSTEM);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(listener_open_fd(&second, &at, LISTENER_JOINS), ERR_OK);
    assert_int_equal(listener_open_fd(&third, &at, LISTENER_JOINS), ERR_OK);
    close(first);
    close(second);
    close(third);
}

/* Another doab of the same user does not slip in beside this one. */
static void a_shared_address_is_not_begun_twice(void **state)
{
    struct addr at;
    const char *why;
    int first;
    int second;
    int other;

    assert_int_equal(addr_parse(&at, "127.0.0.1:0", &why), ERR_OK);
    assert_int_equal(listener_open_fd(&first, &at, LISTENER_FIRST), ERR_OK);
    assert_int_equal(addr_of_local(&at, first), ERR_OK);
    assert_int_equal(listener_open_fd(&other, &at, LISTENER_FIRST), ERR_SYSTEM);
    assert_int_equal(errno, EADDRINUSE);
    assert_int_equal(listener_open_fd(&second, &at, LISTENER_JOINS), ERR_OK);
    assert_int_equal(listener_open_fd(&other, &at, LISTENER_FIRST), ERR_SYSTEM);
    assert_int_equal(errno, EADDRINUSE);
    close(first);
    close(second);
}

/* Whoever finds no place learns it at once, and takes none. */
static void newcomers_are_turned_away_at_the_maximum(void **state)
{
    struct place p = open_place("127.0.0.1:0", 2);
    int fds[4];
    char byte;

    for (int i = 0; i < 4; i++) {
        fds[i] = connect_to(&p.at);
        world_run(p.w, 10);
    }
    assert_int_equal(http_server_count(p.w->srv), 2);
    assert_int_equal(counted.value[METRIC_CONNECTIONS_ACCEPTED], 2);
    assert_int_equal(counted.value[METRIC_CONNECTIONS_REFUSED], 2);
    for (int i = 0; i < 4; i++) {
        ssize_t n = recv(fds[i], &byte, 1, MSG_DONTWAIT);

        if (i < 2)
            assert_true(n < 0 && errno == EAGAIN);
        else
            assert_int_equal(n, 0);
    }
    /* A place that is given back is there at once. */
    close(fds[0]);
    world_run(p.w, 10);
    close(fds[2]);
    fds[2] = connect_to(&p.at);
    world_run(p.w, 10);
    assert_int_equal(http_server_count(p.w->srv), 2);
    assert_int_equal(counted.value[METRIC_CONNECTIONS_ACCEPTED], 3);
    for (int i = 1; i < 4; i++)
        close(fds[i]);
    close_place(&p);
}

/* L13 */
static void without_fds_waiting_clients_are_refused_and_it_recovers(void **s)
{
    struct place p = open_place("127.0.0.1:0", 100);
    struct rlimit old;
    struct rlimit low;
    struct timespec before;
    struct timespec after;
    int fds[3];
    int next;

    world_run(p.w, 5);
    for (int i = 0; i < 3; i++)
        fds[i] = connect_to(&p.at);
    next = dup(0); /* the lowest free fd: nothing above it may be opened */
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    low = old;
    low.rlim_cur = (rlim_t)next;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    world_run(p.w, 80);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);

    assert_int_equal(counted.value[METRIC_CONNECTIONS_REFUSED], 3);
    assert_int_equal(counted.value[METRIC_CONNECTIONS_ACCEPTED], 0);
    /* It did not spin: a tenth of the time would be plenty. */
    assert_true((after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec -
                    before.tv_nsec <
                40000000);
    p.w->fd = fds[0];
    world_expect_eof(p.w);
    close(fds[0]);
    close(fds[1]);
    close(fds[2]);
    p.w->saw_eof = false;
    check_served(&p); /* after 100 ms at the latest */
    close_place(&p);
}

/* One turn does not belong to newcomers alone. */
static void accepts_of_one_turn_are_bounded(void **state)
{
    struct place p = open_place("127.0.0.1:0", 1000);
    int fds[150];

    for (size_t i = 0; i < COUNT_OF(fds); i++)
        fds[i] = connect_to(&p.at);
    world_run(p.w, 60);
    assert_int_equal(http_server_count(p.w->srv), COUNT_OF(fds));
    for (size_t i = 0; i < COUNT_OF(fds); i++)
        close(fds[i]);
    close_place(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(connections_are_accepted_and_served),
        cmocka_unit_test(a_unix_socket_is_made_anew_unless_in_use),
        cmocka_unit_test(a_shared_address_can_be_opened_twice),
        cmocka_unit_test(a_shared_address_is_not_begun_twice),
        cmocka_unit_test(newcomers_are_turned_away_at_the_maximum),
        cmocka_unit_test(
            without_fds_waiting_clients_are_refused_and_it_recovers),
        cmocka_unit_test(accepts_of_one_turn_are_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
