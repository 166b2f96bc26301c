/*
 * buf.h - a growable byte buffer with a hard cap.
 *
 * Embedded by value; a zeroed struct with `max_bytes` set (buf_init) is
 * empty and owns no memory.  Bytes are appended at the end and consumed at
 * the front; consuming moves no memory until space is needed.  An empty
 * buffer gives its memory back by buf_free or buf_clear, so that an idle
 * connection costs nothing.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"

struct buf {
    char *data;         /* owned; NULL while nothing was ever stored */
    uint32_t start;     /* bytes consumed at the front of data */
    uint32_t len;       /* bytes stored from start on */
    uint32_t cap;       /* bytes owned */
    uint32_t max_bytes; /* len never grows above this */
};

/* Above UINT32_MAX it counts as that: no buffer grows so large. */
void buf_init(struct buf *b, size_t max_bytes);

/* Overwrites the memory and releases it; the buffer is then empty and usable
 * again. */
void buf_free(struct buf *b);

/* ERR_LIMIT: len would exceed max_bytes.  ERR_NOMEM.  In both cases the
 * contents are unchanged. */
MUST_CHECK enum err buf_append_far(struct buf *b, const void *at, size_t len);

/* Most of what is written is a few bytes for which there is room. */
static inline MUST_CHECK enum err buf_append(struct buf *b, const void *at,
                                             size_t len)
{
    if (RARELY(b->data == NULL || len > b->cap - b->start - b->len ||
               len > b->max_bytes - b->len || b->len > b->max_bytes ||
               len == 0))
        return buf_append_far(b, at, len);
    memcpy(b->data + b->start + b->len, at, len);
    b->len += (uint32_t)len;
    return ERR_OK;
}

static inline MUST_CHECK enum err buf_append_slice(struct buf *b,
                                                   struct slice s)
{
    return buf_append(b, s.at, s.len);
}

static inline MUST_CHECK enum err buf_append_text(struct buf *b,
                                                  const char *text)
{
    return buf_append(b, text, strlen(text));
}

MUST_CHECK enum err buf_append_u64(struct buf *b, uint64_t number);

/*
 * Writes several pieces to one buffer and keeps the first error, so that code
 * that writes a text reads like the text:
 *
 *     struct buf_writer w = {.to = &bytes};
 *
 *     buf_put_text(&w, "<body rid=\"");
 *     buf_put_u64(&w, rid);
 *     buf_put_text(&w, "\"/>");
 *     return w.err;
 *
 * After an error nothing more is written; the pieces before it stay (see
 * buf_truncate).
 */
struct buf_writer {
    struct buf *to; /* borrowed: by whoever made the writer */
    enum err err;   /* the first one of buf_append */
};

static inline void buf_put(struct buf_writer *w, struct slice s)
{
    if (w->err == ERR_OK)
        w->err = buf_append(w->to, s.at, s.len);
}

static inline void buf_put_text(struct buf_writer *w, const char *text)
{
    buf_put(w, slice_of(text));
}

static inline void buf_put_u64(struct buf_writer *w, uint64_t number)
{
    if (w->err == ERR_OK)
        w->err = buf_append_u64(w->to, number);
}

/* Makes room for at least len more bytes and returns where they go, in
 * *room; buf_added then says how many were written.  Errors as above. */
MUST_CHECK enum err buf_reserve(struct buf *b, size_t len, char **room);
void buf_added(struct buf *b, size_t len);

/* Drops len bytes at the front, len <= b->len. */
void buf_consume(struct buf *b, size_t len);

/* Cuts the contents to len bytes, len <= b->len (undoes appends). */
void buf_truncate(struct buf *b, size_t len);

/* Empties the buffer, overwrites what was in it, and keeps at most keep_bytes
 * of memory. */
void buf_clear(struct buf *b, size_t keep_bytes);

/* Moves the contents out: *to (which must own nothing) receives them and
 * *from is left empty. */
void buf_take(struct buf *to, struct buf *from);

/* Moves the contents out without the room around them, for what will not
 * change any more; buf_drop releases and overwrites them. */
struct slice buf_give(struct buf *from);
void buf_drop(struct slice given);

static inline const char *buf_at(const struct buf *b)
{
    return b->data == NULL ? "" : b->data + b->start;
}

static inline struct slice buf_slice(const struct buf *b)
{
    return (struct slice){buf_at(b), b->len};
}

#endif /* BASE_BUF_H */
