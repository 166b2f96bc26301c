#include "app/worker.h"

#include "app/worker_pool.h"
#include "front/listener.h"
#include "front/pages.h"
#include "net/addr.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* What app.c would hold. */
struct fixture {
    struct config *config;
    struct pages *pages;
    struct worker_pool pool; /* of one, which the test's thread runs */
    struct worker *worker;
    int fd;
    struct addr at;
};

static void set_up(struct fixture *f, const char *text)
{
    struct worker_params params = {
        .fds = &f->fd, .pool = &f->pool, .n_workers = 1};
    struct buf problems;
    char why[200];

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(
        config_load_text(&f->config, "t.conf", slice_of(text), &problems),
        ERR_OK);
    assert_int_equal(pages_new(&f->pages, NULL, why, sizeof(why)), ERR_OK);
    assert_int_equal(
        listener_open_fd(&f->fd, &f->config->listens[0].addr, LISTENER_ALONE),
        ERR_OK);
    assert_int_equal(addr_of_local(&f->at, f->fd), ERR_OK);
    params.config = f->config;
    params.pages = f->pages;
    worker_pool_init(&f->pool, f->config);
    assert_int_equal(worker_new(&f->worker, &params, why, sizeof(why)), ERR_OK);
}

static void tear_down(struct fixture *f)
{
    worker_free(f->worker);
    pages_free(f->pages);
    config_free(f->config);
    close(f->fd);
}

#define CONFIG                                                                 \
    "listen 127.0.0.1:0 { }\n"                                                 \
    "domain a.example { route = '127.0.0.1:1' }\n"                             \
    "domain b.example { mode = plain }\n"                                      \
    "domain c.example { verify = no }\n"

static void drain(void *arg)
{
    worker_drain(arg, 200);
}

static void drain_patiently(void *arg)
{
    worker_drain(arg, 20000);
}

static void stop(void *arg)
{
    worker_stop(arg);
}

static void worker_that_never_ran_is_freed(void **state)
{
    struct fixture f;

    set_up(&f, CONFIG);
    tear_down(&f);
    worker_free(NULL);
}

static void a_ca_file_that_is_not_there_is_told(void **state)
{
    struct worker_pool pool;
    struct worker_params params = {.pool = &pool, .n_workers = 1};
    struct worker *w = NULL;
    struct config *c;
    struct buf problems;
    int fd = -1;
    char why[200] = "";

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(
        config_load_text(&c, "t.conf",
                         SLICE("listen 127.0.0.1:0 { }\n"
                               "domain a.example { }\n"
                               "domain b.example { ca_file='/no/ca' }"),
                         &problems),
        ERR_OK);
    worker_pool_init(&pool, c);
    params.config = c;
    params.fds = &fd;
    assert_int_equal(worker_new(&w, &params, why, sizeof(why)), ERR_INVALID);
    assert_non_null(strstr(why, "/no/ca"));
    assert_null(w);
    config_free(c);
}

/* --- The mailbox --- */

#define LETTERS 1000

struct mail {
    struct worker *worker;
    unsigned n;
    bool in_order;
    unsigned numbers[LETTERS];
    pthread_t reader; /* the thread in which letters are read */
};

static struct mail *mail;

static void on_letter(void *arg)
{
    unsigned number = *(unsigned *)arg;

    mail->in_order = mail->in_order && number == mail->n;
    mail->reader = pthread_self();
    mail->n++;
    if (mail->n == LETTERS)
        worker_stop(mail->worker);
}

static void *post_all(void *arg)
{
    for (unsigned i = 0; i < LETTERS; i++) {
        mail->numbers[i] = i;
        if (worker_post(mail->worker, on_letter, &mail->numbers[i]) != ERR_OK)
            abort();
    }
    return NULL;
}

/* decision 19 */
static void letters_of_another_thread_are_read_in_order(void **state)
{
    static struct mail m;
    struct fixture f;
    pthread_t poster;

    set_up(&f, CONFIG);
    m = (struct mail){.worker = f.worker, .in_order = true};
    mail = &m;
    assert_int_equal(pthread_create(&poster, NULL, post_all, NULL), 0);
    worker_run(f.worker);
    pthread_join(poster, NULL);
    assert_int_equal(m.n, LETTERS);
    assert_true(m.in_order);
    assert_true(pthread_equal(m.reader, pthread_self()));
    tear_down(&f);
}

