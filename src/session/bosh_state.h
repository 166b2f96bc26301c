/*
 * bosh_state.h - the inside of struct bosh: seen by bosh.c (its life),
 * bosh_receive.c (requests), bosh_reply.c (answers) and bosh_end.c (the last
 * ones), and by nobody else.
 */
#ifndef SESSION_BOSH_STATE_H
#define SESSION_BOSH_STATE_H

#include "base/loop.h"
#include "base/table.h"
#include "session/bosh.h"
#include "bosh_cache.h"
#include "bosh_grant.h"
#include "bosh_key.h"
#include "bosh_pace.h"
#include "outbox.h"
#include "rid.h"
#include "tombstones.h"

#define BOSH_ROOM_BYTES 8192 /* a body around the payload of one answer */

#define BOSH_SID_CAP 48 /* node, worker, generation, 26 characters */

struct bosh_told; /* the server's header, until the client was told */

enum bosh_state {
    BOSH_CREATING, /* the answer with the sid is due */
    BOSH_OPEN,
    BOSH_TERMINAL, /* over; the client's next request is awaited */
    BOSH_DEAD,     /* over and told; repeats are still answered */
};

struct bosh {
    struct table_node node;     /* in the host's table, by sid */
    struct tombstone tombstone; /* in the host's list, once it has ended */
    enum bosh_state state;
    bool is_ready; /* the server will send no features (K44) */
    bool is_paused;
    bool is_server_paused; /* the outbox is above its high mark */
    bool release_all;      /* a pause: everything pending is answered */
    bool is_secure;        /* born on TLS: stays there (B84) */
    bool is_past_login;    /* and nothing of it is queued any more */
    uint64_t plain_rid;    /* answers up to it are never compressed */
    uint16_t n_awaited;    /* answers of the server to the creation request */
    uint16_t repeats;      /* of repeats_rid */
    uint64_t repeats_rid;
    struct session_host *host;  /* borrowed: outlives every session */
    struct session *session;    /* owned; NULL once ended */
    struct bosh_request *first; /* lent by the front: open and parked */
    struct rid_window window;
    struct bosh_grant grant;
    struct bosh_cache cache;
    struct bosh_keys *keys; /* owned; NULL: no key sequence */
    struct bosh_pace pace;
    uint64_t report; /* rid whose answer the client seems to lack; 0: none */
    struct outbox outbox;
    struct bosh_told *told; /* owned; NULL: nothing to tell */
    const char *condition;  /* of the terminal answer; NULL: none */
    struct buf error;       /* <stream:error/> of the terminal answer */
    unsigned pause_s;
    uint64_t pause_rid; /* its answer has no payload */
    struct timer wait;  /* the earliest deadline of a pending request */
    struct timer idle;  /* inactivity; then the tombstone's end */
    struct defer flush; /* answers leave at the end of the turn */
    struct defer dead;
    char sid[BOSH_SID_CAP];
};

/* The only place that writes b->state. */
void bosh_enter(struct bosh *b, enum bosh_state next);

/* ---- bosh.c ---- */

/* XEP-0124 section 7.1: a readable body without sid. */
void bosh_create(struct session_host *host, struct bosh_request *r,
                 const struct bosh_body *body,
                 const struct bosh_origin *origin);

/* We end the session, for a reason that the request `trigger` gave, or none
 * (0): the server's stream ends and every request is answered. */
COLD void bosh_finish(struct bosh *b, enum session_end why,
                      const char *condition, uint64_t trigger);

/* The terminal answer says this beside its condition. */
COLD void bosh_tell_text(struct bosh *b, const char *text);

/* What is due is answered at the end of this loop turn. */
void bosh_flush_soon(struct bosh *b);

/* ---- bosh_receive.c ---- */

/* The payload of a request goes to the server; the session may have ended. */
void bosh_forward(struct bosh *b, const struct bosh_request *r,
                  const struct bosh_body *body);

