/*
 * stream_world.h - one stream on the fakes, and the server it talks to, for
 * the tests of stream: what the owner is told becomes a line of text.
 */
#ifndef TESTS_STREAM_WORLD_H
#define TESTS_STREAM_WORLD_H

#include "../fakes/fake_resolve.h"
#include "../fakes/fakes.h"
#include "base/log.h"
#include "base/metrics.h"
#include "xmpp/stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define HEADER_MS    3000
#define CLOSE_MS     2000
#define KEEPALIVE_MS 60000
#define QUEUE_MAX    5000
#define ELEMENT_MAX  10000

#define ROOT(id)                                                               \
    "<stream:stream xmlns='jabber:client' id='" id "' version='1.0' "          \
    "xmlns:stream='http://etherx.jabber.org/streams'>"
#define HEADER_ID(id) "<?xml version='1.0'?>" ROOT(id)
#define HEADER        HEADER_ID("x")
#define TLS_NS        "urn:ietf:params:xml:ns:xmpp-tls"
#define SASL_NS       "urn:ietf:params:xml:ns:xmpp-sasl"
#define STARTTLS      "<starttls xmlns='" TLS_NS "'/>"
#define PROCEED       "<proceed xmlns='" TLS_NS "'/>"
#define SUCCESS       "<success xmlns='" SASL_NS "'/>"
#define FEATURES_TLS                                                           \
    "<stream:features><starttls xmlns='" TLS_NS                                \
    "'><required/></starttls></stream:features>"
#define FEATURES_SASL                                                          \
    "<stream:features><mechanisms xmlns='" SASL_NS                             \
    "'><mechanism>PLAIN</mechanism></mechanisms></stream:features>"
#define FEATURES_OUT                                                           \
    "<stream:features xmlns:stream=\"http://etherx.jabber.org/streams\">"      \
    "<mechanisms xmlns=\"" SASL_NS                                             \
    "\"><mechanism>PLAIN</mechanism></mechanisms></stream:features>"

/* What the owner does to the stream, and in which callback. */
enum act {
    ACT_NONE,
    ACT_ABORT,
    ACT_RELEASE,
    ACT_CLOSE,
    ACT_PAUSE,
    ACT_PAUSE_AND_RESUME
};
enum callback {
    IN_NONE,
    IN_OPENED,
    IN_ELEMENT,
    IN_ENDED,
    IN_MOVED
};

struct world {
    struct loop *loop;
    struct resolver *resolver;
    struct xml_pool *pool;
    struct domain_rule rule;
    struct domain_route route;
    struct domain_name domain;
    struct log_ctx *log_ctx;
    struct stream *stream;
    struct fake_peer *server; /* of the last connection */
    enum act act;
    enum callback act_in;
    enum element_kind restart_at;
    void (*on_element)(void *owner, const struct element *e); /* NULL: ours */
    char host[16];
    size_t element_max;
    size_t last_bytes;  /* of the last element */
    char condition[64]; /* that the stream ended with */
    char log[16000];    /* what the owner was told, cut off */
    char heard[8000];
};

static unsigned worlds;

static inline void world_note(struct world *w, const char *fmt, ...)
    PRINTF_LIKE(2, 3);

static inline void world_note(struct world *w, const char *fmt, ...)
{
    size_t len = strlen(w->log);
    va_list args;

    if (len > 0)
        w->log[len++] = ' ';
    va_start(args, fmt);
    vsnprintf(w->log + len, sizeof(w->log) - len, fmt, args);
    va_end(args);
}

static inline void world_act(struct world *w, enum callback where)
{
    struct stream *s = w->stream;

    if (w->act_in != where)
        return;
    switch (w->act) {
    case ACT_NONE:
        return;
    case ACT_ABORT:
        w->stream = NULL;
        stream_abort(s);
        return;
    case ACT_RELEASE:
        w->stream = NULL;
        stream_release(s);
        return;
    case ACT_CLOSE:
        stream_close(s);
        return;
    case ACT_PAUSE:
        stream_pause(s);
        return;
    case ACT_PAUSE_AND_RESUME:
        stream_pause(s);
        stream_resume(s);
        return;
    }
}

