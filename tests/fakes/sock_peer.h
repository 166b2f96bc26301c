/*
 * sock_peer.h - what sock.c (net/sock.h) and sock_peer.c (the test's side)
 * share.
 */
#ifndef FAKES_SOCK_PEER_H
#define FAKES_SOCK_PEER_H

#include "fakes.h"

struct fake_peer {
    struct fake_peer *next; /* in the order of their making */
    unsigned id;
    int fd; /* no real one: names the peer in sock_accept and parcels */
    bool is_outgoing; /* made by sock_connect */
    struct addr address;
    struct sock *s; /* NULL: not taken yet, in a transfer, or gone */
    enum fake_end end;

    /* What the test did and doab was not told of yet. */
    struct buf in;
    bool is_answered, is_accepted;
    bool is_judged, is_trusted; /* TLS */
    bool has_eof, is_eof_told;
    bool is_lost;
    enum sock_end why;

    /* What doab did. */
    struct buf written;
    size_t takes; /* bytes more; FAKE_NO_LIMIT */
    bool is_securing, is_secured, is_verified, is_paused;
    char domain[256];
};

struct fake_peer *fake_peer_new(void);
struct fake_peer *fake_peer_first(void);
struct fake_peer *fake_peer_by_fd(int fd); /* NULL: nobody's */

/* sock.c: lets doab see, in the next turn, what was done to its peer. */
void fake_sock_stir(struct sock *s);

#endif /* FAKES_SOCK_PEER_H */
