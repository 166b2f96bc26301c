#include "net/addr.h"

#include "net/addr_net.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/un.h>
#include <unistd.h>

#define PORT_DIGITS_MAX 5
#define LITERAL_BYTES   64

static const char what_is_accepted[] =
    "expected 127.0.0.1:5280, [::1]:5280 or unix:/path";

static struct sockaddr_in *in4(struct addr *a)
{
    return (struct sockaddr_in *)(void *)&a->storage;
}

static struct sockaddr_in6 *in6(struct addr *a)
{
    return (struct sockaddr_in6 *)(void *)&a->storage;
}

static struct sockaddr_un *un(struct addr *a)
{
    return (struct sockaddr_un *)(void *)&a->storage;
}

bool addr_parse_port(const char *text, uint16_t *port)
{
    unsigned number = 0;
    size_t len = strlen(text);
    size_t i;

    if (len == 0 || len > PORT_DIGITS_MAX)
        return false;
    for (i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        number = number * 10 + (unsigned)(text[i] - '0');
    }
    if (number > UINT16_MAX)
        return false;
    *port = (uint16_t)number;
    return true;
}

void addr_of_path(struct addr *out, const char *path)
{
    struct addr a = {.len = 0};
    size_t len = strnlen(path, sizeof(un(&a)->sun_path) - 1);

    un(&a)->sun_family = AF_UNIX;
    memcpy(un(&a)->sun_path, path, len);
    a.len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + 1);
    *out = a;
}

static enum err parse_unix(struct addr *out, const char *path)
{
    if (path[0] != '/' || strlen(path) >= sizeof(un(out)->sun_path))
        return ERR_INVALID;
    addr_of_path(out, path);
    return ERR_OK;
}

void addr_of_ip(struct addr *out, const char *ip, size_t ip_len, uint16_t port)
{
    struct addr a = {.len = 0};

    if (ip_len == sizeof(in4(&a)->sin_addr)) {
        a.storage.ss_family = AF_INET;
        a.len = sizeof(struct sockaddr_in);
        memcpy(&in4(&a)->sin_addr, ip, ip_len);
    } else {
        a.storage.ss_family = AF_INET6;
        a.len = sizeof(struct sockaddr_in6);
        memcpy(&in6(&a)->sin6_addr, ip, sizeof(in6(&a)->sin6_addr));
    }
    addr_set_port(&a, port);
    *out = a;
}

size_t addr_ip(const struct addr *a, unsigned char out[16])
{
    struct addr copy = *a;

    if (a->storage.ss_family == AF_INET) {
        memcpy(out, &in4(&copy)->sin_addr, 4);
        return 4;
    }
    if (a->storage.ss_family == AF_INET6) {
        memcpy(out, &in6(&copy)->sin6_addr, 16);
        return 16;
    }
    return 0;
}

enum err addr_parse_ip(struct addr *out, const char *text, uint16_t port)
{
    struct addr a = {.len = 0};

    if (inet_pton(AF_INET, text, &in4(&a)->sin_addr) == 1) {
        a.storage.ss_family = AF_INET;
        a.len = sizeof(struct sockaddr_in);
    } else if (inet_pton(AF_INET6, text, &in6(&a)->sin6_addr) == 1) {
        a.storage.ss_family = AF_INET6;
        a.len = sizeof(struct sockaddr_in6);
    } else {
        return ERR_INVALID;
    }
    addr_set_port(&a, port);
    *out = a;
    return ERR_OK;
}

/* Copies what stands before `end` into host; false when it does not fit. */
static bool copy_host(char *host, size_t cap, const char *from, const char *end)
{
    size_t len = (size_t)(end - from);

    if (len == 0 || len >= cap)
        return false;
    memcpy(host, from, len);
    host[len] = '\0';
    return true;
}

enum err addr_parse(struct addr *out, const char *text, const char **why)
{
    char host[LITERAL_BYTES];
    const char *colon;
    bool has_brackets = text[0] == '[';
    uint16_t port;
    enum err err = ERR_INVALID;

