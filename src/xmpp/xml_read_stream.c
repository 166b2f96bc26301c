#include "xmpp/xml_read.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "xml_read_parser.h"
#include "xmpp/xml_write.h"

#include <assert.h>
#include <stdlib.h>

/* expat copies what it is fed: larger pieces would make its buffer so large
 * that the parser is not worth keeping. */
#define PIECE_BYTES 8192

/* Where the stream stands between two pieces. */
enum phase {
    PHASE_BEFORE, /* white space, then the header */
    PHASE_HEADER, /* the root tag is incomplete */
    PHASE_OPEN,   /* elements */
    PHASE_ENDED,  /* behind the stream's end tag: white space only */
};

/* How the token ends that is not complete yet. */
enum token {
    TOKEN_OPENS,       /* `<` was read */
    TOKEN_TAG,         /* at the next `>` outside quotes */
    TOKEN_QUOTED,      /* inside '…' */
    TOKEN_QUOTED2,     /* inside "…" */
    TOKEN_BANG,        /* `<!` was read */
    TOKEN_COMMENT,     /* behind `--`, at `>` */
    TOKEN_INSTRUCTION, /* at `?>` */
    TOKEN_SECTION,     /* behind `<![`, at `[` */
    TOKEN_REFERENCE,   /* at `;` */
    TOKEN_ANY,         /* at any `>`: no such token survives one */
};

struct xml_stream {
    struct xml_reader reader;
    struct xml_pool *pool;         /* borrowed: outlives its streams */
    const struct xml_scope *scope; /* the root tag as a parser is primed */
    enum phase phase;
    struct utf8 utf8;
    enum token token;
    uint64_t token_at; /* index at which it begins */
    char last[2];      /* its last two bytes, newest first */
    enum xml_verdict verdict;
    bool is_feeding;
    bool has_ended_element; /* why the parser was stopped, if it was */
    bool hold_asked;
    bool restart_asked;
    bool free_asked;
};

enum err xml_stream_new(struct xml_stream **out, struct xml_pool *pool,
                        const struct xml_limits *limits,
                        const struct xml_handler *handler, void *arg)
{
    struct xml_stream *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return ERR_NOMEM;
    s->pool = pool;
    s->reader.stream = s;
    s->reader.handler = handler;
    s->reader.arg = arg;
    s->reader.limits = *limits;
    *out = s;
    return ERR_OK;
}

static void release(struct xml_stream *s, bool is_at_top)
{
    if (s->reader.parser != NULL)
        xml_parser_put(&s->reader, is_at_top);
    memset(&s->utf8, 0, sizeof(s->utf8));
}

static void destroy(struct xml_stream *s)
{
    release(s, false);
    xml_scope_put(s->scope);
    free(s);
}

void xml_stream_free(struct xml_stream *s)
{
    if (s == NULL)
        return;
    if (!s->is_feeding) {
        destroy(s);
        return;
    }
    /* expat is below us on the stack: feed cleans up. */
    s->free_asked = true;
    xml_reader_stop(&s->reader, XML_STOPPED);
}

static void restart(struct xml_stream *s)
{
    release(s, false);
    s->phase = PHASE_BEFORE;
    s->verdict = XML_OK;
    s->hold_asked = false;
    s->restart_asked = false;
}

void xml_stream_restart(struct xml_stream *s)
{
    if (s->is_feeding)
        s->restart_asked = true;
    else
        restart(s);
}

void xml_stream_hold(struct xml_stream *s)
{
    s->hold_asked = true;
}

void xml_stream_set_bytes_max(struct xml_stream *s, size_t bytes_max)
{
    s->reader.limits.bytes_max = bytes_max;
}

unsigned xml_stream_depth(const struct xml_stream *s)
{
    return s->reader.depth;
}

bool xml_stream_is_pending(const struct xml_stream *s)
{
    return s->reader.parser != NULL;
}

/* --- Called by events ----------------------------------------------------- */

static enum err append_root(struct buf *to, const struct xml_tag *tag)
{
    enum err err = buf_append_text(to, "<");

    if (err == ERR_OK && tag->name.prefix.len > 0)
        err = buf_append_slice(to, tag->name.prefix);
    if (err == ERR_OK && tag->name.prefix.len > 0)
        err = buf_append_text(to, ":");
    if (err == ERR_OK)
        err = buf_append_slice(to, tag->name.local);
    for (size_t i = 0; i < tag->n_decls && err == ERR_OK; i++) {
        err = buf_append_text(to, " xmlns");
        if (err == ERR_OK && tag->decls[i].prefix.len > 0)
            err = buf_append_text(to, ":");
        if (err == ERR_OK)
            err = buf_append_slice(to, tag->decls[i].prefix);
        if (err == ERR_OK)
            err = xml_write_attr(to, "", tag->decls[i].uri);
    }
    if (err == ERR_OK)
        err = buf_append_text(to, ">");
    return err;
}

