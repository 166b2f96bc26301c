/*
 * websocket_world.h - real http and websocket.c on a real loop, a client at
 * the other end of a socket pair, and in place of session/ws.c a fake that
 * echoes and writes down what it is told:
 *
 *   message TEXT       fault CODE       lost       drained       shutdown
 *
 * To be included by one file of a program.
 */
#ifndef TESTS_WEBSOCKET_WORLD_H
#define TESTS_WEBSOCKET_WORLD_H

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"
#include "front/http.h"
#include "front/websocket.h"
#include "net/sock.h"
#include "session/ws.h"
#include "session/session_host.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#ifndef HEADER_MAX_BYTES
#define HEADER_MAX_BYTES 4096
#endif
#ifndef WITH_DEFLATE
#define WITH_DEFLATE false
#endif
#define DEFLATE_MIN_BYTES 64
#define PATIENCE_MS       3000
#define SHORT_MS          50
#define BIG_BYTES         200000
#define MUCH_BYTES        600000 /* more than a socket pair holds */

#define UPGRADE                                                                \
    "GET /ws HTTP/1.1\r\n"                                                     \
    "Host: a\r\n"                                                              \
    "Upgrade: websocket\r\n"                                                   \
    "Connection: keep-alive, Upgrade\r\n"                                      \
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"                          \
    "Sec-WebSocket-Version: 13\r\n"                                            \
    "Sec-WebSocket-Protocol: chat, XMPP\r\n"                                   \
    "Sec-WebSocket-Extensions: permessage-deflate\r\n"                         \
    "\r\n"

struct session_host {
    struct session_settings settings;
};

struct ws {
    const struct ws_ops *ops;
    void *owner;
};

struct world {
    struct loop *loop;
    struct http_server *srv;
    struct websocket_host *host;
    struct session_host sessions;
    struct http_origins origins;
    struct ws ws;
    bool has_ws;
    bool is_past_login; /* what the session sends may be compressed */
    enum err open_answer;
    size_t max_bytes;
    size_t big_left; /* "flood": messages until it is congested */
    char told[4096]; /* to the fake session */
    size_t told_len;
    int fd;            /* the client's end, plain */
    struct sock *sock; /* the client's end, TLS */
    struct watch watch;
    bool is_secured;
    bool saw_eof;
    struct buf in; /* what the client received */
    size_t wanted;
};

static struct world *world;

static inline void tell(const char *fmt, ...) PRINTF_LIKE(1, 2);

static inline void tell(const char *fmt, ...)
{
    va_list args;
    int n;

    va_start(args, fmt);
    n = vsnprintf(world->told + world->told_len,
                  sizeof(world->told) - world->told_len, fmt, args);
    va_end(args);
    assert_true(n >= 0 && (size_t)n < sizeof(world->told) - world->told_len);
    world->told_len += (size_t)n;
    loop_stop(world->loop);
}

static inline void assert_told(const char *expected)
{
    if (strcmp(world->told, expected) != 0)
        fail_msg("told:\n%s\nexpected:\n%s", world->told, expected);
    world->told_len = 0;
    world->told[0] = '\0';
}

/* ---- session/ws.h ---- */

enum err ws_open(struct ws **out, struct session_host *host,
                 const struct addr *client, bool is_secure,
                 const struct ws_ops *ops, void *owner)
{
    if (world->open_answer != ERR_OK)
        return world->open_answer;
    world->ws.ops = ops;
    world->ws.owner = owner;
    world->has_ws = true;
    *out = &world->ws;
    return ERR_OK;
}

static inline void flood(void)
{
    static char big[BIG_BYTES / 4];

    memset(big, 'x', sizeof(big));
    while (world->big_left > 0 &&
           !world->ws.ops->is_congested(world->ws.owner)) {
        world->big_left--;
        assert_true(world->ws.ops->send(world->ws.owner,
                                        (struct slice){big, sizeof(big)}));
    }
}

void ws_message(struct ws *w, struct slice message)
{
    if (message.len < 100)
        tell("message %.*s\n", (int)message.len, message.at);
    else
        tell("message of %zu\n", message.len);
    if (slice_is(message, "finish")) {
        world->has_ws = false;
        w->ops->finish(w->owner, WS_NORMAL, "bye");
    } else if (slice_is(message, "finish behind much")) {
        static char much[MUCH_BYTES];

        world->has_ws = false;
        assert_true(w->ops->send(w->owner, (struct slice){much, sizeof(much)}));
        w->ops->finish(w->owner, WS_NORMAL, "bye");
    } else if (slice_is(message, "stop")) {
        w->ops->flow(w->owner, false);
    } else if (slice_is(message, "flood")) {
        flood();
    } else {
        w->ops->send(w->owner, message);
    }
}