static inline void world_opened(void *owner, const struct stream_header *header)
{
    struct world *w = owner;

    assert_non_null(w->stream);
    world_note(w, "opened(%.*s%s)", (int)header->id.len, header->id.at,
               header->version.len == 0 ? ",no version" : "");
    world_act(w, IN_OPENED);
}

static inline void world_moved(void *owner)
{
    struct world *w = owner;

    assert_non_null(w->stream);
    world_note(w, "moved");
    world_act(w, IN_MOVED);
}

static inline void world_element(void *owner, const struct element *e)
{
    struct world *w = owner;

    assert_non_null(w->stream);
    if (w->on_element != NULL) {
        w->on_element(w, e);
        return;
    }
    w->last_bytes = e->bytes.len;
    world_note(w, "%.*s", (int)e->bytes.len, e->bytes.at);
    if (e->kind == w->restart_at)
        assert_int_equal(stream_restart(w->stream, SLICE(""), SLICE("")),
                         ERR_OK);
    world_act(w, IN_ELEMENT);
}

static inline void world_drained(void *owner)
{
    world_note(owner, "drained");
}

static inline void world_ended(void *owner, enum stream_end why,
                               const struct element *error)
{
    struct world *w = owner;

    assert_non_null(w->stream);
    assert_true(error != NULL || why != STREAM_END_ERROR);
    w->condition[0] = '\0';
    if (error != NULL)
        snprintf(w->condition, sizeof(w->condition), "%.*s",
                 (int)error->error_condition.len, error->error_condition.at);
    if (why != STREAM_END_ERROR)
        world_note(w, "ended(%s)", stream_end_name(why));
    else
        world_note(w, "ended(%s,%s)", stream_end_name(why), w->condition);
    world_act(w, IN_ENDED);
}

static inline void world_turn(struct world *w)
{
    fake_loop_turn(w->loop);
}

static inline void world_pass(struct world *w, uint64_t ms)
{
    fake_loop_pass(w->loop, ms);
}

static inline void world_begin(struct world *w, enum upstream_mode mode)
{
    static const struct stream_ops ops = {
        .opened = world_opened,
        .moved = world_moved,
        .element = world_element,
        .drained = world_drained,
        .ended = world_ended,
    };
    struct stream_params params;

    memset(&params, 0, sizeof(params));
    w->restart_at = ELEMENT_STREAM; /* which never comes */
    if (w->element_max == 0)
        w->element_max = ELEMENT_MAX;
    worlds++;
    log_setup(LOG_ERROR, LOG_TEXT);
    assert_int_equal(loop_new(&w->loop), ERR_OK);
    assert_int_equal(
        resolver_new(&w->resolver, w->loop,
                     &(struct resolver_params){.timeout_ms = 1000}),
        ERR_OK);
    assert_int_equal(xml_pool_new(&w->pool, 2), ERR_OK);
    assert_int_equal(domain_normalise(&w->domain, SLICE("B\xc3\xbc"
                                                        "cher.example")),
                     ERR_OK);
    w->rule.mode = mode;
    w->rule.is_verified = true;
    w->rule.tls = (struct tls_ctx *)(void *)w; /* the fake looks at none */

    params.env.loop = w->loop;
    params.env.resolver = w->resolver;
    params.env.pool = w->pool;
    params.limits.upstream.connect_ms = HEADER_MS * 20;
    params.limits.upstream.attempt_ms = 5000;
    params.limits.upstream.delay_ms = 250;
    params.limits.upstream.queue_max_bytes = QUEUE_MAX;
    params.limits.upstream.high_bytes = QUEUE_MAX / 2;
    params.limits.upstream.low_bytes = QUEUE_MAX / 4;
    params.limits.header_ms = HEADER_MS;
    params.limits.close_ms = CLOSE_MS;
    params.limits.keepalive_ms = KEEPALIVE_MS;
    params.limits.element_max_bytes = w->element_max;
    params.rule = &w->rule;
    params.domain = &w->domain;
    params.from = SLICE("a@b\xc3\xbc"
                        "cher.example");
    params.lang = SLICE("de");
    assert_int_equal(stream_open(&w->stream, &params, &ops, w), ERR_OK);
}

