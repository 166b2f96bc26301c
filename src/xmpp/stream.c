#include "xmpp/stream.h"

#include "stream_int.h"
#include "xmpp/stream_header.h"
#include "xmpp/stream_scratch.h"
#include "xmpp/xml_write.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/metrics.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

/* Our own header: a domain, a JID and a language, escaped. */
#define HEADER_MAX_BYTES 32768

static void on_ready(void *owner, bool is_secured);
static void on_secured(void *owner);
static void on_received(void *owner, const char *at, size_t len);
static void on_drained(void *owner);
static void on_ended(void *owner, enum upstream_end why);
static void on_timer(void *arg);

static const struct upstream_ops upstream_ops = {
    .ready = on_ready,
    .secured = on_secured,
    .received = on_received,
    .drained = on_drained,
    .ended = on_ended,
};

/* Streams of this thread that say goodbye on their own. */
static _Thread_local struct stream *released;

const char *stream_end_name(enum stream_end why)
{
    static const char *const name[] = {
        [STREAM_END_CLOSED] = "closed",   [STREAM_END_ERROR] = "stream-error",
        [STREAM_END_CONNECT] = "connect", [STREAM_END_LOST] = "lost",
        [STREAM_END_BAD_XML] = "bad-xml", [STREAM_END_TOO_BIG] = "too-big",
        [STREAM_END_NOMEM] = "no-memory",
    };

    return name[why];
}

/* The only place that writes s->state, and that sets its timer. */
void stream_enter(struct stream *s, enum stream_state next)
{
    static const struct {
        const char *name;
        unsigned from;
    } arrow[] = {
        [STREAM_CONNECTING] = {"connecting", BEFORE},
        [STREAM_HEADER] = {"header",
                           BIT(STREAM_CONNECTING) | BIT(STREAM_SECURING)},
        [STREAM_FEATURES_BEFORE_TLS] = {"features-before-tls",
                                        BIT(STREAM_HEADER)},
        [STREAM_PROCEED] = {"proceed", BIT(STREAM_FEATURES_BEFORE_TLS)},
        [STREAM_SECURING] = {"securing", BIT(STREAM_PROCEED)},
        [STREAM_OPEN] = {"open", BIT(STREAM_HEADER) | BIT(STREAM_RESTARTING)},
        [STREAM_RESTARTING] = {"restarting", BIT(STREAM_OPEN)},
        [STREAM_CLOSING] = {"closing", BEFORE | OPENED},
        [STREAM_CLOSED] = {"closed", BEFORE | OPENED | BIT(STREAM_CLOSING)},
    };
    unsigned wait_ms = next == STREAM_CLOSING ? s->close_ms : s->header_ms;

    assert(stream_is_in(s, arrow[next].from));
    log_trace(s->log, "stream.state from=%s to=%s", arrow[s->state].name,
              arrow[next].name);
    s->state = next;
    if (stream_is_in(s, BIT(STREAM_HEADER) | BIT(STREAM_FEATURES_BEFORE_TLS) |
                            BIT(STREAM_PROCEED) | BIT(STREAM_RESTARTING) |
                            BIT(STREAM_CLOSING)))
        timer_set(&s->timer, wait_ms);
    else
        timer_stop(&s->timer);
}

/* --- Ending --------------------------------------------------------------- */

static void destroy(void *arg)
{
    struct stream *s = arg;

    xml_stream_free(s->xml);
    stream_scratch_give(s->scratch);
    buf_free(&s->carry);
    free(s->from);
    free(s->lang);
    free(s->server_lang);
    free(s);
    stream_scratch_leave();
}

