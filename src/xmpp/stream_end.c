#include "stream_int.h"

#include "stream_scratch.h"
#include "xmpp/xml_write.h"
#include "base/log.h"
#include "base/metrics.h"

#include <stdio.h>
#include <stdlib.h>

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
