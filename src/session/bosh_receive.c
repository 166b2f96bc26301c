#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "bosh_state.h"
#include "session/session_host.h"

#include <assert.h>
#include <stdlib.h>

/* An answer that the client lacks for so long is reported to it; what merely
 * crossed its request is not (C09). */
#define REPORT_AFTER_MS 1000

/* G11: the certificate was checked for the first domain, not for another. */
static bool is_other_domain(const struct bosh *b, struct slice to)
{
    struct domain_name name;

    return to.len > 0 &&
           (domain_normalise(&name, to) != ERR_OK ||
            strcmp(name.unicode, session_domain(b->session)) != 0);
}

/* One that no login calls for is an empty request: clients ask before SASL,
 * after binding, and twice. */
static void bosh_receive_restart(struct bosh *b, const struct bosh_request *r,
                                 const struct bosh_body *body)
{
    enum err err;

    if (is_other_domain(b, body->to)) {
        bosh_finish(b, SESSION_END_HOST_UNKNOWN, "host-unknown", r->rid);
        return;
    }
    err = session_restart(b->session, body->from, body->lang);
    if (err != ERR_OK && err != ERR_MISSING && err != ERR_INVALID &&
        err != ERR_CLOSED)
        bosh_finish(b, SESSION_END_INTERNAL, "internal-server-error", r->rid);
}

static void end_by_limit(struct bosh *b, const struct bosh_request *r)
{
    bosh_tell_text(b, session_limit(b->session));
    bosh_finish(b, SESSION_END_POLICY, "policy-violation", r->rid);
}

void bosh_forward(struct bosh *b, const struct bosh_request *r,
                  const struct bosh_body *body)
{
    enum err err = ERR_OK;
    size_t i;

    /* The end of the session gives a parked body's memory back. */
    for (i = 0; b->session != NULL && i < body->n_elements; i++) {
        struct element e = bosh_body_element(body, i);

        err = session_send(b->session, &e);
        if (err != ERR_OK)
            break;
    }
    if (b->session == NULL || err == ERR_OK || err == ERR_CLOSED)
        return;
    if (err == ERR_INVALID)
        bosh_finish(b, SESSION_END_BAD_REQUEST, "bad-request", r->rid);
    else if (err == ERR_LIMIT)
        end_by_limit(b, r);
    else
        bosh_finish(b, SESSION_END_INTERNAL, "internal-server-error", r->rid);
}

/* XEP-0124 section 10: everything pending is answered, and the client may be
 * away for so long, once. */
static void pause(struct bosh *b, const struct bosh_request *r,
                  const struct bosh_body *body)
{
    if (body->pause.is_malformed) {
        bosh_finish(b, SESSION_END_BAD_REQUEST, "bad-request", r->rid);
        return;
    }
    if (body->pause.value > b->grant.maxpause_s) {
        bosh_finish(b, SESSION_END_POLICY, "policy-violation", r->rid);
        return;
    }
    b->is_paused = true;
    b->pause_s = (unsigned)body->pause.value;
    b->pause_rid = r->rid;
    b->release_all = true;
}

/* Where no pause is offered the attribute asks for nothing (B47). */
static bool asks_for_pause(const struct bosh *b, const struct bosh_body *body)
{
    return body->pause.is_given && b->grant.maxpause_s > 0;
}

/* A request without `ack` says that every answer was received; of what may
 * still be on its way that is not believed (C05). */
static void drop_received(struct bosh *b, uint64_t now_ms)
{
    uint64_t rid = b->window.oldest_open - 1;
    const struct bosh_reply *reply = bosh_cache_find(&b->cache, rid);

    while (reply != NULL && now_ms - reply->sent_ms < REPORT_AFTER_MS)
        reply = bosh_cache_find(&b->cache, --rid);
    if (reply != NULL)
        bosh_cache_drop(&b->cache, rid);
}

/* XEP-0124 section 9.2, of a client that said it would acknowledge. */
static void take_ack(struct bosh *b, const struct bosh_body *body)
{
    uint64_t now_ms = loop_now_ms(session_host_loop(b->host));
    const struct bosh_reply *next;

    if (b->grant.acks && !body->ack.is_given)
        drop_received(b, now_ms);
    /* What was not answered yet cannot have been received (C07). */
    if (!b->grant.acks || !body->ack.is_given || body->ack.is_malformed ||
        body->ack.value >= b->window.oldest_open)
        return;
    bosh_cache_drop(&b->cache, body->ack.value);
    next = bosh_cache_find(&b->cache, body->ack.value + 1);
    if (next != NULL && now_ms - next->sent_ms >= REPORT_AFTER_MS)
        b->report = next->rid;
}

