#include "session/ws.h"

#include "base/loop.h"
#include "base/metrics.h"
#include "session/session.h"
#include "xmpp/xml_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

/*
 * ws.c between two fakes: the carrier, which writes down what was said, and
 * session.h, defined here and not taken from the archive.  Everything goes
 * into one transcript, one line each:
 *
 *   < message to the client       ! finish CODE reason
 *   > element to the server       session-... calls of session.h
 */

#define CLOSE   "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" />"
#define FRAMING "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
#define OPEN    "<open " FRAMING " to='example.org' version='1.0'/>"
#define BYE     "<close " FRAMING "/>"
#define ERROR(condition)                                                       \
    "<stream:error xmlns:stream=\"http://etherx.jabber.org/streams\">"         \
    "<" condition " xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>"           \
    "</stream:error>"
#define OUR_OPEN "<open xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" "

#define SHORT_MS 20

struct session {
    const struct session_ops *ops;
    void *owner;
    struct session_params params;
    char to[64];
    char from[64];
    bool is_ended;
};

struct session_host {
    struct loop *loop;
    struct xml_pool *pool;
    struct element_copier *copier;
    struct session_settings settings;
    struct session session;
    bool is_draining;
    bool is_congested; /* the server */
    bool is_authenticated;
    bool is_resumable;
    size_t count;
    enum err open_answer;
    enum session_end open_why;
    enum err send_answer;
    enum err restart_answer;
    bool ends_in_close; /* `ended` from inside session_close */
};

struct kit {
    struct session_host host;
    struct ws *ws;
    struct metrics metrics;
    bool client_is_congested;
    bool fails; /* send */
    char said[8192];
    size_t len;
};

static struct kit *kit; /* of the running test: session.h has no argument */

static void note(const char *fmt, ...) PRINTF_LIKE(1, 2);

static void note(const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(kit->said + kit->len, sizeof(kit->said) - kit->len, fmt,
                  args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(kit->said) - kit->len);
    kit->len += (size_t)n;
}

/* What was said since the last time. */
static void assert_said(const char *expected)
{
    if (strcmp(kit->said, expected) != 0)
        fail_msg("said:\n%s\nexpected:\n%s", kit->said, expected);
    kit->len = 0;
    kit->said[0] = '\0';
}

/* A header of ours has a random id: it is taken out. */
static void forget_id(void)
{
    char *id = strstr(kit->said, " id=\"");
    char *end;

    assert_non_null(id);
    end = strchr(id + 5, '"');
    assert_non_null(end);
    assert_true(end - id - 5 >= 20);
    memmove(id, end + 1, strlen(end + 1) + 1);
    kit->len = strlen(kit->said);
}

static void forget(void)
{
    kit->len = 0;
    kit->said[0] = '\0';
}

/* ---- session.h ---- */

enum err session_open(struct session **out, struct session_host *host,
                      const struct session_params *params,
                      const struct session_ops *ops, void *owner,
                      enum session_end *why)
{
    struct session *s = &host->session;

    if (host->open_answer != ERR_OK) {
        *why = host->open_why;
        return host->open_answer;
    }
    s->ops = ops;
    s->owner = owner;
    s->params = *params;
    snprintf(s->to, sizeof(s->to), "%.*s", (int)params->to.len, params->to.at);
    note("session-open to=%.*s from=%.*s lang=%.*s secure=%d\n",
         (int)params->to.len, params->to.at, (int)params->from.len,
         params->from.at, (int)params->lang.len, params->lang.at,
         params->is_secure);
    *out = s;
    return ERR_OK;
}

enum err session_send(struct session *s, const struct element *e)
{
    if (kit->host.send_answer == ERR_OK)
        note("> %.*s\n", (int)e->bytes.len, e->bytes.at);
    return kit->host.send_answer;
}

enum err session_restart(struct session *s, struct slice from,
                         struct slice lang)
{
    note("session-restart from=%.*s\n", (int)from.len, from.at);
    return kit->host.restart_answer;
}

bool session_is_congested(const struct session *s)
{
    return kit->host.is_congested;
}

void session_pause(struct session *s)
{
    note("session-pause\n");
}

void session_resume(struct session *s)
{
    note("session-resume\n");
}

