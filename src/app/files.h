/*
 * files.h - how many file descriptors the configuration needs, and how those
 * that there are get shared out.
 *
 * A connection of a client needs one, and so does a session, for its server.
 * What doab needs for itself, questions to the DNS and attempts to connect are
 * put aside first; connections leave some of the rest to sessions, so that no
 * client can take the last one.
 */
#ifndef APP_FILES_H
#define APP_FILES_H

#include "config.h"

struct files {
    size_t limit;  /* RLIMIT_NOFILE; 0: unknown */
    size_t needed; /* for all that the configuration allows */
    size_t places; /* for connections and sessions together */
    size_t keep;   /* of these, not for connections */
};

struct files files_share(const struct config *c, unsigned workers,
                         size_t limit);

/* False: too few for a handful of clients and their servers. */
bool files_suffice(const struct files *f);

/* Calls warn with one line when f->limit is below what is needed. */
void files_warn(const struct files *f, const struct config *c,
                void (*warn)(void *arg, const char *text), void *arg);

#endif /* APP_FILES_H */
