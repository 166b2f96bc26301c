/*
 * metrics.h - counters.  Each worker has its own block, so that counting
 * needs no lock; a reader adds the blocks up.  Increments are relaxed atomic
 * stores of the one writing thread.
 *
 * The list METRICS is the one place where a counter is named.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/base.h"

/*        name                       help */
#define METRICS(X)                                                             \
    X(CONNECTIONS_ACCEPTED, "client connections accepted")                     \
    X(CONNECTIONS_REFUSED, "client connections refused: no fd, memory, limit") \
    X(HTTP_REQUESTS, "HTTP requests read whole")                               \
    X(HTTP_MOVED, "connections moved to the worker of their session")          \
    X(HTTP_ERRORS, "HTTP requests answered 4xx or 5xx")                        \
    X(TLS_FAILED, "TLS handshakes with clients that failed")                   \
    X(BOSH_OPENED, "BOSH sessions opened")                                     \
    X(BOSH_ENDED, "BOSH sessions ended")                                       \
    X(BOSH_REPLAYS, "repeated requests answered from the cache")               \
    X(BOSH_REJECTED, "requests with an unknown sid or a rid out of window")    \
    X(BOSH_BAD_BODIES, "bodies refused: XML, namespace, attributes")           \
    X(TOMBSTONES_EVICTED, "ended BOSH sessions forgotten early: memory")       \
    X(WS_OPENED, "WebSocket connections upgraded")                             \
    X(WS_ENDED, "WebSocket connections ended")                                 \
    X(WS_BAD_FRAMES, "frames that RFC 6455 forbids")                           \
    X(WS_BAD_MESSAGES, "messages that RFC 7395 forbids")                       \
    X(WS_EMPTY_MESSAGES, "empty messages, ignored")                            \
    X(UPSTREAM_CONNECTS, "connections to servers begun")                       \
    X(UPSTREAM_HELD, "connections to servers that waited for their turn")      \
    X(UPSTREAM_FORBIDDEN, "addresses of servers that policy forbids")          \
    X(UPSTREAM_FAILED, "servers that could not be reached or trusted")         \
    X(UPSTREAM_LOST, "streams that the server ended or dropped")               \
    X(DOMAINS_REFUSED, "sessions refused: domain not served")                  \
    X(ORIGINS_REFUSED, "requests refused: origin not allowed")                 \
    X(STANZAS_UP, "elements sent to servers")                                  \
    X(STANZAS_DOWN, "elements sent to clients")                                \
    X(STANZAS_SKIPPED, "elements of servers that were above a limit")          \
    X(LOG_SUPPRESSED, "log lines left out by a rate limit")                    \
    X(LOG_DROPPED, "log lines dropped: their reader takes too few")

enum metric {
#define METRIC_ENUM(name, help) METRIC_##name,
    METRICS(METRIC_ENUM)
#undef METRIC_ENUM
    METRIC_COUNT
};

struct metrics {
    uint64_t value[METRIC_COUNT];
};

/* From now on this thread counts into m (borrowed until replaced; NULL:
 * counts go to a block that nobody reads). */
void metrics_bind(struct metrics *m);

void metrics_add(enum metric which, uint64_t n);

static inline void metrics_count(enum metric which)
{
    metrics_add(which, 1);
}

/* Adds m, which another thread may be writing, to *sum. */
void metrics_read(const struct metrics *m, struct metrics *sum);

const char *metrics_name(enum metric which); /* "bosh_opened" */
const char *metrics_help(enum metric which);

#endif /* BASE_METRICS_H */
