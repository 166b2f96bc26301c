#include "element_note.h"

/* A host and a port; more is nobody's address. */
#define OTHER_HOST_MAX_BYTES 300

/* Of an iq; an answer to a longer one is not recognised. */
#define ID_MAX_BYTES 1024

void element_note_init(struct element_note *n)
{
    memset(n, 0, sizeof(*n));
    buf_init(&n->other_host, OTHER_HOST_MAX_BYTES);
    buf_init(&n->id, ID_MAX_BYTES);
}

void element_note_fini(struct element_note *n)
{
    buf_free(&n->other_host);
    buf_free(&n->id);
}

void element_note_begin(struct element_note *n)
{
    static const struct element nothing;

    n->element = nothing;
    n->has_condition = false;
    n->is_in_other_host = false;
    buf_truncate(&n->other_host, 0);
    buf_truncate(&n->id, 0);
}

const struct xml_attr *element_find_attr(const struct xml_tag *tag,
                                         const char *ns, const char *local)
{
    for (size_t i = 0; i < tag->n_attrs; i++) {
        if (slice_is(tag->attrs[i].name.local, local) &&
            slice_is(tag->attrs[i].name.ns, ns))
            return &tag->attrs[i];
    }
    return NULL;
}

static enum element_type element_note_type_of(const struct xml_tag *tag)
{
    const struct xml_attr *type = element_find_attr(tag, "", "type");

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

/* XEP-0198, on the stream or inside <success/> of SASL2 (K71). */
static void note_management(struct element *e, const struct xml_tag *tag)
{
    enum element_kind kind = element_kind_of(tag->name.ns, tag->name.local);
    const struct xml_attr *resume = element_find_attr(tag, "", "resume");

    if (kind != ELEMENT_SM_ENABLED && kind != ELEMENT_SM_RESUMED)
        return;
    e->is_managed = true;
    if (kind == ELEMENT_SM_RESUMED ||
        (resume != NULL &&
         (slice_is(resume->value, "true") || slice_is(resume->value, "1"))))
        e->is_resumable = true;
}

static enum err note_id(struct element_note *n, const struct xml_tag *tag)
{
    const struct xml_attr *id = element_find_attr(tag, "", "id");
    enum err err;

    if (id == NULL)
        return ERR_OK;
    err = buf_append_slice(&n->id, id->value);
    if (err == ERR_LIMIT)
        return ERR_OK;
    n->element.id = buf_slice(&n->id);
    return err;
}

static enum err note_top(struct element_note *n, const struct xml_tag *tag)
{
    n->element.kind = element_kind_of(tag->name.ns, tag->name.local);
    n->element.type = element_note_type_of(tag);
    note_management(&n->element, tag);
    return n->element.kind == ELEMENT_IQ ? note_id(n, tag) : ERR_OK;
}

/* The condition of a stream error; <text/> may stand before it. */
static void note_condition(struct element_note *n, const struct xml_name *name)
{
    if (n->has_condition || !slice_is(name->ns, NS_STREAM_ERRORS) ||
        slice_is(name->local, "text") || name->local.len > sizeof(n->condition))
        return;
    n->has_condition = true;
    memcpy(n->condition, name->local.at, name->local.len);
    n->element.error_condition = (struct slice){n->condition, name->local.len};
    n->is_in_other_host = slice_is(name->local, "see-other-host");
}

static void note_feature(struct element *e, const struct xml_name *name)
{
    if (slice_is(name->ns, NS_TLS) && slice_is(name->local, "starttls"))
        e->has_starttls = true;
    else
        e->has_others = true;
}

static void note_child(struct element_note *n, const struct xml_tag *tag)
{
    struct element *e = &n->element;

    e->has_children = true;
    if (e->kind == ELEMENT_ERROR)
        note_condition(n, &tag->name);
    else if (e->kind == ELEMENT_FEATURES)
        note_feature(e, &tag->name);
    else if (e->kind == ELEMENT_SASL2_SUCCESS)
        note_management(e, tag);
    else if (e->kind == ELEMENT_IQ && slice_is(tag->name.ns, NS_IQ_AUTH) &&
             slice_is(tag->name.local, "query"))
        e->is_iq_auth = true;
}

static void note_grandchild(struct element_note *n, const struct xml_tag *tag)
{
    struct element *e = &n->element;

    if (e->kind == ELEMENT_FEATURES && slice_is(tag->name.ns, NS_TLS) &&
        slice_is(tag->name.local, "required"))
        e->starttls_is_required = true;
    if (e->kind == ELEMENT_SASL2_SUCCESS) /* in <bound/> of Bind 2 */
        note_management(e, tag);
}

enum err element_note_start(struct element_note *n, const struct xml_tag *tag,
                            unsigned depth)
{
    if (depth == 1)
        return note_top(n, tag);
    n->is_in_other_host = false;
    if (depth == 2)
        note_child(n, tag);
    else if (depth == 3)
        note_grandchild(n, tag);
    return ERR_OK;
}

enum err element_note_text(struct element_note *n, struct slice text)
{
    enum err err;

    if (!n->is_in_other_host)
        return ERR_OK;
    err = buf_append_slice(&n->other_host, text);
    if (err == ERR_LIMIT) { /* then it names none */
        n->is_in_other_host = false;
        buf_truncate(&n->other_host, 0);
        err = ERR_OK;
    }
    n->element.other_host = buf_slice(&n->other_host);
    return err;
}

void element_note_end(struct element_note *n)
{
    n->is_in_other_host = false;
}
