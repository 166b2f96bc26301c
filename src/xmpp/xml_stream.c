#include "xml_stream.h"

#include "base/buf.h"
#include "base/utf8.h"
#include "xml_read_parser.h"
#include "xml_skip.h"
#include "xml_token.h"
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

struct xml_stream {
    struct xml_reader reader;
    struct xml_pool *pool;         /* borrowed: outlives its streams */
    const struct xml_scope *scope; /* the root tag as a parser is primed */
    enum phase phase;
    struct utf8 utf8;
    struct xml_token token; /* where the bytes that were read end */
    struct buf pending;     /* the markup that they have begun */
    struct xml_skip *skip;  /* owned: an element is being skipped; or NULL */
    uint64_t skipped_bytes; /* bytes of that element before it was */
    enum xml_verdict verdict;
    bool is_feeding;
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
    buf_init(&s->pending, XML_TAG_MAX_BYTES + PIECE_BYTES);
    *out = s;
    return ERR_OK;
}

static void xml_stream_release(struct xml_stream *s, bool is_at_top)
{
    if (s->reader.parser != NULL)
        xml_parser_put(&s->reader, is_at_top);
    memset(&s->utf8, 0, sizeof(s->utf8));
    memset(&s->token, 0, sizeof(s->token));
    buf_free(&s->pending);
    xml_skip_free(s->skip);
    s->skip = NULL;
}

static void xml_stream_destroy(struct xml_stream *s)
{
    xml_stream_release(s, false);
    xml_scope_put(s->scope);
    free(s);
}

void xml_stream_free(struct xml_stream *s)
{
    if (s == NULL)
        return;
    if (!s->is_feeding) {
        xml_stream_destroy(s);
        return;
    }
    /* expat is below us on the stack: feed cleans up. */
    s->free_asked = true;
    xml_reader_stop(&s->reader, XML_STOPPED);
}

