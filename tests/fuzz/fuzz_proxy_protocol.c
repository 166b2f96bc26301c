/*
 * fuzz_proxy_protocol.c - headers of the PROXY protocol: the verdict does not
 * depend on how the bytes come in, and what is read can be written and read
 * again.
 *
 * Input: the first bytes of a connection.
 */
#include "net/proxy_protocol.h"

#include <stdint.h>
#include <stdlib.h>

#define REQUIRE(fact)                                                          \
    do {                                                                       \
        if (!(fact))                                                           \
            abort();                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

typedef size_t write_fn(char *out, const struct addr *source,
                        const struct addr *target);

/* In memory of exactly this size, so that no reader may go beyond. */
static enum proxy_verdict read_exactly(const uint8_t *data, size_t len,
                                       struct proxy_info *info, size_t *used)
{
    char *copy = malloc(len > 0 ? len : 1);
    enum proxy_verdict verdict;

    REQUIRE(copy != NULL);
    memcpy(copy, data, len);
    verdict = proxy_read(copy, len, info, used);
    free(copy);
    return verdict;
}

/* Byte by byte there is one verdict that is not MORE, at the same place. */
static void check_pieces(const uint8_t *data, size_t len,
                         enum proxy_verdict whole, size_t used)
{
    enum proxy_verdict verdict = PROXY_MORE;
    struct proxy_info info;
    size_t piece_used = 0;
    size_t n = 0;

    while (verdict == PROXY_MORE && n < len)
        verdict = read_exactly(data, ++n, &info, &piece_used);
    REQUIRE(verdict == whole);
    if (whole == PROXY_OK)
        REQUIRE(n == used && piece_used == used);
}

static void check_written(const struct proxy_info *info, write_fn *write)
{
    char text[PROXY_WRITE_BYTES];
    struct proxy_info again;
    size_t len = write(text, &info->source, &info->target);
    size_t used = 0;

    REQUIRE(len <= sizeof(text));
    REQUIRE(proxy_read(text, len, &again, &used) == PROXY_OK && used == len);
    if (info->source.storage.ss_family == AF_UNIX || info->is_local) {
        REQUIRE(again.is_local);
        return;
    }
    REQUIRE(strcmp(addr_format(&again.source).text,
                   addr_format(&info->source).text) == 0);
    REQUIRE(strcmp(addr_format(&again.target).text,
                   addr_format(&info->target).text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct proxy_info info;
    size_t used = 0;
    enum proxy_verdict verdict;

    if (len > 2 * PROXY_V2_MAX_BYTES)
        return 0;
    verdict = read_exactly(data, len, &info, &used);
    check_pieces(data, len, verdict, used);
    if (verdict == PROXY_MORE)
        REQUIRE(len < PROXY_V2_MAX_BYTES);
    if (verdict != PROXY_OK)
        return 0;
    REQUIRE(used > 0 && used <= len && used <= PROXY_V2_MAX_BYTES);
    REQUIRE(info.is_local == (info.source.len == 0));
    check_written(&info, proxy_write_v1);
    check_written(&info, proxy_write_v2);
    return 0;
}
