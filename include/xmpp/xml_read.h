/*
 * xml_read.h - the one XML reader of doab: BOSH bodies, WebSocket messages
 * and server streams all come through here (design: one reader, one writer;
 * conformance H01-H10, H40, H41, L21).
 *
 * Bytes are checked as strict UTF-8 before expat sees them.  A document type,
 * a processing instruction, a comment, an entity other than the five and an
 * encoding other than UTF-8 stop the parser at once, as do too much depth,
 * too many attributes or elements, too long names and too many bytes.
 * Names arrive resolved: namespace, local name and the prefix the sender used.
 *
 * An element that is whole and plain - nearly every one - never reaches expat:
 * src/xmpp/xml_plain.c reads it, and leaves everything else, faults included,
 * to expat, so that one place judges.
 *
 * What it is not: it builds no tree and keeps no text.  Events go to the
 * handler's functions in document order; the slices in them live until the
 * function returns.
 */
#ifndef XMPP_XML_READ_H
#define XMPP_XML_READ_H

#include "base/base.h"

struct xml_pool;   /* parsers of one thread, kept for reuse */
struct xml_stream; /* an incremental reader of one server stream */

/* White space of XML 1.0, production S. */
static inline bool xml_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* How much of it the bytes begin with. */
static inline size_t xml_space_len(const char *at, size_t len)
{
    size_t n = 0;

    while (n < len && xml_is_space(at[n]))
        n++;
    return n;
}

struct xml_name {
    struct slice ns; /* "" for no namespace */
    struct slice local;
    struct slice prefix; /* as sent; "" when unprefixed */
};

struct xml_attr {
    struct xml_name name;
    struct slice value;
};

/* A namespace declaration: xmlns:prefix='uri', or xmlns='uri' for "". */
struct xml_decl {
    struct slice prefix;
    struct slice uri; /* "" undeclares the default namespace */
};

struct xml_tag {
    struct xml_name name;
    const struct xml_attr *attrs; /* namespace declarations not among them */
    size_t n_attrs;
    const struct xml_decl *decls; /* those that stand on this very tag */
    size_t n_decls;
};

/* Which limit an element is above. */
enum xml_limit {
    XML_LIMIT_BYTES,  /* its size: bytes_max */
    XML_LIMIT_TAG,    /* the size of one tag or reference: XML_TAG_MAX_BYTES */
    XML_LIMIT_DEPTH,  /* depth_max */
    XML_LIMIT_ATTRS,  /* attrs_max */
    XML_LIMIT_NAME,   /* name_max_bytes */
    XML_LIMIT_COUNT,  /* elements_max */
    XML_LIMIT_MEMORY, /* what the parser needs for it */
    XML_LIMIT_OUTPUT, /* the handler cannot take it: it answered ERR_LIMIT */
};

/* "size", "tag", "depth", …: for logs. */
const char *xml_limit_name(enum xml_limit limit);

/* What a client did that is above a limit, for it to read: "above 64 attributes
 * in a tag", ….  The numbers are those of XML_DEPTH_MAX and its neighbours;
 * NULL: the caller knows the limit (XML_LIMIT_BYTES, XML_LIMIT_OUTPUT). */
const char *xml_limit_text(enum xml_limit limit);

/* An element of a stream that was skipped. */
struct xml_skipped {
    enum xml_limit limit;
    uint64_t bytes; /* its size */
};

/* Each answers ERR_OK to go on; anything else stops the parser, and the
 * verdict is XML_STOPPED. */
struct xml_handler {
    enum err (*start)(void *arg, const struct xml_tag *tag);
    enum err (*end)(void *arg, const struct xml_name *name);
    enum err (*text)(void *arg, struct slice text); /* pieces, CDATA too */
    /*
     * NULL: an element above a limit ends the stream (XML_TOO_BIG).  Else it is
     * passed over in bounded memory, also when one of the functions above
     * answered ERR_LIMIT, and this is called instead of its end.  Its start was
     * called, with xml_tag_reduce's attributes where the tag is above a limit
     * itself; not at all when its name is.  Not for documents.
     */
    enum err (*skipped)(void *arg, const struct xml_skipped *what);
};

