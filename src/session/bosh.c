#include "session/bosh.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "bosh_state.h"
#include "bosh_write.h"
#include "bounce.h"
#include "xmpp/xml_write.h"
#include "session/session_host.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define SID_SECRET_CHARS 26 /* of 5 bits each: 130 bits */

static void bosh_on_opened(void *arg, const struct stream_header *header);
static void bosh_on_element(void *arg, const struct element *e);
static void bosh_on_drained(void *arg);
static void bosh_on_ended(void *arg, enum session_end why,
                          const struct element *error);
static void on_shutdown(void *arg);
static void on_wait(void *arg);
static void bosh_on_idle(void *arg);
static void on_flush(void *arg);

static const char *const state_name[] = {
    [BOSH_CREATING] = "creating",
    [BOSH_OPEN] = "open",
    [BOSH_TERMINAL] = "terminal",
    [BOSH_DEAD] = "dead",
};

void bosh_enter(struct bosh *b, enum bosh_state next)
{
    static const unsigned from[] = {
        [BOSH_CREATING] = 0,
        [BOSH_OPEN] = 1u << BOSH_CREATING,
        [BOSH_TERMINAL] = 1u << BOSH_CREATING | 1u << BOSH_OPEN,
        [BOSH_DEAD] = 1u << BOSH_TERMINAL,
    };

    assert(from[next] & 1u << b->state);
    log_debug(b->session == NULL ? NULL : session_log(b->session),
              "bosh.state from=%s to=%s", state_name[b->state],
              state_name[next]);
    b->state = next;
}

/* ---- birth and burial ---- */

static void bosh_free_now(void *arg)
{
    struct bosh *b = arg;

    bosh_cache_free(&b->cache);
    bosh_keys_free(b->keys);
    outbox_free(&b->outbox);
    buf_free(&b->error);
    bosh_untell(b);
    free(b);
}

void bosh_bury(struct bosh *b)
{
    assert(b->first == NULL);
    timer_stop(&b->wait);
    timer_stop(&b->idle);
    loop_undefer(&b->flush);
    table_remove(session_host_sids(b->host), &b->node);
    tombstones_remove(session_host_tombstones(b->host), &b->tombstone);
    loop_defer(session_host_loop(b->host), &b->dead, bosh_free_now, b);
}

static size_t memory_of(const struct bosh *b)
{
    return sizeof(*b) + bosh_cache_bytes(&b->cache) + outbox_bytes(&b->outbox) +
           b->error.len;
}

void bosh_become_tombstone(struct bosh *b)
{
    struct tombstones *all = session_host_tombstones(b->host);
    struct tombstone *oldest;

    tombstones_add(all, &b->tombstone, memory_of(b));
    for (oldest = tombstones_surplus(all); oldest != NULL;
         oldest = tombstones_surplus(all)) {
        metrics_count(METRIC_TOMBSTONES_EVICTED);
        bosh_bury(CONTAINER_OF(oldest, struct bosh, tombstone));
    }
}

static const struct session_ops session_ops = {
    .opened = bosh_on_opened,
    .element = bosh_on_element,
    .drained = bosh_on_drained,
    .ended = bosh_on_ended,
    .shutdown = on_shutdown,
};

static enum err draw_sid(struct bosh *b)
{
    struct table *sids = session_host_sids(b->host);
    struct slice prefix = session_host_sid_prefix(b->host);

    assert(prefix.len + SID_SECRET_CHARS < sizeof(b->sid));
    memcpy(b->sid, prefix.at, prefix.len);
    secret_token(b->sid + prefix.len, SID_SECRET_CHARS);
    return table_insert(sids, &b->node, slice_of(b->sid));
}

static struct bosh *bosh_make(struct session_host *host,
                              const struct bosh_grant *grant, uint64_t rid)
{
    const struct session_settings *set = session_host_settings(host);
    struct loop *loop = session_host_loop(host);
    struct bosh *b = calloc(1, sizeof(*b));
    /* The extra request of section 11 pushes nothing out (B11, B49). */
    unsigned replies = grant->requests + 1u;

    if (b == NULL)
        return NULL;
    b->host = host;
    b->grant = *grant;
    outbox_init(&b->outbox, SIZE_MAX); /* on_element bounds it */
    buf_init(&b->error, set->stanza_max_bytes);
    timer_init(&b->wait, loop, on_wait, b);
    timer_init(&b->idle, loop, bosh_on_idle, b);
    /* A client that acknowledges may lack all that it has not (B11). */
    if (grant->acks)
        replies = RID_REQUESTS_MAX;
    if (rid_open(&b->window, rid, grant->requests, replies) != ERR_OK ||
        bosh_cache_open(&b->cache, replies) != ERR_OK ||
        draw_sid(b) != ERR_OK) {
        bosh_free_now(b);
        return NULL;
    }
    return b;
}

