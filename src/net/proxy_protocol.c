#include "net/proxy_protocol.h"

#include <netinet/in.h>
#include <stdio.h>

#define V1_PREFIX "PROXY "

#define V2_SIGNATURE_BYTES 12
#define V2_HEAD_BYTES      16
#define V2_VERSION         0x20
#define V2_LOCAL           0x00
#define V2_PROXY           0x01
#define V2_UNSPEC          0x00
#define V2_TCP4            0x11
#define V2_TCP6            0x21
#define V2_UNIX_STREAM     0x31
#define V2_UNIX_PATH_BYTES 108
#define V2_TYPE_SSL        0x20
#define V2_CLIENT_SSL      0x01 /* in the first byte of its value */

static const char v2_signature[V2_SIGNATURE_BYTES] = {
    0x0D, 0x0A, 0x0D, 0x0A, 0x00, 0x0D, 0x0A, 0x51, 0x55, 0x49, 0x54, 0x0A,
};

static unsigned read_u16(const char *at)
{
    return (unsigned)(unsigned char)at[0] << 8 | (unsigned char)at[1];
}

static void write_u16(char *at, unsigned number)
{
    at[0] = (char)(number >> 8);
    at[1] = (char)(number & 0xFF);
}

/* --- Reading version 1 ---------------------------------------------------- */

/* Takes the word at *at, which ends at a space or, when it is the last one,
 * at the end of the line.  False: there is none, or it is too long. */
static bool take_word(struct slice *line, bool is_last, char *out, size_t cap)
{
    const char *space = memchr(line->at, ' ', line->len);
    size_t len = is_last ? line->len : 0;

    if ((space == NULL) != is_last)
        return false;
    if (space != NULL)
        len = (size_t)(space - line->at);
    if (len == 0 || len >= cap || memchr(line->at, '\0', len) != NULL)
        return false;
    memcpy(out, line->at, len);
    out[len] = '\0';
    line->at += len + !is_last;
    line->len -= len + !is_last;
    return true;
}

static bool take_port(struct slice *line, bool is_last, uint16_t *port)
{
    char word[6];

    if (!take_word(line, is_last, word, sizeof(word)))
        return false;
    if (word[0] == '0' && word[1] != '\0')
        return false;
    return addr_parse_port(word, port);
}

static bool take_ip(struct slice *line, int family, struct addr *out)
{
    char word[INET6_ADDRSTRLEN];

    return take_word(line, false, word, sizeof(word)) &&
           addr_parse_ip(out, word, 0) == ERR_OK &&
           out->storage.ss_family == family;
}

/* line: what stands between "PROXY " and CR LF. */
static enum proxy_verdict read_line(struct slice line, struct proxy_info *out)
{
    struct proxy_info info = {.is_local = false};
    char family[8];
    uint16_t from;
    uint16_t to;
    int af;

    if (slice_is(line, "UNKNOWN") ||
        (line.len >= 8 && memcmp(line.at, "UNKNOWN ", 8) == 0)) {
        *out = (struct proxy_info){.is_local = true};
        return PROXY_OK; /* the rest of the line is to be ignored */
    }
    if (!take_word(&line, false, family, sizeof(family)))
        return PROXY_INVALID;
    if (strcmp(family, "TCP4") != 0 && strcmp(family, "TCP6") != 0)
        return PROXY_INVALID;
    af = family[3] == '4' ? AF_INET : AF_INET6;
    if (!take_ip(&line, af, &info.source) || !take_ip(&line, af, &info.target))
        return PROXY_INVALID;
    if (!take_port(&line, false, &from) || !take_port(&line, true, &to))
        return PROXY_INVALID;
    addr_set_port(&info.source, from);
    addr_set_port(&info.target, to);
    *out = info;
    return PROXY_OK;
}

static enum proxy_verdict read_v1(const char *at, size_t len,
                                  struct proxy_info *out, size_t *used)
{
    static const size_t prefix = sizeof(V1_PREFIX) - 1;
    size_t seen = len < PROXY_V1_MAX_BYTES ? len : PROXY_V1_MAX_BYTES;
    const char *cr;
    struct slice line;
    enum proxy_verdict verdict;

