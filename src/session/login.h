/*
 * login.h - the login of a session: what may cross the gateway until the
 * client is logged in, and when a new stream is due.
 *
 * One table (login.c; docs/login.md) answers, for both transports, what becomes
 * of everything that the client and the server send: RFC 6120 section 6.4.6
 * demands a new stream after <success/> of SASL, and only there; XEP-0388
 * (SASL2) and XEP-0078 have none.  What the client sends before the stream can
 * take it is kept here, in order.  Nothing is sent from here: session.c does
 * what the table says.
 *
 * On the way it is noted whether the stream can be resumed (XEP-0198).
 */
#ifndef SESSION_LOGIN_H
#define SESSION_LOGIN_H

#include "base/base.h"
#include "early.h"
#include "xmpp/element.h"

struct log_ctx;

enum login_state {
    LOGIN_OPENING,    /* the server's first header is awaited */
    LOGIN_NONE,       /* no login is under way */
    LOGIN_IQ_AUTH,    /* XEP-0078: the answer to the last iq is awaited */
    LOGIN_SASL,       /* <success/> or <failure/> is awaited */
    LOGIN_SASL2,      /* the same of XEP-0388 */
    LOGIN_DUE,        /* <success/> came: the client's restart is awaited */
    LOGIN_RESTARTING, /* our new header was sent: the server's is awaited */
    LOGIN_UNASKED,    /* the same, and the client has not asked for it */
    LOGIN_FEATURES,   /* features come that the client does not expect */
    LOGIN_SHOWN,      /* done without SASL, as the server's conduct shows */
    LOGIN_DONE,       /* everything passes */
    LOGIN_STATES
};

/* How a client begins its new stream. */
enum login_manner {
    LOGIN_BY_RESTART, /* BOSH: by an attribute, or by going on without one */
    LOGIN_BY_ITSELF,  /* BOSH without ver: it is begun for it */
    LOGIN_BY_OPEN,    /* WebSocket: by <open/>, never by ourselves (J31) */
};

enum login_act {
    LOGIN_PASS,    /* to the other side; of a restart: nothing is to be done */
    LOGIN_KEEP,    /* until login_next yields it */
    LOGIN_RESTART, /* a new header goes to the server */
    LOGIN_KEEP_AND_RESTART,
    LOGIN_RELEASE,   /* to the client; then what was kept, by login_next */
    LOGIN_RETURN,    /* to the client; then what was kept is undeliverable */
    LOGIN_SWALLOW,   /* to nobody */
    LOGIN_TOO_EARLY, /* no login calls for a restart yet */
    LOGIN_TOO_LATE,  /* no login calls for a restart any more */
};

struct login {
    enum login_state state;
    enum login_manner manner;
    bool has_succeeded; /* the server has shown so, in whatever way */
    bool is_managed;    /* XEP-0198 is on */
    bool is_resumable;  /* the same, and the client may come back */
    bool is_resuming;   /* it asks for its old stream: that may be so already */
    char *asked_id;     /* owned: of the last login without SASL, or NULL */
    struct early kept;
    char *from; /* owned: of a restart that waits for <success/>; else NULL */
    char *lang; /* owned: the same */
    const struct log_ctx *log; /* borrowed: of the session, which owns us */
};

void login_init(struct login *l, enum login_manner manner,
                const struct log_ctx *log);
void login_fini(struct login *l);

/* The server's header has come: LOGIN_RELEASE. */
enum login_act login_header(struct login *l);

/* The header counts no more, another server is connected to. */
void login_moved(struct login *l);

/* The client sends e: LOGIN_PASS, LOGIN_KEEP (login_keep takes it) or
 * LOGIN_KEEP_AND_RESTART. */
enum login_act login_send(struct login *l, const struct element *e);

/* max_bytes bounds all that is kept.  ERR_LIMIT, ERR_NOMEM: e is not kept. */
MUST_CHECK enum err login_keep(struct login *l, const struct element *e,
                               size_t max_bytes);

/*
 * After LOGIN_RELEASE: LOGIN_PASS yields the first of what was kept, whose
 * bytes live until login_drop; LOGIN_RESTART: a new header comes first, with
 * what login_keep_restart was told; LOGIN_KEEP: nothing more may go now.
 */
enum login_act login_next(struct login *l, struct element *e);
void login_drop(struct login *l);

/*
 * The client asks for a new stream: LOGIN_RESTART, LOGIN_KEEP (with the next
 * <success/>: login_keep_restart), LOGIN_PASS (it was made already and the
 * client did not know), LOGIN_TOO_EARLY or LOGIN_TOO_LATE.
 */
enum login_act login_ask(struct login *l);

/* from and lang as session_restart takes them; copied.  ERR_NOMEM. */
MUST_CHECK enum err login_keep_restart(struct login *l, struct slice from,
                                       struct slice lang);
void login_forget_restart(struct login *l);

/* The server sends e: LOGIN_PASS, LOGIN_RELEASE, LOGIN_RETURN or
 * LOGIN_SWALLOW. */
enum login_act login_receive(struct login *l, const struct element *e);

const char *login_state_name(enum login_state state);

#endif /* SESSION_LOGIN_H */
