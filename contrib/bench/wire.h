/*
 * wire.h - non-blocking connections on one epoll: what doab-bench, its null
 * server and doab-bench-relay share.
 *
 * One thread, one epoll a process, so that there is nothing to hand around.
 * A wire is embedded in what it belongs to, its owner.  It is open from
 * wire_open or wire_take on until wire_close, or until `lost` was told.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include "base/base.h"
#include "base/buf.h"

#include <netinet/in.h>

#define WIRE_FOREVER UINT64_MAX

struct address {
    struct sockaddr_storage at;
    socklen_t len; /* 0: none */
};

/* "127.0.0.1:5280" or "[::1]:5280", the port 0 to 65535. */
bool address_read(struct address *out, const char *text);
bool address_is_loopback(const struct address *a);
unsigned address_port(const struct address *a);

/* All but `received` may be NULL. */
struct wire_ops {
    void (*connected)(void *owner);
    /* How many of the bytes are done with; the rest comes again with more. */
    size_t (*received)(void *owner, const char *at, size_t len);
    /* The wire is closed, but not by wire_close. */
    void (*lost)(void *owner, const char *why);
    /* At the end of the turn in which the wire was closed, however it was, or
     * could not be opened: its memory may be freed. */
    void (*gone)(void *owner);
};

struct wire {
    const struct wire_ops *ops; /* borrowed: static */
    void *owner;                /* back pointer */
    int fd;                     /* -1: closed */
    bool is_connecting;
    bool awaits_room;
    bool ends;      /* closes when what waits is out */
    struct buf in;  /* what is not done with */
    struct buf out; /* what the socket does not take */
    struct wire *next_dead;
};

/* Before all else: the epoll, SIGPIPE, and as many descriptors as are
 * allowed.  Returns their number, or 0, and errno says why there is no
 * epoll. */
unsigned long wire_init(void);
/* When every wire is closed: tells those that are gone, stops listening. */
void wire_fini(void);

/* One listener a process.  accepted(fd) for each connection, which it gives to
 * wire_take.  Where descriptors run out it says so and ends the process.
 * False: errno says why. */
bool wire_listen(const struct address *at, void (*accepted)(int fd));
unsigned wire_listening_port(void);

/* Connects; `connected` follows.  On error `lost` is called from inside. */
void wire_open(struct wire *w, const struct address *to,
               const struct wire_ops *ops, void *owner);
/* A connection that was accepted.  False: it cannot be watched, and is
 * closed; nothing is called. */
bool wire_take(struct wire *w, int fd, const struct wire_ops *ops, void *owner);
void wire_send(struct wire *w, struct slice a, struct slice b);
void wire_close(struct wire *w); /* a closed one: nothing happens */
void wire_end(struct wire *w);   /* wire_close when all is sent */

/* One turn of epoll; waits up to so long. */
void wire_turn(uint64_t wait_ns);

#endif /* BENCH_WIRE_H */
