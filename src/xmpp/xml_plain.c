#include "xml_plain.h"

#include "base/plain.h"
#include "xmpp/xml_write.h"

#include <assert.h>
#include <stdlib.h>

/* Of one element; what has more is read by expat. */
#define EVENTS_MAX  256
#define ATTRS_MAX   256
#define DECLS_MAX   64
#define DEPTH_MAX   24
#define DECODED_MAX 1024 /* bytes of attribute values with references */

/* Of one tag: all are compared with each other. */
#define TAG_ATTRS_MAX 16

enum class {
    NAME_START = 1,
    NAME = 2,
    TEXT = 4,  /* stands for itself in text, */
    VALUE = 8, /* in the value of an attribute */
};

struct frame {
    struct slice raw; /* the name as it was written */
    const struct xml_name *name;
    size_t n_bound;
};

struct xml_plain {
    bool is_busy;
    const char *at; /* what is read next */
    const char *end;
    const struct xml_limits *limits;
    const struct xml_decl *outer;
    size_t n_outer;
    size_t n_events;
    size_t n_attrs;
    size_t n_decls; /* of all tags that were read */
    size_t n_bound; /* of decls: those in scope are listed in bound */
    size_t depth;
    size_t n_elements;
    size_t decoded_len;
    unsigned char bound[DECLS_MAX];
    struct frame frames[DEPTH_MAX];
    struct xml_plain_event events[EVENTS_MAX];
    struct xml_attr attrs[ATTRS_MAX];
    struct xml_decl decls[DECLS_MAX];
    char decoded[DECODED_MAX];
};

#define ANY  (TEXT | VALUE)
#define WORD (NAME | ANY)

/* U+FFFE and U+FFFF, which no document may hold, begin with EF; `>` may end
 * what may not stand in text. */
/* clang-format off */
static const unsigned char class_of[256] = {
    ['\t'] = TEXT, ['\n'] = TEXT, [' ' ... '!'] = ANY, ['"'] = TEXT,
    ['#' ... '%'] = ANY, ['\''] = TEXT, ['(' ... ','] = ANY, ['-'] = WORD,
    ['.'] = WORD, ['/'] = ANY, ['0' ... '9'] = WORD, [':' ... ';'] = ANY,
    ['='] = ANY, ['>'] = VALUE, ['?' ... '@'] = ANY,
    ['A' ... 'Z'] = NAME_START | WORD, ['[' ... '^'] = ANY,
    ['_'] = NAME_START | WORD, ['`'] = ANY, ['a' ... 'z'] = NAME_START | WORD,
    ['{' ... 0xee] = ANY, [0xf0 ... 0xff] = ANY,
};
/* clang-format on */

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

/* --- Characters ----------------------------------------------------------- */

/* The next byte; NUL at the end, which nothing plain contains. */
static char peek(const struct xml_plain *p)
{
    return p->at < p->end ? *p->at : '\0';
}

static bool take(struct xml_plain *p, char c)
{
    if (peek(p) != c)
        return false;
    p->at++;
    return true;
}

static bool take_literal(struct xml_plain *p, struct slice text)
{
    if ((size_t)(p->end - p->at) < text.len ||
        memcmp(p->at, text.at, text.len) != 0)
        return false;
    p->at += text.len;
    return true;
}

/* Passes over bytes of a class; in names there are no blocks to pass. */
static void pass(struct xml_plain *p, enum class class)
{
    const char *at = p->at;

    for (;;) {
        if (class != NAME)
            at += plain_run(at, (size_t)(p->end - at));
        if (at == p->end || (class_of[(unsigned char)*at] & class) == 0)
            break;
        at++;
    }
    p->at = at;
}

/* A character that begins with EF, unless none may begin so here. */
static bool pass_wide(struct xml_plain *p)
{
    if (p->end - p->at < 3 ||
        ((unsigned char)p->at[1] == 0xBF && (unsigned char)p->at[2] >= 0xBE))
        return false;
    p->at++;
    return true;
}

