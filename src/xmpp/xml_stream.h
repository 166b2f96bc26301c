/*
 * xml_stream.h - the XML reader for a server's stream: fed by pieces of any
 * size, it calls the handler of xml_read.h element by element, and holds, skips
 * and begins anew as the stream does.
 */
#ifndef XMPP_XML_STREAM_H
#define XMPP_XML_STREAM_H

#include "base/base.h"
#include "xmpp/xml_read.h"

/*
 * A reader for a stream: a root tag, then elements, fed in any pieces.
 * limits->bytes_max is for each top-level element, the root tag included.
 * A parser is held only while an element is incomplete.  An element that is
 * complete is delivered without waiting for further bytes.  White space
 * between elements is swallowed; other text there, a CDATA section and a byte
 * order mark are XML_NOT_WELL_FORMED.
 * limits are copied.  ERR_NOMEM.
 */
MUST_CHECK enum err xml_stream_new(struct xml_stream **out,
                                   struct xml_pool *pool,
                                   const struct xml_limits *limits,
                                   const struct xml_handler *handler,
                                   void *arg);

/* From a handler it takes effect when feed returns, which answers
 * XML_STOPPED and calls no handler before. */
void xml_stream_free(struct xml_stream *s);

/*
 * Feeds len bytes.  The stream's end tag is reported as the end of depth 1;
 * behind it only white space is allowed.  A verdict other than XML_OK is
 * final until a restart.  When a handler asked for it with xml_stream_hold, it
 * stops behind the tag being handled, and *used tells how many bytes were
 * taken; otherwise *used is len.
 */
enum xml_verdict xml_stream_feed(struct xml_stream *s, const char *at,
                                 size_t len, size_t *used);

/* From a handler's end of a top-level element or start of the root: feed stops
 * behind it. */
void xml_stream_hold(struct xml_stream *s);

/* The next byte begins a new stream (RFC 6120 section 4.3.3): white space,
 * then an XML declaration or the root tag.  From a handler it takes effect
 * when feed returns: what is left of the piece belongs to the old stream,
 * unless the handler holds, too. */
void xml_stream_restart(struct xml_stream *s);

/* A new limit for elements from now on: login lifts it. */
void xml_stream_set_bytes_max(struct xml_stream *s, size_t bytes_max);

/* Depth of the element whose start or end is being handled; root is 1. */
unsigned xml_stream_depth(const struct xml_stream *s);

/* Something that was fed is not complete yet: a tag, an element, the header.
 * Not while feeding. */
bool xml_stream_is_pending(const struct xml_stream *s);

#endif /* XMPP_XML_STREAM_H */