static void xml_stream_do_restart(struct xml_stream *s)
{
    xml_stream_release(s, false);
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
        xml_stream_do_restart(s);
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
    return s->reader.parser != NULL || s->skip != NULL;
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
    if (s->phase != PHASE_ENDED && !s->hold_asked && !s->reader.is_over &&
        !xml_parser_is_large(s->reader.parser))
        return;
    xml_reader_stop(&s->reader, XML_OK);
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

/* Of the byte that count_utf8 stopped at: XML has no U+0000, UTF-8 does. */
static COLD enum xml_verdict verdict_of_byte(const struct utf8 *state,
                                             char byte)
{
    return byte == '\0' && utf8_is_complete(state) ? XML_NOT_WELL_FORMED
                                                   : XML_BAD_ENCODING;
}

/* --- Skipping ------------------------------------------------------------- */

/* The end of an element that was skipped. */
static enum xml_verdict end_skip(struct xml_stream *s, uint64_t bytes)
{
    struct xml_skipped what = {.limit = s->reader.limit, .bytes = bytes};
    enum err err;

    xml_stream_release(s, false);
    s->reader.depth = 2;
    err = s->reader.handler->skipped(s->reader.arg, &what);
    s->reader.depth = 1;
    return err == ERR_OK && !s->free_asked ? XML_OK : XML_STOPPED;
}

/* Reads on inside of an element that is skipped. */
static enum xml_verdict feed_skip(struct xml_stream *s, struct slice bytes,
                                  size_t *taken)
{
    size_t used = 0;

    switch (xml_skip_read(s->skip, bytes, &used)) {
    case XML_SKIP_MORE:
    case XML_SKIP_TAG: /* of an element inside: never */
        break;
    case XML_SKIP_DONE:
        *taken = used;
        return end_skip(s, s->skipped_bytes + used);
    case XML_SKIP_RESTRICTED:
        return XML_RESTRICTED;
    }
    *taken = used;
    s->skipped_bytes += used;
    return XML_OK;
}

static bool is_start_tag(struct slice markup)
{
    return markup.len > 1 && markup.at[0] == '<' && markup.at[1] != '/' &&
           markup.at[1] != '!' && markup.at[1] != '?';
}

/*
 * What has come of an element is above a limit, and the parser waits between
 * two pieces of markup.  The piece that has begun is read again by the
 * scanner.  Where that is the element's own start tag, its end is awaited, so
 * that the handler learns whose element it was.
 */
static enum xml_verdict skip_rest(struct xml_stream *s, enum xml_limit limit)
{
    struct xml_reader *r = &s->reader;
    struct xml_token token = {
        .state = s->pending.len > 0 ? XML_TOKEN_TEXT : s->token.state,
        .run = s->pending.len > 0 ? 0 : s->token.run,
    };
    struct buf pending;
    size_t used;
    enum xml_skip_verdict verdict = XML_SKIP_MORE;

    if (xml_token_is_restricted(&s->token))
        return XML_RESTRICTED;
    if (s->reader.handler->skipped == NULL || r->depth == 0)
        return XML_TOO_BIG;
    if (r->depth == 1 && !is_start_tag(buf_slice(&s->pending)))
        return XML_NOT_WELL_FORMED;
    r->limit = limit;
    s->skip = xml_skip_new(r->depth - 1, &token);
    if (s->skip == NULL)
        return XML_NOMEM;
    buf_take(&pending, &s->pending);
    s->skipped_bytes =
        pending.len + (r->depth > 1 ? r->parser->fed - r->start : 0);
    if (pending.len > 0)
        verdict = xml_skip_read(s->skip, buf_slice(&pending), &used);
    buf_free(&pending);
    if (r->depth > 1)
        xml_parser_put(r, false);
    return verdict == XML_SKIP_RESTRICTED ? XML_RESTRICTED : XML_OK;
}

/* The start tag of the element that is skipped is whole: the parser, which
 * still waits for it, gets what was gathered. */
static enum xml_verdict start_skip(struct xml_stream *s)
{
    struct xml_reader *r = &s->reader;
    bool is_done = xml_skip_is_done(s->skip);
    struct slice tag = xml_skip_tag(s->skip);
    enum xml_verdict verdict = XML_OK;

    if (tag.len > 0)
        verdict = xml_parser_feed(r, tag, false);
    if (verdict != XML_OK)
        return verdict;
    xml_parser_put(r, false);
    return is_done ? end_skip(s, s->skipped_bytes) : XML_OK;
}

/* Reads on inside of the start tag of an element that is skipped. */
static enum xml_verdict feed_skipped_tag(struct xml_stream *s,
                                         struct slice bytes, size_t *taken)
{
    enum xml_skip_verdict verdict = xml_skip_read(s->skip, bytes, taken);

    s->skipped_bytes += *taken;
    if (verdict == XML_SKIP_RESTRICTED)
        return XML_RESTRICTED;
    return verdict == XML_SKIP_TAG ? start_skip(s) : XML_OK;
}

/* --- Feeding the parser --------------------------------------------------- */

/* expat holds back no more than this of what it was given: what could begin a
 * line end, `]]>` or a character. */
#define HELD_BACK_MAX_BYTES 8

/* Gives whole pieces to the parser.  *taken: fewer when an event stopped it. */
static enum xml_verdict feed_whole(struct xml_stream *s, struct slice bytes,
                                   size_t *taken)
{
    struct xml_reader *r = &s->reader;
    uint64_t begin = r->parser->fed;
    enum xml_verdict verdict = xml_parser_feed(r, bytes, false);

    *taken = bytes.len;
    if (verdict != XML_OK)
        return verdict;
    if (r->is_stopped) { /* behind the end of an element */
        *taken = (size_t)(r->stopped_at - begin);
        if (r->is_over)
            return end_skip(s, r->stopped_at - r->start);
        xml_stream_release(s, false);
        return XML_OK;
    }
    if (xml_parser_pending(r->parser) > HELD_BACK_MAX_BYTES)
        return XML_NOT_WELL_FORMED;
    return XML_OK;
}

/* Goes on with the piece of markup that has begun. */
static enum xml_verdict feed_pending(struct xml_stream *s, struct slice bytes,
                                     size_t *taken)
{
    struct buf whole;
    size_t read;
    enum xml_verdict verdict;

    *taken = xml_token_finish(&s->token, bytes);
    if (buf_append(&s->pending, bytes.at, *taken) != ERR_OK)
        return XML_NOMEM;
    if (xml_token_is_open(&s->token))
        return XML_OK;
    buf_take(&whole, &s->pending);
    verdict = feed_whole(s, buf_slice(&whole), &read);
    buf_free(&whole);
    return verdict;
}

/* Gives what is whole to the parser, and keeps the rest. */
static enum xml_verdict feed_fresh(struct xml_stream *s, struct slice bytes,
                                   size_t *taken)
{
    enum xml_verdict verdict = XML_OK;
    size_t whole;

    /* The header goes alone, so that a hold finds the parser behind it. */
    if (s->phase == PHASE_HEADER)
        bytes.len = xml_token_first(&s->token, bytes);
    whole = xml_token_cut(&s->token, bytes);
    *taken = 0;
    if (whole > 0)
        verdict = feed_whole(s, (struct slice){bytes.at, whole}, taken);
    if (verdict != XML_OK || *taken < whole || s->reader.parser == NULL)
        return verdict;
    *taken = bytes.len;
    if (whole < bytes.len &&
        buf_append(&s->pending, bytes.at + whole, bytes.len - whole) != ERR_OK)
        return XML_NOMEM;
    return XML_OK;
}

/* What is incomplete must still be able to end within its limits. */
static enum xml_verdict check_limits(struct xml_stream *s)
{
    const struct xml_reader *r = &s->reader;
    uint64_t size = s->pending.len;

    if (r->depth != 1)
        size += r->parser->fed - r->start;
    if (r->is_over)
        return skip_rest(s, r->limit);
    if (s->pending.len > XML_TAG_MAX_BYTES)
        return skip_rest(s, XML_LIMIT_TAG);
    if (size > r->limits.bytes_max)
        return skip_rest(s, XML_LIMIT_BYTES);
    return XML_OK;
}

/* Feeds a piece to the parser that the stream holds. */
static enum xml_verdict feed_parser(struct xml_stream *s, struct slice bytes,
                                    size_t *taken)
{
    enum xml_verdict verdict;

    if (s->pending.len > 0)
        verdict = feed_pending(s, bytes, taken);
    else
        verdict = feed_fresh(s, bytes, taken);
    if (verdict != XML_OK || s->reader.parser == NULL)
        return verdict;
    verdict = check_limits(s);
    if (verdict == XML_OK && s->skip == NULL && s->reader.depth == 1 &&
        s->pending.len == 0 && xml_parser_pending(s->reader.parser) == 0)
        xml_stream_release(s, true);
    return verdict;
}

/* Feeds a piece to whatever reads the element that has begun. */
static enum xml_verdict feed_piece(struct xml_stream *s, struct slice bytes,
                                   size_t *taken)
{
    size_t len = count_utf8(&s->utf8, bytes);
    enum xml_verdict fault =
        len == bytes.len ? XML_OK : verdict_of_byte(&s->utf8, bytes.at[len]);
    enum xml_verdict verdict;

    *taken = bytes.len = len;
    if (len == 0)
        return fault;
    if (s->skip == NULL)
        verdict = feed_parser(s, bytes, taken);
    else if (s->reader.parser == NULL)
        verdict = feed_skip(s, bytes, taken);
    else
        verdict = feed_skipped_tag(s, bytes, taken);
    if (*taken < len) /* it stopped behind markup */
        memset(&s->utf8, 0, sizeof(s->utf8));
    if (verdict != XML_OK || *taken < len)
        return verdict;
    return fault;
}

/* A header or an element that is whole and plain; 0: it is not. */
static size_t feed_plain(struct xml_stream *s, struct slice bytes)
{
    struct xml_reader *r = &s->reader;

    r->is_stopped = false;
    r->is_over = false;
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

    if (s->reader.parser == NULL && s->skip == NULL) {
        *taken = feed_plain(s, bytes);
        if (RARELY(s->reader.is_over))
            return end_skip(s, *taken);
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

static enum xml_verdict xml_stream_do_feed(struct xml_stream *s,
                                           struct slice bytes, size_t *used)
{
    enum xml_verdict verdict = XML_OK;
    size_t done = 0;

    while (done < bytes.len) {
        size_t taken;

        if (s->reader.parser == NULL && s->skip == NULL)
            done += xml_space_len(bytes.at + done, bytes.len - done);
        if (done == bytes.len)
            break;
        verdict = feed_some(
            s, (struct slice){bytes.at + done, bytes.len - done}, &taken);
        if (verdict != XML_OK)
            return verdict;
        done += taken;
        if (s->hold_asked && s->reader.parser == NULL && s->skip == NULL) {
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
    s->verdict = xml_stream_do_feed(s, (struct slice){at, len}, used);
    s->is_feeding = false;

    if (s->free_asked) {
        xml_stream_destroy(s);
        return XML_STOPPED;
    }
    if (s->verdict != XML_OK)
        xml_stream_release(s, false);
    else if (s->restart_asked)
        xml_stream_do_restart(s);
    return s->verdict;
}
