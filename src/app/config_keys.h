/*
 * config_keys.h - the one table of settings, and the typed values in it.
 *
 * A setting is a row: parsing, range, default, dump and the completeness
 * checks of conf/doab.conf and doab.conf(5) are derived from it.
 */
#ifndef APP_CONFIG_KEYS_H
#define APP_CONFIG_KEYS_H

#include "config.h"

enum config_type {
    CONFIG_BOOL,    /* bool: yes, no (also true, false, on, off) */
    CONFIG_MS,      /* unsigned: "250ms", "60s", "2m", "1h" */
    CONFIG_SECONDS, /* unsigned: the same, but whole seconds */
    CONFIG_BYTES,   /* size_t: "4096", "64k", "1M" */
    CONFIG_COUNT,   /* unsigned: "20000" */
    CONFIG_TEXT,    /* char *, owned */
    CONFIG_LIST,    /* struct config_list */
    CONFIG_ENUM,    /* an enum; `words` in the order of its values */
};

enum config_section {
    SECTION_LISTEN, /* the titled ones first */
    SECTION_DOMAIN,
    SECTION_BOSH,
    SECTION_WEBSOCKET,
    SECTION_HTTP,
    SECTION_UPSTREAM,
    SECTION_LIMITS,
    SECTION_PAGES,
    SECTION_LOG,
    SECTION_COUNT,
};

enum {
    CONFIG_FIXED = 0,      /* a change needs a restart */
    CONFIG_RELOADABLE = 1, /* a reload applies it */
    CONFIG_SECRET = 2,     /* not shown in a dump */
};

struct config_key {
    enum config_section section;
    const char *name;
    enum config_type type;
    size_t offset;            /* in struct config, or in the titled section's */
    uint64_t min;             /* in the unit of the type, both allowed; */
    uint64_t max;             /* of a text or an item: its length in bytes */
    const char *initial;      /* as an operator would write it, without quotes;
                                 of a list: its one item, or "" for none */
    unsigned flags;           /* CONFIG_RELOADABLE, CONFIG_SECRET */
    const char *const *words; /* of an enum, NULL-terminated */
    const char *help;
};

extern const struct config_key config_keys[];
extern const size_t config_n_keys;

const char *config_section_name(enum config_section section);
bool config_section_is_titled(enum config_section section);

/* False when there is none. */
bool config_section_find(const char *name, enum config_section *out);

/* NULL when there is none. */
const struct config_key *config_key_find(enum config_section section,
                                         const char *name);

/* Room for one line about a value that was refused. */
#define CONFIG_WHY_BYTES 512

/*
 * Parses text and stores it in the struct at base (what a text or list owned
 * there is released).  ERR_INVALID: *why says what would be accepted, and
 * nothing changed.  ERR_NOMEM.
 */
MUST_CHECK enum err config_value_set(const struct config_key *key, void *base,
                                     const char *text,
                                     char why[CONFIG_WHY_BYTES]);

/* The same for a CONFIG_LIST, from n strings (copied); key->max is not looked
 * at.  ERR_NOMEM. */
MUST_CHECK enum err config_value_set_list(const struct config_key *key,
                                          void *base, const char *const *items,
                                          size_t n);

/* Stores the default; base must be zeroed or hold a value.  ERR_NOMEM. */
MUST_CHECK enum err config_value_set_initial(const struct config_key *key,
                                             void *base);

/* Releases what the value owns and zeroes it. */
void config_value_free(const struct config_key *key, void *base);

/* Appends the value as the file's syntax writes it.  ERR_NOMEM, ERR_LIMIT. */
MUST_CHECK enum err config_value_write(const struct config_key *key,
                                       const void *base, struct buf *to);

/* Appends what the key accepts, for messages: "a time of 1s to 300s". */
void config_value_range(const struct config_key *key, char *out, size_t cap);

#endif /* APP_CONFIG_KEYS_H */
