/*
 * fuzz_stream.c - whatever a server sends: what reaches the owner is whole,
 * clean elements behind a header that was protected as the rule says, the
 * same ones in whatever pieces they come; and what servers are sent is what
 * they take (oracle.h).
 *
 * Input: a byte for the mode of the rule and what the owner does, one for the
 * pieces, then what the server says.  Where a NUL stands, what is under way is
 * granted: a connection, a handshake.
 */
#include "../fakes/fake_resolve.h"
#include "../fakes/fakes.h"
#include "../fakes/oracle.h"
#include "base/log.h"
#include "base/utf8.h"
#include "xmpp/stream.h"
#include "xmpp/xml_write.h"

#include <stdint.h>
#include <stdlib.h>

#define STANZA_MAX 8192
#define WAIT_MS    3000
#define STARTTLS   "<starttls xmlns='" NS_TLS "'/>"

/* Of two addresses, and where a server sends us. */
#define SERVERS_MAX 64

#define REQUIRE(fact)                                                          \
    do {                                                                       \
        if (!(fact))                                                           \
            abort();                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    FLAG_RESTARTS = 4,  /* the owner, at <success/> */
    FLAG_SENDS = 8,     /* the owner, at features */
    FLAG_CLOSES = 16,   /* the owner, at a message */
    FLAG_RELEASES = 32, /* the owner, at a presence */
    FLAG_WAITS = 64,    /* at the end, until every timer has run */
    FLAG_PAUSES = 128,  /* the owner, at each element, for a turn */
};

struct run {
    struct loop *loop;
    struct resolver *resolver;
    struct xml_pool *pool;
    struct domain_rule rule;
    struct stream *stream;
    unsigned flags;
    bool is_open; /* a header came that counts */
    bool has_ended;
    bool has_restarted;
    bool is_paused;
    bool has_skipped; /* a stub came instead of an element */
    const char *end;  /* how, or NULL */
    size_t n_connects;
    struct oracle *oracles[SERVERS_MAX]; /* owned: one for each connection */
    size_t n_read[SERVERS_MAX];          /* bytes that they have seen */
    struct buf told; /* everything that the owner was told */
};

/* --- The owner ------------------------------------------------------------ */

static void tell(struct run *r, struct slice what)
{
    REQUIRE(buf_append_slice(&r->told, what) == ERR_OK);
    REQUIRE(buf_append_text(&r->told, "\n") == ERR_OK);
}

static struct fake_peer *last_server(void)
{
    size_t n = fake_sock_connects();

    return n == 0 ? NULL : fake_sock_connect_at(n - 1);
}

static void on_opened(void *owner, const struct stream_header *header)
{
    struct run *r = owner;

    REQUIRE(!r->has_ended && r->stream != NULL);
    if (r->rule.mode == UPSTREAM_STARTTLS || r->rule.mode == UPSTREAM_TLS)
        REQUIRE(fake_sock_is_secured(last_server()));
    r->is_open = true;
    tell(r, header->id);
}

static void on_moved(void *owner)
{
    struct run *r = owner;

    REQUIRE(!r->has_ended && r->is_open);
    r->is_open = false;
    tell(r, SLICE("moved"));
}

/* Not from inside the callback that it is about to free itself in: that is
 * what it must bear. */
static void act(struct run *r, const struct element *e)
{
    struct stream *s = r->stream;
    enum err err = ERR_OK;

    /* Once, as the session does. */
    if (e->kind == ELEMENT_SUCCESS && (r->flags & FLAG_RESTARTS) &&
        !r->has_restarted) {
        r->has_restarted = true;
        err = stream_restart(s, SLICE(""), SLICE(""));
    }
    if (e->kind == ELEMENT_FEATURES && (r->flags & FLAG_SENDS))
        err = stream_send(s, SLICE("<iq/>"));
    REQUIRE(err == ERR_OK || err == ERR_CLOSED || err == ERR_LIMIT);
    if (r->flags & FLAG_PAUSES) {
        r->is_paused = true;
        stream_pause(s);
    }
    if (e->kind == ELEMENT_MESSAGE && (r->flags & FLAG_CLOSES)) {
        r->is_paused = false;
        stream_close(s);
    }
    if (e->kind == ELEMENT_PRESENCE && (r->flags & FLAG_RELEASES)) {
        r->stream = NULL;
        r->has_ended = true;
        stream_release(s);
    }
}

static void check_element(const struct element *e)
{
    struct slice s = e->bytes;

    REQUIRE(s.len >= 4 && s.at[0] == '<' && s.at[s.len - 1] == '>');
    REQUIRE(utf8_is_valid(s));
    REQUIRE(memmem(s.at, s.len, "<!", 2) == NULL);
    REQUIRE(memmem(s.at, s.len, "<?", 2) == NULL);
    REQUIRE(e->kind != ELEMENT_STREAM && e->kind != ELEMENT_ERROR);
    if (e->kind == ELEMENT_FEATURES)
        REQUIRE(memmem(s.at, s.len, "<starttls", 9) == NULL ||
                e->has_others); /* deeper down it is somebody else's */
}

