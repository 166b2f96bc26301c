#include "admit.h"

#include "base/loop.h"
#include "base/metrics.h"
#include "session_int.h"

#include <stdio.h>
#include <strings.h>

#define XMPP_PORT      5222
#define LANG_MAX_BYTES 35
#define FROM_MAX_BYTES 2047

static bool is_language(struct slice lang)
{
    size_t i;

    if (lang.len == 0 || lang.len > LANG_MAX_BYTES)
        return false;
    for (i = 0; i < lang.len; i++) {
        char c = lang.at[i];

        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') &&
            !(c >= '0' && c <= '9') && c != '-')
            return false;
    }
    return true;
}

struct slice admit_lang(struct slice lang)
{
    return is_language(lang) ? lang : SLICE("");
}

/* A16: forwarded only when it is a bare JID of the very domain. */
struct slice admit_from(struct slice from, const struct domain_name *domain)
{
    struct domain_name name;
    const char *at_sign;
    struct slice host;

    if (from.len == 0 || from.len > FROM_MAX_BYTES)
        return SLICE("");
    at_sign = memchr(from.at, '@', from.len);
    if (at_sign == NULL || at_sign == from.at ||
        memchr(from.at, '/', from.len) != NULL)
        return SLICE("");
    host.at = at_sign + 1;
    host.len = from.len - (size_t)(host.at - from.at);
    if (domain_normalise(&name, host) != ERR_OK ||
        strcmp(name.unicode, domain->unicode) != 0)
        return SLICE("");
    return from;
}

bool admit_route(struct slice route, const struct domain_rule *rule, char *host,
                 uint16_t *port)
{
    static const char scheme[] = "xmpp:";
    char text[ADMIT_HOST_BYTES + sizeof("[]:65535")];
    char name[ADMIT_HOST_BYTES];
    struct domain_name normal;

    if (!rule->heeds_route || route.len <= strlen(scheme) ||
        route.len - strlen(scheme) >= sizeof(text) ||
        strncasecmp(route.at, scheme, strlen(scheme)) != 0)
        return false;
    snprintf(text, sizeof(text), "%.*s", (int)(route.len - strlen(scheme)),
             route.at + strlen(scheme));
    if (addr_split(text, name, sizeof(name), port, XMPP_PORT) != ERR_OK ||
        domain_normalise(&normal, slice_of(name)) != ERR_OK)
        return false;
    snprintf(host, ADMIT_HOST_BYTES, "%s", normal.ascii);
    return true;
}

static enum err admit_refuse(struct session_host *host,
                             const struct session_params *params, enum err err,
                             enum session_end reason, enum session_end *why)
{
    unsigned suppressed;

    *why = reason;
    if (reason == SESSION_END_HOST_UNKNOWN)
        metrics_count(METRIC_DOMAINS_REFUSED);
    if (log_allow(&host->refused_limit, loop_now_ms(host->env.loop),
                  &suppressed))
        log_info(NULL,
                 "session.refused transport=%s client=%s to=%s reason=%s "
                 "suppressed=%u",
                 session_transport_name(params->transport),
                 addr_format_host(params->client).text,
                 log_quote(params->to).text, session_end_name(reason),
                 suppressed);
    return err;
}

/* RFC 7622 section 3.2: an IPv6 address as domain stands in brackets. */
static bool lacks_brackets(struct slice to)
{
    return to.at[0] != '[' && memchr(to.at, ':', to.len) != NULL;
}

/* A client that names no domain means the default, where there is one. */
static bool read_domain(const struct session_host *host, struct slice to,
                        struct domain_name *name)
{
    const struct domain_rule *by_default = domain_table_default(host->domains);

    if (to.len == 0 && by_default != NULL)
        to = slice_of(by_default->pattern);
    return to.len > 0 && !lacks_brackets(to) &&
           domain_normalise(name, to) == ERR_OK;
}

const struct domain_rule *admit_domain(struct session_host *host,
                                       const struct session_params *params,
                                       struct domain_name *name, enum err *err,
                                       enum session_end *why)
{
    const struct domain_rule *rule = NULL;

    if (host->is_draining)
        *err =
            admit_refuse(host, params, ERR_CLOSED, SESSION_END_SHUTDOWN, why);
    else if (!read_domain(host, params->to, name))
        *err = admit_refuse(host, params, ERR_INVALID, SESSION_END_ADDRESSING,
                            why);
    else if ((rule = domain_table_find(host->domains, name)) == NULL)
        *err = admit_refuse(host, params, ERR_INVALID, SESSION_END_HOST_UNKNOWN,
                            why);
    else if (!slots_take(host->places)) {
        rule = NULL;
        *err = admit_refuse(host, params, ERR_LIMIT, SESSION_END_POLICY, why);
    }
    return rule;
}
