#include "app/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "config_faults.h"

static struct config *config_of(const char *text)
{
    struct config *c;

    assert_string_equal(faults_of(text), "");
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(config_load_text(&c, "t.conf", slice_of(text), &problems),
                     ERR_OK);
    buf_free(&problems);
    return c;
}

/* decisions 11, 14 */
static void empty_file_has_the_defaults(void **state)
{
    static const char *const texts[] = {"", "\n", "# nothing", "bosh {}"};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct config *c = config_of(texts[i]);

        assert_int_equal(c->bosh.wait_s, 45);
        assert_int_equal(c->bosh.wait_max_s, 45);
        assert_int_equal(c->bosh.hold_max, 1);
        assert_int_equal(c->bosh.inactivity_s, 90);
        assert_int_equal(c->bosh.polling_s, 2);
        assert_int_equal(c->bosh.maxpause_s, 120);
        assert_int_equal(c->bosh.tombstone_s, 60);
        assert_int_equal(c->bosh.tombstones_max_bytes, 8 << 20);
        assert_int_equal(c->websocket.ping_s, 30);
        assert_int_equal(c->limits.body_max_bytes, 256 * 1024);
        assert_int_equal(c->limits.stanza_max_bytes, 256 * 1024);
        assert_int_equal(c->limits.stanza_max_unauthenticated_bytes, 10000);
        assert_int_equal(c->http.header_max_bytes, 16 * 1024);
        assert_int_equal(c->http.idle_ms, 130000);
        assert_int_equal(c->limits.drain_ms, 6000);
        assert_int_equal(c->log.level, LOG_INFO);
        assert_int_equal(c->n_domains, 0);
        assert_int_equal(c->n_listens, 2);
        assert_string_equal(c->listens[0].address, "127.0.0.1:5280");
        assert_string_equal(c->listens[1].address, "[::1]:5280");
        assert_int_equal(c->listens[1].line, 0);
        assert_int_equal(c->http.origins.n, 1);
        assert_string_equal(c->http.origins.items[0], "*");
        config_free(c);
    }
}

static void every_kind_of_value_is_read(void **state)
{
    struct config *c = config_of(
        "listen \"127.0.0.1:0\" { }\n"
        "listen unix:/run/doab.sock { }\n"
        "listen '[::1]:5281' { certificate = '/c.pem' key = \"/k.pem\" }\n"
        "domain example.org { route = \"127.0.0.1:5222\" mode = plain }\n"
        "domain .example.net { mode=tls verify=no ca_file='/a b' }\n"
        "domain b.example { route = {'a:1', '[::1]'} default = yes }\n"
        "domain .bad.example { denied = yes }\n"
        "bosh { wait = 1m wait_max = 120s gap_timeout = 250ms }\n"
        "http { origins = { 'https://Example.org', \"http://[::1]:80\" }\n"
        "       credentials = on }\n"
        "limits { body_max = 1M stanza_max = 64k queue_max = 131072 }\n"
        "log { level = trace format = journald }");

    assert_int_equal(c->n_listens, 3);
    assert_int_equal(addr_port(&c->listens[0].addr), 0);
    assert_string_equal(c->listens[2].certificate, "/c.pem");
    assert_string_equal(c->listens[2].key, "/k.pem");
    assert_int_equal(c->listens[2].line, 3);
    assert_int_equal(c->n_domains, 4);
    assert_string_equal(c->domains[0].pattern, "example.org");
    assert_int_equal(c->domains[0].routes.n, 1);
    assert_string_equal(c->domains[0].routes.items[0], "127.0.0.1:5222");
    assert_int_equal(c->domains[0].mode, UPSTREAM_PLAIN);
    assert_true(c->domains[0].verify);
    assert_int_equal(c->domains[1].mode, UPSTREAM_TLS);
    assert_false(c->domains[1].verify);
    assert_int_equal(c->domains[1].routes.n, 0);
    assert_string_equal(c->domains[1].ca_file, "/a b");
    assert_int_equal(c->domains[2].routes.n, 2);
    assert_string_equal(c->domains[2].routes.items[1], "[::1]");
    assert_true(c->domains[2].is_default);
    assert_true(c->domains[3].is_denied);
    assert_int_equal(c->bosh.wait_s, 60);
    assert_int_equal(c->bosh.gap_ms, 250);
    assert_int_equal(c->http.origins.n, 2);
    assert_string_equal(c->http.origins.items[0], "https://example.org");
    assert_true(c->http.credentials);
    assert_int_equal(c->limits.body_max_bytes, 1 << 20);
    assert_int_equal(c->limits.stanza_max_bytes, 65536);
    assert_int_equal(c->limits.queue_max_bytes, 131072);
    assert_int_equal(c->log.level, LOG_TRACE);
    assert_int_equal(c->log.format, LOG_JOURNALD);
    config_free(c);
}

