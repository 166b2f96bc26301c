/* XMPP over WebSocket (RFC 7395), and bare WebSocket messages without a
 * session for a relay that knows none. */
#include "bench.h"

#include <stdio.h>

#define FRAMING "urn:ietf:params:xml:ns:xmpp-framing"

struct socket {
    struct wire wire;
    bool is_upgraded;
    uint32_t mask;
};

static void send_text(struct session *s, struct slice text)
{
    static char masked[BENCH_TEXT_MAX + 4096];
    struct socket *c = s->own;
    unsigned char head[14] = {0x81};
    size_t n = 2;

    c->mask = c->mask * 1664525u + 1013904223u;
    if (text.len < 126) {
        head[1] = (unsigned char)(0x80 | text.len);
    } else if (text.len < 65536) {
        head[1] = 0x80 | 126;
        head[2] = (unsigned char)(text.len >> 8);
        head[3] = (unsigned char)text.len;
        n = 4;
    } else {
        session_fail(s, "a message above 65535 bytes");
        return;
    }
    memcpy(head + n, &c->mask, 4);
    for (size_t i = 0; i < text.len; i++)
        masked[i] = (char)(text.at[i] ^ (char)head[n + i % 4]);
    wire_send(&c->wire, (struct slice){(char *)head, n + 4},
              (struct slice){masked, text.len});
}

static void send_open(struct session *s)
{
    char text[400];
    int n = snprintf(text, sizeof(text),
                     "<open xmlns='" FRAMING "' to='%s' version='1.0'/>",
                     s->bench->o.domain);

    send_text(s, (struct slice){text, (size_t)n});
}

static void send_upgrade(void *owner)
{
    struct session *s = owner;
    const struct options *o = &s->bench->o;
    struct socket *c = s->own;
    char text[2048];
    int n =
        snprintf(text, sizeof(text),
                 "GET %s HTTP/1.1\r\nHost: %s\r\n%s"
                 "Connection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\n"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                 "Sec-WebSocket-Protocol: xmpp\r\n\r\n",
                 o->path, o->host, o->is_plain_header ? "" : browser_headers);

    wire_send(&c->wire, (struct slice){text, (size_t)n},
              (struct slice){NULL, 0});
}

static size_t take_answer(struct session *s, const char *at, size_t len)
{
    struct socket *c = s->own;
    const char *end = memmem(at, len, "\r\n\r\n", 4);

    if (end == NULL)
        return 0;
    if (len < 12 || memcmp(at + 8, " 101", 4) != 0) {
        session_fail(s, "the upgrade is refused");
        return len;
    }
    c->is_upgraded = true;
    if (s->bench->o.kind->has_login)
        send_open(s);
    else
        session_is_up(s);
    return (size_t)(end - at) + 4;
}

/* A ping's answer has its payload. */
static void answer_ping(struct session *s, const char *at, size_t len)
{
    struct socket *c = s->own;
    char pong[6 + 125] = {(char)0x8A, (char)(0x80 | len)};

    memcpy(pong + 6, at, len); /* a mask of zeros */
    wire_send(&c->wire, (struct slice){pong, 6 + len}, (struct slice){NULL, 0});
}

/* Of a whole frame.  Servers of XMPP do not fragment; one that did would not be
 * counted right, and so is not counted at all. */
static void take_frame(struct session *s, unsigned char first, const char *at,
                       size_t len)
{
    switch (first) {
    case 0x81:
        session_input(s, at, len);
        break;
    case 0x88:
        session_fail(s, "the server closes the WebSocket");
        break;
    case 0x89:
        if (len <= 125)
            answer_ping(s, at, len);
        break;
    case 0x8A:
        break;
    default:
        session_fail(s, "a frame that is neither a whole text nor a ping");
    }
}

static size_t take_frames(struct session *s, const char *at, size_t len)
{
    size_t used = 0;

    while (len - used >= 2 && s->state != SESSION_FAILED) {
        const unsigned char *h = (const unsigned char *)at + used;
        size_t head = 2;
        size_t n = h[1] & 0x7F;

        if (n == 126)
            head = 4;
        else if (n == 127)
            head = 10;
        if (len - used < head)
            break;
        if (n == 126)
            n = (size_t)h[2] << 8 | h[3];
        else if (n == 127)
            n = (size_t)h[6] << 24 | (size_t)h[7] << 16 | (size_t)h[8] << 8 |
                h[9];
        if (len - used - head < n)
            break;
        take_frame(s, h[0], at + used + head, n);
        used += head + n;
    }
    return used;
}

static size_t on_received(void *owner, const char *at, size_t len)
{
    struct session *s = owner;
    struct socket *c = s->own;
    size_t used = 0;

    if (!c->is_upgraded)
        used = take_answer(s, at, len);
    if (c->is_upgraded && s->state != SESSION_FAILED)
        used += take_frames(s, at + used, len - used);
    return used;
}

static void on_lost(void *owner, const char *why)
{
    session_fail(owner, why);
}

static const struct wire_ops ops = {
    .connected = send_upgrade, .received = on_received, .lost = on_lost};

static void open_socket(struct session *s)
{
    struct socket *c = s->own;

    c->mask = s->number * 2654435761u;
    wire_open(&c->wire, &s->bench->o.to, &ops, s);
}

static void close_socket(struct session *s)
{
    struct socket *c = s->own;

    wire_close(&c->wire);
}

const struct kind kind_websocket = {
    .name = "websocket",
    .help = "XMPP over WebSocket (RFC 7395)",
    .path = "/xmpp-websocket",
    .connections = 1,
    .has_login = true,
    .state_bytes = sizeof(struct socket),
    .open = open_socket,
    .restart = send_open,
    .send = send_text,
    .close = close_socket,
};

const struct kind kind_bare_websocket = {
    .name = "bare-websocket",
    .help = "WebSocket messages without a session, for doab-bench-relay",
    .path = "/xmpp-websocket",
    .connections = 1,
    .state_bytes = sizeof(struct socket),
    .open = open_socket,
    .restart = send_open,
    .send = send_text,
    .close = close_socket,
};
