#include "run_settings.h"

#include "base/loop.h"
#include "../fakes/fake_resolve.h"
#include "front/bosh_http.h"
#include "front/route.h"
#include "session/bosh.h"
#include "session/session.h"
#include "session/session_host.h"
#include "upstream/connect_limit.h"
#include "upstream/domain.h"
#include "dns/resolve.h"

#include <stdlib.h>

#define PASS_MAX_MS (24u * 3600 * 1000)

/* dns NAME 192.0.2.1 | none | failed | silent */
bool world_dns(struct run *r, const struct step *s)
{
    if (s->n_words < 3)
        return fail(r, "dns NAME ANSWER", "less");
    if (strcmp(s->words[2], "silent") == 0)
        fake_resolve_set_silent(s->words[1]);
    else if (strcmp(s->words[2], "failed") == 0)
        fake_resolve_set_srv(s->words[1], RESOLVE_FAILED, NULL, 0);
    else if (strcmp(s->words[2], "none") != 0)
        fake_resolve_set_host(s->words[1], RESOLVE_OK, s->words[2]);
    return true;
}

/* --- A worker ------------------------------------------------------------- */

static void on_request(void *arg, struct http_exchange *x,
                       const struct http_request *request)
{
    struct world *w = arg;

    if (route_of(request->head) == ROUTE_BOSH)
        bosh_http_request(w->bind, x, request);
    else if (route_of(request->head) == ROUTE_SERVER)
        http_respond_options(x, "GET, HEAD, OPTIONS, POST");
    else
        http_respond_status(x, 404);
}

static size_t on_begun(void *arg, struct http_exchange *x,
                       const struct http_request *request)
{
    struct world *w = arg;

    if (route_of(request->head) == ROUTE_BOSH)
        return bosh_http_begun(w->bind, x, request);
    return HTTP_BODY_FIRST_BYTES;
}

static const struct http_handler http_handler = {.request = on_request,
                                                 .begun = on_begun};

/* None may wait for its turn. */
static bool start_connect_limit(struct world *w)
{
    unsigned max = (unsigned)settings.connects_max;
    struct connect_limit_limits limits = {max, max, max, 0};

    return max == 0 ||
           connect_limit_new(&w->connect_limit, w->loop, &limits) == ERR_OK;
}

static bool start_sessions(struct world *w)
{
    struct session_host_params sessions = {
        .env = {.loop = w->loop,
                .resolver = w->resolver,
                .pool = w->pool,
                .copier = w->copier,
                .shared = {.connect_limit = w->connect_limit}},
        .domains = settings.domains,
        .settings = settings.session,
        .node = "t",
    };
    struct http_server_params http = {
        .loop = w->loop,
        .limits = settings.http,
        .origins = settings.origins,
        .handler = &http_handler,
        .arg = w,
    };
    struct bosh_http_params bind = {
        .origins = settings.origins,
        .body_max_bytes = settings.http.body_max_bytes,
        .gzip = settings.gzip > 0,
        .gzip_min_bytes = settings.gzip_min_bytes,
        .workers = 1,
    };

    if (session_host_new(&w->sessions, &sessions) != ERR_OK ||
        http_server_new(&w->http, &http) != ERR_OK)
        return false;
    bind.sessions = w->sessions;
    return bosh_http_new(&w->bind, &bind) == ERR_OK;
}

bool world_start(struct run *r)
{
    struct world *w;

    if (r->world != NULL)
        return true;
    if (settings.domains == NULL &&
        !settings_add_domain(r, "example.org", "127.0.0.1:5222", UPSTREAM_PLAIN,
                             false))
        return false;
    w = r->world = arena_get(&r->arena, sizeof(*w));
    w->servers_are_manual = settings.servers_are_manual;
    if (loop_new(&w->loop) != ERR_OK || xml_pool_new(&w->pool, 4) != ERR_OK ||
        element_copier_new(&w->copier) != ERR_OK ||
        resolver_new(&w->resolver, w->loop,
                     &(struct resolver_params){.timeout_ms = 5000}) != ERR_OK ||
        !start_connect_limit(w) || !start_sessions(w))
        return fail(r, "a world", "no memory");
    return true;
}

/* --- Time ----------------------------------------------------------------- */

bool world_settle(struct run *r)
{
    bool progress = true;
    unsigned turns = 0;

    while (progress) {
        progress = wire_turn(r);
        if (!server_read_all(r, &progress) || !client_read_all(r, &progress))
            return false;
        if (++turns > SETTLE_TURNS)
            return fail(r, "rest", "still busy after %u turns", turns);
    }
    return true;
}

/* Time passes in the order of the timers, and all is read in between. */
bool world_pass(struct run *r, const struct step *s)
{
    size_t ms;

    if (s->n_words < 2 || !settings_number(s->words[1], &ms) ||
        ms > PASS_MAX_MS)
        return fail(r, "a time such as 61s", "another");
    while (ms > 0) {
        ms -= wire_advance(r, ms);
        if (!world_settle(r))
            return false;
    }
    return true;
}

bool world_drain(struct run *r, const struct step *s)
{
    session_host_drain(r->world->sessions);
    ws_drain_all(r);
    if (step_has(s, 1, "http"))
        http_server_drain(r->world->http);
    return world_settle(r);
}

/* sessions 1: how many there are now. */
bool world_sessions(struct run *r, const struct step *s)
{
    size_t count = session_host_count(r->world->sessions);

    if (s->n_words < 2 || strtoul(s->words[1], NULL, 10) != count)
        return fail(r, s->n_words < 2 ? "a number" : s->words[1], "%zu", count);
    return true;
}

/* --- The end -------------------------------------------------------------- */

static void destroy(struct world *w)
{
    server_free_all(w);
    http_server_free(w->http);
    bosh_http_free(w->bind);
    session_host_free(w->sessions);
    if (w->resolver != NULL)
        resolver_free(w->resolver);
    connect_limit_free(w->connect_limit);
    element_copier_free(w->copier);
    loop_free(w->loop);
    xml_pool_free(w->pool);
}

/* Everything goes, and then nothing may be left (tests of libuv end so). */
bool world_end(struct run *r)
{
    struct world *w = r->world;
    bool is_clean;
    size_t left;

    if (w == NULL)
        return true;
    is_clean = r->has_failed ||
               (upstream_is_done(r) && ws_is_done(r) && reply_is_done(r));
    ws_free_all(r);
    client_free_all(r);
    is_clean = world_settle(r) && is_clean;
    bosh_drop_all(w->sessions);
    is_clean = world_settle(r) && is_clean;
    server_leave_all(r);
    wire_advance(r, 1); /* a timer of 0 ms may need that */
    is_clean = world_settle(r) && is_clean;
    if (is_clean && session_host_count(w->sessions) != 0)
        is_clean = fail(r, "no session at the end", "%zu",
                        session_host_count(w->sessions));
    if (is_clean && http_server_count(w->http) != 0)
        is_clean = fail(r, "no connection at the end", "%zu",
                        http_server_count(w->http));
    if (is_clean && wire_timers(r) != 0)
        is_clean = fail(r, "no timer at the end", "%zu", wire_timers(r));
    destroy(w);
    r->world = NULL;
    left = wire_end();
    if (is_clean && left != 0)
        is_clean = fail(r, "no socket at the end", "%zu", left);
    fake_resolve_reset();
    return is_clean;
}
