#include "resolve_sort.h"

#include "dns/resolve.h"

#include <assert.h>
#include <netinet/in.h>
#include <unistd.h>

/* RFC 6724 section 2.1, without what is obsolete. */
static const struct policy {
    unsigned char prefix[16];
    unsigned bits;
    unsigned precedence;
    unsigned label;
} policies[] = {
    {{[15] = 1}, 128, 50, 0},                /* ::1 */
    {{[10] = 0xff, [11] = 0xff}, 96, 35, 4}, /* ::ffff:0:0/96 */
    {{0x20, 0x02}, 16, 30, 2},               /* 2002::/16 */
    {{0x20, 0x01}, 32, 5, 5},                /* 2001::/32 */
    {{0xfc}, 7, 3, 13},                      /* fc00::/7 */
    {{0}, 0, 40, 1},                         /* ::/0 */
};

enum {
    SCOPE_LINK = 2,
    SCOPE_GLOBAL = 14,
};

/* What the rules compare. */
struct rank {
    struct addr addr;
    bool is_usable;
    bool has_equal_scope;
    bool has_equal_label;
    unsigned precedence;
    unsigned scope;
};

/* The IPv6 form; IPv4 is mapped, as the rules want it. */
static void to_ip6(unsigned char out[16], const struct addr *a)
{
    const struct sockaddr_in6 *v6 = (const void *)&a->storage;
    const struct sockaddr_in *v4 = (const void *)&a->storage;

    memset(out, 0, 16);
    if (a->storage.ss_family == AF_INET6) {
        memcpy(out, &v6->sin6_addr, 16);
        return;
    }
    out[10] = out[11] = 0xff;
    memcpy(out + 12, &v4->sin_addr, 4);
}

static bool resolve_sort_has_prefix(const unsigned char ip[16],
                                    const struct policy *p)
{
    unsigned bytes = p->bits / 8;
    unsigned rest = p->bits % 8;

    if (memcmp(ip, p->prefix, bytes) != 0)
        return false;
    return rest == 0 || (ip[bytes] ^ p->prefix[bytes]) >> (8 - rest) == 0;
}

static const struct policy *policy_of(const unsigned char ip[16])
{
    const struct policy *p = policies;

    while (!resolve_sort_has_prefix(ip, p))
        p++; /* the last one has them all */
    return p;
}

/* RFC 6724 sections 3.1 and 3.2. */
static unsigned scope_of(const unsigned char ip[16])
{
    static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const unsigned char loopback[16] = {[15] = 1};

    if (memcmp(ip, mapped, sizeof(mapped)) == 0)
        return ip[12] == 127 || (ip[12] == 169 && ip[13] == 254) ? SCOPE_LINK
                                                                 : SCOPE_GLOBAL;
    if (ip[0] == 0xff)
        return ip[1] & 15;
    if (memcmp(ip, loopback, sizeof(loopback)) == 0 ||
        (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80))
        return SCOPE_LINK;
    return SCOPE_GLOBAL;
}

static void rank(struct rank *out, const struct addr *addr,
                 resolve_source_fn *source)
{
    unsigned char ip[16];
    unsigned char from_ip[16];
    struct addr from;

    memset(out, 0, sizeof(*out));
    out->addr = *addr;
    to_ip6(ip, addr);
    out->precedence = policy_of(ip)->precedence;
    out->scope = scope_of(ip);
    out->is_usable = source(&from, addr);
    if (!out->is_usable)
        return;
    to_ip6(from_ip, &from);
    out->has_equal_scope = scope_of(from_ip) == out->scope;
    out->has_equal_label = policy_of(from_ip)->label == policy_of(ip)->label;
}

static bool is_better(const struct rank *a, const struct rank *b)
{
    if (a->is_usable != b->is_usable)
        return a->is_usable;
    if (a->has_equal_scope != b->has_equal_scope)
        return a->has_equal_scope;
    if (a->has_equal_label != b->has_equal_label)
        return a->has_equal_label;
    if (a->precedence != b->precedence)
        return a->precedence > b->precedence;
    return a->scope < b->scope;
}

/* From `at` on, the first of that family, or of the other one if there is
 * none; n: there is none at all. */
static size_t find_turn(const struct rank *ranks, size_t n, size_t at,
                        int family)
{
    for (size_t i = at; i < n; i++)
        if (ranks[i].addr.storage.ss_family == family)
            return i;
    return at;
}

static void take_turns(struct rank *ranks, size_t n)
{
    for (size_t at = 1; at < n; at++) {
        int last = ranks[at - 1].addr.storage.ss_family;
        size_t from =
            find_turn(ranks, n, at, last == AF_INET6 ? AF_INET : AF_INET6);
        struct rank next = ranks[from];

        memmove(&ranks[at + 1], &ranks[at], (from - at) * sizeof(next));
        ranks[at] = next;
    }
}

void resolve_sort(struct addr *addrs, size_t n, resolve_source_fn *source)
{
    struct rank ranks[2 * RESOLVE_ADDRS_MAX];
    size_t n_usable = 0;

    assert(n <= COUNT_OF(ranks));
    for (size_t i = 0; i < n; i++) {
        struct rank next;
        size_t at = i;

        rank(&next, &addrs[i], source);
        n_usable += next.is_usable;
        for (; at > 0 && is_better(&next, &ranks[at - 1]); at--)
            ranks[at] = ranks[at - 1];
        ranks[at] = next;
    }
    take_turns(ranks, n_usable);
    for (size_t i = 0; i < n; i++)
        addrs[i] = ranks[i].addr;
}

bool resolve_sort_source(struct addr *out, const struct addr *to)
{
    int fd = socket(to->storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_known;

    if (fd < 0)
        return false;
    is_known = connect(fd, (const struct sockaddr *)(const void *)&to->storage,
                       to->len) == 0 &&
               addr_of_local(out, fd) == ERR_OK;
    close(fd);
    return is_known;
}
