/* The line of a connection's exchanges, in the order of the wire. */
#include "http_conn.h"

#include <assert.h>
#include <stdlib.h>

/* False: no memory. */
static bool note_origin(struct http_exchange *x, const struct http_head *head)
{
    struct slice below;

    x->origin =
        http_origin_find(&x->conn->server->params.origins, head, &below);
    if (x->origin == NULL || below.len == 0)
        return true;
    x->origin_below = strndup(below.at, below.len);
    x->origin = x->origin_below;
    return x->origin != NULL;
}

static void http_exchange_release(struct http_conn *c, struct http_exchange *x)
{
    buf_free(&x->answer);
    free(x->origin_below);
    if (x == &c->embedded)
        c->embedded_is_used = false;
    else
        free(x);
}

struct http_exchange *http_exchange_new(struct http_conn *c,
                                        const struct http_head *head)
{
    struct http_exchange *x;

    if (!c->embedded_is_used) {
        x = &c->embedded;
        memset(x, 0, sizeof(*x));
        c->embedded_is_used = true;
    } else {
        x = calloc(1, sizeof(*x));
    }
    if (x == NULL)
        return NULL;

    x->conn = c;
    buf_init(&x->answer, SIZE_MAX / 2); /* bounded by whoever answers */
    if (head != NULL) {
        if (!note_origin(x, head)) {
            http_exchange_release(c, x);
            return NULL;
        }
        x->is_head = head->method == HTTP_HEAD;
        x->is_old = head->minor == 0;
        x->keep_alive = head->keep_alive;
    }
    if (c->last == NULL)
        c->first = x;
    else
        c->last->next = x;
    c->last = x;
    c->n_exchanges++;
    return x;
}

static void http_exchange_drop(struct http_conn *c, struct http_exchange *x)
{
    c->n_exchanges--;
    http_exchange_release(c, x);
}

void http_exchange_pop(struct http_conn *c)
{
    struct http_exchange *x = c->first;

    c->first = x->next;
    if (c->first == NULL)
        c->last = NULL;
    http_exchange_drop(c, x);
}

void http_exchange_pop_last(struct http_conn *c)
{
    struct http_exchange *x = c->last;
    struct http_exchange *before = c->first;

    if (before == x) {
        http_exchange_pop(c);
        return;
    }
    while (before->next != x)
        before = before->next;
    before->next = NULL;
    c->last = before;
    http_exchange_drop(c, x);
}

void http_hold(struct http_exchange *x, const struct http_exchange_ops *ops,
               void *owner)
{
    struct http_dispatch *now = x->conn->now;

    assert(!x->is_answered);
    x->ops = ops;
    x->owner = owner;
    if (now != NULL && now->x == x)
        now->is_settled = true;
}

void *http_space(struct http_exchange *x)
{
    return x->space;
}
