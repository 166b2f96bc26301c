/*
 * config.h - the settings of doab, as one immutable snapshot.
 *
 * Made from a file, checked as a whole, and never changed afterwards: workers
 * borrow it, and a reload makes another one.  Which keys there are, and what
 * they accept, stands in config_keys.h and nowhere else.
 *
 * The file has sections, some with titles, and `key = value` in them; its
 * grammar stands in config_parse.h.  What is not understood is an error with
 * its line.
 *
 * What it is not: it applies nothing and keeps no file open.
 */
#ifndef APP_CONFIG_H
#define APP_CONFIG_H

#include "base/base.h"
#include "base/buf.h"
#include "base/log.h"
#include "front/forwarded.h"
#include "net/addr.h"
#include "net/tls.h"
#include "net/tls_ctx.h"
#include "upstream/domain.h"

#define CONFIG_BYTES_MAX    (1u << 20) /* of the file */
#define CONFIG_SECTIONS_MAX 1000       /* in one file */
#define CONFIG_ITEMS_MAX    1000       /* of one list */
#define CONFIG_KEYS_MAX     128        /* of the table, all sections */
#define CONFIG_TITLE_MAX    1025       /* bytes: a domain, a dot at each end */
#define CONFIG_NODE_MAX     16         /* characters of bosh.node */

/* What problems are written to: lines of "file:line: text\n". */
#define CONFIG_PROBLEMS_BYTES 16384

/* Whether a key was set, and where. */
struct config_mark {
    bool is_set;
    unsigned line; /* in the file; 0: not in a file */
};

struct config_list {
    char **items; /* owned, as are the strings */
    size_t n;
};

/* Texts are never NULL after loading: "" is "not set". */
struct config_listen {
    char *address; /* owned: the title as written */
    unsigned line; /* of the section; 0: it is a default */
    struct addr addr;
    char *certificate; /* owned: PEM file; "": plain */
    char *key;         /* owned: PEM file */
    bool proxy_protocol;
    bool secure;
};

struct config_domain {
    char *pattern; /* owned: the title */
    unsigned line;
    struct config_list routes; /* "host:port" each; none, or "": by DNS */
    bool is_denied;
    bool is_default;
    bool allows_private;
    bool heeds_route;
    enum proxy_version proxy;
    enum upstream_mode mode;
    bool verify;
    char *ca_file; /* owned; "": upstream.ca_file */
    struct config_list pins;
    enum tls_floor tls_min;
    char *ciphers; /* owned; "": the default of tls_min */
};

struct config {
    char *file; /* owned: its name, for messages */
    struct config_listen *listens;
    size_t n_listens;
    struct config_domain *domains;
    size_t n_domains;

    struct {
        char *node;
        unsigned wait_s;
        unsigned wait_max_s;
        unsigned hold_max;
        unsigned inactivity_s;
        unsigned polling_s;
        unsigned maxpause_s;
        unsigned tombstone_s;
        size_t tombstones_max_bytes;
        unsigned repeats_max;
        unsigned gap_ms;
        size_t answer_max_bytes;
        bool gzip;
        size_t gzip_min_bytes;
    } bosh;
    struct {
        unsigned ping_s;
        unsigned ping_timeout_s;
        unsigned open_ms;
        unsigned close_ms;
        char *see_other_uri; /* "": none */
        bool legacy;
        bool deflate;
        size_t deflate_min_bytes;
    } websocket;
    struct {
        unsigned header_ms;
        unsigned body_ms;
        unsigned idle_ms;
        unsigned write_ms;
        unsigned tls_ms;
        size_t tls_handshakes_max; /* of the process */
        size_t header_max_bytes;
        size_t queue_max_bytes;
        struct config_list origins; /* lower case; {"*"}: any; {}: none */
        bool cors_headers;
        struct config_list allow_headers;
        bool credentials;
        struct config_list trusted_proxies;
        struct addr_net *trusted; /* owned: the same, read; NULL: none */
        enum forwarded_header client_header;
    } http;
    struct {
        unsigned dns_ms;
        char *dns_servers; /* "": the system's */
        unsigned dns_queries_max;
        size_t dns_cache_max_bytes;
        unsigned dns_ttl_max_s;
        unsigned dns_stale_s;
        bool has_srv_timeout_fallback;
        unsigned connect_ms;
        unsigned target_ms;
        unsigned attempt_ms;
        unsigned delay_ms;
        struct config_list ports;   /* {}: 5222, 5223, 443 */
        uint16_t *port_numbers;     /* owned: the same */
        struct config_list forbid;  /* networks, as written */
        struct addr_net *forbidden; /* owned: the same */
        bool tell_cause;
        unsigned connects_max;
        unsigned connects_per_network;
        unsigned connects_per_client;
        unsigned connects_waiting_max;
        unsigned stream_ms;
        unsigned write_ms;
        unsigned close_ms;
        unsigned keepalive_ms;
        bool strip_plain;
        size_t stanza_max_bytes;
        size_t queue_max_bytes;
        char *ca_file; /* "": the system's roots */
        unsigned tls_sessions_max;
    } upstream;
    struct {
        size_t body_max_bytes;
        size_t stanza_max_bytes;
        size_t stanza_max_unauthenticated_bytes;
        size_t stanza_max_login_bytes;
        size_t queue_max_bytes;
        unsigned workers; /* 0: by the number of cores */
        unsigned sessions_max;
        unsigned connections_max;
        unsigned authenticate_ms;
        unsigned drain_ms;
    } limits;
    struct {
        char *directory; /* "": only the built-in landing page */
    } pages;
    struct {
        enum log_level level;
        enum log_format format;
    } log;

    struct config_mark marks[CONFIG_KEYS_MAX]; /* of the keys of sections
                                                  without title, in the order
                                                  of the table */
};

/*
 * Reads and checks a file.  On anything but ERR_OK there is no config and
 * *problems (buf_init with CONFIG_PROBLEMS_BYTES by the caller) has a line
 * for each fault that was found.
 * ERR_SYSTEM: the file cannot be read.  ERR_INVALID: it is wrong.  ERR_NOMEM.
 */
MUST_CHECK enum err config_load(struct config **out, const char *file,
                                struct buf *problems);

/* The same from memory; `file` is only a name.  Texts above CONFIG_BYTES_MAX
 * are refused, too. */
MUST_CHECK enum err config_load_text(struct config **out, const char *file,
                                     struct slice text, struct buf *problems);
void config_free(struct config *c);

/*
 * Checks what the file names: certificates and keys by loading them, CA
 * files, the directory of pages.  Adds to *problems.
 * ERR_INVALID: something cannot be used.  ERR_NOMEM.
 */
MUST_CHECK enum err config_check_files(const struct config *c,
                                       struct buf *problems);

/* Calls say(arg, text) for each setting that is allowed but ought to be
 * meant: plain or unverified servers, any domain, no domain. */
void config_warn(const struct config *c,
                 void (*say)(void *arg, const char *text), void *arg);

/*
 * Appends the effective settings, one `section.key = value` a line in the
 * order of the table; a section with a title is `domain[example.org].key`.
 * When there is no section of a kind, its keys are shown once with the empty
 * title `domain[]`, which no file can have, so that a dump names every key.
 * Secrets are shown as "…".  ERR_NOMEM, ERR_LIMIT.
 */
MUST_CHECK enum err config_dump(const struct config *c, struct buf *to);

#endif /* APP_CONFIG_H */
