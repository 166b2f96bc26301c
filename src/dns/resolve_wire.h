/*
 * resolve_wire.h - a reply of the DNS as bytes (RFC 1035 section 4), read.
 *
 * Pure.  It reads what one question needs: the records of the type that was
 * asked for, at the end of the chain of CNAMEs that the reply contains, how
 * long they hold, or how long their absence holds (RFC 2308).
 */
#ifndef DNS_RESOLVE_WIRE_H
#define DNS_RESOLVE_WIRE_H

#include "base/base.h"

/* Records that are kept of one reply (conformance K10). */
#define RESOLVE_RECORDS_MAX 64

/* CNAMEs that are followed, all replies to one question together. */
#define RESOLVE_ALIASES_MAX 8

#define RESOLVE_NAME_CAP 256 /* 253 characters, a NUL, and room */

struct wire_record {
    uint16_t priority; /* these three: SRV */
    uint16_t weight;
    uint16_t port;
    unsigned char ip[16];        /* A: the first four */
    char host[RESOLVE_NAME_CAP]; /* SRV: lower case; "" is the root */
};

struct wire_reply {
    bool is_missing; /* NXDOMAIN, for the last name of the chain */
    size_t n;        /* records kept */
    struct wire_record records[RESOLVE_RECORDS_MAX];
    uint32_t ttl_s; /* the least on the way, CNAMEs included */
    /* With n == 0: */
    bool has_soa;                 /* then ttl_s is that of the absence */
    unsigned n_aliases;           /* CNAMEs that were followed */
    char alias[RESOLVE_NAME_CAP]; /* the last name; "" without a CNAME */
};

/*
 * Reads the reply to the question (name, type) of class IN; type is A, AAAA
 * or SRV, name without a dot at its end, in any case.  ERR_INVALID: malformed,
 * the answer to something else, a refusal, a referral, a loop of CNAMEs or
 * more than RESOLVE_ALIASES_MAX of them; *out is then of no use.
 */
MUST_CHECK enum err resolve_wire_read(struct wire_reply *out,
                                      struct slice bytes, const char *name,
                                      int type);

/* True for what a server can be called: letters, digits, '-', '_', labels of
 * 1 to 63, at most 253 in all; lower case. */
bool resolve_wire_is_host(const char *name);

#endif /* DNS_RESOLVE_WIRE_H */
