#include "session/session.h"

#include "base/loop.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "admit.h"
#include "session_int.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include "bounce.h"
#include "xmpp/xml_write.h"

#define IQ_AUTH_FEATURES                                                       \
    "<stream:features xmlns:stream=\"" NS_STREAMS                              \
    "\"><auth xmlns=\"http://jabber.org/features/iq-auth\"/>"                  \
    "</stream:features>"

static void session_on_opened(void *arg, const struct stream_header *header);
static void on_moved(void *arg);
static void session_on_element(void *arg, const struct element *e);
static void session_on_drained(void *arg);
static void session_on_ended(void *arg, enum stream_end why,
                             const struct element *error);
static void on_login_timeout(void *arg);
static void set_login_timer(struct session *s);

static const char *const state_name[] = {
    [SESSION_OPENING] = "opening",
    [SESSION_NEGOTIATING] = "negotiating",
    [SESSION_AUTHENTICATED] = "authenticated",
    [SESSION_ENDED] = "ended",
};

static const char *const end_name[] = {
#define SESSION_END_NAME(name, text) [SESSION_END_##name] = text,
    SESSION_ENDS(SESSION_END_NAME)
#undef SESSION_END_NAME
};

static const char *const transport_name[] = {
    [SESSION_BOSH] = "bosh",
    [SESSION_WEBSOCKET] = "websocket",
};

const char *session_transport_name(enum session_transport transport)
{
    return transport_name[transport];
}

const char *session_end_name(enum session_end why)
{
    return why < SESSION_END_COUNT ? end_name[why] : "?";
}

/* The only place that writes s->state. */
static void session_enter(struct session *s, enum session_state next)
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
    trim_note(&s->host->trim, ++s->host->count);
}

static void session_unlink(struct session *s)
{
    if (s->prev != NULL)
        s->prev->next = s->next;
    else
        s->host->first = s->next;
    if (s->next != NULL)
        s->next->prev = s->prev;
    trim_note(&s->host->trim, --s->host->count);
    slots_give(s->host->places);
}

static void session_free_now(void *arg)
{
    struct session *s = arg;

    login_fini(&s->login);
    free(s->domain);
    free(s);
}

/* One line for each session that was there, with how it ended. */
static void report_end(struct session *s, enum session_end why)
{
    uint64_t now_ms = loop_now_ms(s->host->env.loop);

    metrics_count(s->transport == SESSION_BOSH ? METRIC_BOSH_ENDED
                                               : METRIC_WS_ENDED);
    bool has_error = s->condition.len > 0;

    log_info(&s->log,
             "session.end transport=%s domain=%s reason=%s%s%s seconds=%.1f "
             "up=%" PRIu64 " down=%" PRIu64 " login=%s",
             session_transport_name(s->transport),
             log_quote(slice_of(s->domain)).text, session_end_name(why),
             has_error ? " condition=" : "",
             has_error ? log_quote(s->condition).text : "",
             (double)(now_ms - s->opened_ms) / 1000.0, s->n_up, s->n_down,
             s->login.has_succeeded ? "yes" : "no");
}

/* The way out for every session: after it, nothing calls up. */
static void session_do_end(struct session *s, enum session_end why)
{
    report_end(s, why);
    session_enter(s, SESSION_ENDED);
    timer_stop(&s->login_timer);
    session_unlink(s);
}

/* ---- opening ---- */

static const struct stream_ops stream_ops = {
    .opened = session_on_opened,
    .moved = on_moved,
    .element = session_on_element,
    .drained = session_on_drained,
    .ended = session_on_ended,
};

static enum login_manner manner_of(const struct session_params *params)
{
    if (params->transport == SESSION_WEBSOCKET)
        return LOGIN_BY_OPEN;
    return params->is_legacy ? LOGIN_BY_ITSELF : LOGIN_BY_RESTART;
}

static struct session *session_make(struct session_host *host,
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
    s->opened_ms = loop_now_ms(host->env.loop);
    timer_init(&s->login_timer, host->env.loop, on_login_timeout, s);
    /* The sid is a secret; lines of one session share a number of its own. */
    secret_random(&id, sizeof(id));
    log_ctx_init(&s->log, "s=%08" PRIx32 " c=%s ", id,
                 addr_format_host(params->client).text);
    login_init(&s->login, manner_of(params), &s->log);
    return s;
}

