#include "xmpp/element.h"

#include <assert.h>
#include <stdlib.h>

/* RFC 6120, section 4.9.3: the longest is "unsupported-stanza-type". */
#define CONDITION_MAX_BYTES 64

/* A language longer than this is nobody's. */
#define LANG_MAX_BYTES 1024

struct element_copier {
    struct xml_writer *writer; /* owned */
    struct buf *to;            /* borrowed: of the element being copied */
    size_t begin;              /* length of *to at its beginning */
    enum element_filter filter;
    bool rescope;
    struct buf lang;
    enum err begin_err;
    unsigned depth;
    unsigned dropped; /* depth of the element being left out; 0: none */
    unsigned chain;   /* ancestors, from the top, that are re-scoped */
    bool chain_in_no_ns;
    struct element element;
    bool has_condition;
    char condition[CONDITION_MAX_BYTES];
    struct xml_decl *decls; /* owned: what is left of a tag's */
    size_t decls_cap;
};

static const struct kind {
    const char *ns;
    const char *local;
    enum element_kind kind;
} kinds[] = {
    {NS_CLIENT, "message", ELEMENT_MESSAGE},
    {NS_CLIENT, "presence", ELEMENT_PRESENCE},
    {NS_CLIENT, "iq", ELEMENT_IQ},
    {NS_STREAMS, "features", ELEMENT_FEATURES},
    {NS_STREAMS, "error", ELEMENT_ERROR},
    {NS_STREAMS, "stream", ELEMENT_STREAM},
    {NS_SASL, "auth", ELEMENT_AUTH},
    {NS_SASL, "response", ELEMENT_RESPONSE},
    {NS_SASL, "abort", ELEMENT_ABORT},
    {NS_SASL, "challenge", ELEMENT_CHALLENGE},
    {NS_SASL, "success", ELEMENT_SUCCESS},
    {NS_SASL, "failure", ELEMENT_FAILURE},
    {NS_SASL2, "success", ELEMENT_SASL2_SUCCESS},
    {NS_SASL2, NULL, ELEMENT_SASL2},
    {NS_TLS, "starttls", ELEMENT_STARTTLS},
    {NS_TLS, "proceed", ELEMENT_PROCEED},
    {NS_TLS, "failure", ELEMENT_TLS_FAILURE},
    {NS_COMPRESS, "compress", ELEMENT_COMPRESS},
    {NS_SM3, "enabled", ELEMENT_SM_ENABLED},
    {NS_SM3, "resumed", ELEMENT_SM_RESUMED},
    {"urn:xmpp:sm:2", "enabled", ELEMENT_SM_ENABLED},
    {"urn:xmpp:sm:2", "resumed", ELEMENT_SM_RESUMED},
    {NS_FRAMING, "open", ELEMENT_OPEN},
    {NS_FRAMING, "close", ELEMENT_CLOSE},
    {NS_SERVER, NULL, ELEMENT_SERVER_STANZA},
};

enum element_kind element_kind_of(struct slice ns, struct slice local)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        const struct kind *k = &kinds[i];

        if (slice_is(ns, k->ns) &&
            (k->local == NULL || slice_is(local, k->local)))
            return k->kind;
    }
    return ELEMENT_OTHER;
}

bool element_is_negotiation(enum element_kind kind)
{
    return kind == ELEMENT_AUTH || kind == ELEMENT_RESPONSE ||
           kind == ELEMENT_ABORT || kind == ELEMENT_SASL2 ||
           kind == ELEMENT_SASL2_SUCCESS;
}

enum err element_copier_new(struct element_copier **out)
{
    struct element_copier *c = calloc(1, sizeof(*c));
    enum err err;

