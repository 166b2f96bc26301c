/*
 * stream_scratch.h - what a stream needs while one element of it is being
 * read: a copier and a buffer.
 *
 * Elements come in pieces, and several streams of a worker may be in the
 * middle of one, so the worker's own copier does not do.  Idle streams hold
 * nothing; the few spare ones are the thread's and go with its last stream.
 */
#ifndef XMPP_STREAM_SCRATCH_H
#define XMPP_STREAM_SCRATCH_H

#include "base/base.h"
#include "base/buf.h"

struct element_copier;

struct stream_scratch {
    struct stream_scratch *next;
    struct element_copier *copier; /* owned */
    struct buf bytes;
};

/* A stream of this thread begins and ends. */
void stream_scratch_join(void);
void stream_scratch_leave(void);

/* NULL: out of memory.  bytes is empty and takes at most max_bytes. */
struct stream_scratch *stream_scratch_take(size_t max_bytes);
void stream_scratch_give(struct stream_scratch *w); /* NULL is fine */

#endif /* XMPP_STREAM_SCRATCH_H */
