#include "session_int.h"

#include "admit.h"
#include "bounce.h"
#include "session_host.h"
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

/* To the server's stream, which can take it. */
static enum err session_send_pass(struct session *s, struct slice bytes)
{
    enum err err = stream_send(s->stream, bytes);

    if (err == ERR_OK)
        s->n_up++;
    if (err == ERR_LIMIT)
        s->limit = "more than upstream.queue_max waits for the server";
    return err;
}

/* SASL data and forms for a registration (XEP-0077) may be large: a token, an
 * image.  Nothing else belongs to a login. */
static bool is_of_login(const struct element *e)
{
    return element_is_negotiation(e->kind) ||
           (e->kind == ELEMENT_IQ && e->type == ELEMENT_TYPE_SET);
}

static size_t element_max(const struct session *s, const struct element *e)
{
    return is_of_login(e) ? session_stanza_max(s) : session_early_max(s);
}

const char *session_size_limit(const struct session *s, size_t max_bytes)
{
    if (s->state == SESSION_AUTHENTICATED)
        return "above limits.stanza_max";
    if (max_bytes > s->host->settings.stanza_max_unauthenticated_bytes)
        return "above limits.stanza_max_login";
    return "above limits.stanza_max_unauthenticated";
}

static enum err refuse_size(struct session *s, size_t max_bytes)
{
    s->limit = session_size_limit(s, max_bytes);
    return ERR_LIMIT;
}

static enum err session_send_keep(struct session *s, const struct element *e)
{
    enum err err = login_keep(&s->login, e, session_early_max(s));

    if (err == ERR_LIMIT)
        return refuse_size(s, session_early_max(s));
    if (err == ERR_OK)
        session_set_login_timer(s);
    return err;
}

static enum err session_send_restart(struct session *s, struct slice from,
                                     struct slice lang)
{
    enum err err = stream_restart(s->stream, from, lang);

    return err == ERR_CLOSED ? ERR_OK : err; /* the end is under way */
}

/* What was said before a restart that is due has told what to say. */
static enum err restart_as_kept(struct session *s)
{
    enum err err = session_send_restart(s, slice_of(s->login.from),
                                        slice_of(s->login.lang));

    login_forget_restart(&s->login);
    return err;
}

enum err session_release(struct session *s)
{
    enum login_act what = LOGIN_PASS;
    enum err err = ERR_OK;
    struct element e;

    while (err == ERR_OK && what == LOGIN_PASS) {
        what = login_next(&s->login, &e);
        if (what == LOGIN_RESTART)
            return restart_as_kept(s);
        if (what != LOGIN_PASS)
            return ERR_OK;
        err = session_send_pass(s, e.bytes);
        login_drop(&s->login);
    }
    return err == ERR_CLOSED ? ERR_OK : err;
}

void session_return_kept(struct session *s)
{
    struct element answer = {.type = ELEMENT_TYPE_ERROR};
    struct element e;
    struct buf bytes;

    buf_init(&bytes, BOUNCE_MAX_BYTES);
    while (s->state != SESSION_ENDED && early_peek(&s->login.kept, &e)) {
        buf_clear(&bytes, BOUNCE_MAX_BYTES);
        answer.kind = e.kind;
        if (bounce_write_unsent(&bytes, s->host->env.pool, &e)) {
            answer.bytes = buf_slice(&bytes);
            s->up->element(s->owner, &answer);
        }
        login_drop(&s->login);
    }
    buf_free(&bytes);
}

/* H26: the client's own stream error ends the stream. */
static enum err session_send_give_up(struct session *s, const struct element *e)
{
    enum err err = ERR_OK;

    if (s->login.state != LOGIN_OPENING)
        err = session_send_pass(s, e->bytes);
    session_close(s);
    return err;
}

enum err session_send(struct session *s, const struct element *e)
{
    enum login_act what;
    enum err err;

    if (s->state == SESSION_ENDED)
        return ERR_CLOSED;
    if (is_forbidden(e->kind))
        return ERR_INVALID;
    if (e->bytes.len > element_max(s, e))
        return refuse_size(s, element_max(s, e));
    if (e->kind == ELEMENT_STARTTLS || e->kind == ELEMENT_COMPRESS)
        return answer_locally(s, e);
    if (e->kind == ELEMENT_ERROR)
        return session_send_give_up(s, e);
    what = login_send(&s->login, e);
    if (what == LOGIN_PASS)
        return session_send_pass(s, e->bytes);
    err = session_send_keep(s, e);
    if (err == ERR_OK && what == LOGIN_KEEP_AND_RESTART)
        err = session_send_restart(s, SLICE(""), SLICE(""));
    return err;
}

enum err session_restart(struct session *s, struct slice from,
                         struct slice lang)
{
    struct domain_name name;

    if (s->state == SESSION_ENDED)
        return ERR_CLOSED;
    if (domain_normalise(&name, slice_of(s->domain)) != ERR_OK)
        return ERR_SYSTEM;
    from = admit_from(from, &name);
    lang = admit_lang(lang);
    switch (login_ask(&s->login)) {
    case LOGIN_RESTART:
        return session_send_restart(s, from, lang);
    case LOGIN_KEEP:
        return login_keep_restart(&s->login, from, lang);
    case LOGIN_TOO_EARLY:
        return ERR_MISSING;
    case LOGIN_TOO_LATE:
        return ERR_INVALID;
    case LOGIN_PASS:
    case LOGIN_KEEP_AND_RESTART:
    case LOGIN_RELEASE:
    case LOGIN_RETURN:
    case LOGIN_SWALLOW:
        break;
    }
    return ERR_OK;
}