/* Up to the limit that a stub names: an element may be above several, and in
 * other pieces another one is met first. */
static struct slice without_reason(struct run *r, struct slice bytes)
{
    static const char reason[] = "bytes: above the limit of ";
    const char *at = memmem(bytes.at, bytes.len, reason, sizeof(reason) - 1);

    if (at == NULL)
        return bytes;
    r->has_skipped = true;
    return (struct slice){bytes.at, (size_t)(at - bytes.at)};
}

static void on_element(void *owner, const struct element *e)
{
    struct run *r = owner;

    REQUIRE(!r->has_ended && r->is_open && !r->is_paused);
    check_element(e);
    tell(r, without_reason(r, e->bytes));
    act(r, e);
}

static void on_drained(void *owner)
{
    REQUIRE(!((struct run *)owner)->has_ended);
}

static void on_ended(void *owner, enum stream_end why,
                     const struct element *error)
{
    struct run *r = owner;

    REQUIRE(!r->has_ended);
    REQUIRE(why != STREAM_END_ERROR || error != NULL);
    REQUIRE(why != STREAM_END_NOMEM);
    r->has_ended = true;
    r->end = stream_end_name(why);
}

/* --- The server ----------------------------------------------------------- */

/* K26: behind <starttls/> there is nothing in clear. */
static void check_written(struct run *r, struct fake_peer *server)
{
    struct slice all = buf_slice(fake_sock_written(server));
    size_t len = sizeof(STARTTLS) - 1;
    const char *at = memmem(all.at, all.len, STARTTLS, len);

    if (at != NULL && !fake_sock_is_secured(server))
        REQUIRE(at + len == all.at + all.len);
    if (r->rule.mode == UPSTREAM_STARTTLS && !fake_sock_is_secured(server))
        REQUIRE(memmem(all.at, all.len, " from=", 6) == NULL);
}

/* What the i-th server was sent since the last time. */
static void judge(struct run *r, size_t i)
{
    struct fake_peer *server = fake_sock_connect_at(i);
    struct slice all = buf_slice(fake_sock_written(server));
    struct slice sent = {all.at + r->n_read[i], all.len - r->n_read[i]};

    if (r->oracles[i] == NULL)
        r->oracles[i] = oracle_new();
    r->n_read[i] = all.len;
    REQUIRE(oracle_read(r->oracles[i], sent) == NULL);
    if (fake_sock_end(server) == FAKE_CLOSED)
        REQUIRE(oracle_end(r->oracles[i]) == NULL);
}

static void judge_all(struct run *r)
{
    REQUIRE(fake_sock_connects() <= SERVERS_MAX);
    for (size_t i = 0; i < fake_sock_connects(); i++)
        judge(r, i);
}

/* The oracle of the last server, which is the one that speaks. */
static struct oracle *last_oracle(const struct run *r)
{
    return r->oracles[fake_sock_connects() - 1];
}

static void turn(struct run *r)
{
    fake_loop_turn(r->loop);
    while (r->is_paused && r->stream != NULL) {
        r->is_paused = false;
        stream_resume(r->stream);
        fake_loop_turn(r->loop);
    }
    for (size_t i = 0; i < fake_sock_connects(); i++)
        check_written(r, fake_sock_connect_at(i));
    judge_all(r);
}

/* What is under way is granted.  Each connection is answered once. */
static void grant(struct run *r, size_t *n_answered)
{
    turn(r);
    while (*n_answered < fake_sock_connects()) {
        fake_sock_answer(fake_sock_connect_at((*n_answered)++), true);
        turn(r);
    }
    if (last_server() != NULL && fake_sock_is_securing(last_server())) {
        fake_sock_secure(last_server(), true);
        oracle_secure(last_oracle(r));
        turn(r);
    }
}

/* In pieces of 1 to 32 bytes, by a sequence of numbers; 0: all at once. */
static void deliver(struct run *r, const char *at, size_t len, unsigned seed)
{
    struct fake_peer *server = last_server();

    while (len > 0) {
        size_t n = seed == 0 ? len
                             : 1 + (seed = seed * 1103515245u + 12345u,
                                    (seed >> 16) % 32);

        n = n < len ? n : len;
        if (server != NULL && fake_sock_end(server) == FAKE_OPEN) {
            oracle_hear(last_oracle(r), (struct slice){at, n});
            fake_sock_deliver(server, at, n);
        }
        turn(r);
        at += n;
        len -= n;
    }
}

static void converse(struct run *r, const char *at, size_t len, unsigned seed)
{
    size_t n_answered = 0;

    grant(r, &n_answered);
    grant(r, &n_answered);
    while (len > 0) {
        const char *end = memchr(at, '\0', len);
        size_t n = end == NULL ? len : (size_t)(end - at);

        deliver(r, at, n, seed);
        if (end == NULL)
            break;
        grant(r, &n_answered);
        at += n + 1;
        len -= n + 1;
    }
}

/* --- One run -------------------------------------------------------------- */

