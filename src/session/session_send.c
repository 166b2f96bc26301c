#include "session_int.h"

#include "session/admit.h"
#include "xmpp/xml_write.h"

/* An answer that the server must not be asked for: it would switch the
 * protocol under us (G05, G06, T31). */
static enum err answer_locally(struct session *s, const struct element *e)
{
    struct element answer = {.kind = ELEMENT_TLS_FAILURE};

    if (e->kind == ELEMENT_COMPRESS) {
        answer.kind = ELEMENT_OTHER;
        answer.bytes = SLICE("<failure xmlns=\"" NS_COMPRESS
                             "\"><setup-failed/></failure>");
        s->up->element(s->owner, &answer);
        return ERR_OK;
    }
    answer.bytes = SLICE("<failure xmlns=\"" NS_TLS "\"/>");
    s->up->element(s->owner, &answer);
    /* RFC 6120 section 5.4.2.2: after the failure the stream ends. */
    if (s->state != SESSION_ENDED)
        session_close(s);
    return ERR_OK;
}

static bool is_forbidden(enum element_kind kind)
{
    return kind == ELEMENT_SERVER_STANZA || kind == ELEMENT_STREAM ||
           kind == ELEMENT_FEATURES || kind == ELEMENT_OPEN ||
           kind == ELEMENT_CLOSE || kind == ELEMENT_PROCEED ||
           kind == ELEMENT_TLS_FAILURE;
}

enum err session_send(struct session *s, const struct element *e)
{
    enum err err;

    if (s->state == SESSION_ENDED)
        return ERR_CLOSED;
    if (is_forbidden(e->kind))
        return ERR_INVALID;
    if (e->bytes.len > session_stanza_max(s))
        return ERR_LIMIT;
    if (e->kind == ELEMENT_STARTTLS || e->kind == ELEMENT_COMPRESS)
        return answer_locally(s, e);
    if (s->awaits_header)
        err = buf_append_slice(&s->early, e->bytes);
    else
        err = stream_send(s->stream, e->bytes);
    if (err != ERR_OK)
        return err;
    s->n_up++;
    login_note_sent(&s->login, e);
    /* H26: the client's own stream error ends the stream. */
    if (e->kind == ELEMENT_ERROR)
        session_close(s);
    return ERR_OK;
}

enum err session_restart(struct session *s, struct slice from,
                         struct slice lang)
{
    struct domain_name name;
    enum err err;

    if (s->state == SESSION_ENDED)
        return ERR_CLOSED;
    if (s->awaits_header)
        return ERR_OK; /* one is under way */
    if (domain_normalise(&name, slice_of(s->domain)) != ERR_OK)
        return ERR_INVALID;
    err = stream_restart(s->stream, admit_from(from, &name), admit_lang(lang));
    if (err == ERR_OK)
        s->awaits_header = true;
    return err;
}
