#include "session/session.h"

#include "base/loop.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "session/admit.h"
#include "session_host.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum session_state {
    SESSION_OPENING,       /* the server's first header is awaited */
    SESSION_NEGOTIATING,   /* stream there, login not done */
    SESSION_AUTHENTICATED, /* the server said success */
    SESSION_ENDED,         /* silent; waits for session_free */
};

struct session {
    enum session_state state;
    bool awaits_header; /* no element may be sent: it goes to `early` */
    bool is_closing;    /* session_close was called */
    bool has_login;     /* the server said success */
    bool is_managed;    /* XEP-0198 was enabled */
    bool is_resumable;
    bool is_freed;
    enum session_transport transport;
    struct session_host *host; /* borrowed: outlives every session */
    struct stream *stream;     /* owned; NULL once ended */
    struct buf early; /* elements that came before the server's header */
    char *domain;     /* owned: U-labels */
    const struct session_ops *up; /* borrowed: static in bosh.c and ws.c */
    void *owner;                  /* borrowed: passed back to up->... */
    struct timer login;
    struct session *next; /* in the host's list */
    struct session *prev;
    struct defer dead;
    uint64_t opened_ms;
    uint64_t n_up;
    uint64_t n_down;
    struct log_ctx log;
};

static void on_opened(void *arg, const struct stream_header *header);
static void on_element(void *arg, const struct element *e);
static void on_drained(void *arg);
static void on_ended(void *arg, enum stream_end why,
                     const struct element *error);
static void on_login_timeout(void *arg);

static const char *const state_name[] = {
    [SESSION_OPENING] = "opening",
    [SESSION_NEGOTIATING] = "negotiating",
    [SESSION_AUTHENTICATED] = "authenticated",
    [SESSION_ENDED] = "ended",
};

/* The only place that writes s->state. */
static void enter(struct session *s, enum session_state next)
{
    static const unsigned from[] = {
        [SESSION_OPENING] = 0,
        [SESSION_NEGOTIATING] = 1u << SESSION_OPENING,
        [SESSION_AUTHENTICATED] = 1u << SESSION_NEGOTIATING,
        [SESSION_ENDED] = 1u << SESSION_OPENING | 1u << SESSION_NEGOTIATING |
                          1u << SESSION_AUTHENTICATED,
    };

    assert(from[next] & 1u << s->state);
    log_debug(&s->log, "session.state from=%s to=%s", state_name[s->state],
              state_name[next]);
    s->state = next;
}

static void link_in(struct session *s)
{
    s->next = s->host->first;
    if (s->next != NULL)
        s->next->prev = s;
    s->host->first = s;
    s->host->count++;
}

static void unlink(struct session *s)
{
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        s->host->first = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    s->host->count--;
}

static void free_now(void *arg)
{
    struct session *s = arg;

    buf_wipe(&s->early);
    free(s->domain);
    free(s);
}

/* One line for each session that was there, with how it ended. */
static void report_end(struct session *s, enum session_end why)
{
    uint64_t now_ms = loop_now_ms(s->host->env.loop);

    metrics_count(s->transport == SESSION_BOSH ? METRIC_BOSH_ENDED
                                               : METRIC_WS_ENDED);
    log_info(&s->log,
             "session.end transport=%s domain=%s reason=%s seconds=%.1f "
             "up=%" PRIu64 " down=%" PRIu64 " login=%s",
             session_transport_name(s->transport),
             log_quote(slice_of(s->domain)).text, session_end_name(why),
             (double)(now_ms - s->opened_ms) / 1000.0, s->n_up, s->n_down,
             s->has_login ? "yes" : "no");
}

/* The way out for every session: after it, nothing calls up. */
static void end(struct session *s, enum session_end why)
{
    report_end(s, why);
    enter(s, SESSION_ENDED);
    timer_stop(&s->login);
    unlink(s);
}

/* ---- opening ---- */

static const struct stream_ops stream_ops = {
    .opened = on_opened,
    .element = on_element,
    .drained = on_drained,
    .ended = on_ended,
};

