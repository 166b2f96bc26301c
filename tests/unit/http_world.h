/*
 * http_world.h - one http server on a real loop and one client, the other
 * end of a socketpair, for the tests of http.
 */
#ifndef TESTS_HTTP_WORLD_H
#define TESTS_HTTP_WORLD_H

#include "base/log.h"
#include "base/loop.h"
#include "base/slots.h"
#include "front/http.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define WORLD_HELD_MAX    8
#define WORLD_PLACES      100
#define WORLD_PATIENCE_MS 2000
#define WORLD_BIG_BYTES   (3u << 20)

#define GET(path)  "GET " path " HTTP/1.1\r\nHost: a\r\n\r\n"
#define HEAD(path) "HEAD " path " HTTP/1.1\r\nHost: a\r\n\r\n"

/* A request that the handler held. */
struct held {
    struct http_exchange *x; /* NULL once answered or dead */
    unsigned n_left;
    unsigned n_awaited;
    enum http_left how;
};

struct world {
    struct loop *loop;
    struct http_server *srv;
    struct slots places; /* as many are taken as connections live */
    int fd;              /* the client's end */
    bool saw_eof;
    size_t in_len;
    char in[1 << 16];
    struct held held[WORLD_HELD_MAX];
    unsigned n_held;
    unsigned n_requests;
    unsigned n_begun; /* long bodies that the handler was asked about */
    size_t begun_len; /* how much of the last one there was */
    int accounted;
    /* What "/move" does. */
    void (*move)(struct world *w, struct http_exchange *x,
                 const struct http_request *r);
    void *transfer;
    /* A client of another kind (TLS): as recv and send.  NULL: those. */
    ssize_t (*receive)(struct world *w, char *at, size_t cap);
    ssize_t (*transmit)(struct world *w, const char *at, size_t len);
    void *tls;
};

static char world_big[WORLD_BIG_BYTES];

static inline void world_on_left(void *owner, enum http_left how)
{
    struct held *h = owner;

    h->n_left++;
    h->how = how;
    if (how == HTTP_LEFT_RST)
        h->x = NULL;
}

static inline void world_on_awaited(void *owner)
{
    struct held *h = owner;

    h->n_awaited++;
}

static inline void world_answer(struct http_exchange *x, struct slice body)
{
    struct http_response r = {
        .status = 200,
        .content_type = SLICE("text/xml; charset=utf-8"),
        .body = body,
    };

    http_respond(x, &r);
}

static inline void world_hold(struct world *w, struct http_exchange *x)
{
    static const struct http_exchange_ops ops = {.left = world_on_left,
                                                 .awaited = world_on_awaited};
    struct held *h = &w->held[w->n_held++];

    assert_true(w->n_held <= WORLD_HELD_MAX);
    h->x = x;
    http_hold(x, &ops, h);
}

/* Whose request it is taken for. */
static inline void world_tell_client(struct http_exchange *x,
                                     const struct http_request *r)
{
    char text[ADDR_TEXT_BYTES + 8];

    snprintf(text, sizeof(text), "%s %s.", addr_format(r->client).text,
             r->is_tls ? "tls" : "clear");
    world_answer(x, slice_of(text));
}

static inline void world_on_request(void *arg, struct http_exchange *x,
                                    const struct http_request *r)
{
    struct world *w = arg;
    struct http_response answer = {.status = 200};

    w->n_requests++;
    if (slice_is(r->head->path, "/hold")) {
        world_hold(w, x);
    } else if (slice_is(r->head->path, "/move")) {
        w->move(w, x, r);
    } else if (slice_is(r->head->path, "/who")) {
        world_tell_client(x, r);
    } else if (slice_is(r->head->path, "/big")) {
        answer.body = (struct slice){world_big, sizeof(world_big)};
        answer.body_lasts = true;
        http_respond(x, &answer);
    } else if (slice_is(r->head->path, "/close")) {
        answer.must_close = true;
        http_respond(x, &answer);
    } else if (slice_is(r->head->path, "/coded")) {
        answer.content_encoding = "gzip";
        answer.varies_by_coding = true;
        http_respond(x, &answer);
    } else if (slice_is(r->head->path, "/none")) {
        http_respond_status(x, 404);
    } else if (r->head->method == HTTP_OPTIONS) {
        http_respond_options(x, "POST, OPTIONS");
    } else {
        world_answer(x, r->body);
    }
}

static inline size_t world_on_begun(void *arg, struct http_exchange *x,
                                    const struct http_request *r)
{
    struct world *w = arg;

    w->n_begun++;
    w->begun_len = r->body.len;
    if (slice_is(r->head->path, "/short"))
        return HTTP_BODY_FIRST_BYTES;
    if (slice_is(r->head->path, "/none")) {
        http_respond_status(x, 404);
        return 0;
    }
    if (slice_is(r->head->path, "/leave") && w->transfer != NULL &&
        http_detach(x, w->transfer) == ERR_OK)
        return 0;
    return SIZE_MAX;
}

static inline void world_on_accounted(void *arg, const struct addr *client,
                                      int change)
{
    struct world *w = arg;

    w->accounted += change;
}

