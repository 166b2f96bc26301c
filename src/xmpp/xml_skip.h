/*
 * xml_skip.h - finds the end of a top-level element that is above a limit,
 * without keeping it: memory does not depend on what passes.  Pure, but for
 * the one block of memory that it works in.
 *
 * It takes over from expat between two pieces of markup, and counts open
 * elements by their tags.  That end tags carry the right names is not checked:
 * nothing of what is skipped is used.  Comments, processing instructions and
 * declarations are still faults (RFC 6120 section 11.1).
 *
 * Where the start tag of the element is itself above the limit, the few
 * attributes are gathered that a stub of it needs: from, to, id, type, xml:lang
 * and the declarations of its own namespace.
 */
#ifndef XMPP_XML_SKIP_H
#define XMPP_XML_SKIP_H

#include "base/base.h"
#include "xml_token.h"

struct xml_skip;

enum xml_skip_verdict {
    XML_SKIP_MORE,       /* all bytes were read */
    XML_SKIP_TAG,        /* the start tag is complete: see xml_skip_tag */
    XML_SKIP_DONE,       /* the end of the element is behind what was read */
    XML_SKIP_RESTRICTED, /* a comment, an instruction or a declaration */
};

/* Inside of `depth` open elements, the top-level one included, after the bytes
 * that `token` has read.  depth 0: the next byte is the `<` of its start tag.
 * NULL: no memory. */
struct xml_skip *xml_skip_new(unsigned depth, const struct xml_token *token);
void xml_skip_free(struct xml_skip *s); /* NULL is fine */

/* Reads from the front of bytes; *used tells how many. */
enum xml_skip_verdict xml_skip_read(struct xml_skip *s, struct slice bytes,
                                    size_t *used);

/* After XML_SKIP_TAG: a start tag with what was gathered, `<name …>`, or ""
 * when the name is too long to be anybody's.  Lives as long as s.  When
 * xml_skip_is_done, the tag was an empty element. */
struct slice xml_skip_tag(const struct xml_skip *s);
bool xml_skip_is_done(const struct xml_skip *s);

#endif /* XMPP_XML_SKIP_H */
