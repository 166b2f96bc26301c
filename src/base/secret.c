#include "base/secret.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>

#define TOKEN_CHUNK_BYTES 64

void secret_random(void *at, size_t len)
{
    unsigned char *to = at;

    while (len > 0) {
        ssize_t got = getrandom(to, len, 0);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            abort();
        to += got;
        len -= (size_t)got;
    }
}

void secret_token(char *out, size_t len)
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    unsigned char bytes[TOKEN_CHUNK_BYTES];
    size_t done = 0;

    while (done < len) {
        size_t part = len - done < sizeof(bytes) ? len - done : sizeof(bytes);
        size_t i;

        secret_random(bytes, part);
        for (i = 0; i < part; i++)
            out[done + i] = alphabet[bytes[i] & 31];
        done += part;
    }
    out[len] = '\0';
    secret_wipe(bytes, sizeof(bytes));
}

uint64_t secret_below(uint64_t below)
{
    uint64_t number;
    uint64_t biased;

    assert(below >= 1);
    /* 2^64 mod below: that many numbers are one too many. */
    biased = (UINT64_MAX - below + 1) % below;
    do {
        secret_random(&number, sizeof(number));
    } while (number < biased);
    return number % below;
}

bool secret_equal(struct slice a, struct slice b)
{
    const volatile char *x = a.at;
    const volatile char *y = b.at;
    unsigned char differs = 0;
    size_t i;

    if (a.len != b.len)
        return false; /* lengths are no secret */
    for (i = 0; i < a.len; i++)
        differs |= (unsigned char)(x[i] ^ y[i]);
    return differs == 0;
}

void secret_wipe(void *at, size_t len)
{
    if (len > 0)
        explicit_bzero(at, len);
}
