/*
 * digest.h - message digests, by OpenSSL.
 */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include "base/base.h"

#define DIGEST_SHA1_HEX    40
#define DIGEST_SHA1_BASE64 28

/* SHA-1 of the bytes in lower-case hexadecimal, and a NUL.  Only for what a
 * specification demands it for (XEP-0124 section 15): it protects nothing.
 * ERR_SYSTEM: the library offers no SHA-1. */
MUST_CHECK enum err digest_sha1_hex(char out[DIGEST_SHA1_HEX + 1],
                                    struct slice bytes);

/* The same in base64 (RFC 6455 section 4.2.2). */
MUST_CHECK enum err digest_sha1_base64(char out[DIGEST_SHA1_BASE64 + 1],
                                       struct slice bytes);

#endif /* BASE_DIGEST_H */