static void port_0_may_be_listened_on_several_times(void **state)
{
    struct config *c = config_of("listen 127.0.0.1:0 { }\n"
                                 "listen '[::1]:0' { key = a certificate = b }"
                                 "listen 127.0.0.1:0 { certificate = c\n"
                                 "                     key = d }\n"
                                 "listen 127.0.0.1:0 { }\n"
                                 "listen '[::1]:0' { }");

    assert_int_equal(c->n_listens, 5);
    assert_string_equal(c->listens[0].certificate, "");
    assert_string_equal(c->listens[1].certificate, "b");
    assert_string_equal(c->listens[2].certificate, "c");
    assert_string_equal(c->listens[3].certificate, "");
    assert_string_equal(c->listens[4].certificate, "");
    assert_int_equal(c->listens[3].line, 4);
    assert_string_equal(c->listens[4].address, "[::1]:0");
    config_free(c);
}

static void an_empty_list_is_not_the_default(void **state)
{
    struct config *c = config_of("http { origins = {} }");

    assert_int_equal(c->http.origins.n, 0);
    config_free(c);

    c = config_of("http { origins = { \"https://a\", } }");
    assert_int_equal(c->http.origins.n, 1);
    config_free(c);

    /* A section may be opened again for other keys. */
    c = config_of("http { origins = {} }\nhttp { header_max = 8k }");
    assert_int_equal(c->http.origins.n, 0);
    config_free(c);
    c = config_of("http { origins = { 'http://a' } }\nhttp { }");
    assert_int_equal(c->http.origins.n, 1);
    config_free(c);
}

static void lists_of_one_section_are_not_mixed_up(void **state)
{
    struct config *c = config_of("http { origins = { 'http://a', 'http://b' }\n"
                                 "trusted_proxies = { 192.0.2.1 } }");

    assert_int_equal(c->http.origins.n, 2);
    assert_string_equal(c->http.origins.items[1], "http://b");
    assert_int_equal(c->http.trusted_proxies.n, 1);
    assert_string_equal(c->http.trusted_proxies.items[0], "192.0.2.1");
    config_free(c);

    c = config_of("http { trusted_proxies = { 192.0.2.1, 192.0.2.2 }\n"
                  "origins = {} }");
    assert_int_equal(c->http.trusted_proxies.n, 2);
    assert_int_equal(c->http.origins.n, 0);
    config_free(c);
}

static void a_fault_is_reported_on_its_line(void **state)
{
    assert_fault("# one\n# two\nbosh { # three\n\n  wait = 9000s\n}\n",
                 "t.conf:5: bosh.wait = ", "from 1s to 300s");
    assert_fault("bosh { }\n# x\nwait = 5s\n", "t.conf:3: unknown section",
                 "bosh");
    assert_fault("bosh {\n # x\n wiat = 5s\n}", "t.conf:3: unknown key wiat",
                 "wait_max");
    assert_fault("#\n#\nlisten \"localhost:5280\" {\n#\n}", "t.conf:3: listen",
                 "");
    assert_fault("http {\n origins = {\n  'https://a',\n  'x'\n }\n}",
                 "t.conf:3: http.origins: x", "scheme://host");
    assert_fault("#\nhttp }", "t.conf:2: ", "");
}

static void every_bad_value_is_reported_at_once(void **state)
{
    const char *got = faults_of("bosh {\n wait = 1\n hold_max = 2s\n}\n"
                                "log { level = loud }\n");

    assert_non_null(strstr(got, "t.conf:2: bosh.wait = 1:"));
    assert_non_null(strstr(got, "t.conf:3: bosh.hold_max = 2s:"));
    assert_non_null(strstr(got, "t.conf:5: log.level = loud: expected error, "
                                "warn, info, debug or trace"));
}

