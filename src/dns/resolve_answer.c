#include "resolve_answer.h"

#include "resolve_wire.h"
#include "net/addr.h"

#include <arpa/nameser.h>
#include <stdlib.h>

const struct answer answer_failed = {.status = RESOLVE_FAILED,
                                     .bytes = sizeof(struct answer)};
const struct answer answer_timeout = {.status = RESOLVE_FAILED,
                                      .is_timeout = true,
                                      .bytes = sizeof(struct answer)};
const struct answer answer_no_memory = {
    .status = RESOLVE_FAILED, .is_ours = true, .bytes = sizeof(struct answer)};
const struct answer answer_none = {.status = RESOLVE_NONE,
                                   .bytes = sizeof(struct answer)};

static bool is_usable(const struct wire_record *r, int type)
{
    if (type != ns_t_srv)
        return true;
    /* "192.0.2.1" as a target is a name, and one that cannot exist. */
    return r->port != 0 && resolve_wire_is_host(r->host) &&
           !addr_is_ip_literal(r->host);
}

/* Records, and behind them the text of their hosts. */
static struct answer *allocate(size_t n, size_t text_bytes)
{
    size_t bytes =
        sizeof(struct answer) + n * sizeof(struct answer_record) + text_bytes;
    struct answer *a = calloc(1, bytes);

    if (a != NULL) {
        a->bytes = bytes;
        a->n = n;
    }
    return a;
}

static char *text_of(struct answer *a)
{
    return (char *)&a->records[a->n];
}

static enum resolve_status resolve_answer_judge(const struct wire_reply *reply,
                                                int type, size_t n_usable)
{
    if (n_usable > 0)
        return RESOLVE_OK;
    if (reply->n == 0)
        return RESOLVE_NONE;
    for (size_t i = 0; i < reply->n; i++)
        if (type != ns_t_srv || reply->records[i].host[0] != '\0')
            return RESOLVE_FAILED;
    return RESOLVE_ABSENT;
}

struct answer *answer_new(const struct wire_reply *reply, int type)
{
    struct answer *a;
    size_t text_bytes = 0;
    size_t n = 0;
    char *text;

    for (size_t i = 0; i < reply->n; i++) {
        if (!is_usable(&reply->records[i], type))
            continue;
        n++;
        text_bytes += strlen(reply->records[i].host) + 1;
    }
    a = allocate(n, text_bytes);
    if (a == NULL)
        return NULL;
    a->status = resolve_answer_judge(reply, type, n);
    a->has_ttl = reply->n > 0 || reply->has_soa;
    a->ttl_s = reply->ttl_s;

    text = text_of(a);
    n = 0;
    for (size_t i = 0; i < reply->n; i++) {
        const struct wire_record *from = &reply->records[i];
        struct answer_record *to = &a->records[n];
        size_t len = strlen(from->host) + 1;

        if (!is_usable(from, type))
            continue;
        to->priority = from->priority;
        to->weight = from->weight;
        to->port = from->port;
        memcpy(to->ip, from->ip, sizeof(to->ip));
        memcpy(text, from->host, len);
        to->host = type == ns_t_srv ? text : NULL;
        text += len;
        n++;
    }
    return a;
}

struct answer *answer_of_address(const void *ip, int family)
{
    struct answer *a = allocate(1, 0);

    if (a == NULL)
        return NULL;
    a->status = RESOLVE_OK;
    memcpy(a->records[0].ip, ip, family == AF_INET6 ? 16 : 4);
    return a;
}

struct answer *answer_copy(const struct answer *from)
{
    struct answer *a = malloc(from->bytes);

    if (a == NULL)
        return NULL;
    memcpy(a, from, from->bytes);
    for (size_t i = 0; i < a->n; i++)
        if (a->records[i].host != NULL)
            a->records[i].host =
                (char *)a + (from->records[i].host - (const char *)from);
    return a;
}
