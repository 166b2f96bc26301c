#include "run.h"

#include "front/http.h"
#include "xmpp/xml_write.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWERS_MAX_BYTES (1u << 22)

struct client *client_find(struct run *r, const char *name)
{
    struct client *c = r->world->clients;

    while (c != NULL && strcmp(c->name, name) != 0)
        c = c->next;
    return c;
}

struct request *request_find(struct run *r, const char *name)
{
    struct request *q = r->world->requests;

    while (q != NULL && strcmp(q->name, name) != 0)
        q = q->next;
    return q;
}

/* The connection of that name; a new one if there is none, or none left. */
static struct client *client_open(struct run *r, const char *name)
{
    struct client *c = client_find(r, name);

    if (c != NULL)
        return c;
    c = arena_get(&r->arena, sizeof(*c));
    c->name = arena_text(&r->arena, slice_of(name));
    buf_init(&c->in, ANSWERS_MAX_BYTES);
    if (!wire_serve(r, c)) {
        fail(r, "an accepted connection", "none");
        return NULL;
    }
    c->next = r->world->clients;
    r->world->clients = c;
    return c;
}

static struct request *request_new(struct run *r, const char *name,
                                   struct client *c)
{
    struct request **at = &r->world->requests;
    struct request *q;

    if (request_find(r, name) != NULL) {
        fail(r, "a new name for the request", "%s", name);
        return NULL;
    }
    q = arena_get(&r->arena, sizeof(*q));
    q->name = arena_text(&r->arena, slice_of(name));
    q->client = c;
    while (*at != NULL)
        at = &(*at)->next;
    *at = q;
    return q;
}

/* --- Requests ------------------------------------------------------------- */

struct draft {
    struct run *run;
    const char *method;
    const char *path;
    const char *headers; /* lines */
    const char *attrs;   /* of the body, with a space before each */
    bool is_old;         /* HTTP/1.0 */
    bool is_chunked;
    bool declares_xmpp;
};

static void add_header(struct draft *d, const char *name, const char *value)
{
    d->headers =
        arena_printf(&d->run->arena, "%s%s: %s\r\n", d->headers, name, value);
}

static bool add_flag(struct draft *d, const char *word)
{
    if (strcmp(word, "http10") == 0)
        d->is_old = true;
    else if (strcmp(word, "close") == 0)
        add_header(d, "Connection", "close");
    else if (strcmp(word, "keep-alive") == 0)
        add_header(d, "Connection", "keep-alive");
    else if (strcmp(word, "chunked") == 0)
        d->is_chunked = true;
    else if (word[0] == '/' || word[0] == '*')
        d->path = word;
    else if (word[0] != '-')
        return fail(d->run, "key=value or a flag", "%s", word);
    return true;
}

/* Origin=… is a header, rid=… an attribute of the body. */
static bool add_word(struct draft *d, const char *word)
{
    const char *key;
    const char *value;

    if (word[0] == '/' || !word_split(d->run, word, &key, &value))
        return add_flag(d, word);
    if (strcmp(key, "on") == 0)
        return true;
    if (isupper((unsigned char)key[0])) {
        add_header(d, key, value);
        return true;
    }
    d->declares_xmpp |= strncmp(key, "xmpp:", 5) == 0;
    d->attrs = arena_printf(&d->run->arena, "%s %s='%s'", d->attrs, key, value);
    return true;
}

/* The words' attributes, and the namespaces that nobody wants to write. */
static const char *dress(struct draft *d, const char *body)
{
    size_t name = strcspn(body, " \t\n/>");
    const char *tag =
        arena_text(&d->run->arena, (struct slice){body, strcspn(body, ">")});
    const char *bind = "";
    const char *xmpp = "";

    if (strncmp(body, "<body", name) == 0 && strstr(tag, "xmlns=") == NULL)
        bind = " xmlns='" NS_HTTPBIND "'";
    if (d->declares_xmpp && strstr(tag, "xmlns:xmpp=") == NULL)
        xmpp = " xmlns:xmpp='" NS_XBOSH "'";
    return arena_printf(&d->run->arena, "%.*s%s%s%s%s", (int)name, body, bind,
                        xmpp, d->attrs, body + name);
}

static bool body_of(struct draft *d, const char *text, struct slice *out)
{
    if (text != NULL && text[0] == '"')
        return script_unquote(d->run, text, out);
    *out = slice_of(dress(d, text == NULL ? "<body/>" : text));
    return true;
}

static const char *framed(struct draft *d, struct slice body)
{
    struct arena *a = &d->run->arena;
    size_t half = body.len / 2;

    if (d->is_chunked)
        return arena_printf(a,
                            "Transfer-Encoding: chunked\r\n\r\n"
                            "%zx\r\n%.*s\r\n%zX;x=y\r\n%.*s\r\n0\r\n\r\n",
                            half, (int)half, body.at, body.len - half,
                            (int)(body.len - half), body.at + half);
    return arena_printf(a, "Content-Length: %zu\r\n\r\n", body.len);
}

