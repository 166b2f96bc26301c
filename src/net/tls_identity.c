#include "tls_identity.h"

#include "net/addr.h"
#include "net/tls_client.h"

#include <netinet/in.h>

#define NAME_BYTES_MAX  253
#define LABEL_BYTES_MAX 63
#define XMPP_BYTES_MAX  1023 /* of the domain of a JID, in UTF-8 (RFC 7622) */

static char tls_identity_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool equal_nocase(struct slice a, struct slice b)
{
    size_t i;

    if (a.len != b.len)
        return false;
    for (i = 0; i < a.len; i++)
        if (tls_identity_lower(a.at[i]) != tls_identity_lower(b.at[i]))
            return false;
    return true;
}

static bool is_ldh(char c)
{
    c = tls_identity_lower(c);
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_';
}

/* Labels of letters, digits, hyphens and underscores: no NUL, no wildcard, no
 * empty label and so no dot at either end. */
static bool is_dns_name(struct slice s)
{
    size_t label = 0;
    size_t i;

    if (s.len == 0 || s.len > NAME_BYTES_MAX)
        return false;
    for (i = 0; i < s.len; i++) {
        if (s.at[i] == '.') {
            if (label == 0)
                return false;
            label = 0;
            continue;
        }
        if (!is_ldh(s.at[i]) || ++label > LABEL_BYTES_MAX)
            return false;
    }
    return label > 0;
}

static struct slice from(struct slice s, size_t at)
{
    return (struct slice){s.at + at, s.len - at};
}

static bool matches_dns(struct slice domain, struct slice name)
{
    const char *dot;

    if (name.len > NAME_BYTES_MAX)
        return false;
    if (name.len < 2 || name.at[0] != '*' || name.at[1] != '.')
        return is_dns_name(name) && equal_nocase(domain, name);

    /* "*.example.org": never all of "*.org". */
    name = from(name, 2);
    if (!is_dns_name(name) || memchr(name.at, '.', name.len) == NULL)
        return false;
    dot = memchr(domain.at, '.', domain.len);
    return dot != NULL &&
           equal_nocase(from(domain, (size_t)(dot - domain.at) + 1), name);
}

static bool matches_srv(struct slice domain, struct slice name)
{
    static const struct slice service = {"_xmpp-client.", 13};

    if (name.len <= service.len || name.len > NAME_BYTES_MAX)
        return false;
    if (!equal_nocase((struct slice){name.at, service.len}, service))
        return false;
    name = from(name, service.len);
    return is_dns_name(name) && equal_nocase(domain, name);
}

static bool matches_ip(const char *domain, struct slice name)
{
    struct addr ip;
    const struct sockaddr_in *v4 = (const void *)&ip.storage;
    const struct sockaddr_in6 *v6 = (const void *)&ip.storage;

    if (addr_parse_ip(&ip, domain, 0) != ERR_OK)
        return false;
    if (ip.storage.ss_family == AF_INET)
        return name.len == 4 && memcmp(&v4->sin_addr, name.at, 4) == 0;
    return name.len == 16 && memcmp(&v6->sin6_addr, name.at, 16) == 0;
}

/* A bare domain (K38): the callback refuses what no domain has. */
static bool matches_xmpp(const char *domain, struct slice name,
                         tls_same_domain_fn *is_same)
{
    if (is_dns_name(name) && equal_nocase(slice_of(domain), name))
        return true;
    if (is_same == NULL || name.len == 0 || name.len > XMPP_BYTES_MAX)
        return false;
    return name.at[name.len - 1] != '.' && is_same(domain, name);
}

bool tls_identity_matches(const char *domain, const struct tls_name *name,
                          tls_same_domain_fn *is_same)
{
    struct slice wanted = slice_of(domain);

    if (addr_is_ip_literal(domain))
        return name->kind == TLS_NAME_IP && matches_ip(domain, name->value);
    if (!is_dns_name(wanted))
        return false;

    switch (name->kind) {
    case TLS_NAME_DNS:
        return matches_dns(wanted, name->value);
    case TLS_NAME_SRV:
        return matches_srv(wanted, name->value);
    case TLS_NAME_XMPP:
        return matches_xmpp(domain, name->value, is_same);
    case TLS_NAME_IP:
        return false;
    }
    return false;
}