/* As the real one: never true once the session has ended. */
bool session_is_authenticated(const struct session *s)
{
    return kit->host.is_authenticated && !s->is_ended;
}

bool session_is_resumable(const struct session *s)
{
    return kit->host.is_resumable;
}

struct log_ctx *session_log(struct session *s)
{
    static struct log_ctx ctx;

    return &ctx;
}

const char *session_end_name(enum session_end why)
{
    return "the-end";
}

size_t session_stanza_max(const struct session *s)
{
    return kit->host.is_authenticated
               ? kit->host.settings.stanza_max_bytes
               : kit->host.settings.stream.stanza_max_bytes;
}

void session_close(struct session *s)
{
    note("session-close\n");
    if (kit->host.ends_in_close) {
        s->is_ended = true;
        s->ops->ended(s->owner, SESSION_END_CLIENT_CLOSED, NULL);
    }
}

void session_end(struct session *s, enum session_end why, bool is_graceful)
{
    if (s != NULL)
        note("session-end why=%d graceful=%d\n", (int)why, is_graceful);
}

void session_free(struct session *s)
{
    note("session-free\n");
}

bool session_host_is_draining(const struct session_host *host)
{
    return host->is_draining;
}

size_t session_host_count(const struct session_host *host)
{
    return host->count;
}

const struct session_settings *session_host_settings(
    const struct session_host *host)
{
    return &host->settings;
}

struct loop *session_host_loop(const struct session_host *host)
{
    return host->loop;
}

struct xml_pool *session_host_pool(const struct session_host *host)
{
    return host->pool;
}

struct element_copier *session_host_copier(const struct session_host *host)
{
    return host->copier;
}

/* ---- the carrier ---- */

static bool on_send(void *owner, struct slice message)
{
    if (kit->fails)
        return false;
    note("< %.*s\n", (int)message.len, message.at);
    return true;
}

static bool on_is_congested(void *owner)
{
    return kit->client_is_congested;
}

static void on_finish(void *owner, enum ws_code code, const char *reason)
{
    note("! %d %s\n", (int)code, reason);
    assert_true(strlen(reason) <= 123);
    kit->ws = NULL;
}

static void on_flow(void *owner, bool is_flowing)
{
    note("flow %d\n", is_flowing);
}

static const struct ws_ops ops = {
    .send = on_send,
    .is_congested = on_is_congested,
    .finish = on_finish,
    .flow = on_flow,
};

/* ---- kit ---- */

static int set_up(void **state)
{
    kit = calloc(1, sizeof(*kit));
    assert_non_null(kit);
    assert_int_equal(loop_new(&kit->host.loop), ERR_OK);
    assert_int_equal(xml_pool_new(&kit->host.pool, 2), ERR_OK);
    assert_int_equal(element_copier_new(&kit->host.copier), ERR_OK);
    kit->host.settings.stream.stanza_max_bytes = 1000;
    kit->host.settings.stanza_max_bytes = 4000;
    kit->host.settings.sessions_max = 10;
    kit->host.settings.ws.open_ms = 10000;
    kit->host.settings.ws.close_ms = 10000;
    metrics_bind(&kit->metrics);
    return 0;
}

static int tear_down(void **state)
{
    if (kit->ws != NULL)
        ws_lost(kit->ws);
    element_copier_free(kit->host.copier);
    xml_pool_free(kit->host.pool);
    loop_free(kit->host.loop);
    metrics_bind(NULL);
    free(kit);
    return 0;
}

static void upgrade(void)
{
    struct addr client;

    assert_int_equal(addr_parse_ip(&client, "192.0.2.1", 1), ERR_OK);
    assert_int_equal(ws_open(&kit->ws, &kit->host, &client, true, &ops, kit),
                     ERR_OK);
}

static void say(const char *message)
{
    ws_message(kit->ws, slice_of(message));
}

static void server_opens(const char *id)
{
    struct stream_header header = {
        .id = slice_of(id),
        .from = SLICE("example.org"),
        .lang = SLICE("en"),
        .version = SLICE("1.0"),
    };

    kit->host.session.ops->opened(kit->host.session.owner, &header);
}

static void server_says(const char *text)
{
    struct element e = {.kind = ELEMENT_OTHER, .bytes = slice_of(text)};

    kit->host.session.ops->element(kit->host.session.owner, &e);
}

