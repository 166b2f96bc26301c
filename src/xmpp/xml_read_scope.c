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
    struct slice text;
    size_t n_decls;
    struct xml_decl decls[]; /* all strings stand behind them */
};

static void link_first(struct xml_pool *pool, struct xml_scope *scope)
{
    scope->next = pool->scopes;
    scope->self = &pool->scopes;
    if (scope->next != NULL)
        scope->next->self = &scope->next;
    pool->scopes = scope;
}

static void xml_read_scope_unlink(struct xml_scope *scope)
{
    *scope->self = scope->next;
    if (scope->next != NULL)
        scope->next->self = scope->self;
}

static size_t count_bytes(struct slice text, const struct xml_tag *tag)
{
    size_t bytes = text.len;

    for (size_t i = 0; i < tag->n_decls; i++)
        bytes += tag->decls[i].prefix.len + tag->decls[i].uri.len;
    return bytes;
}

static struct xml_scope *xml_read_scope_make(struct slice text,
                                             const struct xml_tag *tag)
{
    struct xml_scope *scope =
        malloc(sizeof(*scope) + tag->n_decls * sizeof(scope->decls[0]) +
               count_bytes(text, tag));
    char *to;

    if (scope == NULL)
        return NULL;
    scope->n_streams = 0;
    scope->n_decls = tag->n_decls;
    to = (char *)&scope->decls[tag->n_decls];
    scope->text = slice_pack(&to, text);
    for (size_t i = 0; i < tag->n_decls; i++) {
        scope->decls[i].prefix = slice_pack(&to, tag->decls[i].prefix);
        scope->decls[i].uri = slice_pack(&to, tag->decls[i].uri);
    }
    return scope;
}

const struct xml_scope *xml_scope_take(struct xml_pool *pool, struct slice text,
                                       const struct xml_tag *tag)
{
    struct xml_scope *scope = pool->scopes;
    unsigned n = 0;

    for (; scope != NULL && n < SEARCHED_MAX; scope = scope->next, n++) {
        if (slice_equal(scope->text, text)) {
            xml_read_scope_unlink(scope);
            break;
        }
    }
    if (scope == NULL || n == SEARCHED_MAX)
        scope = xml_read_scope_make(text, tag);
    if (scope == NULL)
        return NULL;
    scope->n_streams++;
    link_first(pool, scope);
    return scope;
}

void xml_scope_put(const struct xml_scope *taken)
{
    struct xml_scope *scope = (struct xml_scope *)(uintptr_t)taken;

    if (scope == NULL || --scope->n_streams > 0)
        return;
    xml_read_scope_unlink(scope);
    free(scope);
}

struct slice xml_scope_text(const struct xml_scope *scope)
{
    if (scope == NULL)
        return SLICE("");
    return scope->text;
}

const struct xml_decl *xml_scope_decls(const struct xml_scope *scope, size_t *n)
{
    *n = scope == NULL ? 0 : scope->n_decls;
    return scope == NULL ? NULL : scope->decls;
}