static void times_sizes_and_counts_need_the_right_unit(void **state)
{
    static const char *const bad[] = {
        "bosh { wait = 60 }",
        "bosh { wait = 60S }",
        "bosh { wait = 1500ms }",
        "bosh { wait = 60 s }",
        "bosh { wait = -60s }",
        "bosh { wait = s }",
        "bosh { wait = '' }",
        "bosh { wait = ' 60s' }",
        "bosh { wait = 0x10s }",
        "bosh { wait = 1.5m }",
        "bosh { wait = 99999999999999999999999s }",
        "bosh { wait = 18446744073709551617s }",
        "bosh { wait = 307445734561825861m }",
        "bosh { hold_max = 2k }",
        "bosh { hold_max = 4294967298 }",
        "limits { body_max = 256K }",
        "limits { body_max = 256kb }",
        "limits { body_max = 17592186044416M }",
        "domain a.example { verify = maybe }",
        "domain a.example { mode = STARTTLS }",
        "bosh { node = '' }",
        "bosh { node = A }",
        "bosh { node = abcdefghijklmnopq }",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_fault(bad[i], "t.conf:1: ", "");
}

static void both_ends_of_a_range_are_allowed(void **state)
{
    struct config *c = config_of("bosh { wait = 1s wait_max = 300s }");

    config_free(c);
    assert_fault("bosh { wait_max = 301s }", "t.conf:1: bosh.wait_max = 301s",
                 "300s");
    assert_fault("bosh { wait = 0s }", "t.conf:1: bosh.wait = 0s", "1s");
    assert_fault("limits { stanza_max = 9999 }", "t.conf:1: limits.stanza_max",
                 "");
    c = config_of("limits { stanza_max = 10000 }");
    config_free(c);
}

static void what_is_given_twice_is_refused(void **state)
{
    assert_fault("bosh { wait = 5s\n wait = 6s }", "t.conf:2: bosh.wait",
                 "line 1");
    assert_fault("bosh { wait = 5s }\nbosh { wait = 6s }",
                 "t.conf:2: bosh.wait", "line 1");
    assert_fault("http { origins = {'*'}\n origins = {'*'} }",
                 "t.conf:2: http.origins", "line 1");
    assert_fault("http { origins = {'*'} origins = {} }",
                 "t.conf:1: http.origins", "twice");
    assert_fault("http { origins = {'*'} }\nhttp { origins = {} }",
                 "t.conf:2: http.origins", "line 1");
    assert_fault("domain a.example {}\ndomain a.example {}",
                 "t.conf:2: ", "title");
    assert_fault("domain a.example {}\ndomain A.Example. {}",
                 "t.conf:2: domain", "earlier");
    assert_fault("listen 127.0.0.1:5280 {}\nlisten 127.0.0.1:05280 {}",
                 "t.conf:2: ", "");
    assert_fault("listen 127.0.0.1:5280 {}\nlisten 127.0.0.1:0 {}\n"
                 "listen 127.0.0.1:5280 {}",
                 "t.conf:3: listen", "line 1");
    /* The same key in two titled sections is no repetition. */
    assert_string_equal(faults_of("domain a.example { mode = tls }\n"
                                  "domain b.example { mode = tls }"),
                        "");
}

static void origins_must_look_like_origins(void **state)
{
    static const char *const bad[] = {
        "example.org", "https://",
        "https://a/",  "https://a/b",
        "https://a:x", "https://a:65536",
        "https://a:",  "://a",
        "1http://a",   "https://u@a",
        "https://a b", "https://[::1",
        "https://[]",  "nul",
        "https://a?",  "https://*example.org",
        "https://*.",  "https://a.*.example.org",
        "*.a",         "file:///",
    };
    char text[200];

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(text, sizeof(text), "http { origins = { '%s' } }", bad[i]);
        assert_fault(text, "t.conf:1: http.origins", "");
    }
    assert_fault("http { origins = { '*', 'https://a' } }",
                 "t.conf:1: http.origins", "alone");
}

static void origins_may_be_hosts_below_a_site(void **state)
{
    struct config *c = config_of(
        "http { origins = { 'https://*.Example.org', 'https://*.a:8443', "
        "'null', 'file://' } }");

    assert_int_equal(c->http.origins.n, 4);
    assert_string_equal(c->http.origins.items[0], "https://*.example.org");
    config_free(c);
}

static void allowed_headers_are_names(void **state)
{
    static const char *const bad[] = {"", "a b", "a:", "a,b", "\xc3\xa4"};
    struct config *c =
        config_of("http { allow_headers = { Authorization, 'X-A' } }");
    char text[1024];

    assert_int_equal(c->http.allow_headers.n, 2);
    config_free(c);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(text, sizeof(text), "http { allow_headers = { '%s' } }",
                 bad[i]);
        assert_fault(text, "t.conf:1: http.allow_headers", "");
    }
    snprintf(text, sizeof(text),
             "http { allow_headers = { '%0*d', '%0*d', '%0*d', '%0*d', '%0*d', "
             "'%0*d' } }",
             84, 1, 84, 2, 84, 3, 84, 4, 84, 5, 84, 6);
    assert_fault(text, "t.conf:1: http.allow_headers", "512 bytes");
    assert_fault("http { allow_headers = { '*' } origins = { 'http://a' } "
                 "credentials = yes }",
                 "t.conf:1: http.allow_headers", "credentials");
}

