/*
 * dns_server.h - a DNS server on loopback that answers by a script, over UDP
 * and TCP, well or badly.  On the loop of the test; one at a time.
 */
#ifndef TESTS_DNS_SERVER_H
#define TESTS_DNS_SERVER_H

#include "base/base.h"

struct loop;

enum {
    TYPE_A = 1,
    TYPE_NS = 2,
    TYPE_CNAME = 5,
    TYPE_SOA = 6,
    TYPE_AAAA = 28,
    TYPE_SRV = 33
};

enum {
    RCODE_OK,
    RCODE_SERVFAIL = 2,
    RCODE_NXDOMAIN,
    RCODE_REFUSED = 5,
    SILENT = 100,
    /* Bytes that are no answer: */
    EMPTY,    /* a datagram of nothing */
    SHORT,    /* half a header */
    CUT,      /* in the middle of a record */
    LOOP,     /* a name that points at itself */
    COUNTS,   /* 65535 records that are not there */
    WRONG_ID, /* the next two are followed by no right answer */
    WRONG_QUESTION,
    WRONG_LENGTH /* an address of three bytes */
};

/* What is answered to one name and type; NXDOMAIN without a script.  The
 * fields may be set at any time. */
struct script {
    char name[300];
    int type;
    int rcode;
    unsigned delay_ms;
    unsigned ttl_s;     /* of records that are added from now on */
    bool is_truncated;  /* over UDP; TCP has the rest */
    bool is_reset;      /* TCP has not: it ends the connection */
    unsigned n_records; /* answers */
    unsigned n_authority;
    unsigned char records[8000]; /* in wire form, answers first */
    size_t len;
    unsigned n_asked;
};

#define DNS_LOG_MAX 1024

struct dns_log {
    unsigned n_queries;
    unsigned n_tcp;
    struct {
        uint16_t id;
        uint16_t port;
    } queries[DNS_LOG_MAX];
};

/* "127.0.0.1:PORT"; asserts that it works. */
const char *dns_server_start(struct loop *loop);
void dns_server_stop(void);
const struct dns_log *dns_server_log(void);

/* The script for a name and type, made when there is none. */
struct script *script(const char *name, int type, int rcode);

/* Names that end so are never answered. */
void dns_server_silence(const char *suffix);

/* Adds to the script of the name and the type; CNAMEs go to that of `type`
 * and belong to `owner`. */
void add_srv(const char *name, unsigned priority, unsigned weight,
             unsigned port, const char *target);
void add_address(const char *name, const char *ip);
void add_cname(const char *name, int type, const char *owner,
               const char *target);
void add_soa(const char *name, int type, const char *zone, unsigned ttl_s,
             unsigned minimum_s);
/* A record with any data, of any owner; authority: in that section. */
void add_record(struct script *s, const char *owner, int type, const void *data,
                size_t len, bool is_authority);

/* Both write wire form and return its length. */
size_t put_name(unsigned char *at, const char *name);
void put16(unsigned char *at, unsigned value);

#endif /* TESTS_DNS_SERVER_H */
