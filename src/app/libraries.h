/*
 * libraries.h - security fixes that the libraries in use lack.
 *
 * Only what a running program can know for sure is listed.  A distribution adds
 * fixes to a library and keeps its version number, so no number says that one
 * is missing: a fix is recognised by a function that came with it, looked up in
 * the library that was loaded, not in the one that doab was built beside.
 * Fixes that show nowhere, and fixes of what doab never calls, are not here;
 * neither then is any claim about them.
 */
#ifndef APP_LIBRARIES_H
#define APP_LIBRARIES_H

#include "base/base.h"

struct library_fix {
    const char *cve;
    const char *symbol; /* every library with the fix has this function */
    const char *cost;   /* what the fault lets a stranger do */
    const char *doab;   /* what doab does about it itself */
};

struct library {
    const char *name;                /* as its own project says it */
    const char *package;             /* Debian's name for it */
    const char *symbol;              /* every version has this function */
    const char *(*version)(void);    /* as the library reports it */
    const struct library_fix *fixes; /* borrowed: static */
    size_t n_fixes;
};

/* Looks a function up in the libraries that are loaded. */
typedef bool library_has(const char *symbol);

/* The text is borrowed until it returns. */
typedef void library_say(void *arg, const char *text);

/*
 * One sentence for each fix that the library lacks: what it lacks, what that
 * costs, what doab does about it, and what to upgrade.  None when the library
 * itself is not found, as in a statically linked program: then nothing is
 * known.  has and say are called before it returns.
 */
void library_explain(const struct library *l, library_has *has,
                     library_say *say, void *arg);

/* Writes `name=N version=V lacks=CVE,CVE package=P` as a terminated string;
 * "" when the library lacks nothing or is not found. */
void library_summarise(const struct library *l, library_has *has, char *out,
                       size_t cap);

/* library_explain for each library that doab uses, as it is loaded now. */
void libraries_explain(library_say *say, void *arg);

/* Logs a warning for each library that lacks something. */
void libraries_warn(void);

#endif /* APP_LIBRARIES_H */