    if (len < prefix)
        return PROXY_MORE;
    cr = memchr(at, '\r', seen);
    if (memchr(at, '\n', cr == NULL ? seen : (size_t)(cr - at)) != NULL)
        return PROXY_INVALID;
    if (cr == NULL || cr + 1 == at + seen)
        return seen < PROXY_V1_MAX_BYTES ? PROXY_MORE : PROXY_INVALID;
    if (cr[1] != '\n')
        return PROXY_INVALID;
    line.at = at + prefix;
    line.len = (size_t)(cr - line.at);
    verdict = read_line(line, out);
    if (verdict == PROXY_OK)
        *used = (size_t)(cr + 2 - at);
    return verdict;
}

/* --- Reading version 2 ---------------------------------------------------- */

/* at: source, target, both ports. */
static void read_ips(const char *at, size_t ip_len, struct proxy_info *out)
{
    const char *ports = at + 2 * ip_len;

    addr_of_ip(&out->source, at, ip_len, (uint16_t)read_u16(ports));
    addr_of_ip(&out->target, at + ip_len, ip_len,
               (uint16_t)read_u16(ports + 2));
}

/* What is printed in logs must not forge lines there. */
static void proxy_protocol_read_path(const char *at, struct addr *out)
{
    char path[V2_UNIX_PATH_BYTES + 1];
    size_t len = strnlen(at, V2_UNIX_PATH_BYTES);
    size_t i;

    for (i = 0; i < len; i++)
        if (at[i] < ' ' || at[i] == 0x7F)
            len = 0;
    memcpy(path, at, len);
    path[len] = '\0';
    addr_of_path(out, path);
}

/* The extensions behind the addresses: type, length, value.  False: one does
 * not end where the header does. */
static bool read_extensions(const char *at, size_t len, struct proxy_info *out)
{
    while (len > 0) {
        size_t value_len;

        if (len < 3)
            return false;
        value_len = read_u16(at + 1);
        if (value_len > len - 3)
            return false;
        if ((unsigned char)at[0] == V2_TYPE_SSL && value_len > 0)
            out->tls =
                (at[3] & V2_CLIENT_SSL) != 0 ? PROXY_TLS_USED : PROXY_TLS_NONE;
        at += 3 + value_len;
        len -= 3 + value_len;
    }
    return true;
}

static enum proxy_verdict read_addresses(int family, const char *at, size_t len,
                                         struct proxy_info *out)
{
    struct proxy_info info = {.is_local = false};
    size_t used = 0;

    if (family == V2_UNSPEC) {
        info.is_local = true;
        used = len; /* whatever it is, it is of nobody's connection */
    } else if (family == V2_TCP4 && len >= 12) {
        read_ips(at, 4, &info);
        used = 12;
    } else if (family == V2_TCP6 && len >= 36) {
        read_ips(at, 16, &info);
        used = 36;
    } else if (family == V2_UNIX_STREAM && len >= 2 * V2_UNIX_PATH_BYTES) {
        proxy_protocol_read_path(at, &info.source);
        proxy_protocol_read_path(at + V2_UNIX_PATH_BYTES, &info.target);
        used = 2 * V2_UNIX_PATH_BYTES;
    } else {
        return PROXY_INVALID; /* datagrams too: this is a stream */
    }
    if (!read_extensions(at + used, len - used, &info))
        return PROXY_INVALID;
    *out = info;
    return PROXY_OK;
}

static enum proxy_verdict read_v2(const char *at, size_t len,
                                  struct proxy_info *out, size_t *used)
{
    size_t rest;
    int command;
    enum proxy_verdict verdict = PROXY_OK;

    if (len > V2_SIGNATURE_BYTES && (at[V2_SIGNATURE_BYTES] & 0xF0) != 0x20)
        return PROXY_INVALID;
    if (len < V2_HEAD_BYTES)
        return PROXY_MORE;
    command = at[12] & 0x0F;
    rest = read_u16(at + 14);
    if (command != V2_LOCAL && command != V2_PROXY)
        return PROXY_INVALID;
    if (rest > PROXY_V2_MAX_BYTES - V2_HEAD_BYTES)
        return PROXY_INVALID;
    if (len - V2_HEAD_BYTES < rest)
        return PROXY_MORE;
    if (command == V2_LOCAL)
        *out = (struct proxy_info){.is_local = true};
    else
        verdict = read_addresses((unsigned char)at[13], at + V2_HEAD_BYTES,
                                 rest, out);
    if (verdict == PROXY_OK)
        *used = V2_HEAD_BYTES + rest;
    return verdict;
}

