#include "base/wheel.h"

/*
 * A node waits on the level whose slots are as coarse as its distance: level
 * 0 has slots of 1 ms, level 1 of 64 ms, and so on.  When time enters a slot
 * of a coarse level, its nodes are placed anew, closer by; only level 0 hands
 * nodes out.  The slot of a coarse level that time is in holds nodes of the
 * next round, since those of this round left it when it was entered.
 */
#define SLOT_BITS 6
#define SLOT_MASK (WHEEL_SLOTS - 1)
#define SPAN_MS   (UINT64_C(1) << (SLOT_BITS * WHEEL_LEVELS))

static unsigned slot_at(unsigned level, uint64_t time_ms)
{
    return (unsigned)(time_ms >> (SLOT_BITS * level)) & SLOT_MASK;
}

void wheel_init(struct wheel *w, uint64_t now_ms)
{
    size_t i;

    memset(w, 0, sizeof(*w));
    w->now_ms = now_ms;
    for (i = 0; i < COUNT_OF(w->slots); i++)
        w->slots[i].next = w->slots[i].prev = &w->slots[i];
}

/* due_ms is not before w->now_ms. */
static void wheel_place(struct wheel *w, struct wheel_node *node)
{
    uint64_t distance = node->due_ms - w->now_ms;
    uint64_t due_ms = node->due_ms;
    struct wheel_node *head;
    unsigned level;
    unsigned slot;

    /* Beyond the last slot when the caller's clock is far ahead of the
     * wheel's: as far as it goes now, and further from there. */
    if (distance >= SPAN_MS) {
        distance = SPAN_MS - 1;
        due_ms = w->now_ms + distance;
    }
    level = distance == 0
                ? 0
                : (unsigned)(63 - __builtin_clzll(distance)) / SLOT_BITS;
    slot = slot_at(level, due_ms);

    head = &w->slots[level * WHEEL_SLOTS + slot];
    node->slot = (uint16_t)(level * WHEEL_SLOTS + slot);
    node->next = head;
    node->prev = head->prev;
    head->prev->next = node;
    head->prev = node;
    w->used[level] |= UINT64_C(1) << slot;
}

static void unlink_node(struct wheel *w, struct wheel_node *node)
{
    if (node->next == node->prev)
        w->used[node->slot / WHEEL_SLOTS] &=
            ~(UINT64_C(1) << (node->slot & SLOT_MASK));
    node->next->prev = node->prev;
    node->prev->next = node->next;
    node->next = node->prev = NULL;
}

void wheel_add(struct wheel *w, struct wheel_node *node, uint64_t now_ms,
               uint64_t delay_ms)
{
    wheel_remove(w, node);
    if (now_ms < w->now_ms)
        now_ms = w->now_ms;
    if (w->count == 0)
        w->now_ms = now_ms;
    if (delay_ms > WHEEL_DELAY_MAX_MS)
        delay_ms = WHEEL_DELAY_MAX_MS;

    /* What is due by now was handed out already.  The next millisecond also
     * keeps a timer that sets itself to 0 from holding up a turn. */
    node->due_ms = now_ms + delay_ms;
    if (node->due_ms <= w->now_ms)
        node->due_ms = w->now_ms + 1;
    wheel_place(w, node);
    w->count++;
}

void wheel_remove(struct wheel *w, struct wheel_node *node)
{
    if (!wheel_holds(node))
        return;
    unlink_node(w, node);
    w->count--;
}

/* When time enters the next slot in use of this level. */
static uint64_t next_of_level(const struct wheel *w, unsigned level)
{
    uint64_t first = (w->now_ms >> (SLOT_BITS * level)) + 1;
    unsigned turn = (unsigned)first & SLOT_MASK;
    uint64_t used = w->used[level];
    uint64_t turned =
        turn == 0 ? used : used >> turn | used << (WHEEL_SLOTS - turn);

    return (first + (uint64_t)__builtin_ctzll(turned)) << (SLOT_BITS * level);
}

bool wheel_next(const struct wheel *w, uint64_t *due_ms)
{
    uint64_t next_ms = UINT64_MAX;
    unsigned level;

    if (w->count == 0)
        return false;
    if ((w->used[0] >> slot_at(0, w->now_ms) & 1) != 0) {
        *due_ms = w->now_ms; /* some of this millisecond are left */
        return true;
    }

    for (level = 0; level < WHEEL_LEVELS; level++) {
        uint64_t at_ms;

        if (w->used[level] == 0)
            continue;
        at_ms = next_of_level(w, level);
        if (at_ms < next_ms)
            next_ms = at_ms;
    }
    *due_ms = next_ms;
    return true;
}

/* Places the nodes anew that wait in slots that w->now_ms is the start of. */
static void cascade(struct wheel *w)
{
    unsigned level = WHEEL_LEVELS;

    while (--level > 0) {
        uint64_t within = (UINT64_C(1) << (SLOT_BITS * level)) - 1;
        unsigned slot = slot_at(level, w->now_ms);
        struct wheel_node *head = &w->slots[level * WHEEL_SLOTS + slot];
        struct wheel_node *last = head->prev;
        struct wheel_node *node;

        if ((w->now_ms & within) != 0 || last == head)
            continue;
        /* A node may come back to this slot, for the next round. */
        do {
            node = head->next;
            unlink_node(w, node);
            wheel_place(w, node);
        } while (node != last);
    }
}

struct wheel_node *wheel_expire(struct wheel *w, uint64_t now_ms)
{
    uint64_t next_ms;

    while (wheel_next(w, &next_ms) && next_ms <= now_ms) {
        struct wheel_node *head;

        if (next_ms > w->now_ms) {
            w->now_ms = next_ms;
            cascade(w);
        }
        head = &w->slots[slot_at(0, w->now_ms)];
        if (head->next != head) {
            struct wheel_node *node = head->next;

            wheel_remove(w, node);
            return node;
        }
    }
    if (now_ms > w->now_ms)
        w->now_ms = now_ms;
    return NULL;
}
