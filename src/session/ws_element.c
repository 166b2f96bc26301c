#include "ws_element.h"

#include "ws_element_int.h"
#include "xmpp/xml_read.h"
#include "xmpp/xml_write.h"

#include <limits.h>
#include <string.h>

#define XMLNS_FRAMING "xmlns=\"" NS_FRAMING "\""

/* An attribute of <open/> while f->bytes still grows. */
struct place {
    size_t at;
    size_t len;
    bool is_there;
};

/* One message being read. */
struct reading {
    struct ws_element *f;
    struct xml_pool *pool;
    struct element_copier *copier;
    enum ws_form form;
    enum ws_element_verdict verdict; /* of a complete element */
    unsigned root;                   /* depth of the element that counts */
    unsigned depth;
    unsigned n_roots;
    struct place to, from, lang, version;
    const char *refusal; /* condition, when a handler stopped the parser */
    enum err err;        /* of a handler; xml_parse only says that it stopped */
};

void ws_element_init(struct ws_element *f, size_t max_bytes)
{
    memset(f, 0, sizeof(*f));
    buf_init(&f->bytes, max_bytes);
}

void ws_element_free(struct ws_element *f)
{
    buf_free(&f->bytes);
}

static enum err ws_element_refuse(struct reading *r, const char *condition)
{
    r->refusal = condition;
    return ERR_INVALID;
}

static enum err ws_element_keep(struct reading *r, struct place *place,
                                struct slice value)
{
    place->at = r->f->bytes.len;
    place->len = value.len;
    place->is_there = true;
    return buf_append_slice(&r->f->bytes, value);
}

static enum err keep_attrs(struct reading *r, const struct xml_tag *tag)
{
    size_t i;