static void server_ends(enum session_end why, const char *error)
{
    struct element e = {.kind = ELEMENT_ERROR, .bytes = slice_of(error)};

    kit->host.session.is_ended = true;
    kit->host.session.ops->ended(kit->host.session.owner, why,
                                 error == NULL ? NULL : &e);
}

/* Up to where stanzas flow. */
static void establish(void)
{
    upgrade();
    say(OPEN);
    server_opens("s1");
    forget();
}

static void log_in(void)
{
    establish();
    kit->host.is_authenticated = true;
    server_says("<success/>");
    forget();
}

static void on_pass(void *arg)
{
    loop_stop(arg);
}

static void pass_ms(unsigned ms)
{
    struct timer timer;

    timer_init(&timer, kit->host.loop, on_pass, kit->host.loop);
    timer_set(&timer, ms);
    loop_run(kit->host.loop);
}

/* ---- opening ---- */

/* J20, J23, J28 */
static void open_is_answered_with_the_servers_header(void **state)
{
    upgrade();
    say("<open " FRAMING " to='example.org' from='a@example.org' "
        "xml:lang='de' version='1.0'/>");
    assert_said("session-open to=example.org from=a@example.org lang=de "
                "secure=1\n");
    server_opens("s1");
    assert_said("< " OUR_OPEN "version=\"1.0\" id=\"s1\" "
                "from=\"example.org\" to=\"a@example.org\" "
                "xml:lang=\"en\" />\n");
    server_says("<stream:features/>");
    assert_said("< <stream:features/>\n");
}

static void open_without_from_gets_no_to(void **state)
{
    upgrade();
    say(OPEN);
    forget();
    server_opens("s1");
    assert_said("< " OUR_OPEN "version=\"1.0\" id=\"s1\" "
                "from=\"example.org\" xml:lang=\"en\" />\n");
}

/* J23: not above the client's */
static void version_is_the_lower_one(void **state)
{
    static const struct {
        const char *sent;
        const char *answer;
    } versions[] = {
        {"version='2.0'", "version=\"1.0\" "},
        {"version='1.1'", "version=\"1.0\" "},
        {"version='0.8'", "version=\"0.9\" "},
        {"version='1.0.0'", ""},
        {"version=''", ""},
        {"version='99999999999999999999.0'", ""},
        {"", ""},
    };
    char text[256];
    size_t i;

    for (i = 0; i < COUNT_OF(versions); i++) {
        upgrade();
        snprintf(text, sizeof(text), "<open " FRAMING " to='a' %s/>",
                 versions[i].sent);
        say(text);
        forget();
        server_opens("s1");
        snprintf(text, sizeof(text),
                 "< " OUR_OPEN "%sid=\"s1\" from=\"example.org\" "
                 "xml:lang=\"en\" />\n",
                 versions[i].answer);
        assert_said(text);
        ws_lost(kit->ws);
        kit->ws = NULL;
        forget();
    }
}

/* J24, J25, J26 */
static void refused_session_is_told_inside_a_stream(void **state)
{
    static const struct {
        enum err err;
        enum session_end why;
        const char *condition;
        int code;
    } refusals[] = {
        {ERR_INVALID, SESSION_END_HOST_UNKNOWN, "host-unknown", 1000},
        {ERR_INVALID, SESSION_END_ADDRESSING, "improper-addressing", 1000},
        {ERR_LIMIT, SESSION_END_POLICY, "resource-constraint", 1000},
        {ERR_CLOSED, SESSION_END_SHUTDOWN, "system-shutdown", 1001},
        {ERR_NOMEM, SESSION_END_INTERNAL, "internal-server-error", 1000},
    };
    char expected[1024];
    size_t i;

    for (i = 0; i < COUNT_OF(refusals); i++) {
        kit->host.open_answer = refusals[i].err;
        kit->host.open_why = refusals[i].why;
        upgrade();
        say(OPEN);
        forget_id();
        snprintf(expected, sizeof(expected),
                 "< " OUR_OPEN "version=\"1.0\" from=\"example.org\" />\n"
                 "< <stream:error xmlns:stream=\""
                 "http://etherx.jabber.org/streams\"><%s "
                 "xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>"
                 "</stream:error>\n"
                 "< " CLOSE "\n",
                 refusals[i].condition);
        assert_said(expected);
        say(BYE);
        snprintf(expected, sizeof(expected), "! %d %s\n", refusals[i].code,
                 refusals[i].condition);
        assert_said(expected);
    }
}