/* One request whose turn has come (T47: terminate, restart, pause). */
static void process(struct bosh *b, struct bosh_request *r,
                    const struct bosh_body *body)
{
    /* In rid order, not as they came (D06). */
    if (!bosh_key_take(&b->keys, r->rid, body->key, body->newkey)) {
        metrics_count(METRIC_BOSH_REJECTED);
        bosh_finish(b, SESSION_END_ITEM_NOT_FOUND, "item-not-found", r->rid);
        return;
    }
    b->is_paused = false; /* B48 */
    take_ack(b, body);
    if (body->is_restart && body->type != BOSH_TYPE_TERMINATE) {
        bosh_receive_restart(b, r, body); /* its payload is ignored (G10) */
        return;
    }
    bosh_forward(b, r, body);
    if (b->session == NULL)
        return;
    if (body->type == BOSH_TYPE_TERMINATE)
        bosh_finish(b, SESSION_END_CLIENT_CLOSED, NULL, 0);
    else if (asks_for_pause(b, body))
        pause(b, r, body);
}

static enum rid_kind bosh_receive_kind_of(const struct bosh *b,
                                          const struct bosh_body *body)
{
    if (body->type == BOSH_TYPE_TERMINATE)
        return RID_TERMINATE;
    return asks_for_pause(b, body) ? RID_PAUSE : RID_ORDINARY;
}

/* Who sends a request has the answers to all but the last `requests` before it,
 * or would wait for them (XEP-0124 section 11); a pause or terminate may be one
 * more.  Large ones are not kept longer than that. */
static void drop_large_received(struct bosh *b, const struct bosh_body *body)
{
    uint64_t latest = b->window.next - 1;
    uint64_t unknown =
        b->grant.requests +
        (bosh_receive_kind_of(b, body) == RID_ORDINARY ? 0u : 1u);

    if (latest > unknown && bosh_cache_bytes(&b->cache) >
                                session_host_settings(b->host)->queue_max_bytes)
        bosh_cache_drop(&b->cache, latest - unknown);
}

static void bosh_receive_deliver(struct bosh *b, struct bosh_request *r,
                                 const struct bosh_body *body)
{
    bool follows;

    r->rid = b->window.next;
    bosh_hold(b, r, (uint64_t)b->grant.wait_s * 1000);
    do {
        follows = rid_delivered(&b->window);
        r->is_parked = false;
        drop_large_received(b, body);
        process(b, r, body);
        if (b->session == NULL)
            return; /* everything was answered */
        if (follows) {
            r = bosh_held(b, b->window.next);
            assert(r != NULL);
            body = r->early;
        }
    } while (follows);
    timer_stop(&b->idle);
    bosh_flush_soon(b);
}

void bosh_jump(struct bosh *b, struct bosh_request *r)
{
    rid_jump(&b->window, r->rid);
    (void)rid_delivered(&b->window);
    r->is_parked = false;
    process(b, r, r->early);
}

/* A terminate waits a short time for what is missing before it (B72). */
static uint64_t park_ms(const struct bosh *b, const struct bosh_body *body)
{
    uint64_t wait_ms = (uint64_t)b->grant.wait_s * 1000;
    uint64_t gap_ms = session_host_settings(b->host)->bosh.gap_ms;

    return body->type == BOSH_TYPE_TERMINATE && gap_ms < wait_ms ? gap_ms
                                                                 : wait_ms;
}

static void park(struct bosh *b, struct bosh_request *r,
                 const struct bosh_body *body)
{
    /* Anyone can have a session.  What will be refused in its turn is not
     * kept until then. */
    if (!session_is_authenticated(b->session) &&
        body->payload.len > session_early_max(b->session)) {
        const char *limit =
            session_size_limit(b->session, session_early_max(b->session));

        bosh_finish(b, SESSION_END_POLICY, "policy-violation", body->rid.value);
        bosh_refuse_limit(r, &b->grant, limit);
        return;
    }
    r->rid = body->rid.value;
    r->early = malloc(sizeof(*r->early));
    if (r->early == NULL || bosh_body_copy(r->early, body) != ERR_OK) {
        free(r->early);
        r->early = NULL;
        rid_unpark(&b->window, r->rid);
        bosh_answer_error(b, r);
        return;
    }
    r->is_parked = true;
    bosh_hold(b, r, park_ms(b, body));
    timer_stop(&b->idle);
    bosh_set_timers(b);
}

