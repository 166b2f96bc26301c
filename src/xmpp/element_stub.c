#include "element_stub.h"

#include "xml_token.h"

#include <inttypes.h>
#include <stdio.h>

/* What the copy of a tag has besides its own: declarations, xml:lang. */
#define COPIED_ATTRS 8

struct maker {
    struct element_copier *copier;   /* borrowed: while it is made */
    const struct element_stub *what; /* borrowed: the same */
    struct element *out;             /* borrowed: the same */
    enum err err;
};

/* --- What it says --------------------------------------------------------- */

static const struct xml_name *stanza_error(struct xml_name *name,
                                           struct slice local)
{
    *name = (struct xml_name){SLICE(NS_STANZA_ERRORS), local, SLICE("")};
    return name;
}

static void put_start(struct maker *m, const struct xml_name *name,
                      const struct xml_attr *attr)
{
    struct xml_tag tag = {.name = *name};

    tag.attrs = attr;
    tag.n_attrs = attr == NULL ? 0 : 1;
    if (m->err == ERR_OK)
        m->err = element_copier_start(m->copier, &tag);
}

static void put_end(struct maker *m)
{
    bool is_done;

    if (m->err == ERR_OK)
        m->err = element_copier_end(m->copier, &is_done, m->out);
}

/* For whoever looks at the traffic: a client shows it to no one. */
static void element_stub_put_text(struct maker *m)
{
    const struct xml_skipped *why = &m->what->why;
    char text[200];
    int len = snprintf(text, sizeof(text),
                       "The gateway left out this element of %" PRIu64
                       " bytes: above the limit of %s",
                       why->bytes, xml_limit_name(why->limit));
    size_t n = (size_t)len;

    if (why->limit == XML_LIMIT_BYTES)
        n += (size_t)snprintf(text + n, sizeof(text) - n, ", %zu bytes",
                              m->what->max_bytes);
    if (m->err == ERR_OK)
        m->err = element_copier_text(m->copier, (struct slice){text, n});
}

/* <policy-violation/> and <text/> (RFC 6120 section 8.3.3.12). */
static void put_condition(struct maker *m)
{
    const struct xml_attr english = {
        .name = {SLICE(NS_XML), SLICE("lang"), SLICE("xml")},
        .value = SLICE("en"),
    };
    struct xml_name name;

    put_start(m, stanza_error(&name, SLICE("policy-violation")), NULL);
    put_end(m);
    put_start(m, stanza_error(&name, SLICE("text")), &english);
    element_stub_put_text(m);
    put_end(m);
}

static void put_error(struct maker *m)
{
    const struct xml_name name = {SLICE(NS_CLIENT), SLICE("error"), SLICE("")};
    const struct xml_attr type = {
        .name = {SLICE(""), SLICE("type"), SLICE("")},
        .value = SLICE("modify"),
    };

    put_start(m, &name, &type);
    put_condition(m);
    put_end(m);
}

/* --- Which form it has ---------------------------------------------------- */

enum form {
    FORM_NONE,  /* it cannot be left out */
    FORM_EMPTY, /* name and attributes */
    FORM_IQ,
    FORM_STANZA, /* <message/>, <presence/> */
};