/* J22 */
static void anything_but_open_first_is_refused(void **state)
{
    static const struct {
        const char *message;
        const char *condition;
    } firsts[] = {
        {"<iq xmlns='jabber:client'/>", "not-authorized"},
        {"<stream:stream xmlns:stream='http://etherx.jabber.org/streams' "
         "to='example.org'/>",
         "invalid-namespace"},
        {"<open xmlns='jabber:client' to='example.org'/>", "invalid-namespace"},
        {"hello", "bad-format"},
        {"<a", "not-well-formed"},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(firsts); i++) {
        upgrade();
        say(firsts[i].message);
        assert_memory_equal(kit->said, "< <open ", 8);
        assert_non_null(strstr(kit->said, firsts[i].condition));
        assert_non_null(strstr(kit->said, "</stream:error>\n< <close "));
        ws_lost(kit->ws);
        kit->ws = NULL;
        forget();
    }
    assert_int_equal(kit->metrics.value[METRIC_WS_BAD_MESSAGES],
                     COUNT_OF(firsts));
}

static void close_before_open_ends_at_once(void **state)
{
    upgrade();
    say(BYE);
    assert_said("< " CLOSE "\n! 1000 \n");
}

/* J27 */
static void silent_client_is_let_go(void **state)
{
    kit->host.settings.ws.open_ms = SHORT_MS;
    upgrade();
    pass_ms(2 * SHORT_MS);
    assert_said("! 1008 no open\n");
}

static void open_in_time_stops_the_timer(void **state)
{
    kit->host.settings.ws.open_ms = SHORT_MS;
    upgrade();
    say(OPEN);
    forget();
    pass_ms(2 * SHORT_MS);
    assert_said("");
}

static void full_or_draining_host_takes_no_upgrade(void **state)
{
    struct addr client;

    assert_int_equal(addr_parse_ip(&client, "192.0.2.1", 1), ERR_OK);
    kit->host.count = 10;
    assert_int_equal(ws_open(&kit->ws, &kit->host, &client, false, &ops, kit),
                     ERR_LIMIT);
    kit->host.count = 9;
    kit->host.is_draining = true;
    assert_int_equal(ws_open(&kit->ws, &kit->host, &client, false, &ops, kit),
                     ERR_CLOSED);
    assert_null(kit->ws);
}

/* ---- stanzas ---- */

static void stanzas_cross_both_ways(void **state)
{
    establish();
    say("<iq xmlns='jabber:client' id='1'/>");
    assert_non_null(strstr(kit->said, "> <iq"));
    forget();
    server_says("<iq xmlns=\"jabber:client\"/>");
    assert_said("< <iq xmlns=\"jabber:client\"/>\n");
}

/* J15 */
static void empty_messages_are_ignored_and_counted(void **state)
{
    establish();
    say("");
    say(" \n");
    assert_said("");
    assert_int_equal(kit->metrics.value[METRIC_WS_EMPTY_MESSAGES], 2);
}

/* J14, J16, J17 */
static void malformed_message_ends_the_stream(void **state)
{
    establish();
    say("<iq xmlns='jabber:client'/><iq xmlns='jabber:client'/>");
    assert_said("< " ERROR("not-well-formed") "\n< " CLOSE "\n"
                                              "session-end why=2 graceful=1\n");
    say("<iq xmlns='jabber:client'/>");
    say("");
    assert_said("");
    say(BYE);
    assert_said("! 1000 not-well-formed\n");
}

static void answers_of_session_send_become_conditions(void **state)
{
    static const struct {
        enum err err;
        const char *message;
        const char *condition;
    } answers[] = {
        {ERR_LIMIT, "<iq xmlns='jabber:client'/>", "<policy-violation "},
        {ERR_NOMEM, "<iq xmlns='jabber:client'/>", "<internal-server-error "},
        {ERR_INVALID, "<iq xmlns='jabber:server'/>", "<invalid-namespace "},
        {ERR_INVALID, "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>",
         "<unsupported-stanza-type "},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(answers); i++) {
        kit->host.send_answer = ERR_OK;
        establish();
        kit->host.send_answer = answers[i].err;
        say(answers[i].message);
        assert_non_null(strstr(kit->said, answers[i].condition));
        assert_non_null(strstr(kit->said, "session-end"));
        ws_lost(kit->ws);
        kit->ws = NULL;
        forget();
    }
}

