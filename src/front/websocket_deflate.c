#include "websocket_deflate.h"

#include "base/buf.h"
#include "websocket_extension.h"

#include <assert.h>
#include <limits.h>
#include <stdlib.h>

#define ZLIB_CONST
#include <zlib.h>

#define LEVEL        6 /* zlib's own default */
#define MEMORY_LEVEL 8
#define STEP_BYTES   16384
#define KEEP_BYTES   65536

/* A block may be marked as the last one; then another follows (RFC 7692
 * section 7.2.3.4).  Nobody does it more than once in a message, and each
 * costs as much as a kilobyte of data. */
#define LAST_BLOCKS_MAX 16

/* z_stream.data_type after inflate: the bits that are left of a byte, and
 * that it stands before the head of a block. */
#define BITS_LEFT    63
#define BLOCK_BEGINS 128

struct websocket_deflate {
    z_stream reader;
    bool has_reader;
    z_stream *writers[WS_WINDOW_BITS_MAX + 1]; /* owned; NULL: not needed yet */
    struct buf message;
    struct buf coded;
};

/* What a sender cuts off (RFC 7692 section 7.2.1). */
static const char tail[] = {'\0', '\0', '\xff', '\xff'};

enum err websocket_deflate_new(struct websocket_deflate **out)
{
    struct websocket_deflate *d = calloc(1, sizeof(*d));

    if (d == NULL)
        return ERR_NOMEM;
    buf_init(&d->message, SIZE_MAX);
    buf_init(&d->coded, SIZE_MAX);
    *out = d;
    return ERR_OK;
}

void websocket_deflate_free(struct websocket_deflate *d)
{
    size_t i;

    if (d == NULL)
        return;
    if (d->has_reader)
        inflateEnd(&d->reader);
    for (i = 0; i < COUNT_OF(d->writers); i++) {
        if (d->writers[i] != NULL)
            deflateEnd(d->writers[i]);
        free(d->writers[i]);
    }
    buf_free(&d->message);
    buf_free(&d->coded);
    free(d);
}

/* ---- reading ---- */

static enum err begin_reading(struct websocket_deflate *d)
{
    if (d->has_reader)
        return inflateReset(&d->reader) == Z_OK ? ERR_OK : ERR_NOMEM;
    if (inflateInit2(&d->reader, -WS_WINDOW_BITS_MAX) != Z_OK)
        return ERR_NOMEM;
    d->has_reader = true;
    return ERR_OK;
}

/* One call of zlib, with room for one byte more than may come. */
static enum err inflate_step(struct websocket_deflate *d, size_t max_bytes,
                             int *z)
{
    size_t left = max_bytes - d->message.len;
    size_t want = left < STEP_BYTES ? left + 1 : STEP_BYTES;
    size_t made;
    char *room;
    enum err err = buf_reserve(&d->message, want, &room);

    if (err != ERR_OK)
        return err;
    d->reader.next_out = (Bytef *)room;
    d->reader.avail_out = (uInt)want;
    *z = inflate(&d->reader, Z_SYNC_FLUSH);
    made = want - d->reader.avail_out;
    buf_added(&d->message, made);
    if (made > left)
        return ERR_LIMIT;
    if (*z == Z_MEM_ERROR)
        return ERR_NOMEM;
    return *z == Z_OK || *z == Z_STREAM_END || *z == Z_BUF_ERROR ? ERR_OK
                                                                 : ERR_INVALID;
}

/* All of these bytes.  *n_last: blocks that were marked as the last one. */
static enum err inflate_all(struct websocket_deflate *d, struct slice coded,
                            size_t max_bytes, unsigned *n_last)
{
    int z = Z_OK;

    d->reader.next_in = (const Bytef *)coded.at;
    d->reader.avail_in = (uInt)coded.len;
    do {
        enum err err = inflate_step(d, max_bytes, &z);

        if (err != ERR_OK)
            return err;
        if (z == Z_STREAM_END &&
            (++*n_last > LAST_BLOCKS_MAX || inflateReset(&d->reader) != Z_OK))
            return ERR_INVALID;
        /* With room left zlib has given all that it had. */
    } while (d->reader.avail_in > 0 || d->reader.avail_out == 0);
    return ERR_OK;
}

enum err websocket_deflate_read(struct websocket_deflate *d, struct slice coded,
                                size_t max_bytes, struct slice *message)
{
    struct slice rest = {tail, sizeof(tail)};
    unsigned n_last = 0;
    enum err err;

    if (coded.len > UINT_MAX || max_bytes == SIZE_MAX)
        return ERR_LIMIT;
    websocket_deflate_clear(d);
    err = begin_reading(d);
    if (err == ERR_OK)
        err = inflate_all(d, coded, max_bytes, &n_last);
    if (err == ERR_OK)
        err = inflate_all(d, rest, max_bytes, &n_last);
    /* The tail must have been an empty block, not the data of a longer one. */
    if (err == ERR_OK && (d->reader.data_type & BLOCK_BEGINS) == 0)
        err = ERR_INVALID;
    if (err == ERR_OK && (d->reader.data_type & BITS_LEFT) != 0)
        err = ERR_INVALID;
    if (err != ERR_OK) {
        websocket_deflate_clear(d);
        return err;
    }
    *message = buf_slice(&d->message);
    return ERR_OK;
}

void websocket_deflate_clear(struct websocket_deflate *d)
{
    if (d->message.len > 0)
        buf_clear(&d->message, KEEP_BYTES); /* and overwrites it */
}

/* ---- writing ---- */

static enum err begin_writing(struct websocket_deflate *d, unsigned window_bits)
{
    z_stream *z = d->writers[window_bits];

    if (z != NULL)
        return deflateReset(z) == Z_OK ? ERR_OK : ERR_NOMEM;
    z = calloc(1, sizeof(*z));
    if (z == NULL)
        return ERR_NOMEM;
    if (deflateInit2(z, LEVEL, Z_DEFLATED, -(int)window_bits, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        free(z);
        return ERR_NOMEM;
    }
    d->writers[window_bits] = z;
    return ERR_OK;
}

enum err websocket_deflate_write(struct websocket_deflate *d,
                                 unsigned window_bits, struct slice message,
                                 struct slice *coded)
{
    size_t cap = message.len + sizeof(tail);
    enum err err;
    z_stream *z;
    char *room;

    assert(window_bits >= WS_WINDOW_BITS_MIN &&
           window_bits <= WS_WINDOW_BITS_MAX);
    if (message.len > UINT_MAX - sizeof(tail))
        return ERR_LIMIT;
    buf_clear(&d->coded, KEEP_BYTES);
    err = begin_writing(d, window_bits);
    if (err == ERR_OK)
        err = buf_reserve(&d->coded, cap, &room);
    if (err != ERR_OK)
        return err;
    z = d->writers[window_bits];
    z->next_in = (const Bytef *)message.at;
    z->avail_in = (uInt)message.len;
    z->next_out = (Bytef *)room;
    z->avail_out = (uInt)cap;
    /* Room that is used up to the last byte may have been too little. */
    if (deflate(z, Z_SYNC_FLUSH) != Z_OK || z->avail_out == 0 ||
        z->avail_in > 0)
        return ERR_LIMIT;
    *coded = (struct slice){room, cap - z->avail_out - sizeof(tail)};
    return coded->len < message.len ? ERR_OK : ERR_LIMIT;
}
