/*
 * fuzz_xml_read.c - the reader, the writer and the copier under hostile bytes.
 *
 * The first byte of an input selects what is done with the rest:
 *   0  a document: out(parse(x)) says what x says, and writing it once more
 *      changes nothing
 *   1  a stream: its elements are the same in whatever pieces it comes; the
 *      second byte seeds the pieces and says whether feeding is held
 *   2  a BOSH body to the server, 3 a document to the client: each child is
 *      copied as one standalone element that a second copy leaves alone
 */
#include "xmpp/element.h"
#include "xmpp/xml_read.h"
#include "xmpp/xml_stream.h"
#include "xmpp/xml_write.h"

#include "../unit/xml_events.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MODES 4

static const struct xml_limits limits = {65536, XML_DEPTH_MAX, XML_ATTRS_MAX,
                                         XML_ELEMENTS_MAX, XML_NAME_MAX_BYTES};

/* What is read for a second time may be longer by declarations. */
static const struct xml_limits wide = {
    1 << 24, XML_DEPTH_MAX + 1, 1000, XML_ELEMENTS_MAX + 1, XML_NAME_MAX_BYTES};

static struct xml_pool *pool;
static struct xml_writer *writer;
static struct element_copier *copier;

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

/* --- Documents ------------------------------------------------------------ */

static enum err write_start(void *arg, const struct xml_tag *tag)
{
    return xml_writer_start(writer, tag, NULL, 0);
}

static enum err write_end(void *arg, const struct xml_name *name)
{
    return xml_writer_end(writer);
}

static enum err write_text(void *arg, struct slice text)
{
    return xml_writer_text(writer, text);
}

static const struct xml_handler writing = {
    .start = write_start, .end = write_end, .text = write_text};

static enum xml_verdict rewrite(struct slice in, struct buf *out)
{
    buf_init(out, SIZE_MAX);
    xml_writer_begin(writer, out, "");
    return xml_parse(pool, in, &wide, &writing, NULL);
}

static void open_events(struct events *e)
{
    memset(e, 0, sizeof(*e));
    buf_init(&e->text, SIZE_MAX);
}

/* A declaration has it read in the other way, which must say the same. */
static void try_both_ways(struct slice in)
{
    static const struct xml_limits longer = {65536 + 100, XML_DEPTH_MAX,
                                             XML_ATTRS_MAX, XML_ELEMENTS_MAX,
                                             XML_NAME_MAX_BYTES};
    struct events one;
    struct events other;
    struct buf with;
    enum xml_verdict verdict;

    if (in.len < 2 || in.len > 65536 || in.at[0] != '<' || in.at[1] == '?')
        return;
    buf_init(&with, SIZE_MAX);
    must(buf_append_text(&with, "<?xml version='1.0'?>") == ERR_OK);
    must(buf_append_slice(&with, in) == ERR_OK);
    open_events(&one);
    open_events(&other);
    one.is_exact = other.is_exact = true;
    verdict = xml_parse(pool, in, &longer, &events_handler, &one);
    must(xml_parse(pool, buf_slice(&with), &longer, &events_handler, &other) ==
         verdict);
    if (verdict == XML_OK)
        must(slice_equal(buf_slice(&one.text), buf_slice(&other.text)));
    buf_free(&one.text);
    buf_free(&other.text);
    buf_free(&with);
}

static void try_document(struct slice in)
{
    struct events before;
    struct events after;
    struct buf first;
    struct buf second;

    try_both_ways(in);
    open_events(&before);
    if (xml_parse(pool, in, &limits, &events_handler, &before) != XML_OK) {
        buf_free(&before.text);
        return;
    }
    open_events(&after);
    buf_init(&second, SIZE_MAX);
    /* It is refused only for too many declarations in scope. */
    if (rewrite(in, &first) == XML_OK) {
        must(xml_parse(pool, buf_slice(&first), &wide, &events_handler,
                       &after) == XML_OK);
        must(slice_equal(buf_slice(&before.text), buf_slice(&after.text)));
        must(rewrite(buf_slice(&first), &second) == XML_OK);
        must(slice_equal(buf_slice(&first), buf_slice(&second)));
    }
    buf_free(&before.text);
    buf_free(&after.text);
    buf_free(&first);
    buf_free(&second);
}

/* --- Streams -------------------------------------------------------------- */

struct run {
    struct events e; /* first: the handlers of events.h want it */
    struct xml_stream *s;
    size_t complete; /* length of the events of complete elements */
    bool holds;
    bool is_pending; /* at the end: something is not complete */
};

static enum err stream_end(void *arg, const struct xml_name *name)
{
    struct run *r = arg;
    enum err err = events_end(&r->e, name);

    must(xml_stream_depth(r->s) >= 1);
    if (xml_stream_depth(r->s) > 2)
        return err;
    r->complete = r->e.text.len;
    if (r->holds)
        xml_stream_hold(r->s);
    return err;
}

static const struct xml_handler streaming = {
    .start = events_start, .end = stream_end, .text = events_text};

/* Feeds pieces of up to 16 bytes when seed is not 0, else all at once. */
static enum xml_verdict stream(struct run *r, struct slice in, unsigned seed)
{
    enum xml_verdict verdict = XML_OK;
    size_t done = 0;

