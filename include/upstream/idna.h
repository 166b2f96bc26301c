/*
 * idna.h - domain names as users write them and as DNS wants them.
 */
#ifndef UPSTREAM_IDNA_H
#define UPSTREAM_IDNA_H

#include "base/base.h"

#define DOMAIN_MAX_BYTES 1023
#define DOMAIN_CAP       (DOMAIN_MAX_BYTES + 1)

/* A domain in both forms, normalised once: policy, stream headers and
 * configuration compare `unicode`; DNS, SNI and certificates use `ascii`
 * (conformance A06). */
struct domain_name {
    char unicode[DOMAIN_CAP]; /* U-labels, lower case, no trailing dot */
    char ascii[256];          /* A-labels */
    bool is_ip_literal;
};

/*
 * An address has one form only, that of RFC 5952.  Brackets around an IPv6
 * address may be missing, as in a host and a port that were split; inside
 * them, as in a JID, an address that stands for an IPv4 one is malformed.
 * ERR_INVALID: empty, too long, a leading dot, an empty label, characters
 * that no domain has ('@', '/', white space, controls), or IDNA forbids it.
 */
MUST_CHECK enum err domain_normalise(struct domain_name *out,
                                     struct slice text);

/* True when text, in any form that a user may write, is the domain whose
 * A-labels are `ascii`.  For names in certificates (tls_same_domain_fn). */
bool domain_is_same(const char *ascii, struct slice text);

/* Version of libidn2 that is in use, for doab -V. */
const char *idna_library(void);

#endif /* UPSTREAM_IDNA_H */
