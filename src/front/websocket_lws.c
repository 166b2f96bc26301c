#include "front/websocket_lws.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/loop.h"

#include <errno.h>
#include <libwebsockets.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* An idle connection keeps a buffer of this size; longer frames come in
 * pieces (design.md section 7). */
#define RX_BYTES 1024
/* Of one write to the pair; unset it would be RX_BYTES, a loop turn each. */
#define TX_BYTES        (16u << 20)
#define READ_BYTES      16384
#define INPUT_MAX_BYTES 262144
#define OUT_KEEP_BYTES  65536
#define KEY_MAX_BYTES   64

struct ws_carrier_host {
    struct loop *loop;           /* borrowed: outlives us */
    struct lws_context *context; /* owned */
    struct lws_vhost *vhost;     /* the context's */
    char *out;                   /* owned: a message behind LWS_PRE bytes */
    size_t out_cap;
    /* Not the loop's scratch: a server's bytes may lie there while one of
     * their elements is being sent through here. */
    char read[READ_BYTES];
};

struct ws_carrier {
    struct ws_carrier_host *host; /* borrowed: outlives us */
    struct lws *wsi;              /* the library's; NULL when it has let go */
    int fd;         /* owned: our end of the pair; -1 when closed */
    bool is_ending; /* no more input comes */
    bool is_ended;  /* reported, or freed */
    struct watch watch;
    struct buf input; /* what the pair does not take yet */
    struct defer later;
    const struct ws_carrier_ops *up; /* borrowed: static in websocket.c */
    void *owner;                     /* borrowed: passed back */
};

static void on_pair_ready(void *arg, unsigned events);
static void on_free(void *arg);
static int on_library(struct lws *wsi, enum lws_callback_reasons reason,
                      void *user, void *in, size_t len);

static const struct lws_protocols protocols[] = {
    {.name = "xmpp",
     .callback = on_library,
     .rx_buffer_size = RX_BYTES,
     .tx_packet_size = TX_BYTES},
    {.name = NULL},
};

/* Zeroed: the library sends no pings of its own and drops nobody. */
static const lws_retry_bo_t no_retry;

/* ---- the context ---- */

static void on_library_log(int level, const char *line)
{
    size_t len = strcspn(line, "\n");

    log_debug(NULL, "websocket.library line=%s",
              log_quote((struct slice){line, len}).text);
}

enum err ws_carrier_host_new(struct ws_carrier_host **out, struct loop *loop)
{
    struct ws_carrier_host *h = calloc(1, sizeof(*h));
    void *loops[1] = {loop_foreign(loop)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .protocols = protocols,
        .options = LWS_SERVER_OPTION_LIBEV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS,
        .foreign_loops = loops,
        .retry_and_idle_policy = &no_retry,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };

    if (h == NULL)
        return ERR_NOMEM;
    h->loop = loop;
    lws_set_log_level(LLL_ERR | LLL_WARN, on_library_log);
    h->context = lws_create_context(&info);
    if (h->context != NULL)
        h->vhost = lws_create_vhost(h->context, &info);
    if (h->vhost == NULL) {
        log_error(NULL, "websocket.failed library=libwebsockets "
                        "hint=\"is libwebsockets-evlib-ev installed?\"");
        ws_carrier_host_free(h);
        return ERR_SYSTEM;
    }
    *out = h;
    return ERR_OK;
}

void ws_carrier_host_free(struct ws_carrier_host *h)
{
    if (h == NULL)
        return;
    if (h->context != NULL)
        lws_context_destroy(h->context);
    free(h->out);
    free(h);
}

/* ---- ends ---- */

/* Lets the library go: it sees its peer leave, and closes its own end. */
static void let_go(struct ws_carrier *c)
{
    if (c->wsi != NULL)
        lws_set_opaque_user_data(c->wsi, NULL);
    c->wsi = NULL;
    watch_stop(&c->watch);
    if (c->fd >= 0)
        close(c->fd);
    c->fd = -1;
    buf_wipe(&c->input);
}

