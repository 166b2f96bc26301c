#include "xmpp/stream.h"

#include "stream_int.h"
#include "stream_header.h"
#include "stream_scratch.h"
#include "xmpp/xml_write.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"
#include "xml_stream.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

/* Our own header: a domain, a JID and a language, escaped. */
#define HEADER_MAX_BYTES 32768

static void stream_on_ready(void *owner, bool is_secured);
static void stream_on_secured(void *owner);
static void stream_on_received(void *owner, const char *at, size_t len);
static void stream_on_drained(void *owner);
static void stream_on_ended(void *owner, enum upstream_end why);
static void stream_on_timer(void *arg);
static void stream_on_idle(void *arg);

static const struct upstream_ops upstream_ops = {
    .ready = stream_on_ready,
    .secured = stream_on_secured,
    .received = stream_on_received,
    .drained = stream_on_drained,
    .ended = stream_on_ended,
};

/* The only place that writes s->state, and that sets its timer. */
void stream_enter(struct stream *s, enum stream_state next)
{
    static const struct {
        const char *name;
        unsigned from;
    } arrow[] = {
        [STREAM_CONNECTING] = {"connecting", BEFORE | BIT(STREAM_FEATURES)},
        [STREAM_HEADER] = {"header",
                           BIT(STREAM_CONNECTING) | BIT(STREAM_SECURING)},
        [STREAM_FEATURES_BEFORE_TLS] = {"features-before-tls",
                                        BIT(STREAM_HEADER)},
        [STREAM_PROCEED] = {"proceed", BIT(STREAM_FEATURES_BEFORE_TLS)},
        [STREAM_SECURING] = {"securing", BIT(STREAM_PROCEED)},
        [STREAM_FEATURES] = {"features", BIT(STREAM_HEADER) |
                                             BIT(STREAM_FEATURES_BEFORE_TLS) |
                                             BIT(STREAM_RESTARTING)},
        [STREAM_OPEN] = {"open", BIT(STREAM_HEADER) | BIT(STREAM_FEATURES) |
                                     BIT(STREAM_RESTARTING)},
        [STREAM_RESTARTING] = {"restarting",
                               BIT(STREAM_FEATURES) | BIT(STREAM_OPEN)},
        [STREAM_CLOSING] = {"closing", BEFORE | OPENED},
        [STREAM_CLOSED] = {"closed", BEFORE | OPENED | BIT(STREAM_CLOSING)},
    };
    unsigned wait_ms = next == STREAM_CLOSING ? s->close_ms : s->header_ms;

    assert(stream_is_in(s, arrow[next].from));
    log_trace(s->log, "stream.state from=%s to=%s", arrow[s->state].name,
              arrow[next].name);
    s->state = next;
    if (stream_is_in(s, BIT(STREAM_HEADER) | BIT(STREAM_FEATURES_BEFORE_TLS) |
                            BIT(STREAM_PROCEED) | BIT(STREAM_FEATURES) |
                            BIT(STREAM_RESTARTING) | BIT(STREAM_CLOSING)))
        timer_set(&s->timer, wait_ms);
    else
        timer_stop(&s->timer);
    if (!stream_is_in(s, OPENED))
        timer_stop(&s->idle);
    if (next == STREAM_CLOSED)
        loop_undefer(&s->resume);
}

static void stream_on_timer(void *arg)
{
    struct stream *s = arg;

    /* What is awaited may be among what the owner does not take yet. */
    if (s->is_paused && stream_is_in(s, OPENED))
        timer_set(&s->timer, s->header_ms);
    else if (stream_is_in(s, BEFORE))
        stream_fail_target(s, "the server answers too late");
    else if (s->state == STREAM_CLOSING)
        stream_finish(s, STREAM_END_CLOSED, NULL);
    else
        stream_lose(s, "the server sends no features");
}

/* A space is nothing between two elements (RFC 6120 section 4.6.1), and tells
 * those on the way that the connection is used.  Whatever the owner sends
 * does that too (K46). */
static void stream_on_idle(void *arg)
{
    struct stream *s = arg;
    uint64_t quiet_ms = loop_now_ms(s->loop) - s->sent_ms;

    if (quiet_ms < s->keepalive_ms) {
        timer_set(&s->idle, s->keepalive_ms - quiet_ms);
        return;
    }
    if (s->state == STREAM_OPEN && !stream_is_congested(s) &&
        stream_write_text(s, " ") != ERR_OK)
        log_debug(s->log, "stream.keepalive unsent=1");
    timer_set(&s->idle, s->keepalive_ms);
}

