/*
 * upstream_search.h - which addresses of a domain's servers to try, in which
 * order, and what became of each: the part of an upstream that is forgotten
 * once a server was found to be good.
 *
 * It asks DNS and connects to nothing.  For upstream_race.c, which does, and
 * upstream.c.
 */
#ifndef UPSTREAM_UPSTREAM_SEARCH_H
#define UPSTREAM_UPSTREAM_SEARCH_H

#include "base/base.h"
#include "upstream/address_policy.h"
#include "upstream/upstream.h"

struct addr;
struct search;
struct sock;

enum search_step {
    SEARCH_ADDR, /* here is an address of the current target */
    SEARCH_WAIT, /* DNS is asked: `found` will be called, then ask again */
    SEARCH_DRY,  /* the target has no other: search_next_target */
};

/* params as for upstream_open; domain (A-labels) and params->client are
 * borrowed while the search lives.  found is never called from inside a
 * function of this file. */
MUST_CHECK enum err search_new(struct search **out,
                               const struct upstream_params *params,
                               const char *domain, void (*found)(void *owner),
                               void *owner);
void search_free(struct search *s); /* `found` is not called any more */

/* The next step within the current target, or towards the first.  With
 * SEARCH_ADDR *to is lent until the next call, and *mode says how that server
 * is spoken to.  IPv6 and IPv4 take turns; `found` is called as well when
 * one of them comes later than the other. */
enum search_step search_next(struct search *s, const struct addr **to,
                             enum upstream_mode *mode);

/* Begins anew with the host of a <see-other-host/>, see upstream_redirect.
 * False, and noted: it is none, or it was the fourth.  ERR_NOMEM counts as
 * that. */
bool search_redirect(struct search *s, struct slice host);

/* Who named the targets that are tried now. */
enum address_policy_trust search_trust(const struct search *s);

/* This address was not tried after all: another won the race. */
void search_put_back(struct search *s, const struct addr *a);

/* Goes on to the next target: then search_next.  What DNS still says of the
 * current one is not waited for.  False: there is none. */
bool search_next_target(struct search *s);
bool search_has_more_targets(const struct search *s);

/* For the history (history.h): the current target has failed, which
 * search_next_target says by itself; or it is the server. */
void search_blame_target(struct search *s);
void search_praise_target(struct search *s);

/* Asks nothing more: there is neither an address nor a target from now on. */
void search_stop(struct search *s);

/* One line: this is the server, and so it is spoken to. */
void search_log_server(const struct search *s, const struct sock *sock);

const struct domain_rule *search_rule(const struct search *s);

/* What became of an attempt on `what`: a debug line now, and the last word
 * if nothing better follows.  Both strings are copied. */
void search_note(struct search *s, enum upstream_end why, const char *what,
                 const char *cause);
const char *search_cause(const struct search *s); /* "" when none is known */
enum upstream_end search_why(const struct search *s);

/* A turn to connect did not come, and the server is one that the configuration
 * leads to: no server is known to be bad, and the client may hear so.  Of the
 * names of strangers it would tell where others connect to (L51). */
bool search_is_busy(const struct search *s);

/* One warning that the domain cannot be reached, with the last cause; rate
 * limited. */
void search_log_failure(const struct search *s, uint64_t now_ms);

#endif /* UPSTREAM_UPSTREAM_SEARCH_H */
