/*
 * upstream_race.h - connections to the addresses of a server, one started a
 * moment after the other, until the first is up (RFC 8305; conformance K11,
 * K12): the part of an upstream that connects.
 *
 *   a1 ──────────────x          a1 fails or is silent: a2 does not wait for
 *      delay  a2 ────────▶ won  it.  When a2 wins, a1 and a3 are cancelled;
 *             delay  a3 ──x     should a2 turn out bad, they are tried anew.
 *
 * Only addresses of one target race with each other.  The next target has its
 * turn when all of them have failed or the time of the target is up.  This is
 * the only file from which a connection to a server is opened.
 */
#ifndef UPSTREAM_UPSTREAM_RACE_H
#define UPSTREAM_UPSTREAM_RACE_H

#include "base/base.h"
#include "upstream/upstream.h"

struct race;
struct search;
struct sock;

struct race_ops {
    /* The first connection is up.  The sock is the owner's now, who calls
     * sock_set_owner at once; nothing runs until race_go_on. */
    void (*won)(void *owner, struct sock *sock, enum upstream_mode mode);
    /* Every address of every target has failed. */
    void (*lost)(void *owner);
    /* The winner had its time and another target is left: the owner gives it
     * up (race_go_on) unless it is content. */
    void (*late)(void *owner);
};

/* Begins.  domain: A-labels, borrowed while the race lives.  ops is static;
 * none of it is called from inside a function of this file. */
MUST_CHECK enum err race_new(struct race **out,
                             const struct upstream_params *params,
                             const char *domain, const struct race_ops *ops,
                             void *owner);
/* Cancels what runs; a winner's sock is its owner's.  NULL is fine. */
void race_free(struct race *r);

/* On to the next address or target.  False: none is left, and `lost` is not
 * called. */
bool race_go_on(struct race *r);

/* As search_redirect: race_go_on then goes there. */
bool race_redirect(struct race *r, struct slice host);

/* Cancels what runs and forgets the rest: race_go_on answers false. */
void race_stop(struct race *r);

/* Notes what has taken so long: the connect_limit, a server or the DNS. */
void race_note_late(struct race *r, const char *cause);

/* On whose behalf; of length 0 when that is not known. */
const struct addr *race_client(const struct race *r);

struct search *race_search(struct race *r);

#endif /* UPSTREAM_UPSTREAM_RACE_H */
