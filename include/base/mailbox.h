/*
 * mailbox.h - calls that other threads leave for the one that owns the box.
 *
 * Posting is one compare-and-swap and never waits: there is no lock.  The
 * calls are made in the order in which they were posted, each exactly once.
 * How many wait is not bounded here, but by what they carry.
 */
#ifndef BASE_MAILBOX_H
#define BASE_MAILBOX_H

#include "base/base.h"

#include <stdatomic.h>

struct letter;

struct mailbox {
    _Atomic(struct letter *) newest; /* owned, as are those before it */
};

void mailbox_init(struct mailbox *m);

/* From any thread: fn(arg) is called by a later mailbox_read.  The reader has
 * to be woken besides.  ERR_NOMEM. */
MUST_CHECK enum err mailbox_post(struct mailbox *m, void (*fn)(void *arg),
                                 void *arg);

/* By the owner: makes the calls that were posted before.  What they post
 * themselves has its turn at the next mailbox_read. */
void mailbox_read(struct mailbox *m);

#endif /* BASE_MAILBOX_H */
