#include "base/metrics.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void *count_elsewhere(void *arg)
{
    metrics_bind(arg);
    metrics_add(METRIC_HTTP_REQUESTS, 1000);
    return NULL;
}

static void blocks_are_added_up(void **state)
{
    struct metrics mine = {0};
    struct metrics other = {0};
    struct metrics sum = {0};
    pthread_t thread;

    metrics_count(METRIC_HTTP_REQUESTS); /* bound to nothing */
    metrics_bind(&mine);
    metrics_count(METRIC_HTTP_REQUESTS);
    metrics_add(METRIC_STANZAS_UP, 5);
    assert_int_equal(pthread_create(&thread, NULL, count_elsewhere, &other), 0);
    pthread_join(thread, NULL);
    metrics_bind(NULL);
    metrics_count(METRIC_STANZAS_UP);

    metrics_read(&mine, &sum);
    metrics_read(&other, &sum);
    assert_int_equal(sum.value[METRIC_HTTP_REQUESTS], 1001);
    assert_int_equal(sum.value[METRIC_STANZAS_UP], 5);
    assert_int_equal(sum.value[METRIC_BOSH_OPENED], 0);
}

static void every_counter_has_a_name_and_a_help(void **state)
{
    unsigned i;

    for (i = 0; i < METRIC_COUNT; i++) {
        const char *name = metrics_name((enum metric)i);

        assert_true(strlen(name) > 0);
        assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_0123456789"),
                         strlen(name));
        assert_true(strlen(metrics_help((enum metric)i)) > 0);
    }
    assert_string_equal(metrics_name(METRIC_BOSH_OPENED), "bosh_opened");
    assert_string_equal(metrics_help(METRIC_BOSH_OPENED),
                        "BOSH sessions opened");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_added_up),
        cmocka_unit_test(every_counter_has_a_name_and_a_help),
    };

    return cmocka_run_group_tests_name("metrics", tests, NULL, NULL);
}
