#include "base/utf8.h"

#define HIGH_BITS UINT64_C(0x8080808080808080)
#define LOW_BITS  UINT64_C(0x0101010101010101)

/* The length of the run of plain ASCII without NUL, in steps of 8. */
static size_t ascii_run(const char *at, size_t len)
{
    size_t done = 0;

    while (len - done >= sizeof(uint64_t)) {
        uint64_t word;

        memcpy(&word, at + done, sizeof(word));
        /* A byte with the high bit, or one that is 0 (it borrows). */
        if (((word | (word - LOW_BITS)) & HIGH_BITS) != 0)
            break;
        done += sizeof(word);
    }
    return done;
}

/* The first byte of a character.  The range of the second keeps out overlong
 * forms, surrogates and what lies above U+10FFFF (RFC 3629, section 4). */
static bool utf8_begin(struct utf8 *u, unsigned char byte)
{
    u->lower = 0x80;
    u->upper = 0xBF;
    if (byte < 0x80)
        return byte != 0 || u->allows_nul;
    if (byte < 0xC2 || byte > 0xF4)
        return false;

    if (byte < 0xE0) {
        u->need = 1;
    } else if (byte < 0xF0) {
        u->need = 2;
        if (byte == 0xE0)
            u->lower = 0xA0;
        if (byte == 0xED)
            u->upper = 0x9F;
    } else {
        u->need = 3;
        if (byte == 0xF0)
            u->lower = 0x90;
        if (byte == 0xF4)
            u->upper = 0x8F;
    }
    return true;
}

bool utf8_feed(struct utf8 *u, const char *at, size_t len)
{
    size_t i = 0;

    while (i < len) {
        unsigned char byte;

        if (u->need == 0) {
            i += ascii_run(at + i, len - i);
            if (i == len)
                return true;
        }
        byte = (unsigned char)at[i++];
        if (u->need == 0) {
            if (!utf8_begin(u, byte))
                return false;
            continue;
        }
        if (byte < u->lower || byte > u->upper)
            return false;
        u->lower = 0x80;
        u->upper = 0xBF;
        u->need--;
    }
    return true;
}

bool utf8_is_valid(struct slice s)
{
    struct utf8 u = {0};

    return utf8_feed(&u, s.at, s.len) && utf8_is_complete(&u);
}

bool utf8_is_valid_with_nul(struct slice s)
{
    struct utf8 u = UTF8_WITH_NUL;

    return utf8_feed(&u, s.at, s.len) && utf8_is_complete(&u);
}
