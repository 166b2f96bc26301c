/*
 * ascii.h - characters and numbers of protocols, which are ASCII whatever the
 * locale: lower case, white space around a value, decimal numbers.
 *
 * Nothing here allocates, and no function reads beyond its slice.
 */
#ifndef BASE_ASCII_H
#define BASE_ASCII_H

#include "base/base.h"

static inline char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static inline bool ascii_is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static inline bool ascii_is_letter(char c)
{
    c = ascii_lower(c);
    return c >= 'a' && c <= 'z';
}

static inline bool ascii_is_alnum(char c)
{
    return ascii_is_letter(c) || ascii_is_digit(c);
}

/* Equal but for the case of ASCII letters. */
static inline bool ascii_equal(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (ascii_lower(a.at[i]) != ascii_lower(b.at[i]))
            return false;
    return true;
}

/* Without the spaces and tabs at both ends (OWS of RFC 9110 section 5.6.3). */
static inline struct slice ascii_trim(struct slice s)
{
    while (s.len > 0 && (*s.at == ' ' || *s.at == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

/*
 * Reads digits and nothing else: no sign, no space; leading zeros are allowed.
 * False: the slice is empty, holds something else, or the number is above
 * max; *out is then unchanged.
 */
static inline bool ascii_number(struct slice s, uint64_t max, uint64_t *out)
{
    uint64_t number = 0;

    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        uint64_t digit;

        if (!ascii_is_digit(s.at[i]))
            return false;
        digit = (uint64_t)(s.at[i] - '0');
        if (number > max / 10 || digit > max - number * 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

#endif /* BASE_ASCII_H */
