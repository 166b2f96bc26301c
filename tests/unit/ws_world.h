/*
 * ws_world.h - session/ws.c between two fakes: the carrier, which writes down
 * what was said, and session.h, defined here and not taken from the archive.
 * Everything goes into one transcript, one line each:
 *
 *   < message to the client       ! finish CODE reason
 *   > element to the server       session-... calls of session.h
 *
 * To be included by one file of a program.
 */
#ifndef TESTS_WS_WORLD_H
#define TESTS_WS_WORLD_H

#include "session/ws.h"

#include "base/loop.h"
#include "base/metrics.h"
#include "session/session.h"
#include "session/session_host.h"
#include "xmpp/xml_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define CLOSE   "<close xmlns=\"urn:ietf:params:xml:ns:xmpp-framing\" />"
#define FRAMING "xmlns='urn:ietf:params:xml:ns:xmpp-framing'"
#define OPEN    "<open " FRAMING " to='example.org' version='1.0'/>"
#define BYE     "<close " FRAMING "/>"
#define ERROR(condition)                                                       \
    "<stream:error xmlns:stream=\"http://etherx.jabber.org/streams\">"         \
    "<" condition " xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>"           \
    "</stream:error>"

/* The same of what is above a limit. */
#define ABOVE(limit)                                                           \
    "<stream:error xmlns:stream=\"http://etherx.jabber.org/streams\">"         \
    "<policy-violation xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\"/>"        \
    "<text xmlns=\"urn:ietf:params:xml:ns:xmpp-streams\" xml:lang=\"en\">"     \
    "above " limit "</text></stream:error>"
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
    const char *by_default; /* domain, or NULL */
    bool is_draining;
    bool is_congested; /* the server */
    bool is_authenticated;
    bool is_resumable;
    size_t count;
    enum err open_answer;
    enum session_end open_why;
    enum err send_answer;
    unsigned n_restarts; /* of this login */
    bool ends_in_close;  /* `ended` from inside session_close */
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

static inline void note(const char *fmt, ...) PRINTF_LIKE(1, 2);

static inline void note(const char *fmt, ...)
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
static inline void assert_said(const char *expected)
{
    if (strcmp(kit->said, expected) != 0)
        fail_msg("said:\n%s\nexpected:\n%s", kit->said, expected);
    kit->len = 0;
    kit->said[0] = '\0';
}

/* A header of ours has a random id: it is taken out. */
static inline void forget_id(void)
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

static inline void forget(void)
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
    host->n_restarts = 0;
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
    /* As the real one: once, for a login that has succeeded. */
    if (!kit->host.is_authenticated)
        return ERR_MISSING;
    if (kit->host.n_restarts++ > 0)
        return ERR_INVALID;
    note("session-restart from=%.*s\n", (int)from.len, from.at);
    return ERR_OK;
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

const char *session_cause(const struct session *s)
{
    return NULL;
}

const char *session_size_limit(const struct session *s, size_t max_bytes)
{
    return "above a size";
}

const char *session_limit(const struct session *s)
{
    return "above a limit";
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
               : kit->host.settings.stanza_max_unauthenticated_bytes;
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

bool session_host_is_full(const struct session_host *host)
{
    return host->count >= host->settings.sessions_max;
}

const char *session_host_default(const struct session_host *host)
{
    return host->by_default;
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

static inline bool on_send(void *owner, struct slice message)
{
    if (kit->fails)
        return false;
    note("< %.*s\n", (int)message.len, message.at);
    return true;
}

static inline bool on_is_congested(void *owner)
{
    return kit->client_is_congested;
}

static inline void on_finish(void *owner, enum ws_code code, const char *reason)
{
    note("! %d %s\n", (int)code, reason);
    assert_true(strlen(reason) <= 123);
    kit->ws = NULL;
}

static inline void on_flow(void *owner, bool is_flowing)
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

static inline int set_up(void **state)
{
    kit = calloc(1, sizeof(*kit));
    assert_non_null(kit);
    assert_int_equal(loop_new(&kit->host.loop), ERR_OK);
    assert_int_equal(xml_pool_new(&kit->host.pool, 2), ERR_OK);
    assert_int_equal(element_copier_new(&kit->host.copier), ERR_OK);
    kit->host.settings.stanza_max_unauthenticated_bytes = 1000;
    kit->host.settings.stanza_max_bytes = 4000;
    kit->host.settings.sessions_max = 10;
    kit->host.settings.ws.open_ms = 10000;
    kit->host.settings.ws.close_ms = 10000;
    metrics_bind(&kit->metrics);
    return 0;
}

static inline int tear_down(void **state)
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

static inline void upgrade(void)
{
    struct addr client;

    assert_int_equal(addr_parse_ip(&client, "192.0.2.1", 1), ERR_OK);
    assert_int_equal(ws_open(&kit->ws, &kit->host, &client, true, &ops, kit),
                     ERR_OK);
}

static inline void say(const char *message)
{
    ws_message(kit->ws, slice_of(message));
}

static inline void server_opens(const char *id)
{
    struct stream_header header = {
        .id = slice_of(id),
        .from = SLICE("example.org"),
        .lang = SLICE("en"),
        .version = SLICE("1.0"),
    };

    kit->host.session.ops->opened(kit->host.session.owner, &header);
}

static inline void server_says(const char *text)
{
    struct element e = {.kind = ELEMENT_OTHER, .bytes = slice_of(text)};

    kit->host.session.ops->element(kit->host.session.owner, &e);
}

static inline void server_ends(enum session_end why, const char *error)
{
    struct element e = {.kind = ELEMENT_ERROR, .bytes = slice_of(error)};

    kit->host.session.is_ended = true;
    kit->host.session.ops->ended(kit->host.session.owner, why,
                                 error == NULL ? NULL : &e);
}

/* Up to where stanzas flow. */
static inline void establish(void)
{
    upgrade();
    say(OPEN);
    server_opens("s1");
    forget();
}

static inline void log_in(void)
{
    establish();
    kit->host.is_authenticated = true;
    server_says("<success/>");
    forget();
}

static inline void on_pass(void *arg)
{
    loop_stop(arg);
}

static inline void pass_ms(unsigned ms)
{
    struct timer timer;

    timer_init(&timer, kit->host.loop, on_pass, kit->host.loop);
    timer_set(&timer, ms);
    loop_run(kit->host.loop);
}

#endif /* TESTS_WS_WORLD_H */
