#include "net/addr_net.h"

#include <netinet/in.h>

#define MAPPED_BITS 96 /* in front of the IPv4 address */

static const unsigned char mapped[MAPPED_BITS / 8] = {[10] = 0xFF, [11] = 0xFF};

static void set_mapped(unsigned char ip[16], const struct in_addr *v4)
{
    memcpy(ip, mapped, sizeof(mapped));
    memcpy(ip + sizeof(mapped), v4, 4);
}

static bool read_ip(unsigned char ip[16], const struct addr *a)
{
    if (a->storage.ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)&a->storage;

        set_mapped(ip, &in->sin_addr);
        return true;
    }
    if (a->storage.ss_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)&a->storage;

        memcpy(ip, &in->sin6_addr, 16);
        return true;
    }
    return false;
}

/* Digits only, as "24"; false above max. */
static bool parse_bits(unsigned *out, const char *text, unsigned max)
{
    size_t len = strlen(text);
    unsigned bits = 0;

    if (len == 0 || len > 3)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        bits = bits * 10 + (unsigned)(text[i] - '0');
    }
    *out = bits;
    return bits <= max;
}

/* True when the first `bits` of both are the same. */
static bool is_same_prefix(const unsigned char *a, const unsigned char *b,
                           unsigned bits)
{
    unsigned rest = bits % 8;

    if (memcmp(a, b, bits / 8) != 0)
        return false;
    return rest == 0 || (a[bits / 8] ^ b[bits / 8]) >> (8 - rest) == 0;
}

static bool is_zero_behind(const unsigned char ip[16], unsigned bits)
{
    for (unsigned i = bits; i < 128; i++)
        if (ip[i / 8] & 0x80 >> i % 8)
            return false;
    return true;
}

enum err addr_net_parse(struct addr_net *out, const char *text)
{
    struct addr_net net = {.is_unix = strcmp(text, "unix:") == 0};
    const char *slash = strchr(text, '/');
    size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
    unsigned offset;
    struct addr a;
    char host[64];

    if (net.is_unix) {
        *out = net;
        return ERR_OK;
    }
    if (len >= sizeof(host))
        return ERR_INVALID;
    memcpy(host, text, len);
    host[len] = '\0';
    if (addr_parse_ip(&a, host, 0) != ERR_OK || !read_ip(net.ip, &a))
        return ERR_INVALID;
    offset = a.storage.ss_family == AF_INET ? MAPPED_BITS : 0;
    net.bits = 128;
    if (slash != NULL) {
        if (!parse_bits(&net.bits, slash + 1, 128 - offset))
            return ERR_INVALID;
        net.bits += offset;
    }
    if (!is_zero_behind(net.ip, net.bits))
        return ERR_INVALID;
    *out = net;
    return ERR_OK;
}

/* "::/0" is all of IPv6, and no IPv4 address, in whatever form. */
static bool is_other_family(const struct addr_net *net,
                            const unsigned char ip[16])
{
    return net->bits < MAPPED_BITS && is_same_prefix(mapped, ip, MAPPED_BITS);
}

bool addr_net_has(const struct addr_net *net, const struct addr *a)
{
    unsigned char ip[16];

    if (net->is_unix)
        return a->storage.ss_family == AF_UNIX;
    return read_ip(ip, a) && !is_other_family(net, ip) &&
           is_same_prefix(net->ip, ip, net->bits);
}

bool addr_net_list_has(const struct addr_net *nets, size_t n,
                       const struct addr *a)
{
    for (size_t i = 0; i < n; i++)
        if (addr_net_has(&nets[i], a))
            return true;
    return false;
}

void addr_unmap(struct addr *a)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    const struct sockaddr_in6 *in = (const void *)&a->storage;

    if (a->storage.ss_family != AF_INET6 ||
        memcmp(&in->sin6_addr, mapped, sizeof(mapped)) != 0)
        return;
    v4.sin_port = in->sin6_port;
    memcpy(&v4.sin_addr, in->sin6_addr.s6_addr + 12, 4);
    memset(&a->storage, 0, sizeof(a->storage));
    memcpy(&a->storage, &v4, sizeof(v4));
    a->len = sizeof(v4);
}
