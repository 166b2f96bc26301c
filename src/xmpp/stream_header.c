#include "stream_header.h"

#include "xmpp/xml_read.h"
#include "xmpp/xml_write.h"

#include <stdlib.h>

/* A longer name than this is an element's, whatever it ends with: the '<' and
 * one byte behind the name are looked at, too. */
#define NAME_MAX_BYTES (STREAM_AHEAD_MAX_BYTES - 2)

enum err stream_header_write(struct buf *to, const char *domain,
                             struct slice from, struct slice lang)
{
    struct slice none = {NULL, 0};
    enum err err = buf_append_text(
        to, "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT
            "' xmlns:stream='" NS_STREAMS "' version='1.0'");

    if (err == ERR_OK)
        err = xml_write_attr(to, "to", slice_of(domain));
    if (err == ERR_OK)
        err = xml_write_attr(to, "from", from.len > 0 ? from : none);
    if (err == ERR_OK)
        err = xml_write_attr(to, "xml:lang", lang.len > 0 ? lang : none);
    if (err == ERR_OK)
        err = buf_append_text(to, ">");
    return err;
}

/* The streams that are not those of clients, by the namespaces that their
 * headers declare as default (RFC 6120 section 4.8.3, XEP-0114, XEP-0225). */
static bool is_other_content(struct slice ns)
{
    return slice_is(ns, NS_SERVER) || slice_is(ns, "jabber:component:accept") ||
           slice_is(ns, "jabber:component:connect") ||
           slice_is(ns, "urn:xmpp:component:0");
}

/*
 * RFC 6120 section 4.8.2: the header may declare jabber:client as the default
 * namespace, or leave that to each stanza ("prefix-free canonicalization",
 * or a prefix); then its default may be anything else, such as the streams
 * namespace of an unprefixed root.  Only a default that says that this is
 * another kind of stream refuses it.
 */
static bool stream_header_is_client_stream(const struct xml_tag *tag)
{
    for (size_t i = 0; i < tag->n_decls; i++) {
        const struct xml_decl *d = &tag->decls[i];

        if (d->prefix.len == 0)
            return !is_other_content(d->uri);
    }
    return true;
}

/* Below 1.0 is as good as none (RFC 6120 section 4.7.5). */
static bool stream_header_is_old(struct slice version)
{
    size_t n = 0;

    while (n < version.len && version.at[n] == '0')
        n++;
    return n > 0 && (n == version.len || version.at[n] == '.');
}

enum err stream_header_read(struct stream_header *out,
                            const struct xml_tag *tag)
{
    struct stream_header header;

    if (!slice_is(tag->name.ns, NS_STREAMS) ||
        !slice_is(tag->name.local, "stream") ||
        !stream_header_is_client_stream(tag))
        return ERR_INVALID;

    memset(&header, 0, sizeof(header));
    for (size_t i = 0; i < tag->n_attrs; i++) {
        const struct xml_attr *a = &tag->attrs[i];

        if (slice_is(a->name.ns, NS_XML)) {
            if (slice_is(a->name.local, "lang"))
                header.lang = a->value;
            continue;
        }
        if (a->name.ns.len > 0)
            continue;
        if (slice_is(a->name.local, "id"))
            header.id = a->value;
        else if (slice_is(a->name.local, "from"))
            header.from = a->value;
        else if (slice_is(a->name.local, "version") &&
                 !stream_header_is_old(a->value))
            header.version = a->value;
    }
    *out = header;
    return ERR_OK;
}

struct stream_header *stream_header_copy(const struct stream_header *h)
{
    size_t len = h->id.len + h->from.len + h->lang.len + h->version.len;
    struct stream_header *copy = malloc(sizeof(*copy) + len);
    char *at;

    if (copy == NULL)
        return NULL;
    at = (char *)(copy + 1);
    copy->id = slice_pack(&at, h->id);
    copy->from = slice_pack(&at, h->from);
    copy->lang = slice_pack(&at, h->lang);
    copy->version = slice_pack(&at, h->version);
    return copy;
}

static bool ends_name(char c)
{
    return xml_is_space(c) || c == '>' || c == '/';
}

enum stream_ahead stream_header_ahead(const char *at, size_t len, size_t *skip)
{
    size_t n = xml_space_len(at, len);
    const char *name;
    const char *local;
    size_t end;

    *skip = n;
    if (n == len)
        return STREAM_AHEAD_SPACE;
    if (at[n] != '<')
        return STREAM_AHEAD_OLD; /* a fault, and the reader will say so */
    if (n + 1 == len)
        return STREAM_AHEAD_MORE;
    if (at[n + 1] == '?')
        return STREAM_AHEAD_NEW;

    name = local = at + n + 1;
    for (end = 0; n + 1 + end < len && !ends_name(name[end]); end++)
        if (name[end] == ':')
            local = name + end + 1;
    if (end > NAME_MAX_BYTES || end == 0)
        return STREAM_AHEAD_OLD;
    if (n + 1 + end == len)
        return STREAM_AHEAD_MORE;
    return slice_is((struct slice){local, (size_t)(name + end - local)},
                    "stream")
               ? STREAM_AHEAD_NEW
               : STREAM_AHEAD_OLD;
}