/* One of the five entities, as the character it stands for; NULL: another. */
static const char *take_entity(struct xml_plain *p)
{
    static const struct {
        struct slice reference;
        const char *means;
    } entities[] = {
        {SLICE("&amp;"), "&"},   {SLICE("&lt;"), "<"},   {SLICE("&gt;"), ">"},
        {SLICE("&quot;"), "\""}, {SLICE("&apos;"), "'"},
    };

    for (size_t i = 0; i < COUNT_OF(entities); i++) {
        if (take_literal(p, entities[i].reference))
            return entities[i].means;
    }
    return NULL;
}

static struct slice since(const struct xml_plain *p, const char *begin)
{
    return (struct slice){begin, (size_t)(p->at - begin)};
}

static bool take_part(struct xml_plain *p, struct slice *part)
{
    const char *begin = p->at;

    if ((class_of[(unsigned char)peek(p)] & NAME_START) == 0)
        return false;
    pass(p, NAME);
    *part = since(p, begin);
    return true;
}

/* prefix:local, or local. */
static bool take_name(struct xml_plain *p, struct xml_name *name)
{
    const char *begin = p->at;

    name->ns = SLICE("");
    name->prefix = SLICE("");
    if (!take_part(p, &name->local))
        return false;
    if (take(p, ':')) {
        name->prefix = name->local;
        if (!take_part(p, &name->local))
            return false;
    }
    return since(p, begin).len <= p->limits->name_max_bytes;
}

/* --- Values --------------------------------------------------------------- */

static bool decode(struct xml_plain *p, struct slice text)
{
    if (text.len > DECODED_MAX - p->decoded_len)
        return false;
    memcpy(p->decoded + p->decoded_len, text.at, text.len);
    p->decoded_len += text.len;
    return true;
}

/* The rest of a value with a reference in it, which begins at p->at. */
static bool decode_value(struct xml_plain *p, const char *begin, char quote,
                         struct slice *value)
{
    char *decoded = p->decoded + p->decoded_len;

    for (;;) {
        const char *means = NULL;

        if (!decode(p, since(p, begin)))
            return false;
        if (peek(p) == quote)
            break;
        if (peek(p) == '&') {
            means = take_entity(p);
            if (means == NULL || !decode(p, (struct slice){means, 1}))
                return false;
        }
        begin = p->at;
        if (peek(p) == (quote == '"' ? '\'' : '"'))
            p->at++;
        pass(p, VALUE);
        if (since(p, begin).len == 0 && means == NULL)
            return false;
    }
    value->at = decoded;
    value->len = (size_t)(p->decoded + p->decoded_len - decoded);
    return true;
}

/* ="…" or ='…' */
static bool take_value(struct xml_plain *p, struct slice *value)
{
    const char *begin;
    char quote;

    if (!take(p, '='))
        return false;
    quote = peek(p);
    if (quote != '"' && quote != '\'')
        return false;
    begin = ++p->at;
    pass(p, VALUE);
    if (peek(p) == quote)
        *value = since(p, begin);
    else if (!decode_value(p, begin, quote, value))
        return false;
    p->at++;
    return true;
}

/* --- Names ---------------------------------------------------------------- */

