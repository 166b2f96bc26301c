#include "dns_server.h"

#include "base/loop.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SCRIPTS_MAX 64
#define REPLY_BYTES 9000

struct reply {
    struct reply *next;
    struct timer timer;
    struct watch watch;
    int fd; /* of a TCP connection: owned; -1: UDP */
    struct sockaddr_storage to;
    socklen_t to_len;
    unsigned char bytes[2 + REPLY_BYTES]; /* TCP wants the length before */
    size_t len;
};

static struct {
    struct loop *loop;
    int udp;
    int tcp;
    struct watch udp_watch;
    struct watch tcp_watch;
    char address[64];
    struct script *scripts[SCRIPTS_MAX]; /* owned */
    size_t n_scripts;
    struct reply *replies; /* owned */
    struct dns_log log;
    const char *silent; /* borrowed, or NULL */
} server;

void put16(unsigned char *at, unsigned value)
{
    at[0] = (unsigned char)(value >> 8);
    at[1] = (unsigned char)value;
}

static void put32(unsigned char *at, unsigned value)
{
    put16(at, value >> 16);
    put16(at + 2, value);
}

size_t put_name(unsigned char *at, const char *name)
{
    size_t n = 0;

    while (*name != '\0') {
        size_t label = strcspn(name, ".");

        at[n++] = (unsigned char)label;
        memcpy(at + n, name, label);
        n += label;
        name += label + (name[label] == '.');
    }
    at[n++] = 0;
    return n;
}

struct script *script(const char *name, int type, int rcode)
{
    struct script *s;

    for (size_t i = 0; i < server.n_scripts; i++) {
        s = server.scripts[i];
        if (strcmp(s->name, name) == 0 && s->type == type)
            return s;
    }
    assert(server.n_scripts < SCRIPTS_MAX);
    s = calloc(1, sizeof(*s));
    assert(s != NULL);
    server.scripts[server.n_scripts++] = s;
    snprintf(s->name, sizeof(s->name), "%s", name);
    s->type = type;
    s->rcode = rcode;
    s->ttl_s = 60;
    return s;
}

void add_record(struct script *s, const char *owner, int type, const void *data,
                size_t len, bool is_authority)
{
    unsigned char *at = s->records + s->len;
    size_t n = 2;

    assert(s->len + 300 + len < sizeof(s->records));
    if (strcmp(owner, s->name) == 0)
        put16(at, 0xc00c); /* the name in the question */
    else
        n = put_name(at, owner);
    put16(at + n, (unsigned)type);
    put16(at + n + 2, 1);
    put32(at + n + 4, s->ttl_s);
    put16(at + n + 8, (unsigned)len);
    memcpy(at + n + 10, data, len);
    s->len += n + 10 + len;
    if (is_authority)
        s->n_authority++;
    else
        s->n_records++;
}

void add_srv(const char *name, unsigned priority, unsigned weight,
             unsigned port, const char *target)
{
    unsigned char data[300];

    put16(data, priority);
    put16(data + 2, weight);
    put16(data + 4, port);
    add_record(script(name, TYPE_SRV, RCODE_OK), name, TYPE_SRV, data,
               6 + put_name(data + 6, target), false);
}

void add_address(const char *name, const char *ip)
{
    unsigned char data[16];
    bool is_v6 = strchr(ip, ':') != NULL;
    int type = is_v6 ? TYPE_AAAA : TYPE_A;
    int rc = inet_pton(is_v6 ? AF_INET6 : AF_INET, ip, data);

    assert(rc == 1);
    (void)rc;
    add_record(script(name, type, RCODE_OK), name, type, data, is_v6 ? 16 : 4,
               false);
}

void add_cname(const char *name, int type, const char *owner,
               const char *target)
{
    unsigned char data[300];

    add_record(script(name, type, RCODE_OK), owner, TYPE_CNAME, data,
               put_name(data, target), false);
}

