#include "xmpp/xml_write.h"

#include "xml_write_escape.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Above this many declarations in scope an element is refused: every name is
 * looked up among them. */
#define SCOPE_MAX 512

#define DEPTH_MAX (XML_SERVER_DEPTH_MAX + 2)

/* A prefix bound to a namespace; the text is in the writer's memory. */
struct binding {
    size_t at; /* prefix, then URI */
    size_t prefix_len;
    size_t uri_len;
};

/* An open element: what to forget when it ends, and how it was called. */
struct frame {
    size_t n_bindings;
    size_t text_len;
    size_t name_len; /* of its name as written, at text_len */
};

/* What a prefix means on the tag being written. */
struct claim {
    struct slice prefix;
    struct slice uri;
    bool is_new; /* not in scope: to be declared */
};

struct xml_writer {
    struct buf *to; /* borrowed: until the next begin */
    enum err err;   /* sticky: what failed since begin */
    bool is_open;   /* the last tag lacks its `>` or `/>` */
    size_t depth;
    struct frame frames[DEPTH_MAX];
    struct binding bindings[SCOPE_MAX];
    size_t n_bindings;
    char *text; /* owned: prefixes, URIs, names */
    size_t text_len;
    size_t text_cap;
    struct claim *claims; /* owned */
    size_t n_claims;
    size_t claims_cap;
    char renamed[2 * XML_ATTRS_MAX][8]; /* prefixes of our own */
    size_t n_renamed;
};

/* --- The writer ----------------------------------------------------------- */

enum err xml_writer_new(struct xml_writer **out)
{
    struct xml_writer *w = calloc(1, sizeof(*w));

    if (w == NULL)
        return ERR_NOMEM;
    *out = w;
    return ERR_OK;
}

void xml_writer_free(struct xml_writer *w)
{
    if (w == NULL)
        return;
    free(w->text);
    free(w->claims);
    free(w);
}

/* Doubles the writer's text until it has room for len more bytes. */
static enum err reserve_text(struct xml_writer *w, size_t len)
{
    size_t cap = w->text_cap == 0 ? 512 : w->text_cap;
    char *text;

    if (len <= w->text_cap - w->text_len)
        return ERR_OK;
    while (len > cap - w->text_len)
        cap *= 2;
    text = realloc(w->text, cap);
    if (text == NULL)
        return ERR_NOMEM;
    w->text = text;
    w->text_cap = cap;
    return ERR_OK;
}

/* Room was reserved before. */
static void keep_text(struct xml_writer *w, struct slice s)
{
    if (s.len > 0)
        memcpy(w->text + w->text_len, s.at, s.len);
    w->text_len += s.len;
}

static enum err bind_prefix(struct xml_writer *w, struct slice prefix,
                            struct slice uri)
{
    struct binding *b = &w->bindings[w->n_bindings];
    enum err err;

    if (w->n_bindings == SCOPE_MAX)
        return ERR_LIMIT;
    err = reserve_text(w, prefix.len + uri.len);
    if (err != ERR_OK)
        return err;
    *b = (struct binding){w->text_len, prefix.len, uri.len};
    keep_text(w, prefix);
    keep_text(w, uri);
    w->n_bindings++;
    return ERR_OK;
}

/* What prefix means in the scope around the tag; "" for nothing. */
static struct slice xml_write_look_up(const struct xml_writer *w,
                                      struct slice prefix)
{
    for (size_t i = w->n_bindings; i-- > 0;) {
        const struct binding *b = &w->bindings[i];

        if (b->prefix_len == prefix.len &&
            (prefix.len == 0 ||
             memcmp(w->text + b->at, prefix.at, prefix.len) == 0))
            return (struct slice){w->text + b->at + prefix.len, b->uri_len};
    }
    return SLICE("");
}

void xml_writer_begin(struct xml_writer *w, struct buf *to,
                      const char *default_ns)
{
    w->to = to;
    w->err = ERR_OK;
    w->is_open = false;
    w->depth = 0;
    w->n_bindings = 0;
    w->text_len = 0;
    if (*default_ns != '\0')
        w->err = bind_prefix(w, SLICE(""), slice_of(default_ns));
}

/* --- Tags ----------------------------------------------------------------- */

static const struct claim *find_claim(const struct xml_writer *w,
                                      struct slice prefix)
{
    for (size_t i = 0; i < w->n_claims; i++) {
        if (slice_equal(w->claims[i].prefix, prefix))
            return &w->claims[i];
    }
    return NULL;
}