static struct session *make(struct session_host *host,
                            const struct session_params *params,
                            const struct domain_name *name,
                            const struct session_ops *ops, void *owner)
{
    struct session *s = calloc(1, sizeof(*s));
    uint32_t id;

    if (s == NULL)
        return NULL;
    s->domain = strdup(name->unicode);
    if (s->domain == NULL) {
        free(s);
        return NULL;
    }
    s->host = host;
    s->transport = params->transport;
    s->up = ops;
    s->owner = owner;
    s->awaits_header = true;
    s->opened_ms = loop_now_ms(host->env.loop);
    buf_init(&s->early, host->settings.stanza_max_bytes);
    timer_init(&s->login, host->env.loop, on_login_timeout, s);
    /* The sid is a secret; lines of one session share a number of its own. */
    secret_random(&id, sizeof(id));
    log_ctx_init(&s->log, "s=%08" PRIx32 " c=%s ", id,
                 addr_format_host(params->client).text);
    return s;
}

enum err session_open(struct session **out, struct session_host *host,
                      const struct session_params *params,
                      const struct session_ops *ops, void *owner,
                      enum session_end *why)
{
    struct stream_params stream = {.env = host->env};
    struct domain_name name;
    struct session *s;
    enum err err = ERR_OK;

    stream.rule = admit_domain(host, params, &name, &err, why);
    if (stream.rule == NULL)
        return err;
    *why = SESSION_END_INTERNAL;
    s = make(host, params, &name, ops, owner);
    if (s == NULL)
        return ERR_NOMEM;
    stream.limits = host->settings.stream;
    stream.domain = &name;
    stream.log = &s->log;
    stream.from = admit_from(params->from, &name);
    stream.lang = admit_lang(params->lang);
    err = stream_open(&s->stream, &stream, &stream_ops, s);
    if (err != ERR_OK) {
        free_now(s);
        return err;
    }
    link_in(s);
    timer_set(&s->login, host->settings.authenticate_ms);
    metrics_count(s->transport == SESSION_BOSH ? METRIC_BOSH_OPENED
                                               : METRIC_WS_OPENED);
    log_info(&s->log, "session.start transport=%s domain=%s secure=%s",
             session_transport_name(s->transport),
             log_quote(slice_of(s->domain)).text,
             params->is_secure ? "yes" : "no");
    *out = s;
    return ERR_OK;
}

/* ---- from the server ---- */

static void fail(struct session *s, enum session_end why,
                 const struct element *error)
{
    struct stream *stream = s->stream;

    s->stream = NULL;
    end(s, why);
    s->up->ended(s->owner, why, error);
    stream_abort(stream);
}

static void on_opened(void *arg, const struct stream_header *header)
{
    struct session *s = arg;
    struct buf early = s->early;
    enum err err = ERR_OK;

    if (s->state == SESSION_OPENING)
        enter(s, SESSION_NEGOTIATING);
    s->awaits_header = false;
    buf_init(&s->early, early.max_bytes);
    s->up->opened(s->owner, header);
    if (early.len > 0 && s->state != SESSION_ENDED)
        err = stream_send(s->stream, buf_slice(&early));
    buf_wipe(&early);
    if (err != ERR_OK)
        fail(s, SESSION_END_INTERNAL, NULL);
}

static void authenticated(struct session *s)
{
    if (s->state != SESSION_NEGOTIATING)
        return;
    enter(s, SESSION_AUTHENTICATED);
    s->has_login = true;
    timer_stop(&s->login);
    stream_set_stanza_max(s->stream, s->host->settings.stanza_max_bytes);
}

/* What passes by is relayed whatever it is; a few things are noted. */
static void observe(struct session *s, const struct element *e)
{
    /* No server sends a message or a presence to a stream that is not logged
     * in; so a login without SASL (XEP-0078) shows. */
    if (e->kind == ELEMENT_SUCCESS || e->kind == ELEMENT_SASL2_SUCCESS ||
        e->kind == ELEMENT_MESSAGE || e->kind == ELEMENT_PRESENCE)
        authenticated(s);
    if (e->kind == ELEMENT_SM_ENABLED || e->kind == ELEMENT_SM_RESUMED)
        s->is_managed = true;
    if (e->is_resumable || e->kind == ELEMENT_SM_RESUMED)
        s->is_resumable = true;
}

