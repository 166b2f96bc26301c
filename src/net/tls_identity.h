/*
 * tls_identity.h - does a certificate's name stand for an XMPP domain?
 *
 * Pure: the names were taken out of the certificate by tls.c, which has
 * checked its chain (RFC 9525, section 6; RFC 6120, section 13.7.1.2;
 * conformance K32-K39).
 */
#ifndef NET_TLS_IDENTITY_H
#define NET_TLS_IDENTITY_H

#include "base/base.h"
#include "net/tls.h"
#include "net/tls_client.h"

enum tls_name_kind {
    TLS_NAME_DNS,  /* dNSName */
    TLS_NAME_SRV,  /* otherName 1.3.6.1.5.5.7.8.7, an IA5String (RFC 4985) */
    TLS_NAME_XMPP, /* otherName 1.3.6.1.5.5.7.8.5, a UTF8String */
    TLS_NAME_IP,   /* iPAddress: 4 or 16 bytes */
};

struct tls_name {
    enum tls_name_kind kind;
    struct slice value; /* as it stands in the certificate, any bytes */
};

/*
 * True when the name is one of domain's: the DNS-ID (a wildcard only as the
 * whole left-most label, for exactly one label, with two more behind it),
 * the SRV-ID _xmpp-client, or the bare domain as XmppAddr; for an IP literal
 * the address only.  domain is a name in A-labels or an IP literal, without
 * a dot at either end; anything else matches nothing.  is_same, which may be
 * NULL, decides on an XmppAddr that is not simply the domain: U-labels stand
 * there as they are written (RFC 6120, section 13.7.1.4).
 */
bool tls_identity_matches(const char *domain, const struct tls_name *name,
                          tls_same_domain_fn *is_same);

#endif /* NET_TLS_IDENTITY_H */
