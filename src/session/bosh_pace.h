/*
 * bosh_pace.h - is a client polling too fast?  (XEP-0124 sections 11, 12;
 * conformance B60-B65.)  Pure.
 *
 * A poll is a request that asks for nothing but what is waiting: no payload,
 * no restart, no pause, no terminate (B63, T2).
 */
#ifndef SESSION_BOSH_PACE_H
#define SESSION_BOSH_PACE_H

#include "base/base.h"

/* So many overlapping polls in a row before the session ends.  One alone
 * happens to honest clients: a page that is reloaded polls before the end of
 * its old connection was seen. */
#define BOSH_PACE_STRIKES 3

struct bosh_pace {
    uint64_t last_ms; /* when the last new request came; 0: none yet */
    uint8_t strikes;
    bool last_was_poll;
    bool last_got_nothing; /* the last answer was empty */
};

struct bosh_arrival {
    uint64_t now_ms;
    bool is_poll;
    bool is_polling_session; /* wait or hold is 0 */
    bool may_exceed;         /* pause or terminate: the extra request */
    unsigned unanswered;     /* by clients that are there, this one included */
    unsigned requests;
    unsigned polling_s;
};

/* A new request, not a repeat, has come.  True: too fast, policy-violation.
 * To be asked before older requests are answered because of it. */
bool bosh_pace_is_too_fast(struct bosh_pace *pace,
                           const struct bosh_arrival *arrival);

#endif /* SESSION_BOSH_PACE_H */
