/*
 * resolve_channel.h - c-ares on the loop: its sockets and its one timer.
 *
 * For resolve.c alone.  It asks nothing by itself.
 */
#ifndef UPSTREAM_RESOLVE_CHANNEL_H
#define UPSTREAM_RESOLVE_CHANNEL_H

#include "base/base.h"

struct ares_channeldata;
struct loop;
struct resolve_channel;

/* Arguments and errors as resolver_new. */
MUST_CHECK enum err resolve_channel_new(struct resolve_channel **out,
                                        struct loop *loop, unsigned timeout_ms,
                                        const char *servers);

/* Every question that c-ares still has is answered first, with
 * ARES_EDESTRUCTION. */
void resolve_channel_free(struct resolve_channel *c);

/* For questions; resolve_channel_arm must follow each. */
struct ares_channeldata *resolve_channel_ares(struct resolve_channel *c);

/* Sets the timer to when c-ares wants to be called again. */
void resolve_channel_arm(struct resolve_channel *c);

/* Version of c-ares that is in use, for doab -V. */
const char *resolve_channel_library(void);

#endif /* UPSTREAM_RESOLVE_CHANNEL_H */
