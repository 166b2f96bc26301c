/*
 * fuzz_xml_skip.c - the scanner that passes an element over finds the end that
 * expat finds, and the same name and attributes for a stub: from its first byte
 * and from any other place where it may take over, in any pieces.
 *
 * Input: a byte that seeds the pieces and the place, then what a server sends
 * behind its header.  What expat does not take as an element is not looked at.
 */
#include "../../src/xmpp/xml_skip.h"
#include "base/buf.h"
#include "xmpp/xml_read.h"
#include "xmpp/xml_stream.h"

#include <limits.h>
#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define HEADER                                                                 \
    "<stream:stream xmlns='jabber:client' xmlns:x='urn:x' "                    \
    "xmlns:stream='http://etherx.jabber.org/streams'>"

/* The scanner keeps no longer values; below this no tag has one. */
#define SURE_BYTES 3000

static const struct xml_limits limits = {1 << 24, UINT_MAX, UINT_MAX, UINT_MAX,
                                         1 << 24};

static struct xml_pool *pool;

static void must(bool is_true)
{
    if (!is_true)
        abort();
}

/* --- What expat says ------------------------------------------------------ */

struct witness {
    struct xml_stream *s;
    struct buf tag; /* what a stub needs of the first element */
    bool has_begun;
    bool has_ended;
};

static void put(struct buf *to, struct slice text)
{
    must(buf_append_slice(to, text) == ERR_OK);
    must(buf_append_text(to, "|") == ERR_OK);
}

static enum err on_start(void *arg, const struct xml_tag *tag)
{
    struct witness *w = arg;
    struct xml_attr attrs[XML_REDUCED_MAX];
    struct xml_tag reduced;

    if (xml_stream_depth(w->s) != 2 || w->has_begun)
        return ERR_OK;
    w->has_begun = true;
    xml_tag_reduce(tag, attrs, &reduced);
    put(&w->tag, reduced.name.ns);
    put(&w->tag, reduced.name.prefix);
    put(&w->tag, reduced.name.local);
    for (size_t i = 0; i < reduced.n_attrs; i++) {
        put(&w->tag, reduced.attrs[i].name.local);
        put(&w->tag, reduced.attrs[i].value);
    }
    return ERR_OK;
}

static enum err on_end(void *arg, const struct xml_name *name)
{
    struct witness *w = arg;

    (void)name;
    if (xml_stream_depth(w->s) == 2) {
        w->has_ended = true;
        xml_stream_hold(w->s);
    }
    return ERR_OK;
}

static enum err on_text(void *arg, struct slice text)
{
    (void)arg;
    (void)text;
    return ERR_OK;
}

static void open_witness(struct witness *w)
{
    static const struct xml_handler handler = {
        .start = on_start, .end = on_end, .text = on_text};
    size_t used;

    memset(w, 0, sizeof(*w));
    buf_init(&w->tag, SIZE_MAX);
    must(xml_stream_new(&w->s, pool, &limits, &handler, w) == ERR_OK);
    must(xml_stream_feed(w->s, HEADER, sizeof(HEADER) - 1, &used) == XML_OK);
}

static void close_witness(struct witness *w)
{
    xml_stream_free(w->s);
    buf_free(&w->tag);
}

/* --- What the scanner says ------------------------------------------------ */

/* Reads all in pieces, which must end exactly there. */
static void scan(struct xml_skip *skip, struct slice all, unsigned seed,
                 enum xml_skip_verdict last)
{
    enum xml_skip_verdict verdict = XML_SKIP_MORE;

    while (all.len > 0) {
        size_t n = seed == 0 ? all.len
                             : 1 + (seed = seed * 1103515245u + 12345u,
                                    (seed >> 16) % 16);
        size_t used;

        n = n < all.len ? n : all.len;
        must(verdict == XML_SKIP_MORE || verdict == XML_SKIP_TAG);
        verdict = xml_skip_read(skip, (struct slice){all.at, n}, &used);
        must(used > 0 && used <= n);
        must(used == n || verdict != XML_SKIP_MORE);
        all.at += used;
        all.len -= used;
    }
    must(verdict == last);
}

/* The tag that was gathered means what the original meant. */
static void check_tag(const struct xml_skip *skip, const struct witness *want,
                      size_t len)
{
    struct slice tag = xml_skip_tag(skip);
    struct witness got;
    size_t used;

    if (tag.len == 0) {
        must(len > 256);
        return;
    }
    open_witness(&got);
    must(xml_stream_feed(got.s, tag.at, tag.len, &used) == XML_OK);
    must(got.has_begun);
    if (len < SURE_BYTES)
        must(slice_equal(buf_slice(&got.tag), buf_slice(&want->tag)));
    close_witness(&got);
}

static void check_whole(struct slice all, const struct witness *want,
                        unsigned seed)
{
    const struct xml_token begin = {.state = XML_TOKEN_TEXT};
    struct xml_skip *skip = xml_skip_new(0, &begin);
    bool is_empty = all.at[all.len - 2] == '/';
    struct slice head = {all.at, xml_token_first(&begin, all)};

    must(skip != NULL);
    scan(skip, all, seed, head.len == all.len ? XML_SKIP_TAG : XML_SKIP_DONE);
    must(xml_skip_is_done(skip) || !is_empty || head.len < all.len);
    check_tag(skip, want, head.len);
    xml_skip_free(skip);
}

/* From somewhere inside, where the parser has read whole pieces. */
static void check_rest(struct slice all, unsigned seed)
{
    struct xml_token token = {.state = XML_TOKEN_TEXT};
    size_t at = seed * 2654435761u % all.len;
    struct xml_skip *skip;
    struct witness w;
    size_t used;

    at = xml_token_cut(&token, (struct slice){all.at, at});
    if (xml_token_is_open(&token)) /* it begins again with the piece */
        token = (struct xml_token){.state = XML_TOKEN_TEXT};
    open_witness(&w);
    must(xml_stream_feed(w.s, all.at, at, &used) == XML_OK);
    if (xml_stream_depth(w.s) >= 2) {
        skip = xml_skip_new(xml_stream_depth(w.s) - 1, &token);
        must(skip != NULL);
        scan(skip, (struct slice){all.at + at, all.len - at}, seed,
             XML_SKIP_DONE);
        xml_skip_free(skip);
    }
    close_witness(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct slice all = {(const char *)data + 1, len == 0 ? 0 : len - 1};
    struct witness w;
    size_t used;

    if (len == 0)
        return 0;
    if (pool == NULL)
        must(xml_pool_new(&pool, 2) == ERR_OK);
    used = xml_space_len(all.at, all.len);
    all = (struct slice){all.at + used, all.len - used};
    open_witness(&w);
    if (xml_stream_feed(w.s, all.at, all.len, &used) == XML_OK && w.has_ended) {
        all.len = used;
        check_whole(all, &w, 0);
        check_whole(all, &w, 1 + data[0]);
        check_rest(all, 1 + data[0]);
    }
    close_witness(&w);
    return 0;
}
