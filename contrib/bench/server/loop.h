/*
 * loop.h - the little that doab-bench-server and doab-bench-relay share: one
 * epoll, connections with a read and a write, a listening socket.
 */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include "base/base.h"
#include "base/buf.h"

#include <netinet/in.h>

struct peer; /* one connection */

struct peer_ops {
    /* How many bytes are done with; the rest comes again with more. */
    size_t (*received)(struct peer *p, const char *at, size_t len);
    void (*gone)(struct peer *p); /* to be freed by this */
};

struct peer {
    const struct peer_ops *ops;
    int fd; /* -1: closed */
    bool awaits_room;
    bool ends; /* closes when what waits is out */
    struct buf in;
    struct buf out;
    struct peer *next_dead;
};

/* Listens at "127.0.0.1:PORT", PORT 0 for any, and prints `ready PORT`.
 * accepted(fd) for each connection.  Ends the process on failure. */
void loop_listen(const char *at, void (*accepted)(int fd));
/* 64, or 0 where --help asks for it. */
int loop_usage(int argc, char **argv, const char *usage);
bool loop_address(const char *text, struct sockaddr_in *out);
void loop_run_forever(void);

/* A non-blocking fd, connected or connecting.  False: it cannot be watched,
 * and is closed. */
bool peer_start(struct peer *p, int fd, const struct peer_ops *ops);
void peer_send(struct peer *p, struct slice a, struct slice b);
void peer_end(struct peer *p); /* when all is sent */
void peer_drop(struct peer *p);

#endif /* BENCH_LOOP_H */
