/*
 * run_settings.h - the settings of the world to be made: defaults, and what
 * `config` and `domain` changed.
 */
#ifndef RUN_SETTINGS_H
#define RUN_SETTINGS_H

#include "front/http.h"
#include "run.h"
#include "session/session.h"
#include "session/session_host.h"
#include "upstream/domain.h"

struct settings {
    struct session_settings session;
    struct http_limits http;
    struct http_origins origins;
    unsigned gzip; /* 0: no */
    size_t gzip_min_bytes;
    size_t connects_max;          /* 0: without limit */
    const char *origin;           /* the one of the list */
    struct domain_table *domains; /* owned; NULL: only the usual one */
    bool servers_are_manual;
};

extern struct settings settings;

/* Back to the defaults. */
void settings_reset(void);
bool settings_config(struct run *r, const struct step *s);
bool settings_domain(struct run *r, const struct step *s);
bool settings_add_domain(struct run *r, const char *pattern, const char *route,
                         enum upstream_mode mode, bool is_default);

/* A time in ms ("61s"), or a size in bytes ("64k"). */
bool settings_number(const char *text, size_t *out);

#endif /* RUN_SETTINGS_H */
