#include "xml_plain.h"

#include "xml_plain_scan.h"
#include "xmpp/xml_write.h"

#include <assert.h>
#include <stdlib.h>

/* Of one element; what has more is read by expat. */
#define EVENTS_MAX 256
#define ATTRS_MAX  256
#define DECLS_MAX  64
#define DEPTH_MAX  24

/* Of one tag: all are compared with each other. */
#define TAG_ATTRS_MAX 16

struct frame {
    struct slice raw; /* the name as it was written */
    const struct xml_name *name;
    size_t n_bound;
};

struct xml_plain {
    bool is_busy;
    struct xml_scan scan;
    const struct xml_limits *limits;
    const struct xml_decl *outer;
    size_t n_outer;
    size_t n_events;
    size_t n_attrs;
    size_t n_decls; /* of all tags that were read */
    size_t n_bound; /* of decls: those in scope are listed in bound */
    size_t depth;
    size_t n_elements;
    unsigned char bound[DECLS_MAX];
    struct frame frames[DEPTH_MAX];
    struct xml_plain_event events[EVENTS_MAX];
    struct xml_attr attrs[ATTRS_MAX];
    struct xml_decl decls[DECLS_MAX];
};

struct xml_plain *xml_plain_new(void)
{
    return calloc(1, sizeof(struct xml_plain));
}

void xml_plain_free(struct xml_plain *p)
{
    assert(p == NULL || !p->is_busy);
    free(p);
}

const struct xml_plain_event *xml_plain_events(const struct xml_plain *p,
                                               size_t *n)
{
    *n = p->n_events;
    return p->events;
}

void xml_plain_done(struct xml_plain *p)
{
    p->is_busy = false;
}

/* --- Names ---------------------------------------------------------------- */

/* What prefix means here; NULL: nothing. */
static const struct slice *xml_plain_look_up(const struct xml_plain *p,
                                             struct slice prefix)
{
    for (size_t i = p->n_bound; i-- > 0;) {
        const struct xml_decl *d = &p->decls[p->bound[i]];

        if (slice_equal(d->prefix, prefix))
            return &d->uri;
    }
    for (size_t i = 0; i < p->n_outer; i++) {
        if (slice_equal(p->outer[i].prefix, prefix))
            return &p->outer[i].uri;
    }
    return NULL;
}

static bool resolve_element(const struct xml_plain *p, struct xml_name *name)
{
    const struct slice *uri = xml_plain_look_up(p, name->prefix);

    if (uri != NULL)
        name->ns = *uri;
    return uri != NULL || name->prefix.len == 0;
}

static bool resolve_attr(const struct xml_plain *p, struct xml_name *name)
{
    const struct slice *uri;

    if (name->prefix.len == 0)
        return true;
    if (slice_is(name->prefix, "xml")) {
        name->ns = SLICE(NS_XML);
        return true;
    }
    uri = xml_plain_look_up(p, name->prefix);
    if (uri == NULL)
        return false;
    name->ns = *uri;
    return true;
}

static bool is_attr_repeated(const struct xml_tag *tag, size_t i)
{
    const struct xml_name *name = &tag->attrs[i].name;

    for (size_t k = 0; k < i; k++) {
        if (slice_equal(tag->attrs[k].name.local, name->local) &&
            slice_equal(tag->attrs[k].name.ns, name->ns))
            return true;
    }
    return false;
}

static bool is_decl_repeated(const struct xml_tag *tag, struct slice prefix)
{
    for (size_t i = 0; i < tag->n_decls; i++) {
        if (slice_equal(tag->decls[i].prefix, prefix))
            return true;
    }
    return false;
}

/* Names in XML 1.0 with a place of their own (XML Namespaces, section 3). */
static bool is_reserved(struct slice prefix, struct slice uri)
{
    return (prefix.len >= 3 && memcmp(prefix.at, "xml", 3) == 0) ||
           slice_is(uri, NS_XML) ||
           slice_is(uri, "http://www.w3.org/2000/xmlns/");
}

