/*
 * addr.h - socket addresses: parsing, printing, and which of them strangers
 * must not make us connect to (L50, conformance L50).
 */
#ifndef NET_ADDR_H
#define NET_ADDR_H

#include "base/base.h"

#include <netinet/in.h>
#include <sys/socket.h>

#define ADDR_TEXT_BYTES 128

struct addr {
    struct sockaddr_storage storage;
    socklen_t len;
};

struct addr_text {
    char text[ADDR_TEXT_BYTES];
};

/*
 * Parses where to listen: "127.0.0.1:5280", "[::1]:5280" or "unix:/path".
 * The port is 0..65535.  ERR_INVALID: anything else, names included; *why
 * then says what would be accepted.
 */
MUST_CHECK enum err addr_parse(struct addr *out, const char *text,
                               const char **why);

/* An IP literal without port ("192.0.2.1", "2001:db8::1"), given a port. */
MUST_CHECK enum err addr_parse_ip(struct addr *out, const char *text,
                                  uint16_t port);

/*
 * Splits "host:port", "[v6]:port" or "host" (then *port is default_port).
 * host receives the name or literal without brackets.  ERR_INVALID: empty
 * host, bad port, or longer than host_cap - 1 bytes.
 */
MUST_CHECK enum err addr_split(const char *text, char *host, size_t host_cap,
                               uint16_t *port, uint16_t default_port);

/* One to five digits, up to 65535: no sign, no space. */
bool addr_parse_port(const char *text, uint16_t *port);

/* From the bytes of an address: 4 or 16 in network order, and a port. */
void addr_of_ip(struct addr *out, const char *ip, size_t ip_len, uint16_t port);
/* Of a unix socket; path may be "", and is cut after 107 bytes. */
void addr_of_path(struct addr *out, const char *path);
/* The bytes of an IP address: returns 4 or 16, or 0 for any other. */
size_t addr_ip(const struct addr *a, unsigned char out[16]);

/* "127.0.0.1:5280", "[::1]:5280", "unix:/path". */
struct addr_text addr_format(const struct addr *a);
/* The same without the port, for log prefixes. */
struct addr_text addr_format_host(const struct addr *a);

uint16_t addr_port(const struct addr *a);
void addr_set_port(struct addr *a, uint16_t port);
bool addr_is_ip_literal(const char *host);

/*
 * True when the address is one that a client of an open gateway may reach:
 * global unicast.  False for loopback, private, link-local, unique-local,
 * shared (100.64/10), multicast, unspecified, documentation, benchmarking,
 * reserved, Teredo, IPv4-compatible, and IPv6 forms that embed such an IPv4
 * address (mapped, 6to4, NAT64, ISATAP).
 */
bool addr_is_public(const struct addr *a);

/* Loopback, private (RFC 1918), shared (100.64/10) and unique-local: where a
 * site's own servers may be.  Never link-local, where clouds keep secrets. */
bool addr_is_private(const struct addr *a);

/* An IPv6 address that stands for an IPv4 one: mapped, NAT64 (64:ff9b::/96),
 * 6to4 or ISATAP.  *out has the port of a.  False: it is none. */
bool addr_embedded_ip4(const struct addr *a, struct addr *out);

/* What tells one client from another: an IPv4 address, or the /64 of an IPv6
 * one, which is what one customer has at least.  Writes it to out and returns
 * its length; 0: NULL, of length 0, a loopback address or a unix socket, which
 * are proxies that name nobody. */
#define ADDR_CLIENT_BYTES 16
size_t addr_client_key(const struct addr *client,
                       unsigned char out[ADDR_CLIENT_BYTES]);

/* The unspecified address, 0.0.0.0 or ::. */
bool addr_is_any(const struct addr *a);

/* Asks the kernel whether the address is one of this machine; nothing is
 * sent.  False, too, when it cannot be told. */
bool addr_is_local(const struct addr *a);

/* An address as it is kept where there are thousands, in a quarter of the
 * space; of a unix socket the family stays. */
struct addr_small {
    union {
        sa_family_t family;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    } as;
};

struct addr_small addr_pack(const struct addr *a);
struct addr addr_unpack(const struct addr_small *a);

/* Listening and own addresses of an accepted or listening fd. */
MUST_CHECK enum err addr_of_local(struct addr *out, int fd);
MUST_CHECK enum err addr_of_peer(struct addr *out, int fd);

#endif /* NET_ADDR_H */