void add_soa(const char *name, int type, const char *zone, unsigned ttl_s,
             unsigned minimum_s)
{
    struct script *s = script(name, type, RCODE_OK);
    unsigned char data[300];
    unsigned keep_s = s->ttl_s;
    size_t n = put_name(data, "ns.test");

    n += put_name(data + n, "admin.test");
    memset(data + n, 0, 16);
    put32(data + n + 16, minimum_s);
    s->ttl_s = ttl_s;
    add_record(s, zone, TYPE_SOA, data, n + 20, true);
    s->ttl_s = keep_s;
}

void dns_server_silence(const char *suffix)
{
    server.silent = suffix;
}

static bool is_silent(const unsigned char *question, size_t len)
{
    unsigned char tail[300];
    size_t n;

    if (server.silent == NULL)
        return false;
    n = put_name(tail, server.silent + 1);
    return n < len && memcmp(question + len - n, tail, n) == 0;
}

static struct script *find_script(const unsigned char *question, size_t len,
                                  int type)
{
    for (size_t i = 0; i < server.n_scripts; i++) {
        unsigned char name[300];
        size_t n = put_name(name, server.scripts[i]->name);

        if (server.scripts[i]->type == type && n == len &&
            memcmp(name, question, n) == 0)
            return server.scripts[i];
    }
    return NULL;
}

/* Behind the question, what the script wants to break. */
static void spoil(struct reply *r, const struct script *s)
{
    unsigned char *bytes = r->bytes + 2;

    bytes[3] = 0x80;
    switch (s->rcode) {
    case EMPTY:
        r->len = 0;
        break;
    case SHORT:
        r->len = 6;
        break;
    case CUT:
        r->len -= 3;
        break;
    case LOOP:
        put16(bytes + 6, 1);
        put16(bytes + r->len, 0xc000u | (unsigned)r->len);
        memset(bytes + r->len + 2, 0, 10);
        r->len += 12;
        break;
    case COUNTS:
        memset(bytes + 6, 0xff, 4);
        break;
    case WRONG_ID:
        bytes[0] ^= 0xff;
        break;
    case WRONG_QUESTION:
        bytes[13] ^= 1;
        break;
    case WRONG_LENGTH:
        put16(bytes + 6, 1);
        put16(bytes + r->len, 0xc00c);
        put16(bytes + r->len + 2, (unsigned)s->type);
        put16(bytes + r->len + 4, 1);
        put32(bytes + r->len + 6, 60);
        put16(bytes + r->len + 10, 3);
        memset(bytes + r->len + 12, 1, 3);
        r->len += 15;
        break;
    }
}

/* What the script says, behind the question. */
static void answer(struct reply *r, const struct script *s)
{
    unsigned char *bytes = r->bytes + 2;
    int rcode = s == NULL ? RCODE_NXDOMAIN : s->rcode;

    bytes[2] = 0x81;
    bytes[3] = (unsigned char)(0x80 | (rcode < SILENT ? rcode : 0));
    memset(bytes + 6, 0, 6);
    if (s == NULL)
        return;
    if (r->fd < 0 && s->is_truncated) {
        bytes[2] |= 2;
        return;
    }
    put16(bytes + 6, s->n_records);
    put16(bytes + 8, s->n_authority);
    if (s->rcode != LOOP && s->rcode != WRONG_LENGTH) {
        memcpy(bytes + r->len, s->records, s->len);
        r->len += s->len;
    }
    if (s->rcode >= SILENT)
        spoil(r, s);
}

static void on_reply_due(void *arg)
{
    struct reply *r = arg;

    if (r->fd < 0) {
        (void)!sendto(server.udp, r->bytes + 2, r->len, 0,
                      (struct sockaddr *)(void *)&r->to, r->to_len);
        return;
    }
    put16(r->bytes, (unsigned)r->len);
    (void)!send(r->fd, r->bytes, 2 + r->len, MSG_NOSIGNAL);
    close(r->fd);
    r->fd = -1;
    r->to_len = 0;
}