/* The server's connection is gone, but `ended` has not come yet. */
static void closed_session_is_no_fault_of_the_client(void **state)
{
    establish();
    kit->host.send_answer = ERR_CLOSED;
    say("<iq xmlns='jabber:client'/>");
    assert_said("");
}

/* ---- restart ---- */

/* J30 */
static void second_open_after_login_restarts(void **state)
{
    log_in();
    say(OPEN);
    assert_said("session-restart from=\n");
    server_opens("s2");
    assert_said("< " OUR_OPEN "version=\"1.0\" id=\"s2\" "
                "from=\"example.org\" xml:lang=\"en\" />\n");
}

/* J18 */
static void second_open_before_login_is_refused(void **state)
{
    establish();
    say(OPEN);
    assert_said("< " ERROR("not-authorized") "\n< " CLOSE "\n"
                                             "session-end why=2 graceful=1\n");
}

static void third_open_is_refused(void **state)
{
    log_in();
    say(OPEN);
    server_opens("s2");
    forget();
    say(OPEN);
    assert_said(
        "< " ERROR("policy-violation") "\n< " CLOSE "\n"
                                       "session-end why=4 graceful=1\n");
}

/* J31 */
static void restart_for_another_domain_is_refused(void **state)
{
    log_in();
    say("<open " FRAMING " to='example.com' version='1.0'/>");
    assert_said("< " ERROR("host-unknown") "\n< " CLOSE "\n"
                                           "session-end why=6 graceful=1\n");
}

static void restart_in_other_letters_is_the_same_domain(void **state)
{
    log_in();
    say("<open " FRAMING " to='Example.ORG' version='1.0'/>");
    assert_said("session-restart from=\n");
}

/* ---- closing ---- */

/* J40, J47 */
static void clients_close_lets_the_server_finish(void **state)
{
    log_in();
    say(BYE);
    assert_said("session-close\n");
    say("<iq xmlns='jabber:client'/>");
    assert_said("");
    server_says("<presence/>");
    assert_said("< <presence/>\n");
    server_ends(SESSION_END_CLIENT_CLOSED, NULL);
    assert_said("session-free\n< " CLOSE "\n! 1000 \n");
}

static void session_that_ends_at_once_closes_at_once(void **state)
{
    log_in();
    kit->host.ends_in_close = true;
    say(BYE);
    assert_said("session-close\nsession-free\n< " CLOSE "\n! 1000 \n");
}

static void slow_server_does_not_hold_a_closing_client(void **state)
{
    kit->host.settings.ws.close_ms = SHORT_MS;
    log_in();
    say(BYE);
    forget();
    pass_ms(2 * SHORT_MS);
    assert_said("< " CLOSE "\nsession-end why=0 graceful=1\n! 1000 \n");
}

/* J41, J43 */
static void servers_error_is_one_message_before_close(void **state)
{
    log_in();
    server_ends(SESSION_END_SERVER_ERROR, "<stream:error><conflict/>");
    assert_said("session-free\n< <stream:error><conflict/>\n< " CLOSE "\n");
    say("<iq xmlns='jabber:client'/>");
    assert_said("");
    say(BYE);
    assert_said("! 1000 the-end\n");
}

static void server_that_closes_is_no_error(void **state)
{
    log_in();
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    assert_said("session-free\n< " CLOSE "\n");
}

static void client_that_does_not_close_is_not_waited_for(void **state)
{
    kit->host.settings.ws.close_ms = SHORT_MS;
    log_in();
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    forget();
    pass_ms(2 * SHORT_MS);
    assert_said("! 1000 the-end\n");
}

/* J25, J26, decisions 7 */
static void unreachable_server_is_told_inside_a_stream(void **state)
{
    upgrade();
    say(OPEN);
    forget();
    server_ends(SESSION_END_SERVER_UNREACHABLE, NULL);
    forget_id();
    assert_said("session-free\n"
                "< " OUR_OPEN "version=\"1.0\" from=\"example.org\" />\n"
                "< " ERROR("remote-connection-failed") "\n< " CLOSE "\n");
}