static bool transmit(struct run *r, struct client *c, struct slice bytes)
{
    trace(r, c->name, bytes);
    return wire_send(r, c->peer, bytes);
}

static struct request *begin(struct run *r, const struct step *s,
                             struct draft *d)
{
    const char *on = step_value(s, 1, "on");
    struct client *c;

    if (s->n_words < 2) {
        fail(r, "a name", "none");
        return NULL;
    }
    for (size_t i = 2; i < s->n_words; i++) {
        if (!add_word(d, s->words[i]))
            return NULL;
    }
    c = client_open(r, on == NULL ? s->words[1] : on);
    if (c == NULL)
        return NULL;
    if (c->is_done || c->has_fin) {
        fail(r, "an open connection", "%s is not", c->name);
        return NULL;
    }
    return request_new(r, s->words[1], c);
}

static bool send_request(struct draft *d, struct client *c, struct slice body,
                         bool has_body)
{
    struct run *r = d->run;
    const char *rest = has_body ? framed(d, body) : "\r\n";
    const char *head = arena_printf(
        &r->arena, "%s %s HTTP/1.%c\r\nHost: chat.example.org\r\n%s%s",
        d->method, d->path, d->is_old ? '0' : '1', d->headers, rest);

    if (!transmit(r, c, slice_of(head)))
        return false;
    if (has_body && !d->is_chunked && !transmit(r, c, body))
        return false;
    return world_settle(r);
}

static bool post(struct run *r, const struct step *s, struct draft *d)
{
    struct request *q = begin(r, s, d);
    struct slice body;

    if (q == NULL || !body_of(d, s->text, &body))
        return false;
    return send_request(d, q->client, body, true);
}

bool client_post(struct run *r, const struct step *s)
{
    struct draft d = {
        .run = r,
        .method = "POST",
        .path = "/http-bind",
        .headers = "Content-Type: text/xml; charset=utf-8\r\n",
        .attrs = "",
    };

    return post(r, s, &d);
}

/* A creation request as a modern client sends it; words change what it has,
 * and -word leaves it out. */
bool client_create(struct run *r, const struct step *s)
{
    static const char *const usual[] = {
        "rid=1000", "to=example.org", "wait=60",
        "hold=1",   "ver=1.11",       "xmpp:version=1.0",
    };
    struct draft d = {
        .run = r,
        .method = "POST",
        .path = "/http-bind",
        .headers = "",
        .attrs = "",
    };
    const char *key;
    const char *value;

    for (size_t i = 0; i < COUNT_OF(usual); i++) {
        if (!word_split(r, usual[i], &key, &value))
            return false;
        if (step_value(s, 2, key) == NULL &&
            !step_has(s, 2, arena_printf(&r->arena, "-%s", key)) &&
            !add_word(&d, usual[i]))
            return false;
    }
    return post(r, s, &d);
}

/* get A /path Origin=…, head, options: requests without a body. */
bool client_ask(struct run *r, const struct step *s)
{
    struct draft d = {
        .run = r,
        .path = "/http-bind",
        .headers = "",
        .attrs = "",
    };
    char *method = arena_text(&r->arena, slice_of(s->words[0]));
    struct request *q = begin(r, s, &d);

    if (q == NULL)
        return false;
    for (char *at = method; *at != '\0'; at++)
        *at = (char)toupper((unsigned char)*at);
    d.method = method;
    q->is_head = strcmp(method, "HEAD") == 0;
    return send_request(&d, q->client, SLICE(""), false);
}

/* The requests that the bytes hold: each word is the name of one. */
static bool name_requests(struct run *r, const struct step *s, struct client *c)
{
    for (size_t i = 1; i < s->n_words; i++) {
        if (strchr(s->words[i], '=') == NULL &&
            request_new(r, s->words[i], c) == NULL)
            return false;
    }
    return true;
}

/* raw A "…": these bytes and no others.  `more`: they belong to a request
 * that has begun. */
bool client_raw(struct run *r, const struct step *s)
{
    const char *on = step_value(s, 1, "on");
    struct slice bytes;
    struct client *c;

    if (s->n_words < 2 || s->text == NULL)
        return fail(r, "raw NAME \"text\"", "less");
    if (!script_unquote(r, s->text, &bytes))
        return false;
    c = client_open(r, on == NULL ? s->words[1] : on);
    if (c == NULL)
        return false;
    if (!step_has(s, 2, "more") && !name_requests(r, s, c))
        return false;
    return transmit(r, c, bytes) && world_settle(r);
}

bool client_end(struct run *r, const struct step *s)
{
    struct client *c = s->n_words < 2 ? NULL : client_find(r, s->words[1]);

    if (c == NULL)
        return fail(r, "the name of a connection", "none");
    if (strcmp(s->words[0], "drop") == 0)
        wire_reset(c->peer);
    else if (strcmp(s->words[0], "fin") == 0)
        wire_fin(c->peer);
    else
        wire_stall(c->peer, strcmp(s->words[0], "stall") == 0);
    c->is_done |= strcmp(s->words[0], "drop") == 0;
    c->has_fin |= strcmp(s->words[0], "fin") == 0;
    return world_settle(r);
}
