/*
 * sock_text.h - what there is to know of a socket, for the log, for policies
 * and for those who are told of its end.
 */
#ifndef NET_SOCK_TEXT_H
#define NET_SOCK_TEXT_H

#include "base/base.h"
#include "net/addr.h"

struct sock;

/* The other end's address; of a unix socket only that it is one. */
struct addr sock_peer(const struct sock *s);
struct addr_text sock_peer_text(const struct sock *s); /* with the port */
struct addr_text sock_peer_host(const struct sock *s); /* without */
bool sock_is_tls(const struct sock *s);
/* `eof` came without the end of TLS: what was received may not be all. */
bool sock_is_truncated(const struct sock *s);

/* One line on the last error ("connection refused", a TLS reason). */
const char *sock_error_text(const struct sock *s);
/* "TLSv1.3 …" or "none". */
const char *sock_tls_text(const struct sock *s, char *out, size_t cap);
/* How far the server is trusted, and whether the session is a resumed one:
 * "resumed=no trust=verified". */
const char *sock_trust_text(const struct sock *s, char *out, size_t cap);

#endif /* NET_SOCK_TEXT_H */
