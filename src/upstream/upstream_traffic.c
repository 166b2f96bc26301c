#include "upstream_int.h"

#include "upstream_race.h"
#include "upstream_search.h"
#include "net/addr.h"
#include "net/sock.h"

#include <stdio.h>
#include <stdlib.h>

/* --- Bytes ---------------------------------------------------------------- */

enum err upstream_write(struct upstream *u, const struct slice *parts,
                        size_t n_parts)
{
    if (u->state != UPSTREAM_READY)
        return ERR_CLOSED;
    return sock_write(u->sock, parts, n_parts);
}

bool upstream_is_congested(const struct upstream *u)
{
    return u->state == UPSTREAM_READY && sock_is_congested(u->sock);
}

void upstream_pause(struct upstream *u)
{
    if (u->state == UPSTREAM_READY)
        sock_pause(u->sock);
}

void upstream_resume(struct upstream *u)
{
    if (u->state == UPSTREAM_READY)
        sock_resume(u->sock);
}

/* --- The end -------------------------------------------------------------- */

static void upstream_traffic_let_go(struct upstream *u)
{
    upstream_enter(u, UPSTREAM_CLOSED);
    u->sock = NULL;
    upstream_settle(u);
    loop_defer(u->loop, &u->gone, free, u);
}

void upstream_close(struct upstream *u)
{
    if (u->state == UPSTREAM_READY)
        sock_close(u->sock);
    else
        sock_abort(u->sock);
    upstream_traffic_let_go(u);
}

void upstream_leave(struct upstream *u)
{
    if (u != NULL && u->state == UPSTREAM_READY &&
        sock_queued_bytes(u->sock) > 0)
        upstream_close(u);
    else
        upstream_abort(u);
}

void upstream_abort(struct upstream *u)
{
    if (u == NULL)
        return;
    sock_abort(u->sock);
    upstream_traffic_let_go(u);
}

/* --- What there is to know ------------------------------------------------ */

enum upstream_mode upstream_mode(const struct upstream *u)
{
    return u->mode;
}

bool upstream_is_busy(const struct upstream *u)
{
    return u->race != NULL && search_is_busy(race_search(u->race));
}

const char *upstream_cause(const struct upstream *u)
{
    return u->race == NULL ? "" : search_cause(race_search(u->race));
}

const char *upstream_describe(const struct upstream *u, char *out, size_t cap)
{
    char tls[100];
    struct addr_text peer;

    if (cap == 0)
        return "";
    out[0] = '\0';
    if (u->state != UPSTREAM_READY)
        return out;
    peer = sock_peer_text(u->sock);
    snprintf(out, cap, "%s %s", peer.text,
             sock_tls_text(u->sock, tls, sizeof(tls)));
    return out;
}
