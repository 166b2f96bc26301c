/*
 * Property: whatever well-formed stanzas a server sends, of whatever shape and
 * up to 8 MB each, in whatever pieces: the stream lives, each comes out as one
 * element in its place, whole or as a stub, memory is bounded, and the next
 * stanza is unharmed.  L21, L22
 *
 * Each run is drawn from a seed.  A failure names it.
 */
#include "stream_world.h"

#include "base/buf.h"

#include <malloc.h>

#define MIB 1048576u

static uint64_t random_state;

static size_t draw(size_t n) /* 0 … n - 1 */
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (size_t)(random_state % n);
}

/* Of all orders of magnitude alike, from 1 to 2^bits. */
static size_t draw_size(unsigned bits)
{
    return 1 + draw((size_t)1 << draw(bits + 1));
}

/* --- Elements ------------------------------------------------------------- */

struct writer {
    struct buf *to;
    size_t max;     /* when it is reached nothing new begins */
    bool is_filled; /* and until then there is more */
    size_t n_names;
};

static void put(struct writer *w, const char *text)
{
    assert_int_equal(buf_append_text(w->to, text), ERR_OK);
}

static void put_number(struct writer *w, size_t n)
{
    assert_int_equal(buf_append_u64(w->to, n), ERR_OK);
}

static void put_many(struct writer *w, const char *text, size_t n)
{
    while (n-- > 0 && w->to->len < w->max)
        put(w, text);
}

static bool is_full(const struct writer *w)
{
    return w->to->len >= w->max;
}

static const char *const texts[] = {
    "x",
    "hello world ",
    "&lt;",
    "&amp;",
    "&quot;&apos;",
    "&#x1F600;",
    "\r\n",
    "]]",
    "]",
    ">",
    "\xc3\xa4",
    "\xe2\x82\xac",
    "\xf0\x9f\x98\x80",
    "'\"",
};

static void put_text(struct writer *w, size_t len)
{
    const char *text = texts[draw(COUNT_OF(texts))];
    size_t n = len / strlen(text) + 1;

    if (strchr(text, ']') != NULL) /* `]]>` is not well-formed */
        put(w, "x");
    put_many(w, text, n);
    put(w, "x");
}

static void put_cdata(struct writer *w, size_t len)
{
    static const char *const inside[] = {
        "<", "</message>", "]", "]] >", "&", "<!--", "\xe2\x82\xac", "<?x?>",
    };
    const char *text = inside[draw(COUNT_OF(inside))];

    put(w, "<![CDATA[");
    put_many(w, text, len / strlen(text) + 1);
    put(w, "]]>");
}

static void put_value(struct writer *w, size_t len)
{
    static const char *const parts[] = {
        "x", "&lt;", ">", "&#10;", "/>", "\xe2\x82\xac", "&apos;", "&lt;/a>"};
    const char *text = parts[draw(COUNT_OF(parts))];
    const char *quote = draw(2) == 0 ? "'" : "\"";

    put(w, "=");
    put(w, quote);
    put_many(w, text, len / strlen(text));
    put(w, quote);
}

/* Distinct on its tag. */
static void put_attributes(struct writer *w, size_t n, size_t value_len)
{
    for (size_t i = 0; i < n && !is_full(w); i++) {
        put(w, draw(8) == 0 ? "\n\t a" : " a");
        put_number(w, i);
        put_value(w, value_len);
    }
}

static void put_declarations(struct writer *w, size_t n)
{
    for (size_t i = 0; i < n && !is_full(w); i++) {
        put(w, " xmlns:p");
        put_number(w, i);
        put(w, "='urn:");
        put_number(w, draw(n));
        put(w, "' p");
        put_number(w, i);
        put(w, ":x");
        put_number(w, i);
        put(w, "=''");
    }
}

static void put_element(struct writer *w, unsigned level);

static void put_deep(struct writer *w, size_t depth)
{
    size_t n = 0;

    for (; n < depth && !is_full(w); n++)
        put(w, "<d>");
    while (n-- > 0)
        put(w, "</d>");
}

static void put_flat(struct writer *w, size_t n)
{
    bool is_distinct = draw(3) == 0;

    while (n-- > 0 && !is_full(w)) {
        put(w, "<f");
        if (is_distinct)
            put_number(w, w->n_names++ * 7919);
        put(w, draw(2) == 0 ? " a='/>'/>" : "/>");
    }
}

static void put_long_name(struct writer *w, size_t len)
{
    size_t at;
    struct slice name;

    put(w, "<n");
    at = w->to->len - 1;
    put_many(w, "n", len);
    name = (struct slice){buf_at(w->to) + at, w->to->len - at};
    if (draw(2) == 0) {
        put(w, "/>");
        return;
    }
    put(w, "></");
    name.at = buf_at(w->to) + at; /* it may have moved */
    for (size_t i = 0; i < name.len; i++) {
        char c[2] = {buf_at(w->to)[at + i], '\0'};

        put(w, c);
    }
    put(w, ">");
}

static void put_content(struct writer *w, unsigned level)
{
    switch (draw(7)) {
    case 0:
        put_text(w, draw_size(22));
        break;
    case 1:
        put_cdata(w, draw_size(20));
        break;
    case 2:
        put_deep(w, draw_size(13));
        break;
    case 3:
        put_flat(w, draw_size(18));
        break;
    case 4:
        put_long_name(w, draw_size(18));
        break;
    default:
        for (size_t n = draw(6); n > 0 && level < 4 && !is_full(w); n--)
            put_element(w, level + 1);
        break;
    }
}

