/*
 * BOSH (XEP-0124, XEP-0206), in two ways:
 *
 *   bosh     one request carries the stanza and is answered by its echo; an
 *            idle session holds an empty one
 *   browser  an empty request is always held; the stanza goes in a second one,
 *            as the libraries of browsers do it
 *
 * and bare POSTs whose answer is the echo, without a session, for proxies and
 * for doab-bench-relay.
 */
#include "http.h"

#include <stdio.h>
#include <stdlib.h>

#define SID_MAX   200
#define LINES     2
#define BODY_NS   "http://jabber.org/protocol/httpbind"
#define FIRST_RID 1573741820u

struct line {
    struct wire wire;
    struct session *session;
    bool is_waiting; /* for the answer to a request */
};

struct bosh {
    struct line lines[LINES];
    char sid[SID_MAX];
    unsigned long rid;
    unsigned out; /* requests without an answer */
};

static const struct wire_ops ops;

static struct line *free_line(struct session *s)
{
    struct bosh *b = s->own;

    for (size_t i = 0; i < LINES; i++) {
        struct line *l = &b->lines[i];

        if (l->is_waiting)
            continue;
        if (l->session == NULL || l->wire.fd < 0) {
            l->session = s;
            wire_open(&l->wire, &s->bench->o.to, &ops, l);
        }
        return l->wire.fd >= 0 ? l : NULL;
    }
    return NULL;
}

/* attributes: of <body/>, behind rid, sid and its namespace. */
static void request(struct session *s, const char *attributes,
                    struct slice payload)
{
    static char text[BENCH_TEXT_MAX + 4096];
    struct bosh *b = s->own;
    struct line *l = free_line(s);
    int n;

    if (l == NULL) {
        session_fail(s, "no connection for a request");
        return;
    }
    n = snprintf(text, sizeof(text), "<body rid='%lu' xmlns='" BODY_NS "'",
                 b->rid++);
    if (b->sid[0] != '\0')
        n += snprintf(text + n, sizeof(text) - (size_t)n, " sid='%s'", b->sid);
    n += snprintf(text + n, sizeof(text) - (size_t)n, "%s", attributes);
    n += snprintf(text + n, sizeof(text) - (size_t)n,
                  payload.len > 0 ? ">%.*s</body>" : "/>", (int)payload.len,
                  payload.at);
    l->is_waiting = true;
    b->out++;
    http_post(&l->wire, &s->bench->o, (struct slice){text, (size_t)n});
}

static void open_bosh(struct session *s)
{
    const struct options *o = &s->bench->o;
    struct bosh *b = s->own;
    char attributes[600];

    b->rid = FIRST_RID + s->number;
    snprintf(attributes, sizeof(attributes),
             " to='%s' wait='%u' hold='1' ver='1.6' xml:lang='en' "
             "content='text/xml; charset=utf-8' xmpp:version='1.0' "
             "xmlns:xmpp='urn:xmpp:xbosh'",
             o->domain, o->wait_s);
    request(s, attributes, (struct slice){NULL, 0});
}

static void restart_bosh(struct session *s)
{
    char attributes[600];

    snprintf(attributes, sizeof(attributes),
             " to='%s' xmpp:restart='true' xmlns:xmpp='urn:xmpp:xbosh'",
             s->bench->o.domain);
    request(s, attributes, (struct slice){NULL, 0});
}

static void send_bosh(struct session *s, struct slice stanza)
{
    request(s, "", stanza);
}

static bool take_sid(struct bosh *b, struct slice body)
{
    const char *at = memmem(body.at, body.len, " sid=", 5);
    const char *end;
    size_t len;

    if (at == NULL)
        return false;
    at += 5;
    end = memchr(at + 1, at[0], body.len - (size_t)(at + 1 - body.at));
    if (end == NULL)
        return false;
    len = (size_t)(end - at - 1);
    if (len >= sizeof(b->sid))
        return false;
    memcpy(b->sid, at + 1, len);
    b->sid[len] = '\0';
    return true;
}

static bool has(struct slice s, const char *needle)
{
    return memmem(s.at, s.len, needle, strlen(needle)) != NULL;
}

/* A session does not go without a request; a browser's has a poll beside the
 * stanza that is under way.  But where one request is a message, and the next
 * one is due in a moment, a poll between the two would be another. */
static bool is_one_post(const struct session *s)
{
    return s->bench->o.kind == &kind_bosh && s->is_timed;
}

