/*
 * resolve_gate.h - how many questions may be with the DNS at a time, and who
 * is next when there are more.
 *
 * Pure bookkeeping.  A zone, here the last two labels of a name, has an
 * eighth of all places at most, and an eighth of the queue: whoever runs a
 * zone that never answers holds up that zone.  (Under a suffix such as co.uk
 * strangers share such an eighth; it costs them a wait.)  Zones that wait
 * take turns.
 */
#ifndef UPSTREAM_RESOLVE_GATE_H
#define UPSTREAM_RESOLVE_GATE_H

#include "base/base.h"

struct gate;
struct gate_zone;

#define GATE_WAITING_FACTOR 8 /* the queue has so many times running_max */

/* One question.  Embedded; zeroed when idle. */
struct gate_entry {
    struct gate_entry *next;
    struct gate_entry **self; /* the pointer that points here */
    struct gate_zone *zone;   /* NULL while idle */
    bool is_running;
};

/* running_max: at least 1.  ERR_NOMEM. */
MUST_CHECK enum err gate_new(struct gate **out, unsigned running_max);
/* All entries have left. */
void gate_free(struct gate *g);

/* Asks for a place: entry->is_running says whether it has one at once or
 * waits.  ERR_LIMIT: the queue is full; ERR_NOMEM. */
MUST_CHECK enum err gate_enter(struct gate *g, struct gate_entry *entry,
                               const char *name);

/* Out of its place or of the queue.  Idle: no-op. */
void gate_leave(struct gate *g, struct gate_entry *entry);

/* Gives a place to one that waits, or NULL: there is none, or no place. */
struct gate_entry *gate_next(struct gate *g);

unsigned gate_running(const struct gate *g);
unsigned gate_waiting(const struct gate *g);

#endif /* UPSTREAM_RESOLVE_GATE_H */