static void letters_are_not_lost_when_the_worker_goes(void **state)
{
    static struct mail m;
    struct fixture f;

    set_up(&f, CONFIG);
    m = (struct mail){.worker = f.worker, .in_order = true};
    mail = &m;
    assert_int_equal(worker_post(f.worker, on_letter, &m.numbers[0]), ERR_OK);
    tear_down(&f);
    assert_int_equal(m.n, 1);
}

/* --- Serving and ending --- */

struct visit {
    struct fixture *f;
    const char *request;
    bool is_answered;
    void (*then)(void *worker); /* posted when the answer has come */
    char answer[8192];
    bool is_refused; /* a second connection, after that */
};

static void mark(void *arg)
{
    atomic_store((atomic_bool *)arg, true);
}

/* Behind the drain a letter is read; from then on nobody may connect. */
static bool is_refused(const struct fixture *f)
{
    static atomic_bool is_read;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    bool refused;

    atomic_store(&is_read, false);
    if (fd < 0 || worker_post(f->worker, mark, &is_read) != ERR_OK)
        abort();
    for (int i = 0; i < 10000 && !atomic_load(&is_read); i++)
        usleep(1000);
    refused = connect(fd, (const void *)&f->at.storage, f->at.len) < 0 &&
              errno == ECONNREFUSED;
    close(fd);
    return refused;
}

static void *visit(void *arg)
{
    struct visit *v = arg;
    char rest[256];
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    ssize_t n;

    if (fd < 0 ||
        connect(fd, (struct sockaddr *)&v->f->at.storage, v->f->at.len) < 0)
        abort();
    n = send(fd, v->request, strlen(v->request), MSG_NOSIGNAL);
    if (v->is_answered && n > 0)
        n = recv(fd, v->answer, sizeof(v->answer) - 1, 0);
    else
        usleep(50000); /* it has been read by then */
    if (n <= 0)
        abort();
    if (worker_post(v->f->worker, v->then, v->f->worker) != ERR_OK)
        abort();
    if (v->then != stop)
        v->is_refused = is_refused(v->f);
    while (recv(fd, rest, sizeof(rest), 0) > 0)
        continue; /* until the worker closes */
    close(fd);
    return NULL;
}

static uint64_t ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* The time it took until the worker had ended. */
static uint64_t visited(const char *request, void (*then)(void *worker),
                        const char *expected)
{
    struct visit v = {.request = request, .then = then};
    struct fixture f;
    pthread_t visitor;
    uint64_t since = ms();

    set_up(&f, CONFIG);
    v.f = &f;
    v.is_answered = expected != NULL;
    assert_int_equal(pthread_create(&visitor, NULL, visit, &v), 0);
    worker_run(f.worker);
    since = ms() - since;
    pthread_join(visitor, NULL);
    assert_int_equal(v.is_refused, then != stop);
    if (expected != NULL)
        assert_memory_equal(v.answer, expected, strlen(expected));
    assert_int_equal(
        worker_metrics(f.worker)->value[METRIC_CONNECTIONS_ACCEPTED], 1);
    tear_down(&f);
    return since;
}

static void each_path_has_its_handler(void **state)
{
    visited("GET / HTTP/1.1\r\nHost: a\r\n\r\n", stop, "HTTP/1.1 200 ");
    visited("GET /none HTTP/1.1\r\nHost: a\r\n\r\n", stop, "HTTP/1.1 404 ");
    visited("GET /http-bind HTTP/1.1\r\nHost: a\r\n\r\n", stop,
            "HTTP/1.1 200 ");
    visited("GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", stop, "HTTP/1.1 426 ");
    visited("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", stop, "HTTP/1.1 204 ");
}

static void a_drain_ends_as_soon_as_nobody_is_there(void **state)
{
    assert_in_range(visited("GET / HTTP/1.1\r\nHost: a\r\n\r\n",
                            drain_patiently, "HTTP/1.1 200 "),
                    0, 10000);
}

static void a_drain_does_not_wait_for_ever(void **state)
{
    /* A request that never ends. */
    assert_in_range(
        visited("POST /http-bind HTTP/1.1\r\nHost: a\r\n", drain, NULL), 150,
        10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worker_that_never_ran_is_freed),
        cmocka_unit_test(a_ca_file_that_is_not_there_is_told),
        cmocka_unit_test(letters_of_another_thread_are_read_in_order),
        cmocka_unit_test(letters_are_not_lost_when_the_worker_goes),
        cmocka_unit_test(each_path_has_its_handler),
        cmocka_unit_test(a_drain_ends_as_soon_as_nobody_is_there),
        cmocka_unit_test(a_drain_does_not_wait_for_ever),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
