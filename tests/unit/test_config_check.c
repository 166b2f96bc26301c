#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "config_faults.h"

static struct config *load_good(const char *text)
{
    struct config *c = NULL;
    struct buf said;

    buf_init(&said, CONFIG_PROBLEMS_BYTES);
    if (config_load_text(&c, "t.conf", slice_of(text), &said) != ERR_OK)
        fail_msg("%s: %.*s", text, (int)said.len, buf_at(&said));
    buf_free(&said);
    return c;
}

static const struct {
    const char *text, *begin, *word;
} contradictions[] = {
    {"bosh {\n wait = 200s\n}", "t.conf:2: bosh.wait", "wait_max"},
    {"limits {\n stanza_max = 10000\n"
     " stanza_max_unauthenticated = 10001\n}",
     "t.conf:3: limits.stanza_max_unauthenticated", "above"},
    {"limits { stanza_max = 64k\n body_max = 32k }",
     "t.conf:2: limits.stanza_max = 64k is above limits.body_max = 32k",
     "lower the first or raise the second"},
    {"bosh { wait_max = 20s\n wait = 21s }",
     "t.conf:2: bosh.wait = 21s is above bosh.wait_max = 20s", "raise"},
    {"bosh { inactivity = 91s\n maxpause = 90s }",
     "t.conf:2: bosh.inactivity = 91s is above bosh.maxpause = 90s", "pause"},
    {"bosh { answer_max = 64k } limits { queue_max = 60k }",
     "t.conf:1: bosh.answer_max = 64k is above limits.queue_max = 60k",
     "waits"},
    {"upstream { target_timeout = 16s }",
     "t.conf:1: upstream.target_timeout = 16s is above "
     "upstream.connect_timeout = 15s",
     "all together"},
    {"upstream { attempt_timeout = 7001ms }",
     "t.conf:1: upstream.attempt_timeout = 7001ms is above "
     "upstream.target_timeout = 7s",
     "its server"},
    {"upstream { dns_timeout = 4s connect_timeout = 3s }",
     "t.conf:1: upstream.dns_timeout = 4s is above "
     "upstream.connect_timeout = 3s",
     "question"},
    {"upstream { connect_timeout = 5001ms }\n"
     "limits { authenticate_timeout = 5s }",
     "t.conf:2: upstream.connect_timeout = 5001ms is above "
     "limits.authenticate_timeout = 5s",
     "session"},
    {"upstream { stream_timeout = 6s } limits { authenticate_timeout = 5s "
     "}",
     "t.conf:1: upstream.stream_timeout = 6s is above "
     "limits.authenticate_timeout = 5s",
     "session"},
    {"upstream { connects_per_network = 2001 }",
     "t.conf:1: upstream.connects_per_network = 2001 is above "
     "upstream.connects_max = 2000",
     "part"},
    {"upstream { connects_per_client = 4 connects_max = 3 }",
     "t.conf:1: upstream.connects_per_client = 4 is above "
     "upstream.connects_max = 3",
     "part"},
    {"bosh { answer_max = 600k }", "t.conf:1: bosh.answer_max", "above"},
    {"listen 127.0.0.1:1 { certificate = /c }", "t.conf:1: listen",
     "without its key"},
    {"listen 127.0.0.1:1 { key = /c }", "t.conf:1: listen",
     "without its certificate"},
    {"domain a.example { mode = plain verify = no }",
     "t.conf:1: domain a.example", "verify"},
    {"domain '*' { private = yes }", "t.conf:1: domain", "named"},
    {"upstream {\n ports = { 5222, 0 }\n}", "t.conf:2: upstream.ports", "port"},
    {"upstream { ports = { x } }", "t.conf:1: upstream.ports", "port"},
    {"upstream {\n forbid = { '10.0.0.1/8' }\n}", "t.conf:2: upstream.forbid",
     "network"},
    {"domain a.example { route = { 'b', '' } }", "t.conf:1: domain", "route"},
    {"domain a.example { route = 'b..example:5222' }", "t.conf:1: domain",
     "route"},
    {"domain a.example { route = '-b.example' }", "t.conf:1: domain", "route"},
    {"domain a.example { default = yes } domain b.example { default = "
     "yes }",
     "t.conf:1: domain b.example", "default"},
    {"domain 127.0.0.1 {}", "t.conf:1: domain 127.0.0.1", "route"},
    {"domain '[fd00::1]' {}", "t.conf:1: domain [fd00::1]", "private"},
    {"domain 169.254.1.1 { private = yes }", "t.conf:1: domain", "not public"},
    {"domain '[::1' { route = a }", "t.conf:1: domain", "not a domain"},
    {"domain '[::ffff:1.2.3.4]' { route = a }", "t.conf:1: domain",
     "not a domain"},
    {"domain '[::1]' { route = a } domain '[0::1]' { route = b }",
     "t.conf:1: domain [0::1]", "earlier"},
    {"domain '*' { default = yes }", "t.conf:1: domain", "default"},
    {"http { credentials = yes }", "t.conf:1: http.credentials", "list"},
    {"http { origins = {} credentials = yes }", "t.conf:1: http.credentials",
     "list"},
};

