/*
 * http_authority.h - host and port of a URI (RFC 3986 section 3.2).
 */
#ifndef FRONT_HTTP_AUTHORITY_H
#define FRONT_HTTP_AUTHORITY_H

#include "base/base.h"

/* host[:port] with a host: a registered name, an IPv4 address or an IPv6
 * address in brackets; no user, no space, no second host (RFC 9110 4.2). */
bool http_authority_is_valid(struct slice authority);

#endif /* FRONT_HTTP_AUTHORITY_H */
