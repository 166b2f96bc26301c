/*
 * addresses.h - the listening sockets of the process: opened before there is
 * any worker, lent to the workers, closed when they are gone (decision 14).
 *
 * A TCP address has a socket for each worker, and the kernel divides its
 * connections among them (SO_REUSEPORT); of a unix socket there is one that
 * all accept from.
 */
#ifndef APP_LISTEN_SOCKETS_H
#define APP_LISTEN_SOCKETS_H

#include "config.h"

struct listen_sockets {
    const struct config *config; /* borrowed */
    unsigned n_workers;
    int *fds;           /* owned: for each worker one for each listen section,
                           -1: none on this machine; NULL: not opened */
    struct addr *bound; /* owned: where each section is, port included */
};

/* Returns EX_OK, or the exit status for what was logged; to be closed in
 * either case. */
int listen_sockets_open(struct listen_sockets *a, const struct config *c,
                        unsigned n_workers);
void listen_sockets_close(struct listen_sockets *a);

/* Removes the names of unix sockets, as listen_sockets_close does: for a
 * process that ends while they are still in use. */
void addresses_unlink(const struct listen_sockets *a);

/* Prints a line for each, as tests and people expect it, and logs it.  Where
 * nobody reads standard output it waits for a second, once. */
void listen_sockets_announce(const struct listen_sockets *a);

#endif /* APP_LISTEN_SOCKETS_H */
