/*
 * base.h - the few words that every file of doab shares: error codes, byte
 * slices and the attribute that makes a result impossible to overlook.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define MUST_CHECK              __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first) __attribute__((format(printf, fmt, first)))

/* What happens to few connections and never to a message that is all right: it
 * is kept apart, and so are the branches that lead to it, so that the code of
 * the others fills fewer lines of the cache. */
#define COLD __attribute__((cold))

/* The same for a branch that calls nothing. */
#define RARELY(condition) __builtin_expect((condition), false)

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The object that embeds `member` at `at`. */
#define CONTAINER_OF(at, type, member)                                         \
    ((type *)(void *)((char *)(at)-offsetof(type, member)))

/* What a fallible function answers. */
enum err {
    ERR_OK,      /* done */
    ERR_INVALID, /* an argument or input is malformed */
    ERR_NOMEM,   /* memory ran out; nothing changed */
    ERR_SYSTEM,  /* a system call failed; errno tells */
    ERR_LIMIT,   /* a configured limit was reached; nothing changed */
    ERR_CLOSED,  /* the object is closing or closed */
    ERR_MISSING, /* what was looked for is not there */
};

/* Bytes that somebody else owns; not NUL-terminated.  at may be NULL when
 * len is 0. */
struct slice {
    const char *at;
    size_t len;
};

#define SLICE(literal) ((struct slice){(literal), sizeof(literal) - 1})

static inline struct slice slice_of(const char *text)
{
    return (struct slice){text, text == NULL ? 0 : strlen(text)};
}

static inline bool slice_is(struct slice s, const char *text)
{
    size_t len = strlen(text);

    return s.len == len && (len == 0 || memcmp(s.at, text, len) == 0);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

/* Copies s to *to, which is left behind it: for an object whose strings stand
 * in its own memory. */
static inline struct slice slice_pack(char **to, struct slice s)
{
    struct slice packed = {*to, s.len};

    if (s.len > 0)
        memcpy(*to, s.at, s.len);
    *to += s.len;
    return packed;
}

/* A short constant name of err for log lines, such as "limit". */
const char *err_name(enum err err);

#endif /* BASE_BASE_H */