static void open_stream(struct run *r)
{
    static const struct stream_ops ops = {
        .opened = on_opened,
        .moved = on_moved,
        .element = on_element,
        .drained = on_drained,
        .ended = on_ended,
    };
    struct domain_name name;
    struct stream_params p;

    memset(&p, 0, sizeof(p));
    REQUIRE(domain_normalise(&name, SLICE("example.org")) == ERR_OK);
    fake_resolve_set_host("example.org", RESOLVE_OK, "9.9.9.1,9.9.9.2");
    r->rule.is_verified = true;
    r->rule.tls = (struct tls_ctx *)(void *)r; /* the fake looks at none */
    p.env.loop = r->loop;
    p.env.resolver = r->resolver;
    p.env.pool = r->pool;
    p.limits.upstream.connect_ms = 5 * WAIT_MS;
    p.limits.upstream.attempt_ms = WAIT_MS;
    p.limits.upstream.queue_max_bytes = 65536;
    p.limits.upstream.high_bytes = 32768;
    p.limits.upstream.low_bytes = 16384;
    p.limits.header_ms = WAIT_MS;
    p.limits.close_ms = WAIT_MS;
    p.limits.element_max_bytes = STANZA_MAX;
    p.rule = &r->rule;
    p.domain = &name;
    p.from = SLICE("juliet@example.org");
    REQUIRE(stream_open(&r->stream, &p, &ops, r) == ERR_OK);
}

/* Nothing is left behind, in whatever state it is left. */
static void clean_up(struct run *r)
{
    stream_abort(r->stream);
    stream_end_released();
    xml_pool_free(r->pool);
    fake_loop_turn(r->loop);
    REQUIRE(fake_resolve_pending() == 0);
    fake_loop_pass(r->loop, 60000); /* those that linger */
    judge_all(r);
    for (size_t i = 0; i < SERVERS_MAX; i++)
        oracle_free(r->oracles[i]);
    REQUIRE(fake_loop_timers(r->loop) == 0);
    resolver_free(r->resolver);
    loop_free(r->loop);
    REQUIRE(fake_sock_reset() == 0);
    fake_resolve_reset();
}

static void run(struct run *r, unsigned flags, const char *at, size_t len,
                unsigned seed)
{
    static const enum upstream_mode modes[] = {UPSTREAM_STARTTLS, UPSTREAM_TLS,
                                               UPSTREAM_PLAIN,
                                               UPSTREAM_OPPORTUNISTIC};

    memset(r, 0, sizeof(*r));
    buf_init(&r->told, SIZE_MAX);
    r->flags = flags;
    r->rule.mode = modes[flags % COUNT_OF(modes)];
    REQUIRE(loop_new(&r->loop) == ERR_OK);
    REQUIRE(resolver_new(&r->resolver, r->loop,
                         &(struct resolver_params){.timeout_ms = 1000}) ==
            ERR_OK);
    REQUIRE(xml_pool_new(&r->pool, 2) == ERR_OK);
    open_stream(r);
    converse(r, at, len, seed);
    if (flags & FLAG_WAITS)
        fake_loop_pass(r->loop, 10 * WAIT_MS);
    r->n_connects = fake_sock_connects();
    clean_up(r);
}

static void ignore(const char *line, size_t len)
{
    (void)line;
    (void)len;
}

/* How it is cut into packets changes nothing, but around TLS: what comes in
 * one packet with <proceed/> is an attack. */
static bool is_free_of_tls(unsigned flags, struct slice told)
{
    return (flags & 3) == 1 || (flags & 3) == 2 ||
           memmem(told.at, told.len, "proceed", 7) == NULL;
}

static bool is_judged(const char *end)
{
    return end != NULL &&
           (strcmp(end, "too-big") == 0 || strcmp(end, "bad-xml") == 0);
}

/* An element that is too big and has a fault behind the limit is one or the
 * other: whichever is seen first. */
static bool ends_alike(const struct run *a, const struct run *b)
{
    return a->end == NULL || b->end == NULL || strcmp(a->end, b->end) == 0 ||
           (is_judged(a->end) && is_judged(b->end));
}

/* A fault in a token that is not complete may be seen later; and by then
 * another server may be spoken to, or the time be up. */
static void check_same(const struct run *a, const struct run *b)
{
    if (a->n_connects > 1 || b->n_connects > 1)
        return;
    /* Of an element that is passed over, the parser reads what came with the
     * limit and the scanner the rest, which does not find every fault. */
    if ((a->has_skipped || b->has_skipped) &&
        (is_judged(a->end) || is_judged(b->end)))
        return;
    REQUIRE(slice_equal(buf_slice(&a->told), buf_slice(&b->told)));
    REQUIRE((a->flags & FLAG_WAITS) || ends_alike(a, b));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    const char *text = (const char *)data + 2;
    struct run whole;
    struct run pieces;

    if (len < 2)
        return 0;
    log_setup(LOG_ERROR, LOG_TEXT);
    log_set_sink(ignore);
    len -= 2;
    run(&whole, data[0], text, len, 0);
    run(&pieces, data[0], text, len, 1 + data[1]);
    if (is_free_of_tls(data[0], (struct slice){text, len}))
        check_same(&whole, &pieces);
    buf_free(&whole.told);
    buf_free(&pieces.told);
    return 0;
}
