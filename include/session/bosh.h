/*
 * bosh.h - BOSH sessions (XEP-0124, XEP-0206), without HTTP: parsed requests
 * in, answers out.
 *
 *   CREATING -> OPEN -> TERMINAL -> DEAD
 *      `---------`------------------^
 *
 * CREATING: the creation request waits for the server's features.
 * TERMINAL: the session is over and no request was there to be told; the
 *           next one is.
 * DEAD:     it still repeats its last answers.
 * Both are tombstones: they have no place among the sessions, and the oldest
 * goes where all together need too much memory (tombstones.h).
 *
 * front/bosh_http.c carries it: it owns the memory of each struct
 * bosh_request, which is lent to the session from bosh_receive until answer()
 * is called or bosh_left(…, BOSH_LEFT_RST) was told.
 */
#ifndef SESSION_BOSH_H
#define SESSION_BOSH_H

#include "base/base.h"
#include "net/addr.h"
#include "session/bosh_body.h"
#include "session/session.h"

struct bosh;
struct bosh_request;

struct bosh_answer {
    unsigned status;           /* 200; 400, 403, 404 to legacy clients; 503,
                                  without a body: no new sessions now */
    struct slice content_type; /* constant text */
    struct slice body;         /* borrowed until answer() returns */
    bool must_close;           /* and so does the connection */
    bool may_compress;         /* after login, and no part of it (L60) */
};

/* Answers the request, exactly once; it is the front's again.  The front may
 * hand in the next request of the connection before it returns. */
typedef void bosh_answer_fn(struct bosh_request *r,
                            const struct bosh_answer *answer);

/* A request that waits for its answer.  The front embeds it, sets `answer`
 * and leaves the rest, zeroed, to the session. */
struct bosh_request {
    bosh_answer_fn *answer;
    struct bosh *session;      /* back pointer; NULL when not held */
    struct bosh_request *next; /* by rid */
    struct bosh_body *early;   /* owned: contents of a parked request */
    uint64_t rid;
    uint64_t deadline_ms;
    bool is_parked;
    bool must_close;   /* with the answer */
    bool may_compress; /* the answer */
    bool has_left;     /* its client sent FIN: no payload goes there any more */
};

/* What bosh_http knows of a request besides its body. */
struct bosh_origin {
    const struct addr *client;
    struct bosh *session; /* borrowed: bosh_find of the body's sid; or NULL */
    bool is_secure;
};

/* The session of that sid, or its tombstone; NULL: there is none here.  Lives
 * until something is done with a session. */
struct bosh *bosh_find(const struct session_host *host, struct slice sid);

/*
 * One whole request.  verdict is bosh_body_read's; *body is read before it
 * returns.  The answer comes now or later.  With BOSH_BODY_FOREIGN, which is
 * for a sid that is not known, it comes now: item-not-found.
 */
void bosh_receive(struct session_host *host, struct bosh_request *r,
                  const struct bosh_body *body, enum bosh_verdict verdict,
                  const struct bosh_origin *origin);

enum bosh_left {
    BOSH_LEFT_FIN, /* the client will probably not read the answer */
    BOSH_LEFT_RST, /* nobody can be answered: *r is the front's again */
};

/* The client of an unanswered request went away (decision 4). */
void bosh_left(struct bosh_request *r, enum bosh_left how);

/* Another session's request waits behind this one on its connection: it is
 * answered as if its wait were over, in the next turn.  Not the creation
 * request, nor one that came early. */
void bosh_hurry(struct bosh_request *r);

/* The worker in a sid of this node: -1 when it is none of ours.  Says nothing
 * about whether the session exists. */
int bosh_sid_worker(const struct session_host *host, struct slice sid);

/* Drops all tombstones and sessions at once: before the host is freed. */
void bosh_drop_all(struct session_host *host);

#endif /* SESSION_BOSH_H */
