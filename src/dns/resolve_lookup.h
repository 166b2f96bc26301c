/*
 * resolve_lookup.h - what the DNS says about a name and a type: from the
 * cache, or asked once however many want to know.
 *
 * For resolve.c.  One a worker.  Below it lie resolve_cache.h (what is known),
 * resolve_queue.h (how many may be asked at a time) and resolve_channel.h (one
 * question on its way); it follows CNAMEs that a reply leaves open (K10) and
 * lets stale records answer when nobody else does (RFC 8767).
 */
#ifndef DNS_RESOLVE_LOOKUP_H
#define DNS_RESOLVE_LOOKUP_H

#include "base/base.h"
#include "dns/resolve.h"
#include "resolve_queue.h"

struct answer;
struct lookup;
struct lookups;

/* Stale records are used when the DNS has been silent for so long (RFC 8767
 * section 5), or for half of the timeout if that is less. */
#define RESOLVE_STALE_AFTER_MS 1800

/* Somebody who waits.  Embedded; zeroed when idle. */
struct lookup_wait {
    struct lookup_wait *next;
    struct lookup_wait **self; /* the pointer that points here; NULL: idle */
    struct lookup *lookup;     /* back pointer; NULL when it is over */
    void (*done)(void *owner, const struct answer *answer);
    void *owner;
};

struct lookup_question {
    const char *name; /* borrowed: copied; lower case, no dot at its end */
    int type;         /* A, AAAA or SRV */
    struct gate_asker asker;
    void (*done)(void *owner, const struct answer *answer);
    void *owner;
};

/* As resolver_new. */
MUST_CHECK enum err lookups_new(struct lookups **out, struct loop *loop,
                                const struct resolver_params *params);
/* Those who wait are forgotten. */
void lookups_free(struct lookups *l);

/*
 * The answer when it is known, borrowed until the next call; it is a failure
 * too when too many questions wait already, in all or for this client.  NULL:
 * done(owner, answer) comes from the loop, with an answer borrowed until it
 * returns, and may ask and cancel.  What is asked already counts for the client
 * who asked first (gate_join).
 */
const struct answer *lookups_ask(struct lookups *l, struct lookup_wait *wait,
                                 const struct lookup_question *question);

/* No call after this.  The question goes on, for the cache, unless it still
 * waits for its turn and nobody else wants to know.  Idle: no-op. */
void lookups_cancel(struct lookup_wait *wait);

/* For tests. */
unsigned lookups_running(const struct lookups *l);
unsigned lookups_waiting(const struct lookups *l);

#endif /* DNS_RESOLVE_LOOKUP_H */
