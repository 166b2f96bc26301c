/*
 * rid.h - the request window of one BOSH session (XEP-0124 sections 11 and
 * 14; conformance B01-B15).
 *
 * Pure bookkeeping: no sockets, no XML, no clock, no allocation.  The caller
 * says which request arrived; this module says what must be done with it.
 *
 *      cached       |        open         |     next     |   parked
 *   answered rids   |  processed, waiting |  to process  |   came early
 *                   ^ oldest_open         ^ next
 */
#ifndef SESSION_RID_H
#define SESSION_RID_H

#include "base/base.h"

#define RID_MAX          UINT64_C(9007199254740991) /* 2^53 - 1 */
#define RID_REQUESTS_MAX 16                         /* per session */

/* What the window must know of a request. */
enum rid_kind {
    RID_ORDINARY,
    RID_PAUSE,     /* pause and terminate may be one above the window, */
    RID_TERMINATE, /* the extra request of section 11 (B04, T3) */
};

enum rid_verdict {
    RID_DELIVER, /* the next one in order: process it now */
    RID_PARK,    /* early but inside the window: keep it for later */
    RID_RETAKE,  /* open or parked: this connection replaces the other */
    RID_REPLAY,  /* answered before: send the cached answer again */
    RID_REJECT,  /* outside the window: terminate, item-not-found */
};

struct rid_window {
    uint64_t next;        /* rid to process next */
    uint64_t oldest_open; /* lowest rid not yet answered, <= next */
    uint32_t parked;      /* bit i: rid next + 1 + i is parked */
    uint8_t requests;     /* window size, 1..RID_REQUESTS_MAX */
    uint8_t cached;       /* answers still kept, those below oldest_open */
    uint8_t cache_max;
};

/*
 * Opens a window at the rid of the session creation request, which is the
 * first to be processed.  cache_max: how many answers are kept.
 * ERR_INVALID: first_rid is 0 or above RID_MAX, or requests or cache_max is
 * not in 1..RID_REQUESTS_MAX; *w is then untouched.
 */
MUST_CHECK enum err rid_open(struct rid_window *w, uint64_t first_rid,
                             unsigned requests, unsigned cache_max);

/* Classifies a request; records it when it must be parked. */
enum rid_verdict rid_admit(struct rid_window *w, uint64_t rid,
                           enum rid_kind kind);

/* Request `next` was processed.  True: the one after it is parked, and is
 * to be processed now; it is parked no longer. */
bool rid_delivered(struct rid_window *w);

/* The parked request was answered with a recoverable error and forgotten
 * (B06): its repeat is new. */
void rid_unpark(struct rid_window *w, uint64_t rid);

/* Gives up waiting for what is missing before `rid`, which is parked and
 * becomes `next` (a terminate whose predecessors never came; B72, T10).
 * Parked requests in between are forgotten. */
void rid_jump(struct rid_window *w, uint64_t rid);

/* Request `oldest_open` was answered and its answer cached.  Returns how many
 * of the oldest cached answers must be dropped (0 or 1). */
unsigned rid_answered(struct rid_window *w);

static inline bool rid_is_open(const struct rid_window *w, uint64_t rid)
{
    return rid >= w->oldest_open && rid < w->next;
}

/* Highest rid received with no gap below it: `ack` (C01). */
static inline uint64_t rid_acknowledged(const struct rid_window *w)
{
    return w->next - 1;
}

#endif /* SESSION_RID_H */
