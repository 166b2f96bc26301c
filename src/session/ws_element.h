/*
 * ws_element.h - messages of RFC 7395: reading one, writing ours.  Pure.
 *
 * A message is one complete element as a document of its own (RFC 7395
 * section 3.3.3); "frame" there means a WebSocket message.
 *
 * What differs for clients from before RFC 7395 (ws_legacy.h) is behind
 * struct ws_framing.
 */
#ifndef SESSION_WS_ELEMENT_H
#define SESSION_WS_ELEMENT_H

#include "base/base.h"
#include "base/buf.h"
#include "xmpp/element.h"

struct xml_pool;

enum ws_element_verdict {
    WS_ELEMENT_ELEMENT, /* *out->element is set */
    WS_ELEMENT_OPEN,    /* <open/>, or a stream header: attributes are set */
    WS_ELEMENT_CLOSE,
    WS_ELEMENT_EMPTY, /* nothing or white space: ignored and counted (J15) */
    WS_ELEMENT_WRONG, /* out->condition names the stream error */
    WS_ELEMENT_NOMEM,
};

struct ws_element {
    struct buf bytes;       /* owned: what the slices point into; reused */
    struct element element; /* canonical bytes for the server */
    struct slice to;        /* of <open/>; at NULL when absent */
    struct slice from;
    struct slice lang;
    struct slice version;
    const char *condition; /* "bad-format", "not-well-formed",
                              "restricted-xml", "invalid-namespace",
                              "policy-violation", "unsupported-encoding" */
    const char *limit;     /* with "policy-violation": which limit, in words for
                              the client; NULL: max_bytes.  A constant */
};

void ws_element_init(struct ws_element *f, size_t max_bytes);
void ws_element_free(struct ws_element *f);

/* Reads one message into *f, whose former contents are dropped. */
enum ws_element_verdict ws_element_read(struct ws_element *f,
                                        struct xml_pool *pool,
                                        struct element_copier *copier,
                                        struct slice message, size_t max_bytes);

/* What an <open/> or a stream header says; "" for what is absent. */
struct ws_opening {
    struct slice from;
    struct slice to;
    struct slice id;
    struct slice lang;
    struct slice version;
};

/* `<open xmlns="…" version="1.0" … />` in the literal form that clients
 * compare (Q19): begins with `<open `, one line.  Attributes
 * whose slice is empty are left out.  ERR_NOMEM, ERR_LIMIT. */
MUST_CHECK enum err ws_write_open(struct buf *to, const struct ws_opening *o);

/* `<close xmlns="…" see-other-uri="…" />` (RFC 7395 section 3.6.1).
 * ERR_NOMEM, ERR_LIMIT. */
MUST_CHECK enum err ws_write_close_to(struct buf *to, const char *uri);

/* `<stream:error …><condition …/></stream:error>`, text may be NULL. */
MUST_CHECK enum err ws_write_error(struct buf *to, const char *condition,
                                   const char *text);

/* The words that begin and end a stream. */
struct ws_framing {
    /* As ws_element_read. */
    enum ws_element_verdict (*read)(struct ws_element *f, struct xml_pool *pool,
                                    struct element_copier *copier,
                                    struct slice message, size_t max_bytes);
    enum err (*write_open)(struct buf *to, const struct ws_opening *o);
    const char *close; /* a whole message */
    bool can_move;     /* knows see-other-uri */
};

/* RFC 7395.  Its close is exactly
 * `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing" />`. */
extern const struct ws_framing ws_framing;

#endif /* SESSION_WS_ELEMENT_H */
