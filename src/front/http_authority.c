/* Where a request is addressed to: host[:port] (RFC 9110 4.2, 7.2). */
#include "http_authority.h"
#include "net/addr.h"

#define PORT_MAX 65535u

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ||
           (c >= 'A' && c <= 'F');
}

/* What a registered name may have besides "%xx" (RFC 3986 3.2.2).  Not the
 * comma: a field that an intermediary joined out of two has one, and no name of
 * a host does. */
/* clang-format off */
static const bool is_name_char[256] = {
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
    ['-'] = true, ['.'] = true, ['_'] = true, ['~'] = true, ['!'] = true,
    ['$'] = true, ['&'] = true, ['\''] = true, ['('] = true, [')'] = true,
    ['*'] = true, ['+'] = true, [';'] = true, ['='] = true,
};
/* clang-format on */

/* How many bytes from the first on are a registered name. */
static size_t name_run(struct slice s)
{
    size_t i = 0;

    while (i < s.len) {
        if (is_name_char[(unsigned char)s.at[i]]) {
            i++;
            continue;
        }
        if (s.at[i] != '%' || s.len - i < 3 || !is_hex(s.at[i + 1]) ||
            !is_hex(s.at[i + 2]))
            return i;
        i += 3;
    }
    return i;
}

/* The same of "[v6]"; 0: none.  No later version of IP has a literal yet, and
 * a zone means nothing to another machine (RFC 3986 3.2.2, RFC 6874). */
static size_t literal_run(struct slice s)
{
    const char *end = memchr(s.at, ']', s.len);
    char text[ADDR_TEXT_BYTES];
    size_t len;

    if (end == NULL)
        return 0;
    len = (size_t)(end - s.at) - 1;
    if (len >= sizeof(text))
        return 0;
    memcpy(text, s.at + 1, len);
    text[len] = '\0';
    if (strchr(text, ':') == NULL || strchr(text, '%') != NULL ||
        !addr_is_ip_literal(text))
        return 0;
    return len + 2;
}

/* ":", ":80" or nothing. */
static bool http_authority_is_port(struct slice s)
{
    unsigned port = 0;

    for (size_t i = 0; i < s.len; i++) {
        if (i == 0) {
            if (s.at[0] != ':')
                return false;
            continue;
        }
        if (s.at[i] < '0' || s.at[i] > '9')
            return false;
        port = port * 10 + (unsigned)(s.at[i] - '0');
        if (port > PORT_MAX)
            return false;
    }
    return true;
}

bool http_authority_is_valid(struct slice authority)
{
    size_t len;

    if (authority.len == 0)
        return false;
    len = authority.at[0] == '[' ? literal_run(authority) : name_run(authority);
    return len > 0 && http_authority_is_port((struct slice){
                          authority.at + len, authority.len - len});
}
