#include "base/buf.h"

#include "base/secret.h"

#include <assert.h>
#include <stdlib.h>

#define CAP_MIN_BYTES 256
#define SPARE_BYTES   128 /* less is not worth a copy */

void buf_init(struct buf *b, size_t max_bytes)
{
    memset(b, 0, sizeof(*b));
    b->max_bytes = max_bytes < UINT32_MAX ? (uint32_t)max_bytes : UINT32_MAX;
}

/* Whatever passes may hold a password (L71); overwriting it costs less than
 * copying it did. */
static void buf_give_back(char *data, size_t cap)
{
    if (data != NULL)
        secret_wipe(data, cap);
    free(data);
}

void buf_free(struct buf *b)
{
    buf_give_back(b->data, b->cap);
    buf_init(b, b->max_bytes);
}

static void move_to_front(struct buf *b)
{
    memmove(b->data, b->data + b->start, b->len);
    b->start = 0;
}

/* Doubles, so that many small appends cost one copy of each byte. */
static enum err buf_grow(struct buf *b, size_t need)
{
    size_t cap = b->cap > b->max_bytes / 2 ? b->max_bytes : b->cap * 2;
    char *data;

    if (cap < CAP_MIN_BYTES)
        cap = CAP_MIN_BYTES;
    if (cap < need)
        cap = need;

    data = malloc(cap);
    if (data == NULL)
        return ERR_NOMEM;
    if (b->len > 0)
        memcpy(data, b->data + b->start, b->len);
    buf_give_back(b->data, b->cap);
    b->data = data;
    b->start = 0;
    b->cap = cap;
    return ERR_OK;
}

enum err buf_reserve(struct buf *b, size_t len, char **room)
{
    enum err err = ERR_OK;

    if (b->len > b->max_bytes || len > b->max_bytes - b->len)
        return ERR_LIMIT;

    if (b->data == NULL || len > b->cap - b->start - b->len) {
        bool has_room = b->data != NULL && len <= b->cap - b->len;

        /* Moving pays when it moves less than was consumed before. */
        if (has_room && (b->start >= b->len || b->cap >= b->max_bytes))
            move_to_front(b);
        else
            err = buf_grow(b, b->len + len);
    }
    if (err != ERR_OK)
        return err;
    *room = b->data + b->start + b->len;
    return ERR_OK;
}

void buf_added(struct buf *b, size_t len)
{
    assert(len <= b->cap - b->start - b->len);
    b->len += len;
}

enum err buf_append_far(struct buf *b, const void *at, size_t len)
{
    char *room;
    enum err err;

    if (len == 0)
        return ERR_OK;
    err = buf_reserve(b, len, &room);
    if (err != ERR_OK)
        return err;
    memcpy(room, at, len);
    b->len += len;
    return ERR_OK;
}

enum err buf_append_u64(struct buf *b, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    return buf_append(b, digits + at, sizeof(digits) - at);
}

void buf_consume(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len -= len;
    b->start = b->len == 0 ? 0 : b->start + len;
}

void buf_truncate(struct buf *b, size_t len)
{
    assert(len <= b->len);
    b->len = len;
    if (len == 0)
        b->start = 0;
}

void buf_clear(struct buf *b, size_t keep_bytes)
{
    if (b->cap > keep_bytes) {
        buf_free(b);
        return;
    }
    if (b->data != NULL)
        secret_wipe(b->data, b->start + b->len);
    b->start = 0;
    b->len = 0;
}

void buf_take(struct buf *to, struct buf *from)
{
    *to = *from;
    buf_init(from, from->max_bytes);
}

/* Not by realloc: what it moves from would keep what it held. */
struct slice buf_give(struct buf *from)
{
    struct slice s = {"", from->len};
    char *exact;

    if (from->len == 0) {
        buf_free(from);
        return s;
    }
    exact = from->cap - s.len >= SPARE_BYTES ? malloc(s.len) : NULL;
    if (exact != NULL) {
        memcpy(exact, from->data + from->start, s.len);
        buf_give_back(from->data, from->cap);
    } else {
        move_to_front(from);
        exact = from->data;
    }
    s.at = exact;
    buf_init(from, from->max_bytes);
    return s;
}

void buf_drop(struct slice given)
{
    if (given.len > 0)
        buf_give_back((char *)(uintptr_t)given.at, given.len);
}
