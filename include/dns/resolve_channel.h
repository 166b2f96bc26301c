/*
 * resolve_channel.h - one question to the DNS, by c-ares on the loop.
 *
 * For resolve_lookup.c.  Each question has a c-ares channel of its own: with
 * that its own socket, and so a random source port (conformance K13), and
 * nothing that goes wrong with it, such as a TCP connection that is reset,
 * touches another one.  c-ares brings random ids, retries, EDNS and TCP after
 * truncation.
 */
#ifndef DNS_RESOLVE_CHANNEL_H
#define DNS_RESOLVE_CHANNEL_H

#include "base/base.h"

struct answer;
struct loop;
struct resolve_channel;
struct resolve_hosts;

enum channel_end {
    CHANNEL_REPLY,     /* there are bytes: records, or that there is none */
    CHANNEL_NONE,      /* no such name can exist */
    CHANNEL_TIMEOUT,   /* no server answered */
    CHANNEL_FAILED,    /* refused, SERVFAIL, malformed, unreachable */
    CHANNEL_NO_MEMORY, /* here, whatever the servers say */
};

struct channel_params {
    struct loop *loop;   /* borrowed: outlives the channel */
    const char *servers; /* as resolver_params; used until return */
    unsigned timeout_ms;
    const char *name; /* used until return; no dot at its end */
    int type;
    /* Called once, from the loop and not from inside c-ares, where nothing
     * may be asked or cancelled (CVE-2026-33630).  It may free the channel.
     * reply: for CHANNEL_REPLY, borrowed until then. */
    void (*ended)(void *owner, enum channel_end end, struct slice reply);
    void *owner;
};

/* ERR_NOMEM, ERR_SYSTEM, ERR_INVALID (servers). */
MUST_CHECK enum err resolve_channel_ask(struct resolve_channel **out,
                                        const struct channel_params *params);
/* At any time but from inside c-ares; nothing is called after it. */
void resolve_channel_free(struct resolve_channel *c);

/*
 * The hosts file.  Also finds out whether `servers` is a list of addresses.
 * ERR_NOMEM, ERR_SYSTEM, ERR_INVALID (servers).
 */
MUST_CHECK enum err resolve_hosts_new(struct resolve_hosts **out,
                                      const char *servers);
void resolve_hosts_free(struct resolve_hosts *h);
/* What it says about a name: owned by the caller; NULL: nothing, the DNS
 * must be asked.  A name that has an address of the other family alone has
 * none (RESOLVE_NONE). */
struct answer *resolve_hosts_find(struct resolve_hosts *h, const char *name,
                                  int type);

/* Version of c-ares that is in use, for doab -V. */
const char *resolve_channel_library(void);

#endif /* DNS_RESOLVE_CHANNEL_H */
