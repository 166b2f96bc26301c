/*
 * xml_read_parser.h - what xml_read.c, the home of expat, offers to
 * xml_stream.c: parsers that are borrowed from a pool and fed.
 */
#ifndef XMPP_XML_READ_PARSER_H
#define XMPP_XML_READ_PARSER_H

#include "xmpp/xml_read.h"

/* One expat parser, in a pool or lent to a reader. */
struct xml_parser {
    struct XML_ParserStruct *expat; /* owned */
    struct xml_pool *pool;          /* back pointer */
    struct xml_reader *reader;      /* borrowed: NULL while priming or idle */
    uint64_t fed;                   /* bytes since it was last blank */
    size_t bytes;                   /* everything that it owns */
    struct slice scope;             /* owned; "" when not primed */
    struct xml_attr *attrs;         /* owned */
    size_t attrs_cap;
    struct xml_decl *decls; /* owned: gathered for the tag to come */
    size_t decls_cap;
    size_t n_decls;
    char *decls_text; /* owned: their prefixes and URIs */
    size_t decls_text_cap;
    size_t decls_text_len;
    unsigned char over; /* 1 + enum xml_limit that the declarations of the tag
                           to come are above; 0: none */
    bool is_fresh;      /* was not fed since it was made or reset */
};

struct xml_pool {
    unsigned idle_max;
    unsigned n_idle;
    unsigned n_lent;
    size_t bytes;             /* of all its parsers */
    uint64_t fed;             /* bytes that these were given */
    enum xml_limit limit;     /* see xml_pool_limit */
    struct xml_scope *scopes; /* of its streams; the last used one first */
    struct xml_plain *plain;  /* owned */
    struct xml_parser **idle; /* owned; the last one was used last */
};

/* Who receives the events of a parser.  Indexes count the bytes that the
 * parser was given since it was last blank. */
struct xml_reader {
    struct xml_parser *parser;         /* owned while borrowed from the pool */
    const struct xml_handler *handler; /* borrowed: static */
    void *arg;                         /* borrowed: the handler's */
    struct xml_stream *stream;         /* back pointer; NULL: a document */
    struct xml_limits limits;
    uint64_t start;           /* index where document or element began */
    uint64_t stopped_at;      /* index behind the last event taken */
    unsigned depth;           /* open elements */
    unsigned elements;        /* in the document or top-level element */
    enum xml_limit limit;     /* that it is above: XML_TOO_BIG or is_over */
    enum xml_verdict verdict; /* why the parser was stopped */
    bool is_stopped;          /* takes no further event */
    bool is_enclosed;         /* a document inside of a root of ours */
    bool has_root;            /* of the document inside: it began */
    bool is_over;             /* the element is above a limit: its events are
                                 only counted, up to its end */
};

/*
 * Lends a parser to r.  A scope ("" for none) is the text of a root tag: the
 * parser then stands behind it at depth 1, as it does when it was given back
 * with this scope.  False: no memory.
 */
MUST_CHECK bool xml_parser_take(struct xml_pool *pool, struct xml_reader *r,
                                struct slice scope);

/* Gives it back.  is_at_top: nothing is pending, and it may be used as it is
 * where its scope fits; otherwise it is reset before its next use. */
void xml_parser_put(struct xml_reader *r, bool is_at_top);

/* The root tag was read: this is the scope from now on.  Copied. */
MUST_CHECK bool xml_parser_set_scope(struct xml_parser *p, struct slice scope);

/* Feeds at most INT_MAX bytes; XML_OK also when an event stopped it. */
enum xml_verdict xml_parser_feed(struct xml_reader *r, struct slice bytes,
                                 bool is_final);

/* How many of the bytes it was given expat keeps for later: what could begin
 * a line end, `]]>` or a character. */
uint64_t xml_parser_pending(const struct xml_parser *p);

/* From an event: takes no further one. */
COLD void xml_reader_stop(struct xml_reader *r, enum xml_verdict verdict);

/* From an event: what is being read is above a limit.  An element of a stream
 * is passed over; else XML_TOO_BIG. */
COLD void xml_reader_exceed(struct xml_reader *r, enum xml_limit limit);

/* True when an element above a limit is skipped, not a fault: inside of one. */
static inline bool xml_reader_may_skip(const struct xml_reader *r)
{
    return r->stream != NULL && r->handler->skipped != NULL && r->depth >= 2;
}

/* What a handler answered: goes on, passes the element over or stops. */
static inline void xml_reader_heed(struct xml_reader *r, enum err err)
{
    if (err == ERR_OK)
        return;
    if (err == ERR_LIMIT && xml_reader_may_skip(r))
        xml_reader_exceed(r, XML_LIMIT_OUTPUT);
    else
        xml_reader_stop(r, XML_STOPPED);
}

/* True when the parser holds so much memory that it is not worth keeping. */
bool xml_parser_is_large(const struct xml_parser *p);

/* Installs every handler; XML_ParserReset drops them all. */
void xml_parser_listen(struct xml_parser *p);

/* A root tag and its text, shared by the streams that have the same.  NULL: no
 * memory. */
MUST_CHECK const struct xml_scope *xml_scope_take(struct xml_pool *pool,
                                                  struct slice text,
                                                  const struct xml_tag *tag);
void xml_scope_put(const struct xml_scope *taken);          /* NULL is fine */
struct slice xml_scope_text(const struct xml_scope *scope); /* NULL: "" */

/* What it declares; NULL: nothing. */
const struct xml_decl *xml_scope_decls(const struct xml_scope *scope,
                                       size_t *n);

/*
 * Reads the element that bytes begin with without expat, if it is plain
 * (xml_plain.h), as a child of the root whose scope is given.  Answers how
 * much was taken, or 0: nothing was, and no event was told.  r has no parser;
 * an event may stop it.  A document is UTF-8, and taken whole or not at all;
 * the bytes of a stream are checked here.
 */
size_t xml_reader_try_plain(struct xml_reader *r, struct xml_pool *pool,
                            struct slice bytes, const struct xml_scope *scope);

/* The same for the header of a stream. */
size_t xml_reader_try_plain_root(struct xml_reader *r, struct xml_pool *pool,
                                 struct slice bytes);

/* Memory that is counted for its parser. */
void *xml_block_realloc(struct xml_parser *p, void *at, size_t size);
void xml_block_free(void *at);

/* Called by the events of a stream's parser. */
void xml_stream_root_read(struct xml_stream *s, const struct xml_tag *tag);
void xml_stream_element_read(struct xml_stream *s);

#endif /* XMPP_XML_READ_PARSER_H */