enum err session_open(struct session **out, struct session_host *host,
                      const struct session_params *params,
                      const struct session_ops *ops, void *owner,
                      enum session_end *why)
{
    struct stream_params stream = {.env = host->env};
    struct domain_name name;
    char asked[ADMIT_HOST_BYTES];
    struct session *s;
    enum err err = ERR_OK;

    stream.rule = admit_domain(host, params, &name, &err, why);
    if (stream.rule == NULL)
        return err;
    *why = SESSION_END_INTERNAL;
    s = session_make(host, params, &name, ops, owner);
    if (s == NULL) {
        slots_give(host->places);
        return ERR_NOMEM;
    }
    stream.limits = host->settings.stream;
    stream.domain = &name;
    stream.log = &s->log;
    stream.from = admit_from(params->from, &name);
    stream.lang = admit_lang(params->lang);
    stream.client = params->client;
    if (admit_route(params->route, stream.rule, asked, &stream.asked_port))
        stream.asked_host = asked;
    stream.strips_plain = host->settings.strips_plain && !params->is_secure;
    err = stream_open(&s->stream, &stream, &stream_ops, s);
    if (err != ERR_OK) {
        slots_give(host->places);
        session_free_now(s);
        return err;
    }
    link_in(s);
    timer_set(&s->login_timer, host->settings.authenticate_ms);
    metrics_count(s->transport == SESSION_BOSH ? METRIC_BOSH_OPENED
                                               : METRIC_WS_OPENED);
    log_info(&s->log, "session.start transport=%s domain=%s secure=%s",
             session_transport_name(s->transport),
             log_quote(slice_of(s->domain)).text,
             params->is_secure ? "yes" : "no");
    *out = s;
    return ERR_OK;
}

/* --- From the client -------------------------------------------------------
 */

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
        set_login_timer(s);
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

/* What the login has kept goes to the server, as far as it may now; a restart
 * that it waits for is made.  Not ERR_OK: the session cannot go on. */
static enum err release(struct session *s)
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

static COLD void return_kept(struct session *s)
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

/* ---- from the server ---- */

static void session_fail(struct session *s, enum session_end why,
                         const struct element *error)
{
    struct stream *stream = s->stream;

    s->stream = NULL;
    session_do_end(s, why);
    if (s->host->settings.tells_cause && stream_cause(stream)[0] != '\0')
        s->cause = stream_cause(stream);
    s->up->ended(s->owner, why, error);
    s->cause = NULL;
    stream_abort(stream);
}

const char *session_cause(const struct session *s)
{
    return s->cause;
}

const char *session_limit(const struct session *s)
{
    return s->limit == NULL ? "" : s->limit;
}

/*
 * A server without version sends no features.  BOSH clients know such a one
 * by the missing version and have its id as authid; RFC 7395 has features
 * only, so they say there how one may log in (XEP-0078; K44).
 */
static void offer_iq_auth(struct session *s)
{
    static const struct element features = {
        .kind = ELEMENT_FEATURES,
        .bytes = {IQ_AUTH_FEATURES, sizeof(IQ_AUTH_FEATURES) - 1},
    };

    s->up->element(s->owner, &features);
}

static void tell_opened(struct session *s, const struct stream_header *header)
{
    bool is_websocket = s->transport == SESSION_WEBSOCKET;
    bool was_told = is_websocket && s->was_moved;

    s->was_moved = false;
    if (!was_told) /* <open/> is said once for a stream (RFC 7395) */
        s->up->opened(s->owner, header);
    if (s->state == SESSION_ENDED)
        return;
    if (s->login.has_succeeded)
        stream_keep_alive(s->stream);
    else if (is_websocket && header->version.len == 0)
        offer_iq_auth(s);
}

/* What the table of the login says is done, once the client has e. */
static void act(struct session *s, enum login_act what)
{
    enum err err = ERR_OK;

    if (s->state == SESSION_ENDED)
        return;
    if (what == LOGIN_RELEASE)
        err = release(s);
    else if (what == LOGIN_RETURN)
        return_kept(s);
    if (s->state == SESSION_ENDED)
        return;
    if (err != ERR_OK)
        session_fail(s, SESSION_END_INTERNAL, NULL);
    else
        set_login_timer(s);
}