/* J44, decisions 6: Converse must come back after login. */
static void lost_server_is_another_error_after_login(void **state)
{
    establish();
    server_ends(SESSION_END_SERVER_LOST, NULL);
    assert_said(
        "session-free\n< " ERROR("remote-connection-failed") "\n< " CLOSE "\n");
    ws_lost(kit->ws);
    kit->host.session.is_ended = false;
    log_in();
    server_ends(SESSION_END_SERVER_LOST, NULL);
    assert_said("session-free\n< " ERROR("internal-server-error") "\n< " CLOSE
                                                                  "\n");
}

/* J45 */
static void lost_client_drops_the_server(void **state)
{
    log_in();
    ws_lost(kit->ws);
    kit->ws = NULL;
    assert_said("session-end why=1 graceful=0\n");
}

/* clients.md 0.2, 23: Strophe closes the socket right behind <close/>. */
static void client_lost_after_close_had_said_goodbye(void **state)
{
    log_in();
    say(BYE);
    forget();
    ws_lost(kit->ws);
    kit->ws = NULL;
    assert_said("session-end why=0 graceful=1\n");
}

/* decisions 9 */
static void shutdown_is_told_and_waited_for(void **state)
{
    log_in();
    kit->host.session.ops->shutdown(kit->host.session.owner);
    assert_said(
        "< " ERROR("system-shutdown") "\n< " CLOSE "\n"
                                      "session-end why=13 graceful=1\n");
    say(BYE);
    assert_said("! 1001 system-shutdown\n");
}

/* G33 */
static void resumable_stream_survives_a_shutdown(void **state)
{
    log_in();
    kit->host.is_resumable = true;
    kit->host.session.ops->shutdown(kit->host.session.owner);
    assert_non_null(strstr(kit->said, "session-end why=13 graceful=0\n"));
}

static void shutdown_before_the_header_has_a_header_of_ours(void **state)
{
    upgrade();
    say(OPEN);
    forget();
    kit->host.session.ops->shutdown(kit->host.session.owner);
    forget_id();
    assert_said(
        "< " OUR_OPEN "version=\"1.0\" from=\"example.org\" />\n"
        "< " ERROR("system-shutdown") "\n< " CLOSE "\n"
                                      "session-end why=13 graceful=1\n");
}

/* ---- faults below ---- */

/* J10, J13 */
static void fault_is_told_where_the_stream_is_open(void **state)
{
    static const struct {
        enum ws_code code;
        const char *expected;
    } faults[] = {
        {WS_TOO_BIG,
         "< " ERROR("policy-violation") "\n< " CLOSE "\n"
                                        "session-end why=4 graceful=1\n"
                                        "! 1009 policy-violation\n"},
        {WS_UNSUPPORTED,
         "< " ERROR("policy-violation") "\n< " CLOSE "\n"
                                        "session-end why=2 graceful=1\n"
                                        "! 1003 policy-violation\n"},
        {WS_BAD_DATA,
         "< " ERROR("unsupported-encoding") "\n< " CLOSE "\n"
                                            "session-end why=2 graceful=1\n"
                                            "! 1007 unsupported-encoding\n"},
        {WS_PROTOCOL_ERROR,
         "< " ERROR("bad-format") "\n< " CLOSE "\n"
                                  "session-end why=2 graceful=1\n"
                                  "! 1002 bad-format\n"},
    };
    size_t i;

    for (i = 0; i < COUNT_OF(faults); i++) {
        establish();
        ws_fault(kit->ws, faults[i].code);
        assert_said(faults[i].expected);
    }
}

static void fault_before_the_stream_is_only_a_code(void **state)
{
    upgrade();
    ws_fault(kit->ws, WS_PROTOCOL_ERROR);
    assert_said("! 1002 bad-format\n");
}

/* After <close/> no second error and no second <close/>. */
static void fault_while_closing_is_only_a_code(void **state)
{
    log_in();
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    forget();
    ws_fault(kit->ws, WS_PROTOCOL_ERROR);
    assert_said("! 1002 bad-format\n");
}