/* --- Our header ----------------------------------------------------------- */

static enum err stream_write_header(struct stream *s, struct slice from,
                                    struct slice lang)
{
    bool is_private = s->is_secured || upstream_mode(s->up) == UPSTREAM_PLAIN;
    struct buf text;
    struct slice part;
    enum err err;

    buf_init(&text, HEADER_MAX_BYTES);
    /* Who logs in is nobody's business before TLS (RFC 6120 section 4.7.1);
     * without TLS by configuration there is no better moment. */
    err =
        stream_header_write(&text, s->to, is_private ? from : SLICE(""), lang);
    part = buf_slice(&text);
    if (err == ERR_OK)
        err = upstream_write(s->up, &part, 1);
    buf_free(&text);
    return err;
}

static void begin_stream(struct stream *s)
{
    xml_stream_restart(s->xml);
    stream_enter(s, STREAM_HEADER);
    if (stream_write_header(s, slice_of(s->from), slice_of(s->lang)) != ERR_OK)
        stream_fail_target(s, "the header cannot be sent");
}

static void stream_on_ready(void *owner, bool is_secured)
{
    struct stream *s = owner;

    s->is_secured = is_secured;
    begin_stream(s);
}

static void stream_on_secured(void *owner)
{
    struct stream *s = owner;

    /* Nothing of the first stream is left: id, from, features (K28). */
    s->is_secured = true;
    begin_stream(s);
}

static void stream_on_received(void *owner, const char *at, size_t len)
{
    struct stream *s = owner;
    struct buf bytes;

    if (s->carry.len == 0) {
        stream_feed(s, at, len);
        return;
    }
    buf_take(&bytes, &s->carry);
    bytes.max_bytes = UINT32_MAX;
    if (buf_append(&bytes, at, len) == ERR_OK)
        stream_feed(s, buf_at(&bytes), bytes.len);
    else
        stream_finish(s, STREAM_END_NOMEM, NULL);
    buf_free(&bytes);
}

static void stream_on_drained(void *owner)
{
    struct stream *s = owner;

    if (stream_is_in(s, OPENED) && !s->is_silent)
        s->ops->drained(s->owner);
}

static void lose(struct stream *s, enum upstream_end why)
{
    if (stream_is_in(s, OPENED))
        log_info(s->log, "stream.lost why=%s", upstream_end_name(why));
    if (s->state == STREAM_CLOSING)
        stream_finish(s, STREAM_END_CLOSED, NULL);
    else if (why == UPSTREAM_END_NOMEM)
        stream_finish(s, STREAM_END_NOMEM, NULL);
    else if (stream_is_in(s, BEFORE))
        stream_fail_target(s, upstream_end_name(why));
    else
        stream_lose(s, upstream_end_name(why));
}

static void stream_on_ended(void *owner, enum upstream_end why)
{
    struct stream *s = owner;

    if (s->held.len == 0) {
        lose(s, why);
        return;
    }
    s->is_lost = true;
    s->lost_why = why;
}

/* --- Pauses --------------------------------------------------------------- */

static void on_resume(void *arg)
{
    struct stream *s = arg;
    struct buf bytes;

    if (s->is_paused)
        return;
    buf_take(&bytes, &s->held);
    if (bytes.len > 0)
        stream_feed(s, buf_at(&bytes), bytes.len);
    buf_free(&bytes);
    if (s->state == STREAM_CLOSED || s->held.len > 0)
        return;
    if (s->is_lost) {
        s->is_lost = false;
        lose(s, s->lost_why);
    } else if (!s->is_paused) {
        upstream_resume(s->up);
    }
}

void stream_resume_soon(struct stream *s)
{
    s->is_paused = false;
    if (s->held.len > 0 || s->is_lost)
        loop_defer(s->loop, &s->resume, on_resume, s);
    else
        upstream_resume(s->up);
}

/* --- For the owner -------------------------------------------------------- */

static char *copy_of(struct slice text)
{
    return strndup(text.len == 0 ? "" : text.at, text.len);
}

