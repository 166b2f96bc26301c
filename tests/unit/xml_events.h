/*
 * xml_events.h - the events of a document as text, to compare documents by
 * what they say: `[ns|local ns|attr=value](text)[/ns|local]`.  Prefixes and
 * declarations are left out, attributes are sorted, pieces of text are joined.
 * Exact events have all that a handler is told but how text is cut.
 */
#ifndef TESTS_XML_EVENTS_H
#define TESTS_XML_EVENTS_H

#include "base/buf.h"
#include "xmpp/xml_read.h"

#include <stdlib.h>

struct events {
    struct buf text;
    bool is_exact;
    bool has_failed;
};

static inline void events_raw(struct events *e, const char *text)
{
    if (buf_append_text(&e->text, text) != ERR_OK)
        e->has_failed = true;
}

/* The characters that give structure are marked in data. */
static inline void events_data(struct events *e, struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        if (strchr("[]|=\\", s.at[i]) != NULL)
            events_raw(e, "\\");
        if (buf_append(&e->text, s.at + i, 1) != ERR_OK)
            e->has_failed = true;
    }
}

static inline void events_name(struct events *e, const struct xml_name *name)
{
    if (name->ns.len > 0) {
        events_data(e, name->ns);
        events_raw(e, "|");
    }
    if (e->is_exact && name->prefix.len > 0) {
        events_data(e, name->prefix);
        events_raw(e, ":");
    }
    events_data(e, name->local);
}

static inline void events_decls(struct events *e, const struct xml_tag *tag)
{
    for (size_t i = 0; i < tag->n_decls; i++) {
        events_raw(e, " xmlns:");
        events_data(e, tag->decls[i].prefix);
        events_raw(e, "=");
        events_data(e, tag->decls[i].uri);
    }
}

static inline int events_compare_slices(struct slice a, struct slice b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len == 0 ? 0 : memcmp(a.at, b.at, len);

    if (order != 0)
        return order;
    return a.len < b.len ? -1 : a.len > b.len;
}

static inline int events_compare(const void *a, const void *b)
{
    const struct xml_attr *x = *(const struct xml_attr *const *)a;
    const struct xml_attr *y = *(const struct xml_attr *const *)b;
    int order = events_compare_slices(x->name.ns, y->name.ns);

    if (order != 0)
        return order;
    return events_compare_slices(x->name.local, y->name.local);
}

static inline enum err events_start(void *arg, const struct xml_tag *tag)
{
    const struct xml_attr **sorted =
        malloc((tag->n_attrs + 1) * sizeof(struct xml_attr *));
    struct events *e = arg;

    if (sorted == NULL)
        return ERR_NOMEM;
    for (size_t i = 0; i < tag->n_attrs; i++)
        sorted[i] = &tag->attrs[i];
    if (tag->n_attrs > 1 && !e->is_exact)
        qsort(sorted, tag->n_attrs, sizeof(struct xml_attr *), events_compare);

    events_raw(e, "[");
    events_name(e, &tag->name);
    if (e->is_exact)
        events_decls(e, tag);
    for (size_t i = 0; i < tag->n_attrs; i++) {
        events_raw(e, " ");
        events_name(e, &sorted[i]->name);
        events_raw(e, "=");
        events_data(e, sorted[i]->value);
    }
    events_raw(e, "]");
    free(sorted);
    return e->has_failed ? ERR_NOMEM : ERR_OK;
}

static inline enum err events_end(void *arg, const struct xml_name *name)
{
    struct events *e = arg;

    events_raw(e, "[/");
    events_name(e, name);
    events_raw(e, "]");
    return e->has_failed ? ERR_NOMEM : ERR_OK;
}

static inline enum err events_text(void *arg, struct slice text)
{
    struct events *e = arg;

    events_data(e, text);
    return e->has_failed ? ERR_NOMEM : ERR_OK;
}

static const struct xml_handler events_handler = {
    .start = events_start, .end = events_end, .text = events_text};

#endif /* TESTS_XML_EVENTS_H */
