/* decision 38: workers in threads, and connections that move between them. */
#include "app/worker_pool.h"

#include "app/listen_sockets.h"
#include "app/worker.h"
#include "base/loop.h"
#include "front/pages.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 20 /* then the alarm ends the program */
#define ANSWER_MS  10000

#define CONFIG(workers)                                                        \
    "listen 127.0.0.1:0 { }\n"                                                 \
    "limits { workers = " workers " drain_timeout = 300ms }\n"

/* What app.c would hold. */
struct fixture {
    struct config *config;
    struct pages *pages;
    struct listen_sockets addresses;
    struct worker_pool pool;
    struct loop *home;
};

static void on_wake(void *arg)
{
    struct fixture *f = arg;

    if (!worker_pool_is_running(&f->pool))
        loop_stop(f->home);
}

static void set_up(struct fixture *f, const char *text)
{
    struct worker_pool_params params = {.fds = NULL};
    struct buf problems;
    char why[200] = "";

    alarm(PATIENCE_S);
    log_setup(LOG_ERROR, LOG_TEXT);
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(
        config_load_text(&f->config, "t.conf", slice_of(text), &problems),
        ERR_OK);
    assert_int_equal(pages_new(&f->pages, NULL, why, sizeof(why)), ERR_OK);
    worker_pool_init(&f->pool, f->config);
    params.n = worker_pool_size(f->config);
    assert_int_equal(listen_sockets_open(&f->addresses, f->config, params.n),
                     EX_OK);
    params.config = f->config;
    params.pages = f->pages;
    params.fds = f->addresses.fds;
    assert_int_equal(worker_pool_build(&f->pool, &params, why, sizeof(why)),
                     ERR_OK);
    assert_int_equal(loop_new(&f->home), ERR_OK);
    loop_on_wake(f->home, on_wake, f);
}

static void tear_down(struct fixture *f)
{
    worker_pool_free(&f->pool);
    assert_int_equal(slots_taken(&f->pool.connections), 0);
    assert_int_equal(slots_taken(&f->pool.sessions), 0);
    loop_free(f->home);
    listen_sockets_close(&f->addresses);
    pages_free(f->pages);
    config_free(f->config);
    alarm(0);
}

static int visit(const struct fixture *f, const char *request)
{
    struct timeval patience = {.tv_sec = ANSWER_MS / 1000};
    const struct addr *at = &f->addresses.bound[0];
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    assert_int_equal(
        connect(fd, (const struct sockaddr *)&at->storage, at->len), 0);
    assert_int_equal(send(fd, request, strlen(request), MSG_NOSIGNAL),
                     strlen(request));
    return fd;
}

static void expect(int fd, const char *text)
{
    char answer[4096];
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && len < sizeof(answer) - 1) {
        n = recv(fd, answer + len, sizeof(answer) - 1 - len, 0);
        len += n > 0 ? (size_t)n : 0;
        answer[len] = '\0';
        if (strstr(answer, text) != NULL)
            return;
    }
    fail_msg("no %s in %s", text, answer);
}

static void expect_end(int fd)
{
    char byte;

    assert_true(recv(fd, &byte, 1, 0) <= 0);
    close(fd);
}

#define BODY(worker)                                                           \
    "<body rid='1' sid='d-" worker "aabcdefghijklmnopqrstuvwxyz' "             \
    "xmlns='http://jabber.org/protocol/httpbind'/>"
#define POST(worker)                                                           \
    "POST /http-bind HTTP/1.1\r\nHost: a\r\nContent-Length: 96\r\n\r\n" BODY(  \
        worker)

_Static_assert(sizeof(BODY("1")) - 1 == 96, "Content-Length");

/* --- Size --- */

static void a_number_of_workers_is_taken_as_it_is(void **state)
{
    struct config c = {.limits.workers = 7};

    assert_int_equal(worker_pool_size(&c), 7);
    c.limits.workers = 0;
    assert_in_range(worker_pool_size(&c), 1, WORKER_POOL_CORE_MAX);
}

/* --- Moving --- */

/* decisions 16, 19 */
static void a_request_is_answered_by_the_worker_in_its_sid(void **state)
{
    struct metrics sum = {{0}};
    struct fixture f;

    set_up(&f, CONFIG("3"));
    assert_int_equal(worker_pool_start(&f.pool, f.home), ERR_OK);
    for (unsigned i = 0; i < 4; i++) {
        int fd = visit(&f, POST("0") POST("1") POST("2"));

        expect(fd, "item-not-found");
        close(fd);
    }
    worker_pool_drain(&f.pool);
    loop_run(f.home);
    worker_pool_metrics(&f.pool, &sum);
    assert_int_equal(sum.value[METRIC_CONNECTIONS_ACCEPTED], 4);
    /* The first of each may be at home; the next ones are not. */
    assert_in_range(sum.value[METRIC_HTTP_MOVED], 1, 12);
    tear_down(&f);
}