static enum err connect_up(struct stream *s, const struct stream_params *p)
{
    struct upstream_params up = {
        .shared = p->env.shared,
        .loop = p->env.loop,
        .resolver = p->env.resolver,
        .rule = p->rule,
        .log = p->log,
        .domain = p->domain,
        .asked_host = p->asked_host,
        .asked_port = p->asked_port,
        .client = p->client,
        .limits = p->limits.upstream,
    };
    struct xml_limits limits = {
        .bytes_max = s->element_max_bytes,
        .depth_max = XML_SERVER_DEPTH_MAX + 1, /* with the root */
        .attrs_max = XML_SERVER_ATTRS_MAX,
        .elements_max = UINT_MAX, /* they cost no memory but their bytes */
        .name_max_bytes = XML_SERVER_NAME_MAX_BYTES,
    };
    enum err err;

    s->from = copy_of(p->from);
    s->lang = copy_of(p->lang);
    if (s->from == NULL || s->lang == NULL)
        return ERR_NOMEM;
    err = xml_stream_new(&s->xml, p->env.pool, &limits, &stream_xml_handler, s);
    if (err != ERR_OK)
        return err;
    return upstream_open(&s->up, &up, &upstream_ops, s);
}

enum err stream_open(struct stream **out, const struct stream_params *params,
                     const struct stream_ops *ops, void *owner)
{
    size_t len = strlen(params->domain->unicode);
    struct stream *s = calloc(1, sizeof(*s) + len + 1);
    enum err err;

    if (s == NULL)
        return ERR_NOMEM;
    s->ops = ops;
    s->owner = owner;
    s->loop = params->env.loop;
    s->log = params->log;
    s->header_ms = params->limits.header_ms;
    s->close_ms = params->limits.close_ms;
    s->keepalive_ms = params->limits.keepalive_ms;
    s->strips_plain = params->strips_plain;
    s->pool = params->env.pool;
    s->element_limit_bytes = params->limits.element_max_bytes;
    s->element_max_bytes = s->element_limit_bytes < STREAM_LOGIN_MAX_BYTES
                               ? s->element_limit_bytes
                               : STREAM_LOGIN_MAX_BYTES;
    memcpy(s->to, params->domain->unicode, len + 1);
    buf_init(&s->carry, STREAM_AHEAD_MAX_BYTES);
    buf_init(&s->held, STREAM_HELD_MAX_BYTES);
    timer_init(&s->timer, s->loop, stream_on_timer, s);
    timer_init(&s->idle, s->loop, stream_on_idle, s);
    stream_scratch_join();

    err = connect_up(s, params);
    if (err != ERR_OK) {
        stream_destroy(s);
        return err;
    }
    *out = s;
    return ERR_OK;
}

enum err stream_send(struct stream *s, struct slice elements)
{
    enum err err;

    if (!stream_is_in(s, OPENED))
        return ERR_CLOSED;
    err = upstream_write(s->up, &elements, 1);
    if (err != ERR_OK)
        return err;
    s->has_sent = true;
    s->sent_ms = loop_now_ms(s->loop);
    metrics_count(METRIC_STANZAS_UP);
    return ERR_OK;
}

enum err stream_restart(struct stream *s, struct slice from, struct slice lang)
{
    enum err err;

    if (s->state == STREAM_RESTARTING)
        return ERR_OK;
    if (!stream_is_in(s, OPENED))
        return ERR_CLOSED;
    err = stream_write_header(s, from, lang);
    if (err != ERR_OK)
        return err;
    s->has_sent = true; /* this is the server that the client talks to */
    s->is_restarting = true;
    stream_enter(s, STREAM_RESTARTING);
    return ERR_OK;
}

bool stream_is_congested(const struct stream *s)
{
    return s->up != NULL && upstream_is_congested(s->up);
}

void stream_pause(struct stream *s)
{
    if (s->up == NULL)
        return;
    s->is_paused = true;
    upstream_pause(s->up);
}

void stream_resume(struct stream *s)
{
    if (s->up != NULL)
        stream_resume_soon(s);
}

void stream_keep_alive(struct stream *s)
{
    if (s->keepalive_ms == 0 || !stream_is_in(s, OPENED) ||
        timer_is_set(&s->idle))
        return;
    s->sent_ms = loop_now_ms(s->loop);
    timer_set(&s->idle, s->keepalive_ms);
}

