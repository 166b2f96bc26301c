/*
 * tls_client.h - TLS towards a server: whom it must be, and how far it is
 * trusted.
 */
#ifndef NET_TLS_CLIENT_H
#define NET_TLS_CLIENT_H

#include "base/base.h"
#include "net/tls.h"

/* True when text, a domain as a certificate has it, U-labels or any case
 * included, is the domain (A-labels). */
typedef bool tls_same_domain_fn(const char *domain, struct slice text);

/* The server that is meant.  The strings are copied. */
struct tls_peer {
    const char *domain;          /* A-labels, no dot at the end: SNI, and the
                                    reference identity */
    const char *target;          /* its address: a session is resumed only where
                                    it was made */
    tls_same_domain_fn *is_same; /* NULL: only ASCII names are compared */
    bool is_verified;            /* false: encrypted only, by configuration;
                                    pins are checked all the same */
    bool is_direct;              /* ALPN xmpp-client is offered (XEP-0368) */
};

/*
 * The certificate must name the domain as DNS-ID, SRV-ID _xmpp-client or
 * XmppAddr, by the rules of RFC 9525 without CN and without partial wildcards
 * (conformance K31-K39), and have one of the policy's pinned keys if there
 * are any.  ERR_NOMEM.
 */
MUST_CHECK enum err tls_connect_new(struct tls **out, struct tls_ctx *ctx,
                                    int fd, const struct tls_peer *peer);

/* The connection goes to another thread: it saves no sessions any more. */
void tls_leave_cache(struct tls *t);

/* After the handshake with a server: was it a short one, and whom is it with?
 * "verified", "verified, pinned", "pinned" or "unverified: why". */
bool tls_is_resumed(const struct tls *t);
const char *tls_trust(const struct tls *t, char *out, size_t cap);

#endif /* NET_TLS_CLIENT_H */
