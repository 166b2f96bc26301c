/* From the server's header to its first element: which header counts,
 * STARTTLS, and servers that send us elsewhere. */
#include "stream_int.h"

#include "stream_header.h"
#include "xmpp/xml_write.h"
#include "base/log.h"
#include "xml_stream.h"

#include <stdlib.h>

static enum err out_of_memory(struct stream *s)
{
    return stream_fault(s, STREAM_END_NOMEM, "resource-constraint");
}

/* --- Headers -------------------------------------------------------------- */

/* The language of the stream is that of its elements (H34). */
static enum err keep_lang(struct stream *s, struct slice lang)
{
    free(s->server_lang);
    s->server_lang = NULL;
    if (lang.len == 0)
        return ERR_OK;
    s->server_lang = strndup(lang.at, lang.len);
    return s->server_lang == NULL ? ERR_NOMEM : ERR_OK;
}

/* A server may call itself otherwise: whom we talk to is what TLS says, and
 * real ones answer for a virtual host in the name of another (K43). */
static void compare_from(const struct stream *s, struct slice from)
{
    struct domain_name name;

    if (from.len == 0 || s->state != STREAM_HEADER ||
        (domain_normalise(&name, from) == ERR_OK &&
         strcmp(name.unicode, s->to) == 0))
        return;
    log_info(s->log, "stream.from want=%s got=%s",
             log_quote(slice_of(s->to)).text, log_quote(from).text);
}

static void settle(struct stream *s)
{
    if (s->is_settled)
        return;
    s->is_settled = true;
    upstream_settle(s->up);
    free(s->from);
    free(s->lang);
    s->from = s->lang = NULL;
}

/* This header counts, and the owner learns it. */
static enum err stream_take(struct stream *s,
                            const struct stream_header *header)
{
    bool has_features = header->version.len > 0;

    if (keep_lang(s, header->lang) != ERR_OK)
        return out_of_memory(s);
    compare_from(s, header->from);
    if (!has_features) /* and so nothing to wait for (K44) */
        settle(s);
    stream_enter(s, has_features ? STREAM_FEATURES : STREAM_OPEN);
    s->ops->opened(s->owner, header);
    return s->state == STREAM_CLOSED ? ERR_CLOSED : ERR_OK;
}

static bool may_be_secured(const struct stream *s)
{
    enum upstream_mode mode = upstream_mode(s->up);

    return !s->is_secured &&
           (mode == UPSTREAM_STARTTLS || mode == UPSTREAM_OPPORTUNISTIC);
}

enum err stream_take_header(struct stream *s, const struct xml_tag *tag)
{
    struct stream_header header;

    if (s->state == STREAM_CLOSING)
        return ERR_OK;
    if (stream_header_read(&header, tag) != ERR_OK)
        return stream_fault(s, STREAM_END_BAD_XML, "invalid-namespace");
    if (!may_be_secured(s) || s->state != STREAM_HEADER)
        return stream_take(s, &header);

    if (upstream_mode(s->up) == UPSTREAM_STARTTLS) {
        if (header.version.len == 0) /* before 1.0: no STARTTLS (K44) */
            return stream_fault(s, STREAM_END_BAD_XML, "unsupported-version");
    } else {
        if (header.version.len == 0)
            return stream_take(s, &header);
        s->kept = stream_header_copy(&header);
        if (s->kept == NULL)
            return out_of_memory(s);
    }
    stream_enter(s, STREAM_FEATURES_BEFORE_TLS);
    return ERR_OK;
}

/* --- STARTTLS ------------------------------------------------------------- */

/* No TLS on offer, and the rule says that this will do. */
static enum err go_on_in_clear(struct stream *s)
{
    struct stream_header *header = s->kept;
    enum err err;

    log_info(s->log, "stream.clear mode=opportunistic offered=no");
    s->kept = NULL;
    err = stream_take(s, header);
    free(header);
    return err;
}

/* Where TLS is required, it is asked for whether or not it was offered: who
 * took the offer away wants us to go on in clear (K23). */
static enum err ask_for_tls(struct stream *s, const struct element *e)
{
    if (e->kind == ELEMENT_ERROR)
        log_debug(s->log, "stream.error before_tls=1 condition=%s",
                  log_quote(e->error_condition).text);
    if (e->kind != ELEMENT_FEATURES)
        return stream_fault(s, STREAM_END_BAD_XML, "undefined-condition");
    if (upstream_mode(s->up) == UPSTREAM_OPPORTUNISTIC && !e->has_starttls)
        return go_on_in_clear(s);

    free(s->kept);
    s->kept = NULL;
    if (stream_write_text(s, "<starttls xmlns='" NS_TLS "'/>") != ERR_OK)
        return stream_fault(s, STREAM_END_LOST, "resource-constraint");
    stream_enter(s, STREAM_PROCEED);
    return ERR_OK;
}

enum err stream_take_early(struct stream *s, const struct element *e)
{
    if (s->state == STREAM_FEATURES_BEFORE_TLS)
        return ask_for_tls(s, e);
    if (e->kind != ELEMENT_PROCEED || s->got_proceed)
        return stream_fault(s, STREAM_END_BAD_XML, "undefined-condition");
    s->got_proceed = true;
    xml_stream_hold(s->xml);
    return ERR_OK;
}

/* --- The first element ---------------------------------------------------- */

/* Anyone could have said it on an unprotected way, unless that is what was
 * configured; and a client that was heard of already would have to begin
 * anew. */
static bool may_move(const struct stream *s)
{
    return s->state == STREAM_FEATURES && !s->is_settled && !s->has_sent &&
           (s->is_secured || upstream_mode(s->up) == UPSTREAM_PLAIN);
}

/* RFC 6120 section 5.3.1: STARTTLS that is required, or all there is, must be
 * negotiated; a rule that forbids it cannot use this server (K24). */
static bool must_be_secured(const struct stream *s, const struct element *e)
{
    return e->kind == ELEMENT_FEATURES && !s->is_secured && e->has_starttls &&
           (e->starttls_is_required || !e->has_others);
}

enum err stream_take_first(struct stream *s, const struct element *e)
{
    if (e->kind == ELEMENT_ERROR && e->other_host.len > 0 && may_move(s)) {
        s->other_host = strndup(e->other_host.at, e->other_host.len);
        return s->other_host == NULL ? out_of_memory(s) : ERR_CLOSED;
    }
    if (must_be_secured(s, e)) {
        log_warn(s->log, "stream.tls wanted_by=server mode=plain");
        return stream_fault(s, STREAM_END_CONNECT, "policy-violation");
    }
    if (s->state == STREAM_FEATURES) {
        settle(s);
        stream_enter(s, STREAM_OPEN);
    }
    return ERR_OK;
}

void stream_go_elsewhere(struct stream *s)
{
    struct slice host = slice_of(s->other_host);
    bool is_going;

    log_debug(s->log, "stream.see_other_host host=%s", log_quote(host).text);
    if (stream_write_text(s, "</stream:stream>") != ERR_OK)
        log_debug(s->log, "stream.end unanswered=1");
    stream_forget_server(s);
    is_going = upstream_redirect(s->up, host);
    free(s->other_host);
    s->other_host = NULL;
    if (!is_going) {
        stream_finish(s, STREAM_END_CONNECT, NULL);
        return;
    }
    stream_enter(s, STREAM_CONNECTING);
    s->ops->moved(s->owner);
}
