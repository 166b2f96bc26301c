#include "bosh_state.h"

#include "base/metrics.h"
#include "bosh_write.h"
#include "session/session_host.h"

#include <assert.h>
#include <stdlib.h>

/* A body around one answer's payload, our own attributes included. */
#define BOSH_ROOM_BYTES 8192

/* What escaping makes of a byte, at most: &quot; */
#define ESCAPE_FACTOR 6

/* The tags of a body with acknowledgements. */
#define USUAL_ROOM_BYTES 120

struct bosh_told {
    struct bosh_header header;
    size_t len;
    char text[];
};

/* ---- the server's header ---- */

enum err bosh_tell(struct bosh *b, const struct stream_header *h)
{
    size_t len = h->from.len + h->id.len + h->version.len + h->lang.len;
    struct bosh_told *told = malloc(sizeof(*told) + len);
    char *at;

    if (told == NULL)
        return ERR_NOMEM;
    told->len = len;
    at = told->text;
    told->header.from = slice_pack(&at, h->from);
    told->header.authid = slice_pack(&at, h->id);
    told->header.version = slice_pack(&at, h->version);
    told->header.lang = slice_pack(&at, h->lang);
    bosh_untell(b);
    b->told = told;
    return ERR_OK;
}

void bosh_untell(struct bosh *b)
{
    free(b->told);
    b->told = NULL;
}

/* ---- the requests that wait, by rid ---- */

void bosh_hold(struct bosh *b, struct bosh_request *r, uint64_t wait_ms)
{
    struct bosh_request **at = &b->first;

    while (*at != NULL && (*at)->rid < r->rid)
        at = &(*at)->next;
    r->session = b;
    r->has_left = false;
    r->deadline_ms = loop_now_ms(session_host_loop(b->host)) + wait_ms;
    r->next = *at;
    *at = r;
}

struct bosh_request *bosh_held(const struct bosh *b, uint64_t rid)
{
    struct bosh_request *r = b->first;

    while (r != NULL && r->rid < rid)
        r = r->next;
    return r != NULL && r->rid == rid ? r : NULL;
}

void bosh_unhold(struct bosh *b, struct bosh_request *r)
{
    struct bosh_request **at = &b->first;

    while (*at != r)
        at = &(*at)->next;
    *at = r->next;
    r->next = NULL;
    r->session = NULL;
    r->is_parked = false;
    if (r->early != NULL) {
        bosh_body_free(r->early);
        free(r->early);
        r->early = NULL;
    }
}

void bosh_set_timers(struct bosh *b)
{
    uint64_t now_ms = loop_now_ms(session_host_loop(b->host));
    uint64_t due_ms = UINT64_MAX;
    bool is_alive = false;
    struct bosh_request *r;
    unsigned idle_s;

    for (r = b->first; r != NULL; r = r->next) {
        if (r->deadline_ms < due_ms)
            due_ms = r->deadline_ms;
        is_alive = is_alive || !r->has_left;
    }
    if (due_ms == UINT64_MAX)
        timer_stop(&b->wait);
    else
        timer_set(&b->wait, due_ms > now_ms ? due_ms - now_ms : 0);

    if (is_alive) {
        timer_stop(&b->idle);
    } else if (!timer_is_set(&b->idle)) {
        idle_s = b->is_paused ? b->pause_s : b->grant.inactivity_s;
        timer_set(&b->idle, (uint64_t)idle_s * 1000);
    }
}

/* ---- answering ---- */

unsigned bosh_status_of(const struct bosh_grant *grant, const char *condition)
{
    if (grant == NULL || !grant->is_legacy || condition == NULL)
        return 200;
    if (strcmp(condition, "bad-request") == 0)
        return 400;
    if (strcmp(condition, "policy-violation") == 0)
        return 403;
    if (strcmp(condition, "item-not-found") == 0)
        return 404;
    return 200;
}

static struct slice default_type(void)
{
    return SLICE("text/xml; charset=utf-8");
}

void bosh_give(struct bosh_request *r, const struct bosh_grant *grant,
               unsigned status, struct slice body)
{
    struct bosh_answer answer = {
        .status = status,
        .content_type = grant == NULL ? default_type() : grant->content_type,
        .body = body,
        .must_close = r->must_close,
        .may_compress = r->may_compress,
    };

    r->answer(r, &answer);
}

static void refuse(struct bosh_request *r, const struct bosh_grant *grant,
                   const char *condition, struct slice error)
{
    struct bosh_write what = {
        .is_terminal = true,
        .condition = condition,
        .error = error,
    };
    struct slice body = bosh_empty_body();
    struct buf bytes;

    buf_init(&bytes, error.len + BOSH_ROOM_BYTES);
    if (bosh_write_body(&bytes, &what) == ERR_OK)
        body = buf_slice(&bytes);
    bosh_give(r, grant, bosh_status_of(grant, condition), body);
    buf_free(&bytes);
}

void bosh_refuse(struct bosh_request *r, const struct bosh_grant *grant,
                 const char *condition)
{
    refuse(r, grant, condition, SLICE(""));
}

