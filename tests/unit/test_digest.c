#include "base/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void assert_sha1(const char *text, const char *hex)
{
    char out[DIGEST_SHA1_HEX + 1];

    assert_int_equal(digest_sha1_hex(out, slice_of(text)), ERR_OK);
    assert_string_equal(out, hex);
}

/* FIPS 180, and the empty text */
static void sha1_is_that_of_the_standard(void **state)
{
    assert_sha1("abc", "a9993e364706816aba3e25717850c26c9cd0d89d");
    assert_sha1("", "da39a3ee5e6b4b0d3255bfef95601890afd80709");
}

/* RFC 6455 section 1.3 */
static void sha1_in_base64_is_that_of_the_example(void **state)
{
    char out[DIGEST_SHA1_BASE64 + 1];

    assert_int_equal(
        digest_sha1_base64(out, SLICE("dGhlIHNhbXBsZSBub25jZQ=="
                                      "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")),
        ERR_OK);
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sha1_is_that_of_the_standard),
        cmocka_unit_test(sha1_in_base64_is_that_of_the_example),
    };

    return cmocka_run_group_tests_name("digest", tests, NULL, NULL);
}
