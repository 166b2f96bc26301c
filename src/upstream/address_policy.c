#include "upstream/address_policy.h"

static bool has_port(const struct address_policy *r, uint16_t port)
{
    /* RFC 6120, XEP-0368, and 443 for networks that let nothing else out. */
    static const uint16_t usual[] = {5222, 5223, 443};
    const uint16_t *ports = usual;
    size_t n = COUNT_OF(usual);

    if (r != NULL && r->n_ports > 0) {
        ports = r->ports;
        n = r->n_ports;
    }
    for (size_t i = 0; i < n; i++)
        if (ports[i] == port)
            return true;
    return false;
}

static bool is_same_ip(const struct addr *a, const struct addr *b)
{
    unsigned char x[16];
    unsigned char y[16];
    size_t len = addr_ip(a, x);

    return len > 0 && len == addr_ip(b, y) && memcmp(x, y, len) == 0;
}

/* A client that made us its own client would go round in circles, and would
 * come from a trusted address. */
static bool is_ours(const struct address_policy *r, const struct addr *to)
{
    for (size_t i = 0; i < r->n_listeners; i++) {
        const struct addr *own = &r->listeners[i];

        if (addr_port(own) != addr_port(to))
            continue;
        if (is_same_ip(own, to) || (addr_is_any(own) && addr_is_local(to)))
            return true;
    }
    return false;
}

static const char *refusal(const struct address_policy *r,
                           const struct addr *to,
                           enum address_policy_trust trust)
{
    if (r != NULL && addr_net_list_has(r->forbidden, r->n_forbidden, to))
        return "a forbidden network";
    if (r != NULL && is_ours(r, to))
        return "our own listener";
    if (addr_is_public(to))
        return NULL;
    if (trust == ADDRESS_POLICY_PRIVATE && addr_is_private(to))
        return NULL;
    return addr_is_private(to) ? "a private address" : "no public address";
}

const char *address_policy_refusal(const struct address_policy *r,
                                   const struct addr *to,
                                   enum address_policy_trust trust)
{
    struct addr inner;
    const char *why;

    if (trust == ADDRESS_POLICY_ROUTE)
        return NULL;
    if (!has_port(r, addr_port(to)))
        return "the port";
    why = refusal(r, to, trust);
    if (why == NULL && addr_embedded_ip4(to, &inner))
        why = refusal(r, &inner, trust);
    return why;
}