static enum form form_of(enum element_kind kind)
{
    switch (kind) {
    case ELEMENT_IQ:
        return FORM_IQ;
    case ELEMENT_MESSAGE:
    case ELEMENT_PRESENCE:
        return FORM_STANZA;
    case ELEMENT_OTHER:
    case ELEMENT_SERVER_STANZA:
        return FORM_EMPTY;
    case ELEMENT_FEATURES:
    case ELEMENT_ERROR:
    case ELEMENT_STREAM:
    case ELEMENT_AUTH:
    case ELEMENT_RESPONSE:
    case ELEMENT_ABORT:
    case ELEMENT_CHALLENGE:
    case ELEMENT_SUCCESS:
    case ELEMENT_FAILURE:
    case ELEMENT_SASL2:
    case ELEMENT_SASL2_AUTHENTICATE:
    case ELEMENT_SASL2_SUCCESS:
    case ELEMENT_SASL2_FAILURE:
    case ELEMENT_STARTTLS:
    case ELEMENT_PROCEED:
    case ELEMENT_TLS_FAILURE:
    case ELEMENT_COMPRESS:
    case ELEMENT_SM_ENABLED:
    case ELEMENT_SM_RESUMED:
    case ELEMENT_SM_RESUME:
    case ELEMENT_SM_FAILED:
    case ELEMENT_OPEN:
    case ELEMENT_CLOSE:
        break;
    }
    return FORM_NONE;
}

/* The attribute `type`; NULL: it has none. */
static struct xml_attr *element_stub_type_of(struct xml_attr *attrs, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (attrs[i].name.ns.len == 0 && slice_is(attrs[i].name.local, "type"))
            return &attrs[i];
    return NULL;
}

static enum err element_stub_on_start(void *arg, const struct xml_tag *original)
{
    struct maker *m = arg;
    struct xml_attr attrs[XML_REDUCED_MAX];
    struct xml_tag tag;
    enum form form =
        form_of(element_kind_of(original->name.ns, original->name.local));
    struct xml_attr *type;
    bool is_error;

    if (form == FORM_NONE)
        return ERR_INVALID;
    xml_tag_reduce(original, attrs, &tag);
    type = element_stub_type_of(attrs, tag.n_attrs);
    if (form == FORM_IQ && type != NULL && slice_is(type->value, "result"))
        type->value = SLICE("error");
    is_error = type != NULL && slice_is(type->value, "error");

    m->err = element_copier_start(m->copier, &tag);
    if (form != FORM_EMPTY && is_error)
        put_error(m);
    else if (form == FORM_STANZA)
        put_condition(m);
    put_end(m);
    return m->err;
}

static enum err element_stub_on_end(void *arg, const struct xml_name *name)
{
    return ERR_OK;
}

static enum err element_stub_on_text(void *arg, struct slice text)
{
    return ERR_OK;
}

/* --- Making --------------------------------------------------------------- */

/* Its start tag, as an empty element. */
static enum err append_tag(struct buf *to, struct slice original)
{
    const struct xml_token begin = {.state = XML_TOKEN_TEXT};
    size_t len = xml_token_first(&begin, original);
    struct buf_writer w = {.to = to};

    /* It may lack its end yet. */
    if (len > 0 && original.at[len - 1] == '>')
        len--;
    if (len > 0 && original.at[len - 1] == '/')
        len--;
    buf_put(&w, (struct slice){original.at, len});
    buf_put_text(&w, "/>");
    return w.err;
}

enum err element_stub_make(struct element_copier *c, struct buf *to,
                           const struct element_stub *what, struct element *out)
{
    static const struct xml_handler handler = {
        .start = element_stub_on_start,
        .end = element_stub_on_end,
        .text = element_stub_on_text,
    };
    const struct xml_limits limits = {
        .bytes_max = SIZE_MAX,
        .depth_max = 1,
        .attrs_max = XML_SERVER_ATTRS_MAX + COPIED_ATTRS,
        .elements_max = 1,
        .name_max_bytes = XML_SERVER_NAME_MAX_BYTES,
    };
    struct maker m = {.copier = c, .what = what, .out = out};
    struct buf tag;
    enum err err;

    buf_init(&tag, SIZE_MAX);
    element_copier_begin(c, to, &what->copy);
    err = append_tag(&tag, what->original);
    if (err == ERR_OK &&
        xml_parse(what->pool, buf_slice(&tag), &limits, &handler, &m) != XML_OK)
        err = m.err != ERR_OK ? m.err : ERR_INVALID;
    buf_free(&tag);
    return err;
}
