/*
 * fuzz_session.c - whatever a client sends, over BOSH or WebSocket, and
 * whatever its server answers: the server is sent what it takes (oracle.h), and
 * nothing is left behind.
 *
 * Input: a byte for the transport and the kind of client, then commands, each
 * behind a NUL.  A command is a letter and, for some, what is said:
 *
 *   c...  the client: payload of a body, or a message    s...  the server
 *   a i r x  the client: <auth/>, an iq, a restart or <open/>, the end
 *   h f y n  the server: a header, features, <success/>, <failure/>
 *   d  a connection that is awaited is there    t  a minute passes
 */
#include "../fakes/fakes.h"
#include "../fakes/gateway.h"
#include "../fakes/oracle.h"
#include "base/log.h"
#include "session/bosh.h"
#include "session/ws.h"
#include "xmpp/xml_write.h"
#include "session/session_host.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define REQUESTS_MAX 200
#define TEXT_BYTES   16384

#define HEADER                                                                 \
    "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT                    \
    "' xmlns:stream='" NS_STREAMS "' id='s' version='1.0'>"
#define OPEN    "<open xmlns='" NS_FRAMING "' to='example.org' version='1.0'/>"
#define CLOSE   "<close xmlns='" NS_FRAMING "'/>"
#define IQ      "<iq xmlns='" NS_CLIENT "' type='set' id='i'/>"
#define SASL(x) "<" x " xmlns='" NS_SASL "'/>"

