#include "xml_read_parser.h"

#include <strings.h>

#include <expat.h>

/* Cannot occur in a document, neither literally nor as a reference. */
#define NS_SEPARATOR '\001'

#define XML_NAMESPACE "http://www.w3.org/XML/1998/namespace"

/* Doubles an array until it has room for `need` items. */
static void *xml_event_grow(struct xml_parser *p, void *at, size_t *cap,
                            size_t need, size_t item_bytes)
{
    size_t more = *cap == 0 ? 8 : *cap;

    while (more < need)
        more *= 2;
    at = xml_block_realloc(p, at, more * item_bytes);
    if (at != NULL)
        *cap = more;
    return at;
}

void xml_reader_stop(struct xml_reader *r, enum xml_verdict verdict)
{
    if (r->is_stopped)
        return;
    r->is_stopped = true;
    r->verdict = verdict;
    if (r->parser != NULL)
        (void)XML_StopParser(r->parser->expat, XML_FALSE);
}

static uint64_t behind_event(struct xml_parser *p)
{
    return (uint64_t)XML_GetCurrentByteIndex(p->expat) +
           (uint64_t)XML_GetCurrentByteCount(p->expat);
}

void xml_reader_exceed(struct xml_reader *r, enum xml_limit limit)
{
    if (r->is_stopped || r->is_over)
        return;
    r->limit = limit;
    if (!xml_reader_may_skip(r)) {
        xml_reader_stop(r, XML_TOO_BIG);
        return;
    }
    r->is_over = true;
    if (r->parser == NULL) /* the whole element is there */
        xml_reader_stop(r, XML_OK);
}

/* The reader, or NULL when the event is not for anybody: the tag that primes
 * a scope, or what expat still reports after it was stopped. */
static struct xml_reader *listening(void *arg)
{
    struct xml_reader *r = ((struct xml_parser *)arg)->reader;

    return r == NULL || r->is_stopped ? NULL : r;
}

static void on_restricted(void *arg)
{
    struct xml_reader *r = listening(arg);

    if (r != NULL)
        xml_reader_stop(r, XML_RESTRICTED);
}

static void on_doctype(void *arg, const char *name, const char *system_id,
                       const char *public_id, int has_internal_subset)
{
    on_restricted(arg);
}

static void on_entity_decl(void *arg, const char *name, int is_parameter,
                           const char *value, int value_len, const char *base,
                           const char *system_id, const char *public_id,
                           const char *notation)
{
    on_restricted(arg);
}

static int on_external_entity(XML_Parser expat, const char *context,
                              const char *base, const char *system_id,
                              const char *public_id)
{
    on_restricted(XML_GetUserData(expat));
    return XML_STATUS_ERROR;
}

static void on_skipped_entity(void *arg, const char *name, int is_parameter)
{
    on_restricted(arg);
}

static void on_instruction(void *arg, const char *target, const char *data)
{
    on_restricted(arg);
}

static void on_comment(void *arg, const char *text)
{
    on_restricted(arg);
}

/* H05: 1.0, and no encoding or UTF-8. */
static void on_xml_declaration(void *arg, const char *version,
                               const char *encoding, int standalone)
{
    struct xml_reader *r = listening(arg);

    if (r == NULL)
        return;
    if (version == NULL || strcmp(version, "1.0") != 0)
        xml_reader_stop(r, XML_NOT_WELL_FORMED);
    else if (encoding != NULL && strcasecmp(encoding, "UTF-8") != 0)
        xml_reader_stop(r, XML_BAD_ENCODING);
}

/* Copies: expat does not promise that its strings outlive this call. */
static bool keep_decl(struct xml_parser *p, struct slice prefix,
                      struct slice uri)
{
    size_t need = p->decls_text_len + prefix.len + uri.len;
    char *at;

