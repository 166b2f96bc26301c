/*
 * element.h - a top-level element in canonical bytes, and what it is.
 *
 * An element_copier takes the events of one element from xml_read and yields
 * its bytes by xml_write.  On the way it names the kind, by namespace and
 * local name only (conformance G21), notes the few attributes that the
 * gateway itself needs, re-scopes what inherited the httpbind namespace
 * (H20), adds an inherited xml:lang (H34), and takes out of features what
 * must not cross the gateway (G05, G06, J53).
 */
#ifndef XMPP_ELEMENT_H
#define XMPP_ELEMENT_H

#include "base/base.h"
#include "base/buf.h"
#include "xmpp/xml_read.h"
#include "xmpp/xml_write.h"

enum element_kind {
    ELEMENT_OTHER,   /* relayed as it is */
    ELEMENT_MESSAGE, /* {jabber:client} */
    ELEMENT_PRESENCE,
    ELEMENT_IQ,
    ELEMENT_FEATURES, /* {streams} */
    ELEMENT_ERROR,    /* {streams}error */
    ELEMENT_STREAM,   /* {streams}stream: never legal as an element */
    ELEMENT_AUTH,     /* {xmpp-sasl}, from the client */
    ELEMENT_RESPONSE,
    ELEMENT_ABORT,
    ELEMENT_CHALLENGE, /* {xmpp-sasl}, from the server */
    ELEMENT_SUCCESS,
    ELEMENT_FAILURE,
    ELEMENT_SASL2, /* anything in {urn:xmpp:sasl:2} but these three */
    ELEMENT_SASL2_AUTHENTICATE,
    ELEMENT_SASL2_SUCCESS,
    ELEMENT_SASL2_FAILURE,
    ELEMENT_STARTTLS, /* {xmpp-tls} */
    ELEMENT_PROCEED,
    ELEMENT_TLS_FAILURE,
    ELEMENT_COMPRESS,   /* {protocol/compress}compress */
    ELEMENT_SM_ENABLED, /* {urn:xmpp:sm:2 or 3} */
    ELEMENT_SM_RESUMED,
    ELEMENT_SM_RESUME, /* from the client */
    ELEMENT_SM_FAILED,
    ELEMENT_OPEN, /* {xmpp-framing} */
    ELEMENT_CLOSE,
    ELEMENT_SERVER_STANZA, /* {jabber:server}: refused from clients */
};

enum element_type { /* the type attribute, as far as it matters */
    ELEMENT_TYPE_NONE,
    ELEMENT_TYPE_ERROR,
    ELEMENT_TYPE_GET,
    ELEMENT_TYPE_SET,
    ELEMENT_TYPE_RESULT,
    ELEMENT_TYPE_OTHER,
};

struct element {
    enum element_kind kind;
    enum element_type type;
    bool has_starttls; /* features: offered, now taken out */
    bool starttls_is_required;
    bool has_others;   /* features: something besides starttls */
    bool is_managed;   /* XEP-0198 is on from here, perhaps by SASL2 */
    bool is_resumable; /* <enabled resume='true'/>, <resumed/> */
    bool is_iq_auth;   /* an iq whose child is {jabber:iq:auth}query */
    bool has_children;
    struct slice bytes; /* borrowed: canonical, one standalone element */
    struct slice error_condition; /* {streams}error: local name of the
                                     first xmpp-streams child, else "" */
    struct slice other_host;      /* the text of <see-other-host/>, else "" */
    struct slice id;              /* of an iq, unless it is absurdly long */
};

enum element_filter {
    ELEMENT_TO_SERVER, /* default namespace jabber:client is in scope */
    ELEMENT_TO_CLIENT, /* nothing is in scope; features are cleaned */
};

struct element_copier;

/* One a thread; copies one element at a time.  ERR_NOMEM. */
MUST_CHECK enum err element_copier_new(struct element_copier **out);
void element_copier_free(struct element_copier *c);

struct element_params {
    enum element_filter filter;
    bool rescope_httpbind; /* H20: inside a BOSH body */
    struct slice lang;     /* added when the element has no xml:lang of its
                              own; "" for none.  Copied. */
    bool strips_plain;     /* L72: the mechanism PLAIN is left out, too */
};

/*
 * Begins an element whose bytes are appended to *to.  Then each event of it,
 * its own start first, goes to element_copier_start, _end and _text; the
 * end that completes it answers ERR_OK and sets *done, and *out describes it
 * (out->bytes points into *to, valid until *to changes; the other slices
 * into the copier, valid until the next begin).
 * ERR_NOMEM, ERR_LIMIT (*to is full).
 */
void element_copier_begin(struct element_copier *c, struct buf *to,
                          const struct element_params *params);
MUST_CHECK enum err element_copier_start(struct element_copier *c,
                                         const struct xml_tag *tag);
MUST_CHECK enum err element_copier_text(struct element_copier *c,
                                        struct slice text);
MUST_CHECK enum err element_copier_end(struct element_copier *c, bool *done,
                                       struct element *out);

/* The kind that {ns}local names. */
enum element_kind element_kind_of(struct slice ns, struct slice local);

/* True for <auth/>, <response/>, <abort/> and everything of SASL2: the only
 * things that may go to a server while it negotiates (G19). */
bool element_is_negotiation(enum element_kind kind);

/* True for what a server says in a login, features included: its length,
 * compressed, would tell of the secrets in it (L60). */
bool element_is_of_login(enum element_kind kind);

#endif /* XMPP_ELEMENT_H */