#define REQUIRE(fact)                                                          \
    do {                                                                       \
        if (!(fact))                                                           \
            abort();                                                           \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

enum {
    FLAG_WS = 1,
    FLAG_OLD = 2,   /* BOSH without ver; WebSocket from before RFC 7395 */
    FLAG_EARLY = 4, /* the first command comes with the creation request */
};

static struct {
    struct gateway g;
    unsigned flags;
    struct ws *ws; /* NULL once it is over */
    struct bosh_body body;
    struct bosh_request requests[REQUESTS_MAX];
    unsigned n_requests;
    char sid[64];
    struct fake_peer *peer;
    struct oracle *oracle;
    size_t n_read;
} w;

/* --- The client ----------------------------------------------------------- */

static void on_answer(struct bosh_request *r, const struct bosh_answer *a)
{
    const char *sid = memmem(a->body.at, a->body.len, " sid=\"", 6);
    size_t left;

    (void)r;
    if (sid == NULL || w.sid[0] != '\0')
        return;
    sid += 6;
    left = a->body.len - (size_t)(sid - a->body.at);
    for (size_t i = 0; i < left && i + 1 < sizeof(w.sid) && sid[i] != '"'; i++)
        w.sid[i] = sid[i];
}

static void post(const char *attrs, struct slice payload)
{
    struct addr client = {.len = 0};
    struct bosh_origin origin = {.client = &client};
    struct bosh_request *r = &w.requests[w.n_requests];
    enum bosh_verdict verdict;
    char text[TEXT_BYTES * 2];

    if (w.n_requests == REQUESTS_MAX)
        return;
    snprintf(text, sizeof(text),
             "<body xmlns='http://jabber.org/protocol/httpbind' rid='%u' "
             "xmlns:xmpp='urn:xmpp:xbosh' %s>%.*s</body>",
             1000 + w.n_requests++, attrs, (int)payload.len, payload.at);
    verdict = bosh_body_read(
        &w.body,
        &(struct bosh_body_tools){.pool = w.g.pool, .copier = w.g.copier},
        slice_of(text));
    r->answer = on_answer;
    origin.session = bosh_find(w.g.host, w.body.sid);
    bosh_receive(w.g.host, r, &w.body, verdict, &origin);
}

static void client_says(struct slice what)
{
    char attrs[100];

    if (w.flags & FLAG_WS) {
        if (w.ws != NULL && what.len <= ws_message_max(w.ws))
            ws_message(w.ws, what);
    } else if (w.sid[0] != '\0') {
        snprintf(attrs, sizeof(attrs), "sid='%s'", w.sid);
        post(attrs, what);
    }
}

static void client_asks(const char *attr, const char *message)
{
    char attrs[120];

    if (w.flags & FLAG_WS) {
        client_says(slice_of(message));
    } else if (w.sid[0] != '\0') {
        snprintf(attrs, sizeof(attrs), "sid='%s' %s", w.sid, attr);
        post(attrs, SLICE(""));
    }
}

static bool on_send(void *owner, struct slice message)
{
    (void)owner;
    (void)message;
    return true;
}

static bool on_is_congested(void *owner)
{
    (void)owner;
    return false;
}

static void on_finish(void *owner, enum ws_code code, const char *reason)
{
    (void)owner;
    (void)code;
    (void)reason;
    w.ws = NULL;
}

static void begin_client(struct slice early)
{
    static const struct ws_ops ops = {
        .send = on_send,
        .is_congested = on_is_congested,
        .finish = on_finish,
    };
    struct addr client = {.len = 0};

    if (w.flags & FLAG_WS)
        REQUIRE(ws_open(&w.ws, w.g.host, &client, true, &ops, &w) == ERR_OK);
    else
        post(w.flags & FLAG_OLD ? "to='example.org'"
                                : "to='example.org' ver='1.11'",
             early);
    if ((w.flags & FLAG_WS) && !(w.flags & FLAG_OLD))
        client_says(slice_of(OPEN));
}

/* --- The server ----------------------------------------------------------- */

static void judge(void)
{
    struct slice all;

    if (w.peer == NULL)
        return;
    all = buf_slice(fake_sock_written(w.peer));
    REQUIRE(oracle_read(w.oracle, (struct slice){all.at + w.n_read,
                                                 all.len - w.n_read}) == NULL);
    w.n_read = all.len;
    if (fake_sock_end(w.peer) == FAKE_CLOSED)
        REQUIRE(oracle_end(w.oracle) == NULL);
}

static void server_says(struct slice what)
{
    if (w.peer == NULL || fake_sock_end(w.peer) != FAKE_OPEN)
        return;
    oracle_hear(w.oracle, what);
    fake_sock_deliver(w.peer, what.at, what.len);
}

static void connect_server(void)
{
    if (w.peer != NULL || fake_sock_connects() == 0)
        return;
    w.peer = fake_sock_connect_at(0);
    fake_sock_answer(w.peer, true);
}

/* --- One run -------------------------------------------------------------- */

static void obey(char letter, struct slice what)
{
    if (letter == 'c')
        client_says(what);
    else if (letter == 'a')
        client_says(SLICE(SASL("auth")));
    else if (letter == 'i')
        client_says(SLICE(IQ));
    else if (letter == 'r')
        client_asks("xmpp:restart='true'", OPEN);
    else if (letter == 'x')
        client_asks("type='terminate'", CLOSE);
    else if (letter == 's')
        server_says(what);
    else if (letter == 'h')
        server_says(SLICE(HEADER));
    else if (letter == 'f')
        server_says(SLICE("<stream:features/>"));
    else if (letter == 'y')
        server_says(SLICE(SASL("success")));
    else if (letter == 'n')
        server_says(SLICE(SASL("failure")));
    else if (letter == 'd')
        connect_server();
    else if (letter == 't')
        fake_loop_pass(w.g.loop, 60000);
}

static struct slice next_command(struct slice *rest)
{
    const char *end = memchr(rest->at, '\0', rest->len);
    struct slice command = *rest;

    if (end != NULL)
        command.len = (size_t)(end - rest->at);
    rest->at += command.len + (end != NULL);
    rest->len -= command.len + (end != NULL);
    if (command.len > TEXT_BYTES)
        command.len = TEXT_BYTES;
    return command;
}

static void converse(struct slice rest)
{
    struct slice command = {"", 0};

    if (w.flags & FLAG_EARLY)
        command = next_command(&rest);
    begin_client(command);
    while (rest.len > 0) {
        command = next_command(&rest);
        if (command.len == 0)
            continue;
        obey(command.at[0], (struct slice){command.at + 1, command.len - 1});
        fake_loop_turn(w.g.loop);
        judge();
    }
}

static void ignore(const char *line, size_t len)
{
    (void)line;
    (void)len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct session_settings settings = gateway_settings();

    if (len == 0)
        return 0;
    log_setup(LOG_ERROR, LOG_TEXT);
    log_set_sink(ignore);
    memset(&w, 0, sizeof(w));
    w.flags = data[0];
    settings.ws.is_legacy_allowed = (w.flags & FLAG_OLD) != 0;
    bosh_body_init(&w.body, 2 * TEXT_BYTES);
    gateway_begin(&w.g, &settings);
    w.oracle = oracle_new();
    converse((struct slice){(const char *)data + 1, len - 1});
    if (w.ws != NULL)
        ws_lost(w.ws);
    bosh_drop_all(w.g.host);
    fake_loop_turn(w.g.loop);
    judge();
    gateway_end(&w.g);
    oracle_free(w.oracle);
    bosh_body_free(&w.body);
    return 0;
}