    open_events(&r->e);
    r->complete = 0;
    r->holds = (seed & 1) != 0;
    must(xml_stream_new(&r->s, pool, &limits, &streaming, r) == ERR_OK);
    while (done < in.len && verdict == XML_OK) {
        size_t piece = in.len - done;
        size_t used = 0;

        if (seed != 0) {
            size_t most = 1 + seed % 16;

            seed = (seed * 1103515245U + 12345U) | 0x10000U;
            piece = piece < most ? piece : most;
        }
        verdict = xml_stream_feed(r->s, in.at + done, piece, &used);
        must(used <= piece);
        must(used > 0);
        done += used;
    }
    r->is_pending = xml_stream_is_pending(r->s);
    xml_stream_free(r->s);
    return verdict;
}

static void try_stream(struct slice in)
{
    struct run whole;
    struct run pieces;
    unsigned seed;

    if (in.len == 0)
        return;
    seed = (unsigned char)in.at[0];
    in = (struct slice){in.at + 1, in.len - 1};
    if (stream(&whole, in, 0) == XML_OK) {
        /* A fault in a token that has not ended may be seen early or late:
         * that depends on how much room the parser had. */
        must(stream(&pieces, in, seed + 1) == XML_OK || whole.is_pending);
        must(whole.complete == pieces.complete);
        must(whole.complete == 0 ||
             memcmp(buf_at(&whole.e.text), buf_at(&pieces.e.text),
                    whole.complete) == 0);
        buf_free(&pieces.e.text);
    }
    buf_free(&whole.e.text);
}

/* --- Elements ------------------------------------------------------------- */

struct copy {
    struct buf out;
    struct element_params params;
    unsigned skip; /* levels around the elements */
    unsigned depth;
    size_t n;
    size_t ends[256]; /* of the elements in out */
};

static enum err copy_start(void *arg, const struct xml_tag *tag)
{
    struct copy *c = arg;

    c->depth++;
    if (c->depth <= c->skip)
        return ERR_OK;
    if (c->depth == c->skip + 1)
        element_copier_begin(copier, &c->out, &c->params);
    return element_copier_start(copier, tag);
}

static enum err copy_end(void *arg, const struct xml_name *name)
{
    struct copy *c = arg;
    struct element element;
    bool done;
    enum err err;

    c->depth--;
    if (c->depth < c->skip)
        return ERR_OK;
    err = element_copier_end(copier, &done, &element);
    if (err != ERR_OK || !done)
        return err;
    must(c->depth == c->skip);
    must(element.bytes.at + element.bytes.len == buf_at(&c->out) + c->out.len);
    if (c->n == COUNT_OF(c->ends))
        return ERR_LIMIT;
    c->ends[c->n++] = c->out.len;
    return ERR_OK;
}

static enum err copy_text(void *arg, struct slice text)
{
    struct copy *c = arg;

    return c->depth <= c->skip ? ERR_OK : element_copier_text(copier, text);
}

static const struct xml_handler copying = {
    .start = copy_start, .end = copy_end, .text = copy_text};

/* One element, where it will stand: a second copy changes nothing. */
static void check_element(struct slice element, const struct copy *c)
{
    bool to_server = c->params.filter == ELEMENT_TO_SERVER;
    struct copy *again = calloc(1, sizeof(*again));
    struct buf in;

    must(again != NULL);
    buf_init(&in, SIZE_MAX);
    buf_init(&again->out, SIZE_MAX);
    again->params = c->params;
    again->params.rescope_httpbind = false;
    again->skip = to_server ? 1 : 0;
    if (to_server)
        must(buf_append_text(&in, "<r xmlns='jabber:client'>") == ERR_OK);
    must(buf_append_slice(&in, element) == ERR_OK);
    if (to_server)
        must(buf_append_text(&in, "</r>") == ERR_OK);

    must(xml_parse(pool, buf_slice(&in), &wide, &copying, again) == XML_OK);
    must(again->n == 1);
    must(slice_equal(buf_slice(&again->out), element));
    buf_free(&again->out);
    buf_free(&in);
    free(again);
}

static void try_elements(struct slice in, enum element_filter filter)
{
    struct copy *c = calloc(1, sizeof(*c));
    size_t begin = 0;

    must(c != NULL);
    buf_init(&c->out, SIZE_MAX);
    c->params.filter = filter;
    c->params.rescope_httpbind = filter == ELEMENT_TO_SERVER;
    c->params.lang = SLICE("de");
    c->skip = 1;
    if (xml_parse(pool, in, &limits, &copying, c) == XML_OK) {
        for (size_t i = 0; i < c->n; i++) {
            check_element(
                (struct slice){buf_at(&c->out) + begin, c->ends[i] - begin}, c);
            begin = c->ends[i];
        }
    }
    buf_free(&c->out);
    free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice in = {(const char *)data + 1, len - 1};

    if (len == 0)
        return 0;
    if (pool == NULL) {
        must(xml_pool_new(&pool, 3) == ERR_OK);
        must(xml_writer_new(&writer) == ERR_OK);
        must(element_copier_new(&copier) == ERR_OK);
    }
    switch (data[0] % MODES) {
    case 0:
        try_document(in);
        break;
    case 1:
        try_stream(in);
        break;
    case 2:
        try_elements(in, ELEMENT_TO_SERVER);
        break;
    default:
        try_elements(in, ELEMENT_TO_CLIENT);
        break;
    }
    must(xml_pool_bytes(pool) < 4 * 70000);
    return 0;
}
