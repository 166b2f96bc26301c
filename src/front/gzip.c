#include "front/gzip.h"

#include "front/http_parse.h"
#include "http_head.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#define LEVEL        6         /* zlib's own default */
#define WINDOW_BITS  (15 + 16) /* 32 KB, and gzip's frame */
#define MEMORY_LEVEL 8
#define FRAME_BYTES  18 /* of gzip, around the data */

#define UNSAID   (-1)
#define WEIGHT_1 1000 /* weights are in thousandths */

/* ---- Accept-Encoding ---- */

struct weights {
    int gzip;
    int identity;
    int other; /* "*" */
};

static struct slice rest_of(struct slice s, size_t from)
{
    return (struct slice){s.at + from, s.len - from};
}

static struct slice without_space(struct slice s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t'))
        s = rest_of(s, 1);
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/* What stands before the first `end`, which is dropped; or all. */
static struct slice gzip_cut(struct slice *from, char end)
{
    const char *at = from->len == 0 ? NULL : memchr(from->at, end, from->len);
    struct slice piece = *from;

    if (at == NULL) {
        *from = rest_of(piece, piece.len);
        return piece;
    }
    piece.len = (size_t)(at - piece.at);
    *from = rest_of(*from, piece.len + 1);
    return piece;
}

/* "q=0.5" (RFC 9110 section 12.4.2); 0 when it is none. */
static int read_weight(struct slice s)
{
    int weight;
    int unit = WEIGHT_1 / 10;

    if (s.len < 3 || s.len > 7 || (s.at[0] | 0x20) != 'q' || s.at[1] != '=' ||
        s.at[2] < '0' || s.at[2] > '1' || (s.len > 3 && s.at[3] != '.'))
        return 0;
    weight = (s.at[2] - '0') * WEIGHT_1;
    for (size_t i = 4; i < s.len; i++, unit /= 10) {
        if (s.at[i] < '0' || s.at[i] > '9')
            return 0;
        weight += (s.at[i] - '0') * unit;
    }
    return weight <= WEIGHT_1 ? weight : 0;
}

static void gzip_note(struct weights *w, struct slice element)
{
    struct slice parameters = element;
    struct slice coding = without_space(gzip_cut(&parameters, ';'));
    int *place = NULL;
    int weight = WEIGHT_1;

    if (http_name_is(coding, "gzip") || http_name_is(coding, "x-gzip"))
        place = &w->gzip;
    else if (http_name_is(coding, "identity"))
        place = &w->identity;
    else if (slice_is(coding, "*"))
        place = &w->other;
    if (place == NULL)
        return;
    if (memchr(element.at, ';', element.len) != NULL)
        weight = read_weight(without_space(parameters));
    if (*place == UNSAID || weight < *place)
        *place = weight;
}

bool gzip_accepts(const struct http_head *head)
{
    struct weights w = {UNSAID, UNSAID, UNSAID};

    for (size_t i = 0; i < head->n_headers; i++) {
        struct slice list = head->headers[i].value;

        if (!http_name_is(head->headers[i].name, "accept-encoding"))
            continue;
        while (list.len > 0)
            gzip_note(&w, gzip_cut(&list, ','));
    }
    if (w.gzip == UNSAID)
        w.gzip = w.other;
    if (w.identity == UNSAID)
        w.identity = w.other;
    return w.gzip > 0 && w.gzip >= w.identity;
}

/* ---- the coding ---- */

struct gzip {
    z_stream z;
};

enum err gzip_new(struct gzip **out)
{
    struct gzip *g = calloc(1, sizeof(*g));

    if (g == NULL)
        return ERR_NOMEM;
    if (deflateInit2(&g->z, LEVEL, Z_DEFLATED, WINDOW_BITS, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        return ERR_NOMEM;
    }
    *out = g;
    return ERR_OK;
}

void gzip_free(struct gzip *g)
{
    if (g == NULL)
        return;
    deflateEnd(&g->z);
    free(g);
}

enum err gzip_compress(struct gzip *g, struct slice in, struct buf *out)
{
    size_t left = out->max_bytes - out->len;
    size_t cap = in.len > left ? left : in.len;
    char *room;
    enum err err;
    int reset;

    if (in.len <= FRAME_BYTES || in.len > UINT_MAX)
        return ERR_LIMIT;
    if (cap == in.len)
        cap--; /* as large as `in` is of no use */
    err = buf_reserve(out, cap, &room);
    if (err != ERR_OK)
        return err;
    reset = deflateReset(&g->z);
    assert(reset == Z_OK);
    g->z.next_in = (const Bytef *)in.at;
    g->z.avail_in = (uInt)in.len;
    g->z.next_out = (Bytef *)room;
    g->z.avail_out = (uInt)cap;
    if (deflate(&g->z, Z_FINISH) != Z_STREAM_END)
        return ERR_LIMIT;
    buf_added(out, cap - g->z.avail_out);
    return ERR_OK;
}

const char *gzip_library(void)
{
    return zlibVersion();
}