static inline struct http_server_params world_params(struct world *w)
{
    static const struct http_handler handler = {.request = world_on_request,
                                                .begun = world_on_begun,
                                                .accounted =
                                                    world_on_accounted};

    return (struct http_server_params){.loop = w->loop,
                                       .handler = &handler,
                                       .arg = w,
                                       .places = &w->places,
                                       .origins = {.any = true},
                                       .limits = {
                                           .header_max_bytes = 4096,
                                           .body_max_bytes = 1024,
                                           .header_ms = 5000,
                                           .body_ms = 5000,
                                           .idle_ms = 5000,
                                           .sock = {.queue_max_bytes = 100000,
                                                    .high_bytes = 1 << 16,
                                                    .low_bytes = 1 << 14,
                                                    .stall_ms = 5000,
                                                    .handshake_ms = 5000},
                                       }};
}

/* A connected client; the server's end is returned. */
static inline int world_pair(struct world *w)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    w->fd = fds[0];
    return fds[1];
}

static inline void world_connect(struct world *w, struct tls_ctx *tls)
{
    struct addr peer = {.len = sizeof(sa_family_t)};

    peer.storage.ss_family = AF_UNIX;
    assert_true(slots_take(&w->places));
    assert_int_equal(http_serve(w->srv, world_pair(w), &peer, tls, false),
                     ERR_OK);
}

/* A world with its client; params NULL: world_params. */
static inline struct world *world_new(const struct http_server_params *params)
{
    struct world *w = calloc(1, sizeof(*w));
    struct http_server_params own;

    assert_non_null(w);
    log_setup(LOG_ERROR, LOG_TEXT);
    memset(world_big, 'b', sizeof(world_big));
    assert_int_equal(loop_new(&w->loop), ERR_OK);
    slots_init(&w->places, WORLD_PLACES);
    own = world_params(w);
    if (params != NULL) {
        own.limits = params->limits;
        own.origins = params->origins;
    }
    assert_int_equal(http_server_new(&w->srv, &own), ERR_OK);
    w->fd = -1;
    return w;
}

static inline struct world *world_open(void)
{
    struct world *w = world_new(NULL);

    world_connect(w, NULL);
    return w;
}

static inline void world_stop(void *arg)
{
    loop_stop(arg);
}

static inline void world_run(struct world *w, unsigned ms)
{
    struct timer t;

    timer_init(&t, w->loop, world_stop, w->loop);
    timer_set(&t, ms);
    loop_run(w->loop);
    timer_stop(&t);
}

static inline void world_free(struct world *w)
{
    http_server_free(w->srv);
    assert_int_equal(w->accounted, 0); /* each +1 has its -1 */
    assert_int_equal(slots_taken(&w->places), 0);
    if (w->fd >= 0)
        close(w->fd);
    world_run(w, 5); /* what lingered sees the client's end */
    loop_free(w->loop);
    free(w);
}

/* Reads what came for the client, up to room. */
static inline void world_read(struct world *w)
{
    ssize_t n;

    do {
        char *at = w->in + w->in_len;
        size_t cap = sizeof(w->in) - 1 - w->in_len;

        n = w->receive != NULL ? w->receive(w, at, cap)
                               : recv(w->fd, at, cap, 0);
        if (n > 0)
            w->in_len += (size_t)n;
    } while (n > 0);
    if (n == 0 || (n < 0 && errno != EAGAIN))
        w->saw_eof = true;
    w->in[w->in_len] = '\0';
}

static inline void world_send(struct world *w, const char *text)
{
    ssize_t len = (ssize_t)strlen(text);

    if (w->transmit != NULL)
        assert_int_equal(w->transmit(w, text, strlen(text)), len);
    else
        assert_int_equal(send(w->fd, text, strlen(text), MSG_NOSIGNAL), len);
}

/* Runs until the client has read this text; everything up to its end is
 * then dropped. */
static inline void world_expect(struct world *w, const char *text)
{
    for (int ms = 0; ms < WORLD_PATIENCE_MS; ms += 2) {
        char *found;

        world_read(w);
        found = strstr(w->in, text);
        if (found != NULL) {
            found += strlen(text);
            w->in_len -= (size_t)(found - w->in);
            memmove(w->in, found, w->in_len + 1);
            return;
        }
        world_run(w, 2);
    }
    fail_msg("not answered: %s\nbut: %s", text, w->in);
}

static inline void world_expect_eof(struct world *w)
{
    for (int ms = 0; ms < WORLD_PATIENCE_MS && !w->saw_eof; ms += 2) {
        world_read(w);
        world_run(w, 2);
    }
    assert_true(w->saw_eof);
}

/* Nothing comes for a while. */
static inline void world_expect_silence(struct world *w)
{
    world_run(w, 10);
    world_read(w);
    if (w->in_len > 0 || w->saw_eof)
        fail_msg("not silent: %s", w->in);
}

/* Runs until the handler has seen so many requests. */
static inline void world_expect_requests(struct world *w, unsigned n)
{
    for (int ms = 0; ms < WORLD_PATIENCE_MS && w->n_requests < n; ms += 2)
        world_run(w, 2);
    assert_int_equal(w->n_requests, n);
}

static inline void world_release(struct world *w, unsigned i, const char *body)
{
    struct http_exchange *x = w->held[i].x;

    assert_non_null(x);
    w->held[i].x = NULL;
    world_answer(x, slice_of(body));
}

#endif /* TESTS_HTTP_WORLD_H */
