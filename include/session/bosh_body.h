/*
 * bosh_body.h - the <body/> of a BOSH request, read and checked (XEP-0124
 * section 6, 7; conformance A01-A27, B76, B85, H01-H07, H20-H26).
 *
 * Pure.  The whole request is parsed before anything of it is used (H02).
 * One struct bosh_body a worker serves all requests one after the other.
 */
#ifndef SESSION_BOSH_BODY_H
#define SESSION_BOSH_BODY_H

#include "base/base.h"
#include "base/buf.h"
#include "xmpp/element.h"

struct xml_pool;

#define BOSH_VALUE_MAX_BYTES 3071 /* of one attribute: a full JID's limit */

enum bosh_verdict {
    BOSH_BODY_OK,
    BOSH_BODY_BAD,     /* bad-request; `reason` says what for the log */
    BOSH_BODY_TOO_BIG, /* policy-violation: limits of xml_read.h */
    BOSH_BODY_NOMEM,
    BOSH_BODY_FOREIGN, /* not wanted: the payload was not read */
};

enum bosh_type {
    BOSH_TYPE_NONE,
    BOSH_TYPE_TERMINATE, /* "terminate", and gloox' "terminal" */
    BOSH_TYPE_ERROR,     /* the client reports an error: an ordinary request */
};

/* A number attribute. */
struct bosh_number {
    bool is_given;
    bool is_malformed; /* given, but not a number in the attribute's range */
    uint64_t value;
};

/* What a session must know of an element of the payload.  Small, since a body
 * may hold an element for each four of its bytes. */
struct bosh_item {
    uint32_t at; /* in payload */
    uint32_t len;
    uint32_t id_at; /* in ids */
    uint16_t id_len;
    uint8_t kind;     /* enum element_kind */
    uint8_t type : 7; /* enum element_type */
    uint8_t is_iq_auth : 1;
};

struct bosh_body {
    const char *reason; /* why it is not BOSH_BODY_OK; a constant */
    const char *limit;  /* with BOSH_BODY_TOO_BIG: which, in words for the
                           client; a constant */
    bool has_root;      /* the start tag was read whole and is httpbind's */

    bool has_sid; /* given, even if empty (A02) */
    struct slice sid;
    struct bosh_number rid;
    struct bosh_number wait;
    struct bosh_number hold;
    struct bosh_number pause;
    struct bosh_number ack;
    struct slice to;
    struct slice from;
    struct slice lang;
    struct slice route;
    struct slice content; /* at NULL when absent, as with those below */
    struct slice ver;
    struct slice key;
    struct slice newkey;
    struct slice stream;
    struct slice xmpp_version;
    enum bosh_type type;
    bool is_restart;

    size_t n_elements;  /* in order: bosh_body_element */
    struct buf payload; /* canonical bytes of all elements, in order */

    /* The module's own. */
    struct buf values;       /* what the slices point into */
    struct buf ids;          /* of the elements that log in by iq */
    struct bosh_item *items; /* owned: items_cap, n_elements are in use */
    size_t items_cap;
};

void bosh_body_init(struct bosh_body *b, size_t payload_max_bytes);
void bosh_body_free(struct bosh_body *b);

/* What the requests of a worker are read with. */
struct bosh_body_tools {
    struct xml_pool *pool;         /* borrowed */
    struct element_copier *copier; /* borrowed */
    /* Asked when the start tag was read, before anything of the payload is:
     * false ends the reading (BOSH_BODY_FOREIGN).  NULL: all are wanted. */
    bool (*wants)(void *arg, const struct bosh_body *b);
    void *arg;
};

/*
 * Reads one request; what *b held before is dropped.  On a fault the
 * attributes that were read until then are set (has_root tells), and there
 * are no elements.
 */
enum bosh_verdict bosh_body_read(struct bosh_body *b,
                                 const struct bosh_body_tools *tools,
                                 struct slice bytes);

/* A deep copy, for a request that must wait its turn.  *to is initialised by
 * this.  ERR_NOMEM: *to owns nothing. */
MUST_CHECK enum err bosh_body_copy(struct bosh_body *to,
                                   const struct bosh_body *from);

/* Element i, i < n_elements, with its bytes, kind and type, and for one that
 * logs in by iq its id.  The slices live as long as the body is unchanged. */
struct element bosh_body_element(const struct bosh_body *b, size_t i);

/* True when nothing but polling is asked for: no payload, no restart, no
 * terminate, no pause (B63). */
bool bosh_body_is_poll(const struct bosh_body *b);

#endif /* SESSION_BOSH_BODY_H */
