/*
 * resolve_answer.h - what is known about one question, a name and a type:
 * for the cache and for those who asked.
 *
 * Pure.  An answer is one piece of memory and never changes.
 */
#ifndef DNS_RESOLVE_ANSWER_H
#define DNS_RESOLVE_ANSWER_H

#include "dns/resolve.h"

struct wire_reply;

struct answer_record {
    uint16_t priority; /* these three: SRV */
    uint16_t weight;
    uint16_t port;
    unsigned char ip[16]; /* A: the first four */
    const char *host;     /* SRV: inside the answer; else NULL */
};

struct answer {
    enum resolve_status status;
    bool is_timeout; /* RESOLVE_FAILED: because nobody answered */
    bool is_ours;    /* RESOLVE_FAILED: we had no memory; says nothing later */
    bool has_ttl;    /* false: nobody said how long it holds */
    uint32_t ttl_s;
    size_t bytes; /* of all this */
    size_t n;
    struct answer_record records[];
};

/*
 * What a reply says.  Of SRV records only those remain that lead somewhere
 * (K10); the status is OK, one remains; NONE, there was none; ABSENT, "."
 * is all there was (K04, K05); FAILED, none could be used.  NULL: no memory.
 */
struct answer *answer_new(const struct wire_reply *reply, int type);

/* For one address that no server told, of family AF_INET or AF_INET6; NULL:
 * no memory. */
struct answer *answer_of_address(const void *ip, int family);

/* NULL: no memory. */
struct answer *answer_copy(const struct answer *from);

/* These need no memory; the last one is for names that have nothing. */
extern const struct answer answer_failed;
extern const struct answer answer_timeout;
extern const struct answer answer_no_memory;
extern const struct answer answer_none;

#endif /* DNS_RESOLVE_ANSWER_H */