static void on_element(void *arg, const struct element *e)
{
    struct session *s = arg;

    observe(s, e);
    s->n_down++;
    s->up->element(s->owner, e);
}

static void on_drained(void *arg)
{
    struct session *s = arg;

    s->up->drained(s->owner);
}

static enum session_end end_of(const struct session *s, enum stream_end why)
{
    switch (why) {
    case STREAM_END_CLOSED:
        return s->is_closing ? SESSION_END_CLIENT_CLOSED
                             : SESSION_END_SERVER_CLOSED;
    case STREAM_END_ERROR:
        return SESSION_END_SERVER_ERROR;
    case STREAM_END_CONNECT:
        return SESSION_END_SERVER_UNREACHABLE;
    case STREAM_END_LOST:
        return s->is_closing ? SESSION_END_CLIENT_CLOSED
                             : SESSION_END_SERVER_LOST;
    case STREAM_END_BAD_XML:
    case STREAM_END_TOO_BIG:
        return SESSION_END_SERVER_INVALID;
    case STREAM_END_NOMEM:
        return SESSION_END_INTERNAL;
    }
    return SESSION_END_INTERNAL;
}

static void on_ended(void *arg, enum stream_end why,
                     const struct element *error)
{
    struct session *s = arg;

    fail(s, end_of(s, why), error);
}

static void on_login_timeout(void *arg)
{
    struct session *s = arg;
    struct stream *stream = s->stream;

    s->stream = NULL;
    end(s, SESSION_END_LOGIN_TIMEOUT);
    stream_release(stream);
    s->up->ended(s->owner, SESSION_END_LOGIN_TIMEOUT, NULL);
}

/* ---- from the client ---- */

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

bool session_is_congested(const struct session *s)
{
    return s->stream != NULL && stream_is_congested(s->stream);
}

void session_pause(struct session *s)
{
    if (s->stream != NULL)
        stream_pause(s->stream);
}

void session_resume(struct session *s)
{
    if (s->stream != NULL)
        stream_resume(s->stream);
}

bool session_is_open(const struct session *s)
{
    return s->state == SESSION_NEGOTIATING || s->state == SESSION_AUTHENTICATED;
}

bool session_is_authenticated(const struct session *s)
{
    return s->has_login;
}

bool session_is_managed(const struct session *s)
{
    return s->is_managed || s->is_resumable;
}

bool session_is_resumable(const struct session *s)
{
    return s->is_resumable;
}

const char *session_domain(const struct session *s)
{
    return s->domain;
}

struct log_ctx *session_log(struct session *s)
{
    return &s->log;
}

size_t session_stanza_max(const struct session *s)
{
    return s->state == SESSION_AUTHENTICATED
               ? s->host->settings.stanza_max_bytes
               : s->host->settings.stream.stanza_max_bytes;
}

/* ---- endings ---- */

void session_close(struct session *s)
{
    if (s->state == SESSION_ENDED || s->is_closing)
        return;
    s->is_closing = true;
    stream_close(s->stream);
}

void session_end(struct session *s, enum session_end why, bool is_graceful)
{
    struct stream *stream;

    if (s == NULL)
        return;
    stream = s->stream;
    s->stream = NULL;
    if (s->state != SESSION_ENDED)
        end(s, why);
    if (stream != NULL && is_graceful)
        stream_release(stream);
    else
        stream_abort(stream);
    session_free(s);
}

void session_free(struct session *s)
{
    if (s == NULL || s->is_freed)
        return;
    assert(s->state == SESSION_ENDED);
    s->is_freed = true;
    loop_defer(s->host->env.loop, &s->dead, free_now, s);
}

void session_shutdown_all(struct session_host *host)
{
    struct session *s = host->first;
    struct session *next;

    for (; s != NULL; s = next) {
        next = s->next; /* memory stays until the end of the turn */
        s->up->shutdown(s->owner);
    }
}