    if (c == NULL)
        return ERR_NOMEM;
    buf_init(&c->lang, LANG_MAX_BYTES);
    err = xml_writer_new(&c->writer);
    if (err != ERR_OK) {
        element_copier_free(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

void element_copier_free(struct element_copier *c)
{
    if (c == NULL)
        return;
    xml_writer_free(c->writer);
    buf_free(&c->lang);
    free(c->decls);
    free(c);
}

void element_copier_begin(struct element_copier *c, struct buf *to,
                          const struct element_params *params)
{
    static const struct element nothing;
    bool to_server = params->filter == ELEMENT_TO_SERVER;

    c->to = to;
    c->begin = to->len;
    c->filter = params->filter;
    c->rescope = params->rescope_httpbind;
    buf_truncate(&c->lang, 0);
    c->begin_err = buf_append_slice(&c->lang, params->lang);
    c->depth = 0;
    c->dropped = 0;
    c->chain = 0;
    c->element = nothing;
    c->has_condition = false;
    xml_writer_begin(c->writer, to, to_server ? NS_CLIENT : "");
}

/* --- What the element is -------------------------------------------------- */

static const struct xml_attr *find_attr(const struct xml_tag *tag,
                                        const char *ns, const char *local)
{
    for (size_t i = 0; i < tag->n_attrs; i++) {
        if (slice_is(tag->attrs[i].name.local, local) &&
            slice_is(tag->attrs[i].name.ns, ns))
            return &tag->attrs[i];
    }
    return NULL;
}

static enum element_type type_of(const struct xml_tag *tag)
{
    const struct xml_attr *type = find_attr(tag, "", "type");

    if (type == NULL)
        return ELEMENT_TYPE_NONE;
    if (slice_is(type->value, "error"))
        return ELEMENT_TYPE_ERROR;
    if (slice_is(type->value, "get"))
        return ELEMENT_TYPE_GET;
    if (slice_is(type->value, "set"))
        return ELEMENT_TYPE_SET;
    if (slice_is(type->value, "result"))
        return ELEMENT_TYPE_RESULT;
    return ELEMENT_TYPE_OTHER;
}

static void describe(struct element *e, const struct xml_tag *tag)
{
    const struct xml_attr *resume;

    e->kind = element_kind_of(tag->name.ns, tag->name.local);
    e->type = type_of(tag);
    if (e->kind != ELEMENT_SM_ENABLED)
        return;
    resume = find_attr(tag, "", "resume");
    e->is_resumable = resume != NULL && (slice_is(resume->value, "true") ||
                                         slice_is(resume->value, "1"));
}

/* The condition of a stream error; <text/> may stand before it. */
static void note_condition(struct element_copier *c,
                           const struct xml_name *name)
{
    struct slice *to = &c->element.error_condition;

    if (c->has_condition || !slice_is(name->ns, NS_STREAM_ERRORS) ||
        slice_is(name->local, "text") || name->local.len > sizeof(c->condition))
        return;
    c->has_condition = true;
    memcpy(c->condition, name->local.at, name->local.len);
    *to = (struct slice){c->condition, name->local.len};
}

/* G05, G06, J53: what must not cross the gateway. */
static bool is_dropped_feature(struct element_copier *c,
                               const struct xml_name *name)
{
    if (c->filter != ELEMENT_TO_CLIENT || c->element.kind != ELEMENT_FEATURES)
        return false;
    if (slice_is(name->ns, NS_TLS) && slice_is(name->local, "starttls")) {
        c->element.has_starttls = true;
        return true;
    }
    return slice_is(name->ns, NS_COMPRESS_FEATURE) &&
           slice_is(name->local, "compression");
}

static void look_inside(struct element_copier *c, const struct xml_name *name)
{
    if (c->depth != c->dropped + 1 || !slice_is(name->ns, NS_TLS))
        return;
    if (slice_is(name->local, "required"))
        c->element.starttls_is_required = true;
}

/* --- Scope ---------------------------------------------------------------- */

static bool is_stanza_name(struct slice local)
{
    return slice_is(local, "message") || slice_is(local, "presence") ||
           slice_is(local, "iq");
}

/*
 * H20: what stands in the namespace of <body/>, at the top or below nothing
 * but such elements, means jabber:client.  H21: a stanza in no namespace, and
 * what is below it in none, too.
 */
static bool joins_chain(struct element_copier *c, const struct xml_name *name)
{
    if (!c->rescope || c->chain != c->depth - 1)
        return false;
    if (c->depth == 1)
        c->chain_in_no_ns = name->ns.len == 0 && is_stanza_name(name->local);
    if (c->chain_in_no_ns ? name->ns.len != 0
                          : !slice_is(name->ns, NS_HTTPBIND))
        return false;
    c->chain = c->depth;
    return true;
}

/* Renames the tag, without the declaration that made it what it was. */
static enum err rescope(struct element_copier *c, struct xml_tag *tag)
{
    size_t n = 0;

    if (tag->n_decls > c->decls_cap) {
        struct xml_decl *more = realloc(c->decls, tag->n_decls * sizeof(*more));

        if (more == NULL)
            return ERR_NOMEM;
        c->decls = more;
        c->decls_cap = tag->n_decls;
    }
    for (size_t i = 0; i < tag->n_decls; i++) {
        const struct xml_decl *decl = &tag->decls[i];

        if (!slice_equal(decl->prefix, tag->name.prefix) ||
            !slice_equal(decl->uri, tag->name.ns))
            c->decls[n++] = *decl;
    }
    tag->decls = c->decls;
    tag->n_decls = n;
    tag->name.ns = SLICE(NS_CLIENT);
    tag->name.prefix = SLICE("");
    return ERR_OK;
}

/* --- Events --------------------------------------------------------------- */

static enum err start_top(struct element_copier *c, const struct xml_tag *tag)
{
    const struct xml_attr lang = {
        .name = {SLICE(NS_XML), SLICE("lang"), SLICE("xml")},
        .value = buf_slice(&c->lang),
    };
    bool has_lang = find_attr(tag, NS_XML, "lang") != NULL;

    describe(&c->element, tag);
    return xml_writer_start(c->writer, tag, &lang,
                            has_lang || c->lang.len == 0 ? 0 : 1);
}

enum err element_copier_start(struct element_copier *c,
                              const struct xml_tag *tag)
{
    struct xml_tag copy = *tag;
    enum err err = c->begin_err;

    if (err != ERR_OK)
        return err;
    c->depth++;
    if (c->dropped > 0) {
        look_inside(c, &tag->name);
        return ERR_OK;
    }
    if (c->depth == 2 && is_dropped_feature(c, &tag->name)) {
        c->dropped = c->depth;
        return ERR_OK;
    }
    if (c->depth == 2 && c->element.kind == ELEMENT_ERROR)
        note_condition(c, &tag->name);

    if (joins_chain(c, &tag->name))
        err = rescope(c, &copy);
    if (err != ERR_OK)
        return err;
    return c->depth == 1 ? start_top(c, &copy)
                         : xml_writer_start(c->writer, &copy, NULL, 0);
}

enum err element_copier_text(struct element_copier *c, struct slice text)
{
    return c->dropped > 0 ? ERR_OK : xml_writer_text(c->writer, text);
}

enum err element_copier_end(struct element_copier *c, bool *done,
                            struct element *out)
{
    bool was_dropped = c->dropped > 0;
    enum err err = ERR_OK;

    assert(c->depth > 0);
    *done = false;
    if (c->dropped == c->depth)
        c->dropped = 0;
    if (c->chain == c->depth)
        c->chain--;
    c->depth--;
    if (!was_dropped)
        err = xml_writer_end(c->writer);
    if (err != ERR_OK || c->depth > 0)
        return err;

    c->element.bytes =
        (struct slice){buf_at(c->to) + c->begin, c->to->len - c->begin};
    *out = c->element;
    *done = true;
    return ERR_OK;
}