/* --- Tags ----------------------------------------------------------------- */

static bool declare(struct xml_plain *p, struct xml_tag *tag,
                    struct slice prefix, struct slice uri)
{
    if (p->n_decls == DECLS_MAX || uri.len > p->limits->name_max_bytes ||
        (prefix.len > 0 && uri.len == 0) || is_reserved(prefix, uri) ||
        is_decl_repeated(tag, prefix))
        return false;
    p->bound[p->n_bound++] = (unsigned char)p->n_decls;
    p->decls[p->n_decls++] = (struct xml_decl){prefix, uri};
    tag->n_decls++;
    return true;
}

/* One attribute or declaration. */
static bool take_attr(struct xml_plain *p, struct xml_tag *tag)
{
    struct xml_attr *a = &p->attrs[p->n_attrs];
    size_t decoded_len = p->scan.decoded_len;
    bool is_decl;

    if (p->n_attrs == ATTRS_MAX || !xml_scan_name(&p->scan, &a->name) ||
        !xml_scan_value(&p->scan, &a->value))
        return false;
    is_decl = a->name.prefix.len == 0 && slice_is(a->name.local, "xmlns");
    if (is_decl || slice_is(a->name.prefix, "xmlns")) {
        /* Namespaces outlive the room for decoded values. */
        return decoded_len == p->scan.decoded_len &&
               declare(p, tag, is_decl ? SLICE("") : a->name.local, a->value);
    }
    p->n_attrs++;
    tag->n_attrs++;
    return true;
}

/* Up to the `>` or `/>`. */
static bool take_attrs(struct xml_plain *p, struct xml_tag *tag)
{
    size_t n_max = p->limits->attrs_max < TAG_ATTRS_MAX ? p->limits->attrs_max
                                                        : TAG_ATTRS_MAX;

    tag->attrs = &p->attrs[p->n_attrs];
    tag->n_attrs = 0;
    tag->decls = &p->decls[p->n_decls];
    tag->n_decls = 0;
    for (;;) {
        bool has_space = xml_scan_space(&p->scan);

        if (xml_scan_peek(&p->scan) == '>' || xml_scan_peek(&p->scan) == '/')
            break;
        if (!has_space || tag->n_attrs + tag->n_decls == n_max ||
            !take_attr(p, tag))
            return false;
    }
    for (size_t i = 0; i < tag->n_attrs; i++) {
        if (!resolve_attr(p, &p->attrs[p->n_attrs - tag->n_attrs + i].name) ||
            is_attr_repeated(tag, i))
            return false;
    }
    return true;
}

static struct xml_plain_event *xml_plain_add(struct xml_plain *p,
                                             enum xml_plain_kind kind)
{
    struct xml_plain_event *e = &p->events[p->n_events];

    if (p->n_events == EVENTS_MAX)
        return NULL;
    p->n_events++;
    e->kind = kind;
    return e;
}

static bool end_element(struct xml_plain *p)
{
    const struct frame *f = &p->frames[--p->depth];
    struct xml_plain_event *e = xml_plain_add(p, XML_PLAIN_END);

    if (e == NULL)
        return false;
    e->name = f->name;
    p->n_bound = f->n_bound;
    return true;
}

/* Behind the `<`. */
static bool take_start_tag(struct xml_plain *p)
{
    struct xml_plain_event *e = xml_plain_add(p, XML_PLAIN_START);
    struct frame *f = &p->frames[p->depth];
    const char *begin = p->scan.at;

    /* The root around the element counts as well. */
    if (e == NULL || p->depth == DEPTH_MAX ||
        p->depth + 2 > p->limits->depth_max ||
        ++p->n_elements > p->limits->elements_max)
        return false;
    p->depth++;
    f->n_bound = p->n_bound;
    if (!xml_scan_name(&p->scan, &e->tag.name))
        return false;
    f->raw = xml_scan_since(&p->scan, begin);
    f->name = &e->tag.name;
    if (!take_attrs(p, &e->tag) || !resolve_element(p, &e->tag.name))
        return false;
    if (xml_scan_take(&p->scan, '/'))
        return xml_scan_take(&p->scan, '>') && end_element(p);
    return xml_scan_take(&p->scan, '>');
}