static void name_servers_are_addresses(void **state)
{
    static const char *const bad[] = {"dns.example", "1.2.3.4:x", ",",
                                      "1.2.3.4,,1.2.3.4", "[::1"};
    char text[100];

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        snprintf(text, sizeof(text), "upstream { dns_servers = '%s' }", bad[i]);
        assert_fault(text, "t.conf:1: upstream.dns_servers", "192.0.2.1:53");
    }
    assert_string_equal(
        faults_of("upstream { dns_servers = '1.2.3.4,[::1]:5353,::1' }"), "");
}

/* decision 13: no include, no environment expansion */
static void the_environment_is_not_read(void **state)
{
    setenv("DOAB_TEST_SECRET", "127.0.0.1:1", 1);
    assert_fault("domain a.example { route = \"${DOAB_TEST_SECRET}\" }",
                 "t.conf:1: ", "${");
    assert_fault("domain a.example { route = ${DOAB_TEST_SECRET} }",
                 "t.conf:1: ", "${");
    assert_fault("include(\"/etc/passwd\")", "t.conf:1: ", "");
    unsetenv("DOAB_TEST_SECRET");
}

static void a_file_that_ends_too_early_is_refused(void **state)
{
    assert_fault("\nbosh {\n wait = 5s\n", "t.conf:2: ", "not closed");
    assert_fault("bosh { }\nhttp { origins = {", "t.conf:2: ", "not closed");
    assert_fault("bosh { node = \"a", "t.conf:1: ", "string");
    assert_fault("bosh", "t.conf:", "");
    assert_fault("listen { }", "t.conf:1: ", "title");
    assert_fault("listen '' { }", "t.conf:1: ", "listen");
}

static void text_outside_ascii_stands_in_quotes_and_comments(void **state)
{
    struct config *c = config_of("# ü\ndomain \"bücher.example\" { }");

    assert_string_equal(c->domains[0].pattern, "bücher.example");
    config_free(c);
    assert_fault("domain bücher.example { }", "t.conf:1: ", "quotes");
}

static void a_quoted_value_cannot_forge_a_line_of_the_report(void **state)
{
    const char *got = faults_of("log { level = \"a\xe2\x80\xa8 b\" }");

    assert_null(strstr(got, "\xe2\x80\xa8"));
}

static void a_bad_file_does_not_spoil_the_next(void **state)
{
    static const char *const bad[] = {
        "bosh { node = \"a", "bosh { wait = {",      "listen",
        "bosh { x",          "http { origins = {a",  "listen 'x' {",
        "bosh { node = }",   "bosh { wait = 9s } }",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct config *c;

        assert_string_not_equal(faults_of(bad[i]), "");
        c = config_of("\nbosh { wait = 7s }");
        assert_int_equal(c->bosh.wait_s, 7);
        config_free(c);
        assert_fault("\nbosh { wait = 7 }", "t.conf:2: ", "bosh.wait = 7");
    }
}

static void limits_of_the_file_hold(void **state)
{
    struct buf text;
    char line[64];

    buf_init(&text, CONFIG_BYTES_MAX);
    for (unsigned i = 0; i <= CONFIG_SECTIONS_MAX; i++) {
        snprintf(line, sizeof(line), "domain d%u.example {}\n", i);
        assert_int_equal(buf_append_text(&text, line), ERR_OK);
    }
    assert_int_equal(buf_append(&text, "", 1), ERR_OK);
    assert_fault(buf_at(&text), "t.conf:1001: ", "too many sections");
    buf_free(&text);

    buf_init(&text, CONFIG_BYTES_MAX);
    assert_int_equal(buf_append_text(&text, "http { origins = { \"https://a\""),
                     ERR_OK);
    for (unsigned i = 0; i < CONFIG_ITEMS_MAX; i++)
        assert_int_equal(buf_append_text(&text, ",\"https://a\""), ERR_OK);
    assert_int_equal(buf_append_text(&text, " } }"), ERR_OK);
    assert_int_equal(buf_append(&text, "", 1), ERR_OK);
    assert_fault(buf_at(&text), "t.conf:1: ", "too many");
    buf_free(&text);
}

