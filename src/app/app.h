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
 * SIGTERM and SIGINT drain for limits.drain_timeout at most, a second one ends
 * at once.  SIGHUP leaves a message, SIGUSR1 logs the counters.
 */
int app_run(const struct config *c);

#endif /* APP_APP_H */
