/*
 * utf8.h - strict UTF-8: no overlong form, no surrogate, nothing above
 * U+10FFFF (conformance H08).  U+0000 is a character of UTF-8
 * and none of XML: by default it is refused, too.
 */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/base.h"

/* State of a check that runs over pieces.  Zeroed at the start. */
struct utf8 {
    uint8_t need;  /* continuation bytes still to come */
    uint8_t lower; /* allowed range of the next one */
    uint8_t upper;
    bool allows_nul; /* set by the owner */
};

#define UTF8_WITH_NUL                                                          \
    {                                                                          \
        .allows_nul = true                                                     \
    }

/* False at the first byte that cannot be; the state is then useless. */
MUST_CHECK bool utf8_feed(struct utf8 *u, const char *at, size_t len);

/* True when no character is left half read. */
static inline bool utf8_is_complete(const struct utf8 *u)
{
    return u->need == 0;
}

/* The whole of it is valid and complete, without U+0000 or with it. */
bool utf8_is_valid(struct slice s);
bool utf8_is_valid_with_nul(struct slice s);

#endif /* BASE_UTF8_H */