static void take_query(struct reply *r, size_t len)
{
    struct dns_log *log = &server.log;
    struct sockaddr_in *from = (void *)&r->to;
    unsigned char *bytes = r->bytes + 2;
    struct script *s;
    size_t end = 12;

    assert(len > 12);
    if (log->n_queries < DNS_LOG_MAX) {
        log->queries[log->n_queries].id = (uint16_t)(bytes[0] << 8 | bytes[1]);
        log->queries[log->n_queries].port = ntohs(from->sin_port);
    }
    log->n_queries++;
    log->n_tcp += r->fd >= 0;
    while (bytes[end] != 0)
        end += 1u + bytes[end];
    end++;
    s = find_script(bytes + 12, end - 12, bytes[end] << 8 | bytes[end + 1]);
    r->len = end + 4;
    if (s != NULL)
        s->n_asked++;
    if ((s != NULL && s->rcode == SILENT) ||
        is_silent(bytes + 12, r->len - 4 - 12))
        return;
    answer(r, s);
    if (s != NULL && s->is_reset && r->fd >= 0) {
        close(r->fd);
        r->fd = -1;
    } else if (s != NULL && s->delay_ms > 0) {
        timer_set(&r->timer, s->delay_ms);
    } else {
        on_reply_due(r);
    }
}

static struct reply *reply_new(void)
{
    struct reply *r = calloc(1, sizeof(*r));

    assert(r != NULL);
    r->fd = -1;
    r->to_len = sizeof(r->to);
    timer_init(&r->timer, server.loop, on_reply_due, r);
    r->next = server.replies;
    server.replies = r;
    return r;
}

static void on_udp(void *arg, unsigned events)
{
    struct reply *r = reply_new();
    ssize_t len = recvfrom(server.udp, r->bytes + 2, 512, 0,
                           (struct sockaddr *)(void *)&r->to, &r->to_len);

    assert(len > 0);
    take_query(r, (size_t)len);
}

static void on_tcp_query(void *arg, unsigned events)
{
    struct reply *r = arg;
    ssize_t len;

    watch_stop(&r->watch);
    len = recv(r->fd, r->bytes, sizeof(r->bytes), MSG_DONTWAIT);
    assert(len > 2 + 12); /* a question is one segment on loopback */
    take_query(r, (size_t)len - 2);
}

static void on_tcp(void *arg, unsigned events)
{
    struct reply *r = reply_new();
    enum err err;

    r->fd = accept(server.tcp, (struct sockaddr *)(void *)&r->to, &r->to_len);
    assert(r->fd >= 0);
    err =
        watch_start(&r->watch, server.loop, r->fd, LOOP_READ, on_tcp_query, r);
    assert(err == ERR_OK);
    (void)err;
}

const char *dns_server_start(struct loop *loop)
{
    struct sockaddr_in to;
    struct sockaddr *at = (void *)&to;
    socklen_t len = sizeof(to);
    int rc;

    memset(&server, 0, sizeof(server));
    memset(&to, 0, sizeof(to));
    server.loop = loop;
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    server.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    server.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    do { /* a port that is free for both */
        to.sin_port = 0;
        close(server.udp);
        server.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        rc = bind(server.udp, at, len);
        assert(rc == 0);
        rc = getsockname(server.udp, at, &len);
        assert(rc == 0);
    } while (bind(server.tcp, at, len) != 0);
    rc = listen(server.tcp, 16);
    assert(rc == 0);
    rc = (int)watch_start(&server.udp_watch, loop, server.udp, LOOP_READ,
                          on_udp, NULL) +
         (int)watch_start(&server.tcp_watch, loop, server.tcp, LOOP_READ,
                          on_tcp, NULL);
    assert(rc == ERR_OK);
    snprintf(server.address, sizeof(server.address), "127.0.0.1:%u",
             (unsigned)ntohs(to.sin_port));
    return server.address;
}

void dns_server_stop(void)
{
    while (server.replies != NULL) {
        struct reply *r = server.replies;

        server.replies = r->next;
        timer_stop(&r->timer);
        watch_stop(&r->watch);
        if (r->fd >= 0)
            close(r->fd);
        free(r);
    }
    while (server.n_scripts > 0)
        free(server.scripts[--server.n_scripts]);
    watch_stop(&server.udp_watch);
    watch_stop(&server.tcp_watch);
    close(server.udp);
    close(server.tcp);
}

const struct dns_log *dns_server_log(void)
{
    return &server.log;
}