    /* xmlns='' has no text, but it has a place. */
    if (need >= p->decls_text_cap) {
        char *text =
            xml_event_grow(p, p->decls_text, &p->decls_text_cap, need + 1, 1);

        if (text == NULL)
            return false;
        p->decls_text = text;
    }
    if (p->n_decls == p->decls_cap) {
        struct xml_decl *decls = xml_event_grow(p, p->decls, &p->decls_cap,
                                                p->n_decls + 1, sizeof(*decls));

        if (decls == NULL)
            return false;
        p->decls = decls;
    }

    at = p->decls_text + p->decls_text_len;
    if (prefix.len > 0)
        memcpy(at, prefix.at, prefix.len);
    if (uri.len > 0)
        memcpy(at + prefix.len, uri.at, uri.len);
    p->decls_text_len = need;
    /* The text may still move: place_decls() sets the pointers. */
    p->decls[p->n_decls].prefix.len = prefix.len;
    p->decls[p->n_decls].uri.len = uri.len;
    p->n_decls++;
    return true;
}

static void place_decls(struct xml_parser *p)
{
    const char *at = p->decls_text;

    for (size_t i = 0; i < p->n_decls; i++) {
        p->decls[i].prefix.at = at;
        at += p->decls[i].prefix.len;
        p->decls[i].uri.at = at;
        at += p->decls[i].uri.len;
    }
}

static void on_declaration(void *arg, const char *prefix, const char *uri)
{
    struct xml_parser *p = arg;
    struct xml_reader *r = listening(p);
    struct slice name = slice_of(prefix);
    struct slice value = slice_of(uri);

    if (r == NULL)
        return;
    if (p->n_decls == r->limits.attrs_max)
        p->over = 1 + XML_LIMIT_ATTRS;
    else if (name.len > r->limits.name_max_bytes ||
             value.len > r->limits.name_max_bytes)
        p->over = 1 + XML_LIMIT_NAME;
    else if (!keep_decl(p, name, value))
        xml_reader_stop(r, XML_NOMEM);
}

/* "local", "ns|local" or "ns|local|prefix". */
static struct xml_name split(const char *text)
{
    struct xml_name name = {SLICE(""), slice_of(text), SLICE("")};
    const char *end = text + name.local.len;
    const char *at = memchr(text, NS_SEPARATOR, name.local.len);

    if (at == NULL)
        return name;
    name.ns = (struct slice){text, (size_t)(at - text)};
    name.local = (struct slice){at + 1, (size_t)(end - at - 1)};
    at = memchr(name.local.at, NS_SEPARATOR, name.local.len);
    if (at == NULL)
        return name;
    name.local.len = (size_t)(at - name.local.at);
    name.prefix = (struct slice){at + 1, (size_t)(end - at - 1)};
    return name;
}

static bool is_long(const struct xml_name *name,
                    const struct xml_limits *limits)
{
    return name->local.len > limits->name_max_bytes ||
           name->prefix.len > limits->name_max_bytes;
}

/* Fills p->attrs and tag.  *over: 1 + the limit that it is above. */
static enum err xml_event_gather(struct xml_parser *p, const char **attrs,
                                 struct xml_tag *tag, unsigned *over)
{
    const struct xml_limits *limits = &p->reader->limits;
    size_t n = 0;

    for (; attrs[2 * n] != NULL; n++) {
        if (n + p->n_decls == limits->attrs_max) {
            *over = 1 + XML_LIMIT_ATTRS;
            return ERR_OK;
        }
        if (n == p->attrs_cap) {
            struct xml_attr *more = xml_event_grow(p, p->attrs, &p->attrs_cap,
                                                   n + 1, sizeof(*more));

            if (more == NULL)
                return ERR_NOMEM;
            p->attrs = more;
        }
        p->attrs[n].name = split(attrs[2 * n]);
        p->attrs[n].value = slice_of(attrs[2 * n + 1]);
        if (is_long(&p->attrs[n].name, limits)) {
            *over = 1 + XML_LIMIT_NAME;
            return ERR_OK;
        }
    }

    place_decls(p);
    tag->attrs = p->attrs;
    tag->n_attrs = n;
    tag->decls = p->decls;
    tag->n_decls = p->n_decls;
    return ERR_OK;
}

