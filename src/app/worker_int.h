/*
 * worker_int.h - the struct that worker.c (its life, orders, the end),
 * worker_build.c (making what lives behind the front) and worker_front.c (what
 * clients reach, and its way between workers) share.  Nobody else includes it.
 */
#ifndef APP_WORKER_INT_H
#define APP_WORKER_INT_H

#include "worker.h"

#include "settings.h"
#include "base/loop.h"
#include "base/mailbox.h"
#include "base/metrics.h"
#include "net/addr.h"
#include "upstream/address_policy.h"

#include <stdatomic.h>

struct worker_listener;

/* In the order in which it is built; destroyed in the reverse. */
struct worker {
    struct worker_params params;
    struct metrics metrics;
    struct mailbox mail;
    atomic_int order;

    struct loop *loop;
    struct resolver *resolver;
    struct xml_pool *pool;
    struct element_copier *copier;
    struct tls_cache *tls_cache; /* of the connections to servers */
    struct settings_domains domains;
    struct addr *listeners; /* owned: of the reach */
    struct address_policy policy;
    struct connect_limit *connect_limit;
    struct target_history *history;
    struct session_host *sessions;
    struct http_server *http;
    struct bosh_http *bind;
    struct websocket_host *websockets;
    struct worker_listener *accepting; /* owned: one for each listen section */

    struct timer drain_poll;
    uint64_t drain_until_ms;
    struct defer end;
    bool is_draining;
    bool is_stopped;
};

/*
 * Makes the loop and all between it and the front, which it makes last.  What
 * it has made when it fails is worker_free's.  ERR_INVALID with one line in
 * `why` (why_cap bytes), ERR_SYSTEM, ERR_NOMEM.
 */
MUST_CHECK enum err worker_build(struct worker *w, char *why, size_t why_cap);

/*
 * Makes the servers of HTTP and WebSocket, and opens the accepting: a listener
 * for each listening socket that there is.  Errors as above.
 */
MUST_CHECK enum err worker_front_open(struct worker *w, char *why,
                                      size_t why_cap);

/* Listens no more.  The sockets stay open: they are those of all workers. */
void worker_front_close(struct worker *w);

/* Frees what is left of the front; no connection is left to use it. */
void worker_front_free(struct worker *w);

#endif /* APP_WORKER_INT_H */
