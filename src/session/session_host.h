/*
 * session_host.h - the inside of struct session_host: seen by session.c,
 * which keeps its list of sessions, and by session_host.c, nobody else.
 */
#ifndef SESSION_SESSION_HOST_H
#define SESSION_SESSION_HOST_H

#include "base/slots.h"
#include "base/trim.h"
#include "session/session.h"
#include "tombstones.h"

struct session_host {
    struct stream_env env;              /* borrowed members */
    const struct domain_table *domains; /* borrowed: app's configuration */
    struct session_settings settings;
    char *see_other_uri;   /* owned: that of settings */
    struct session *first; /* sessions that have not ended, newest first */
    size_t count;
    struct trim trim;     /* counts them, too */
    struct slots *places; /* borrowed, or own_places: one for each session */
    struct slots own_places;
    struct table *sids; /* owned; the nodes are bosh.c's; bounded by places
                           and by the bytes of tombstones */
    struct tombstones tombstones; /* those nodes, too */
    bool is_draining;
    struct log_limit refused_limit; /* refusals that strangers cause */
    char sid_prefix[20];
    size_t sid_prefix_len;
};

/* Tells each session to say goodbye; session.c walks its own list. */
void session_shutdown_all(struct session_host *host);

#endif /* SESSION_SESSION_HOST_H */
