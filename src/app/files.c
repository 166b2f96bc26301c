#include "files.h"

#include <stdio.h>

#define TEXT_BYTES 400

/* Standard input, output and error, signals, the loop that hears them, and
 * what is open for a moment: a file of the resolver, a directory. */
#define PROCESS_FILES 16

/* Epoll set, timer and event of a worker's loop. */
#define WORKER_FILES 3

/* A socket that listens, and one that is put by (front/listener.h). */
#define LISTENER_FILES 2

/* Where there are too few: what is put aside for the DNS and for attempts to
 * connect beyond the first, and what connections leave to sessions.  A part of
 * all, but not of many: what is put aside is lost to clients. */
#define PARTS    16
#define PART_MAX 256

/* Below it doab does not start. */
#define LEAST 8

static size_t files_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t files_part_of(size_t files)
{
    return files_least(files / PARTS, PART_MAX);
}

struct files files_share(const struct config *c, unsigned workers, size_t limit)
{
    size_t sessions = c->limits.sessions_max;
    size_t clients = sessions + c->limits.connections_max;
    size_t own = PROCESS_FILES +
                 workers * (WORKER_FILES + LISTENER_FILES * c->n_listens);
    size_t aside =
        workers * (size_t)c->upstream.dns_queries_max +
        files_least(workers * (size_t)c->upstream.connects_max, sessions);
    struct files f = {.limit = limit, .needed = own + aside + clients};
    size_t rest;

    if (limit == 0 || limit >= f.needed) {
        f.places = clients;
        return f;
    }
    rest = limit > own ? limit - own : 0;
    f.places =
        files_least(rest - files_least(aside, files_part_of(rest)), clients);
    f.keep = files_least(sessions, files_part_of(f.places) + 1);
    return f;
}

bool files_suffice(const struct files *f)
{
    return f->places >= LEAST;
}

void files_warn(const struct files *f, const struct config *c,
                void (*warn)(void *arg, const char *text), void *arg)
{
    char text[TEXT_BYTES];

    if (f->limit == 0 || f->limit >= f->needed)
        return;
    snprintf(text, sizeof(text),
             "ulimit -n is %zu, but connections_max = %u and sessions_max = %u "
             "need %zu: set LimitNOFILE=%zu (systemd) or ulimit -n %zu, or "
             "lower the limits; both together have %zu",
             f->limit, c->limits.connections_max, c->limits.sessions_max,
             f->needed, f->needed, f->needed, f->places);
    warn(arg, text);
}