/* --- What is left of a tag that is above a limit -------------------------- */

static bool is_kept(const struct xml_attr *attr)
{
    static const char *const names[] = {"from", "to", "id", "type"};

    if (attr->value.len > XML_REDUCED_VALUE_MAX)
        return false;
    if (slice_is(attr->name.ns, XML_NAMESPACE))
        return slice_is(attr->name.local, "lang");
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (attr->name.ns.len == 0 && slice_is(attr->name.local, names[i]))
            return true;
    return false;
}

static void reduce(struct xml_tag *tag, struct xml_attr *attrs, size_t n)
{
    tag->attrs = attrs;
    tag->n_attrs = n;
    tag->decls = NULL;
    tag->n_decls = 0;
    if (tag->name.prefix.len > XML_REDUCED_VALUE_MAX)
        tag->name.prefix = SLICE("");
}

void xml_tag_reduce(const struct xml_tag *tag, struct xml_attr *attrs,
                    struct xml_tag *out)
{
    size_t n = 0;

    for (size_t i = 0; i < tag->n_attrs && n < XML_REDUCED_MAX; i++)
        if (is_kept(&tag->attrs[i]))
            attrs[n++] = tag->attrs[i];
    out->name = tag->name;
    reduce(out, attrs, n);
}

/* A top-level element is skipped from its start tag on: the handler gets what
 * a stub of it needs. */
static enum err start_reduced(struct xml_reader *r, struct xml_tag *tag,
                              const char **from)
{
    struct xml_attr attrs[XML_REDUCED_MAX];
    size_t n = 0;

    if (tag->name.local.len > r->limits.name_max_bytes ||
        tag->name.ns.len > r->limits.name_max_bytes)
        return ERR_OK;
    for (; from[0] != NULL && n < XML_REDUCED_MAX; from += 2) {
        attrs[n].name = split(from[0]);
        attrs[n].value = slice_of(from[1]);
        if (is_kept(&attrs[n]))
            n++;
    }
    reduce(tag, attrs, n);
    return r->handler->start(r->arg, tag);
}

/* --- Elements ------------------------------------------------------------- */

/* The counters of a new element.  Answers 1 + the limit that it is above. */
static unsigned count_element(struct xml_reader *r)
{
    XML_Parser expat = r->parser->expat;

    r->depth++;
    if (r->stream != NULL && r->depth <= 2) {
        r->elements = 0;
        if (r->depth == 2)
            r->start = (uint64_t)XML_GetCurrentByteIndex(expat);
        if (r->depth == 1 &&
            behind_event(r->parser) - r->start > r->limits.bytes_max)
            return 1 + XML_LIMIT_BYTES;
    }
    if (r->stream != NULL && XML_GetCurrentByteCount(expat) > XML_TAG_MAX_BYTES)
        return 1 + XML_LIMIT_TAG;
    if (r->depth > r->limits.depth_max)
        return 1 + XML_LIMIT_DEPTH;
    return ++r->elements > r->limits.elements_max ? 1 + XML_LIMIT_COUNT : 0;
}

/* A whole start tag whose element may be there. */
static void xml_event_start(struct xml_reader *r, const struct xml_tag *tag)
{
    if (r->stream != NULL && r->depth == 1)
        xml_stream_root_read(r->stream, tag);
    if (!r->is_stopped)
        xml_reader_heed(r, r->handler->start(r->arg, tag));
    if (r->stream != NULL && r->parser->bytes > XML_MEMORY_MAX_BYTES)
        xml_reader_exceed(r, XML_LIMIT_MEMORY);
}

