/*
 * config_check.h - what one key alone cannot tell: settings that contradict
 * each other, addresses, origins, domains.  Touches no file.
 */
#ifndef APP_CONFIG_CHECK_H
#define APP_CONFIG_CHECK_H

#include "config.h"

#define CONFIG_FAULTS_MAX 20 /* are written out; more are only counted */

/* Where the faults of one file are gathered. */
struct config_report {
    struct buf *to;   /* borrowed */
    const char *file; /* borrowed */
    unsigned n;       /* faults so far */
};

/* Adds "file:line: text\n"; line 0: without line. */
void config_report(struct config_report *r, unsigned line, const char *fmt, ...)
    PRINTF_LIKE(3, 4);

/*
 * Checks a whole configuration; fills the addresses of its listeners and
 * lower-cases its origins.  ERR_INVALID: r has the faults.  ERR_NOMEM.
 */
MUST_CHECK enum err config_check(struct config *c, struct config_report *r);

#endif /* APP_CONFIG_CHECK_H */