    if (strncmp(text, "unix:", 5) == 0) {
        err = parse_unix(out, text + 5);
        if (err != ERR_OK)
            *why = "expected unix: and an absolute path of up to 107 bytes";
        return err;
    }

    *why = what_is_accepted;
    colon = strrchr(text, ':');
    if (colon == NULL || !addr_parse_port(colon + 1, &port))
        return ERR_INVALID;
    if (has_brackets && colon[-1] != ']')
        return ERR_INVALID;
    if (!copy_host(host, sizeof(host), text + has_brackets,
                   colon - has_brackets))
        return ERR_INVALID;
    /* Brackets are for IPv6, and IPv6 needs them. */
    if ((strchr(host, ':') != NULL) != has_brackets)
        return ERR_INVALID;
    err = addr_parse_ip(out, host, port);
    if (err == ERR_OK)
        *why = NULL;
    return err;
}

static bool is_host_text(const char *host)
{
    const char *at;

    for (at = host; *at != '\0'; at++)
        if ((unsigned char)*at <= ' ' || *at == 0x7F ||
            strchr("[]/@\\", *at) != NULL)
            return false;
    return true;
}

enum err addr_split(const char *text, char *host, size_t host_cap,
                    uint16_t *port, uint16_t default_port)
{
    const char *end = text + strlen(text);
    const char *colon = strrchr(text, ':');
    bool has_brackets = text[0] == '[';
    uint16_t number = default_port;
    char name[256];

    if (has_brackets) {
        const char *close = strchr(text, ']');

        if (close == NULL || (close[1] != '\0' && close[1] != ':'))
            return ERR_INVALID;
        end = close;
        colon = close[1] == ':' ? close + 1 : NULL;
    } else if (colon != NULL && strchr(text, ':') != colon) {
        colon = NULL; /* a bare IPv6 literal, or nonsense */
        if (!addr_is_ip_literal(text))
            return ERR_INVALID;
    } else if (colon != NULL) {
        end = colon;
    }

    if (colon != NULL && (!addr_parse_port(colon + 1, &number) || number == 0))
        return ERR_INVALID;
    if (!copy_host(name, sizeof(name), text + has_brackets, end))
        return ERR_INVALID;
    if (!is_host_text(name) || strlen(name) >= host_cap)
        return ERR_INVALID;
    if (has_brackets &&
        (strchr(name, ':') == NULL || !addr_is_ip_literal(name)))
        return ERR_INVALID;
    memcpy(host, name, strlen(name) + 1);
    *port = number;
    return ERR_OK;
}

struct addr_text addr_format_host(const struct addr *a)
{
    struct addr copy = *a;
    struct addr_text out = {.text = ""};
    size_t path_at = offsetof(struct sockaddr_un, sun_path);

    switch (a->storage.ss_family) {
    case AF_INET:
        inet_ntop(AF_INET, &in4(&copy)->sin_addr, out.text, sizeof(out.text));
        break;
    case AF_INET6:
        inet_ntop(AF_INET6, &in6(&copy)->sin6_addr, out.text, sizeof(out.text));
        break;
    case AF_UNIX:
        snprintf(out.text, sizeof(out.text), "unix:%.*s",
                 copy.len > path_at ? (int)(copy.len - path_at) : 0,
                 un(&copy)->sun_path);
        break;
    default:
        snprintf(out.text, sizeof(out.text), "unknown");
        break;
    }
    return out;
}

struct addr_text addr_format(const struct addr *a)
{
    struct addr_text host = addr_format_host(a);
    struct addr_text out = host;

    if (a->storage.ss_family == AF_INET)
        snprintf(out.text, sizeof(out.text), "%.*s:%u", INET_ADDRSTRLEN,
                 host.text, (unsigned)addr_port(a));
    if (a->storage.ss_family == AF_INET6)
        snprintf(out.text, sizeof(out.text), "[%.*s]:%u", INET6_ADDRSTRLEN,
                 host.text, (unsigned)addr_port(a));
    return out;
}

