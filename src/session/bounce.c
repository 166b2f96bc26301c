#include "bounce.h"

#include "xmpp/xml_read.h"
#include "xmpp/xml_write.h"

#define ERROR_OF(type, condition)                                              \
    "<error type=\"" type "\"><" condition " xmlns=\"" NS_STANZA_ERRORS        \
    "\"/></error>"

/* What a copy of an element has besides its own: declarations, xml:lang. */
#define COPIED_ATTRS 8

/* What an error must say about the stanza that it answers. */
struct stanza {
    enum element_kind kind; /* ELEMENT_OTHER: not known yet */
    bool is_unsent;         /* the client's own */
    struct slice to;
    struct slice from;
    struct slice id;
    struct slice type;
    struct buf *answer; /* borrowed */
};

static enum err bounce_on_start(void *arg, const struct xml_tag *tag);

/* An error never answers an error (G31); a headline is nobody's loss (RFC 6121
 * section 5.2.2), and presence is dropped (G30). */
static const char *condition_for(const struct stanza *s)
{
    bool is_request = s->kind == ELEMENT_IQ &&
                      (slice_is(s->type, "get") || slice_is(s->type, "set"));
    bool is_message = s->kind == ELEMENT_MESSAGE &&
                      !slice_is(s->type, "error") &&
                      !slice_is(s->type, "headline");

    if (!is_request && !is_message)
        return NULL;
    if (s->is_unsent)
        return ERROR_OF("auth", "not-authorized");
    return is_request ? ERROR_OF("cancel", "service-unavailable")
                      : ERROR_OF("wait", "recipient-unavailable");
}

/* Addresses swapped, the body left out (G34). */
static enum err bounce_write_answer(struct stanza *s, const char *condition)
{
    const char *name = s->kind == ELEMENT_IQ ? "iq" : "message";
    struct buf_writer w = {.to = s->answer};

    buf_put_text(&w, "<");
    buf_put_text(&w, name);
    if (s->is_unsent)
        buf_put_text(&w, " xmlns=\"" NS_CLIENT "\"");
    if (w.err == ERR_OK)
        w.err = xml_write_attr(w.to, "to", s->from);
    if (w.err == ERR_OK)
        w.err = xml_write_attr(w.to, "from", s->to);
    if (w.err == ERR_OK)
        w.err = xml_write_attr(w.to, "id", s->id);
    buf_put_text(&w, " type=\"error\">");
    buf_put_text(&w, condition);
    buf_put_text(&w, "</");
    buf_put_text(&w, name);
    buf_put_text(&w, ">");
    return w.err;
}

static void bounce_read_attr(struct stanza *s, const struct xml_attr *a)
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
static enum err bounce_on_start(void *arg, const struct xml_tag *tag)
{
    struct stanza *s = arg;
    const char *condition;
    size_t i;

    if (s->kind == ELEMENT_OTHER)
        s->kind = element_kind_of(tag->name.ns, tag->name.local);
    for (i = 0; i < tag->n_attrs; i++)
        bounce_read_attr(s, &tag->attrs[i]);
    condition = condition_for(s);
    if (condition != NULL && bounce_write_answer(s, condition) != ERR_OK)
        buf_truncate(s->answer, 0);
    return ERR_CLOSED;
}

static void answer(struct stanza *s, struct xml_pool *pool, struct slice bytes)
{
    static const struct xml_handler handler = {.start = bounce_on_start};
    struct xml_limits limits = {
        .bytes_max = bytes.len,
        .depth_max = XML_DEPTH_MAX,
        .attrs_max = XML_SERVER_ATTRS_MAX + COPIED_ATTRS,
        .elements_max = XML_ELEMENTS_MAX,
        .name_max_bytes = XML_SERVER_NAME_MAX_BYTES,
    };

    (void)xml_parse(pool, bytes, &limits, &handler, s);
}

static enum err bounce(struct session *s, struct xml_pool *pool,
                       struct slice bytes)
{
    struct stanza stanza = {.kind = ELEMENT_OTHER};
    struct element e = {.type = ELEMENT_TYPE_ERROR};
    struct buf text;
    enum err err = ERR_OK;

    buf_init(&text, BOUNCE_MAX_BYTES);
    stanza.answer = &text;
    answer(&stanza, pool, bytes);
    e.kind = stanza.kind;
    e.bytes = buf_slice(&text);
    if (e.bytes.len > 0)
        err = session_send(s, &e);
    buf_free(&text);
    return err;
}

bool bounce_write_unsent(struct buf *to, struct xml_pool *pool,
                         const struct element *e)
{
    struct stanza stanza = {.kind = e->kind, .is_unsent = true, .answer = to};

    if (e->kind == ELEMENT_IQ || e->kind == ELEMENT_MESSAGE)
        answer(&stanza, pool, e->bytes);
    return to->len > 0;
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
