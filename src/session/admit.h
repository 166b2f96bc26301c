/*
 * admit.h - may this session be opened, and with which of the client's
 * words?  What passes here is safe to write into a stream header.
 */
#ifndef SESSION_ADMIT_H
#define SESSION_ADMIT_H

#include "session/session.h"

#define ADMIT_HOST_BYTES 256

/*
 * The rule of the domain that params->to names, its name in *name, and a
 * place among the sessions_max, which the caller gives back (host->places).
 * NULL: refused and logged; *err and *why are set as session_open says.
 */
const struct domain_rule *admit_domain(struct session_host *host,
                                       const struct session_params *params,
                                       struct domain_name *name, enum err *err,
                                       enum session_end *why);

/* `from` if it is a bare JID of that domain, else "" (A16). */
struct slice admit_from(struct slice from, const struct domain_name *domain);

/* The server that a client asks for by route='xmpp:host:port', if the rule
 * heeds it and it is well-formed; else it is as if there were none.  host has
 * ADMIT_HOST_BYTES and receives a normalised name or an IP literal. */
bool admit_route(struct slice route, const struct domain_rule *rule, char *host,
                 uint16_t *port);

/* `lang` if it has the form of a language tag, else "". */
struct slice admit_lang(struct slice lang);

#endif /* SESSION_ADMIT_H */
