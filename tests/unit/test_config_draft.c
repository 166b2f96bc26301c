#include "app/config_draft.h"

#include "app/config_check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/* A draft without a file, and what is said about it. */
static struct buf problems;
static struct config_report report;
static struct config_draft *draft;

static int set_up(void **state)
{
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    report = (struct config_report){.to = &problems, .file = "request"};
    return config_draft_new(&draft, &report) == ERR_OK ? 0 : -1;
}

static int tear_down(void **state)
{
    config_draft_free(draft);
    buf_free(&problems);
    return 0;
}

static void open_section(const char *name, const char *title)
{
    assert_int_equal(config_draft_open(draft, 0, name, title), ERR_OK);
}

static enum err set_key(const char *name, const char *text)
{
    struct config_given given = {.texts = &text, .n = 1};

    return config_draft_set(draft, name, &given);
}

static void assert_said(const char *line)
{
    assert_int_equal(buf_append(&problems, "", 1), ERR_OK);
    assert_string_equal(buf_at(&problems), line);
    buf_truncate(&problems, 0);
}

static void a_configuration_is_made_without_a_file(void **state)
{
    static const char *const routes[] = {"127.0.0.1:5222", "b.example"};
    struct config_given given = {.texts = routes, .n = 2, .is_list = true};
    struct config *c = NULL;

    open_section("domain", "a.example");
    assert_int_equal(config_draft_set(draft, "route", &given), ERR_OK);
    assert_int_equal(set_key("mode", "tls"), ERR_OK);
    open_section("domain", "b.example");
    assert_int_equal(set_key("mode", "plain"), ERR_OK);
    open_section("bosh", NULL);
    assert_int_equal(set_key("wait", "7s"), ERR_OK);
    open_section("http", NULL);
    open_section("bosh", NULL);
    assert_int_equal(set_key("wait_max", "8s"), ERR_OK);
    assert_int_equal(config_draft_finish(&c, draft), ERR_OK);

    assert_int_equal(c->n_domains, 2);
    assert_string_equal(c->domains[0].pattern, "a.example");
    assert_int_equal(c->domains[0].routes.n, 2);
    assert_string_equal(c->domains[0].routes.items[1], "b.example");
    assert_int_equal(c->domains[0].mode, UPSTREAM_TLS);
    assert_int_equal(c->domains[1].mode, UPSTREAM_PLAIN);
    assert_int_equal(c->n_listens, 2);
    assert_int_equal(c->bosh.wait_s, 7);
    assert_int_equal(c->bosh.wait_max_s, 8);
    assert_int_equal(c->bosh.inactivity_s, 90);
    config_free(c);
}

/* Line 0 does not mean that a key was not set. */
static void what_is_set_without_a_line_counts_as_set(void **state)
{
    struct config *c = NULL;

    open_section("bosh", NULL);
    assert_int_equal(set_key("wait", "8s"), ERR_OK);
    assert_int_equal(set_key("wait", "8s"), ERR_INVALID);
    assert_said("request: bosh.wait is set twice\n");
    assert_int_equal(set_key("wait_max", "7s"), ERR_OK);
    report.n = 0;
    assert_int_equal(config_draft_finish(&c, draft), ERR_INVALID);
    assert_null(c);
    assert_said("request: bosh.wait = 8s is above bosh.wait_max = 7s: clients "
                "that ask for nothing would get more than those that ask; "
                "lower the first or raise the second\n");
}

static void what_is_refused_is_said_and_changes_nothing(void **state)
{
    struct config *c = NULL;

    assert_int_equal(config_draft_open(draft, 0, "domain", NULL), ERR_INVALID);
    assert_said("request: section domain needs a title of at most 1025 "
                "bytes\n");
    assert_int_equal(set_key("mode", "loud"), ERR_OK); /* of no section */
    open_section("domain", "a.example");
    assert_int_equal(config_draft_open(draft, 0, "domain", "a.example"),
                     ERR_INVALID);
    assert_said("request: domain a.example: this title is used twice\n");
    assert_int_equal(set_key("mode", "loud"), ERR_OK);
    open_section("bosh", NULL);
    assert_int_equal(set_key("wait", "301s"), ERR_INVALID);
    assert_said("request: bosh.wait = 301s: expected a time in whole seconds "
                "with its unit (s, m, h) from 1s to 300s\n");
    assert_int_equal(set_key("wiat", "3s"), ERR_INVALID);
    assert_int_equal(report.n, 4);
    assert_int_equal(config_draft_finish(&c, draft), ERR_INVALID);
    assert_null(c);
}

static void bounds_hold_without_a_file(void **state)
{
    static const char *items[CONFIG_ITEMS_MAX + 1];
    struct config_given given = {.texts = items, .is_list = true};
    char title[CONFIG_TITLE_MAX + 2];
    char item[302];

    memset(title, 'a', sizeof(title) - 1);
    title[sizeof(title) - 1] = '\0';
    assert_int_equal(config_draft_open(draft, 0, "domain", title), ERR_INVALID);
    title[sizeof(title) - 2] = '\0';
    open_section("domain", title);

    open_section("http", NULL);
    for (size_t i = 0; i < COUNT_OF(items); i++)
        items[i] = "null";
    given.n = COUNT_OF(items);
    assert_int_equal(config_draft_set(draft, "origins", &given), ERR_INVALID);
    given.n = CONFIG_ITEMS_MAX;
    assert_int_equal(config_draft_set(draft, "trusted_proxies", &given),
                     ERR_OK);
    memset(item, 'a', sizeof(item) - 1);
    item[sizeof(item) - 1] = '\0';
    open_section("domain", "a.example");
    assert_int_equal(set_key("pin", item), ERR_INVALID);
    open_section("domain", "b.example");
    item[sizeof(item) - 2] = '\0';
    assert_int_equal(set_key("pin", item), ERR_OK);

    for (unsigned i = 5; i < CONFIG_SECTIONS_MAX; i++)
        open_section("log", NULL);
    assert_int_equal(config_draft_open(draft, 0, "log", NULL), ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_configuration_is_made_without_a_file,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_is_set_without_a_line_counts_as_set, set_up, tear_down),
        cmocka_unit_test_setup_teardown(
            what_is_refused_is_said_and_changes_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bounds_hold_without_a_file, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
