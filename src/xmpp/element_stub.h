/*
 * element_stub.h - the element that a client gets instead of one that is above
 * a limit (conformance L22).
 *
 * It has the name of the original and its from, to, id, type and xml:lang, so
 * that it is counted (XEP-0198) and answered as the original would be:
 *
 *   <iq type='result'/>     becomes an error, with <policy-violation/>: whoever
 *                           asked learns that there is no answer
 *   <iq type='get'/>, set   stays a request, without its payload: the client
 *                           refuses it, and so answers whoever asked
 *   what has type='error'   stays an error, of <policy-violation/>
 *   <message/>, <presence/> keep their type; <policy-violation/> and <text/>
 *                           stand in them as payload.  An <error/> may not
 *                           (RFC 6120 section 8.3.1), and a <body/> would be
 *                           words that the sender never said; what a client
 *                           does not know it ignores (section 8.4)
 *   anything else           is empty
 *
 * What a client cannot go on without - what negotiates its stream or login -
 * has no stub.
 */
#ifndef XMPP_ELEMENT_STUB_H
#define XMPP_ELEMENT_STUB_H

#include "xmpp/element.h"
#include "xmpp/xml_read.h"

/* Room for it: five attributes of XML_REDUCED_VALUE_MAX bytes, each of which
 * may become a reference of six. */
#define ELEMENT_STUB_MAX_BYTES 131072

struct element_stub {
    struct xml_pool *pool; /* borrowed: while it is made */
    struct slice original; /* its first bytes, canonical: the start tag and
                              what follows, if it does */
    struct xml_skipped why;
    size_t max_bytes; /* with XML_LIMIT_BYTES */
    struct element_params copy;
};

/*
 * Appends the stub to *to and describes it in *out, as element_copier_end does.
 * ERR_INVALID: there is none for such an element.  ERR_NOMEM, ERR_LIMIT (*to is
 * full).
 */
MUST_CHECK enum err element_stub_make(struct element_copier *c, struct buf *to,
                                      const struct element_stub *what,
                                      struct element *out);

#endif /* XMPP_ELEMENT_STUB_H */
