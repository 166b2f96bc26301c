#include "upstream/idna.h"

#include "base/utf8.h"
#include "net/addr_net.h"

#include <idn2.h>

#define ASCII_MAX_BYTES 253 /* of a name in DNS, without the last dot */
#define LABEL_MAX_BYTES 63

static char idna_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool is_plain_ascii(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] >= 0x80)
            return false;
    return true;
}

/* Letters, digits, hyphens; the underscore too, because servers in private
 * networks have it in their names. */
static bool is_label(const char *at, size_t len)
{
    if (len == 0 || len > LABEL_MAX_BYTES)
        return false;
    if (at[0] == '-' || at[len - 1] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        char c = at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '-' &&
            c != '_')
            return false;
    }
    return true;
}

/* True when a label has the ACE prefix; *ascii is lower case already. */
static bool has_a_label(const char *ascii)
{
    const char *at = ascii;

    while (at != NULL) {
        if (strncmp(at, "xn--", 4) == 0)
            return true;
        at = strchr(at, '.');
        if (at != NULL)
            at++;
    }
    return false;
}

static bool idna_is_name(const char *ascii)
{
    size_t len = strlen(ascii);
    const char *at = ascii;

    if (len > ASCII_MAX_BYTES)
        return false;
    while (true) {
        const char *dot = strchr(at, '.');

        if (dot == NULL)
            return is_label(at, strlen(at));
        if (!is_label(at, (size_t)(dot - at)))
            return false;
        at = dot + 1;
    }
}

/* Lower case and without the dot at the end; false when it does not fit. */
static bool copy_lower(char *out, size_t cap, const char *at, size_t len)
{
    if (len > 0 && at[len - 1] == '.')
        len--;
    if (len == 0 || len >= cap)
        return false;
    for (size_t i = 0; i < len; i++)
        out[i] = idna_lower(at[i]);
    out[len] = '\0';
    return true;
}

/* "[::ffff:192.0.2.1]" is another name for 192.0.2.1, and no domain. */
static bool is_mapped(const struct addr *ip)
{
    struct addr copy = *ip;

    addr_unmap(&copy);
    return copy.storage.ss_family != ip->storage.ss_family;
}

/* An address instead of a name; "[2001:db8::1]" as JIDs write it, and in the
 * one form of RFC 5952, so that no rule for it can be evaded by another.  The
 * ASCII form is what a connection can be made to. */
static bool read_literal(struct domain_name *out, struct slice text)
{
    struct addr_text canonical;
    struct addr ip;
    char host[64];
    const char *at = text.at;
    size_t len =
        text.len > 0 && at[text.len - 1] == '.' ? text.len - 1 : text.len;
    bool is_bracketed = len > 2 && at[0] == '[' && at[len - 1] == ']';

    if (is_bracketed) {
        at++;
        len -= 2;
    }
    if (len >= sizeof(host) || !copy_lower(host, sizeof(host), at, len))
        return false;
    if (addr_parse_ip(&ip, host, 0) != ERR_OK)
        return false;
    if (is_bracketed && (strchr(host, ':') == NULL || is_mapped(&ip)))
        return false;

    canonical = addr_format_host(&ip);
    len = strlen(canonical.text);
    if (strchr(host, ':') != NULL) {
        out->unicode[0] = '[';
        memcpy(out->unicode + 1, canonical.text, len);
        memcpy(out->unicode + 1 + len, "]", 2);
    } else {
        memcpy(out->unicode, canonical.text, len + 1);
    }
    memcpy(out->ascii, canonical.text, len + 1);
    out->is_ip_literal = true;
    return true;
}

/* text as A-labels.  UTS 46 without transitional rules maps width, case and
 * the other full stops; what IDNA 2008 forbids it refuses. */
static enum err to_ascii(struct domain_name *out, const char *text)
{
    char *ascii = NULL;
    int rc =
        idn2_to_ascii_8z(text, &ascii, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL);
    bool fits;

    if (rc == IDN2_MALLOC)
        return ERR_NOMEM;
    if (rc != IDN2_OK)
        return ERR_INVALID;
    fits = copy_lower(out->ascii, sizeof(out->ascii), ascii, strlen(ascii));
    idn2_free(ascii);
    return fits ? ERR_OK : ERR_INVALID;
}

static enum err to_unicode(struct domain_name *out)
{
    char *unicode = NULL;
    int rc = idn2_to_unicode_8z8z(out->ascii, &unicode, 0);
    size_t len;
    enum err err = ERR_OK;

    if (rc == IDN2_MALLOC)
        return ERR_NOMEM;
    if (rc != IDN2_OK)
        return ERR_INVALID;
    len = strlen(unicode);
    if (len < sizeof(out->unicode))
        memcpy(out->unicode, unicode, len + 1);
    else
        err = ERR_INVALID;
    idn2_free(unicode);
    return err;
}

/* Names with other than ASCII characters, and names that arrive encoded. */
static enum err read_international(struct domain_name *out, struct slice text)
{
    char copy[DOMAIN_CAP];
    enum err err;

    memcpy(copy, text.at, text.len);
    copy[text.len] = '\0';
    err = to_ascii(out, copy);
    if (err != ERR_OK)
        return err;
    if (!idna_is_name(out->ascii))
        return ERR_INVALID;
    /* An address in full-width digits is a trick, not a name. */
    if (addr_is_ip_literal(out->ascii))
        return ERR_INVALID;
    return to_unicode(out);
}

enum err domain_normalise(struct domain_name *out, struct slice text)
{
    struct domain_name name;
    enum err err;

    if (text.len == 0 || text.len > DOMAIN_MAX_BYTES)
        return ERR_INVALID;
    if (!utf8_is_valid(text))
        return ERR_INVALID;

    memset(&name, 0, sizeof(name));
    if (read_literal(&name, text)) {
        *out = name;
        return ERR_OK;
    }

    err = ERR_INVALID;
    if (!is_plain_ascii(text))
        err = read_international(&name, text);
    else if (copy_lower(name.ascii, sizeof(name.ascii), text.at, text.len) &&
             idna_is_name(name.ascii)) {
        if (has_a_label(name.ascii)) {
            err = read_international(&name, text);
        } else {
            memcpy(name.unicode, name.ascii, strlen(name.ascii) + 1);
            err = ERR_OK;
        }
    }
    if (err == ERR_OK)
        *out = name;
    return err;
}

bool domain_is_same(const char *ascii, struct slice text)
{
    struct domain_name name;

    return domain_normalise(&name, text) == ERR_OK &&
           strcmp(name.ascii, ascii) == 0;
}

const char *idna_library(void)
{
    return idn2_check_version(NULL);
}
