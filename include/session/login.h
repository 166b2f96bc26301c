/*
 * login.h - what is seen of a login as it passes by: when it has succeeded,
 * and whether the stream can be resumed.
 *
 * Elements of both directions are looked at; nothing is changed and nothing
 * that proves an identity is kept.  SASL and SASL2 say <success/>.  A login
 * without SASL (XEP-0078) succeeds by an iq, and servers that are older still
 * show it by delivering something.
 */
#ifndef SESSION_LOGIN_H
#define SESSION_LOGIN_H

#include "base/base.h"
#include "xmpp/element.h"

struct login {
    bool has_succeeded;
    bool is_managed;   /* XEP-0198 is on */
    bool is_resumable; /* the same, and the client may come back */
    bool is_resuming;  /* it asks for its old stream: that may be so already */
    char *asked_id;    /* owned: of the last login without SASL, or NULL */
};

/* All zero is a login that has not begun. */
void login_fini(struct login *l);

/* An element that the client sent. */
void login_note_sent(struct login *l, const struct element *e);

/* An element of the server.  True: with it the login has succeeded. */
bool login_note_received(struct login *l, const struct element *e);

#endif /* SESSION_LOGIN_H */
