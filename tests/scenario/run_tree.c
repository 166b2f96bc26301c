#include "run.h"

#include "xmpp/xml_read.h"
#include "xmpp/xml_write.h"

#include <stdlib.h>

struct reading {
    struct run *run;
    struct tree *root;
    struct tree *at; /* the element that is open */
};

static struct tree_attr attr_of(struct run *r, const struct xml_attr *a)
{
    return (struct tree_attr){
        .ns = arena_text(&r->arena, a->name.ns),
        .local = arena_text(&r->arena, a->name.local),
        .value = arena_text(&r->arena, a->value),
    };
}

static enum err on_start(void *arg, const struct xml_tag *tag)
{
    struct reading *reading = arg;
    struct run *r = reading->run;
    struct tree *t = arena_get(&r->arena, sizeof(*t));
    struct tree *parent = reading->at;

    t->ns = arena_text(&r->arena, tag->name.ns);
    t->local = arena_text(&r->arena, tag->name.local);
    t->text = "";
    t->n_attrs = tag->n_attrs;
    t->attrs = arena_get(&r->arena, (t->n_attrs + 1) * sizeof(*t->attrs));
    for (size_t i = 0; i < tag->n_attrs; i++)
        t->attrs[i] = attr_of(r, &tag->attrs[i]);
    t->parent = parent;
    if (parent == NULL)
        reading->root = t;
    else if (parent->last == NULL)
        parent->child = parent->last = t;
    else
        parent->last = parent->last->next = t;
    reading->at = t;
    return ERR_OK;
}

static enum err on_end(void *arg, const struct xml_name *name)
{
    struct reading *reading = arg;

    reading->at = reading->at->parent;
    return ERR_OK;
}

static enum err on_text(void *arg, struct slice text)
{
    struct reading *reading = arg;
    struct tree *t = reading->at;

    t->text = arena_printf(&reading->run->arena, "%s%.*s", t->text,
                           (int)text.len, text.at);
    return ERR_OK;
}

struct tree *tree_read(struct run *r, struct slice xml)
{
    static const struct xml_handler handler = {
        .start = on_start, .end = on_end, .text = on_text};
    const struct xml_limits limits = {
        .bytes_max = xml.len,
        .depth_max = XML_DEPTH_MAX + 4,
        .attrs_max = XML_ATTRS_MAX + 8,
        .elements_max = XML_ELEMENTS_MAX,
        .name_max_bytes = XML_NAME_MAX_BYTES,
    };
    struct reading reading = {.run = r};

    if (xml_parse(r->pool, xml, &limits, &handler, &reading) != XML_OK)
        return NULL;
    return reading.root;
}

struct tree *tree_read_literals(struct run *r, const char *xml)
{
    const char *scope = "<all xmlns='" NS_CLIENT "' xmlns:stream='" NS_STREAMS
                        "' xmlns:xmpp='" NS_XBOSH "'>";

    return tree_read(
        r, slice_of(arena_printf(&r->arena, "%s%s</all>", scope, xml)));
}

static const struct tree_attr *find_attr(const struct tree *t, const char *ns,
                                         const char *local)
{
    for (size_t i = 0; i < t->n_attrs; i++) {
        if (strcmp(t->attrs[i].ns, ns) == 0 &&
            strcmp(t->attrs[i].local, local) == 0)
            return &t->attrs[i];
    }
    return NULL;
}

const char *tree_attr(const struct tree *t, const char *name)
{
    const struct tree_attr *a;

    if (strncmp(name, "xml:", 4) == 0)
        a = find_attr(t, NS_XML, name + 4);
    else if (strncmp(name, "xmpp:", 5) == 0)
        a = find_attr(t, NS_XBOSH, name + 5);
    else
        a = find_attr(t, "", name);
    return a == NULL ? NULL : a->value;
}

bool tree_is(const struct tree *t, const char *ns, const char *local)
{
    return strcmp(t->ns, ns) == 0 && strcmp(t->local, local) == 0;
}

/* One to the other, without looking deeper. */
static bool tag_matches(const struct tree *expected, const struct tree *seen,
                        bool exactly)
{
    const struct tree_attr *a;

    if (!tree_is(seen, expected->ns, expected->local))
        return false;
    if (exactly && expected->n_attrs != seen->n_attrs)
        return false;
    for (size_t i = 0; i < expected->n_attrs; i++) {
        a = find_attr(seen, expected->attrs[i].ns, expected->attrs[i].local);
        if (a == NULL || strcmp(a->value, expected->attrs[i].value) != 0)
            return false;
    }
    if (!exactly && expected->text[strspn(expected->text, " \t\n")] == '\0')
        return true; /* nothing, or the script's own line ends */
    return strcmp(expected->text, seen->text) == 0;
}

bool tree_matches(const struct tree *expected, const struct tree *seen,
                  bool exactly)
{
    const struct tree *e = expected->child;
    const struct tree *s = seen->child;

    if (!tag_matches(expected, seen, exactly))
        return false;
    if (e == NULL && !exactly)
        return true;
    for (; e != NULL && s != NULL; e = e->next, s = s->next) {
        if (!tree_matches(e, s, exactly)) /* depth: XML_DEPTH_MAX */
            return false;
    }
    return e == NULL && s == NULL;
}
