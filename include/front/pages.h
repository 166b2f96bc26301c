/*
 * pages.h - the few static files that doab shows: a landing page, and what
 * else stands in the configured directory.
 *
 * The directory is read once, at start: its files are held in memory and
 * found by their exact path, so that no request ever becomes a file name.
 * Immutable afterwards and shared by all workers.
 */
#ifndef FRONT_PAGES_H
#define FRONT_PAGES_H

#include "base/base.h"
#include "front/http.h"

struct pages;

#define PAGES_BYTES_MAX (64u << 20) /* all files together */
#define PAGES_FILES_MAX 4000

/*
 * directory NULL or "": only a built-in landing page at "/".  index.html of
 * a directory answers for the directory itself ("/dir/").  Left out: what
 * begins with a dot, source maps (.map) and directories named node_modules.
 * ERR_SYSTEM: cannot be read; ERR_LIMIT: above the maxima; ERR_NOMEM; *why
 * (why_cap bytes) then has one line about it.
 */
MUST_CHECK enum err pages_new(struct pages **out, const char *directory,
                              char *why, size_t why_cap);

/* Only after the servers that showed them were freed: bodies are sent from
 * here. */
void pages_free(struct pages *p);

/* GET and HEAD with ETag and If-None-Match; OPTIONS; 404, 405, 501. */
void pages_request(const struct pages *p, struct http_exchange *x,
                   const struct http_request *r);

#endif /* FRONT_PAGES_H */
