/*
 * xml_plain.h - reads an element that lies whole in memory and needs nothing
 * but the everyday part of XML: names of ASCII, attributes, text, the five
 * entities, namespaces.  That is nearly every stanza, for a small part of
 * what expat costs.
 *
 * It never judges.  What it does not take - a section, a character reference,
 * a comment, white space that would be normalised, a fault of any kind, an
 * element that is not complete - expat reads from its first byte, so that
 * there is one place that says what is wrong.  What it takes, expat would
 * take, with the same events; the fuzzer of the reader holds them together.
 */
#ifndef XMPP_XML_PLAIN_H
#define XMPP_XML_PLAIN_H

#include "xmpp/xml_read.h"

/* Room for the events of one element at a time. */
struct xml_plain;

enum xml_plain_kind {
    XML_PLAIN_START,
    XML_PLAIN_TEXT,
    XML_PLAIN_END,
};

struct xml_plain_event {
    enum xml_plain_kind kind;
    union {
        struct xml_tag tag;
        struct slice text;
        const struct xml_name *name; /* of the end: the start's */
    };
};

/* NULL: no memory. */
struct xml_plain *xml_plain_new(void);
void xml_plain_free(struct xml_plain *p);

/*
 * Reads the element that bytes begin with, if it is plain and keeps within
 * the limits as a child of a root; outer is what the root declares.  Answers
 * its length and has its events ready, which point into bytes and outer, or 0
 * when expat must read it, also because the events of another element are
 * being played.  bytes need not be UTF-8: the caller checks what was taken.
 */
size_t xml_plain_read(struct xml_plain *p, struct slice bytes,
                      const struct xml_decl *outer, size_t n_outer,
                      const struct xml_limits *limits);

/*
 * The same for the root tag of a stream, with the usual declaration or none
 * before it: its only event is the start.
 */
size_t xml_plain_read_root(struct xml_plain *p, struct slice bytes,
                           const struct xml_limits *limits);

/* The events of the element, from its start to its end. */
const struct xml_plain_event *xml_plain_events(const struct xml_plain *p,
                                               size_t *n);

/* They were played, or are not wanted: the room is free. */
void xml_plain_done(struct xml_plain *p);

#endif /* XMPP_XML_PLAIN_H */
