/*
 * session.h - what a BOSH session and a WebSocket have in common: one XMPP
 * stream to the server of one domain, and the rules for what may cross.
 *
 * bosh.c and ws.c own one session each; it owns the stream.  It decides
 * which domain is served, watches the login (limits before it, a timer),
 * answers by itself what must never reach a server (STARTTLS, compression),
 * and writes the one log line at the end.
 *
 *   OPENING -> NEGOTIATING -> AUTHENTICATED -> ENDED
 *
 * What the sessions of a worker share is in session_host.h.
 */
#ifndef SESSION_SESSION_H
#define SESSION_SESSION_H

#include "base/base.h"
#include "base/log.h"
#include "net/addr.h"
#include "xmpp/element.h"
#include "xmpp/stream.h"

struct session;
struct slots;
struct session_host;
struct table;
struct tombstones;

enum session_transport {
    SESSION_BOSH,
    SESSION_WEBSOCKET
};

const char *session_transport_name(enum session_transport transport);

/* Why a session ended: one closed list for log, metrics and answers. */
#define SESSION_ENDS(X)                                                        \
    X(CLIENT_CLOSED, "client-closed")           /* terminate, <close/> */      \
    X(CLIENT_GONE, "client-gone")               /* inactivity, socket lost */  \
    X(BAD_REQUEST, "bad-request")               /* malformed input */          \
    X(ITEM_NOT_FOUND, "item-not-found")         /* rid out of the window */    \
    X(POLICY, "policy-violation")               /* a limit */                  \
    X(ADDRESSING, "improper-addressing")        /* no to */                    \
    X(HOST_UNKNOWN, "host-unknown")             /* domain not served */        \
    X(SERVER_UNREACHABLE, "server-unreachable") /* never got a stream */       \
    X(SERVER_ERROR, "server-error")             /* <stream:error/> */          \
    X(SERVER_CLOSED, "server-closed")           /* </stream:stream> */         \
    X(SERVER_LOST, "server-lost")               /* without it */               \
    X(SERVER_INVALID, "server-invalid")         /* bad XML from the server */  \
    X(LOGIN_TIMEOUT, "login-timeout")           /* never authenticated */      \
    X(SHUTDOWN, "shutdown")                     /* doab is going down */       \
    X(INTERNAL, "internal")                     /* memory */                   \
    X(SERVER_BUSY, "server-busy")               /* too many connect to it */

enum session_end {
#define SESSION_END_ENUM(name, text) SESSION_END_##name,
    SESSION_ENDS(SESSION_END_ENUM)
#undef SESSION_END_ENUM
    SESSION_END_COUNT
};

const char *session_end_name(enum session_end why);

struct session_params {
    enum session_transport transport;
    struct slice to;
    struct slice from; /* forwarded if it is a bare JID of that domain */
    struct slice lang;
    struct slice route;        /* of BOSH (XEP-0124 section 7.1); "": none */
    const struct addr *client; /* effective address, copied */
    bool is_secure;            /* the client's leg is encrypted */
    bool is_legacy; /* BOSH without ver: its stream is restarted for it */
};

struct session_ops {
    /* The server's header, after TLS: once, and once after each restart. */
    void (*opened)(void *owner, const struct stream_header *header);
    void (*element)(void *owner, const struct element *e);
    void (*drained)(void *owner); /* session_send works again */
    /* The session is over and silent from now on; the owner lets go with
     * session_free.  error: the server's <stream:error/> or NULL. */
    void (*ended)(void *owner, enum session_end why,
                  const struct element *error);
    /* doab is going down: say so to the client and end. */
    void (*shutdown)(void *owner);
};

/*
 * Admits the session and begins to connect.  On anything but ERR_OK there is
 * no session and *why says what to tell the client: ADDRESSING (no to),
 * HOST_UNKNOWN (ERR_INVALID), POLICY (ERR_LIMIT: sessions_max), SHUTDOWN
 * (ERR_CLOSED), INTERNAL (ERR_NOMEM).
 */
MUST_CHECK enum err session_open(struct session **out,
                                 struct session_host *host,
                                 const struct session_params *params,
                                 const struct session_ops *ops, void *owner,
                                 enum session_end *why);

/*
 * One element from the client.  ERR_OK: sent, kept until the stream can take it
 * (login.h), or answered by ourselves (`element` is then called with the
 * answer, and after a refused <starttls/> or <compress/> `ended`).
 * ERR_INVALID: not allowed at all (jabber:server, a stream header, framing):
 * the owner ends with bad-request.  ERR_LIMIT: the server's queue is full, or
 * it is larger than allowed before login, by itself or with what is kept.
 */
MUST_CHECK enum err session_send(struct session *s, const struct element *e);

/*
 * The client asks for a new stream (restart, second <open/>).  ERR_OK: it is
 * begun now, with the next <success/>, or was begun already.  ERR_MISSING: no
 * login calls for one yet; ERR_INVALID: none does any more: nothing was sent,
 * the session goes on.  Else the session cannot go on.
 */
MUST_CHECK enum err session_restart(struct session *s, struct slice from,
                                    struct slice lang);

bool session_is_congested(const struct session *s); /* towards the server */
void session_pause(struct session *s); /* the client reads too slowly */
void session_resume(struct session *s);

bool session_is_open(const struct session *s); /* a header was received */
/* Login had succeeded; after `ended` too, until session_free. */
bool session_is_authenticated(const struct session *s);
/* XEP-0198 is on: the server keeps what the client did not acknowledge; and
 * the client may resume the stream. */
bool session_is_managed(const struct session *s);
bool session_is_resumable(const struct session *s);
const char *session_domain(const struct session *s); /* U-labels */
struct log_ctx *session_log(struct session *s);

/* Largest element that may come from the client now; before login only what a
 * login or a registration consists of may be so large. */
size_t session_stanza_max(const struct session *s);

/* All that may be kept of what the client sends before its turn. */
size_t session_early_max(const struct session *s);

/* What bounds an element to max_bytes, one of the two above: "above
 * limits.stanza_max", …, in words for the client.  A constant. */
const char *session_size_limit(const struct session *s, size_t max_bytes);

/* After ERR_LIMIT of session_send: which limit, in words for the client.  A
 * constant. */
const char *session_limit(const struct session *s);

/* Ends politely: </stream:stream> to the server, what it still sends is
 * delivered, `ended` follows with CLIENT_CLOSED. */
void session_close(struct session *s);

/*
 * Ends at once for `why` and frees; `ended` is not called.
 * is_graceful: with </stream:stream> (a client that said goodbye, a BOSH
 * session that expired without XEP-0198); else the connection is dropped so
 * that the server may keep a resumable stream (J45, G33).
 * NULL is fine.
 */
COLD void session_end(struct session *s, enum session_end why,
                      bool is_graceful);

/* While `ended` is called: why there is no server, in words for operators, if
 * clients may be told; else NULL. */
const char *session_cause(const struct session *s);

/* After `ended`: gives the memory back. */
void session_free(struct session *s);

#endif /* SESSION_SESSION_H */
