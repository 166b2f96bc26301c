/*
 * endpoint.h - an owner of a sock for tests: notes what happens, keeps what
 * was received, and can be told to end the sock from inside a callback.
 */
#ifndef UNIT_ENDPOINT_H
#define UNIT_ENDPOINT_H

#include "base/loop.h"
#include "net/sock.h"
#include "net/sock_open.h"

enum endpoint_event {
    ON_CONNECTED,
    ON_SECURED,
    ON_RECEIVED,
    ON_DRAINED,
    ON_EOF,
    ON_LOST,
    EVENTS
};

enum endpoint_act {
    DO_NOTHING,
    DO_CLOSE,
    DO_ABORT,
    DO_DETACH,
    DO_PAUSE,
    ACTS
};

struct endpoint {
    struct sock *s;
    struct buf got;
    unsigned count[EVENTS];
    enum endpoint_act act[EVENTS]; /* what to do in the callback */
    enum sock_end why;
    char error[200];
    char tls[80];
    bool is_inside; /* set by a test while it calls; callbacks then fail */
    bool is_parcel; /* detached: transfer holds it */
    struct sock_transfer transfer;
};

extern const struct sock_ops endpoint_ops;
extern const struct sock_limits endpoint_limits;

void endpoint_init(struct endpoint *e);

/* Takes fd as a connection of e. */
void endpoint_accept(struct endpoint *e, struct loop *loop, int fd);

/* Two ends of a socketpair. */
void endpoint_pair(struct endpoint *a, struct endpoint *b, struct loop *loop);

void endpoint_close(struct endpoint *e); /* also what it received */

enum err endpoint_write(struct endpoint *e, const char *text);
enum err endpoint_write_bytes(struct endpoint *e, const char *at, size_t len);

/* Runs the loop until *count reaches at_least; fails after 5 s. */
void run_until(struct loop *loop, const unsigned *count, unsigned at_least);

/* The same for the number of bytes that e received. */
void run_until_got(struct loop *loop, const struct endpoint *e, size_t len);

void run_for(struct loop *loop, unsigned ms);

/* len bytes that no shift of them equals; static memory. */
const char *pattern(size_t len);

#endif /* UNIT_ENDPOINT_H */
