#include "upstream/target_history.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static struct resolve_target target(const char *host, uint16_t priority)
{
    struct resolve_target t;

    memset(&t, 0, sizeof(t));
    snprintf(t.host, sizeof(t.host), "%s", host);
    t.port = 5222;
    t.priority = priority;
    return t;
}

static struct addr ip(const char *text)
{
    struct addr a;

    assert_int_equal(addr_parse_ip(&a, text, 1), ERR_OK);
    return a;
}

/* The order of a, b (priority 1) and c, d (priority 2), as letters. */
static const char *order(struct target_history *h, const char *domain,
                         const char *client, uint64_t now_ms)
{
    static char text[5];
    struct resolve_target t[] = {target("a", 1), target("b", 1), target("c", 2),
                                 target("d", 2)};
    struct addr from = {.len = 0};

    if (client != NULL)
        from = ip(client);
    target_history_order(h, domain, &from, t, COUNT_OF(t), now_ms);
    for (size_t i = 0; i < COUNT_OF(t); i++)
        text[i] = t[i].host[0];
    return text;
}

static struct target_history *new_hints(void)
{
    struct target_history *h = NULL;

    assert_int_equal(target_history_new(&h), ERR_OK);
    return h;
}

/* K14: a short penalty, no ban */
static void failed_targets_come_last_for_a_while(void **state)
{
    struct target_history *h = new_hints();
    struct resolve_target a = target("a", 1);
    struct resolve_target b = target("b", 1);
    struct resolve_target all[] = {target("a", 1), target("b", 1),
                                   target("c", 2), target("d", 2)};

    target_history_failed(h, "x.example", &a, 1000);
    assert_string_equal(order(h, "x.example", NULL, 1000), "bcda");
    target_history_failed(h, "x.example", &b, 2000);
    assert_string_equal(order(h, "x.example", NULL, 2000), "cdab");
    assert_string_equal(
        order(h, "x.example", NULL, 1000 + TARGET_HISTORY_PENALTY_MS - 1),
        "cdab");
    assert_string_equal(
        order(h, "x.example", NULL, 1000 + TARGET_HISTORY_PENALTY_MS), "acdb");
    assert_string_equal(
        order(h, "x.example", NULL, 2000 + TARGET_HISTORY_PENALTY_MS), "abcd");
    for (size_t i = 0; i < COUNT_OF(all); i++)
        target_history_failed(h, "x.example", &all[i], 100000);
    assert_string_equal(order(h, "x.example", NULL, 100000), "abcd");
    target_history_free(h);
}

/* K14: the failures of one domain's users are not those of another's */
static void a_penalty_is_of_one_domain_and_port(void **state)
{
    struct target_history *h = new_hints();
    struct resolve_target a = target("a", 1);

    target_history_failed(h, "evil.example", &a, 1000);
    a.port = 5223;
    target_history_failed(h, "x.example", &a, 1000);
    assert_string_equal(order(h, "x.example", NULL, 1000), "abcd");
    target_history_free(h);
}

/* K72: among equals, for that client and domain */
static void a_client_comes_back_to_its_server(void **state)
{
    struct target_history *h = new_hints();
    struct resolve_target b = target("b", 1);
    struct resolve_target d = target("d", 2);
    struct addr client = ip("192.0.2.1");
    struct addr six = ip("2001:db8:1:2::1");
    struct addr proxy = ip("127.0.0.1");

    target_history_good(h, "x.example", &client, &b, 1000);
    assert_string_equal(order(h, "x.example", "192.0.2.1", 2000), "bacd");
    assert_string_equal(order(h, "x.example", "192.0.2.2", 2000), "abcd");
    assert_string_equal(order(h, "y.example", "192.0.2.1", 2000), "abcd");
    assert_string_equal(order(h, "x.example", NULL, 2000), "abcd");

    target_history_good(h, "x.example", &six, &d, 1000);
    assert_string_equal(order(h, "x.example", "2001:db8:1:2:3::", 9), "abdc");
    assert_string_equal(order(h, "x.example", "2001:db8:1:3::", 9), "abcd");

    /* All clients of a proxy that names none would end on one server. */
    target_history_good(h, "x.example", &proxy, &b, 1000);
    assert_string_equal(order(h, "x.example", "127.0.0.1", 2000), "abcd");

    target_history_failed(h, "x.example", &b, 3000); /* that counts more */
    assert_string_equal(order(h, "x.example", "192.0.2.1", 3000), "acdb");
    target_history_good(h, "x.example", &client, &d, 4000);
    assert_string_equal(order(h, "x.example", "192.0.2.1", 99999), "abdc");
    target_history_free(h);
}

/* However many there are: what is new is kept, and nothing grows. */
static void the_memory_is_bounded_and_keeps_the_newest(void **state)
{
    struct target_history *h = new_hints();
    struct resolve_target b = target("b", 1);
    char text[32];

    for (unsigned i = 0; i < 20000; i++) {
        struct addr client;

        snprintf(text, sizeof(text), "10.%u.%u.%u", i >> 16, i >> 8 & 255,
                 i & 255);
        client = ip(text);
        target_history_good(h, "x.example", &client, &b, i);
    }
    assert_string_equal(order(h, "x.example", text, 20000), "bacd");
    target_history_free(h);
    target_history_order(NULL, "x.example", NULL, &b, 1, 0);
    target_history_failed(NULL, "x.example", &b, 0);
    target_history_good(NULL, "x.example", NULL, &b, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(failed_targets_come_last_for_a_while),
        cmocka_unit_test(a_penalty_is_of_one_domain_and_port),
        cmocka_unit_test(a_client_comes_back_to_its_server),
        cmocka_unit_test(the_memory_is_bounded_and_keeps_the_newest),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