/* A parked terminate has waited long enough for what is missing before it:
 * it is executed (B72, T10). */
void bosh_jump(struct bosh *b, struct bosh_request *r);

/* ---- bosh_reply.c ---- */

/* Notes the server's header, to be told with the next answer.  ERR_NOMEM. */
MUST_CHECK enum err bosh_tell(struct bosh *b,
                              const struct stream_header *header);
void bosh_untell(struct bosh *b);

/* Puts a request into the list of those that wait, its deadline wait_ms
 * from now. */
void bosh_hold(struct bosh *b, struct bosh_request *r, uint64_t wait_ms);
struct bosh_request *bosh_held(const struct bosh *b, uint64_t rid);
void bosh_unhold(struct bosh *b, struct bosh_request *r);

/* Sets the wait and the idle timer to what the requests now ask for. */
void bosh_set_timers(struct bosh *b);

/* Answers what is to be answered now, oldest rid first. */
void bosh_flush(struct bosh *b);

/* The deadline of some requests has come. */
void bosh_expire(struct bosh *b);

/* The HTTP status for a condition: a code for three of them to clients
 * without ver (XEP-0124 section 17.1; F20), else 200. */
unsigned bosh_status_of(const struct bosh_grant *grant, const char *condition);

/* What `ack` says in the answer to that rid; 0: nothing (C01). */
uint64_t bosh_ack(const struct bosh *b, uint64_t rid);

/* Hands an answer to the front: r is the front's again when this returns,
 * and may be in use anew. */
void bosh_give(struct bosh_request *r, const struct bosh_grant *grant,
               unsigned status, struct slice body);

/*
 * Answers the oldest open rid; its request may be missing, since its
 * connection died: then the answer waits in the cache for the repeat.  From
 * here on the rid counts as answered, whatever the socket does (B13).
 * Either constant bytes, or *owned, whose contents are taken.
 */
void bosh_answer_oldest(struct bosh *b, unsigned status, struct slice constant,
                        struct buf *owned);
void bosh_answer_empty(struct bosh *b); /* the same, with an empty body */

/* Answers without any state: unknown sid, unreadable body. */
COLD void bosh_refuse(struct bosh_request *r, const struct bosh_grant *grant,
                      const char *condition);

/* The same with policy-violation, and which limit it is, in words. */
COLD void bosh_refuse_limit(struct bosh_request *r,
                            const struct bosh_grant *grant, const char *text);

/* No new sessions now, by sessions_max or a drain: 503, which the front words
 * (decision 9). */
void bosh_refuse_busy(struct bosh_request *r);

/* The words of bosh_refuse, and the connection closes: the session lives on
 * TLS. */
void bosh_refuse_insecure(struct bosh_request *r,
                          const struct bosh_grant *grant);

/* A request that is not in the list, with an answer given before. */
void bosh_replay(struct bosh *b, struct bosh_request *r,
                 const struct bosh_reply *reply);
/* type='error': the client may repeat it (F30). */
void bosh_answer_error(struct bosh *b, struct bosh_request *r);

/* ---- bosh_end.c ---- */

/*
 * The session is over: every pending request is answered.  `trigger` (0:
 * none) is the rid whose request ended it: it gets the condition and the
 * others other-request (F15).  Without one the oldest gets what is still
 * queued and the condition (B74); after a client's terminate (is_goodbye)
 * the oldest gets type='terminate' and the others an empty body (B71).
 * b->session is gone already; b->condition and b->error are set.
 */
COLD void bosh_terminate(struct bosh *b, uint64_t trigger, bool is_goodbye);

/* TERMINAL: this request takes the terminal answer. */
void bosh_answer_terminal(struct bosh *b, struct bosh_request *r);

/* Silences the session and gives its memory back at the end of the turn. */
void bosh_bury(struct bosh *b);

/* From now on b may be buried to make room for others. */
COLD void bosh_become_tombstone(struct bosh *b);

#endif /* SESSION_BOSH_STATE_H */