void ws_fault(struct ws *w, enum ws_code code)
{
    tell("fault %d\n", (int)code);
    w->ops->send(w->owner, SLICE("<error/>"));
    world->has_ws = false;
    w->ops->finish(w->owner, code, "why");
}

void ws_shutdown(struct ws *w)
{
    tell("shutdown\n");
    world->has_ws = false;
    w->ops->finish(w->owner, WS_GOING_AWAY, "why");
}

bool ws_may_compress(const struct ws *w)
{
    return world->is_past_login;
}

size_t ws_message_max(const struct ws *w)
{
    assert_true(world->has_ws);
    return world->max_bytes;
}

void ws_drained(struct ws *w)
{
    tell("drained\n");
    flood();
}

void ws_lost(struct ws *w)
{
    tell("lost\n");
    world->has_ws = false;
}

const struct session_settings *session_host_settings(
    const struct session_host *host)
{
    return &host->settings;
}

/* ---- the client ---- */

static inline void on_client_bytes(const char *at, size_t len)
{
    assert_int_equal(buf_append(&world->in, at, len), ERR_OK);
    if (world->in.len >= world->wanted)
        loop_stop(world->loop);
}

static inline void on_client_ready(void *arg, unsigned events)
{
    static char bytes[65536];
    ssize_t n = recv(world->fd, bytes, sizeof(bytes), MSG_DONTWAIT);

    if (n > 0)
        on_client_bytes(bytes, (size_t)n);
    if (n > 0 || (n < 0 && errno == EAGAIN))
        return;
    world->saw_eof = true;
    watch_stop(&world->watch);
    loop_stop(world->loop);
}

static inline void on_patience(void *arg)
{
    loop_stop(world->loop);
}

/* Turns until something happened or ms have gone. */
static inline void turn(unsigned ms)
{
    struct timer timer;

    timer_init(&timer, world->loop, on_patience, NULL);
    timer_set(&timer, ms);
    loop_run(world->loop);
    timer_stop(&timer);
}

/* Waits until the client has len bytes. */
static inline void await_bytes(size_t len)
{
    uint64_t until_ms = loop_now_ms(world->loop) + PATIENCE_MS;

    world->wanted = len;
    while (world->in.len < len && !world->saw_eof &&
           loop_now_ms(world->loop) < until_ms)
        turn(PATIENCE_MS);
}

static inline void await_eof(void)
{
    uint64_t until_ms = loop_now_ms(world->loop) + PATIENCE_MS;

    world->wanted = SIZE_MAX;
    while (!world->saw_eof && loop_now_ms(world->loop) < until_ms)
        turn(PATIENCE_MS);
    assert_true(world->saw_eof);
}

static inline void await_told(const char *expected)
{
    uint64_t until_ms = loop_now_ms(world->loop) + PATIENCE_MS;

    while (world->told_len < strlen(expected) &&
           loop_now_ms(world->loop) < until_ms)
        turn(PATIENCE_MS);
    assert_told(expected);
}

static inline void pass_ms(unsigned ms)
{
    uint64_t until_ms = loop_now_ms(world->loop) + ms;

    world->wanted = SIZE_MAX;
    while (loop_now_ms(world->loop) < until_ms)
        turn((unsigned)(until_ms - loop_now_ms(world->loop)));
}

/* The next bytes at the client are these. */
static inline void assert_next(const char *bytes, size_t len)
{
    await_bytes(len);
    if (world->in.len < len)
        fail_msg("%u bytes came, not %zu", world->in.len, len);
    assert_memory_equal(buf_at(&world->in), bytes, len);
    buf_consume(&world->in, len);
}

#define NEXT(literal) assert_next(literal, sizeof(literal) - 1)

static inline void send_bytes(const char *at, size_t len)
{
    struct slice part = {at, len};

    if (world->sock != NULL) {
        assert_int_equal(sock_write(world->sock, &part, 1), ERR_OK);
        return;
    }
    while (len > 0) {
        ssize_t n = send(world->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0) {
            at += n;
            len -= (size_t)n;
        } else {
            turn(1); /* the server reads first */
        }
    }
}

#define SEND(literal) send_bytes(literal, sizeof(literal) - 1)

