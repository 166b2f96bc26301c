#include "xmpp/element.h"

#include "element_note.h"

#include <assert.h>
#include <stdlib.h>

/* A language longer than this is nobody's. */
#define LANG_MAX_BYTES 1024

#define PLAIN           "PLAIN"
#define MECHANISM_BYTES (sizeof(PLAIN) - 1)

struct element_copier {
    struct xml_writer *writer; /* owned */
    struct buf *to;            /* borrowed: of the element being copied */
    size_t begin;              /* length of *to at its beginning */
    enum element_filter filter;
    bool rescope;
    bool strips_plain;
    struct buf lang;
    enum err begin_err;
    unsigned depth;
    unsigned dropped; /* depth of the element being left out; 0: none */
    unsigned chain;   /* ancestors, from the top, that are re-scoped */
    bool chain_in_no_ns;
    struct element_note note;
    struct xml_writer_mark mark; /* before the <mechanism/> that */
    unsigned mechanism;          /* is open at this depth, or 0 */
    char mechanism_name[MECHANISM_BYTES];
    size_t mechanism_len;
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
    {NS_SASL2, "authenticate", ELEMENT_SASL2_AUTHENTICATE},
    {NS_SASL2, "success", ELEMENT_SASL2_SUCCESS},
    {NS_SASL2, "failure", ELEMENT_SASL2_FAILURE},
    {NS_SASL2, NULL, ELEMENT_SASL2},
    {NS_TLS, "starttls", ELEMENT_STARTTLS},
    {NS_TLS, "proceed", ELEMENT_PROCEED},
    {NS_TLS, "failure", ELEMENT_TLS_FAILURE},
    {NS_COMPRESS, "compress", ELEMENT_COMPRESS},
    {NS_SM3, "enabled", ELEMENT_SM_ENABLED},
    {NS_SM3, "resumed", ELEMENT_SM_RESUMED},
    {NS_SM3, "resume", ELEMENT_SM_RESUME},
    {NS_SM3, "failed", ELEMENT_SM_FAILED},
    {"urn:xmpp:sm:2", "enabled", ELEMENT_SM_ENABLED},
    {"urn:xmpp:sm:2", "resumed", ELEMENT_SM_RESUMED},
    {"urn:xmpp:sm:2", "resume", ELEMENT_SM_RESUME},
    {"urn:xmpp:sm:2", "failed", ELEMENT_SM_FAILED},
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

static bool is_sasl2(enum element_kind kind)
{
    return kind == ELEMENT_SASL2 || kind == ELEMENT_SASL2_AUTHENTICATE ||
           kind == ELEMENT_SASL2_SUCCESS || kind == ELEMENT_SASL2_FAILURE;
}

bool element_is_negotiation(enum element_kind kind)
{
    return kind == ELEMENT_AUTH || kind == ELEMENT_RESPONSE ||
           kind == ELEMENT_ABORT || is_sasl2(kind);
}

bool element_is_of_login(enum element_kind kind)
{
    return kind == ELEMENT_FEATURES || kind == ELEMENT_CHALLENGE ||
           kind == ELEMENT_SUCCESS || kind == ELEMENT_FAILURE || is_sasl2(kind);
}

enum err element_copier_new(struct element_copier **out)
{
    struct element_copier *c = calloc(1, sizeof(*c));
    enum err err;