static bool begins_like(const char *at, size_t len, const char *prefix,
                        size_t prefix_len)
{
    return memcmp(at, prefix, len < prefix_len ? len : prefix_len) == 0;
}

enum proxy_verdict proxy_read(const char *at, size_t len,
                              struct proxy_info *out, size_t *used)
{
    if (len == 0)
        return PROXY_MORE;
    if (begins_like(at, len, V1_PREFIX, sizeof(V1_PREFIX) - 1))
        return read_v1(at, len, out, used);
    if (begins_like(at, len, v2_signature, sizeof(v2_signature)))
        return read_v2(at, len, out, used);
    return PROXY_INVALID;
}

/* --- Writing -------------------------------------------------------------- */

struct pair {
    unsigned char ip[2][16]; /* source, target */
    uint16_t port[2];
    size_t ip_len; /* 4 or 16; 0: nothing to say */
};

static void map_ip4(unsigned char ip[16])
{
    memmove(ip + 12, ip, 4);
    memset(ip, 0, 10);
    ip[10] = ip[11] = 0xFF;
}

static struct pair pair_of(const struct addr *source, const struct addr *target)
{
    struct pair p = {.ip_len = 0};
    size_t from = source == NULL ? 0 : addr_ip(source, p.ip[0]);
    size_t to = target == NULL ? 0 : addr_ip(target, p.ip[1]);

    if (from == 0 || to == 0)
        return p;
    p.ip_len = from > to ? from : to;
    if (from < p.ip_len)
        map_ip4(p.ip[0]);
    if (to < p.ip_len)
        map_ip4(p.ip[1]);
    p.port[0] = addr_port(source);
    p.port[1] = addr_port(target);
    return p;
}

size_t proxy_write_v1(char *out, const struct addr *source,
                      const struct addr *target)
{
    static const char unknown[] = "PROXY UNKNOWN\r\n";
    struct pair p = pair_of(source, target);
    struct addr a[2];
    size_t i;

    if (p.ip_len == 0) {
        memcpy(out, unknown, sizeof(unknown) - 1);
        return sizeof(unknown) - 1;
    }
    for (i = 0; i < COUNT_OF(a); i++)
        addr_of_ip(&a[i], (const char *)p.ip[i], p.ip_len, 0);
    return (size_t)snprintf(
        out, PROXY_WRITE_BYTES, "PROXY TCP%c %s %s %u %u\r\n",
        p.ip_len == 4 ? '4' : '6', addr_format_host(&a[0]).text,
        addr_format_host(&a[1]).text, (unsigned)p.port[0], (unsigned)p.port[1]);
}

size_t proxy_write_v2(char *out, const struct addr *source,
                      const struct addr *target)
{
    struct pair p = pair_of(source, target);
    char *at = out + V2_HEAD_BYTES;

    memcpy(out, v2_signature, sizeof(v2_signature));
    if (p.ip_len == 0) {
        out[12] = V2_VERSION | V2_LOCAL;
        out[13] = V2_UNSPEC;
        write_u16(out + 14, 0);
        return V2_HEAD_BYTES;
    }
    out[12] = V2_VERSION | V2_PROXY;
    out[13] = p.ip_len == 4 ? V2_TCP4 : V2_TCP6;
    write_u16(out + 14, (unsigned)(2 * p.ip_len + 4));
    memcpy(at, p.ip[0], p.ip_len);
    memcpy(at + p.ip_len, p.ip[1], p.ip_len);
    write_u16(at + 2 * p.ip_len, p.port[0]);
    write_u16(at + 2 * p.ip_len + 2, p.port[1]);
    return V2_HEAD_BYTES + 2 * p.ip_len + 4;
}
