/*
 * trim.h - memory goes back to the system when many have gone who had some.
 *
 * The allocator keeps what is freed for those who come next, also after a
 * crowd has left that does not come again.  Embedded; of one loop.
 */
#ifndef BASE_TRIM_H
#define BASE_TRIM_H

#include "base/loop.h"

/* Fewer who leave are not worth the walk over all free memory, which takes
 * milliseconds and keeps other threads from allocating. */
#define TRIM_LEAVERS_MIN 256
#define TRIM_DELAY_MS    1000

struct trim {
    struct timer timer;
    size_t count; /* how many there are */
    size_t peak;  /* the most since memory was last given back */
};

void trim_init(struct trim *t, struct loop *loop);
void trim_stop(struct trim *t);

/* There are so many now.  When half of the most have gone, and
 * TRIM_LEAVERS_MIN at least, free memory is given back a moment later. */
void trim_note(struct trim *t, size_t count);

#endif /* BASE_TRIM_H */