/* B10, T5: so many repeats of one rid and no more. */
static bool is_repeated_too_often(struct bosh *b, uint64_t rid)
{
    if (b->repeats_rid != rid) {
        b->repeats_rid = rid;
        b->repeats = 0;
    }
    return ++b->repeats > session_host_settings(b->host)->bosh.repeats_max;
}

/* B08: the new connection takes the place of the old one. */
static void retake(struct bosh *b, struct bosh_request *r, uint64_t rid)
{
    struct bosh_request *old = bosh_held(b, rid);
    uint64_t wait_ms = (uint64_t)b->grant.wait_s * 1000;

    if (is_repeated_too_often(b, rid)) {
        r->rid = rid;
        if (b->state <= BOSH_OPEN)
            bosh_finish(b, SESSION_END_POLICY, "policy-violation", rid);
        bosh_refuse(r, &b->grant, "policy-violation");
        return;
    }
    r->rid = rid;
    if (old != NULL) {
        r->is_parked = old->is_parked;
        r->early = old->early;
        old->early = NULL;
        bosh_unhold(b, old);
    }
    if (r->is_parked)
        wait_ms = park_ms(b, r->early);
    bosh_hold(b, r, wait_ms);
    timer_stop(&b->idle);
    bosh_flush_soon(b);
    if (old != NULL)
        bosh_answer_error(b, old);
}

/* B04: a rid from nowhere ends the session; the same words as for a sid from
 * nowhere (F16). */
static void reject(struct bosh *b, struct bosh_request *r, uint64_t rid)
{
    metrics_count(METRIC_BOSH_REJECTED);
    if (b->state <= BOSH_OPEN)
        bosh_finish(b, SESSION_END_ITEM_NOT_FOUND, "item-not-found", rid);
    bosh_refuse(r, &b->grant, "item-not-found");
}

static void replay(struct bosh *b, struct bosh_request *r, uint64_t rid)
{
    const struct bosh_reply *reply = bosh_cache_find(&b->cache, rid);

    if (reply == NULL) {
        reject(b, r, rid); /* acknowledged, and dropped (B09) */
        return;
    }
    if (b->state <= BOSH_OPEN && is_repeated_too_often(b, rid)) {
        bosh_finish(b, SESSION_END_POLICY, "policy-violation", rid);
        bosh_refuse(r, &b->grant, "policy-violation");
        return;
    }
    /* The client lives (B44, T6). */
    if (b->state == BOSH_OPEN)
        timer_stop(&b->idle);
    bosh_replay(b, r, reply);
    if (b->state == BOSH_OPEN)
        bosh_set_timers(b);
}

static bool polls_too_fast(struct bosh *b, const struct bosh_body *body)
{
    struct bosh_arrival arrival = {
        .now_ms = loop_now_ms(session_host_loop(b->host)),
        .is_poll = bosh_body_is_poll(body),
        .is_polling_session = b->grant.is_polling,
        .may_exceed = bosh_receive_kind_of(b, body) != RID_ORDINARY,
        .unanswered = 1,
        .requests = b->grant.requests,
        .polling_s = b->grant.polling_s,
    };
    const struct bosh_request *r;

    /* The extra request may have come before what it is extra to. */
    for (r = b->first; r != NULL; r = r->next) {
        bool is_extra =
            r->is_parked && bosh_receive_kind_of(b, r->early) != RID_ORDINARY;

        arrival.unanswered += !r->has_left && !is_extra;
    }
    return bosh_pace_is_too_fast(&b->pace, &arrival);
}

/* A request that was not there before: in its turn, or early. */
static void receive_new(struct bosh *b, struct bosh_request *r,
                        const struct bosh_body *body, enum rid_verdict verdict)
{
    if (polls_too_fast(b, body)) {
        bosh_finish(b, SESSION_END_POLICY, "policy-violation", body->rid.value);
        bosh_refuse(r, &b->grant, "policy-violation");
    } else if (verdict == RID_DELIVER) {
        bosh_receive_deliver(b, r, body);
    } else {
        park(b, r, body);
    }
}

/* D07: whoever repeats a request, answered, open or early, has its key. */
static bool knows_what_was_sent(const struct bosh *b,
                                const struct bosh_body *body)
{
    const struct bosh_request *old;

    if (b->keys == NULL)
        return true;
    if (body->rid.value < b->window.next)
        return bosh_key_repeats(b->keys, body->rid.value, body->key);
    old = bosh_held(b, body->rid.value);
    return old == NULL || secret_equal(old->early->key, body->key);
}