/* The condition for the client when its session ended, or never began. */
static const char *condition_of_end(const struct bosh *b, enum session_end why)
{
    switch (why) {
    case SESSION_END_CLIENT_CLOSED:
    case SESSION_END_CLIENT_GONE:
    case SESSION_END_SERVER_CLOSED:
        return NULL; /* a clean end has no condition (G41) */
    case SESSION_END_SERVER_ERROR:
        return "remote-stream-error";
    case SESSION_END_SERVER_UNREACHABLE:
        return "remote-connection-failed";
    case SESSION_END_SERVER_LOST:
    case SESSION_END_SERVER_INVALID:
        /* Converse never comes back after the former (decision 6). */
        return session_is_authenticated(b->session)
                   ? "remote-stream-error"
                   : "remote-connection-failed";
    case SESSION_END_LOGIN_TIMEOUT:
    case SESSION_END_POLICY:
        return "policy-violation";
    case SESSION_END_SHUTDOWN:
        return "system-shutdown";
    case SESSION_END_BAD_REQUEST:
        return "bad-request";
    case SESSION_END_ITEM_NOT_FOUND:
        return "item-not-found";
    case SESSION_END_ADDRESSING:
        return "improper-addressing";
    case SESSION_END_HOST_UNKNOWN:
        return "host-unknown";
    case SESSION_END_SERVER_BUSY: /* clients come back after it */
    case SESSION_END_INTERNAL:
    case SESSION_END_COUNT:
        break;
    }
    return "internal-server-error";
}

/* What the server must answer of a creation request's payload: who sends the
 * login and requests along expects the answers in the first answer, as other
 * managers give them. */
static uint16_t count_awaited(const struct bosh_body *body)
{
    uint16_t n = 0;
    size_t i;

    for (i = 0; i < body->n_elements && n < UINT16_MAX; i++) {
        struct element e = bosh_body_element(body, i);

        n += e.kind == ELEMENT_AUTH || e.kind == ELEMENT_SASL2_AUTHENTICATE ||
             (e.kind == ELEMENT_IQ &&
              (e.type == ELEMENT_TYPE_GET || e.type == ELEMENT_TYPE_SET));
    }
    return n;
}

/* One answer less is awaited; where the client must say more, it needs the sid
 * for that. */
static void note_awaited(struct bosh *b, const struct element *e)
{
    if (e->kind == ELEMENT_CHALLENGE || e->kind == ELEMENT_SASL2)
        b->n_awaited = 0;
    else if (e->kind == ELEMENT_SUCCESS || e->kind == ELEMENT_FAILURE ||
             e->kind == ELEMENT_SASL2_SUCCESS ||
             e->kind == ELEMENT_SASL2_FAILURE ||
             (e->kind == ELEMENT_IQ && (e->type == ELEMENT_TYPE_RESULT ||
                                        e->type == ELEMENT_TYPE_ERROR)))
        b->n_awaited--;
}

/* NULL: there may be a session. */
static const char *check_creation(struct bosh_grant *grant,
                                  const struct bosh_body *body,
                                  const struct session_settings *set)
{
    const char *condition = bosh_grant(grant, body, &set->bosh);

    if (condition == NULL && body->type == BOSH_TYPE_TERMINATE)
        return "bad-request";
    /* Too much to be kept: nothing is connected to. */
    if (condition == NULL &&
        body->payload.len > set->stanza_max_unauthenticated_bytes)
        return "policy-violation";
    return condition;
}

