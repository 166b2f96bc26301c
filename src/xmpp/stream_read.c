#include "stream_int.h"

#include "stream_header.h"
#include "stream_scratch.h"
#include "xmpp/xml_write.h"
#include "base/log.h"
#include "base/metrics.h"
#include "xml_stream.h"

#include <stdlib.h>

static enum err stream_read_on_start(void *arg, const struct xml_tag *tag);
static enum err stream_read_on_text(void *arg, struct slice text);
static enum err stream_read_on_end(void *arg, const struct xml_name *name);
static enum err on_skipped(void *arg, const struct xml_skipped *what);

const struct xml_handler stream_xml_handler = {
    .start = stream_read_on_start,
    .end = stream_read_on_end,
    .text = stream_read_on_text,
    .skipped = on_skipped,
};

/* Stops the reader from inside; feed then does what is to be done. */
enum err stream_fault(struct stream *s, enum stream_end why,
                      const char *condition)
{
    s->fault = why;
    s->condition = condition;
    return ERR_INVALID;
}

/* What a copier answers.  ERR_LIMIT: the reader passes the element over. */
static enum err stream_read_check(struct stream *s, enum err err)
{
    if (err == ERR_OK || err == ERR_LIMIT)
        return err;
    return stream_fault(
        s, err == ERR_NOMEM ? STREAM_END_NOMEM : STREAM_END_BAD_XML,
        err == ERR_NOMEM ? "resource-constraint" : "not-well-formed");
}

/* The owner may have let go of us in a callback. */
static enum err stream_read_go_on(const struct stream *s)
{
    return s->state == STREAM_CLOSED ? ERR_CLOSED : ERR_OK;
}

static enum err take_root(struct stream *s, const struct xml_tag *tag)
{
    enum err err = stream_take_header(s, tag);

    if (err == ERR_OK && s->is_paused)
        xml_stream_hold(s->xml);
    return err;
}

static enum err stream_read_on_start(void *arg, const struct xml_tag *tag)
{
    struct stream *s = arg;
    unsigned depth;
    enum err err = ERR_OK;

    if (s->state == STREAM_CLOSED)
        return ERR_CLOSED;
    depth = xml_stream_depth(s->xml);
    if (depth == 1)
        return take_root(s, tag);
    if (s->is_silent)
        return ERR_OK;
    if (depth == 2)
        err = stream_begin_copy(s);
    if (err == ERR_OK)
        err = element_copier_start(s->scratch->copier, tag);
    if (RARELY(err == ERR_LIMIT && depth == 2))
        err = stream_reduce_copy(s, tag);
    return stream_read_check(s, err);
}

static enum err stream_read_on_text(void *arg, struct slice text)
{
    struct stream *s = arg;

    if (s->state == STREAM_CLOSED)
        return ERR_CLOSED;
    if (s->scratch == NULL)
        return ERR_OK;
    return stream_read_check(s, element_copier_text(s->scratch->copier, text));
}

static enum err stream_read_handle(struct stream *s, const struct element *e)
{
    enum err err = ERR_OK;

    if (stream_is_in(s, BIT(STREAM_FEATURES_BEFORE_TLS) | BIT(STREAM_PROCEED)))
        err = stream_take_early(s, e);
    if (err != ERR_OK || stream_is_in(s, BEFORE))
        return err;
    if (e->kind == ELEMENT_STREAM)
        return stream_fault(s, STREAM_END_BAD_XML, "bad-format");
    err = stream_take_first(s, e);
    if (err != ERR_OK)
        return err;

    if (e->kind == ELEMENT_ERROR) {
        stream_finish(s, STREAM_END_ERROR, e);
    } else {
        metrics_count(METRIC_STANZAS_DOWN);
        s->ops->element(s->owner, e);
    }
    /* Between two elements it must be seen where the new stream begins. */
    if ((s->is_restarting || s->is_paused) && s->state != STREAM_CLOSED)
        xml_stream_hold(s->xml);
    return stream_read_go_on(s);
}

/* The scratch is free before the owner gets the next element, and in use while
 * it looks at this one. */
static enum err stream_read_deliver(struct stream *s, const struct element *e)
{
    struct stream_scratch *w = s->scratch;
    enum err err;

    s->scratch = NULL;
    err = stream_read_handle(s, e);
    stream_scratch_give(w);
    return err;
}

static enum err stream_read_on_end(void *arg, const struct xml_name *name)
{
    struct stream *s = arg;
    struct stream_scratch *w = s->scratch;
    struct element element;
    bool is_done = false;
    enum err err;

