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
        {"domain '*' { private = yes }", "t.conf:1: domain", "named"},
        {"upstream {\n ports = { 5222, 0 }\n}", "t.conf:2: upstream.ports",
         "port"},
        {"upstream { ports = { x } }", "t.conf:1: upstream.ports", "port"},
        {"upstream {\n forbid = { '10.0.0.1/8' }\n}",
         "t.conf:2: upstream.forbid", "network"},
        {"domain a.example { route = { 'b', '' } }", "t.conf:1: domain",
         "route"},
        {"domain a.example { route = 'b..example:5222' }", "t.conf:1: domain",
         "route"},
        {"domain a.example { route = '-b.example' }", "t.conf:1: domain",
         "route"},
        {"domain a.example { default = yes } domain b.example { default = "
         "yes }",
         "t.conf:1: domain b.example", "default"},
        {"domain '*' { default = yes }", "t.conf:1: domain", "default"},
        {"http { credentials = yes }", "t.conf:1: http.credentials", "list"},
        {"http { origins = {} credentials = yes }",
         "t.conf:1: http.credentials", "list"},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_fault(rows[i].text, rows[i].begin, rows[i].word);
}

/* J46 */
static void place_to_send_clients_to_is_a_websocket_uri(void **state)
{
    static const char *const wrong[] = {
        "https://b.example/",
        "wss:b.example",
        "wss://",
        "wss:///xmpp",
        "wss://a b.example/",
        "wss://b.example:0x1/",
        "wss://b.example:65536",
        "wss://u@b.example/",
        "wss://b.example/#x",
        "wss://b.example/\xc3\xa4",
        "b.example",
        "WSS://b.example",
        "wss://b.example/a<b",
    };
    static const char *const right[] = {
        "",
        "ws://b.example",
        "wss://b.example/xmpp-websocket",
        "wss://B.example:5281/x?y=1&z='2'",
        "wss://[2001:db8::1]:443/",
        "wss://b.example?x",
    };
    char text[256];

    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        snprintf(text, sizeof(text), "websocket { see_other_uri = \"%s\" }",
                 wrong[i]);
        assert_fault(text, "t.conf:1: websocket.see_other_uri", "wss://host");
    }
    for (size_t i = 0; i < COUNT_OF(right); i++) {
        snprintf(text, sizeof(text), "websocket { see_other_uri = \"%s\" }",
                 right[i]);
        assert_string_equal(faults_of(text), "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(place_to_send_clients_to_is_a_websocket_uri),
    };

    return cmocka_run_group_tests_name("config_check", tests, NULL, NULL);
}
