/*
 * session_host.h - what the sessions of one worker share: settings, the table
 * of sids, tombstones, and whether there is a place for another session.
 */
#ifndef SESSION_SESSION_HOST_H
#define SESSION_SESSION_HOST_H

#include "base/base.h"
#include "xmpp/stream.h"

struct domain_table;
struct session_host;
struct slots;
struct table;
struct tombstones;

/* Settings of BOSH, in the units of the specification where it has one. */
struct bosh_settings {
    unsigned wait_s; /* when the client asks for none */
    unsigned wait_max_s;
    unsigned hold_max;
    unsigned inactivity_s;
    unsigned polling_s;
    unsigned maxpause_s;
    unsigned tombstone_s; /* how long a dead sid keeps its last answers */
    size_t tombstones_max_bytes; /* of all that a worker keeps */
    unsigned repeats_max;        /* of one rid (B10) */
    unsigned gap_ms;         /* a terminate waits so long for missing rids */
    size_t answer_max_bytes; /* payload of one answer, unless one element
                                alone is larger */
};

struct ws_settings {
    unsigned ping_s;           /* 0: none */
    unsigned ping_timeout_s;   /* no pong for so long: dead */
    unsigned open_ms;          /* upgrade to <open/> */
    unsigned close_ms;         /* each step of closing */
    bool is_legacy_allowed;    /* clients from before RFC 7395 (ws_legacy.h) */
    const char *see_other_uri; /* for clients of a worker that drains; NULL
                                  or "": none */
};

struct session_settings {
    struct stream_limits stream;
    size_t stanza_max_bytes; /* of what a client sends after login */
    size_t stanza_max_unauthenticated_bytes; /* and before */
    size_t stanza_max_login_bytes; /* before, of what a login or a registration
                                      consists of, once the server has sent its
                                      features */
    size_t queue_max_bytes; /* waiting for one client: above half of it the
                               server's stream is paused, so that no more waits
                               than that and one element */
    unsigned authenticate_ms;
    bool tells_cause;    /* why a server cannot be reached, to any client */
    bool strips_plain;   /* L72: from mechanism lists for unencrypted clients */
    size_t sessions_max; /* of all workers, if they share their places */
    struct bosh_settings bosh;
    struct ws_settings ws;
};

struct session_host_params {
    struct stream_env env;
    const struct domain_table *domains;
    struct session_settings settings; /* copied, its texts as well */
    struct slots *places; /* borrowed: of all workers' sessions; NULL: this
                             worker has sessions_max for itself */
    unsigned worker;      /* 0..31 */
    const char *node;     /* [a-z0-9]{1,16}, copied */
};

/* ERR_NOMEM. */
MUST_CHECK enum err session_host_new(struct session_host **out,
                                     const struct session_host_params *params);
/* Every session must have ended. */
void session_host_free(struct session_host *host);

/* From now on no session is opened; those that are there are told
 * (system-shutdown, <close/>) and end. */
void session_host_drain(struct session_host *host);
bool session_host_is_draining(const struct session_host *host);
size_t session_host_count(const struct session_host *host);
/* No place is left for a session: sessions_max, of all workers together. */
bool session_host_is_full(const struct session_host *host);
/* The domain of clients that name none; NULL: there is none. */
const char *session_host_default(const struct session_host *host);
const struct session_settings *session_host_settings(
    const struct session_host *host);
struct loop *session_host_loop(const struct session_host *host);
struct xml_pool *session_host_pool(const struct session_host *host);
struct element_copier *session_host_copier(const struct session_host *host);
/* "node-" and the characters of worker and generation, as every sid of this
 * worker begins (decision 16). */
struct slice session_host_sid_prefix(const struct session_host *host);
/* sid -> struct bosh, live and tombstones (bosh.c). */
struct table *session_host_sids(const struct session_host *host);
struct tombstones *session_host_tombstones(struct session_host *host);

#endif /* SESSION_SESSION_HOST_H */
