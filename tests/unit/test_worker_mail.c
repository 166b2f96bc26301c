/* Letters that are posted while letters are read (decision 19). */
#include "app/worker.h"

#include "app/worker_pool.h"
#include "front/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 10 /* then the alarm ends the program */
#define ROUNDS     3

static struct worker_pool pool;
static struct worker *worker;
static unsigned n_read;

static void on_letter(void *arg)
{
    n_read++;
    if (n_read == ROUNDS)
        worker_stop(worker);
    else
        assert_int_equal(worker_post(worker, on_letter, NULL), ERR_OK);
}

static void a_letter_may_post_the_next_one(void **state)
{
    struct worker_params params = {
        .fds = (int[]){-1}, .pool = &pool, .n_workers = 1};
    struct config *config;
    struct pages *pages;
    struct buf problems;
    char why[200] = "";

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(config_load_text(&config, "t.conf",
                                      SLICE("listen 127.0.0.1:0 { }\n"),
                                      &problems),
                     ERR_OK);
    assert_int_equal(pages_new(&pages, NULL, why, sizeof(why)), ERR_OK);
    worker_pool_init(&pool, config);
    params.config = config;
    params.pages = pages;
    assert_int_equal(worker_new(&worker, &params, why, sizeof(why)), ERR_OK);

    alarm(PATIENCE_S);
    assert_int_equal(worker_post(worker, on_letter, NULL), ERR_OK);
    worker_run(worker);
    alarm(0);
    assert_int_equal(n_read, ROUNDS);

    worker_free(worker);
    pages_free(pages);
    config_free(config);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_letter_may_post_the_next_one),
    };

    return cmocka_run_group_tests_name("worker_mail", tests, NULL, NULL);
}
