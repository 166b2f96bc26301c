#include "base/digest.h"

#include <openssl/evp.h>

#define SHA1_BYTES 20

static enum err sha1(unsigned char out[EVP_MAX_MD_SIZE], struct slice bytes)
{
    size_t len = 0;

    if (EVP_Q_digest(NULL, "SHA1", NULL, bytes.at, bytes.len, out, &len) != 1 ||
        len != SHA1_BYTES)
        return ERR_SYSTEM;
    return ERR_OK;
}

enum err digest_sha1_hex(char out[DIGEST_SHA1_HEX + 1], struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    enum err err = sha1(sum, bytes);
    size_t i;

    if (err != ERR_OK)
        return err;
    for (i = 0; i < SHA1_BYTES; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[DIGEST_SHA1_HEX] = '\0';
    return ERR_OK;
}

enum err digest_sha1_base64(char out[DIGEST_SHA1_BASE64 + 1],
                            struct slice bytes)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned char text[DIGEST_SHA1_BASE64 + 1];
    enum err err = sha1(sum, bytes);

    if (err != ERR_OK)
        return err;
    (void)EVP_EncodeBlock(text, sum, SHA1_BYTES); /* ends it by a NUL */
    memcpy(out, text, sizeof(text));
    return ERR_OK;
}
