#include "run.h"

#include "session/session.h"
#include "session/ws.h"
#include "xmpp/xml_write.h"

#include <stdio.h>
#include <stdlib.h>

#define MESSAGES_MAX 256

struct message {
    struct slice bytes;
    struct message *next;
};

struct ws_client {
    const char *name;
    struct run *run;
    struct ws *ws;            /* NULL: not open, or gone */
    struct message *messages; /* not looked at yet */
    struct message *last;
    unsigned n_messages;
    bool is_refused;
    bool is_congested;
    bool is_stopped;   /* doab reads no more of it */
    unsigned finished; /* code; 0: it was not */
    const char *reason;
    struct ws_client *next;
};

static bool on_send(void *owner, struct slice message)
{
    struct ws_client *c = owner;
    struct message *m = arena_get(&c->run->arena, sizeof(*m));

    trace(c->run, c->name, message);
    if (c->n_messages == MESSAGES_MAX)
        return false;
    c->n_messages++;
    m->bytes.at = arena_text(&c->run->arena, message);
    m->bytes.len = message.len;
    if (c->last == NULL)
        c->messages = m;
    else
        c->last->next = m;
    c->last = m;
    return true;
}

static bool on_congested(void *owner)
{
    const struct ws_client *c = owner;

    return c->is_congested;
}

static void on_finish(void *owner, enum ws_code code, const char *reason)
{
    struct ws_client *c = owner;

    c->finished = code;
    c->reason = arena_text(&c->run->arena, slice_of(reason));
    c->ws = NULL;
}

static void on_flow(void *owner, bool is_flowing)
{
    struct ws_client *c = owner;

    c->is_stopped = !is_flowing;
}

static const struct ws_ops ws_ops = {
    .send = on_send,
    .is_congested = on_congested,
    .finish = on_finish,
    .flow = on_flow,
};

static struct ws_client *find(struct run *r, const char *name)
{
    struct ws_client *c = r->world->ws;

    while (c != NULL && strcmp(c->name, name) != 0)
        c = c->next;
    return c;
}

static bool open(struct run *r, const struct step *s)
{
    const char *name = s->words[1];
    bool is_secure = !step_has(s, 3, "clear");
    struct ws_client *c = arena_get(&r->arena, sizeof(*c));
    struct addr addr;

    if (find(r, name) != NULL)
        return fail(r, "a new name", "%s", name);
    if (addr_parse_ip(&addr, "203.0.113.9", 40000) != ERR_OK)
        return fail(r, "an address", "none");
    c->name = arena_text(&r->arena, slice_of(name));
    c->run = r;
    c->next = r->world->ws;
    r->world->ws = c;
    c->is_refused = ws_open(&c->ws, r->world->sessions, &addr, is_secure,
                            &ws_ops, c) != ERR_OK;
    return true;
}

/* <open/> and <close/> are of the framing, the rest are the client's. */
static const char *namespace_of(const char *xml)
{
    if (strncmp(xml, "<open", 5) == 0 || strncmp(xml, "<close", 6) == 0)
        return NS_FRAMING;
    return NS_CLIENT;
}

static const char *with_namespace(struct run *r, const char *xml)
{
    size_t name = strcspn(xml, " \t\n/>");

    if (strstr(xml, "xmlns") != NULL)
        return xml;
    return arena_printf(&r->arena, "%.*s xmlns='%s'%s", (int)name, xml,
                        namespace_of(xml), xml + name);
}

static bool say(struct run *r, struct ws_client *c, const struct step *s)
{
    struct slice bytes;

    if (s->text == NULL)
        return fail(r, "<xml> or \"text\"", "nothing");
    if (s->text[0] == '<')
        bytes = slice_of(with_namespace(r, s->text));
    else if (!script_unquote(r, s->text, &bytes))
        return false;
    if (c->ws == NULL)
        return fail(r, "an open WebSocket", "none");
    if (bytes.len > ws_message_max(c->ws)) /* as websocket.c (J13) */
        ws_fault(c->ws, WS_TOO_BIG);
    else
        ws_message(c->ws, bytes);
    return true;
}

/* The same message so many times. */
static bool flood(struct run *r, struct ws_client *c, const struct step *s)
{
    unsigned long n = s->n_words < 4 ? 0 : strtoul(s->words[3], NULL, 10);

    if (n == 0 || n > 10000)
        return fail(r, "flood NUMBER \"text\"", "%lu", n);
    for (; n > 0; n--)
        if (!say(r, c, s))
            return false;
    return true;
}