void bosh_refuse_limit(struct bosh_request *r, const struct bosh_grant *grant,
                       const char *text)
{
    struct buf error;

    buf_init(&error, BOSH_ROOM_BYTES);
    if (bosh_write_text(&error, text) != ERR_OK)
        buf_free(&error); /* the condition alone must do */
    refuse(r, grant, "policy-violation", buf_slice(&error));
    buf_free(&error);
}

void bosh_refuse_busy(struct bosh_request *r)
{
    static const struct bosh_answer busy = {.status = 503};

    r->answer(r, &busy);
}

void bosh_refuse_insecure(struct bosh_request *r,
                          const struct bosh_grant *grant)
{
    r->must_close = true;
    bosh_refuse(r, grant, "item-not-found");
}

void bosh_replay(struct bosh *b, struct bosh_request *r,
                 const struct bosh_reply *reply)
{
    metrics_count(METRIC_BOSH_REPLAYS);
    r->may_compress = reply->rid > b->plain_rid;
    bosh_give(r, &b->grant, reply->status, reply->bytes);
}

uint64_t bosh_ack(const struct bosh *b, uint64_t rid)
{
    uint64_t ack = rid_acknowledged(&b->window);

    return b->grant.acks && ack != rid ? ack : 0;
}

void bosh_answer_error(struct bosh *b, struct bosh_request *r)
{
    struct bosh_write what = {.is_error = true, .ack = bosh_ack(b, r->rid)};
    struct slice body = bosh_error_body();
    struct buf bytes;

    buf_init(&bytes, BOSH_ROOM_BYTES);
    if (what.ack != 0 && bosh_write_body(&bytes, &what) == ERR_OK)
        body = buf_slice(&bytes);
    bosh_give(r, &b->grant, 200, body);
    buf_free(&bytes);
}

void bosh_answer_oldest(struct bosh *b, unsigned status, struct slice constant,
                        struct buf *owned)
{
    uint64_t rid = b->window.oldest_open;
    struct bosh_request *r = bosh_held(b, rid);
    const struct bosh_reply *reply;

    (void)rid_answered(&b->window);
    if (!b->is_past_login)
        b->plain_rid = rid;
    b->pace.last_got_nothing = constant.len > 0;
    reply = bosh_cache_put(&b->cache, rid, status, constant, owned,
                           loop_now_ms(session_host_loop(b->host)));
    /* As many as a client without acknowledgements may ask for again stay. */
    if (b->grant.acks)
        bosh_cache_trim(&b->cache, rid, b->grant.requests + 1u,
                        session_host_settings(b->host)->queue_max_bytes);
    if (r == NULL)
        return;
    bosh_unhold(b, r);
    r->may_compress = b->is_past_login;
    bosh_give(r, &b->grant, status, reply->bytes);
}

/* What is told of requests and answers, to a client that asked for it
 * (XEP-0124 section 9; C01, C09). */
static void bosh_reply_write_acks(struct bosh *b, struct bosh_write *what)
{
    uint64_t now_ms = loop_now_ms(session_host_loop(b->host));
    const struct bosh_reply *lost = bosh_cache_find(&b->cache, b->report);

    what->ack = bosh_ack(b, b->window.oldest_open);
    if (b->grant.acks && b->state == BOSH_CREATING)
        what->ack = rid_acknowledged(&b->window); /* A38: the promise */
    if (lost != NULL) {
        what->report = b->report;
        what->report_ms = now_ms - lost->sent_ms;
    }
    b->report = 0;
}

void bosh_answer_empty(struct bosh *b)
{
    struct bosh_write what = {.ack = 0};
    struct buf body;

    bosh_reply_write_acks(b, &what);
    buf_init(&body, BOSH_ROOM_BYTES);
    if ((what.ack == 0 && what.report == 0) ||
        bosh_write_body(&body, &what) != ERR_OK) {
        buf_free(&body);
        bosh_answer_oldest(b, 200, bosh_empty_body(), NULL);
        return;
    }
    bosh_answer_oldest(b, 200, (struct slice){"", 0}, &body);
    b->pace.last_got_nothing = true;
}

/* Writes the answer with what is queued, as far as it fits.  On ERR_NOMEM
 * nothing was taken from the queue. */
static enum err write_payload(struct bosh *b, struct buf *to)
{
    const struct session_settings *set = session_host_settings(b->host);
    struct bosh_write what = {.payload = {"", 0}};
    size_t room = BOSH_ROOM_BYTES;
    uint32_t n = 0;
    enum err err;
    char *at;

    what.payload.len = outbox_peek(&b->outbox, set->bosh.answer_max_bytes, &n);
    if (what.payload.len > 0)
        what.payload.at = buf_at(&b->outbox.bytes);
    if (b->state == BOSH_CREATING) {
        what.sid = b->sid;
        what.grant = &b->grant;
    }
    if (b->told != NULL) {
        what.header = &b->told->header;
        room += b->told->len * ESCAPE_FACTOR;
    }
    bosh_reply_write_acks(b, &what);
    buf_init(to, what.payload.len + room);
    /* One allocation, and one that fits, for all but the first answers. */
    err = buf_reserve(to, what.payload.len + USUAL_ROOM_BYTES, &at);
    if (err == ERR_OK)
        err = bosh_write_body(to, &what);
    if (err != ERR_OK) {
        buf_free(to);
        return err;
    }
    outbox_drop(&b->outbox, n);
    bosh_untell(b);
    return ERR_OK;
}

