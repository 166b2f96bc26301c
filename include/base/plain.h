/*
 * plain.h - passes over text that nobody treats specially, in whole blocks.
 *
 * Escaping, XML text and header fields each look for a few bytes that are
 * rare.  What certainly holds none of them is passed over at once; a
 * byte-wise loop, which alone knows what is special, goes on behind it.
 */
#ifndef BASE_PLAIN_H
#define BASE_PLAIN_H

#include "base/base.h"

#define PLAIN_BLOCK 16

typedef unsigned char plain_block __attribute__((vector_size(PLAIN_BLOCK)));

/* The index of the first byte that is not zero, or PLAIN_BLOCK. */
static inline size_t plain_find(plain_block odd)
{
    uint64_t half[2];

    memcpy(half, &odd, sizeof(half));
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    if (half[0] != 0)
        return (size_t)__builtin_ctzll(half[0]) / 8;
    return half[1] == 0 ? PLAIN_BLOCK
                        : 8 + (size_t)__builtin_ctzll(half[1]) / 8;
#else
    if (half[0] != 0)
        return (size_t)__builtin_clzll(half[0]) / 8;
    return half[1] == 0 ? PLAIN_BLOCK
                        : 8 + (size_t)__builtin_clzll(half[1]) / 8;
#endif
}

/*
 * How many of the 16 bytes at `at` stand before the first that is not plain:
 * a control character, one of `"&'<>`, DEL, or EF, with which U+FFFE and
 * U+FFFF begin.  Other bytes of UTF-8 are plain, valid or not.
 */
static inline size_t plain_prefix(const char *at)
{
    plain_block b;

    memcpy(&b, at, sizeof(b));
    return plain_find((plain_block)((b < ' ') | (b == '&') | (b == '<') |
                                    (b == '>') | (b == '"') | (b == '\'') |
                                    (b == 0x7F) | (b == 0xEF)));
}

/* How many bytes from the first on are plain, or fewer where less than a
 * block is left: a byte-wise loop goes on behind them. */
static inline size_t plain_run(const char *at, size_t len)
{
    size_t done = 0;

    while (len - done >= PLAIN_BLOCK) {
        size_t n = plain_prefix(at + done);

        done += n;
        if (n < PLAIN_BLOCK)
            return done;
    }
    /* The rest, in a block that overlaps the last one. */
    if (done > 0 && plain_prefix(at + len - PLAIN_BLOCK) == PLAIN_BLOCK)
        return len;
    return done;
}

/* The same of anything but control characters and DEL. */
static inline size_t plain_visible_run(const char *at, size_t len)
{
    size_t done = 0;

    while (len - done >= PLAIN_BLOCK) {
        plain_block b;
        size_t n;

        memcpy(&b, at + done, sizeof(b));
        n = plain_find((plain_block)((b < ' ') | (b == 0x7F)));
        done += n;
        if (n < PLAIN_BLOCK)
            break;
    }
    return done;
}

#endif /* BASE_PLAIN_H */