    if (c == NULL)
        return ERR_NOMEM;
    buf_init(&c->lang, LANG_MAX_BYTES);
    element_note_init(&c->note);
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
    element_note_fini(&c->note);
    free(c->decls);
    free(c);
}

void element_copier_begin(struct element_copier *c, struct buf *to,
                          const struct element_params *params)
{
    bool to_server = params->filter == ELEMENT_TO_SERVER;

    c->to = to;
    c->begin = to->len;
    c->filter = params->filter;
    c->rescope = params->rescope_httpbind;
    c->strips_plain = params->strips_plain;
    buf_truncate(&c->lang, 0);
    c->begin_err = buf_append_slice(&c->lang, params->lang);
    c->depth = 0;
    c->dropped = 0;
    c->chain = 0;
    c->mechanism = 0;
    element_note_begin(&c->note);
    xml_writer_begin(c->writer, to, to_server ? NS_CLIENT : "");
}

/* --- Features ------------------------------------------------------------- */

/* G05, G06, J53: what must not cross the gateway. */
static bool is_dropped_feature(const struct element_copier *c,
                               const struct xml_name *name)
{
    if (c->filter != ELEMENT_TO_CLIENT ||
        c->note.element.kind != ELEMENT_FEATURES)
        return false;
    if (slice_is(name->ns, NS_TLS) && slice_is(name->local, "starttls"))
        return true;
    return slice_is(name->ns, NS_COMPRESS_FEATURE) &&
           slice_is(name->local, "compression");
}

/* A <mechanism/> may turn out to be PLAIN: where it begins is kept, so that
 * it can be taken back when its name is known (L72). */
static void begin_mechanism(struct element_copier *c,
                            const struct xml_name *name)
{
    if (!c->strips_plain || c->note.element.kind != ELEMENT_FEATURES ||
        c->depth != 3 || !slice_is(name->local, "mechanism") ||
        (!slice_is(name->ns, NS_SASL) && !slice_is(name->ns, NS_SASL2)))
        return;
    c->mechanism = c->depth;
    c->mechanism_len = 0;
    c->mark = xml_writer_mark(c->writer);
}

static void name_mechanism(struct element_copier *c, struct slice text)
{
    size_t room = MECHANISM_BYTES - c->mechanism_len;

    if (c->mechanism != c->depth)
        return;
    if (text.len > room) {
        c->mechanism = 0; /* longer: another one */
        return;
    }
    if (text.len > 0)
        memcpy(c->mechanism_name + c->mechanism_len, text.at, text.len);
    c->mechanism_len += text.len;
}

/* Its end was written. */
static void end_mechanism(struct element_copier *c)
{
    if (c->mechanism_len == MECHANISM_BYTES &&
        memcmp(c->mechanism_name, PLAIN, MECHANISM_BYTES) == 0)
        xml_writer_undo(c->writer, &c->mark);
    c->mechanism = 0;
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
    bool has_lang = element_find_attr(tag, NS_XML, "lang") != NULL;

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
    if (c->dropped > 0)
        return element_note_start(&c->note, tag, c->depth);
    if (c->depth == 2 && is_dropped_feature(c, &tag->name)) {
        c->dropped = c->depth;
        return element_note_start(&c->note, tag, c->depth);
    }
    begin_mechanism(c, &tag->name);
    if (joins_chain(c, &tag->name))
        err = rescope(c, &copy);
    if (err == ERR_OK)
        err = element_note_start(&c->note, &copy, c->depth);
    if (err != ERR_OK)
        return err;
    return c->depth == 1 ? start_top(c, &copy)
                         : xml_writer_start(c->writer, &copy, NULL, 0);
}

enum err element_copier_text(struct element_copier *c, struct slice text)
{
    enum err err = element_note_text(&c->note, text);

    if (err != ERR_OK || c->dropped > 0)
        return err;
    name_mechanism(c, text);
    return xml_writer_text(c->writer, text);
}

enum err element_copier_end(struct element_copier *c, bool *done,
                            struct element *out)
{
    bool was_dropped = c->dropped > 0;
    enum err err = ERR_OK;

    assert(c->depth > 0);
    *done = false;
    element_note_end(&c->note);
    if (c->dropped == c->depth)
        c->dropped = 0;
    if (c->chain == c->depth)
        c->chain--;
    if (!was_dropped)
        err = xml_writer_end(c->writer);
    if (err == ERR_OK && c->mechanism == c->depth)
        end_mechanism(c);
    c->depth--;
    if (err != ERR_OK || c->depth > 0)
        return err;

    *out = c->note.element;
    out->bytes =
        (struct slice){buf_at(c->to) + c->begin, c->to->len - c->begin};
    *done = true;
    return ERR_OK;
}