static void receive_known(struct bosh *b, struct bosh_request *r,
                          const struct bosh_body *body)
{
    uint64_t rid = body->rid.value;
    enum rid_verdict verdict;

    if (!knows_what_was_sent(b, body)) {
        metrics_count(METRIC_BOSH_REJECTED);
        bosh_refuse(r, &b->grant, "item-not-found");
        return;
    }
    if (b->state == BOSH_DEAD) {
        replay(b, r, rid);
        return;
    }
    verdict = rid_admit(&b->window, rid, bosh_receive_kind_of(b, body));
    if (b->state == BOSH_TERMINAL && verdict != RID_REPLAY &&
        verdict != RID_REJECT) {
        r->rid = rid;
        bosh_answer_terminal(b, r);
        return;
    }
    switch (verdict) {
    case RID_DELIVER:
    case RID_PARK:
        receive_new(b, r, body, verdict);
        break;
    case RID_RETAKE:
        retake(b, r, rid);
        break;
    case RID_REPLAY:
        replay(b, r, rid);
        break;
    case RID_REJECT:
        reject(b, r, rid);
        break;
    }
}

static const char *condition_of_verdict(enum bosh_verdict verdict)
{
    switch (verdict) {
    case BOSH_BODY_OK:
    case BOSH_BODY_BAD:
        break;
    case BOSH_BODY_TOO_BIG:
        return "policy-violation";
    case BOSH_BODY_NOMEM:
        return "internal-server-error";
    case BOSH_BODY_FOREIGN:
        return "item-not-found";
    }
    return "bad-request";
}

static void refuse_body(struct bosh_request *r, const struct bosh_grant *grant,
                        const struct bosh_body *body, enum bosh_verdict verdict)
{
    if (verdict == BOSH_BODY_TOO_BIG)
        bosh_refuse_limit(r, grant, body->limit);
    else
        bosh_refuse(r, grant, condition_of_verdict(verdict));
}

/*
 * A body that cannot be used.  It ends its session only when its start tag
 * was read whole and carries the very next rid: anybody can send rubbish, but
 * not with both secrets (F18, T20).
 */
static void receive_bad(struct bosh *b, struct bosh_request *r,
                        const struct bosh_body *body, enum bosh_verdict verdict)
{
    const char *condition = condition_of_verdict(verdict);

    metrics_count(METRIC_BOSH_BAD_BODIES);
    if (b != NULL && b->state <= BOSH_OPEN && body->rid.is_given &&
        !body->rid.is_malformed && body->rid.value == b->window.next &&
        bosh_key_fits(b->keys, body->key)) {
        log_info(session_log(b->session), "bosh.refused reason=%s",
                 log_quote(slice_of(body->reason)).text);
        bosh_finish(b,
                    verdict == BOSH_BODY_TOO_BIG ? SESSION_END_POLICY
                                                 : SESSION_END_BAD_REQUEST,
                    condition, body->rid.value);
    }
    refuse_body(r, b == NULL ? NULL : &b->grant, body, verdict);
}

void bosh_receive(struct session_host *host, struct bosh_request *r,
                  const struct bosh_body *body, enum bosh_verdict verdict,
                  const struct bosh_origin *origin)
{
    struct bosh *b = origin->session;
    struct bosh_grant grant;

    if (body->has_root && !body->has_sid) {
        if (verdict == BOSH_BODY_OK) {
            bosh_create(host, r, body, origin);
            return;
        }
        metrics_count(METRIC_BOSH_BAD_BODIES);
        (void)bosh_grant(&grant, body, &session_host_settings(host)->bosh);
        refuse_body(r, &grant, body, verdict);
        return;
    }
    if (b != NULL && b->is_secure && !origin->is_secure) {
        /* Not ended: that would help whoever sends it (B84). */
        metrics_count(METRIC_BOSH_REJECTED);
        bosh_refuse_insecure(r, &b->grant);
    } else if (verdict == BOSH_BODY_FOREIGN ||
               (verdict == BOSH_BODY_OK && b == NULL)) {
        metrics_count(METRIC_BOSH_REJECTED);
        bosh_refuse(r, NULL, "item-not-found");
    } else if (verdict != BOSH_BODY_OK) {
        receive_bad(b, r, body, verdict);
    } else if (!body->rid.is_given || body->rid.is_malformed) {
        receive_bad(b, r, body, BOSH_BODY_BAD);
    } else {
        receive_known(b, r, body);
    }
}
