/*
 * xml_plain_scan.h - the words of plain XML (xml_plain.h): names, values,
 * pieces of text.  Each function takes one at the place that is reached, or
 * answers false; what was passed by then does not matter, since nothing of
 * the element is used.
 */
#ifndef XMPP_XML_PLAIN_SCAN_H
#define XMPP_XML_PLAIN_SCAN_H

#include "xmpp/xml_read.h"

/* Bytes of attribute values with references, of one element. */
#define XML_SCAN_DECODED_MAX 1024

struct xml_scan {
    const char *at; /* what is read next */
    const char *end;
    size_t name_max_bytes;
    size_t decoded_len;
    char decoded[XML_SCAN_DECODED_MAX];
};

/* The next byte; NUL at the end, which nothing plain contains. */
static inline char xml_scan_peek(const struct xml_scan *s)
{
    return s->at < s->end ? *s->at : '\0';
}

static inline bool xml_scan_take(struct xml_scan *s, char c)
{
    if (xml_scan_peek(s) != c)
        return false;
    s->at++;
    return true;
}

static inline bool xml_scan_take_text(struct xml_scan *s, struct slice text)
{
    if ((size_t)(s->end - s->at) < text.len ||
        memcmp(s->at, text.at, text.len) != 0)
        return false;
    s->at += text.len;
    return true;
}

static inline struct slice xml_scan_since(const struct xml_scan *s,
                                          const char *begin)
{
    return (struct slice){begin, (size_t)(s->at - begin)};
}

/* Passes over white space; false: there is none. */
static inline bool xml_scan_space(struct xml_scan *s)
{
    size_t n = xml_space_len(s->at, (size_t)(s->end - s->at));

    s->at += n;
    return n > 0;
}

/* prefix:local, or local; the namespace stays open. */
bool xml_scan_name(struct xml_scan *s, struct xml_name *name);

/* ="…" or ='…'; what has references is decoded into s. */
bool xml_scan_value(struct xml_scan *s, struct slice *value);

/* Text up to the next `<` or `&`, perhaps none. */
bool xml_scan_text(struct xml_scan *s, struct slice *text);

/* One of the five entities, as the character it stands for (constant). */
bool xml_scan_entity(struct xml_scan *s, struct slice *means);

#endif /* XMPP_XML_PLAIN_SCAN_H */
