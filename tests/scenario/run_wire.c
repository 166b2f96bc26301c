#include "run.h"

#include "../fakes/fakes.h"
#include "front/http.h"

/* --- Clients -------------------------------------------------------------- */

bool wire_serve(struct run *r, struct client *c)
{
    struct addr addr;
    int fd;

    if (addr_parse_ip(&addr, "203.0.113.7", 40000) != ERR_OK)
        return false;
    c->peer = fake_sock_client(&fd);
    return http_serve(r->world->http, fd, &addr, NULL, false) == ERR_OK;
}

/* --- Servers -------------------------------------------------------------- */

struct fake_peer *wire_next_connect(struct run *r)
{
    size_t known = 0;

    for (struct server *v = r->world->servers; v != NULL; v = v->next)
        known++;
    return fake_sock_connects() > known ? fake_sock_connect_at(known) : NULL;
}

void wire_accept(struct fake_peer *p)
{
    fake_sock_answer(p, true);
}

void wire_refuse(struct fake_peer *p)
{
    fake_sock_answer(p, false);
}

bool wire_secure(struct fake_peer *p, bool is_trusted)
{
    if (!fake_sock_is_securing(p))
        return false;
    fake_sock_secure(p, is_trusted);
    return true;
}

/* --- Both ----------------------------------------------------------------- */

bool wire_send(struct run *r, struct fake_peer *p, struct slice bytes)
{
    if (fake_sock_end(p) == FAKE_OPEN)
        fake_sock_deliver(p, bytes.at, bytes.len);
    return true;
}

bool wire_take(struct run *r, struct fake_peer *p, struct buf *to)
{
    struct buf *written = fake_sock_written(p);

    if (buf_append_slice(to, buf_slice(written)) != ERR_OK)
        return fail(r, "fewer bytes", "too many");
    buf_clear(written, 0);
    return true;
}

void wire_fin(struct fake_peer *p)
{
    fake_sock_eof(p);
}

void wire_reset(struct fake_peer *p)
{
    fake_sock_lost(p, SOCK_RESET);
}

void wire_stall(struct fake_peer *p, bool is_stalled)
{
    fake_sock_take(p, is_stalled ? 0 : FAKE_NO_LIMIT);
}

bool wire_is_closed(const struct fake_peer *p)
{
    return fake_sock_end(p) == FAKE_CLOSED;
}

bool wire_is_dropped(const struct fake_peer *p)
{
    return fake_sock_end(p) == FAKE_ABORTED || fake_sock_end(p) == FAKE_LOST;
}

/* --- Time ----------------------------------------------------------------- */

bool wire_turn(struct run *r)
{
    return fake_loop_turn(r->world->loop);
}

size_t wire_advance(struct run *r, size_t ms)
{
    return (size_t)fake_loop_step(r->world->loop, ms);
}

size_t wire_timers(struct run *r)
{
    return fake_loop_timers(r->world->loop);
}

size_t wire_end(void)
{
    return fake_sock_reset();
}
