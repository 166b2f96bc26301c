/*
 * resolve_queue.h - how many questions may be with the DNS at a time, who is
 * next when there are more, and how many may wait.
 *
 * Pure bookkeeping.  Questions are of three kinds (enum gate_kind).  Each kind
 * has an eighth of all places for itself; names of the configuration, which
 * clients cannot multiply, may have all others, too.
 *
 * Within its kind a client has a sixteenth of all places at most (half of them
 * for names of the configuration), and a zone, here the last two labels of a
 * name, an eighth: so one client's names that nobody answers for hold up that
 * client, and a zone that never answers holds up that zone, of which one client
 * has half.  The queue is shared out in the same way.  Those who wait take
 * turns: kinds, then the clients of a kind, then the zones of a client.
 *
 * A client is what addr_client_key says.
 */
#ifndef DNS_RESOLVE_QUEUE_H
#define DNS_RESOLVE_QUEUE_H

#include "base/base.h"
#include "base/list.h"

struct addr;
struct gate;
struct gate_client;
struct gate_line;
struct gate_zone;

#define GATE_WAITING_FACTOR 8 /* the queue has so many times running_max */

enum gate_kind {
    GATE_CONFIGURED, /* names that the configuration leads to */
    GATE_KNOWN,      /* other names, for a client whose address is known */
    GATE_UNKNOWN,    /* other names, for all other clients together */
    GATE_KINDS,
};

/* For whom a question is asked. */
struct gate_asker {
    const struct addr *client; /* NULL or of length 0 when not known */
    bool is_configured;
};

/* One question.  Embedded; zeroed when idle. */
struct gate_entry {
    struct list_node node;      /* in its line, while it waits */
    struct gate_client *client; /* NULL while idle */
    struct gate_zone *zone;
    struct gate_line *line; /* NULL unless it waits */
    bool is_running;
};

/* running_max: at least 8.  ERR_NOMEM. */
MUST_CHECK enum err gate_new(struct gate **out, unsigned running_max);
/* All entries have left.  NULL is fine. */
void gate_free(struct gate *g);

/* Asks for a place: entry->is_running says whether it has one at once or
 * waits.  ERR_LIMIT: too many wait in all, for this client or for this zone;
 * ERR_NOMEM. */
MUST_CHECK enum err gate_enter(struct gate *g, struct gate_entry *entry,
                               const char *name,
                               const struct gate_asker *asker);

/* Somebody else asks what `entry` asks.  One that waits counts for the new
 * asker from now on if it gets on sooner so: nobody can keep a name from
 * others by having it wait behind a flood.  True: it has a place now. */
bool gate_join(struct gate *g, struct gate_entry *entry,
               const struct gate_asker *asker);

/* Out of its place or of the queue.  Idle: no-op. */
void gate_leave(struct gate *g, struct gate_entry *entry);

/* Gives a place to one that waits, or NULL: there is none, or no place. */
struct gate_entry *gate_next(struct gate *g);

unsigned gate_running(const struct gate *g);
unsigned gate_waiting(const struct gate *g);

#endif /* DNS_RESOLVE_QUEUE_H */