void stream_set_authenticated(struct stream *s)
{
    s->element_max_bytes = s->element_limit_bytes;
    if (s->xml != NULL)
        xml_stream_set_bytes_max(s->xml, s->element_max_bytes);
}

const char *stream_describe(const struct stream *s, char *out, size_t cap)
{
    if (cap == 0)
        return "";
    out[0] = '\0';
    return s->up == NULL ? out : upstream_describe(s->up, out, cap);
}

/* --- Endings ---------------------------------------------------------------
 */

/* Streams of this thread that say goodbye on their own. */
static _Thread_local struct stream *released;

#define CAUSE_BYTES 160

const char *stream_end_name(enum stream_end why)
{
    static const char *const name[] = {
        [STREAM_END_CLOSED] = "closed",   [STREAM_END_ERROR] = "stream-error",
        [STREAM_END_CONNECT] = "connect", [STREAM_END_LOST] = "lost",
        [STREAM_END_BUSY] = "busy",       [STREAM_END_BAD_XML] = "bad-xml",
        [STREAM_END_TOO_BIG] = "too-big", [STREAM_END_NOMEM] = "no-memory",
    };

    return name[why];
}

void stream_destroy(void *arg)
{
    struct stream *s = arg;

    xml_stream_free(s->xml);
    stream_scratch_give(s->scratch);
    buf_free(&s->carry);
    buf_free(&s->held);
    free(s->from);
    free(s->lang);
    free(s->server_lang);
    free(s->kept);
    free(s->other_host);
    free(s);
    stream_scratch_leave();
}

static void stream_end_forget(struct stream *s)
{
    if (s->self != NULL) {
        *s->self = s->next;
        if (s->next != NULL)
            s->next->self = s->self;
    }
    loop_defer(s->loop, &s->gone, stream_destroy, s);
}

enum err stream_write_text(struct stream *s, const char *text)
{
    struct slice part = slice_of(text);

    return upstream_write(s->up, &part, 1);
}

/* At once, not at the end of the turn: the pool may go before the loop does.
 * From inside a handler the reader lives on until it returns. */
static void drop_reader(struct stream *s)
{
    struct xml_stream *xml = s->xml;

    s->xml = NULL;
    xml_stream_free(xml);
}

/* What was learnt of this connection counts no more (K28). */
void stream_forget_server(struct stream *s)
{
    stream_scratch_give(s->scratch);
    s->scratch = NULL;
    free(s->kept);
    s->kept = NULL;
    buf_free(&s->held);
    s->is_lost = false;
    xml_stream_restart(s->xml);
    s->is_secured = false;
}

/* The last word is sent where there is one, and never into a handshake. */
void stream_finish(struct stream *s, enum stream_end why,
                   const struct element *error)
{
    struct upstream *up = s->up;
    bool was_open = stream_is_in(s, OPENED);
    bool is_connected = why != STREAM_END_CONNECT;
    char cause[CAUSE_BYTES] = "";

    if (up != NULL && !is_connected) {
        snprintf(cause, sizeof(cause), "%s", upstream_cause(up));
        if (upstream_is_busy(up))
            why = STREAM_END_BUSY;
    }
    if (was_open && (why == STREAM_END_CLOSED || why == STREAM_END_ERROR) &&
        stream_write_text(s, "</stream:stream>") != ERR_OK)
        log_debug(s->log, "stream.end unanswered=1");
    stream_enter(s, STREAM_CLOSED);
    drop_reader(s);
    s->up = NULL;
    if (up != NULL && why != STREAM_END_LOST && (was_open || is_connected))
        upstream_close(up);
    else
        upstream_abort(up);

    if (!is_connected)
        metrics_count(METRIC_UPSTREAM_FAILED);
    else if (was_open)
        metrics_count(METRIC_UPSTREAM_LOST);
    if (s->is_silent) {
        stream_end_forget(s);
    } else {
        s->cause = cause; /* s outlives this turn */
        s->ops->ended(s->owner, why, error);
        s->cause = NULL;
    }
}

const char *stream_cause(const struct stream *s)
{
    return s->cause == NULL ? "" : s->cause;
}

/* This server is no good; perhaps the next one is (K12). */
void stream_fail_target(struct stream *s, const char *cause)
{
    stream_forget_server(s);
    if (upstream_next_target(s->up, cause))
        stream_enter(s, STREAM_CONNECTING);
    else
        stream_finish(s, STREAM_END_CONNECT, NULL);
}