static void session_on_opened(void *arg, const struct stream_header *header)
{
    struct session *s = arg;
    enum login_act what;

    if (s->state == SESSION_OPENING)
        session_enter(s, SESSION_NEGOTIATING);
    what = login_header(&s->login);
    tell_opened(s, header);
    act(s, what);
}

/* Another server: its header is awaited like that of a restart. */
static void on_moved(void *arg)
{
    struct session *s = arg;

    login_moved(&s->login);
    s->was_moved = true;
}

static void authenticate(struct session *s, enum element_kind kind)
{
    session_enter(s, SESSION_AUTHENTICATED);
    stream_set_authenticated(s->stream);
    /* After SASL a new stream begins first: no space may come between. */
    if (kind != ELEMENT_SUCCESS)
        stream_keep_alive(s->stream);
}

static void session_on_element(void *arg, const struct element *e)
{
    struct session *s = arg;
    enum login_act what = login_receive(&s->login, e);

    if (s->login.has_succeeded && s->state == SESSION_NEGOTIATING)
        authenticate(s, e->kind);
    s->n_down++;
    if (what != LOGIN_SWALLOW)
        s->up->element(s->owner, e);
    if (what != LOGIN_PASS || timer_is_set(&s->login_timer))
        act(s, what);
}

static void session_on_drained(void *arg)
{
    struct session *s = arg;

    s->up->drained(s->owner);
}

static enum session_end session_end_of(const struct session *s,
                                       enum stream_end why)
{
    switch (why) {
    case STREAM_END_CLOSED:
        return s->is_closing ? SESSION_END_CLIENT_CLOSED
                             : SESSION_END_SERVER_CLOSED;
    case STREAM_END_ERROR:
        return SESSION_END_SERVER_ERROR;
    case STREAM_END_CONNECT:
        return SESSION_END_SERVER_UNREACHABLE;
    case STREAM_END_BUSY:
        return SESSION_END_SERVER_BUSY;
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

static void session_on_ended(void *arg, enum stream_end why,
                             const struct element *error)
{
    struct session *s = arg;

    if (error != NULL)
        s->condition = error->error_condition;
    /* Before login all failures of a server look alike (decision 7). */
    if (why != STREAM_END_ERROR && !s->login.has_succeeded)
        error = NULL;
    session_fail(s, session_end_of(s, why), error);
}

static void on_login_timeout(void *arg)
{
    struct session *s = arg;
    struct stream *stream = s->stream;

    s->stream = NULL;
    session_do_end(s, SESSION_END_LOGIN_TIMEOUT);
    stream_release(stream);
    s->up->ended(s->owner, SESSION_END_LOGIN_TIMEOUT, NULL);
}

/* ---- for the owner ---- */

static void set_login_timer(struct session *s)
{
    if (s->login.has_succeeded && early_is_empty(&s->login.kept))
        timer_stop(&s->login_timer);
    else if (!timer_is_set(&s->login_timer))
        timer_set(&s->login_timer, s->host->settings.authenticate_ms);
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
    return s->login.has_succeeded;
}

bool session_is_managed(const struct session *s)
{
    return s->login.is_managed;
}

bool session_is_resumable(const struct session *s)
{
    return s->login.is_resumable || s->login.is_resuming;
}

const char *session_domain(const struct session *s)
{
    return s->domain;
}

struct log_ctx *session_log(struct session *s)
{
    return &s->log;
}

size_t session_early_max(const struct session *s)
{
    return s->state == SESSION_AUTHENTICATED
               ? s->host->settings.stanza_max_bytes
               : s->host->settings.stanza_max_unauthenticated_bytes;
}

size_t session_stanza_max(const struct session *s)
{
    size_t early_max = session_early_max(s);
    size_t login_max = s->host->settings.stanza_max_login_bytes;

    /* By its features the server has asked for a login. */
    return s->state == SESSION_NEGOTIATING && s->n_down > 0 &&
                   login_max > early_max
               ? login_max
               : early_max;
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
        session_do_end(s, why);
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
    loop_defer(s->host->env.loop, &s->dead, session_free_now, s);
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
