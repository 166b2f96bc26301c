/*
 * xml_write_escape.h - what xml_write.c takes from xml_write_escape.c beyond
 * the public escapes.
 */
#ifndef XMPP_XML_WRITE_ESCAPE_H
#define XMPP_XML_WRITE_ESCAPE_H

#include "xmpp/xml_write.h"

/* Appends ` prefix:local="value"`, escaped, or in `'` where the value has more
 * `"` than `'`; no colon without a prefix. */
MUST_CHECK enum err xml_append_attr(struct buf *to, struct slice prefix,
                                    struct slice local, struct slice value);

#endif /* XMPP_XML_WRITE_ESCAPE_H */
