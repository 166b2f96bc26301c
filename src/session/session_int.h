/*
 * session_int.h - the inside of a session, for session.c (life, and what the
 * server sends) and session_send.c (what the client sends).
 */
#ifndef SESSION_SESSION_INT_H
#define SESSION_SESSION_INT_H

#include "base/loop.h"
#include "login.h"
#include "session/session.h"

enum session_state {
    SESSION_OPENING,       /* the server's first header is awaited */
    SESSION_NEGOTIATING,   /* stream there, login not done */
    SESSION_AUTHENTICATED, /* the server said success */
    SESSION_ENDED,         /* silent; waits for session_free */
};

struct session {
    enum session_state state;
    bool is_closing; /* session_close was called */
    bool was_moved;  /* the header that is awaited is the first anew */
    bool is_freed;
    enum session_transport transport;
    struct session_host *host; /* borrowed: outlives every session */
    struct stream *stream;     /* owned; NULL once ended */
    const char *cause;         /* borrowed: while up->ended runs */
    const char *limit;      /* a constant: see session_limit; NULL: none yet */
    struct slice condition; /* borrowed: the same; of a stream error */
    char *domain;           /* owned: U-labels */
    const struct session_ops *up; /* borrowed: static in bosh.c and ws.c */
    void *owner;                  /* borrowed: passed back to up->... */
    struct login login;
    struct timer login_timer;
    struct session *next; /* in the host's list */
    struct session *prev;
    struct defer dead;
    uint64_t opened_ms;
    uint64_t n_up;
    uint64_t n_down;
    struct log_ctx log;
};

/* The login timer runs until the login has succeeded and nothing is kept for
 * it any more. */
void session_set_login_timer(struct session *s);

/* ---- session_send.c ---- */

/* What the login has kept goes to the server, as far as it may now; a restart
 * that it waits for is made.  Not ERR_OK: the session cannot go on. */
MUST_CHECK enum err session_release(struct session *s);

/* What the login has kept is answered as undeliverable. */
COLD void session_return_kept(struct session *s);

#endif /* SESSION_SESSION_INT_H */
