/* An XMPP client straight over TCP, without TLS: to the null server itself,
 * or through a blind relay. */
#include "bench.h"

#include <stdio.h>

static void send_header(struct session *s)
{
    struct wire *w = s->own;
    char text[600];
    int n = snprintf(text, sizeof(text),
                     "<?xml version='1.0'?><stream:stream to='%s' "
                     "version='1.0' xmlns='jabber:client' "
                     "xmlns:stream='http://etherx.jabber.org/streams'>",
                     s->bench->o.domain);

    wire_send(w, (struct slice){text, (size_t)n}, (struct slice){NULL, 0});
}

static void on_connected(void *owner)
{
    send_header(owner);
}

static size_t on_received(void *owner, const char *at, size_t len)
{
    return session_input(owner, at, len);
}

static void on_lost(void *owner, const char *why)
{
    session_fail(owner, why);
}

static const struct wire_ops ops = {
    .connected = on_connected, .received = on_received, .lost = on_lost};

static void open_tcp(struct session *s)
{
    wire_open(s->own, &s->bench->o.to, &ops, s);
}

static void send_tcp(struct session *s, struct slice stanza)
{
    wire_send(s->own, stanza, (struct slice){NULL, 0});
}

static void close_tcp(struct session *s)
{
    wire_close(s->own);
}

const struct kind kind_tcp = {
    .name = "tcp",
    .help = "XMPP over TCP: a server itself, or a blind relay before it",
    .path = "",
    .connections = 1,
    .has_login = true,
    .state_bytes = sizeof(struct wire),
    .open = open_tcp,
    .restart = send_header,
    .send = send_tcp,
    .close = close_tcp,
};
