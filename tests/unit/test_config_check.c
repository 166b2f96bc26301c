#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config_faults.h"

static void settings_that_contradict_each_other_are_refused(void **state)
{
    static const struct {
        const char *text, *begin, *word;
    } rows[] = {
        {"bosh {\n wait = 200s\n}", "t.conf:2: bosh.wait", "wait_max"},
        {"limits {\n stanza_max = 10000\n"
         " stanza_max_unauthenticated = 10001\n}",
         "t.conf:3: limits.stanza_max_unauthenticated", "above"},
        {"limits { queue_max = 300k }", "t.conf:1: limits.queue_max", "twice"},
        {"http { queue_max = 1M }", "t.conf:1: http.queue_max", "together"},
        {"bosh { answer_max = 600k }", "t.conf:1: bosh.answer_max", "above"},
        {"listen 127.0.0.1:1 { certificate = /c }", "t.conf:1: listen",
         "without its key"},
        {"listen 127.0.0.1:1 { key = /c }", "t.conf:1: listen",
         "without its certificate"},
        {"domain a.example { mode = plain verify = no }",
         "t.conf:1: domain a.example", "verify"},
        {"http { credentials = yes }", "t.conf:1: http.credentials", "list"},
        {"http { origins = {} credentials = yes }",
         "t.conf:1: http.credentials", "list"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_fault(rows[i].text, rows[i].begin, rows[i].word);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
    };

    return cmocka_run_group_tests_name("config_check", tests, NULL, NULL);
}