static void a_sid_of_a_worker_that_is_not_there_moves_nowhere(void **state)
{
    struct metrics sum = {{0}};
    struct fixture f;
    int fd;

    set_up(&f, CONFIG("2"));
    assert_int_equal(worker_pool_start(&f.pool, f.home), ERR_OK);
    fd = visit(&f, POST("2"));
    expect(fd, "item-not-found");
    close(fd);
    fd = visit(&f, POST("v"));
    expect(fd, "item-not-found");
    close(fd);
    worker_pool_stop(&f.pool);
    loop_run(f.home);
    worker_pool_metrics(&f.pool, &sum);
    assert_int_equal(sum.value[METRIC_HTTP_MOVED], 0);
    tear_down(&f);
}

static void *run_first(void *arg)
{
    worker_run(arg);
    return NULL;
}

/* Of two workers one never reads its mailbox: what was put there is dropped
 * when it is freed. */
static void what_is_under_way_to_a_stopped_worker_is_dropped(void **state)
{
    pthread_t thread;
    struct fixture f;
    int fds[16];

    set_up(&f, CONFIG("2"));
    assert_int_equal(
        pthread_create(&thread, NULL, run_first, f.pool.workers[0]), 0);
    /* About half of them are accepted by the one that runs. */
    for (unsigned i = 0; i < COUNT_OF(fds); i++)
        fds[i] = visit(&f, POST("1"));
    while (slots_taken(&f.pool.connections) == 0)
        usleep(1000);
    usleep(50000);
    assert_true(slots_taken(&f.pool.connections) > 0);
    worker_order(f.pool.workers[0], WORKER_STOPS);
    pthread_join(thread, NULL);
    worker_pool_free(&f.pool);
    assert_int_equal(slots_taken(&f.pool.connections), 0);
    listen_sockets_close(&f.addresses);
    for (unsigned i = 0; i < COUNT_OF(fds); i++)
        expect_end(fds[i]);
    loop_free(f.home);
    pages_free(f.pages);
    config_free(f.config);
    alarm(0);
}

/* --- The end --- */

static void stop_home(void *arg)
{
    loop_stop(arg);
}

/* Not when an earlier one has, and not never: home hears of nothing else. */
static void home_is_woken_when_the_last_worker_has_ended(void **state)
{
    struct timer pause;
    struct fixture f;

    set_up(&f, CONFIG("2"));
    assert_int_equal(worker_pool_start(&f.pool, f.home), ERR_OK);
    worker_order(f.pool.workers[0], WORKER_STOPS);
    while (atomic_load(&f.pool.n_running) == 2)
        usleep(1000);
    timer_init(&pause, f.home, stop_home, f.home);
    timer_set(&pause, 100);
    loop_run(f.home); /* what it was woken for by then is forgotten */
    assert_true(worker_pool_is_running(&f.pool));
    worker_order(f.pool.workers[1], WORKER_STOPS);
    loop_run(f.home);
    assert_false(worker_pool_is_running(&f.pool));
    tear_down(&f);
}

static void a_drain_waits_for_the_last_connection(void **state)
{
    struct fixture f;
    int fd;

    set_up(&f, CONFIG("3"));
    assert_int_equal(worker_pool_start(&f.pool, f.home), ERR_OK);
    fd = visit(&f, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(fd, "HTTP/1.1 200 ");
    assert_false(worker_pool_is_draining(&f.pool));
    worker_pool_drain(&f.pool);
    assert_true(worker_pool_is_draining(&f.pool));
    loop_run(f.home);
    assert_false(worker_pool_is_running(&f.pool));
    close(fd);
    tear_down(&f);
}

static void a_drain_is_bounded(void **state)
{
    struct fixture f;
    int fd;

    set_up(&f, CONFIG("2"));
    assert_int_equal(worker_pool_start(&f.pool, f.home), ERR_OK);
    fd = visit(&f, "POST /http-bind HTTP/1.1\r\nHost: a\r\n");
    while (slots_taken(&f.pool.connections) == 0)
        usleep(1000);
    worker_pool_drain(&f.pool);
    loop_run(f.home); /* drain_timeout later */
    expect_end(fd);
    tear_down(&f);
}

static void a_pool_that_was_never_started_is_freed(void **state)
{
    struct fixture f;

    set_up(&f, CONFIG("4"));
    worker_pool_stop(&f.pool);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_of_workers_is_taken_as_it_is),
        cmocka_unit_test(a_request_is_answered_by_the_worker_in_its_sid),
        cmocka_unit_test(a_sid_of_a_worker_that_is_not_there_moves_nowhere),
        cmocka_unit_test(what_is_under_way_to_a_stopped_worker_is_dropped),
        cmocka_unit_test(home_is_woken_when_the_last_worker_has_ended),
        cmocka_unit_test(a_drain_waits_for_the_last_connection),
        cmocka_unit_test(a_drain_is_bounded),
        cmocka_unit_test(a_pool_that_was_never_started_is_freed),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