/* Behind the `</`. */
static bool take_end_tag(struct xml_plain *p)
{
    return xml_scan_take_text(&p->scan, p->frames[p->depth - 1].raw) &&
           xml_scan_take(&p->scan, '>') && end_element(p);
}

static bool add_text(struct xml_plain *p, struct slice text)
{
    struct xml_plain_event *e;

    if (text.len == 0)
        return true;
    e = xml_plain_add(p, XML_PLAIN_TEXT);
    if (e == NULL)
        return false;
    e->text = text;
    return true;
}

/* Text up to the next `<`, in pieces. */
static bool xml_plain_take_text(struct xml_plain *p)
{
    struct slice text;

    for (;;) {
        if (!xml_scan_text(&p->scan, &text) || !add_text(p, text))
            return false;
        if (xml_scan_peek(&p->scan) == '<')
            return true;
        if (!xml_scan_entity(&p->scan, &text) || !add_text(p, text))
            return false;
    }
}

static bool xml_plain_take_element(struct xml_plain *p)
{
    if (!xml_scan_take(&p->scan, '<') || !take_start_tag(p))
        return false;
    while (p->depth > 0) {
        if (!xml_plain_take_text(p))
            return false;
        p->scan.at++;
        if (!(xml_scan_take(&p->scan, '/') ? take_end_tag(p)
                                           : take_start_tag(p)))
            return false;
    }
    return true;
}

static void xml_plain_begin(struct xml_plain *p, struct slice bytes,
                            const struct xml_limits *limits)
{
    p->scan.at = bytes.at;
    p->scan.end = bytes.at + bytes.len;
    p->scan.name_max_bytes = limits->name_max_bytes;
    p->scan.decoded_len = 0;
    p->limits = limits;
    p->n_outer = 0;
    p->n_events = p->n_attrs = p->n_decls = p->n_bound = 0;
    p->depth = p->n_elements = 0;
}

/* What was taken since, unless it is too long. */
static size_t xml_plain_finish(struct xml_plain *p, struct slice bytes)
{
    size_t len = xml_scan_since(&p->scan, bytes.at).len;

    if (len > p->limits->bytes_max)
        return 0;
    p->is_busy = true;
    return len;
}

size_t xml_plain_read(struct xml_plain *p, struct slice bytes,
                      const struct xml_decl *outer, size_t n_outer,
                      const struct xml_limits *limits)
{
    if (p->is_busy)
        return 0;
    xml_plain_begin(p, bytes, limits);
    p->outer = outer;
    p->n_outer = n_outer;
    return xml_plain_take_element(p) ? xml_plain_finish(p, bytes) : 0;
}

/* Those that servers write; expat reads the others. */
static void take_declaration(struct xml_plain *p)
{
    static const struct slice declarations[] = {
        SLICE("<?xml version='1.0'?>"),
        SLICE("<?xml version=\"1.0\"?>"),
        SLICE("<?xml version='1.0' encoding='UTF-8'?>"),
        SLICE("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"),
    };

    for (size_t i = 0; i < COUNT_OF(declarations); i++) {
        if (xml_scan_take_text(&p->scan, declarations[i]))
            break;
    }
    (void)xml_scan_space(&p->scan);
}

size_t xml_plain_read_root(struct xml_plain *p, struct slice bytes,
                           const struct xml_limits *limits)
{
    if (p->is_busy)
        return 0;
    xml_plain_begin(p, bytes, limits);
    take_declaration(p);
    if (!xml_scan_take(&p->scan, '<') || !take_start_tag(p) || p->depth == 0)
        return 0;
    return xml_plain_finish(p, bytes);
}