static void xml_event_on_start(void *arg, const char *name, const char **attrs)
{
    struct xml_parser *p = arg;
    struct xml_reader *r = listening(p);
    struct xml_tag tag = {0};
    unsigned over;
    enum err err = ERR_OK;

    if (r == NULL)
        return;
    if (r->is_over) {
        r->depth++;
        return;
    }
    if (r->is_enclosed && r->depth == 0) {
        if (r->has_root) {
            xml_reader_stop(r, XML_NOT_WELL_FORMED);
            return;
        }
        r->has_root = true;
    }
    tag.name = split(name);
    over = count_element(r);
    if (over == 0)
        over = is_long(&tag.name, &r->limits) ? 1 + XML_LIMIT_NAME : p->over;
    if (over == 0)
        err = xml_event_gather(p, attrs, &tag, &over);
    p->n_decls = 0;
    p->decls_text_len = 0;
    p->over = 0;
    if (err != ERR_OK) {
        xml_reader_stop(r, XML_NOMEM);
    } else if (over > 0) {
        xml_reader_exceed(r, (enum xml_limit)(over - 1));
        if (r->is_over && r->depth == 2)
            xml_reader_heed(r, start_reduced(r, &tag, attrs));
    } else {
        xml_event_start(r, &tag);
    }
}

static void xml_event_on_end(void *arg, const char *name)
{
    struct xml_parser *p = arg;
    struct xml_reader *r = listening(p);
    struct xml_name parts;

    if (r == NULL)
        return;
    if (r->is_enclosed && r->depth <= 1) {
        r->stopped_at = behind_event(p);
        if (r->depth == 0) { /* it would close the root around it */
            xml_reader_stop(r, XML_NOT_WELL_FORMED);
            return;
        }
    }
    if (r->stream != NULL && r->depth <= 2)
        r->stopped_at = behind_event(p);
    parts = split(name);
    if (r->stream != NULL && r->depth == 2 &&
        r->stopped_at - r->start > r->limits.bytes_max)
        xml_reader_exceed(r, XML_LIMIT_BYTES);
    else if (!r->is_over)
        xml_reader_heed(r, r->handler->end(r->arg, &parts));
    r->depth--;
    if (r->stream != NULL && r->depth <= 1 && !r->is_stopped)
        xml_stream_element_read(r->stream);
}

/* Between the elements of a stream, or behind a document's root. */
static bool is_between(const struct xml_reader *r)
{
    return r->stream != NULL ? r->depth == 1 : r->is_enclosed && r->depth == 0;
}

static void xml_event_on_text(void *arg, const char *at, int len)
{
    struct xml_reader *r = listening(arg);
    struct slice text = {at, (size_t)len};

    if (r == NULL)
        return;
    if (is_between(r)) {
        if (xml_space_len(at, (size_t)len) < (size_t)len)
            xml_reader_stop(r, XML_NOT_WELL_FORMED);
        return;
    }
    if (!r->is_over)
        xml_reader_heed(r, r->handler->text(r->arg, text));
}

/* There a section is text, even an empty one.  In a stream it also must not
 * outlast the piece that opens it, since the parser would go back to the pool
 * inside of it. */
static void on_cdata_start(void *arg)
{
    struct xml_reader *r = listening(arg);

    if (r != NULL && is_between(r))
        xml_reader_stop(r, XML_NOT_WELL_FORMED);
}

void xml_parser_listen(struct xml_parser *p)
{
    XML_Parser expat = p->expat;

    XML_SetUserData(expat, p);
    XML_SetReturnNSTriplet(expat, 1);
    XML_SetElementHandler(expat, xml_event_on_start, xml_event_on_end);
    XML_SetCharacterDataHandler(expat, xml_event_on_text);
    XML_SetStartCdataSectionHandler(expat, on_cdata_start);
    XML_SetStartNamespaceDeclHandler(expat, on_declaration);
    XML_SetXmlDeclHandler(expat, on_xml_declaration);
    XML_SetStartDoctypeDeclHandler(expat, on_doctype);
    XML_SetEntityDeclHandler(expat, on_entity_decl);
    XML_SetExternalEntityRefHandler(expat, on_external_entity);
    XML_SetSkippedEntityHandler(expat, on_skipped_entity);
    XML_SetProcessingInstructionHandler(expat, on_instruction);
    XML_SetCommentHandler(expat, on_comment);
}
