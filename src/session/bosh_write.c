#include "bosh_write.h"

#include "xmpp/xml_write.h"

#include <stdio.h>

#define BODY_HEAD "<body xmlns=\"" NS_HTTPBIND "\""

struct slice bosh_empty_body(void)
{
    return SLICE(BODY_HEAD "/>");
}

struct slice bosh_error_body(void)
{
    return SLICE(BODY_HEAD " type=\"error\"/>");
}

/* The attributes that only the creation answer has (A47). */
static enum err write_grant(struct buf *to, const char *sid,
                            const struct bosh_grant *g)
{
    char text[320];
    int len;

    len = snprintf(text, sizeof(text),
                   " sid=\"%s\" wait=\"%u\" requests=\"%u\" hold=\"%u\""
                   " inactivity=\"%u\" polling=\"%u\"",
                   sid, g->wait_s, g->requests, g->hold, g->inactivity_s,
                   g->polling_s);
    if (len < 0 || (size_t)len >= sizeof(text))
        return ERR_LIMIT;
    if (g->maxpause_s > 0) /* pausing is offered (A37) */
        len += snprintf(text + len, sizeof(text) - (size_t)len,
                        " maxpause=\"%u\"", g->maxpause_s);
    if (!g->is_legacy)
        len += snprintf(text + len, sizeof(text) - (size_t)len,
                        " ver=\"%u.%u\"", g->ver_major, g->ver_minor);
    return buf_append(to, text, (size_t)len);
}

static enum err bosh_write_write_header(struct buf *to,
                                        const struct bosh_header *h)
{
    enum err err = ERR_OK;

    if (h->from.len > 0)
        err = xml_write_attr(to, "from", h->from);
    if (err == ERR_OK && h->authid.len > 0)
        err = xml_write_attr(to, "authid", h->authid);
    if (err == ERR_OK && h->lang.len > 0)
        err = xml_write_attr(to, "xml:lang", h->lang);
    if (err == ERR_OK && h->version.len > 0)
        err = xml_write_attr(to, "xmpp:version", h->version);
    return err;
}

static enum err write_number(struct buf *to, const char *name, uint64_t number)
{
    enum err err = buf_append_text(to, name);

    if (err == ERR_OK)
        err = buf_append_u64(to, number);
    return err == ERR_OK ? buf_append_text(to, "\"") : err;
}

/* XEP-0124 section 9; time is an unsigned short (C10). */
static enum err bosh_write_write_acks(struct buf *to,
                                      const struct bosh_write *what)
{
    uint64_t ms = what->report_ms < UINT16_MAX ? what->report_ms : UINT16_MAX;
    enum err err = ERR_OK;

    if (what->ack != 0)
        err = write_number(to, " ack=\"", what->ack);
    if (err == ERR_OK && what->report != 0)
        err = write_number(to, " report=\"", what->report);
    if (err == ERR_OK && what->report != 0)
        err = write_number(to, " time=\"", ms);
    return err;
}

static enum err bosh_write_write_attrs(struct buf *to,
                                       const struct bosh_write *what)
{
    bool has_streams =
        what->grant != NULL || what->error.len > 0 || what->header != NULL;
    bool has_xbosh = what->grant != NULL || what->header != NULL;
    enum err err = ERR_OK;

    if (has_streams)
        err = buf_append_text(to, " xmlns:stream=\"" NS_STREAMS "\"");
    if (err == ERR_OK && has_xbosh)
        err = buf_append_text(to, " xmlns:xmpp=\"" NS_XBOSH "\"");
    if (err == ERR_OK && what->grant != NULL)
        err = write_grant(to, what->sid, what->grant);
    if (err == ERR_OK && what->grant != NULL)
        err = buf_append_text(to, " xmpp:restartlogic=\"true\"");
    if (err == ERR_OK && what->header != NULL)
        err = bosh_write_write_header(to, what->header);
    if (err == ERR_OK)
        err = bosh_write_write_acks(to, what);
    if (err == ERR_OK && what->is_error)
        err = buf_append_text(to, " type=\"error\"");
    if (err == ERR_OK && what->is_terminal)
        err = buf_append_text(to, " type=\"terminate\"");
    if (err == ERR_OK && what->is_terminal && what->condition != NULL)
        err = xml_write_attr(to, "condition", slice_of(what->condition));
    return err;
}

enum err bosh_write_body(struct buf *to, const struct bosh_write *what)
{
    enum err err = buf_append_text(to, BODY_HEAD);

    if (err == ERR_OK)
        err = bosh_write_write_attrs(to, what);
    if (err != ERR_OK)
        return err;
    if (what->payload.len == 0 && what->error.len == 0)
        return buf_append_text(to, "/>");
    err = buf_append_text(to, ">");
    if (err == ERR_OK)
        err = buf_append_slice(to, what->payload);
    if (err == ERR_OK)
        err = buf_append_slice(to, what->error);
    if (err == ERR_OK)
        err = buf_append_text(to, "</body>");
    return err;
}

enum err bosh_write_text(struct buf *to, const char *text)
{
    enum err err = buf_append_text(to, "<text xmlns=\"" NS_STREAM_ERRORS
                                       "\" xml:lang=\"en\">");

    if (err == ERR_OK)
        err = xml_escape_text(to, slice_of(text));
    return err == ERR_OK ? buf_append_text(to, "</text>") : err;
}