/* J13: the limit is lower before login. */
static void message_limit_follows_the_login(void **state)
{
    upgrade();
    assert_int_equal(ws_message_max(kit->ws), 1000);
    say(OPEN);
    server_opens("s1");
    assert_int_equal(ws_message_max(kit->ws), 1000);
    kit->host.is_authenticated = true;
    assert_int_equal(ws_message_max(kit->ws), 4000);
    /* What was on its way when the server ended is no offence. */
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    assert_int_equal(ws_message_max(kit->ws), 4000);
}

/* ---- backpressure ---- */

static void slow_client_pauses_the_server(void **state)
{
    log_in();
    kit->client_is_congested = true;
    server_says("<a/>");
    assert_said("< <a/>\nsession-pause\n");
    server_says("<b/>");
    assert_said("< <b/>\n");
    kit->client_is_congested = false;
    ws_drained(kit->ws);
    assert_said("session-resume\n");
    ws_drained(kit->ws);
    assert_said("");
}

static void slow_server_stops_the_client(void **state)
{
    log_in();
    kit->host.is_congested = true;
    say("<a xmlns='urn:a'/>");
    assert_non_null(strstr(kit->said, "flow 0\n"));
    forget();
    say("<a xmlns='urn:a'/>");
    assert_null(strstr(kit->said, "flow"));
    forget();
    kit->host.session.ops->drained(kit->host.session.owner);
    assert_said("flow 1\n");
}

/* The client's <close/> must get through when the server has gone. */
static void stopped_client_flows_again_at_the_end(void **state)
{
    log_in();
    kit->host.is_congested = true;
    say("<a xmlns='urn:a'/>");
    forget();
    server_ends(SESSION_END_SERVER_CLOSED, NULL);
    assert_said("session-free\n< " CLOSE "\nflow 1\n");
}

static void failed_send_waits_for_the_carrier(void **state)
{
    log_in();
    kit->fails = true;
    server_says("<a/>");
    say("<a xmlns='urn:a'>");
    forget();
    ws_lost(kit->ws);
    kit->ws = NULL;
    assert_said("");
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(open_is_answered_with_the_servers_header),
        TEST(open_without_from_gets_no_to),
        TEST(version_is_the_lower_one),
        TEST(refused_session_is_told_inside_a_stream),
        TEST(anything_but_open_first_is_refused),
        TEST(close_before_open_ends_at_once),
        TEST(silent_client_is_let_go),
        TEST(open_in_time_stops_the_timer),
        TEST(full_or_draining_host_takes_no_upgrade),
        TEST(stanzas_cross_both_ways),
        TEST(empty_messages_are_ignored_and_counted),
        TEST(malformed_message_ends_the_stream),
        TEST(answers_of_session_send_become_conditions),
        TEST(closed_session_is_no_fault_of_the_client),
        TEST(second_open_after_login_restarts),
        TEST(second_open_before_login_is_refused),
        TEST(third_open_is_refused),
        TEST(restart_for_another_domain_is_refused),
        TEST(restart_in_other_letters_is_the_same_domain),
        TEST(clients_close_lets_the_server_finish),
        TEST(session_that_ends_at_once_closes_at_once),
        TEST(slow_server_does_not_hold_a_closing_client),
        TEST(servers_error_is_one_message_before_close),
        TEST(server_that_closes_is_no_error),
        TEST(client_that_does_not_close_is_not_waited_for),
        TEST(unreachable_server_is_told_inside_a_stream),
        TEST(lost_server_is_another_error_after_login),
        TEST(lost_client_drops_the_server),
        TEST(client_lost_after_close_had_said_goodbye),
        TEST(shutdown_is_told_and_waited_for),
        TEST(resumable_stream_survives_a_shutdown),
        TEST(shutdown_before_the_header_has_a_header_of_ours),
        TEST(fault_is_told_where_the_stream_is_open),
        TEST(fault_before_the_stream_is_only_a_code),
        TEST(fault_while_closing_is_only_a_code),
        TEST(message_limit_follows_the_login),
        TEST(slow_client_pauses_the_server),
        TEST(slow_server_stops_the_client),
        TEST(stopped_client_flows_again_at_the_end),
        TEST(failed_send_waits_for_the_carrier),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
