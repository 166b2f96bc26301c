/* The far ends of the connections, as fakes.h hands them to a test. */
#include "sock_peer.h"
#include "net/sock_open.h"
#include "net/sock_text.h"

#include <assert.h>
#include <stdlib.h>

#define FD_FIRST  1000000 /* above any real descriptor */
#define BYTES_MAX (64u << 20)

static struct fake_peer *peers;
static unsigned n_peers;

struct fake_peer *fake_peer_new(void)
{
    struct fake_peer *p = calloc(1, sizeof(*p));
    struct fake_peer **at = &peers;

    if (p == NULL)
        abort();
    p->id = ++n_peers;
    p->fd = FD_FIRST + (int)p->id;
    p->takes = FAKE_NO_LIMIT;
    buf_init(&p->in, BYTES_MAX);
    buf_init(&p->written, BYTES_MAX);
    while (*at != NULL)
        at = &(*at)->next;
    *at = p;
    return p;
}

struct fake_peer *fake_peer_first(void)
{
    return peers;
}

struct fake_peer *fake_peer_by_fd(int fd)
{
    struct fake_peer *p = peers;

    while (p != NULL && p->fd != fd)
        p = p->next;
    return p;
}

size_t fake_sock_reset(void)
{
    size_t left = 0;

    while (peers != NULL) {
        struct fake_peer *p = peers;

        peers = p->next;
        if (p->s != NULL)
            left++;
        buf_free(&p->in);
        buf_free(&p->written);
        free(p);
    }
    n_peers = 0;
    return left;
}

static void stir(struct fake_peer *p)
{
    if (p->s != NULL)
        fake_sock_stir(p->s);
}

struct fake_peer *fake_sock_client(int *fd)
{
    struct fake_peer *p = fake_peer_new();

    *fd = p->fd;
    return p;
}

struct fake_peer *fake_sock_accept(struct sock **out, struct loop *loop,
                                   const struct addr *from,
                                   const struct sock_limits *limits,
                                   const struct sock_ops *ops, void *owner)
{
    int fd;
    struct fake_peer *p = fake_sock_client(&fd);

    if (sock_accept(out, loop, fd, from, limits, ops, owner) != ERR_OK)
        abort();
    return p;
}

size_t fake_sock_connects(void)
{
    struct fake_peer *p;
    size_t n = 0;

    for (p = peers; p != NULL; p = p->next)
        n += p->is_outgoing;
    return n;
}

struct fake_peer *fake_sock_connect_at(size_t i)
{
    struct fake_peer *p = peers;

    while (p != NULL && (!p->is_outgoing || i-- > 0))
        p = p->next;
    return p;
}

unsigned fake_sock_id(const struct fake_peer *p)
{
    return p->id;
}

const struct addr *fake_sock_address(const struct fake_peer *p)
{
    return &p->address;
}

void fake_sock_answer(struct fake_peer *p, bool is_accepted)
{
    assert(p->is_outgoing && !p->is_answered);
    p->is_answered = true;
    p->is_accepted = is_accepted;
    stir(p);
}

void fake_sock_secure(struct fake_peer *p, bool is_ok)
{
    assert(p->is_securing && !p->is_judged);
    p->is_judged = true;
    p->is_trusted = is_ok;
    stir(p);
}

bool fake_sock_is_securing(const struct fake_peer *p)
{
    return p->is_securing;
}

bool fake_sock_is_secured(const struct fake_peer *p)
{
    return p->is_secured;
}

const char *fake_sock_tls_domain(const struct fake_peer *p)
{
    return p->domain;
}

bool fake_sock_tls_verified(const struct fake_peer *p)
{
    return p->is_verified;
}

void fake_sock_deliver(struct fake_peer *p, const void *at, size_t len)
{
    assert(!p->has_eof);
    if (p->end != FAKE_OPEN)
        return; /* nobody is there to read it */
    if (buf_append(&p->in, at, len) != ERR_OK)
        abort();
    stir(p);
}

void fake_sock_eof(struct fake_peer *p)
{
    p->has_eof = true;
    stir(p);
}

void fake_sock_lost(struct fake_peer *p, enum sock_end why)
{
    if (p->end != FAKE_OPEN)
        return;
    p->is_lost = true;
    p->why = why;
    p->end = FAKE_LOST;
    stir(p);
}

struct buf *fake_sock_written(struct fake_peer *p)
{
    return &p->written;
}

void fake_sock_take(struct fake_peer *p, size_t bytes)
{
    p->takes = bytes;
    stir(p);
}

enum fake_end fake_sock_end(const struct fake_peer *p)
{
    return p->end;
}

bool fake_sock_is_paused(const struct fake_peer *p)
{
    return p->is_paused;
}
