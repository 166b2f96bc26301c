/*
 * proxy_protocol.h - the PROXY protocol, versions 1 and 2: what a proxy says
 * about a connection before its first byte.
 *
 * Pure: bytes in, addresses out, and the reverse.  The specification is
 * haproxy's proxy-protocol.txt (2.1: version 1, a line; 2.2: version 2,
 * binary).  The reader is for listeners whose peer is trusted to say it, the
 * writers for servers that are configured to be told (conformance K54).
 * Whom to believe is for the caller to know.
 */
#ifndef NET_PROXY_PROTOCOL_H
#define NET_PROXY_PROTOCOL_H

#include "base/base.h"
#include "net/addr.h"

/* The longest line of version 1, with CR LF (2.1). */
#define PROXY_V1_MAX_BYTES 107
/* The longest header of version 2 that is read, with its extensions: there
 * is room for what TLS ones carry.  A reader's buffer must hold it. */
#define PROXY_V2_MAX_BYTES 4096
/* The longest header that is written: that of version 1. */
#define PROXY_WRITE_BYTES PROXY_V1_MAX_BYTES

enum proxy_version {
    PROXY_NONE,
    PROXY_V1,
    PROXY_V2,
};

enum proxy_verdict {
    PROXY_OK,      /* a header; the connection's own bytes follow it */
    PROXY_MORE,    /* a header so far: ask again with more bytes */
    PROXY_INVALID, /* there is none, or a malformed one: drop the connection */
};

/* What the proxy says of the client's own leg (2.2.6, PP2_TYPE_SSL). */
enum proxy_tls {
    PROXY_TLS_UNSAID,
    PROXY_TLS_NONE,
    PROXY_TLS_USED,
};

struct proxy_info {
    /* The proxy speaks for itself or says nothing of use (LOCAL, UNSPEC,
     * UNKNOWN): the connection's own addresses hold, and source and target
     * are of length 0. */
    bool is_local;
    /* AF_INET or AF_INET6 with port, or AF_UNIX.  A path that is abstract,
     * empty or not printable is left out. */
    struct addr source;
    struct addr target;
    enum proxy_tls tls;
};

/* at: all that came so far.  *out and *used, the bytes of the header, are
 * written with PROXY_OK only.  MORE is never answered to PROXY_V2_MAX_BYTES
 * or more. */
enum proxy_verdict proxy_read(const char *at, size_t len,
                              struct proxy_info *out, size_t *used);

/*
 * Write the header for a connection from source to target to `out`, which
 * has room for PROXY_WRITE_BYTES, and return its length.  When one is IPv4
 * and the other IPv6, the former is written as mapped.  A source that is
 * NULL or no IP address gives UNKNOWN (version 1) and LOCAL (version 2): the
 * server sees then that we connect.
 */
size_t proxy_write_v1(char *out, const struct addr *source,
                      const struct addr *target);
size_t proxy_write_v2(char *out, const struct addr *source,
                      const struct addr *target);

#endif /* NET_PROXY_PROTOCOL_H */