/* False: no memory; the request stays, and so does the payload. */
static bool answer_payload(struct bosh *b)
{
    struct buf body;

    if (write_payload(b, &body) != ERR_OK)
        return false;
    if (b->state == BOSH_CREATING) {
        b->n_awaited = 0;
        bosh_enter(b, BOSH_OPEN);
    }
    bosh_answer_oldest(b, 200, (struct slice){"", 0}, &body);
    return true;
}

static bool has_later_alive(const struct bosh *b)
{
    const struct bosh_request *r;

    for (r = b->first; r != NULL && r->rid < b->window.next; r = r->next) {
        if (r->rid > b->window.oldest_open && !r->has_left)
            return true;
    }
    return false;
}

/* The server takes too little: a client whose window is full sends nothing
 * more (L12).  One that sends more than that is not waited for. */
static bool is_held_back(const struct bosh *b, uint64_t n_open)
{
    return n_open <= b->grant.requests && session_is_congested(b->session);
}

/* What the creation request is answered with is there, or there is no more room
 * for it. */
static bool may_be_created(const struct bosh *b)
{
    if (b->grant.is_polling)
        return true;
    if (b->n_awaited > 0 && !b->is_server_paused)
        return false;
    return b->is_ready || !outbox_is_empty(&b->outbox);
}

/* One step of bosh_flush: answers the oldest open rid if it is due.  False:
 * nothing is due. */
static bool answer_one(struct bosh *b)
{
    uint64_t n_open = b->window.next - b->window.oldest_open;
    bool has_payload = !outbox_is_empty(&b->outbox);
    const struct bosh_request *r;

    if (n_open == 0)
        return false;
    r = bosh_held(b, b->window.oldest_open);
    if (b->state == BOSH_CREATING)
        return may_be_created(b) && answer_payload(b);
    if (r == NULL || r->has_left) {
        /* B80: no payload for a dead connection; it is in the way of a
         * request that lives, so it counts as answered (T7). */
        if (!b->release_all && !has_later_alive(b))
            return false;
        bosh_answer_empty(b);
        return true;
    }
    if (has_payload && b->window.oldest_open != b->pause_rid)
        return answer_payload(b);
    if (b->release_all || b->report != 0 ||
        ((n_open > b->grant.hold || b->grant.is_polling) &&
         !is_held_back(b, n_open))) {
        bosh_answer_empty(b);
        return true;
    }
    return false;
}

/* The client took some: the server may go on (B51). */
static void resume_server(struct bosh *b)
{
    size_t max = session_host_settings(b->host)->queue_max_bytes;

    if (b->is_server_paused && outbox_bytes(&b->outbox) <= max / 4) {
        b->is_server_paused = false;
        session_resume(b->session);
    }
}

void bosh_flush(struct bosh *b)
{
    while (b->state <= BOSH_OPEN && answer_one(b))
        continue;
    if (b->state > BOSH_OPEN)
        return;
    b->release_all = false;
    resume_server(b);
    bosh_set_timers(b);
}

/* ---- deadlines ---- */

static struct bosh_request *first_parked(const struct bosh *b)
{
    struct bosh_request *r = b->first;

    while (r != NULL && !r->is_parked)
        r = r->next;
    return r;
}

static void expire_parked(struct bosh *b, uint64_t now_ms)
{
    struct bosh_request *r = first_parked(b);
    struct bosh_request *next;

    for (; r != NULL; r = next) {
        next = r->next;
        if (r->deadline_ms > now_ms)
            continue;
        /* B06: the gap was never filled; the client may repeat it. */
        rid_unpark(&b->window, r->rid);
        bosh_unhold(b, r);
        bosh_answer_error(b, r);
    }
}

void bosh_expire(struct bosh *b)
{
    uint64_t now_ms = loop_now_ms(session_host_loop(b->host));
    uint64_t last_due = 0;
    const struct bosh_request *r;

    for (r = b->first; r != NULL && !r->is_parked; r = r->next) {
        if (r->deadline_ms <= now_ms)
            last_due = r->rid;
    }
    /* In rid order: what is older goes first, due or not (B03, B24). */
    while (b->state <= BOSH_OPEN && b->window.oldest_open <= last_due) {
        if (b->state != BOSH_CREATING)
            bosh_answer_empty(b);
        else if (!answer_payload(b))
            bosh_finish(b, SESSION_END_INTERNAL, "internal-server-error", 0);
    }
    if (b->state <= BOSH_OPEN)
        expire_parked(b, now_ms);
    if (b->state <= BOSH_OPEN)
        bosh_set_timers(b);
}