/* By a configured route. */
static inline void world_route(struct world *w, enum upstream_mode mode)
{
    snprintf(w->host, sizeof(w->host), "127.0.0.1");
    w->route = (struct domain_route){w->host, 5222};
    w->rule.routes = &w->route;
    w->rule.n_routes = 1;
    world_begin(w, mode);
}

static inline void world_open(struct world *w, enum upstream_mode mode)
{
    memset(w, 0, sizeof(*w));
    world_route(w, mode);
}

/* By DNS, with n targets. */
static inline void world_open_servers(struct world *w, unsigned n)
{
    struct resolve_target targets[4];

    memset(w, 0, sizeof(*w));
    memset(targets, 0, sizeof(targets));
    for (unsigned i = 0; i < n; i++) {
        snprintf(targets[i].host, sizeof(targets[i].host), "s%u.example", i);
        targets[i].port = 5222;
        fake_resolve_set_host(targets[i].host, RESOLVE_OK, "9.9.9.1");
    }
    fake_resolve_set_srv("xn--bcher-kva.example", RESOLVE_OK, targets, n);
    world_begin(w, UPSTREAM_STARTTLS);
}

static inline void world_answer(struct world *w, bool is_accepted)
{
    world_turn(w);
    assert_true(fake_sock_connects() > 0);
    w->server = fake_sock_connect_at(fake_sock_connects() - 1);
    fake_sock_answer(w->server, is_accepted);
    world_turn(w);
}

static inline void world_accept(struct world *w)
{
    world_answer(w, true);
}

static inline void world_refuse(struct world *w)
{
    world_answer(w, false);
}

static inline void world_secure(struct world *w)
{
    assert_true(fake_sock_is_securing(w->server));
    assert_string_equal(fake_sock_tls_domain(w->server), w->domain.ascii);
    assert_true(fake_sock_tls_verified(w->server));
    fake_sock_secure(w->server, true);
    world_turn(w);
}

/* Direct TLS: ready for the server's header. */
static inline void world_open_tls(struct world *w)
{
    world_open(w, UPSTREAM_TLS);
    world_accept(w);
    world_secure(w);
}

/* The same, with another limit of elements. */
static inline void world_open_limited(struct world *w, size_t element_max)
{
    memset(w, 0, sizeof(*w));
    w->element_max = element_max;
    world_route(w, UPSTREAM_TLS);
    world_accept(w);
    world_secure(w);
}

static inline void world_say_bytes(struct world *w, const char *at, size_t len)
{
    if (len > 0)
        fake_sock_deliver(w->server, at, len);
    world_turn(w);
}

static inline void world_say(struct world *w, const char *text)
{
    world_say_bytes(w, text, strlen(text));
}

static inline void world_hang_up(struct world *w)
{
    fake_sock_eof(w->server);
    world_turn(w);
}

/* What the server read since the last call. */
static inline const char *world_heard(struct world *w)
{
    struct buf *text = fake_sock_written(w->server);

    assert_true(text->len < sizeof(w->heard));
    memcpy(w->heard, buf_at(text), text->len);
    w->heard[text->len] = '\0';
    buf_clear(text, 0);
    return w->heard;
}

static inline void world_block(struct world *w, bool is_blocked)
{
    fake_sock_take(w->server, is_blocked ? 0 : FAKE_NO_LIMIT);
    world_turn(w);
}

static inline bool world_is_gone(struct world *w)
{
    world_turn(w);
    return fake_sock_end(w->server) != FAKE_OPEN;
}

/* Lets go of everything, and sees that nothing is left behind. */
static inline void world_end(struct world *w)
{
    stream_abort(w->stream);
    w->stream = NULL;
    xml_pool_free(w->pool); /* what is deferred needs it no more */
    fake_loop_turn(w->loop);
    assert_int_equal(fake_resolve_pending(), 0);
    assert_int_equal(fake_loop_timers(w->loop), 0);
    resolver_free(w->resolver);
    loop_free(w->loop);
    if (--worlds > 0)
        return;
    assert_int_equal(fake_sock_reset(), 0);
    fake_resolve_reset();
}

#endif /* TESTS_STREAM_WORLD_H */
