#include "base/digest.h"

#include <openssl/evp.h>

enum err digest_sha1_hex(char out[DIGEST_SHA1_HEX + 1], struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    size_t len = 0;
    size_t i;

    if (EVP_Q_digest(NULL, "SHA1", NULL, bytes.at, bytes.len, sum, &len) != 1 ||
        len * 2 != DIGEST_SHA1_HEX)
        return ERR_SYSTEM;
    for (i = 0; i < len; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[DIGEST_SHA1_HEX] = '\0';
    return ERR_OK;
}
