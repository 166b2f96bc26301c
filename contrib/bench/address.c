#include "wire.h"

#include <arpa/inet.h>
#include <stdlib.h>

static bool read_port(const char *text, uint16_t *out)
{
    char *end;
    unsigned long n = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || n > 65535)
        return false;
    *out = htons((uint16_t)n);
    return true;
}

bool address_read(struct address *out, const char *text)
{
    struct sockaddr_in *v4 = (void *)&out->at;
    struct sockaddr_in6 *v6 = (void *)&out->at;
    const char *colon = strrchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : 0;
    char host[100];
    uint16_t port;

    *out = (struct address){.len = 0};
    if (len == 0 || len >= sizeof(host) || !read_port(colon + 1, &port))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = port;
        out->len = sizeof(*v4);
        return true;
    }
    if (host[0] != '[' || host[len - 1] != ']')
        return false;
    host[len - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = port;
    out->len = sizeof(*v6);
    return true;
}

bool address_is_loopback(const struct address *a)
{
    const struct sockaddr_in *v4 = (const void *)&a->at;
    const struct sockaddr_in6 *v6 = (const void *)&a->at;

    if (a->at.ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return a->at.ss_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

unsigned address_port(const struct address *a)
{
    const struct sockaddr_in *v4 = (const void *)&a->at;
    const struct sockaddr_in6 *v6 = (const void *)&a->at;

    return ntohs(a->at.ss_family == AF_INET ? v4->sin_port : v6->sin6_port);
}