uint16_t addr_port(const struct addr *a)
{
    struct addr copy = *a;

    if (a->storage.ss_family == AF_INET)
        return ntohs(in4(&copy)->sin_port);
    if (a->storage.ss_family == AF_INET6)
        return ntohs(in6(&copy)->sin6_port);
    return 0;
}

void addr_set_port(struct addr *a, uint16_t port)
{
    if (a->storage.ss_family == AF_INET)
        in4(a)->sin_port = htons(port);
    if (a->storage.ss_family == AF_INET6)
        in6(a)->sin6_port = htons(port);
}

bool addr_is_ip_literal(const char *host)
{
    struct addr ignored;

    return addr_parse_ip(&ignored, host, 0) == ERR_OK;
}

/* The IPv4 special-purpose registry of IANA (RFC 6890), multicast (RFC 5771)
 * and the reserved class E with broadcast. */
static bool is_public_ip4(uint32_t ip)
{
    static const struct {
        uint32_t net;
        unsigned bits;
    } closed[] = {
        {0x00000000, 8},  /* this network, unspecified */
        {0x0A000000, 8},  /* private */
        {0x64400000, 10}, /* shared: carrier-grade NAT */
        {0x7F000000, 8},  /* loopback */
        {0xA9FE0000, 16}, /* link-local, cloud metadata */
        {0xAC100000, 12}, /* private */
        {0xC0000000, 24}, /* IETF protocol assignments */
        {0xC0000200, 24}, /* documentation */
        {0xC0586300, 24}, /* 6to4 relays, withdrawn */
        {0xC0A80000, 16}, /* private */
        {0xC6120000, 15}, /* benchmarking */
        {0xC6336400, 24}, /* documentation */
        {0xCB007100, 24}, /* documentation */
        {0xE0000000, 3},  /* multicast, reserved, broadcast */
    };
    size_t i;

    for (i = 0; i < COUNT_OF(closed); i++)
        if ((ip ^ closed[i].net) >> (32 - closed[i].bits) == 0)
            return false;
    return true;
}

static uint32_t read_ip4(const unsigned char *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
           (uint32_t)at[2] << 8 | at[3];
}

static bool is_public_ip6(const unsigned char ip[16])
{
    /* What is not global unicast: unspecified, loopback, IPv4-compatible,
     * unique-local, link-local, site-local, multicast, local NAT64. */
    if (ip[0] >> 5 != 1)
        return false;
    /* 2001::/23, protocol assignments: Teredo, benchmarking, ORCHID. */
    if (ip[0] == 0x20 && ip[1] == 0x01 && ip[2] < 0x02)
        return false;
    if (ip[0] == 0x20 && ip[1] == 0x01 && ip[2] == 0x0D && ip[3] == 0xB8)
        return false; /* documentation */
    if (ip[0] == 0x3F && ip[1] == 0xFF && ip[2] < 0x10)
        return false; /* documentation, RFC 9637 */
    return true;
}

/* Where in the address the IPv4 address stands; NULL: nowhere. */
static const unsigned char *find_ip4(const unsigned char ip[16])
{
    static const unsigned char mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    static const unsigned char nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    static const unsigned char isatap[4] = {0x00, 0x00, 0x5E, 0xFE};

    if (memcmp(ip, mapped, sizeof(mapped)) == 0 ||
        memcmp(ip, nat64, sizeof(nat64)) == 0)
        return ip + 12;
    if (ip[0] == 0x20 && ip[1] == 0x02) /* 6to4 */
        return ip + 2;
    /* RFC 5214 section 6.1; the bit 0x02 says that the IPv4 one is unique. */
    if ((ip[8] & ~0x02) == isatap[0] && memcmp(ip + 9, isatap + 1, 3) == 0)
        return ip + 12;
    return NULL;
}

bool addr_embedded_ip4(const struct addr *a, struct addr *out)
{
    unsigned char ip[16];
    const unsigned char *ip4 = NULL;

    if (addr_ip(a, ip) == sizeof(ip))
        ip4 = find_ip4(ip);
    if (ip4 == NULL)
        return false;
    addr_of_ip(out, (const char *)ip4, 4, addr_port(a));
    return true;
}

