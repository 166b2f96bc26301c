#include "session/bounce.h"

#include "xmpp/xml_read.h"
#include "xmpp/xml_write.h"

#define ANSWER_MAX_BYTES 65536

/* What an error must say about the stanza that it answers. */
struct stanza {
    enum element_kind kind;
    const char *name;
    struct slice to;
    struct slice from;
    struct slice id;
    struct slice type;
    struct buf answer;
};

static enum err on_start(void *arg, const struct xml_tag *tag);

/* An error never answers an error (G31); a headline is nobody's loss (RFC 6121
 * section 5.2.2), and presence is dropped (G30). */
static const char *condition_for(const struct stanza *s)
{
    if (s->kind == ELEMENT_IQ &&
        (slice_is(s->type, "get") || slice_is(s->type, "set")))
        return "<error type=\"cancel\"><service-unavailable "
               "xmlns=\"" NS_STANZA_ERRORS "\"/></error>";
    if (s->kind == ELEMENT_MESSAGE && !slice_is(s->type, "error") &&
        !slice_is(s->type, "headline"))
        return "<error type=\"wait\"><recipient-unavailable "
               "xmlns=\"" NS_STANZA_ERRORS "\"/></error>";
    return NULL;
}

/* Addresses swapped, the body left out (G34). */
static enum err write_answer(struct stanza *s, const char *condition)
{
    enum err err = buf_append_text(&s->answer, "<");

    if (err == ERR_OK)
        err = buf_append_text(&s->answer, s->name);
    if (err == ERR_OK)
        err = xml_write_attr(&s->answer, "to", s->from);
    if (err == ERR_OK)
        err = xml_write_attr(&s->answer, "from", s->to);
    if (err == ERR_OK)
        err = xml_write_attr(&s->answer, "id", s->id);
    if (err == ERR_OK)
        err = buf_append_text(&s->answer, " type=\"error\">");
    if (err == ERR_OK)
        err = buf_append_text(&s->answer, condition);
    if (err == ERR_OK)
        err = buf_append_text(&s->answer, "</");
    if (err == ERR_OK)
        err = buf_append_text(&s->answer, s->name);
    return err == ERR_OK ? buf_append_text(&s->answer, ">") : err;
}

static void read_attr(struct stanza *s, const struct xml_attr *a)
{
    if (a->name.ns.len > 0)
        return;
    if (slice_is(a->name.local, "to"))
        s->to = a->value;
    else if (slice_is(a->name.local, "from"))
        s->from = a->value;
    else if (slice_is(a->name.local, "id"))
        s->id = a->value;
    else if (slice_is(a->name.local, "type"))
        s->type = a->value;
}

/* The start tag is all that is read; its slices live until this returns. */
static enum err on_start(void *arg, const struct xml_tag *tag)
{
    struct stanza *s = arg;
    const char *condition;
    size_t i;

    s->kind = element_kind_of(tag->name.ns, tag->name.local);
    s->name = s->kind == ELEMENT_IQ ? "iq" : "message";
    for (i = 0; i < tag->n_attrs; i++)
        read_attr(s, &tag->attrs[i]);
    condition = condition_for(s);
    if (condition != NULL && write_answer(s, condition) != ERR_OK)
        buf_clear(&s->answer, 0);
    return ERR_CLOSED;
}

static enum err bounce(struct session *s, struct xml_pool *pool,
                       struct slice bytes)
{
    static const struct xml_handler handler = {.start = on_start};
    struct xml_limits limits = {
        .bytes_max = bytes.len,
        .depth_max = XML_DEPTH_MAX,
        .attrs_max = XML_ATTRS_MAX,
        .elements_max = XML_ELEMENTS_MAX,
        .name_max_bytes = XML_NAME_MAX_BYTES,
    };
    struct stanza stanza = {.kind = ELEMENT_OTHER};
    struct element answer = {.type = ELEMENT_TYPE_ERROR};
    enum err err = ERR_OK;

    buf_init(&stanza.answer, ANSWER_MAX_BYTES);
    (void)xml_parse(pool, bytes, &limits, &handler, &stanza);
    answer.kind = stanza.kind;
    answer.bytes = buf_slice(&stanza.answer);
    if (answer.bytes.len > 0)
        err = session_send(s, &answer);
    buf_free(&stanza.answer);
    return err;
}

void bounce_undelivered(struct session *s, struct xml_pool *pool,
                        struct outbox *waiting)
{
    enum err err = ERR_OK;
    struct slice bytes;
    uint32_t n;
    int i;

    if (!session_is_authenticated(s) || session_is_managed(s))
        return;
    for (i = 0; i < BOUNCE_MAX && err == ERR_OK; i++) {
        bytes.len = outbox_peek(waiting, 0, &n);
        if (n == 0)
            return;
        bytes.at = buf_at(&waiting->bytes);
        err = bounce(s, pool, bytes);
        outbox_drop(waiting, n);
    }
}