/* XEP-0124 section 7.1: a body without sid. */
void bosh_create(struct session_host *host, struct bosh_request *r,
                 const struct bosh_body *body, const struct bosh_origin *origin)
{
    const struct session_settings *set = session_host_settings(host);
    struct session_params params = {
        .transport = SESSION_BOSH,
        .to = body->to,
        .from = body->from,
        .lang = body->lang,
        .route = body->route,
        .client = origin->client,
        .is_secure = origin->is_secure,
    };
    enum session_end why = SESSION_END_INTERNAL;
    const char *condition;
    struct bosh_grant grant;
    struct bosh *b;

    condition = check_creation(&grant, body, set);
    if (condition != NULL) {
        metrics_count(METRIC_BOSH_BAD_BODIES);
        bosh_refuse(r, &grant, condition);
        return;
    }
    b = bosh_make(host, &grant, body->rid.value);
    if (b == NULL) {
        bosh_refuse(r, &grant, "internal-server-error");
        return;
    }
    b->is_secure = origin->is_secure;
    params.is_legacy = grant.is_legacy;
    /* The sequence begins here, if the client wants one (A24). */
    if (!bosh_key_take(&b->keys, body->rid.value, body->key, body->newkey)) {
        bosh_bury(b);
        bosh_refuse(r, &grant, "bad-request");
        return;
    }
    if (session_open(&b->session, host, &params, &session_ops, b, &why) !=
        ERR_OK) {
        condition = condition_of_end(b, why);
        bosh_bury(b);
        if (why == SESSION_END_POLICY || why == SESSION_END_SHUTDOWN)
            bosh_refuse_busy(r);
        else
            bosh_refuse(r, &grant, condition);
        return;
    }
    (void)rid_delivered(&b->window);
    r->rid = body->rid.value;
    bosh_hold(b, r, (uint64_t)grant.wait_s * 1000);
    if (grant.is_polling)
        loop_defer(session_host_loop(host), &b->flush, on_flush, b);
    bosh_set_timers(b);
    b->n_awaited = count_awaited(body);
    bosh_forward(b, r, body);
}

/* ---- ends ---- */

/* We end it, for a reason that a request gave (trigger) or none. */
void bosh_finish(struct bosh *b, enum session_end why, const char *condition,
                 uint64_t trigger)
{
    struct session *s = b->session;
    bool is_graceful =
        !session_is_resumable(s) || why == SESSION_END_CLIENT_CLOSED;

    /* The client is gone, the server is there: what was never in an answer
     * goes back to where it came from (G30, B75). */
    if (why == SESSION_END_CLIENT_GONE || why == SESSION_END_CLIENT_CLOSED)
        bounce_undelivered(s, session_host_pool(b->host), &b->outbox);
    b->session = NULL;
    session_end(s, why, is_graceful);
    b->condition = condition;
    bosh_terminate(b, trigger, why == SESSION_END_CLIENT_CLOSED);
}

void bosh_tell_text(struct bosh *b, const char *text)
{
    if (bosh_write_text(&b->error, text) != ERR_OK)
        buf_free(&b->error); /* the condition alone must do */
}

/* There was no room for the session after all: the request that asked for it
 * is told so as if that had been known at once (decision 9). */
static void refuse_creation(struct bosh *b)
{
    struct bosh_request *r = bosh_held(b, b->window.oldest_open);

    if (r != NULL)
        bosh_unhold(b, r);
    bosh_terminate(b, 0, false);
    if (r != NULL)
        bosh_refuse_busy(r);
}

static void bosh_on_ended(void *arg, enum session_end why,
                          const struct element *error)
{
    struct bosh *b = arg;
    struct session *s = b->session;

    b->condition = condition_of_end(b, why);
    if (error == NULL && session_cause(s) != NULL)
        bosh_tell_text(b, session_cause(s));
    if (error != NULL && buf_append_slice(&b->error, error->bytes) != ERR_OK)
        buf_free(&b->error); /* the condition alone must do */
    b->session = NULL;
    session_free(s);
    if (why == SESSION_END_SERVER_BUSY && b->state == BOSH_CREATING)
        refuse_creation(b);
    else
        bosh_terminate(b, 0, false);
}

static void on_shutdown(void *arg)
{
    struct bosh *b = arg;

    bosh_finish(b, SESSION_END_SHUTDOWN, "system-shutdown", 0);
}

static void bosh_on_idle(void *arg)
{
    struct bosh *b = arg;
    struct session *s = b->session;

    if (s != NULL) {
        /* B41: silently.  Requests whose clients left are let go first. */
        bosh_finish(b, SESSION_END_CLIENT_GONE, NULL, 0);
        if (b->state == BOSH_TERMINAL)
            bosh_bury(b);
        return;
    }
    bosh_bury(b);
}

static void on_wait(void *arg)
{
    struct bosh *b = arg;
    struct bosh_request *r;

    /* A terminate does not wait for ever for what is missing before it: its
     * page is gone (B72, T10). */
    for (r = b->first; r != NULL; r = r->next) {
        if (r->is_parked && r->early->type == BOSH_TYPE_TERMINATE &&
            r->deadline_ms <= loop_now_ms(session_host_loop(b->host))) {
            bosh_jump(b, r);
            return;
        }
    }
    bosh_expire(b);
}

/* ---- from the server ---- */

void bosh_flush_soon(struct bosh *b)
{
    loop_defer(session_host_loop(b->host), &b->flush, on_flush, b);
}

