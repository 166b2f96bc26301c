/*
 * xml_write.h - the one XML writer of doab: events in, canonical bytes out
 * (conformance H10-H12, H22, H30-H36; H10-H12).
 *
 * The output is one standalone element that every XML parser reads the same:
 * attributes in `"` (in `'` where the value has more `"` than `'`), no CDATA,
 * every namespace declared that is not in the scope it is written into.  What
 * need not be escaped is not, so that nothing that was sent as short as it can
 * be grows: in text `&`, `<`, CR, and `>` behind `]]`; in attributes `&`, `<`,
 * their own quotation mark, CR, LF and TAB.  Only a CDATA section grows, where
 * `&` and `<` needed no escape.
 *
 * Prefixes: the streams namespace is written `stream:`; jabber:client and
 * urn:ietf:params:xml:ns:xmpp-* elements are written without prefix; others
 * keep the sender's prefix.  Declarations inside the element are kept, since
 * content may refer to them.  A prefix of an attribute that is already taken
 * for another namespace on the same tag is renamed.
 */
#ifndef XMPP_XML_WRITE_H
#define XMPP_XML_WRITE_H

#include "base/base.h"
#include "base/buf.h"
#include "xmpp/xml_read.h"

#define NS_CLIENT           "jabber:client"
#define NS_SERVER           "jabber:server"
#define NS_STREAMS          "http://etherx.jabber.org/streams"
#define NS_STREAM_ERRORS    "urn:ietf:params:xml:ns:xmpp-streams"
#define NS_STANZA_ERRORS    "urn:ietf:params:xml:ns:xmpp-stanzas"
#define NS_TLS              "urn:ietf:params:xml:ns:xmpp-tls"
#define NS_SASL             "urn:ietf:params:xml:ns:xmpp-sasl"
#define NS_SASL2            "urn:xmpp:sasl:2"
#define NS_BIND             "urn:ietf:params:xml:ns:xmpp-bind"
#define NS_FRAMING          "urn:ietf:params:xml:ns:xmpp-framing"
#define NS_COMPRESS         "http://jabber.org/protocol/compress"
#define NS_COMPRESS_FEATURE "http://jabber.org/features/compress"
#define NS_SM3              "urn:xmpp:sm:3"
#define NS_IQ_AUTH          "jabber:iq:auth"
#define NS_HTTPBIND         "http://jabber.org/protocol/httpbind"
#define NS_XBOSH            "urn:xmpp:xbosh"
#define NS_XML              "http://www.w3.org/XML/1998/namespace"

struct xml_writer;

/* A writer of one thread, used for one element after the other.
 * ERR_NOMEM. */
MUST_CHECK enum err xml_writer_new(struct xml_writer **out);
void xml_writer_free(struct xml_writer *w);

/*
 * Begins an element that is appended to *to.  default_ns: the default
 * namespace already in scope where the bytes will stand ("" for none;
 * "jabber:client" towards a server).  Whatever an unfinished element left
 * behind is forgotten (its bytes are the caller's to truncate).
 */
void xml_writer_begin(struct xml_writer *w, struct buf *to,
                      const char *default_ns);

/* ERR_NOMEM; ERR_LIMIT: *to is full, the depth is above XML_SERVER_DEPTH_MAX +
 * 2, or more than 512 declarations are in scope.  An error lasts until the next
 * begin.  `extra` attributes (n_extra, may be 0) are written
 * after the tag's own: an inherited xml:lang for example. */
MUST_CHECK enum err xml_writer_start(struct xml_writer *w,
                                     const struct xml_tag *tag,
                                     const struct xml_attr *extra,
                                     size_t n_extra);
MUST_CHECK enum err xml_writer_end(struct xml_writer *w);
MUST_CHECK enum err xml_writer_text(struct xml_writer *w, struct slice text);

/* Where the writer stands, and how to go back there: what was written since is
 * one whole child, or several, of the element that is open. */
struct xml_writer_mark {
    size_t len;
    bool is_open;
};
struct xml_writer_mark xml_writer_mark(const struct xml_writer *w);
void xml_writer_undo(struct xml_writer *w, const struct xml_writer_mark *mark);

/* Text written by hand (errors), escaped.  It may come in pieces. */
MUST_CHECK enum err xml_escape_text(struct buf *to, struct slice text);

/* Appends ` name="value"`, escaped and always in `"`, for what is written by
 * hand (stream headers, <body/>); nothing when value.at is NULL. */
MUST_CHECK enum err xml_write_attr(struct buf *to, const char *name,
                                   struct slice value);

#endif /* XMPP_XML_WRITE_H */
