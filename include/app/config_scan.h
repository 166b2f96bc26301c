/*
 * config_scan.h - the text of a configuration file, looked over before
 * libConfuse sees it.
 *
 * libConfuse 3.3 takes the end of the file for the end of every section,
 * comment and brace that is open, counts the lines of comments twice, puts
 * environment variables into strings, and follows paths of keys.  So what it
 * is handed has no comments (blanks stand in their place, lines are kept),
 * and is refused when anything in it would be read in such a way.
 */
#ifndef APP_CONFIG_SCAN_H
#define APP_CONFIG_SCAN_H

#include "base/base.h"

struct config_scan {
    char *text;      /* owned: the original's length, "\n" and NUL */
    unsigned *lines; /* owned: where each section opens, in order */
    size_t n_lines;
};

/*
 * ERR_INVALID: *line and *why (a constant) tell what is wrong; more than
 * CONFIG_SECTIONS_MAX sections are wrong, too.  ERR_NOMEM.
 */
MUST_CHECK enum err config_scan(struct config_scan *out, struct slice text,
                                unsigned *line, const char **why);
void config_scan_free(struct config_scan *scan);

#endif /* APP_CONFIG_SCAN_H */
