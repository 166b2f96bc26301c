/*
 * session_int.h - the insides of a session and of what the sessions of a worker
 * share, for session.c, which keeps the list of sessions, and session_host.c.
 */
#ifndef SESSION_SESSION_INT_H
#define SESSION_SESSION_INT_H

#include "base/loop.h"
#include "base/slots.h"
#include "base/trim.h"
#include "login.h"
#include "session/session.h"
#include "session/session_host.h"
#include "tombstones.h"

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

struct session_host {
    struct stream_env env;              /* borrowed members */
    const struct domain_table *domains; /* borrowed: app's configuration */
    struct session_settings settings;
    char *see_other_uri;   /* owned: that of settings */
    struct session *first; /* sessions that have not ended, newest first */
    size_t count;
    struct trim trim;     /* counts them, too */
    struct slots *places; /* borrowed, or own_places: one for each session */
    struct slots own_places;
    struct table *sids; /* owned; the nodes are bosh.c's; bounded by places
                           and by the bytes of tombstones */
    struct tombstones tombstones; /* those nodes, too */
    bool is_draining;
    struct log_limit refused_limit; /* refusals that strangers cause */
    char sid_prefix[20];
    size_t sid_prefix_len;
};

/* Tells each session to say goodbye; session.c walks its own list. */
void session_shutdown_all(struct session_host *host);

#endif /* SESSION_SESSION_INT_H */
