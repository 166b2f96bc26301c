/*
 * config_parse.h - libConfuse, told by the table of keys what there is.
 *
 * It finds sections, titles and assignments; values are taken from it as
 * strings and read by config_keys.h.
 */
#ifndef APP_CONFIG_PARSE_H
#define APP_CONFIG_PARSE_H

#include "app/config.h"

struct config_report;
struct config_scan;

/*
 * Reads the text of scan into c, which holds defaults and has room for
 * scan->n_lines sections of each kind.  Faults go to *report; reading goes on
 * after a bad value, and stops where the syntax is wrong.
 * ERR_INVALID: there are faults.  ERR_NOMEM.
 */
MUST_CHECK enum err config_parse(struct config *c,
                                 const struct config_scan *scan,
                                 struct config_report *report);

/* Adds a section with defaults; title is copied.  NULL: no memory. */
struct config_listen *config_add_listen(struct config *c, const char *title,
                                        unsigned line);
struct config_domain *config_add_domain(struct config *c, const char *title,
                                        unsigned line);

/* Version of libConfuse that is in use, for doab -V. */
const char *config_parse_library(void);

#endif /* APP_CONFIG_PARSE_H */