static void on_flush(void *arg)
{
    bosh_flush(arg);
}

static void bosh_on_opened(void *arg, const struct stream_header *header)
{
    struct bosh *b = arg;

    /* Told once; a restart's header has nothing new for the client (A46). */
    if (session_is_authenticated(b->session))
        return;
    if (bosh_tell(b, header) != ERR_OK) {
        bosh_finish(b, SESSION_END_INTERNAL, "internal-server-error", 0);
        return;
    }
    if (header->version.len == 0) {
        b->is_ready = true;
        bosh_flush_soon(b);
    }
}

/* What belongs to the login shares no answer that may be compressed (L60). */
static void note_login(struct bosh *b, enum element_kind kind)
{
    if (element_is_of_login(kind) || !session_is_authenticated(b->session))
        b->is_past_login = false;
    else if (outbox_is_empty(&b->outbox))
        b->is_past_login = true;
}

static void bosh_on_element(void *arg, const struct element *e)
{
    struct bosh *b = arg;
    size_t max = session_host_settings(b->host)->queue_max_bytes;
    /* Features go alone (G01), but not to who has logged in without them. */
    bool is_alone = e->kind == ELEMENT_FEATURES && b->n_awaited == 0;

    if (b->n_awaited > 0)
        note_awaited(b, e);
    note_login(b, e->kind);
    if (outbox_push(&b->outbox, e->bytes, is_alone) != ERR_OK) {
        bosh_finish(b, SESSION_END_INTERNAL, "internal-server-error", 0);
        return;
    }
    /* Above the mark the server is not read; what it has delivered is kept,
     * so that no more waits than the mark and one element (B51). */
    if (outbox_bytes(&b->outbox) > max / 2 && !b->is_server_paused) {
        b->is_server_paused = true;
        session_pause(b->session);
    }
    bosh_flush_soon(b);
}

static void bosh_on_drained(void *arg)
{
    bosh_flush_soon(arg); /* what was held back is answered */
}

/* ---- what the front tells ---- */

void bosh_left(struct bosh_request *r, enum bosh_left how)
{
    struct bosh *b = r->session;

    if (b == NULL)
        return;
    if (how == BOSH_LEFT_FIN) {
        /* Nobody has the sid yet: whoever half-closed may still read it. */
        if (b->state == BOSH_CREATING)
            return;
        r->has_left = true;
        bosh_flush_soon(b);
        return;
    }
    if (r->is_parked)
        rid_unpark(&b->window, r->rid);
    bosh_unhold(b, r);
    if (b->state == BOSH_CREATING) {
        /* Nobody will ever know the sid (A50). */
        bosh_finish(b, SESSION_END_CLIENT_GONE, NULL, 0);
        return;
    }
    bosh_flush_soon(b);
}

void bosh_hurry(struct bosh_request *r)
{
    struct bosh *b = r->session;

    if (b == NULL || b->state != BOSH_OPEN || r->is_parked)
        return;
    r->deadline_ms = loop_now_ms(session_host_loop(b->host));
    bosh_set_timers(b);
}

struct bosh *bosh_find(const struct session_host *host, struct slice sid)
{
    struct table_node *node = table_find(session_host_sids(host), sid);

    return node == NULL ? NULL : CONTAINER_OF(node, struct bosh, node);
}

int bosh_sid_worker(const struct session_host *host, struct slice sid)
{
    static const char digits[] = "0123456789abcdefghijklmnopqrstuv";
    struct slice prefix = session_host_sid_prefix(host);
    size_t node_len = prefix.len - 2; /* without worker and generation */
    const char *digit;

    if (sid.len <= prefix.len || memcmp(sid.at, prefix.at, node_len) != 0)
        return -1;
    digit = memchr(digits, sid.at[node_len], sizeof(digits) - 1);
    return digit == NULL ? -1 : (int)(digit - digits);
}

static void bosh_drop(struct table_node *node, void *arg)
{
    struct bosh *b = CONTAINER_OF(node, struct bosh, node);

    (void)arg;
    if (b->session != NULL)
        bosh_finish(b, SESSION_END_SHUTDOWN, "system-shutdown", 0);
    if (b->state == BOSH_TERMINAL || b->state == BOSH_DEAD)
        bosh_bury(b);
}

void bosh_drop_all(struct session_host *host)
{
    /* The walk removes one node at a time, and no other one meanwhile. */
    session_host_tombstones(host)->max_bytes = SIZE_MAX;
    table_each(session_host_sids(host), bosh_drop, NULL);
}