/*
 * The scope is the root tag without its attributes.  It keeps the name, since
 * the stream's end tag must match it in a parser that never saw the header.
 */
void xml_stream_root_read(struct xml_stream *s, const struct xml_tag *tag)
{
    struct buf text;
    const struct xml_scope *scope = NULL;

    buf_init(&text, SIZE_MAX);
    if (append_root(&text, tag) == ERR_OK)
        scope = xml_scope_take(s->pool, buf_slice(&text), tag);
    buf_free(&text);
    if (scope == NULL) {
        xml_reader_stop(&s->reader, XML_NOMEM);
        return;
    }
    xml_scope_put(s->scope);
    s->scope = scope;

    s->phase = PHASE_OPEN;
    if (s->reader.parser != NULL &&
        !xml_parser_set_scope(s->reader.parser, xml_scope_text(s->scope)))
        xml_reader_stop(&s->reader, XML_NOMEM);
}

/* Stops the parser where feed must leave it: the bytes behind this element
 * are for another parser or for another time. */
void xml_stream_element_read(struct xml_stream *s)
{
    if (s->reader.depth == 0)
        s->phase = PHASE_ENDED;
    if (s->phase != PHASE_ENDED && !s->hold_asked &&
        !xml_parser_is_large(s->reader.parser))
        return;
    s->has_ended_element = true;
    xml_reader_stop(&s->reader, XML_OK);
}

/* --- Tokens --------------------------------------------------------------- */

static void begin_token(struct xml_stream *s, uint64_t index, char first)
{
    s->token_at = index;
    s->token = first == '<'   ? TOKEN_OPENS
               : first == '&' ? TOKEN_REFERENCE
                              : TOKEN_ANY;
    memset(s->last, 0, sizeof(s->last));
}

/* One byte of the pending token; true when it completes it. */
static bool read_token(struct xml_stream *s, char c)
{
    switch (s->token) {
    case TOKEN_OPENS:
        s->token = c == '!'   ? TOKEN_BANG
                   : c == '?' ? TOKEN_INSTRUCTION
                              : TOKEN_TAG;
        return c == '>';
    case TOKEN_TAG:
        if (c == '\'')
            s->token = TOKEN_QUOTED;
        else if (c == '"')
            s->token = TOKEN_QUOTED2;
        return c == '>';
    case TOKEN_QUOTED:
        if (c == '\'')
            s->token = TOKEN_TAG;
        return false;
    case TOKEN_QUOTED2:
        if (c == '"')
            s->token = TOKEN_TAG;
        return false;
    case TOKEN_BANG:
        s->token = c == '-'   ? TOKEN_COMMENT
                   : c == '[' ? TOKEN_SECTION
                              : TOKEN_ANY;
        return c == '>';
    case TOKEN_COMMENT:
        return c == '>' && s->last[0] == '-' && s->last[1] == '-';
    case TOKEN_INSTRUCTION:
        return c == '>' && s->last[0] == '?';
    case TOKEN_SECTION:
        return c == '[' || c == '>';
    case TOKEN_REFERENCE:
        return c == ';' || c == '>';
    case TOKEN_ANY:
        return c == '>';
    }
    return false;
}

static bool read_bytes(struct xml_stream *s, const char *at, size_t len)
{
    bool is_complete = false;

    for (size_t i = 0; i < len; i++) {
        if (read_token(s, at[i]))
            is_complete = true;
        s->last[1] = s->last[0];
        s->last[0] = at[i];
    }
    return is_complete;
}

/*
 * Follows the token that the parser left pending when it was given `bytes`.
 * True: it is complete, and only expat's reparse deferral holds it back.
 * Every byte is looked at once, and a nudge always makes progress, so that a
 * token that comes byte by byte costs no more than its length.
 */
static bool follow_token(struct xml_stream *s, struct slice bytes)
{
    struct xml_parser *p = s->reader.parser;
    uint64_t index = xml_parser_index(p);
    uint64_t begin = p->fed - bytes.len;

    if (index == p->fed)
        return false;
    if (index >= begin) {
        size_t skip = (size_t)(index - begin);

        begin_token(s, index, bytes.at[skip]);
        return read_bytes(s, bytes.at + skip + 1, bytes.len - skip - 1);
    }
    if (index != s->token_at)
        begin_token(s, index, 0);
    return read_bytes(s, bytes.at, bytes.len);
}

/* --- Feeding -------------------------------------------------------------- */

static enum xml_verdict take_parser(struct xml_stream *s, char first)
{
    bool has_scope = s->phase == PHASE_OPEN;

    if (s->phase == PHASE_ENDED)
        return XML_NOT_WELL_FORMED;
    /* A byte order mark above all: here U+FEFF is data (H06, H41). */
    if (s->phase == PHASE_BEFORE && first != '<')
        return XML_NOT_WELL_FORMED;
    if (!xml_parser_take(s->pool, &s->reader,
                         has_scope ? xml_scope_text(s->scope) : SLICE("")))
        return XML_NOMEM;
    if (!has_scope)
        s->phase = PHASE_HEADER;
    return XML_OK;
}

