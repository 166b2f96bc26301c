/*
 * serve.h - the little that doab-bench-server and doab-bench-relay share: a
 * usage, and a listener that is served until the process is ended.
 */
#ifndef BENCH_SERVE_H
#define BENCH_SERVE_H

#include "wire.h"

/* 64, or 0 where --help asks for it. */
int serve_usage(int argc, char **argv, const char *usage);

/* Lets `listen_at` listen at "127.0.0.1:PORT", PORT 0 for any, prints
 * `ready PORT` and serves for good.  Ends the process on failure. */
_Noreturn void serve(const char *at,
                     bool (*listen_at)(const struct address *a));

#endif /* BENCH_SERVE_H */