bool addr_is_public(const struct addr *a)
{
    unsigned char ip[16];
    size_t len = addr_ip(a, ip);
    const unsigned char *ip4;

    if (len == 4)
        return is_public_ip4(read_ip4(ip));
    if (len == 0)
        return false;
    ip4 = find_ip4(ip);
    if (ip4 != NULL && !is_public_ip4(read_ip4(ip4)))
        return false;
    /* Mapped and NAT64 addresses are what stands in them. */
    return (ip4 == ip + 12 && ip[0] == 0) || is_public_ip6(ip);
}

bool addr_is_private(const struct addr *a)
{
    unsigned char ip[16];

    switch (addr_ip(a, ip)) {
    case 4:
        return ip[0] == 127 || ip[0] == 10 ||
               (ip[0] == 172 && ip[1] >> 4 == 1) ||
               (ip[0] == 192 && ip[1] == 168) ||
               (ip[0] == 100 && ip[1] >> 6 == 1);
    case 16:
        return ip[0] >> 1 == 0xFC >> 1 ||
               memcmp(ip, &in6addr_loopback, sizeof(ip)) == 0;
    default:
        return false;
    }
}

bool addr_is_any(const struct addr *a)
{
    static const unsigned char zero[16];
    unsigned char ip[16];
    size_t len = addr_ip(a, ip);

    return len > 0 && memcmp(ip, zero, len) == 0;
}

bool addr_is_local(const struct addr *a)
{
    unsigned char from[16];
    unsigned char to[16];
    struct addr local;
    size_t len = addr_ip(a, to);
    bool is_local = false;
    int fd;

    if (len == 0)
        return false;
    /* The address that the kernel would send from is the very one. */
    fd = socket(a->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (connect(fd, (const struct sockaddr *)&a->storage, a->len) == 0 &&
        addr_of_local(&local, fd) == ERR_OK && addr_ip(&local, from) == len)
        is_local = memcmp(from, to, len) == 0;
    close(fd);
    return is_local;
}

struct addr_small addr_pack(const struct addr *a)
{
    struct addr_small small = {.as.family = a->storage.ss_family};

    if (a->storage.ss_family == AF_INET || a->storage.ss_family == AF_INET6)
        memcpy(&small, &a->storage, sizeof(small));
    return small;
}

struct addr addr_unpack(const struct addr_small *a)
{
    struct addr full = {.len = sizeof(sa_family_t)};

    memcpy(&full.storage, a, sizeof(*a));
    if (a->as.family == AF_INET)
        full.len = sizeof(struct sockaddr_in);
    if (a->as.family == AF_INET6)
        full.len = sizeof(struct sockaddr_in6);
    return full;
}

enum err addr_of_local(struct addr *out, int fd)
{
    struct addr a = {.len = sizeof(a.storage)};

    if (getsockname(fd, (struct sockaddr *)&a.storage, &a.len) < 0)
        return ERR_SYSTEM;
    *out = a;
    return ERR_OK;
}

enum err addr_of_peer(struct addr *out, int fd)
{
    struct addr a = {.len = sizeof(a.storage)};

    if (getpeername(fd, (struct sockaddr *)&a.storage, &a.len) < 0)
        return ERR_SYSTEM;
    *out = a;
    return ERR_OK;
}

/* --- Clients -------------------------------------------------------------- */

#define CUSTOMER_BYTES_6 8 /* a /64 */

static bool is_loopback(const unsigned char *ip, size_t len)
{
    static const unsigned char loopback[16] = {[15] = 1};

    return len == 4 ? ip[0] == 127 : memcmp(ip, loopback, len) == 0;
}

size_t addr_client_key(const struct addr *client,
                       unsigned char out[ADDR_CLIENT_BYTES])
{
    struct addr a;
    size_t len;

    if (client == NULL || client->len == 0)
        return 0;
    a = *client;
    addr_unmap(&a);
    len = addr_ip(&a, out);
    if (len == 0 || is_loopback(out, len))
        return 0;
    return len == 4 ? len : CUSTOMER_BYTES_6;
}