static bool matches(struct run *r, const char *expected, struct slice seen,
                    bool exactly)
{
    struct tree *e;
    struct tree *s;
    struct slice bytes;

    if (expected[0] == '"')
        return script_unquote(r, expected, &bytes) && slice_equal(bytes, seen);
    /* An unclosed header, of clients from before RFC 7395. */
    if (strncmp(seen.at, "<stream:stream ", 15) == 0)
        seen = slice_of(arena_printf(&r->arena, "%s</stream:stream>", seen.at));
    if (strcmp(namespace_of(expected), NS_FRAMING) == 0)
        expected = with_namespace(r, expected);
    e = tree_read_literals(r, expected);
    s = tree_read(r, seen);
    return e != NULL && e->child != NULL && s != NULL &&
           tree_matches(e->child, s, exactly);
}

/* got: the next message is this. */
static bool got(struct run *r, struct ws_client *c, const struct step *s)
{
    struct message *m = c->messages;

    if (s->text == NULL)
        return fail(r, "<xml> or \"text\"", "nothing");
    if (m == NULL)
        return fail(r, s->text, "no message; finished %u", c->finished);
    c->messages = m->next;
    if (m->next == NULL)
        c->last = NULL;
    if (!matches(r, s->text, m->bytes, step_has(s, 3, "exactly")))
        return fail(r, s->text, "%s", m->bytes.at);
    return true;
}

static bool is_quiet(struct run *r, struct ws_client *c)
{
    if (c->messages != NULL)
        return fail(r, "no message", "%s", c->messages->bytes.at);
    return true;
}

static bool finished(struct run *r, struct ws_client *c, const struct step *s)
{
    unsigned code =
        s->n_words < 4 ? 0 : (unsigned)strtoul(s->words[3], NULL, 10);

    if (c->finished != code)
        return fail(r, "another code", "%u", c->finished);
    if (s->n_words > 4 && strcmp(s->words[4], c->reason) != 0)
        return fail(r, s->words[4], "%s", c->reason);
    return true;
}

static void lose(struct ws_client *c)
{
    if (c->ws != NULL)
        ws_lost(c->ws);
    c->ws = NULL;
}

static void set_congested(struct ws_client *c, const struct step *s)
{
    bool was_congested = c->is_congested;

    c->is_congested = step_has(s, 3, "on");
    if (was_congested && !c->is_congested && c->ws != NULL)
        ws_drained(c->ws);
}

static bool checks(struct run *r, struct ws_client *c, const struct step *s)
{
    const char *verb = s->words[2];

    if (strcmp(verb, "got") == 0)
        return got(r, c, s);
    if (strcmp(verb, "nothing") == 0)
        return is_quiet(r, c);
    if (strcmp(verb, "finished") == 0)
        return finished(r, c, s);
    if (strcmp(verb, "flow") == 0)
        return c->is_stopped != step_has(s, 3, "on") ||
               fail(r, "flow", "%s", c->is_stopped ? "off" : "on");
    if (strcmp(verb, "refused") == 0)
        return c->is_refused || fail(r, "a refusal", "none");
    if (strcmp(verb, "alive") == 0)
        return c->ws != NULL || fail(r, "a ws", "finished %u", c->finished);
    return fail(r, "a verb of ws", "%s", verb);
}

bool ws_step(struct run *r, const struct step *s)
{
    const char *verb = s->n_words < 3 ? "" : s->words[2];
    struct ws_client *c;

    if (s->n_words < 3)
        return fail(r, "ws NAME VERB", "less");
    if (strcmp(verb, "open") == 0)
        return open(r, s) && world_settle(r);
    c = find(r, s->words[1]);
    if (c == NULL)
        return fail(r, "a WebSocket", "no %s", s->words[1]);
    if (strcmp(verb, "send") == 0)
        return say(r, c, s) && world_settle(r);
    if (strcmp(verb, "flood") == 0)
        return flood(r, c, s) && world_settle(r);
    if (strcmp(verb, "lose") == 0)
        lose(c);
    else if (strcmp(verb, "congested") == 0)
        set_congested(c, s);
    else if (strcmp(verb, "fault") == 0 && c->ws != NULL && s->n_words > 3)
        ws_fault(c->ws, (enum ws_code)strtoul(s->words[3], NULL, 10));
    else
        return checks(r, c, s);
    return world_settle(r);
}

bool ws_is_done(struct run *r)
{
    for (struct ws_client *c = r->world->ws; c != NULL; c = c->next) {
        if (!is_quiet(r, c))
            return false;
    }
    return true;
}

void ws_drain_all(struct run *r)
{
    for (struct ws_client *c = r->world->ws; c != NULL; c = c->next) {
        if (c->ws != NULL)
            ws_shutdown(c->ws);
    }
}

void ws_free_all(struct run *r)
{
    for (struct ws_client *c = r->world->ws; c != NULL; c = c->next)
        lose(c);
}