/*
 * Makes prefix mean uri on this tag, and declares it when the scope around
 * does not say so.  ERR_INVALID: it means something else here already.
 */
static enum err claim(struct xml_writer *w, struct slice prefix,
                      struct slice uri)
{
    const struct claim *c = find_claim(w, prefix);

    if (c != NULL)
        return slice_equal(c->uri, uri) ? ERR_OK : ERR_INVALID;
    if (w->n_claims == w->claims_cap) {
        size_t cap = w->claims_cap == 0 ? 16 : 2 * w->claims_cap;
        struct claim *more = realloc(w->claims, cap * sizeof(*more));

        if (more == NULL)
            return ERR_NOMEM;
        w->claims = more;
        w->claims_cap = cap;
    }
    w->claims[w->n_claims++] = (struct claim){
        prefix, uri, !slice_equal(xml_write_look_up(w, prefix), uri)};
    return ERR_OK;
}

static bool is_xml(struct slice ns)
{
    return slice_is(ns, NS_XML);
}

/* The prefix that an element is written with (Q01-Q27 0.2, point 3). */
static struct slice element_prefix(const struct xml_name *name)
{
    static const char xmpp[] = "urn:ietf:params:xml:ns:xmpp-";
    size_t len = sizeof(xmpp) - 1;

    if (slice_is(name->ns, NS_STREAMS))
        return SLICE("stream");
    if (slice_is(name->ns, NS_CLIENT) || name->ns.len == 0)
        return SLICE("");
    if (name->ns.len > len && memcmp(name->ns.at, xmpp, len) == 0)
        return SLICE("");
    return name->prefix;
}

/* A prefix that nothing on this tag uses. */
static struct slice new_prefix(struct xml_writer *w)
{
    for (unsigned n = 1;; n++) {
        char *text = w->renamed[w->n_renamed];
        int len = snprintf(text, sizeof(w->renamed[0]), "ns%u", n);
        struct slice prefix = {text, (size_t)len};

        if (find_claim(w, prefix) == NULL)
            return prefix;
    }
}

/* The prefix that an attribute is written with, claimed. */
static enum err attr_prefix(struct xml_writer *w, const struct xml_name *name,
                            struct slice *prefix)
{
    enum err err;

    *prefix = SLICE("");
    if (name->ns.len == 0)
        return ERR_OK;
    if (is_xml(name->ns)) {
        *prefix = SLICE("xml");
        return ERR_OK;
    }

    *prefix = name->prefix;
    err = prefix->len == 0 ? ERR_INVALID : claim(w, *prefix, name->ns);
    if (err != ERR_INVALID)
        return err;
    for (size_t i = 0; i < w->n_claims; i++) {
        *prefix = w->claims[i].prefix;
        if (prefix->len > 0 && slice_equal(w->claims[i].uri, name->ns))
            return ERR_OK;
    }
    if (w->n_renamed == COUNT_OF(w->renamed))
        return ERR_LIMIT;
    *prefix = new_prefix(w);
    w->n_renamed++;
    return claim(w, *prefix, name->ns);
}

/* The element's name first, then the tag's own declarations: those that say
 * otherwise of a prefix that the element needs are dropped, and what relied
 * on them declares it again. */
static enum err claim_all(struct xml_writer *w, const struct xml_tag *tag,
                          struct slice prefix)
{
    enum err err = ERR_OK;

    w->n_claims = 0;
    w->n_renamed = 0;
    if (!is_xml(tag->name.ns))
        err = claim(w, prefix, tag->name.ns);
    for (size_t i = 0; i < tag->n_decls && err == ERR_OK; i++) {
        if (slice_is(tag->decls[i].prefix, "xml"))
            continue;
        err = claim(w, tag->decls[i].prefix, tag->decls[i].uri);
        if (err == ERR_INVALID)
            err = ERR_OK;
    }
    return err;
}

static enum err claim_attrs(struct xml_writer *w, const struct xml_attr *attrs,
                            size_t n)
{
    struct slice prefix;
    enum err err = ERR_OK;

    for (size_t i = 0; i < n && err == ERR_OK; i++)
        err = attr_prefix(w, &attrs[i].name, &prefix);
    return err;
}

/* The claims were made before, and the same question has the same answer. */
static enum err xml_write_write_attrs(struct xml_writer *w,
                                      const struct xml_attr *attrs, size_t n)
{
    struct slice prefix;
    enum err err = ERR_OK;

    for (size_t i = 0; i < n && err == ERR_OK; i++) {
        err = attr_prefix(w, &attrs[i].name, &prefix);
        if (err == ERR_OK)
            err = xml_append_attr(w->to, prefix, attrs[i].name.local,
                                  attrs[i].value);
    }
    return err;
}

