#include "run.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

static struct request *named(struct run *r, const struct step *s, size_t i)
{
    struct request *q = s->n_words <= i ? NULL : request_find(r, s->words[i]);

    if (q == NULL)
        fail(r, "the name of a request", "%s",
             s->n_words <= i ? "none" : s->words[i]);
    else
        q->is_seen = q->is_answered;
    return q;
}

static const char *shown(struct run *r, const struct request *q)
{
    const struct answer *a = &q->answer;

    if (!q->is_answered)
        return "no answer";
    return arena_printf(&r->arena, "%u %.*s", a->status, (int)a->body.len,
                        a->body.at);
}

/* type='terminate' and just that condition, or none. */
static bool is_terminal(const struct step *s, const struct tree *body)
{
    const char *type = tree_attr(body, "type");

    if (type == NULL || strcmp(type, "terminate") != 0)
        return false;
    return step_value(s, 3, "condition") != NULL ||
           tree_attr(body, "condition") == NULL;
}

static bool is_empty(const struct tree *body)
{
    return body->child == NULL && tree_attr(body, "type") == NULL &&
           tree_attr(body, "condition") == NULL;
}

static bool word_holds(struct run *r, const struct step *s, const char *word,
                       const struct tree *body)
{
    const char *key;
    const char *value;
    const char *is;

    if (word_split(r, word, &key, &value)) {
        is = tree_attr(body, key);
        return is != NULL && strcmp(is, value) == 0;
    }
    if (word[0] == '-')
        return tree_attr(body, word + 1) == NULL;
    if (strcmp(word, "empty") == 0)
        return is_empty(body);
    if (strcmp(word, "terminate") == 0)
        return is_terminal(s, body);
    if (strcmp(word, "error") == 0)
        return body->child == NULL && step_value(s, 3, "condition") == NULL &&
               tree_attr(body, "type") != NULL &&
               strcmp(tree_attr(body, "type"), "error") == 0;
    return strcmp(word, "exactly") == 0;
}

/* All children, in order. */
static bool children_match(struct run *r, const struct step *s,
                           const struct tree *body)
{
    const struct tree *e = tree_read_literals(r, s->text);
    const struct tree *c = body->child;

    if (e == NULL)
        return false;
    for (e = e->child; e != NULL && c != NULL; e = e->next, c = c->next) {
        if (!tree_matches(e, c, step_has(s, 3, "exactly")))
            return false;
    }
    return e == NULL && c == NULL;
}

/* reply A 200 requests=2 -ack empty <message/> */
bool reply_check(struct run *r, const struct step *s)
{
    struct request *q = named(r, s, 1);
    const struct tree *body;

    if (q == NULL)
        return false;
    if (s->n_words < 3)
        return fail(r, "a status", "none");
    if (!q->is_answered || q->answer.status != strtoul(s->words[2], NULL, 10))
        return fail(r, s->words[2], "%s", shown(r, q));
    if (s->n_words == 3 && s->text == NULL)
        return true;
    body = q->answer.tree;
    if (body == NULL)
        return fail(r, "a <body/>", "%s", shown(r, q));
    for (size_t i = 3; i < s->n_words; i++) {
        if (!word_holds(r, s, s->words[i], body))
            return fail(r, s->words[i], "%s", shown(r, q));
    }
    if (s->text == NULL)
        return true;
    if (s->text[0] == '"') {
        struct slice bytes;

        if (!script_unquote(r, s->text, &bytes))
            return false;
        return slice_equal(bytes, q->answer.body) ||
               fail(r, s->text, "%s", shown(r, q));
    }
    return children_match(r, s, body) || fail(r, s->text, "%s", shown(r, q));
}

bool reply_held(struct run *r, const struct step *s)
{
    struct request *q = named(r, s, 1);

    if (q == NULL)
        return false;
    if (q->is_answered)
        return fail(r, "no answer yet", "%s", shown(r, q));
    return !q->client->is_gone ||
           fail(r, "no answer yet", "a closed connection");
}

bool reply_same(struct run *r, const struct step *s)
{
    struct request *a = named(r, s, 1);
    struct request *b = named(r, s, 2);

    if (a == NULL || b == NULL)
        return false;
    if (!a->is_answered || !b->is_answered ||
        a->answer.status != b->answer.status ||
        !slice_equal(a->answer.body, b->answer.body))
        return fail(r, shown(r, a), "%s", shown(r, b));
    return true;
}

/* contains A "text", lacks A "text": the bytes of the body. */
bool reply_contains(struct run *r, const struct step *s)
{
    struct request *q = named(r, s, 1);
    struct slice text;
    bool is_in;

    if (q == NULL || s->text == NULL)
        return q != NULL && fail(r, "a \"text\"", "none");
    if (!script_unquote(r, s->text, &text))
        return false;
    if (!q->is_answered)
        return fail(r, "an answer", "none");
    is_in = memmem(q->answer.body.at, q->answer.body.len, text.at, text.len) !=
            NULL;
    return is_in == (strcmp(s->words[0], "contains") == 0) ||
           fail(r, s->text, "%s", shown(r, q));
}

/* header A Name: value, or header A -Name. */
bool reply_header(struct run *r, const struct step *s)
{
    struct request *q = named(r, s, 1);
    char *name;
    const char *is;
    const char *value = "";
    unsigned count;

    if (q == NULL || s->n_words < 3)
        return q != NULL && fail(r, "the name of a header", "none");
    if (!q->is_answered)
        return fail(r, "an answer", "none");
    name = arena_text(&r->arena, slice_of(s->words[2]));
    if (name[0] == '-') {
        is = answer_header(r, &q->answer, name + 1, &count);
        return is == NULL || fail(r, s->words[2], "%s", is);
    }
    if (strlen(name) > 0 && name[strlen(name) - 1] == ':')
        name[strlen(name) - 1] = '\0';
    for (size_t i = 3; i < s->n_words; i++)
        value = arena_printf(&r->arena, "%s%s%s", value, i == 3 ? "" : " ",
                             s->words[i]);
    is = answer_header(r, &q->answer, name, &count);
    if (is == NULL || count != 1 || strcmp(is, value) != 0)
        return fail(r, arena_printf(&r->arena, "%s: %s", name, value),
                    "%u:\n%s", count, q->answer.head);
    return true;
}

bool reply_closed(struct run *r, const struct step *s)
{
    struct client *c = s->n_words < 2 ? NULL : client_find(r, s->words[1]);
    bool should_be = strcmp(s->words[0], "closed") == 0;

    if (c == NULL)
        return fail(r, "the name of a connection", "none");
    return c->is_gone == should_be ||
           fail(r, s->words[0], "%s", c->is_gone ? "closed" : "open");
}

bool reply_continued(struct run *r, const struct step *s)
{
    struct client *c = s->n_words < 2 ? NULL : client_find(r, s->words[1]);

    if (c == NULL)
        return fail(r, "the name of a connection", "none");
    return c->continues == 1 || fail(r, "one 100", "%u", c->continues);
}

bool reply_is_done(struct run *r)
{
    const struct request *q = r->world->requests;

    for (; q != NULL; q = q->next) {
        if (q->is_answered && !q->is_seen)
            return fail(r, "no answer that no step looked at", "%s: %s",
                        q->name, shown(r, q));
    }
    return true;
}
