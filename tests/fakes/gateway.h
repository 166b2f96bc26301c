/*
 * gateway.h - a worker's sessions over the fakes, with example.org behind them
 * at one server without TLS.
 */
#ifndef FAKES_GATEWAY_H
#define FAKES_GATEWAY_H

#include "session/session.h"
#include "session/session_host.h"

struct gateway {
    struct loop *loop;
    struct resolver *resolver;
    struct xml_pool *pool;
    struct element_copier *copier;
    struct domain_table *domains;
    struct session_host *host;
};

/* Limits by which nothing ends within two hours, unless it is told to. */
struct session_settings gateway_settings(void);

/* Aborts without memory. */
void gateway_begin(struct gateway *g, const struct session_settings *settings);

/* All sessions have ended.  Aborts when a timer or a socket is left. */
void gateway_end(struct gateway *g);

#endif /* FAKES_GATEWAY_H */
