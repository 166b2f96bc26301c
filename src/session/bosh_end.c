#include "bosh_state.h"

#include "bosh_write.h"
#include "session/session_host.h"

#include <stdlib.h>

/* One of the last answers.  Empty: the constant empty body is meant. */
static void write_last(struct bosh *b, struct buf *to, struct bosh_write *what,
                       bool with_payload)
{
    if (with_payload) {
        what->payload = buf_slice(&b->outbox.bytes);
        what->error = buf_slice(&b->error);
    }
    buf_init(to, what->payload.len + what->error.len + BOSH_ROOM_BYTES);
    if ((!what->is_terminal && what->ack == 0) ||
        bosh_write_body(to, what) != ERR_OK)
        buf_free(to); /* an empty answer is all that is left */
}

/* Answers the oldest open rid, or, when that is not open, `r` by hand. */
static void end_one(struct bosh *b, struct bosh_request *r,
                    const char *condition, bool is_terminal, bool with_payload)
{
    uint64_t rid = r == NULL ? b->window.oldest_open : r->rid;
    struct bosh_write what = {
        .is_terminal = is_terminal,
        .condition = condition,
        .ack = bosh_ack(b, rid),
    };
    unsigned status = bosh_status_of(&b->grant, condition);
    struct buf body;

    write_last(b, &body, &what, with_payload);
    if (body.len == 0)
        status = 200;
    if (r == NULL || rid_is_open(&b->window, rid)) {
        if (body.len > 0)
            bosh_answer_oldest(b, status, (struct slice){"", 0}, &body);
        else
            bosh_answer_oldest(b, status, bosh_empty_body(), NULL);
        return;
    }
    bosh_unhold(b, r);
    bosh_give(r, &b->grant, status,
              body.len > 0 ? buf_slice(&body) : bosh_empty_body());
    buf_free(&body);
}

static bool has_alive(const struct bosh *b)
{
    const struct bosh_request *r;

    for (r = b->first; r != NULL; r = r->next) {
        if (!r->has_left)
            return true;
    }
    return false;
}

/* Who gets what, for one rid, when the session ends. */
static void end_rid(struct bosh *b, uint64_t rid, uint64_t trigger,
                    bool is_goodbye, bool *is_told)
{
    struct bosh_request *r = bosh_held(b, rid);
    bool is_alive = r != NULL && !r->has_left;
    bool is_first = is_alive && !*is_told;

    if (trigger != 0 && rid != trigger) {
        end_one(b, r, "other-request", true, false);
    } else if (is_goodbye && !is_first) {
        end_one(b, r, NULL, false, false);
    } else {
        end_one(b, r, b->condition, true, is_first && !is_goodbye);
        *is_told = *is_told || is_alive;
    }
}

static void entomb(struct bosh *b)
{
    unsigned s = session_host_settings(b->host)->bosh.tombstone_s;

    bosh_enter(b, BOSH_DEAD);
    outbox_free(&b->outbox);
    buf_free(&b->error);
    bosh_untell(b);
    timer_set(&b->idle, (uint64_t)s * 1000);
    bosh_become_tombstone(b);
}

/* TERMINAL until then. */
static void await_next_request(struct bosh *b)
{
    timer_set(&b->idle, (uint64_t)b->grant.inactivity_s * 1000);
    bosh_become_tombstone(b);
}

void bosh_terminate(struct bosh *b, uint64_t trigger, bool is_goodbye)
{
    bool was_creating = b->state == BOSH_CREATING;
    bool is_told = false;
    bool is_alive = has_alive(b);

    loop_undefer(&b->flush);
    timer_stop(&b->wait);
    timer_stop(&b->idle);
    bosh_enter(b, BOSH_TERMINAL);
    /* Nobody to tell: those who left wait no longer, and the words are kept
     * for the next request (B74, T42). */
    if (!is_alive) {
        while (b->window.oldest_open < b->window.next)
            bosh_answer_empty(b);
    }
    while (b->window.oldest_open < b->window.next)
        end_rid(b, b->window.oldest_open, trigger, is_goodbye, &is_told);
    while (b->first != NULL)
        end_rid(b, b->first->rid, trigger, is_goodbye, &is_told);

    if (was_creating)
        bosh_bury(b);
    else if (is_told || is_goodbye)
        entomb(b);
    else
        await_next_request(b);
}

void bosh_answer_terminal(struct bosh *b, struct bosh_request *r)
{
    bool is_told = false;

    /* Answers may bring further requests, even new sessions: b is none that
     * could make room for them until all is said. */
    tombstones_remove(session_host_tombstones(b->host), &b->tombstone);
    /* Rids that were skipped belong to requests that never came. */
    while (b->window.next <= r->rid)
        (void)rid_delivered(&b->window);
    while (b->window.oldest_open < r->rid)
        bosh_answer_empty(b);
    bosh_hold(b, r, 0);
    end_rid(b, r->rid, 0, false, &is_told);
    entomb(b);
}