/* Writes the new declarations and brings them into scope. */
static enum err write_claims(struct xml_writer *w)
{
    enum err err = ERR_OK;

    for (size_t i = 0; i < w->n_claims && err == ERR_OK; i++) {
        const struct claim *c = &w->claims[i];

        if (!c->is_new)
            continue;
        if (c->prefix.len == 0)
            err = xml_append_attr(w->to, SLICE(""), SLICE("xmlns"), c->uri);
        else
            err = xml_append_attr(w->to, SLICE("xmlns"), c->prefix, c->uri);
        if (err == ERR_OK)
            err = bind_prefix(w, c->prefix, c->uri);
    }
    return err;
}

static enum err close_tag(struct xml_writer *w)
{
    if (!w->is_open)
        return ERR_OK;
    w->is_open = false;
    return buf_append(w->to, ">", 1);
}

/* Opens the frame and writes `<name`, which the end tag will need. */
static enum err open_frame(struct xml_writer *w, struct slice prefix,
                           struct slice local)
{
    struct frame *f = &w->frames[w->depth];
    enum err err;

    if (w->depth == DEPTH_MAX)
        return ERR_LIMIT;
    err = reserve_text(w, prefix.len + 1 + local.len);
    if (err != ERR_OK)
        return err;

    f->n_bindings = w->n_bindings;
    f->text_len = w->text_len;
    if (prefix.len > 0) {
        keep_text(w, prefix);
        keep_text(w, SLICE(":"));
    }
    keep_text(w, local);
    f->name_len = w->text_len - f->text_len;
    w->depth++;

    err = buf_append(w->to, "<", 1);
    if (err == ERR_OK)
        err = buf_append(w->to, w->text + f->text_len, f->name_len);
    return err;
}

static enum err xml_write_start(struct xml_writer *w, const struct xml_tag *tag,
                                const struct xml_attr *extra, size_t n_extra)
{
    struct slice prefix = element_prefix(&tag->name);
    enum err err = close_tag(w);

    if (err == ERR_OK)
        err = claim_all(w, tag, prefix);
    if (err == ERR_OK)
        err = claim_attrs(w, tag->attrs, tag->n_attrs);
    if (err == ERR_OK)
        err = claim_attrs(w, extra, n_extra);
    if (err == ERR_OK)
        err = open_frame(w, prefix, tag->name.local);
    if (err == ERR_OK)
        err = write_claims(w);
    if (err == ERR_OK)
        err = xml_write_write_attrs(w, tag->attrs, tag->n_attrs);
    if (err == ERR_OK)
        err = xml_write_write_attrs(w, extra, n_extra);
    if (err == ERR_OK)
        w->is_open = true;
    return err;
}

enum err xml_writer_start(struct xml_writer *w, const struct xml_tag *tag,
                          const struct xml_attr *extra, size_t n_extra)
{
    if (w->err == ERR_OK)
        w->err = xml_write_start(w, tag, extra, n_extra);
    return w->err;
}

static enum err xml_write_end(struct xml_writer *w)
{
    const struct frame *f = &w->frames[--w->depth];
    enum err err;

    if (w->is_open) {
        err = buf_append(w->to, "/>", 2);
    } else {
        err = buf_append(w->to, "</", 2);
        if (err == ERR_OK)
            err = buf_append(w->to, w->text + f->text_len, f->name_len);
        if (err == ERR_OK)
            err = buf_append(w->to, ">", 1);
    }
    w->is_open = false;
    w->n_bindings = f->n_bindings;
    w->text_len = f->text_len;
    return err;
}

enum err xml_writer_end(struct xml_writer *w)
{
    if (w->err != ERR_OK)
        return w->err;
    assert(w->depth > 0);
    w->err = xml_write_end(w);
    return w->err;
}

enum err xml_writer_text(struct xml_writer *w, struct slice text)
{
    if (w->err == ERR_OK && text.len > 0)
        w->err = close_tag(w);
    if (w->err == ERR_OK)
        w->err = xml_escape_text(w->to, text);
    return w->err;
}

struct xml_writer_mark xml_writer_mark(const struct xml_writer *w)
{
    return (struct xml_writer_mark){w->to->len, w->is_open};
}

void xml_writer_undo(struct xml_writer *w, const struct xml_writer_mark *mark)
{
    assert(mark->len <= w->to->len);
    buf_truncate(w->to, mark->len);
    w->is_open = mark->is_open;
}