static void settings_that_contradict_each_other_are_refused(void **state)
{
    for (size_t i = 0; i < COUNT_OF(contradictions); i++)
        assert_fault(contradictions[i].text, contradictions[i].begin,
                     contradictions[i].word);
}

/* What used to be refused and contradicts nothing: an element of a server is
 * taken below a queue's mark, whatever its size. */
static void what_only_looks_like_it_is_taken(void **state)
{
    static const char *const rows[] = {
        "limits { queue_max = 20000 }",
        "http { queue_max = 64k }",
        "upstream { queue_max = 64k }",
        ("bosh { answer_max = 4096 } limits { queue_max = 20000 } "
         "http { queue_max = 64k }"),
        "limits { body_max = 10000 }",
        "bosh { inactivity = 5s } limits { authenticate_timeout = 1s }",
        "bosh { inactivity = 3600s }",
        "bosh { inactivity = 5s polling = 60s }", /* who polls gets more */
        "bosh { maxpause = 0s inactivity = 200s }",
        "bosh { wait_max = 300s wait = 300s inactivity = 10s }",
        "bosh { gzip = yes gzip_min = 1M }",
        "http { idle_timeout = 1s } bosh { wait = 45s }",
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        config_free(load_good(rows[i]));
}

/* Who sets one key need not know of those that hang on it. */
static void keys_that_are_not_set_follow(void **state)
{
    struct config *c =
        load_good("limits { stanza_max = 20000 queue_max = 30000 } "
                  "upstream { connect_timeout = 3s connects_max = 20 } "
                  "bosh { wait_max = 20s inactivity = 5s }");

    assert_int_equal(c->limits.stanza_max_unauthenticated_bytes, 10000);
    assert_int_equal(c->limits.body_max_bytes, 262144);
    assert_int_equal(c->bosh.answer_max_bytes, 30000);
    assert_int_equal(c->bosh.wait_s, 20);
    assert_int_equal(c->upstream.target_ms, 3000);
    assert_int_equal(c->upstream.attempt_ms, 3000);
    assert_int_equal(c->upstream.dns_ms, 3000);
    assert_int_equal(c->upstream.connects_per_network, 20);
    assert_int_equal(c->upstream.connects_per_client, 20);
    config_free(c);
    c = load_good("limits { stanza_max = 1M }");
    assert_int_equal(c->limits.body_max_bytes, 1 << 20);
    config_free(c);
}

/* RFC 7622 section 3.2 */
static void addresses_are_domains(void **state)
{
    static const char *const right[] = {
        "domain 127.0.0.1 { route = '127.0.0.1:5222' }",
        "domain '[::1]' { route = '[::1]:5222' }",
        "domain 9.9.9.9 {} domain '[2620:fe::fe]' {}",
        "domain 10.0.0.1 { private = yes }",
        "domain 10.0.0.1 { denied = yes } domain '*' {}",
    };

    for (size_t i = 0; i < COUNT_OF(right); i++)
        assert_string_equal(faults_of(right[i]), "");
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
        cmocka_unit_test(addresses_are_domains),
        cmocka_unit_test(settings_that_contradict_each_other_are_refused),
        cmocka_unit_test(what_only_looks_like_it_is_taken),
        cmocka_unit_test(keys_that_are_not_set_follow),
        cmocka_unit_test(place_to_send_clients_to_is_a_websocket_uri),
    };

    return cmocka_run_group_tests_name("config_check", tests, NULL, NULL);
}