/* What came in an answer, and what must be asked next. */
static void take_body(struct session *s, struct slice body)
{
    struct bosh *b = s->own;
    const char *end = memchr(body.at, '>', body.len);
    size_t head = end != NULL ? (size_t)(end - body.at) : body.len;
    unsigned long rid = b->rid;
    bool was_ready;

    if (has((struct slice){body.at, head}, "terminate")) {
        session_fail(s, "the session is terminated");
        return;
    }
    if (b->sid[0] == '\0' && !take_sid(b, body)) {
        session_fail(s, "the session is not created");
        return;
    }
    was_ready = s->state == SESSION_READY && !s->is_busy;
    session_input(s, body.at, body.len);
    if (s->state == SESSION_FAILED || b->rid != rid)
        return; /* it has asked for more by itself */
    if (was_ready)
        plan_empty_answer(s);
    if (b->out == 0 && !is_one_post(s))
        request(s, "", (struct slice){NULL, 0});
}

static size_t on_received(void *owner, const char *at, size_t len)
{
    struct line *l = owner;
    struct session *s = l->session;
    struct bosh *b = s->own;
    struct slice body;
    unsigned status;
    size_t used;
    char *bytes = (char *)(uintptr_t)at; /* the wire's, and ours to change */

    switch (http_read_answer(bytes, len, &used, &status, &body)) {
    case ANSWER_PARTIAL:
        return 0;
    case ANSWER_WRONG:
        session_fail(s, "no answer of HTTP");
        return len;
    case ANSWER_WHOLE:
        break;
    }
    if (status != 200 || !l->is_waiting) {
        session_fail(s, status != 200 ? "an HTTP error" : "an answer unasked");
        return len;
    }
    l->is_waiting = false;
    b->out--;
    take_body(s, body);
    return used;
}

static void on_lost(void *owner, const char *why)
{
    struct line *l = owner;

    if (l->is_waiting || l->wire.is_connecting)
        session_fail(l->session, why);
}

static const struct wire_ops ops = {.received = on_received, .lost = on_lost};

static void close_bosh(struct session *s)
{
    struct bosh *b = s->own;

    for (size_t i = 0; i < LINES; i++)
        if (b->lines[i].session != NULL)
            wire_close(&b->lines[i].wire);
}

/* The stanza beside a poll: with hold='1' the server answers the older. */
static void send_browser(struct session *s, struct slice stanza)
{
    struct bosh *b = s->own;

    if (s->state == SESSION_READY && b->out == 0)
        request(s, "", (struct slice){NULL, 0});
    request(s, "", stanza);
}

const struct kind kind_bosh = {
    .name = "bosh",
    .help = "BOSH, one request that is answered by the echo",
    .path = "/http-bind",
    .connections = LINES,
    .has_login = true,
    .state_bytes = sizeof(struct bosh),
    .open = open_bosh,
    .restart = restart_bosh,
    .send = send_bosh,
    .close = close_bosh,
};

const struct kind kind_browser = {
    .name = "browser",
    .help = "BOSH as browsers do it, a held request and one that sends",
    .path = "/http-bind",
    .connections = LINES,
    .has_login = true,
    .state_bytes = sizeof(struct bosh),
    .open = open_bosh,
    .restart = restart_bosh,
    .send = send_browser,
    .close = close_bosh,
};

/* ---- without a session ---- */

static void on_bare_connected(void *owner)
{
    session_is_up(owner);
}

static size_t on_bare_received(void *owner, const char *at, size_t len)
{
    struct session *s = owner;
    struct slice body;
    unsigned status;
    size_t used;

    switch (
        http_read_answer((char *)(uintptr_t)at, len, &used, &status, &body)) {
    case ANSWER_PARTIAL:
        return 0;
    case ANSWER_WRONG:
        session_fail(s, "no answer of HTTP");
        return len;
    case ANSWER_WHOLE:
        break;
    }
    if (status == 200)
        session_input(s, body.at, body.len);
    else
        session_fail(s, "an HTTP error");
    return used;
}

static void on_bare_lost(void *owner, const char *why)
{
    session_fail(owner, why);
}

static const struct wire_ops bare_ops = {.connected = on_bare_connected,
                                         .received = on_bare_received,
                                         .lost = on_bare_lost};

static void open_bare(struct session *s)
{
    wire_open(s->own, &s->bench->o.to, &bare_ops, s);
}

static void send_bare(struct session *s, struct slice stanza)
{
    http_post(s->own, &s->bench->o, stanza);
}

static void close_bare(struct session *s)
{
    wire_close(s->own);
}

const struct kind kind_bare_http = {
    .name = "bare-http",
    .help = "POSTs without a session, for proxies and doab-bench-relay",
    .path = "/http-bind",
    .connections = 1,
    .state_bytes = sizeof(struct wire),
    .open = open_bare,
    .send = send_bare,
    .close = close_bare,
};
