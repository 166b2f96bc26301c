/*
 * stream_int.h - the inside of a stream, for stream.c (connection, life and
 * end), stream_read.c (what the server sends) and stream_begin.c (what comes
 * before the first element counts: headers, STARTTLS, see-other-host).
 */
#ifndef XMPP_STREAM_INT_H
#define XMPP_STREAM_INT_H

#include "xmpp/stream.h"
#include "base/buf.h"
#include "base/loop.h"

struct stream_scratch;

enum stream_state {
    STREAM_CONNECTING, /* waiting for a connection */
    STREAM_HEADER,     /* for the server's header, the first or behind TLS */
    STREAM_FEATURES_BEFORE_TLS, /* for features that are only a signal */
    STREAM_PROCEED,             /* for the answer to <starttls/> */
    STREAM_SECURING,            /* for the TLS handshake */
    STREAM_FEATURES,            /* for the first element behind the header */
    STREAM_OPEN,                /* for nothing: elements flow */
    STREAM_RESTARTING,          /* for the server's header, once more */
    STREAM_CLOSING,             /* for the server's </stream:stream> */
    STREAM_CLOSED,              /* for the owner to let go */
};

struct stream {
    enum stream_state state;
    const char *cause; /* borrowed: while ops->ended runs */
    bool is_secured;
    bool is_settled;              /* on this server, for good */
    bool is_restarting;           /* the new header has not come yet */
    bool has_sent;                /* something of the owner's, to this server */
    bool strips_plain;            /* from the mechanisms (L72) */
    bool is_silent;               /* released: nobody is told anything */
    bool is_paused;               /* by the owner: takes no element */
    bool is_lost;                 /* the connection, while bytes are held */
    enum upstream_end lost_why;   /* how */
    bool got_proceed;             /* in what is being fed right now */
    bool got_end;                 /* the same: </stream:stream> */
    enum stream_end fault;        /* why a handler stopped the reader */
    const char *condition;        /* the stream error for it; static */
    const struct stream_ops *ops; /* static */
    void *owner;
    struct loop *loop;              /* borrowed: outlives us */
    const struct log_ctx *log;      /* borrowed: outlives us unless released */
    struct upstream *up;            /* owned; NULL once closed */
    struct xml_stream *xml;         /* owned; NULL once closed */
    struct stream_scratch *scratch; /* owned: while an element is read */
    struct buf carry;   /* a few bytes, too few to tell which stream's */
    struct buf held;    /* what was read and must wait for stream_resume */
    struct timer timer; /* bounds what the state waits for */
    struct timer idle;  /* until a space keeps the connection alive */
    uint64_t sent_ms;   /* when the owner last sent something */
    struct defer resume;
    struct defer gone;
    struct stream *next; /* in the list of the released ones */
    struct stream **self;
    unsigned header_ms;
    unsigned close_ms;
    unsigned keepalive_ms;
    size_t element_max_bytes;   /* now */
    size_t element_limit_bytes; /* after login */
    struct xml_pool *pool;      /* borrowed: outlives us */
    char *from;        /* owned: for the first header; NULL once open */
    char *lang;        /* owned: the same */
    char *server_lang; /* owned: xml:lang of the server's header, or NULL */
    char *other_host;  /* owned: where the server sends us, while it is fed */
    struct stream_header *kept; /* owned: of a server that may yet offer TLS */
    char to[];                  /* domain, U-labels */
};

#define BIT(state) (1u << (state))
#define OPENED                                                                 \
    (BIT(STREAM_FEATURES) | BIT(STREAM_OPEN) | BIT(STREAM_RESTARTING))
#define BEFORE                                                                 \
    (BIT(STREAM_CONNECTING) | BIT(STREAM_HEADER) |                             \
     BIT(STREAM_FEATURES_BEFORE_TLS) | BIT(STREAM_PROCEED) |                   \
     BIT(STREAM_SECURING))

static inline bool stream_is_in(const struct stream *s, unsigned states)
{
    return (BIT(s->state) & states) != 0;
}

/* The only function that writes s->state, and sets its timer. */
void stream_enter(struct stream *s, enum stream_state next);

/* The one way out: tells the owner, unless it let go already. */
COLD void stream_finish(struct stream *s, enum stream_end why,
                        const struct element *error);

void stream_destroy(void *arg); /* loop_fn */

/* Feeds what a pause held back, and then reads on: at the end of this turn. */
void stream_resume_soon(struct stream *s);

/* What this connection was, for another one to begin. */
void stream_forget_server(struct stream *s);

/* This server is no good; perhaps the next one is (K12).  Before it is open,
 * and not from a handler of the reader. */
COLD void stream_fail_target(struct stream *s, const char *cause);

/* The connection is gone, or nothing comes on it: the next server, while
 * nobody relies on this one, or the end. */
void stream_lose(struct stream *s, const char *cause);

/* What the server sent cannot be: it is told so, and the stream or the
 * attempt ends (K50).  Not from a handler of the reader. */
COLD void stream_refuse(struct stream *s, enum stream_end why,
                        const char *condition);

MUST_CHECK enum err stream_write_text(struct stream *s, const char *text);

/* From inside a handler of the reader: stops it, and feed then ends the
 * stream so. */
COLD enum err stream_fault(struct stream *s, enum stream_end why,
                           const char *condition);

/* The server's header. */
MUST_CHECK enum err stream_take_header(struct stream *s,
                                       const struct xml_tag *tag);

/* Takes a scratch for the element that begins.  ERR_NOMEM. */
MUST_CHECK enum err stream_begin_copy(struct stream *s);

/* There is no room for the start tag of an element: copies what a stub of it
 * needs.  Answers ERR_LIMIT, so that the reader passes the element over. */
MUST_CHECK enum err stream_reduce_copy(struct stream *s,
                                       const struct xml_tag *tag);

/* The element was above a limit: puts a stub of it into the scratch.
 * ERR_MISSING: there is nothing to deliver.  ERR_INVALID: there is no stub of
 * such.  ERR_LIMIT, ERR_NOMEM. */
MUST_CHECK enum err stream_take_skipped(struct stream *s,
                                        const struct xml_skipped *what,
                                        struct element *out);

/* An element while TLS is being negotiated. */
MUST_CHECK enum err stream_take_early(struct stream *s,
                                      const struct element *e);

/* Looks at an element before the owner gets it.  Not ERR_OK: it is not for
 * the owner, since the server sends us elsewhere (other_host is set then), or
 * wants what we may not do. */
MUST_CHECK enum err stream_take_first(struct stream *s,
                                      const struct element *e);

/* Goes where other_host says.  Not from a handler of the reader. */
void stream_go_elsewhere(struct stream *s);

/* Bytes of the server.  The stream may be closed when it returns; what a pause
 * stops is held. */
void stream_feed(struct stream *s, const char *at, size_t len);

extern const struct xml_handler stream_xml_handler;

#endif /* XMPP_STREAM_INT_H */