    if (s->state == STREAM_CLOSED)
        return ERR_CLOSED;
    if (xml_stream_depth(s->xml) == 1) {
        s->got_end = true;
        return ERR_OK;
    }
    if (w == NULL) { /* released */
        if (s->is_restarting && xml_stream_depth(s->xml) == 2)
            xml_stream_hold(s->xml);
        return ERR_OK;
    }
    err =
        stream_read_check(s, element_copier_end(w->copier, &is_done, &element));
    return err != ERR_OK || !is_done ? err : stream_read_deliver(s, &element);
}

/* Instead of the end of an element: it was above a limit, and a stub of it is
 * delivered. */
static enum err on_skipped(void *arg, const struct xml_skipped *what)
{
    struct stream *s = arg;
    struct element element;
    enum err err;

    if (s->state == STREAM_CLOSED)
        return ERR_CLOSED;
    if (s->is_silent) {
        if (s->is_restarting)
            xml_stream_hold(s->xml);
        return ERR_OK;
    }
    err = stream_take_skipped(s, what, &element);
    if (err == ERR_MISSING)
        return ERR_OK;
    if (err == ERR_INVALID || err == ERR_LIMIT)
        return stream_fault(s, STREAM_END_TOO_BIG, "policy-violation");
    return err == ERR_OK ? stream_read_deliver(s, &element)
                         : stream_read_check(s, err);
}

/* What the reader's verdict means for us; true to go on feeding.  left:
 * bytes behind what was fed. */
static bool stream_read_follow(struct stream *s, enum xml_verdict verdict,
                               size_t left)
{
    if (s->state == STREAM_CLOSED)
        return false;
    if (s->got_proceed) {
        s->got_proceed = false;
        /* Whatever stands there was not protected by TLS (K27). */
        if (verdict != XML_OK || left > 0 ||
            upstream_start_tls(s->up) != ERR_OK)
            stream_fail_target(s,
                               "bytes behind <proceed/>, or no TLS to be had");
        else
            stream_enter(s, STREAM_SECURING);
        return false;
    }
    if (s->other_host != NULL) {
        stream_go_elsewhere(s);
        return false;
    }
    if (s->got_end) {
        if (stream_is_in(s, BEFORE))
            stream_fail_target(s, "the server closed the stream");
        else
            stream_finish(s, STREAM_END_CLOSED, NULL);
        return false;
    }

    if (verdict == XML_OK)
        return true;
    if (verdict == XML_STOPPED)
        stream_refuse(s, s->fault, s->condition);
    else if (verdict == XML_NOMEM)
        stream_refuse(s, STREAM_END_NOMEM, "resource-constraint");
    else
        stream_refuse(
            s, verdict == XML_TOO_BIG ? STREAM_END_TOO_BIG : STREAM_END_BAD_XML,
            xml_verdict_condition(verdict));
    return false;
}

/* After a restart: where the new stream begins the reader is told so.
 * False: too little came to tell; it is kept. */
static bool look_ahead(struct stream *s, const char *at, size_t len)
{
    size_t skip = 0;

    if (!s->is_restarting || xml_stream_is_pending(s->xml))
        return true;
    switch (stream_header_ahead(at, len, &skip)) {
    case STREAM_AHEAD_SPACE:
    case STREAM_AHEAD_OLD:
        return true;
    case STREAM_AHEAD_NEW:
        s->is_restarting = false;
        xml_stream_restart(s->xml);
        return true;
    case STREAM_AHEAD_MORE:
        break;
    }
    if (buf_append(&s->carry, at + skip, len - skip) != ERR_OK)
        stream_finish(s, STREAM_END_NOMEM, NULL);
    return false;
}

/* The owner takes nothing now: for stream_resume. */
static void hold(struct stream *s, const char *at, size_t len)
{
    upstream_pause(s->up);
    if (buf_append(&s->held, at, len) != ERR_OK)
        stream_finish(s, STREAM_END_NOMEM, NULL);
}

void stream_feed(struct stream *s, const char *at, size_t len)
{
    while (len > 0) {
        enum xml_verdict verdict;
        size_t used;

        /* Before the header counts there is nothing that the owner takes. */
        if (s->held.len > 0 || (s->is_paused && !stream_is_in(s, BEFORE))) {
            hold(s, at, len);
            return;
        }
        if (!look_ahead(s, at, len))
            return;
        verdict = xml_stream_feed(s->xml, at, len, &used);
        at += used;
        len -= used;
        if (!stream_read_follow(s, verdict, len))
            return;
    }
}