struct xml_limits {
    size_t bytes_max;        /* one document, or one top-level element */
    unsigned depth_max;      /* of elements; the root is 1 */
    unsigned attrs_max;      /* attributes and declarations of one tag */
    unsigned elements_max;   /* in one document or top-level element */
    unsigned name_max_bytes; /* of a local name, a prefix, a namespace */
};

#define XML_DEPTH_MAX      64
#define XML_ATTRS_MAX      64
#define XML_ELEMENTS_MAX   25000
#define XML_NAME_MAX_BYTES 1024

/* A tag or a reference of a stream is never longer than this, whatever
 * bytes_max says: it is kept until it is complete (conformance L21). */
#define XML_TAG_MAX_BYTES 131072

/* What the parser of a stream may hold for one element: distinct names cost
 * some 200 bytes each until the parser is freed. */
#define XML_MEMORY_MAX_BYTES 4194304

/* Limits of what a server sends: they protect memory, not taste (decision
 * 23). */
#define XML_SERVER_DEPTH_MAX      512
#define XML_SERVER_ATTRS_MAX      1024
#define XML_SERVER_NAME_MAX_BYTES 8192

#define XML_REDUCED_MAX 5

/* A stanza's own attributes of a tag - from, to, id, type, xml:lang - without
 * values above XML_REDUCED_VALUE_MAX bytes, without declarations, and with an
 * element name that is short.  attrs has XML_REDUCED_MAX places; *out borrows
 * from them and from tag. */
#define XML_REDUCED_VALUE_MAX 3072
void xml_tag_reduce(const struct xml_tag *tag, struct xml_attr *attrs,
                    struct xml_tag *out);

enum xml_verdict {
    XML_OK,
    XML_NOT_WELL_FORMED, /* includes unbound prefixes, trailing garbage */
    XML_RESTRICTED,      /* DTD, PI, comment, undeclared entity */
    XML_BAD_ENCODING,    /* not strict UTF-8, or another encoding declared */
    XML_TOO_BIG,         /* a limit of struct xml_limits */
    XML_STOPPED,         /* the handler refused */
    XML_NOMEM,
};

/* "not-well-formed", "restricted-xml", "unsupported-encoding",
 * "policy-violation", …: the stream error of RFC 6120 section 4.9.3. */
const char *xml_verdict_condition(enum xml_verdict verdict);

/* ERR_NOMEM.  idle_max: how many parsers are kept for reuse. */
MUST_CHECK enum err xml_pool_new(struct xml_pool **out, unsigned idle_max);
void xml_pool_free(struct xml_pool *pool); /* no stream may be left */

/* Which limit the document was above for which xml_parse last answered
 * XML_TOO_BIG. */
enum xml_limit xml_pool_limit(const struct xml_pool *pool);

/*
 * Reads one whole document.  A byte order mark and an XML declaration
 * (version 1.0, UTF-8) before it and white space around it are allowed.
 * The handler may have been called before a fault is found: the caller
 * throws away what it gathered unless the verdict is XML_OK (H02).
 */
enum xml_verdict xml_parse(struct xml_pool *pool, struct slice bytes,
                           const struct xml_limits *limits,
                           const struct xml_handler *handler, void *arg);

/* Bytes of memory that the pool's parsers hold, those in use included. */
size_t xml_pool_bytes(const struct xml_pool *pool);

/* Bytes that they were given in all: each byte of a stream at most once. */
uint64_t xml_pool_fed_bytes(const struct xml_pool *pool);

/* Name and version of the library that is in use, for doab -V. */
const char *xml_library(void);

#endif /* XMPP_XML_READ_H */