static void forget(struct stream *s)
{
    if (s->self != NULL) {
        *s->self = s->next;
        if (s->next != NULL)
            s->next->self = s->self;
    }
    loop_defer(s->loop, &s->gone, destroy, s);
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

/* The last word is sent where there is one, and never into a handshake. */
void stream_finish(struct stream *s, enum stream_end why,
                   const struct element *error)
{
    struct upstream *up = s->up;
    bool was_open = stream_is_in(s, OPENED);

    if (was_open && (why == STREAM_END_CLOSED || why == STREAM_END_ERROR) &&
        stream_write_text(s, "</stream:stream>") != ERR_OK)
        log_debug(s->log, "stream.end unanswered=1");
    stream_enter(s, STREAM_CLOSED);
    drop_reader(s);
    s->up = NULL;
    if (up != NULL && why != STREAM_END_LOST && why != STREAM_END_CONNECT)
        upstream_close(up);
    else
        upstream_abort(up);

    if (why == STREAM_END_CONNECT)
        metrics_count(METRIC_UPSTREAM_FAILED);
    else if (was_open)
        metrics_count(METRIC_UPSTREAM_LOST);
    if (s->is_silent)
        forget(s);
    else
        s->ops->ended(s->owner, why, error);
}

/* This server is no good; perhaps the next one is (K12). */
void stream_fail_target(struct stream *s, const char *cause)
{
    stream_scratch_give(s->scratch);
    s->scratch = NULL;
    xml_stream_restart(s->xml);
    s->is_secured = false;
    if (upstream_next_target(s->up, cause))
        stream_enter(s, STREAM_CONNECTING);
    else
        stream_finish(s, STREAM_END_CONNECT, NULL);
}

/* What the server sent cannot be: it is told so (K50), where it may be told
 * anything: from <starttls/> on nothing but TLS may follow (K26). */
void stream_refuse(struct stream *s, enum stream_end why, const char *condition)
{
    char text[256];

    snprintf(text, sizeof(text),
             "<stream:error><%s xmlns='" NS_STREAM_ERRORS
             "'/></stream:error></stream:stream>",
             condition);
    if (!stream_is_in(s, BIT(STREAM_PROCEED) | BIT(STREAM_SECURING) |
                             BIT(STREAM_CLOSING)) &&
        stream_write_text(s, text) != ERR_OK)
        log_debug(s->log, "stream.refuse unsent=1");

    if (stream_is_in(s, BEFORE))
        stream_fail_target(s, condition);
    else
        stream_finish(s, s->state == STREAM_CLOSING ? STREAM_END_CLOSED : why,
                      NULL);
}

static void on_timer(void *arg)
{
    struct stream *s = arg;

    if (stream_is_in(s, BEFORE))
        stream_fail_target(s, "the server answers too late");
    else if (s->state == STREAM_CLOSING)
        stream_finish(s, STREAM_END_CLOSED, NULL);
    else
        stream_finish(s, STREAM_END_LOST, NULL);
}

/* --- Our header ----------------------------------------------------------- */

static enum err write_header(struct stream *s, struct slice from,
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
    if (write_header(s, slice_of(s->from), slice_of(s->lang)) != ERR_OK)
        stream_fail_target(s, "the header cannot be sent");
}

static void on_ready(void *owner, bool is_secured)
{
    struct stream *s = owner;

    s->is_secured = is_secured;
    begin_stream(s);
}

static void on_secured(void *owner)
{
    struct stream *s = owner;

    /* Nothing of the first stream is left: id, from, features (K28). */
    s->is_secured = true;
    begin_stream(s);
}

static void on_received(void *owner, const char *at, size_t len)
{
    struct stream *s = owner;
    struct buf bytes;

    if (s->carry.len == 0) {
        stream_feed(s, at, len);
        return;
    }
    buf_take(&bytes, &s->carry);
    bytes.max_bytes = SIZE_MAX;
    if (buf_append(&bytes, at, len) == ERR_OK)
        stream_feed(s, buf_at(&bytes), bytes.len);
    else
        stream_finish(s, STREAM_END_NOMEM, NULL);
    buf_free(&bytes);
}

static void on_drained(void *owner)
{
    struct stream *s = owner;

    if (stream_is_in(s, OPENED) && !s->is_silent)
        s->ops->drained(s->owner);
}

static void on_ended(void *owner, enum upstream_end why)
{
    struct stream *s = owner;

    if (s->state == STREAM_CLOSING)
        stream_finish(s, STREAM_END_CLOSED, NULL);
    else if (why == UPSTREAM_END_NOMEM)
        stream_finish(s, STREAM_END_NOMEM, NULL);
    else if (stream_is_in(s, BEFORE))
        stream_fail_target(s, upstream_end_name(why));
    else
        stream_finish(s, STREAM_END_LOST, NULL);
}

/* --- For the owner -------------------------------------------------------- */

static char *copy_of(struct slice text)
{
    return strndup(text.len == 0 ? "" : text.at, text.len);
}

static enum err connect_up(struct stream *s, const struct stream_params *p)
{
    struct upstream_params up = {
        .loop = p->env.loop,
        .resolver = p->env.resolver,
        .rule = p->rule,
        .log = p->log,
        .domain = p->domain,
        .limits = p->limits.upstream,
    };
    struct xml_limits limits = {
        .bytes_max = p->limits.stanza_max_bytes,
        .depth_max = XML_DEPTH_MAX + 1, /* the root is no element of ours */
        .attrs_max = XML_ATTRS_MAX,
        .elements_max = XML_ELEMENTS_MAX,
        .name_max_bytes = XML_NAME_MAX_BYTES,
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
    s->stanza_max_bytes = params->limits.stanza_max_bytes;
    memcpy(s->to, params->domain->unicode, len + 1);
    buf_init(&s->carry, 256);
    timer_init(&s->timer, s->loop, on_timer, s);
    stream_scratch_join();

    err = connect_up(s, params);
    if (err != ERR_OK) {
        destroy(s);
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
    if (err == ERR_OK)
        metrics_count(METRIC_STANZAS_UP);
    return err;
}

enum err stream_restart(struct stream *s, struct slice from, struct slice lang)
{
    enum err err;

    if (s->state == STREAM_RESTARTING)
        return ERR_OK;
    if (s->state != STREAM_OPEN)
        return ERR_CLOSED;
    err = write_header(s, from, lang);
    if (err != ERR_OK)
        return err;
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
    if (s->up != NULL)
        upstream_pause(s->up);
}

void stream_resume(struct stream *s)
{
    if (s->up != NULL)
        upstream_resume(s->up);
}

void stream_set_stanza_max(struct stream *s, size_t bytes)
{
    s->stanza_max_bytes = bytes;
    if (s->xml != NULL)
        xml_stream_set_bytes_max(s->xml, bytes);
}

void stream_close(struct stream *s)
{
    struct upstream *up = s->up;

    if (stream_is_in(s, BIT(STREAM_CLOSING) | BIT(STREAM_CLOSED)))
        return;
    if (stream_is_in(s, OPENED) &&
        stream_write_text(s, "</stream:stream>") == ERR_OK) {
        upstream_resume(up);
        stream_enter(s, STREAM_CLOSING);
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

    if (s == NULL)
        return;
    up = s->up;
    if (s->state != STREAM_CLOSED)
        stream_enter(s, STREAM_CLOSED);
    drop_reader(s);
    s->up = NULL;
    upstream_abort(up);
    forget(s);
}

const char *stream_describe(const struct stream *s, char *out, size_t cap)
{
    if (cap == 0)
        return "";
    out[0] = '\0';
    return s->up == NULL ? out : upstream_describe(s->up, out, cap);
}
