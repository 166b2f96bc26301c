/*
 * stream.h - the XMPP stream to a server (RFC 6120 sections 4 and 5).
 *
 * Opens the connection (upstream.h), negotiates STARTTLS, reads the header
 * and relays top-level elements in both directions.  Nothing that was learnt
 * before TLS reaches the owner.  It does not know SASL, BOSH or WebSocket.
 *
 *   CONNECTING -> HEADER -> FEATURES_BEFORE_TLS -> PROCEED -> SECURING
 *     ^  ^        ^  |                    `(opportunistic)        |
 *     |  |        |  `-> FEATURES <---------'                     |
 *     |  |        `-------- | ------------------------------------'
 *     | next server         |-> OPEN -> CLOSING -> CLOSED
 *     `- see-other-host,----'    `-> RESTARTING -> FEATURES
 *        or lost
 *
 * A server that fails before OPEN is left for the next one of the domain;
 * `ended` with STREAM_END_CONNECT says that none was left.  A stream error
 * that came before TLS counts as such a failure: anyone could have sent it.
 * STREAM_END_CONNECT also ends a stream that may not stay unencrypted.
 */
#ifndef XMPP_STREAM_H
#define XMPP_STREAM_H

#include "base/base.h"
#include "upstream/upstream.h"
#include "xmpp/element.h"

struct stream;
struct xml_pool;

/* Everything of one worker that streams share; borrowed. */
struct stream_env {
    struct loop *loop;
    struct resolver *resolver;
    struct xml_pool *pool;
    struct element_copier *copier; /* for what comes whole, from clients:
                                      streams bring their own */
    struct upstream_shared shared;
};

struct stream_limits {
    struct upstream_limits upstream;
    unsigned header_ms;       /* server's header, features or proceed */
    unsigned close_ms;        /* server's </stream:stream> after ours */
    unsigned keepalive_ms;    /* a space after so much silence; 0: never */
    size_t element_max_bytes; /* what the server may send after login; above
                                 it an element is replaced by a stub */
};

/* What the server may send before login: a form of registration with an image
 * passes. */
#define STREAM_LOGIN_MAX_BYTES 262144

struct stream_params {
    struct stream_env env;
    struct stream_limits limits;
    const struct domain_rule *rule;
    const struct domain_name *domain; /* copied */
    const struct log_ctx *log;        /* outlives the stream */
    struct slice from; /* bare JID for the header, sent only over TLS; "" */
    struct slice lang; /* xml:lang for the header; "" for none */
    const char *asked_host; /* see upstream_params, as the next two */
    uint16_t asked_port;
    const struct addr *client;
    bool strips_plain; /* the client's leg is clear: PLAIN is not offered */
};

/* The server's answer to our header; slices live until it returns. */
struct stream_header {
    struct slice id;
    struct slice from;
    struct slice lang;
    struct slice version; /* "" when there is none, or one below 1.0: no
                             features come */
};

enum stream_end {
    STREAM_END_CLOSED,  /* </stream:stream> came, or answered ours */
    STREAM_END_ERROR,   /* the server sent <stream:error/> */
    STREAM_END_CONNECT, /* never got to a stream: DNS, TCP, TLS, header */
    STREAM_END_BUSY,    /* the same, since too many are connecting at once:
                           upstream_is_busy */
    STREAM_END_LOST,    /* connection lost without </stream:stream> */
    STREAM_END_BAD_XML, /* the server sent what no stream may hold */
    STREAM_END_TOO_BIG, /* an element above a limit that has no stub: one of
                           those that negotiate stream or login */
    STREAM_END_NOMEM,
};

struct stream_ops {
    /* A header after TLS (without, where the rule allows that): once at the
     * start, once after each restart, and once after `moved`. */
    void (*opened)(void *owner, const struct stream_header *header);
    /* The header counts for nothing: the server named another host (K40, G42),
     * or was lost before it had sent its features (K12), and another is being
     * connected to.  Only before any element came and while
     * nothing was sent.  `opened` or `ended` follows. */
    void (*moved)(void *owner);
    /* Each element in order, features included (cleaned already).  After
     * stream_restart those of the old stream still come (T49).  Its bytes
     * live until this returns.  None while the stream is paused. */
    void (*element)(void *owner, const struct element *e);
    void (*drained)(void *owner); /* what we write flows again */
    /* error: the <stream:error/> of the server with STREAM_END_ERROR; the one
     * that it was sent with STREAM_END_BAD_XML and STREAM_END_TOO_BIG, unless
     * it had ceased to listen; else NULL.
     * The owner then calls stream_abort to let go. */
    void (*ended)(void *owner, enum stream_end why,
                  const struct element *error);
};

/* ERR_NOMEM. */
MUST_CHECK enum err stream_open(struct stream **out,
                                const struct stream_params *params,
                                const struct stream_ops *ops, void *owner);

/* Sends canonical elements (element.h, ELEMENT_TO_SERVER), whole ones; a
 * call counts as one in METRIC_STANZAS_UP.  After stream_restart they follow
 * the new header.  ERR_LIMIT: the send queue is full.  ERR_CLOSED: not open.
 * ERR_NOMEM. */
MUST_CHECK enum err stream_send(struct stream *s, struct slice elements);

/*
 * A new stream on the same connection, without closing the old one
 * (RFC 6120 section 6.4.6; conformance G09, G13).  from and lang as in
 * stream_params; `opened` follows.  Asked again before it came: nothing more
 * is sent.  ERR_CLOSED, ERR_LIMIT, ERR_NOMEM.
 */
MUST_CHECK enum err stream_restart(struct stream *s, struct slice from,
                                   struct slice lang);

bool stream_is_congested(const struct stream *s);

/* What a stream has read when a pause stops it: one read of its connection, and
 * what was carried over to it. */
#define STREAM_HELD_MAX_BYTES 131072

/*
 * Stops and resumes reading from the server.  After stream_pause no element is
 * delivered until stream_resume, also when it is called from inside `opened` or
 * `element`: bytes behind that element stay with the stream, up to
 * STREAM_HELD_MAX_BYTES.  stream_resume delivers them at the end of the loop's
 * turn, then reads on; a connection that ended meanwhile is reported behind
 * them.  stream_close and stream_release resume.
 */
void stream_pause(struct stream *s);
void stream_resume(struct stream *s);

/* After login, when a space harms nobody: from now on one is sent whenever
 * the stream was silent for keepalive_ms (K46). */
void stream_keep_alive(struct stream *s);

/* After login elements of element_max_bytes are allowed. */
void stream_set_authenticated(struct stream *s);

/* Sends </stream:stream> and waits for the server's, a bounded time, while
 * elements still arrive; `ended` follows. */
void stream_close(struct stream *s);

/* Sends </stream:stream> if it may and lets go: no callback follows.  In the
 * background the connection stays until the server's, a bounded time. */
void stream_release(struct stream *s);

/* Drops the connections of this thread that stream_release left behind: at
 * shutdown, before xml_pool_free and loop_free. */
void stream_end_released(void);

/* Drops the connection without </stream:stream> (J45).  What was sent and
 * waits for a slow server still goes, in a bounded time.  NULL is fine.  No
 * callback follows. */
void stream_abort(struct stream *s);

/* While `ended` is called with STREAM_END_CONNECT: why no server could be
 * had, for operators.  Else "". */
const char *stream_cause(const struct stream *s);

const char *stream_describe(const struct stream *s, char *out, size_t cap);
const char *stream_end_name(enum stream_end why);

#endif /* XMPP_STREAM_H */