static void many_faults_are_cut(void **state)
{
    struct buf text;
    const char *got;
    unsigned lines = 0;

    buf_init(&text, CONFIG_BYTES_MAX);
    for (unsigned i = 0; i < 500; i++)
        assert_int_equal(buf_append_text(&text, "bosh { wait = x }\n"), ERR_OK);
    assert_int_equal(buf_append(&text, "", 1), ERR_OK);
    got = faults_of(buf_at(&text));
    for (; *got != '\0'; got++)
        lines += *got == '\n';
    assert_in_range(lines, 2, 21);
    buf_free(&text);
}

static void a_file_is_read_or_not(void **state)
{
    char name[] = "/tmp/doab-test-config-XXXXXX";
    int fd = mkstemp(name);
    struct config *c = NULL;
    struct buf text;

    assert_true(fd >= 0);
    buf_init(&text, CONFIG_BYTES_MAX + 1);
    assert_int_equal(buf_append_text(&text, "bosh { wait = 7s }"), ERR_OK);
    while (text.len < CONFIG_BYTES_MAX)
        assert_int_equal(buf_append_text(&text, "\n"), ERR_OK);
    assert_int_equal(write(fd, buf_at(&text), text.len), CONFIG_BYTES_MAX);
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    assert_int_equal(config_load(&c, name, &problems), ERR_OK);
    assert_int_equal(c->bosh.wait_s, 7);
    config_free(c);

    assert_int_equal(write(fd, "\n", 1), 1);
    close(fd);
    assert_int_equal(config_load(&c, name, &problems), ERR_INVALID);
    assert_int_equal(buf_append_text(&text, "\n"), ERR_OK);
    assert_int_equal(config_load_text(&c, name, buf_slice(&text), &problems),
                     ERR_INVALID);
    buf_free(&text);
    unlink(name);
    assert_int_equal(config_load(&c, name, &problems), ERR_SYSTEM);
    assert_int_equal(config_load(&c, "/", &problems), ERR_SYSTEM);
    buf_free(&problems);
}

static void count(void *arg, const char *text)
{
    (void)text;
    (*(unsigned *)arg)++;
}

static unsigned warnings_of(const char *text)
{
    struct config *c = config_of(text);
    unsigned n = 0;

    config_warn(c, count, &n);
    config_free(c);
    return n;
}

static void what_is_open_or_unprotected_is_warned_of(void **state)
{
    assert_int_equal(warnings_of(""), 1);
    assert_int_equal(warnings_of("domain a.example { }"), 0);
    assert_int_equal(warnings_of("domain '*' { }"), 1);
    assert_int_equal(warnings_of("domain a.example { mode = plain }"), 1);
    assert_int_equal(warnings_of("domain a.example { mode = opportunistic }"),
                     1);
    assert_int_equal(warnings_of("domain a.example { verify = no }"), 1);
    assert_int_equal(warnings_of("domain '*' { verify = no }"), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_file_has_the_defaults),
        cmocka_unit_test(every_kind_of_value_is_read),
        cmocka_unit_test(port_0_may_be_listened_on_several_times),
        cmocka_unit_test(an_empty_list_is_not_the_default),
        cmocka_unit_test(lists_of_one_section_are_not_mixed_up),
        cmocka_unit_test(a_fault_is_reported_on_its_line),
        cmocka_unit_test(every_bad_value_is_reported_at_once),
        cmocka_unit_test(times_sizes_and_counts_need_the_right_unit),
        cmocka_unit_test(both_ends_of_a_range_are_allowed),
        cmocka_unit_test(what_is_given_twice_is_refused),
        cmocka_unit_test(origins_must_look_like_origins),
        cmocka_unit_test(origins_may_be_hosts_below_a_site),
        cmocka_unit_test(allowed_headers_are_names),
        cmocka_unit_test(name_servers_are_addresses),
        cmocka_unit_test(the_environment_is_not_read),
        cmocka_unit_test(a_file_that_ends_too_early_is_refused),
        cmocka_unit_test(text_outside_ascii_stands_in_quotes_and_comments),
        cmocka_unit_test(a_quoted_value_cannot_forge_a_line_of_the_report),
        cmocka_unit_test(a_bad_file_does_not_spoil_the_next),
        cmocka_unit_test(limits_of_the_file_hold),
        cmocka_unit_test(many_faults_are_cut),
        cmocka_unit_test(a_file_is_read_or_not),
        cmocka_unit_test(what_is_open_or_unprotected_is_warned_of),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
