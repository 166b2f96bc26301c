/*
 * fake_resolve.h - what the fake of dns/resolve.c answers.
 *
 * Every public symbol of resolve.h is defined by resolve.c beside this file;
 * a test says beforehand what a name resolves to.  Names it was not told of
 * answer RESOLVE_NONE, IP literals themselves.  Answers come by a deferred
 * call.  The tables are of the process: fake_resolve_reset between tests.
 */
#ifndef FAKES_FAKE_RESOLVE_H
#define FAKES_FAKE_RESOLVE_H

#include "dns/resolve.h"

/* Targets are copied and handed out as they stand: already in order. */
void fake_resolve_set_srv(const char *domain, enum resolve_status status,
                          const struct resolve_target *targets, size_t n);

/* addrs: "192.0.2.1,2001:db8::1", or NULL for none. */
void fake_resolve_set_host(const char *host, enum resolve_status status,
                           const char *addrs);

/* More addresses of a host that was set: they come after_ms later, and those
 * of fake_resolve_set_host as something that more follows (is_more).  NULL:
 * nothing more comes then.  One time for each host. */
void fake_resolve_set_more(const char *host, const char *addrs,
                           unsigned after_ms);

/* Questions for this name, SRV and address, are never answered. */
void fake_resolve_set_silent(const char *name);

/* Forgets everything that was set and counted. */
void fake_resolve_reset(void);

/* Questions asked since the last reset, and those not answered yet. */
unsigned fake_resolve_questions(void);
unsigned fake_resolve_pending(void);

/* For whom they were: "example.org 192.0.2.1 configured, a.example - open". */
const char *fake_resolve_asked(void);

#endif /* FAKES_FAKE_RESOLVE_H */
