/*
 * app.h - the daemon from its configuration to its exit status: opens the
 * addresses, builds the worker, minds the signals.
 */
#ifndef APP_APP_H
#define APP_APP_H

struct config;

/*
 * Runs until a signal ends it; returns a status of <sysexits.h>.  Prints
 * `listening http ADDRESS` for each address and `ready` on standard output.
 *
 * SIGTERM drains, a second one and SIGINT end at once; SIGHUP leaves a
 * message; SIGUSR1 logs the counters.
 */
int app_run(const struct config *c);

#endif /* APP_APP_H */
