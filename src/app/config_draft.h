/*
 * config_draft.h - a configuration while it is being made: sections are
 * opened, and keys are set in the section that was opened last.
 *
 * Each name and value is checked by the table of keys at once, and all of it
 * together by config_draft_finish.  Nothing here knows a file: its reader
 * (config_parse.h) makes a draft, and so does whatever else has names and
 * values.
 */
#ifndef APP_CONFIG_DRAFT_H
#define APP_CONFIG_DRAFT_H

#include "config.h"

struct config_draft;
struct config_report;

/* What a key is given.  All of it is borrowed for the call. */
struct config_given {
    unsigned line;            /* in the file, for faults; 0: there is none */
    const char *const *texts; /* of a value that is no list: one */
    size_t n;
    bool is_list; /* a key of a list also takes one text that is none */
};

/* All defaults, no section with a title.  Faults go to *report, which must
 * outlive the draft.  ERR_NOMEM. */
MUST_CHECK enum err config_draft_new(struct config_draft **out,
                                     struct config_report *report);
void config_draft_free(struct config_draft *d);

/*
 * Opens a section: a new one where the name takes a title, else the one that
 * there is.  title is copied, NULL: none.
 * ERR_INVALID: the report says why, and keys are passed over until the next
 * section.  ERR_LIMIT: as ERR_INVALID, and there were CONFIG_SECTIONS_MAX
 * before: there is no use in going on.  ERR_NOMEM: the draft is good for
 * config_draft_free only.
 */
MUST_CHECK enum err config_draft_open(struct config_draft *d, unsigned line,
                                      const char *name, const char *title);

/*
 * Sets a key of the section, once.  ERR_INVALID: the report says what is wrong
 * and what would be accepted; the value did not change.  ERR_NOMEM.
 */
MUST_CHECK enum err config_draft_set(struct config_draft *d, const char *name,
                                     const struct config_given *given);

/*
 * Adds the listeners by default where there is none, checks the whole
 * (config_check) and hands it over; the draft is then good for
 * config_draft_free only.
 * ERR_INVALID: the report has faults, from before or now.  ERR_NOMEM.
 */
MUST_CHECK enum err config_draft_finish(struct config **out,
                                        struct config_draft *d);

#endif /* APP_CONFIG_DRAFT_H */
