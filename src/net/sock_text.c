/* What there is to say of a sock: its peer, its TLS, its last error. */
#include "sock_int.h"

#include "base/log.h"
#include "net/sock_text.h"
#include "net/tls_client.h"

#include <stdio.h>

struct addr sock_peer(const struct sock *s)
{
    return addr_unpack(&s->peer);
}

struct addr_text sock_peer_text(const struct sock *s)
{
    struct addr peer = sock_peer(s);

    return addr_format(&peer);
}

struct addr_text sock_peer_host(const struct sock *s)
{
    struct addr peer = sock_peer(s);

    return addr_format_host(&peer);
}

bool sock_is_tls(const struct sock *s)
{
    return s->tls != NULL;
}

bool sock_is_truncated(const struct sock *s)
{
    return s->tls != NULL && tls_truncated(s->tls);
}

const char *sock_error_text(const struct sock *s)
{
    if (s->error == 0 && s->tls != NULL && tls_error_text(s->tls)[0] != '\0')
        return tls_error_text(s->tls);
    if (s->state == STATE_LOST && s->why == SOCK_NOMEM)
        return "out of memory";
    return s->error == 0 ? "none" : strerror(s->error);
}

const char *sock_tls_text(const struct sock *s, char *out, size_t cap)
{
    if (s->tls != NULL)
        return tls_describe(s->tls, out, cap);
    snprintf(out, cap, "none");
    return out;
}

const char *sock_trust_text(const struct sock *s, char *out, size_t cap)
{
    char trust[160];

    snprintf(out, cap, "resumed=no trust=none");
    if (s->tls != NULL)
        snprintf(
            out, cap, "resumed=%s trust=%s",
            tls_is_resumed(s->tls) ? "yes" : "no",
            log_quote(slice_of(tls_trust(s->tls, trust, sizeof(trust)))).text);
    return out;
}