/* What prefix means here; NULL: nothing. */
static const struct slice *look_up(const struct xml_plain *p,
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
    const struct slice *uri = look_up(p, name->prefix);

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
    uri = look_up(p, name->prefix);
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
    size_t decoded_len = p->decoded_len;
    bool is_decl;

    if (p->n_attrs == ATTRS_MAX || !take_name(p, &a->name) ||
        !take_value(p, &a->value))
        return false;
    is_decl = a->name.prefix.len == 0 && slice_is(a->name.local, "xmlns");
    if (is_decl || slice_is(a->name.prefix, "xmlns")) {
        /* Namespaces outlive the room for decoded values. */
        return decoded_len == p->decoded_len &&
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
        const char *begin = p->at;

        p->at += xml_space_len(p->at, (size_t)(p->end - p->at));
        if (peek(p) == '>' || peek(p) == '/')
            break;
        if (p->at == begin || tag->n_attrs + tag->n_decls == n_max ||
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

static struct xml_plain_event *add(struct xml_plain *p,
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
    struct xml_plain_event *e = add(p, XML_PLAIN_END);

    if (e == NULL)
        return false;
    e->name = f->name;
    p->n_bound = f->n_bound;
    return true;
}

/* Behind the `<`. */
static bool take_start_tag(struct xml_plain *p)
{
    struct xml_plain_event *e = add(p, XML_PLAIN_START);
    struct frame *f = &p->frames[p->depth];
    const char *begin = p->at;

    /* The root around the element counts as well. */
    if (e == NULL || p->depth == DEPTH_MAX ||
        p->depth + 2 > p->limits->depth_max ||
        ++p->n_elements > p->limits->elements_max)
        return false;
    p->depth++;
    f->n_bound = p->n_bound;
    if (!take_name(p, &e->tag.name))
        return false;
    f->raw = since(p, begin);
    f->name = &e->tag.name;
    if (!take_attrs(p, &e->tag) || !resolve_element(p, &e->tag.name))
        return false;
    if (take(p, '/'))
        return take(p, '>') && end_element(p);
    return take(p, '>');
}

/* Behind the `</`. */
static bool take_end_tag(struct xml_plain *p)
{
    return take_literal(p, p->frames[p->depth - 1].raw) && take(p, '>') &&
           end_element(p);
}

static bool add_text(struct xml_plain *p, struct slice text)
{
    struct xml_plain_event *e;

    if (text.len == 0)
        return true;
    e = add(p, XML_PLAIN_TEXT);
    if (e == NULL)
        return false;
    e->text = text;
    return true;
}

/* Text up to the next `<`. */
static bool take_text(struct xml_plain *p)
{
    const char *begin = p->at;

    for (;;) {
        const char *means;

        pass(p, TEXT);
        switch (peek(p)) {
        case '<':
            return add_text(p, since(p, begin));
        case '>':
            if (p->at - begin >= 2 && p->at[-1] == ']' && p->at[-2] == ']')
                return false;
            p->at++;
            break;
        case '\xEF':
            if (!pass_wide(p))
                return false;
            break;
        case '&':
            if (!add_text(p, since(p, begin)))
                return false;
            means = take_entity(p);
            if (means == NULL || !add_text(p, (struct slice){means, 1}))
                return false;
            begin = p->at;
            break;
        default: /* the end, or what is not plain */
            return false;
        }
    }
}

static bool take_element(struct xml_plain *p)
{
    if (!take(p, '<') || !take_start_tag(p))
        return false;
    while (p->depth > 0) {
        if (!take_text(p))
            return false;
        p->at++;
        if (!(take(p, '/') ? take_end_tag(p) : take_start_tag(p)))
            return false;
    }
    return true;
}

static void begin(struct xml_plain *p, struct slice bytes,
                  const struct xml_limits *limits)
{
    p->at = bytes.at;
    p->end = bytes.at + bytes.len;
    p->limits = limits;
    p->n_outer = 0;
    p->n_events = p->n_attrs = p->n_decls = p->n_bound = 0;
    p->depth = p->n_elements = p->decoded_len = 0;
}

/* What was taken since, unless it is too long. */
static size_t finish(struct xml_plain *p, struct slice bytes)
{
    size_t len = since(p, bytes.at).len;

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
    begin(p, bytes, limits);
    p->outer = outer;
    p->n_outer = n_outer;
    return take_element(p) ? finish(p, bytes) : 0;
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
        if (take_literal(p, declarations[i]))
            break;
    }
    p->at += xml_space_len(p->at, (size_t)(p->end - p->at));
}

size_t xml_plain_read_root(struct xml_plain *p, struct slice bytes,
                           const struct xml_limits *limits)
{
    if (p->is_busy)
        return 0;
    begin(p, bytes, limits);
    take_declaration(p);
    if (!take(p, '<') || !take_start_tag(p) || p->depth == 0)
        return 0;
    return finish(p, bytes);
}