static void put_element(struct writer *w, unsigned level)
{
    put(w, "<e");
    switch (draw(4)) {
    case 0:
        put_attributes(w, draw_size(12), draw_size(4));
        break;
    case 1:
        put_attributes(w, draw(4), draw_size(19));
        break;
    case 2:
        put_declarations(w, draw_size(11));
        break;
    default:
        break;
    }
    put(w, ">");
    put_content(w, level);
    put(w, "</e>");
}

static void put_stanza(struct writer *w, size_t id)
{
    static const char *const names[] = {"message", "presence", "iq", "other"};
    const char *name = names[draw(COUNT_OF(names))];

    put(w, "<");
    put(w, name);
    put(w, " id='");
    put_number(w, id);
    put(w, "' from='a@b/&lt;'");
    if (draw(3) == 0)
        put(w, " type='result'");
    if (draw(8) == 0)
        put_attributes(w, draw_size(12), draw_size(10));
    put(w, ">");
    do {
        put_element(w, 0);
    } while (w->is_filled && !is_full(w));
    put(w, "</");
    put(w, name);
    put(w, ">");
}

/* --- The owner ------------------------------------------------------------ */

struct shapes {
    struct world w;
    struct buf last; /* what came last */
    unsigned count;
    bool is_paused;
};

static struct shapes *current;

static void keep_element(void *owner, const struct element *e)
{
    struct shapes *t = current;

    (void)owner;
    assert_false(t->is_paused);
    t->count++;
    buf_truncate(&t->last, 0);
    assert_int_equal(buf_append_slice(&t->last, e->bytes), ERR_OK);
    if (draw(4) == 0) {
        t->is_paused = true;
        stream_pause(t->w.stream);
    }
}

static size_t heap_bytes(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    return 0;
#else
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
#endif
}

/* Feeds all of it.  What is held is bounded by the parser, two copies in
 * buffers that double - one is this test's - and what the fakes hold of a
 * piece. */
static void say_in_pieces(struct shapes *t, struct slice all, size_t limit)
{
    size_t piece = draw(4) == 0 ? SIZE_MAX : draw_size(17);
    size_t begin = heap_bytes();

    if (all.len > 100000 && piece < 64)
        piece = 1000;
    while (all.len > 0) {
        size_t n = piece == SIZE_MAX ? all.len : 1 + draw(piece);

        n = n < all.len ? n : all.len;
        world_say_bytes(&t->w, all.at, n);
        assert_true(xml_pool_bytes(t->w.pool) <
                    XML_MEMORY_MAX_BYTES + XML_TAG_MAX_BYTES * 16);
        assert_true(heap_bytes() < begin + xml_pool_bytes(t->w.pool) +
                                       4 * (2 * limit + 4096) + 2 * n + MIB);
        while (t->is_paused) {
            t->is_paused = false;
            stream_resume(t->w.stream);
            world_turn(&t->w);
        }
        all.at += n;
        all.len -= n;
    }
}

static bool is_stub(struct slice bytes)
{
    static const char words[] = "The gateway left out";

    return memmem(bytes.at, bytes.len, words, sizeof(words) - 1) != NULL;
}

static void expect_one(struct shapes *t, size_t id)
{
    char want[40];
    int len = snprintf(want, sizeof(want), " id=\"%zu\"", id);

    if (t->count != 1)
        fail_msg("%u elements, log: %s", t->count, t->w.log);
    assert_non_null(memmem(buf_at(&t->last), t->last.len, want, (size_t)len));
    assert_string_equal(t->w.log, "");
    t->count = 0;
}

static void run(uint64_t seed)
{
    static const char ordinary[] =
        "<message id='77'><body>hello</body></message>";
    static const size_t limits[] = {65536, 2 * MIB, 16 * MIB};
    size_t limit = limits[seed % COUNT_OF(limits)];
    struct shapes t;
    struct buf b;

    memset(&t, 0, sizeof(t));
    current = &t;
    buf_init(&t.last, SIZE_MAX);
    buf_init(&b, SIZE_MAX);
    random_state = seed * 0x9E3779B97F4A7C15u + 1;
    world_open_limited(&t.w, limit);
    world_say(&t.w, HEADER FEATURES_SASL);
    stream_set_authenticated(t.w.stream);
    t.w.on_element = keep_element;
    t.w.log[0] = '\0';
    for (size_t id = 1; id < 4; id++) {
        struct writer w = {.to = &b, .is_filled = draw(4) == 0};

        w.max = w.is_filled ? (size_t)32768 << draw(9) : draw_size(23);

        buf_truncate(&b, 0);
        put_stanza(&w, id);
        say_in_pieces(&t, buf_slice(&b), limit);
        expect_one(&t, id);
        assert_true(b.len <= limit || is_stub(buf_slice(&t.last)) ||
                    t.last.len < 200);
        say_in_pieces(&t, SLICE(ordinary), limit);
        expect_one(&t, 77);
        assert_true(slice_is(buf_slice(&t.last),
                             "<message xmlns=\"jabber:client\" id=\"77\">"
                             "<body>hello</body></message>"));
    }
    t.w.on_element = NULL;
    world_end(&t.w);
    buf_free(&b);
    buf_free(&t.last);
}

static void every_shape_is_one_element(void **state)
{
    const char *text = getenv("SEED");
    uint64_t first = text == NULL ? 1 : strtoull(text, NULL, 10);
    const char *count = getenv("SEEDS");
    uint64_t n =
        count == NULL ? (text == NULL ? 60 : 1) : strtoull(count, NULL, 10);

    for (uint64_t seed = first; seed < first + n; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_shape_is_one_element),
    };

    return cmocka_run_group_tests_name("stream_shapes", tests, NULL, NULL);
}