/* What is incomplete must still be able to end within its limits. */
static bool is_over(const struct xml_stream *s)
{
    const struct xml_reader *r = &s->reader;
    uint64_t pending = r->parser->fed - xml_parser_index(r->parser);
    uint64_t begin = r->start;

    if (r->depth == 1)
        begin = r->parser->fed - pending;
    return pending > XML_TOKEN_MAX ||
           r->parser->fed - begin > r->limits.bytes_max;
}

/* How much of a piece is UTF-8, so that what stands before a fault is read the
 * same in whatever pieces it comes. */
static size_t count_utf8(struct utf8 *state, struct slice bytes)
{
    struct utf8 before = *state;
    size_t n = 0;

    if (utf8_feed(state, bytes.at, bytes.len))
        return bytes.len;
    *state = before;
    while (n < bytes.len && utf8_feed(state, bytes.at + n, 1))
        n++;
    return n;
}

/* Feeds a piece to the parser that the stream holds. */
static enum xml_verdict feed_piece(struct xml_stream *s, struct slice bytes,
                                   size_t *taken)
{
    struct xml_reader *r = &s->reader;
    uint64_t begin = r->parser->fed;
    size_t len = count_utf8(&s->utf8, bytes);
    bool is_valid = len == bytes.len;
    enum xml_verdict verdict;

    *taken = bytes.len = len;
    if (len == 0)
        return XML_BAD_ENCODING;
    verdict = xml_parser_feed(r, bytes, false);
    if (verdict == XML_OK && !r->is_stopped && follow_token(s, bytes)) {
        verdict = xml_parser_nudge(r);
        if (verdict == XML_OK && !r->is_stopped)
            (void)follow_token(s, bytes);
    }
    if (verdict != XML_OK)
        return verdict;

    if (r->is_stopped) {
        *taken = (size_t)(r->stopped_at - begin);
        release(s, false);
        return XML_OK;
    }
    if (!is_valid)
        return XML_BAD_ENCODING;
    if (is_over(s))
        return XML_TOO_BIG;
    if (r->depth == 1 && xml_parser_index(r->parser) == r->parser->fed)
        release(s, true);
    return XML_OK;
}

/* A header or an element that is whole and plain; 0: it is not. */
static size_t feed_plain(struct xml_stream *s, struct slice bytes)
{
    struct xml_reader *r = &s->reader;

    r->is_stopped = false;
    r->verdict = XML_OK;
    if (s->phase == PHASE_BEFORE)
        return xml_reader_try_plain_root(r, s->pool, bytes);
    if (s->phase != PHASE_OPEN)
        return 0;
    r->depth = 1;
    return xml_reader_try_plain(r, s->pool, bytes, s->scope);
}

/* Feeds some of the bytes, and says how many. */
static enum xml_verdict feed_some(struct xml_stream *s, struct slice bytes,
                                  size_t *taken)
{
    enum xml_verdict verdict;

    s->has_ended_element = false;
    if (s->reader.parser == NULL) {
        bool is_header = s->phase == PHASE_BEFORE;

        *taken = feed_plain(s, bytes);
        s->has_ended_element = *taken > 0 && !is_header;
        if (*taken > 0)
            return s->reader.verdict;
        verdict = take_parser(s, bytes.at[0]);
        if (verdict != XML_OK)
            return verdict;
    }
    if (bytes.len > PIECE_BYTES)
        bytes.len = PIECE_BYTES;
    return feed_piece(s, bytes, taken);
}

static enum xml_verdict feed(struct xml_stream *s, struct slice bytes,
                             size_t *used)
{
    enum xml_verdict verdict = XML_OK;
    size_t done = 0;

    while (done < bytes.len) {
        size_t taken;

        if (s->reader.parser == NULL)
            done += xml_space_len(bytes.at + done, bytes.len - done);
        if (done == bytes.len)
            break;
        verdict = feed_some(
            s, (struct slice){bytes.at + done, bytes.len - done}, &taken);
        if (verdict != XML_OK)
            return verdict;
        done += taken;
        if (s->has_ended_element && s->hold_asked) {
            s->hold_asked = false;
            break;
        }
    }
    *used = done;
    return XML_OK;
}

enum xml_verdict xml_stream_feed(struct xml_stream *s, const char *at,
                                 size_t len, size_t *used)
{
    assert(!s->is_feeding);
    *used = len;
    if (s->verdict != XML_OK)
        return s->verdict;

    s->is_feeding = true;
    s->verdict = feed(s, (struct slice){at, len}, used);
    s->is_feeding = false;

    if (s->free_asked) {
        destroy(s);
        return XML_STOPPED;
    }
    if (s->verdict != XML_OK)
        release(s, false);
    else if (s->restart_asked)
        restart(s);
    return s->verdict;
}