/* A frame with its first byte, masked. */
static inline size_t make_frame(char *out, unsigned first, struct slice payload)
{
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    uint64_t length = payload.len;
    size_t form = length < 126 ? 0 : length < 65536 ? 2 : 8;
    size_t at = 2;
    size_t i;

    out[0] = (char)first;
    out[1] = (char)(0x80 | (form == 0   ? (unsigned)length
                            : form == 2 ? 126u
                                        : 127u));
    for (i = 0; i < form; i++)
        out[at++] = (char)(length >> 8 * (form - 1 - i));
    memcpy(out + at, mask, 4);
    at += 4;
    for (i = 0; i < payload.len; i++)
        out[at++] = (char)((unsigned char)payload.at[i] ^ mask[i % 4]);
    return at;
}

static inline void send_frame(unsigned first, struct slice payload)
{
    char *frame = malloc(payload.len + 14);

    assert_non_null(frame);
    send_bytes(frame, make_frame(frame, first, payload));
    free(frame);
}

#define TEXT(literal) send_frame(0x81, SLICE(literal))

/* ---- the world ---- */

static inline void on_request(void *arg, struct http_exchange *x,
                              const struct http_request *r)
{
    websocket_request(world->host, x, r);
}

static inline int set_up(void **state)
{
    static const struct http_handler handler = {.request = on_request};
    struct sock_limits sock = {.queue_max_bytes = 1 << 20,
                               .high_bytes = 1 << 16,
                               .low_bytes = 1 << 14,
                               .stall_ms = 5000,
                               .handshake_ms = 5000};
    struct http_server_params http = {
        .handler = &handler,
        .origins = {.any = true},
        .limits = {.header_max_bytes = HEADER_MAX_BYTES,
                   .body_max_bytes = 1024,
                   .header_ms = 5000,
                   .body_ms = 5000,
                   .idle_ms = 5000,
                   .sock = sock}};
    struct websocket_params params = {.origins = {.any = true},
                                      .sock = sock,
                                      .deflate = WITH_DEFLATE,
                                      .deflate_min_bytes = DEFLATE_MIN_BYTES};

    world = calloc(1, sizeof(*world));
    assert_non_null(world);
    log_setup(LOG_ERROR, LOG_TEXT);
    buf_init(&world->in, 8u << 20);
    world->fd = -1;
    world->max_bytes = BIG_BYTES;
    world->sessions.settings.stanza_max_bytes = BIG_BYTES;
    world->sessions.settings.ws.close_ms = 2000;
    if (*state != NULL)
        params.origins = *(const struct http_origins *)*state;
    assert_int_equal(loop_new(&world->loop), ERR_OK);
    http.loop = params.loop = world->loop;
    params.sessions = &world->sessions;
    assert_int_equal(http_server_new(&world->srv, &http), ERR_OK);
    assert_int_equal(websocket_host_new(&world->host, &params), ERR_OK);
    return 0;
}

static inline int tear_down(void **state)
{
    watch_stop(&world->watch);
    if (world->fd >= 0)
        close(world->fd);
    sock_abort(world->sock);
    websocket_host_free(world->host);
    http_server_free(world->srv);
    buf_free(&world->in);
    loop_free(world->loop);
    free(world);
    return 0;
}

static inline void plug_in(struct tls_ctx *tls)
{
    struct addr peer = {.len = sizeof(sa_family_t)};
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    peer.storage.ss_family = AF_UNIX;
    assert_int_equal(http_serve(world->srv, fds[1], &peer, tls, false), ERR_OK);
    world->fd = fds[0];
    if (tls == NULL)
        assert_int_equal(watch_start(&world->watch, world->loop, world->fd,
                                     LOOP_READ, on_client_ready, NULL),
                         ERR_OK);
}

/* Reads an HTTP answer up to its empty line. */
static inline void read_head(char *out, size_t cap)
{
    char *end = NULL;
    size_t len;

    while (end == NULL && !world->saw_eof) {
        size_t before = world->in.len;

        await_bytes(before + 1);
        assert_true(world->in.len > before || world->saw_eof);
        end = memmem(buf_at(&world->in), world->in.len, "\r\n\r\n", 4);
    }
    assert_non_null(end);
    len = (size_t)(end + 4 - buf_at(&world->in));
    assert_true(len < cap);
    memcpy(out, buf_at(&world->in), len);
    out[len] = '\0';
    buf_consume(&world->in, len);
}

/* Plain, and past the 101. */
static inline void upgrade(void)
{
    char head[1024];

    plug_in(NULL);
    SEND(UPGRADE);
    read_head(head, sizeof(head));
    assert_memory_equal(head, "HTTP/1.1 101 ", 13);
}

/* The client lets go, and another one may come. */
static inline void unplug(void)
{
    watch_stop(&world->watch);
    close(world->fd);
    world->fd = -1;
    world->saw_eof = false;
    pass_ms(5);
}

#endif /* TESTS_WEBSOCKET_WORLD_H */