/* Nobody relies on a server that has shown no features and was told nothing of
 * the owner's: the next one will do as well. */
static bool may_leave(const struct stream *s)
{
    return s->state == STREAM_FEATURES && !s->is_settled && !s->has_sent;
}

void stream_lose(struct stream *s, const char *cause)
{
    if (may_leave(s)) {
        stream_forget_server(s);
        if (upstream_next_target(s->up, cause)) {
            stream_enter(s, STREAM_CONNECTING);
            s->ops->moved(s->owner);
            return;
        }
    }
    stream_finish(s, STREAM_END_LOST, NULL);
}

/* For the owner's side: the same condition. */
static struct slice write_refusal(char *text, size_t cap, const char *condition)
{
    int len = snprintf(
        text, cap,
        "<stream:error xmlns:stream=\"" NS_STREAMS
        "\"><%s xmlns=\"" NS_STREAM_ERRORS "\"/><text xmlns=\"" NS_STREAM_ERRORS
        "\" xml:lang=\"en\">The server sent what no stream may hold</text>"
        "</stream:error>",
        condition);

    return (struct slice){text, (size_t)len};
}

/* What the server sent cannot be: it is told so (K50), where it may be told
 * anything: from <starttls/> on nothing but TLS may follow (K26). */
void stream_refuse(struct stream *s, enum stream_end why, const char *condition)
{
    char text[512];
    struct element error = {
        .kind = ELEMENT_ERROR,
        .error_condition = slice_of(condition),
    };

    log_info(s->log, "stream.refused condition=%s", condition);
    snprintf(text, sizeof(text),
             "<stream:error><%s xmlns='" NS_STREAM_ERRORS
             "'/></stream:error></stream:stream>",
             condition);
    if (!stream_is_in(s, BIT(STREAM_PROCEED) | BIT(STREAM_SECURING) |
                             BIT(STREAM_CLOSING)) &&
        stream_write_text(s, text) != ERR_OK)
        log_debug(s->log, "stream.refuse unsent=1");

    if (stream_is_in(s, BEFORE)) {
        stream_fail_target(s, condition);
    } else if (s->state == STREAM_CLOSING) {
        stream_finish(s, STREAM_END_CLOSED, NULL);
    } else {
        error.bytes = write_refusal(text, sizeof(text), condition);
        stream_finish(s, why,
                      why == STREAM_END_BAD_XML || why == STREAM_END_TOO_BIG
                          ? &error
                          : NULL);
    }
}

void stream_close(struct stream *s)
{
    struct upstream *up = s->up;

    if (stream_is_in(s, BIT(STREAM_CLOSING) | BIT(STREAM_CLOSED)))
        return;
    /* What a lost connection has left is still delivered. */
    if (stream_is_in(s, OPENED) &&
        (s->is_lost || stream_write_text(s, "</stream:stream>") == ERR_OK)) {
        stream_enter(s, STREAM_CLOSING);
        stream_resume_soon(s);
        return;
    }
    /* There is no stream to close, or no way to say so. */
    s->up = NULL;
    upstream_abort(up);
    stream_enter(s, STREAM_CLOSING);
    timer_set(&s->timer, 0);
}

void stream_release(struct stream *s)
{
    if (stream_is_in(s, OPENED))
        stream_close(s);
    if (s->state != STREAM_CLOSING) {
        stream_abort(s);
        return;
    }
    s->is_silent = true;
    s->log = NULL; /* its owner's */
    if (s->up != NULL)
        upstream_settle(s->up); /* which knows the log, too */
    stream_scratch_give(s->scratch);
    s->scratch = NULL;
    s->next = released;
    s->self = &released;
    if (s->next != NULL)
        s->next->self = &s->next;
    released = s;
}

void stream_end_released(void)
{
    while (released != NULL)
        stream_finish(released, STREAM_END_LOST, NULL);
}

void stream_abort(struct stream *s)
{
    struct upstream *up;
    bool was_open;

    if (s == NULL)
        return;
    up = s->up;
    was_open = stream_is_in(s, OPENED);
    if (s->state != STREAM_CLOSED)
        stream_enter(s, STREAM_CLOSED);
    drop_reader(s);
    s->up = NULL;
    if (was_open)
        upstream_leave(up);
    else
        upstream_abort(up);
    stream_end_forget(s);
}