    for (i = 0; i < tag->n_attrs; i++) {
        const struct xml_attr *a = &tag->attrs[i];
        struct place *place = NULL;
        enum err err;

        if (slice_is(a->name.ns, NS_XML) && slice_is(a->name.local, "lang"))
            place = &r->lang;
        else if (a->name.ns.len > 0)
            continue;
        else if (slice_is(a->name.local, "to"))
            place = &r->to;
        else if (slice_is(a->name.local, "from"))
            place = &r->from;
        else if (slice_is(a->name.local, "version"))
            place = &r->version;
        if (place == NULL)
            continue;
        err = ws_element_keep(r, place, a->value);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

/* The framing elements are read here; nothing of them goes to a server. */
static enum err start_framing(struct reading *r, const struct xml_tag *tag)
{
    if (slice_is(tag->name.local, "open")) {
        r->verdict = WS_ELEMENT_OPEN;
        return keep_attrs(r, tag);
    }
    if (slice_is(tag->name.local, "close")) {
        r->verdict = WS_ELEMENT_CLOSE;
        return ERR_OK;
    }
    return ws_element_refuse(r, "unsupported-stanza-type");
}

/* RFC 6120 section 4.8: stanzas inherit jabber:client from here. */
static bool ws_element_is_client_stream(const struct xml_tag *tag)
{
    size_t i;

    if (!slice_is(tag->name.ns, NS_STREAMS))
        return false;
    for (i = 0; i < tag->n_decls; i++)
        if (tag->decls[i].prefix.len == 0)
            return slice_is(tag->decls[i].uri, NS_CLIENT);
    return false;
}

static enum err start_header(struct reading *r, const struct xml_tag *tag)
{
    if (!ws_element_is_client_stream(tag))
        return ws_element_refuse(r, "invalid-namespace");
    r->verdict = WS_ELEMENT_OPEN;
    return keep_attrs(r, tag);
}

static enum err start_root(struct reading *r, const struct xml_tag *tag)
{
    static const struct element_params params = {
        .filter = ELEMENT_TO_SERVER,
        .rescope_httpbind = false,
        .lang = {"", 0},
    };
    const struct xml_name *name = &tag->name;

    /* RFC 7395 section 3.3.3: declarations are complete; J17, H21. */
    if (name->ns.len == 0)
        return ws_element_refuse(r, "invalid-namespace");
    if (slice_is(name->ns, NS_FRAMING) && r->form == WS_FORM_MESSAGE)
        return start_framing(r, tag);
    /* RFC 7395 section 3.3.2; J21. */
    if (slice_is(name->local, "open") || slice_is(name->local, "close"))
        return ws_element_refuse(r, "invalid-namespace");
    /* A stream header of RFC 6120, or what only a server says; H26.  Framing
     * of RFC 7395 in a stream from before it. */
    if (slice_is(name->ns, NS_FRAMING) ||
        (slice_is(name->ns, NS_STREAMS) && !slice_is(name->local, "error")))
        return ws_element_refuse(r, "invalid-namespace");

    r->verdict = WS_ELEMENT_ELEMENT;
    element_copier_begin(r->copier, &r->f->bytes, &params);
    return element_copier_start(r->copier, tag);
}

static enum err ws_element_on_start(void *arg, const struct xml_tag *tag)
{
    struct reading *r = arg;

    r->depth++;
    if (r->depth < r->root) /* our own wrapper */
        r->err = ERR_OK;
    else if (r->depth > r->root && r->verdict == WS_ELEMENT_ELEMENT)
        r->err = element_copier_start(r->copier, tag);
    else if (r->depth > r->root) /* framing elements are empty */
        r->err = ws_element_refuse(r, "bad-format");
    else if (++r->n_roots > 1) /* J14 */
        r->err = ws_element_refuse(r, "not-well-formed");
    else if (r->form == WS_FORM_HEADER)
        r->err = start_header(r, tag);
    else
        r->err = start_root(r, tag);
    return r->err;
}

static bool is_white(struct slice s)
{
    return xml_space_len(s.at, s.len) == s.len;
}

static enum err ws_element_on_text(void *arg, struct slice text)
{
    struct reading *r = arg;

    if (r->depth < r->root) /* beside the element, as in an epilogue */
        r->err =
            is_white(text) ? ERR_OK : ws_element_refuse(r, "not-well-formed");
    else if (r->verdict == WS_ELEMENT_ELEMENT)
        r->err = element_copier_text(r->copier, text);
    else
        r->err = ws_element_refuse(r, "bad-format");
    return r->err;
}

static enum err ws_element_on_end(void *arg, const struct xml_name *name)
{
    struct reading *r = arg;
    bool done;

    r->depth--;
    r->err = ERR_OK;
    if (r->depth + 1 >= r->root && r->verdict == WS_ELEMENT_ELEMENT)
        r->err = element_copier_end(r->copier, &done, &r->f->element);
    return r->err;
}

static const struct xml_handler handler = {
    .start = ws_element_on_start,
    .end = ws_element_on_end,
    .text = ws_element_on_text,
};

static struct slice taken(const struct reading *r, const struct place *place)
{
    if (!place->is_there)
        return (struct slice){NULL, 0};
    return (struct slice){buf_at(&r->f->bytes) + place->at, place->len};
}

enum ws_element_verdict ws_element_wrong(struct ws_element *f,
                                         const char *condition)
{
    f->condition = condition;
    return WS_ELEMENT_WRONG;
}

static enum ws_element_verdict ws_element_conclude(struct reading *r,
                                                   enum xml_verdict xml)
{
    struct ws_element *f = r->f;

    switch (xml) {
    case XML_OK:
        if (r->n_roots == 0) /* white space in CDATA, in the wrapper */
            return ws_element_wrong(f, "not-well-formed");
        f->to = taken(r, &r->to);
        f->from = taken(r, &r->from);
        f->lang = taken(r, &r->lang);
        f->version = taken(r, &r->version);
        return r->verdict;
    case XML_NOMEM:
        return WS_ELEMENT_NOMEM;
    case XML_STOPPED:
        if (r->err == ERR_NOMEM)
            return WS_ELEMENT_NOMEM;
        /* Without a condition the copier ran out of room. */
        return ws_element_wrong(f, r->refusal != NULL ? r->refusal
                                                      : "policy-violation");
    case XML_TOO_BIG:
        f->limit = xml_limit_text(xml_pool_limit(r->pool));
        break;
    case XML_NOT_WELL_FORMED:
    case XML_RESTRICTED:
    case XML_BAD_ENCODING:
        break;
    }
    return ws_element_wrong(f, xml_verdict_condition(xml));
}

void ws_element_clear(struct ws_element *f)
{
    buf_clear(&f->bytes, SIZE_MAX);
    memset(&f->element, 0, sizeof(f->element));
    f->to = f->from = f->lang = f->version = (struct slice){NULL, 0};
    f->condition = f->limit = NULL;
}

enum ws_element_verdict ws_element_check(struct ws_element *f,
                                         struct slice message, size_t max_bytes)
{
    if (is_white(message))
        return WS_ELEMENT_EMPTY;
    /* RFC 7395 section 3.3.3: the first character is `<`; no byte order
     * mark, no white space. */
    if (message.at[0] != '<')
        return ws_element_wrong(f, "bad-format");
    if (message.len > max_bytes)
        return ws_element_wrong(f, "policy-violation");
    return WS_ELEMENT_ELEMENT;
}

enum ws_element_verdict ws_element_parse(struct ws_element *f,
                                         struct xml_pool *pool,
                                         struct element_copier *copier,
                                         const struct ws_document *document)
{
    /* The wrapper is not the client's. */
    unsigned above = document->form == WS_FORM_WRAPPED ? 1 : 0;
    struct xml_limits limits = {
        .bytes_max = document->max_bytes,
        .depth_max = XML_DEPTH_MAX + above,
        .attrs_max = XML_ATTRS_MAX,
        .elements_max = UINT_MAX, /* bytes_max bounds them, as in a body */
        .name_max_bytes = XML_NAME_MAX_BYTES,
    };
    struct reading reading = {
        .f = f,
        .pool = pool,
        .copier = copier,
        .form = document->form,
        .root = 1 + above,
    };

    return ws_element_conclude(
        &reading,
        xml_parse(pool, document->bytes, &limits, &handler, &reading));
}

enum ws_element_verdict ws_element_read(struct ws_element *f,
                                        struct xml_pool *pool,
                                        struct element_copier *copier,
                                        struct slice message, size_t max_bytes)
{
    struct ws_document document = {WS_FORM_MESSAGE, message, max_bytes};
    enum ws_element_verdict verdict;

    ws_element_clear(f);
    verdict = ws_element_check(f, message, max_bytes);
    if (verdict != WS_ELEMENT_ELEMENT)
        return verdict;
    return ws_element_parse(f, pool, copier, &document);
}

/* Attributes that have no value are left out. */
static enum err write_attr(struct buf *to, const char *name, struct slice value)
{
    if (value.len == 0)
        return ERR_OK;
    return xml_write_attr(to, name, value);
}

enum err ws_write_opening(struct buf *to, const char *begin,
                          const struct ws_opening *o, const char *end)
{
    const struct {
        const char *name;
        struct slice value;
    } attrs[] = {
        {"version", o->version}, {"id", o->id},         {"from", o->from},
        {"to", o->to},           {"xml:lang", o->lang},
    };
    size_t before = to->len;
    size_t i;
    enum err err = buf_append_text(to, begin);

    for (i = 0; i < COUNT_OF(attrs) && err == ERR_OK; i++)
        err = write_attr(to, attrs[i].name, attrs[i].value);
    if (err == ERR_OK)
        err = buf_append_text(to, end);
    if (err != ERR_OK)
        buf_truncate(to, before);
    return err;
}

enum err ws_write_open(struct buf *to, const struct ws_opening *o)
{
    return ws_write_opening(to, "<open " XMLNS_FRAMING, o, " />");
}

enum err ws_write_close_to(struct buf *to, const char *uri)
{
    size_t before = to->len;
    enum err err = buf_append_text(to, "<close " XMLNS_FRAMING);

    if (err == ERR_OK)
        err = xml_write_attr(to, "see-other-uri", slice_of(uri));
    if (err == ERR_OK)
        err = buf_append_text(to, " />");
    if (err != ERR_OK)
        buf_truncate(to, before);
    return err;
}

const struct ws_framing ws_framing = {
    .read = ws_element_read,
    .write_open = ws_write_open,
    .close = "<close " XMLNS_FRAMING " />",
    .can_move = true,
};

/* <name xmlns="urn:…:xmpp-streams"…>, without its end. */
static enum err write_error_child(struct buf *to, const char *name,
                                  const char *rest)
{
    enum err err = buf_append_text(to, "<");

    if (err == ERR_OK)
        err = buf_append_text(to, name);
    if (err == ERR_OK)
        err = buf_append_text(to, " xmlns=\"" NS_STREAM_ERRORS "\"");
    if (err == ERR_OK)
        err = buf_append_text(to, rest);
    return err;
}

enum err ws_write_error(struct buf *to, const char *condition, const char *text)
{
    size_t before = to->len;
    enum err err =
        buf_append_text(to, "<stream:error xmlns:stream=\"" NS_STREAMS "\">");

    if (err == ERR_OK)
        err = write_error_child(to, condition, "/>");
    if (err == ERR_OK && text != NULL)
        err = write_error_child(to, "text", " xml:lang=\"en\">");
    if (err == ERR_OK && text != NULL)
        err = xml_escape_text(to, slice_of(text));
    if (err == ERR_OK && text != NULL)
        err = buf_append_text(to, "</text>");
    if (err == ERR_OK)
        err = buf_append_text(to, "</stream:error>");
    if (err != ERR_OK)
        buf_truncate(to, before);
    return err;
}
