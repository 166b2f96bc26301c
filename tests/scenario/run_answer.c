#include "run.h"

#include "xmpp/xml_write.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char *answer_header(struct run *r, const struct answer *a,
                          const char *name, unsigned *count)
{
    size_t len = strlen(name);
    const char *value = NULL;
    const char *line = strstr(a->head, "\r\n");

    *count = 0;
    for (; line != NULL && line[2] != '\0'; line = strstr(line + 2, "\r\n")) {
        const char *at = line + 2;

        if (strncasecmp(at, name, len) != 0 || at[len] != ':')
            continue;
        at += len + 1;
        at += strspn(at, " ");
        ++*count;
        value = arena_text(&r->arena, (struct slice){at, strcspn(at, "\r")});
    }
    return value;
}

/* The length of the body that follows; false: it does not say, or twice. */
static bool length_of(struct run *r, const struct answer *a, bool has_none,
                      size_t *out)
{
    unsigned count;
    const char *value = answer_header(r, a, "Content-Length", &count);

    *out = 0;
    if (a->status == 204 || a->status / 100 == 1)
        return count == 0 || fail(r, "no Content-Length", "%s", value);
    if (count != 1)
        return fail(r, "one Content-Length", "%u:\n%s", count, a->head);
    if (!has_none)
        *out = strtoul(value, NULL, 10);
    return true;
}

/* Checks that hold for every answer (I12, I30, I31, B86). */
static bool is_sound(struct run *r, const struct request *q)
{
    const struct answer *a = &q->answer;
    unsigned count;

    if (answer_header(r, a, "Transfer-Encoding", &count) != NULL)
        return fail(r, "no Transfer-Encoding", "%s", a->head);
    if (answer_header(r, a, "Set-Cookie", &count) != NULL)
        return fail(r, "no Set-Cookie", "%s", a->head);
    if (answer_header(r, a, "Date", &count) == NULL || count != 1)
        return fail(r, "one Date", "%s", a->head);
    if (a->body.len == 0)
        return true;
    if (answer_header(r, a, "Content-Type", &count) == NULL || count != 1)
        return fail(r, "one Content-Type", "%s", a->head);
    return true;
}

/* An answer at BOSH's level is one <body/>, with its type (A19, B86). */
static bool read_body(struct run *r, struct request *q)
{
    struct answer *a = &q->answer;
    unsigned count;
    const char *type = answer_header(r, a, "Content-Type", &count);
    const char *sid;

    if (type == NULL || strstr(type, "xml") == NULL)
        return true;
    if (strstr(type, "; charset=utf-8") == NULL)
        return fail(r, "charset=utf-8", "%s", type);
    /* A compressed one is only looked at from outside here. */
    if (answer_header(r, a, "Content-Encoding", &count) != NULL)
        return true;
    a->tree = tree_read(r, a->body);
    if (a->tree == NULL || !tree_is(a->tree, NS_HTTPBIND, "body"))
        return fail(r, "a body of httpbind", "%.*s", (int)a->body.len,
                    a->body.at);
    sid = tree_attr(a->tree, "sid");
    if (sid == NULL)
        return true;
    if (script_get(r, "SID") == NULL)
        script_set(r, "SID", sid);
    else if (script_get(r, "SID2") == NULL)
        script_set(r, "SID2", sid);
    else
        script_set(r, "SID3", sid);
    return true;
}

static struct request *first_waiting(struct run *r, const struct client *c)
{
    struct request *q = r->world->requests;

    while (q != NULL && (q->client != c || q->is_answered))
        q = q->next;
    return q;
}

/* *used: the bytes of one whole answer, 0 while there is none. */
static bool read_one(struct run *r, struct client *c, size_t *used)
{
    const char *text = arena_text(&r->arena, buf_slice(&c->in));
    const char *end = strstr(text, "\r\n\r\n");
    struct request *q = first_waiting(r, c);
    struct answer a = {0};
    size_t head_len;
    size_t body_len;
    unsigned minor;

    *used = 0;
    if (end == NULL)
        return true;
    head_len = (size_t)(end - text) + 4;
    a.head = arena_text(&r->arena, (struct slice){text, head_len - 2});
    if (sscanf(a.head, "HTTP/1.%u %3u ", &minor, &a.status) != 2)
        return fail(r, "a status line", "%s", a.head);
    if (q == NULL)
        return fail(r, "no answer: nothing was asked", "%s", a.head);
    if (!length_of(r, &a, q->is_head, &body_len))
        return false;
    if (c->in.len - head_len < body_len)
        return true;
    *used = head_len + body_len;
    if (a.status == 100) {
        c->continues++;
        return true;
    }
    a.body.at = arena_text(&r->arena,
                           (struct slice){buf_at(&c->in) + head_len, body_len});
    a.body.len = body_len;
    q->answer = a;
    q->is_answered = true;
    return is_sound(r, q) && read_body(r, q);
}

static bool read_client(struct run *r, struct client *c, bool *progress)
{
    size_t had = c->in.len;
    size_t used = 1;

    if (!wire_take(r, c->peer, &c->in))
        return false;
    c->is_gone =
        c->is_done || wire_is_closed(c->peer) || wire_is_dropped(c->peer);
    if (c->in.len == had)
        return true;
    *progress = true;
    trace(r, c->name, (struct slice){buf_at(&c->in) + had, c->in.len - had});
    while (used > 0 && c->in.len > 0) {
        if (!read_one(r, c, &used))
            return false;
        buf_consume(&c->in, used);
    }
    return true;
}

bool client_read_all(struct run *r, bool *progress)
{
    struct client *c = r->world->clients;

    for (; c != NULL; c = c->next) {
        if (!c->is_gone && !read_client(r, c, progress))
            return false;
    }
    return true;
}

void client_free_all(struct run *r)
{
    for (struct client *c = r->world->clients; c != NULL; c = c->next) {
        buf_free(&c->in);
        if (!c->is_done)
            wire_reset(c->peer);
        c->is_done = true;
    }
}
