/*
 * stream_header.h - the stream header, ours and the server's (RFC 6120
 * section 4.7; conformance K41-K44), and where a new one begins.  Pure.
 */
#ifndef XMPP_STREAM_HEADER_H
#define XMPP_STREAM_HEADER_H

#include "base/base.h"
#include "base/buf.h"
#include "xmpp/stream.h"
#include "xmpp/xml_read.h"

/* Appends the XML declaration and our header.  from and lang may be "".
 * ERR_NOMEM, ERR_LIMIT. */
MUST_CHECK enum err stream_header_write(struct buf *to, const char *domain,
                                        struct slice from, struct slice lang);

/* Reads the server's root tag; the slices of *out are the tag's.
 * Any legal spelling of the namespaces will do (RFC 6120 section 4.8): any
 * prefix, and jabber:client as the default or declared by each stanza.
 * ERR_INVALID: the root is not {http://etherx.jabber.org/streams}stream, or
 * its default namespace is that of servers or components. */
MUST_CHECK enum err stream_header_read(struct stream_header *out,
                                       const struct xml_tag *tag);

/* One block of memory, to be freed; NULL: there is none. */
struct stream_header *stream_header_copy(const struct stream_header *header);

/* stream_header_ahead decides within so many bytes: a prefix of 1,024 bytes
 * and some. */
#define STREAM_AHEAD_MAX_BYTES 1040

enum stream_ahead {
    STREAM_AHEAD_SPACE, /* nothing but white space */
    STREAM_AHEAD_MORE,  /* too little to tell */
    STREAM_AHEAD_OLD,   /* an element, or the end, of the stream so far */
    STREAM_AHEAD_NEW,   /* an XML declaration or a stream's root tag */
};

/*
 * After a restart was asked for: says what comes next between two elements.
 * What the server sent before it saw our new header belongs to the old
 * stream (conformance T49).  *skip receives the white space in front.
 */
enum stream_ahead stream_header_ahead(const char *at, size_t len, size_t *skip);

#endif /* XMPP_STREAM_HEADER_H */
