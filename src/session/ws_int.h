/*
 * ws_int.h - struct ws, for ws.c (what the client says) and ws_end.c (how it
 * ends) only.
 */
#ifndef SESSION_WS_INT_H
#define SESSION_WS_INT_H

#include "base/loop.h"
#include "session/ws.h"
#include "ws_element.h"

struct stream_header;

enum ws_state {
    WS_WAITING_OPEN,   /* the client's <open/> */
    WS_CONNECTING,     /* the server's header */
    WS_OPEN,           /* stanzas flow; a restart stays here */
    WS_CLOSING_SERVER, /* the client said <close/>: the server's end */
    WS_CLOSING_CLIENT, /* we said <close/>: the client's */
    WS_CLOSED,         /* memory goes at the end of this loop turn */
};

/* What a client's <open/> says of itself. */
struct ws_names {
    bool is_given;
    uint8_t major; /* of its version attribute; 0.0: none */
    uint8_t minor;
    char *from; /* owned; NULL: none */
};

struct ws {
    enum ws_state state;
    enum ws_code code;  /* for finish, once <close/> was said */
    const char *reason; /* borrowed: a constant */
    bool is_secure;
    bool has_login;     /* login succeeded; remembered past the session's end */
    bool is_past_login; /* what is being sent has nothing to do with it */
    bool is_paused;     /* the server is not read: the client is slow */
    bool is_stopped;    /* the client is not read: the server is slow */
    struct ws_names names; /* of the <open/> that ours answers */
    struct ws_names next;  /* of the one that begins the next stream */
    unsigned n_empty;      /* empty messages since empty_since_ms (J15) */
    uint64_t empty_since_ms;
    const struct ws_framing *framing; /* borrowed: a constant */
    struct session_host *host;        /* borrowed: outlives every session */
    struct session *session; /* owned; NULL before <open/> and at the end */
    const struct ws_ops *up; /* borrowed: static in the carrier */
    void *owner;             /* borrowed: passed back to up->... */
    struct addr *client;     /* owned; NULL once a session has it */
    char *to;                /* owned: of the first <open/> */
    struct timer timer;      /* open_ms, then close_ms */
    struct defer dead;
};

/* The only place that writes w->state. */
void ws_enter(struct ws *w, enum ws_state next);

/* ---- ws_end.c ---- */

/* What was said after a send that failed is lost; the carrier closes. */
void ws_say_open(struct ws *w, const struct stream_header *header);

/* A stream error of ours, inside a header of ours where the client has not
 * seen one, and <close/>; the client's is awaited, a bounded time.  The
 * session is ended for `why`. */
COLD void ws_refuse(struct ws *w, const char *condition, enum session_end why);

/* The same for a client that broke the rules: counted and logged. */
COLD void ws_reject(struct ws *w, const char *condition, enum session_end why);

/* The same for what is above a limit, which the text names; NULL: that of
 * ws_message_max. */
COLD void ws_reject_limit(struct ws *w, const char *text);

/* The condition for a session that was not admitted. */
const char *ws_refusal_condition(enum session_end why);

/* Both sides have said <close/>: the WebSocket ends with w->code. */
void ws_finish(struct ws *w, enum session_end why);

/* Both sides are done, or we wait no longer. */
void ws_on_timer(void *arg);

/* Of struct session_ops. */
void ws_on_ended(void *arg, enum session_end why, const struct element *error);
void ws_on_shutdown(void *arg);

#endif /* SESSION_WS_INT_H */