static void end(struct ws_carrier *c)
{
    if (c->is_ended)
        return;
    c->is_ended = true;
    let_go(c);
    c->up->ended(c->owner);
}

static void on_free(void *arg)
{
    free(arg);
}

void ws_carrier_free(struct ws_carrier *c)
{
    if (c == NULL)
        return;
    c->is_ended = true;
    let_go(c);
    loop_defer(c->host->loop, &c->later, on_free, c);
}

/* ---- our end of the pair ---- */

static void update_watch(struct ws_carrier *c)
{
    watch_set(&c->watch, c->input.len > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

/* Passes on what the library has written.  False: it is through. */
static bool pass_output(struct ws_carrier *c)
{
    ssize_t n;

    do {
        n = recv(c->fd, c->host->read, READ_BYTES, MSG_DONTWAIT);
        if (n > 0)
            c->up->output(c->owner, c->host->read, (size_t)n);
        if (c->is_ended)
            return true; /* freed from inside */
    } while (n == READ_BYTES || (n < 0 && errno == EINTR));
    return n > 0 || (n < 0 && errno == EAGAIN);
}

/* Hands the pair what it takes; the rest stays.  False: it is broken. */
static bool pass_input(struct ws_carrier *c)
{
    while (c->input.len > 0) {
        ssize_t n = send(c->fd, buf_at(&c->input), c->input.len,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        buf_consume(&c->input, (size_t)n);
    }
    buf_wipe(&c->input);
    if (c->is_ending)
        shutdown(c->fd, SHUT_WR);
    return true;
}

static void on_pair_ready(void *arg, unsigned events)
{
    struct ws_carrier *c = arg;
    bool is_alive = true;

    if (events & LOOP_WRITE) {
        is_alive = pass_input(c);
        update_watch(c);
        if (is_alive && c->input.len == 0)
            c->up->drained(c->owner);
        if (c->is_ended)
            return;
    }
    if (events & LOOP_READ)
        is_alive = pass_output(c) && is_alive;
    if (!is_alive)
        end(c);
}

enum err ws_carrier_input(struct ws_carrier *c, const char *at, size_t len)
{
    enum err err;

    if (c->is_ended || c->is_ending)
        return ERR_CLOSED;
    if (c->input.len == 0) {
        ssize_t n = send(c->fd, at, len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
            return ERR_CLOSED;
        if (n > 0) {
            at += n;
            len -= (size_t)n;
        }
    }
    if (len == 0)
        return ERR_OK;
    err = buf_append(&c->input, at, len);
    if (err == ERR_OK)
        update_watch(c);
    return err;
}

bool ws_carrier_is_congested(const struct ws_carrier *c)
{
    return c->input.len > 0;
}

void ws_carrier_end(struct ws_carrier *c)
{
    if (c->is_ended || c->is_ending)
        return;
    c->is_ending = true;
    if (c->input.len == 0)
        shutdown(c->fd, SHUT_WR);
}

void ws_carrier_set_flow(struct ws_carrier *c, bool is_flowing)
{
    if (c->wsi != NULL)
        lws_rx_flow_control(c->wsi, is_flowing);
}

/* ---- the library's end ---- */

static void received(struct ws_carrier *c, struct lws *wsi, const char *at,
                     size_t len)
{
    bool is_last =
        lws_remaining_packet_payload(wsi) == 0 && lws_is_final_fragment(wsi);

    c->up->piece(c->owner, (struct slice){at, len}, is_last);
}

static int on_library(struct lws *wsi, enum lws_callback_reasons reason,
                      void *user, void *in, size_t len)
{
    struct ws_carrier *c = lws_get_opaque_user_data(wsi);

    switch ((int)reason) {
    case LWS_CALLBACK_RECEIVE:
        if (c != NULL)
            received(c, wsi, in, len);
        /* Without an owner nobody wants the rest. */
        return lws_get_opaque_user_data(wsi) == NULL ? -1 : 0;
    case LWS_CALLBACK_WS_PEER_INITIATED_CLOSE:
        if (c != NULL)
            c->up->closing(c->owner);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (c == NULL)
            return 0;
        /* Its fd is closed or about to be: on_pair_ready reads the rest and
         * then the end. */
        c->wsi = NULL;
        return 0;
    default:
        return 0;
    }
}

/* What the library takes for a client's request: never the client's own
 * (decisions). */
static enum err write_head(int fd, struct slice key)
{
    char head[256];
    int len;

    if (key.len > KEY_MAX_BYTES)
        return ERR_INVALID;
    len = snprintf(head, sizeof(head),
                   "GET / HTTP/1.1\r\n"
                   "Host: localhost\r\n"
                   "Upgrade: websocket\r\n"
                   "Connection: Upgrade\r\n"
                   "Sec-WebSocket-Key: %.*s\r\n"
                   "Sec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Protocol: xmpp\r\n"
                   "\r\n",
                   (int)key.len, key.at);
    return send(fd, head, (size_t)len, MSG_NOSIGNAL) == len ? ERR_OK
                                                            : ERR_SYSTEM;
}

enum err ws_carrier_open(struct ws_carrier **out, struct ws_carrier_host *h,
                         struct slice key, const struct ws_carrier_ops *ops,
                         void *owner)
{
    struct ws_carrier *c = calloc(1, sizeof(*c));
    int pair[2];
    enum err err = ERR_SYSTEM;

    if (c == NULL)
        return ERR_NOMEM;
    c->host = h;
    c->up = ops;
    c->owner = owner;
    c->fd = -1;
    buf_init(&c->input, INPUT_MAX_BYTES);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0,
                   pair) < 0)
        goto fail;
    c->fd = pair[0];

    c->wsi = lws_adopt_socket_vhost(h->vhost, pair[1]); /* closes it if not */
    if (c->wsi == NULL)
        goto fail;
    lws_set_opaque_user_data(c->wsi, c);
    err = write_head(c->fd, key);
    if (err == ERR_OK)
        err =
            watch_start(&c->watch, h->loop, c->fd, LOOP_READ, on_pair_ready, c);
    if (err != ERR_OK)
        goto fail;

    *out = c;
    return ERR_OK;

fail:
    let_go(c);
    free(c);
    return err;
}

/* Room for len bytes behind the library's own LWS_PRE. */
static char *out_room(struct ws_carrier_host *h, size_t len)
{
    char *grown;

    if (len <= h->out_cap)
        return h->out + LWS_PRE;
    grown = malloc(LWS_PRE + len);
    if (grown == NULL)
        return NULL;
    free(h->out);
    h->out = grown;
    h->out_cap = len;
    return grown + LWS_PRE;
}

bool ws_carrier_text(struct ws_carrier *c, struct slice message)
{
    struct ws_carrier_host *h = c->host;
    size_t want = message.len < READ_BYTES ? READ_BYTES : message.len;
    char *room;
    int n;

    if (c->is_ended || c->wsi == NULL)
        return false;
    room = out_room(h, want);
    if (room == NULL)
        return false;
    memcpy(room, message.at, message.len);
    n = lws_write(c->wsi, (unsigned char *)room, message.len, LWS_WRITE_TEXT);
    if (h->out_cap > OUT_KEEP_BYTES) {
        free(h->out);
        h->out = NULL;
        h->out_cap = 0;
    }
    if (n < 0)
        return false;     /* less than all: it keeps the rest, and sends it */
    (void)pass_output(c); /* its end is seen by the watch */
    return true;
}

void ws_carrier_ping(struct ws_carrier *c)
{
    unsigned char room[LWS_PRE + 1];

    if (c->is_ended || c->wsi == NULL)
        return;
    (void)lws_write(c->wsi, room + LWS_PRE, 0, LWS_WRITE_PING);
    (void)pass_output(c);
}

bool ws_carrier_is_flushed(const struct ws_carrier *c)
{
    int waiting = 0;

    if (c->is_ended)
        return true;
    if (c->wsi != NULL && lws_partial_buffered(c->wsi))
        return false;
    return ioctl(c->fd, FIONREAD, &waiting) < 0 || waiting == 0;
}

const char *ws_carrier_library(void)
{
    return lws_get_library_version();
}
