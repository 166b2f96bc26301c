/* Root tags of streams.  Those of one kind of server are the same, and each
 * stream keeps one for as long as it lives: so they are shared. */
#include "xml_read_parser.h"

#include <stdlib.h>

/* How many are compared with a new one.  Servers that each have their own
 * must not make the search long. */
#define SEARCHED_MAX 16

struct xml_scope {
    struct xml_scope *next;
    struct xml_scope **self;
    unsigned n_streams;
    size_t len;
    char text[];
};

static void link_first(struct xml_pool *pool, struct xml_scope *scope)
{
    scope->next = pool->scopes;
    scope->self = &pool->scopes;
    if (scope->next != NULL)
        scope->next->self = &scope->next;
    pool->scopes = scope;
}

static void unlink(struct xml_scope *scope)
{
    *scope->self = scope->next;
    if (scope->next != NULL)
        scope->next->self = scope->self;
}

const struct xml_scope *xml_scope_take(struct xml_pool *pool, struct slice text)
{
    struct xml_scope *scope = pool->scopes;
    unsigned n = 0;

    for (; scope != NULL && n < SEARCHED_MAX; scope = scope->next, n++) {
        if (!slice_equal((struct slice){scope->text, scope->len}, text))
            continue;
        scope->n_streams++;
        unlink(scope);
        link_first(pool, scope);
        return scope;
    }
    scope = malloc(sizeof(*scope) + text.len);
    if (scope == NULL)
        return NULL;
    scope->n_streams = 1;
    scope->len = text.len;
    memcpy(scope->text, text.at, text.len);
    link_first(pool, scope);
    return scope;
}

void xml_scope_put(const struct xml_scope *taken)
{
    struct xml_scope *scope = (struct xml_scope *)(uintptr_t)taken;

    if (scope == NULL || --scope->n_streams > 0)
        return;
    unlink(scope);
    free(scope);
}

struct slice xml_scope_text(const struct xml_scope *scope)
{
    if (scope == NULL)
        return SLICE("");
    return (struct slice){scope->text, scope->len};
}
