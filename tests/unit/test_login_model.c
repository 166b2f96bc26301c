/*
 * Logins against a model: over both transports, a client that does not wait and
 * a server that takes its time throw <auth/>, SASL2, payload, restarts, second
 * <open/>s, polls, features, challenges, failures and successes at a session
 * in random order and random pieces.  Whatever happens, the oracle takes what
 * the server is sent, payload comes in order, never into a login that is being
 * judged or into a stream that <success/> has ended, and each stanza is
 * delivered once or answered once.
 *
 * Sessions and streams are the real ones; the loop, the sockets and DNS are
 * fakes.
 */
#include "../fakes/fakes.h"
#include "../fakes/gateway.h"
#include "../fakes/oracle.h"
#include "base/log.h"
#include "session/bosh.h"
#include "session/ws.h"
#include "xmpp/xml_write.h"
#include "session/session_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SCHEDULES    4000
#define STEPS        40
#define STANZAS_MAX  120
#define REQUESTS_MAX 200
#define TEXT_BYTES   4096

#define HEADER                                                                 \
    "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT                    \
    "' xmlns:stream='" NS_STREAMS "' id='s' from='example.org' version='1.0'>"
#define FEATURES "<stream:features><x xmlns='urn:x'/></stream:features>"

#define OPEN "<open xmlns='" NS_FRAMING "' to='example.org' version='1.0'/>"

#define SASL(name)  "<" name " xmlns='" NS_SASL "'/>"
#define SASL2(name) "<" name " xmlns='" NS_SASL2 "'/>"

enum judged {
    NOTHING,
    BY_SASL,
    BY_SASL2
};

static struct {
    unsigned schedule; /* 0: none is under way */
    unsigned seed;
    bool is_ws;
    bool is_legacy;
    bool is_rude; /* breaks rules of its own protocol: only bytes are judged */
    struct gateway g;
    /* the client */
    struct ws *ws;
    struct bosh_body body;
    struct bosh_request requests[REQUESTS_MAX];
    unsigned n_requests, n_open;
    char sid[64];
    bool is_over;     /* the session has ended */
    bool is_asking;   /* <auth/> was sent, no verdict has come */
    bool has_success; /* has come */
    bool was_sasl2;
    bool has_opened;    /* <open/> for this login was sent */
    unsigned n_stanzas; /* numbered from 1 */
    bool is_delivered[STANZAS_MAX + 1], is_returned[STANZAS_MAX + 1];
    /* the server */
    struct fake_peer *peer;
    struct oracle *oracle;
    struct buf out; /* to be said yet */
    size_t n_read;  /* of what doab wrote */
    unsigned n_headers, n_features;
    enum judged judged;
    bool awaits_header; /* <success/> of SASL was said */
    unsigned last;      /* stanza that came */
} m;

/* Over all schedules, or they tested nothing. */
static unsigned long n_delivered, n_returned, n_restarts;

static unsigned draw(unsigned below)
{
    m.seed = m.seed * 1103515245u + 12345u;
    return (m.seed >> 16) % below;
}

/* ---- the server ---- */

static void say(const char *text)
{
    assert_int_equal(buf_append_text(&m.out, text), ERR_OK);
}

static void take_stanza(unsigned n)
{
    if (m.is_rude)
        return;
    assert_int_equal(m.judged, NOTHING);
    assert_false(m.awaits_header);
    assert_true(n > m.last && n <= m.n_stanzas);
    assert_false(m.is_returned[n]);
    m.last = n;
    m.is_delivered[n] = true;
    n_delivered++;
}

static void take_tag(const char *tag)
{
    const char *id = strstr(tag, " id=\"u");

    if (strncmp(tag, "<stream:stream", 14) == 0) {
        assert_true(m.n_headers == 0 || m.awaits_header || m.is_rude);
        n_restarts += m.n_headers > 0;
        m.n_headers++;
        m.awaits_header = false;
        say(HEADER);
        m.n_features++;
    } else if (strncmp(tag, "<authenticate", 13) == 0) {
        m.judged = BY_SASL2;
    } else if (strncmp(tag, "<auth", 5) == 0) {
        m.judged = BY_SASL;
    } else if (id != NULL) {
        take_stanza((unsigned)strtoul(id + 6, NULL, 10));
        if (tag[1] == 'i')
            say("<iq type='result' id='r'/>");
    }
}

/* What doab sent, judged and cut into tags: none of ours has a > inside. */
static void read_sent(void)
{
    struct slice all = buf_slice(fake_sock_written(m.peer));
    struct slice sent = {all.at + m.n_read, all.len - m.n_read};
    const char *fault = oracle_read(m.oracle, sent);
    char tag[1024];

    if (fault != NULL)
        fail_msg("%s: %.*s", fault, (int)sent.len, sent.at);
    m.n_read = all.len;
    while (sent.len > 0) {
        const char *end = memchr(sent.at, '>', sent.len);
        size_t len = end == NULL ? sent.len : (size_t)(end - sent.at) + 1;

        assert_true(len < sizeof(tag));
        memcpy(tag, sent.at, len);
        tag[len] = '\0';
        take_tag(tag);
        sent = (struct slice){sent.at + len, sent.len - len};
    }
}

static void turn(void)
{
    fake_loop_turn(m.g.loop);
    if (m.peer == NULL && fake_sock_connects() > 0 && draw(2) == 0) {
        m.peer = fake_sock_connect_at(0);
        fake_sock_answer(m.peer, true);
        fake_loop_turn(m.g.loop);
    }
    if (m.peer != NULL)
        read_sent();
}

/* A random piece of what is to be said, or all of it. */
static void deliver(bool all)
{
    struct slice out = buf_slice(&m.out);
    size_t n = all || draw(3) == 0 ? out.len : out.len * draw(8) / 8;

    if (m.peer == NULL || n == 0 || fake_sock_end(m.peer) != FAKE_OPEN)
        return;
    out.len = n;
    oracle_hear(m.oracle, out);
    fake_sock_deliver(m.peer, out.at, out.len);
    buf_consume(&m.out, n);
    turn();
}

static void judge(bool is_kind)
{
    unsigned verdict = is_kind ? 1 : draw(3);

    if (m.judged == NOTHING)
        return;
    if (verdict == 0) {
        say(m.judged == BY_SASL ? SASL("challenge") : SASL2("challenge"));
        return;
    }
    if (verdict == 1) {
        say(m.judged == BY_SASL ? SASL("success") : SASL2("success"));
        m.awaits_header = m.judged == BY_SASL;
    } else {
        say(m.judged == BY_SASL ? SASL("failure") : SASL2("failure"));
    }
    m.judged = NOTHING;
}

static void serve(void)
{
    if (m.n_features > 0 && draw(2) == 0) {
        m.n_features--;
        say(FEATURES);
    }
    if (draw(2) == 0)
        judge(false);
    deliver(false);
}

/* ---- the client ---- */

static void learn(const char *text)
{
    const char *at = text;

    if (strstr(text, "<success") != NULL) {
        m.is_asking = false;
        m.has_success = true;
    }
    if (strstr(text, "<failure") != NULL) {
        m.is_asking = false;
        m.has_opened = false;
    }
    while ((at = strstr(at, " id=\"u")) != NULL) {
        unsigned n = (unsigned)strtoul(at + 6, NULL, 10);
        const char *end = strchr(at, '>');
        const char *type = strstr(at, " type=\"error\"");

        at += 6;
        if (type == NULL || end == NULL || type > end)
            continue;
        assert_true(n >= 1 && n <= m.n_stanzas);
        assert_false(m.is_returned[n] || m.is_delivered[n]);
        m.is_returned[n] = true;
        n_returned++;
    }
}

static void add_stanza(char *to)
{
    size_t len = strlen(to);

    if (m.n_stanzas == STANZAS_MAX)
        return;
    snprintf(to + len, TEXT_BYTES - len,
             "<%s xmlns='" NS_CLIENT "' id='u%u' type='%s'/>",
             draw(2) == 0 ? "iq" : "message", ++m.n_stanzas, "set");
}

static void add(char *to, const char *text)
{
    size_t len = strlen(to);

    snprintf(to + len, TEXT_BYTES - len, "%s", text);
}

/* One element that may come now. */
static void add_one(char *to)
{
    bool may_ask = m.is_rude || (!m.is_asking && !m.has_success);

    if (draw(3) == 0 && may_ask) {
        m.was_sasl2 = draw(4) == 0;
        m.is_asking = true;
        add(to, m.was_sasl2 ? SASL2("authenticate") : SASL("auth"));
    } else if (draw(5) == 0 && m.is_asking) {
        add(to, m.was_sasl2 ? SASL2("response") : SASL("response"));
    } else {
        add_stanza(to);
    }
}

static void on_answer(struct bosh_request *r, const struct bosh_answer *a)
{
    char text[TEXT_BYTES * 8];
    const char *sid;

    (void)r;
    m.n_open--;
    if (m.is_over)
        return;
    assert_true(a->body.len < sizeof(text));
    snprintf(text, sizeof(text), "%.*s", (int)a->body.len, a->body.at);
    learn(text);
    sid = strstr(text, " sid=\"");
    if (sid != NULL)
        snprintf(m.sid, sizeof(m.sid), "%.*s", (int)strcspn(sid + 6, "\""),
                 sid + 6);
    if (strstr(text, "type=\"terminate\"") != NULL) {
        if (!m.is_rude)
            fail_msg("the session ended: %s", text);
        m.is_over = true;
    }
}

static void post(const char *attrs, const char *payload)
{
    struct addr client = {.len = 0};
    struct bosh_origin origin = {.client = &client};
    struct bosh_request *r = &m.requests[m.n_requests];
    enum bosh_verdict verdict;
    char text[TEXT_BYTES * 2];

    if (m.n_requests == REQUESTS_MAX || m.is_over)
        return;
    snprintf(text, sizeof(text),
             "<body xmlns='http://jabber.org/protocol/httpbind' rid='%u' "
             "xmlns:xmpp='urn:xmpp:xbosh' %s>%s</body>",
             1000 + m.n_requests, attrs, payload);
    verdict = bosh_body_read(
        &m.body,
        &(struct bosh_body_tools){.pool = m.g.pool, .copier = m.g.copier},
        slice_of(text));
    assert_int_equal(verdict, BOSH_BODY_OK);
    r->answer = on_answer;
    m.n_requests++;
    m.n_open++;
    origin.session = bosh_find(m.g.host, m.body.sid);
    bosh_receive(m.g.host, r, &m.body, verdict, &origin);
}

static void bosh_send(bool only_polls)
{
    char payload[TEXT_BYTES] = "";
    char attrs[160];
    bool restarts = !only_polls && draw(4) == 0;

    if (m.sid[0] == '\0' || m.n_open >= 2)
        return;
    if (!only_polls && !restarts) {
        for (unsigned n = draw(4); n > 0; n--)
            add_one(payload);
    }
    snprintf(attrs, sizeof(attrs), "sid='%s'%s", m.sid,
             restarts ? " xmpp:restart='true'" : "");
    post(attrs, payload);
}

static void ws_say(const char *text)
{
    if (m.ws != NULL && !m.is_over)
        ws_message(m.ws, slice_of(text));
}

/* <open/> where a login calls for one or will; anywhere if it is rude. */
static void ws_reopen(void)
{
    if (m.is_rude ? draw(8) != 0
                  : m.has_opened || m.was_sasl2 || !m.has_success)
        return;
    m.has_opened = true;
    ws_say(OPEN);
}

static void ws_client_sends(void)
{
    bool was_asking = m.is_asking;
    char text[TEXT_BYTES] = "";

    add_one(text);
    if (text[0] != '\0')
        ws_say(text);
    /* Right behind <auth/>: later it might meet a failure. */
    if (!was_asking && m.is_asking && !m.was_sasl2 && draw(2) == 0) {
        m.has_opened = true;
        ws_say(OPEN);
    }
    for (unsigned n = draw(3); n > 0; n--) {
        text[0] = '\0';
        add_stanza(text);
        if (text[0] != '\0')
            ws_say(text);
    }
    ws_reopen();
}

static bool on_send(void *owner, struct slice message)
{
    char text[TEXT_BYTES];

    (void)owner;
    assert_true(message.len < sizeof(text));
    snprintf(text, sizeof(text), "%.*s", (int)message.len, message.at);
    if (strstr(text, "<stream:error") != NULL && !m.is_rude && !m.is_over)
        fail_msg("the session ended: %s", text);
    learn(text);
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
    m.ws = NULL;
    m.is_over = true;
}

static void begin_client(void)
{
    static const struct ws_ops ops = {
        .send = on_send,
        .is_congested = on_is_congested,
        .finish = on_finish,
    };
    char payload[TEXT_BYTES] = "";
    struct addr client;
    char attrs[160];

    assert_int_equal(addr_parse_ip(&client, "192.0.2.1", 1), ERR_OK);
    if (m.is_ws) {
        assert_int_equal(ws_open(&m.ws, m.g.host, &client, true, &ops, &m),
                         ERR_OK);
        ws_say(OPEN);
        return;
    }
    for (unsigned n = draw(2) == 0 ? draw(4) : 0; n > 0; n--)
        add_one(payload);
    snprintf(attrs, sizeof(attrs), "to='example.org' wait='60' hold='1'%s",
             m.is_legacy ? "" : " ver='1.11' xmpp:version='1.0'");
    post(attrs, payload);
}

/* ---- a schedule ---- */

static void step(void)
{
    switch (draw(4)) {
    case 0:
    case 1:
        if (m.is_ws)
            ws_client_sends();
        else
            bosh_send(false);
        break;
    case 2:
        serve();
        break;
    default:
        fake_loop_pass(m.g.loop, draw(50));
        break;
    }
    turn();
}

static bool is_settled(void)
{
    for (unsigned n = 1; n <= m.n_stanzas; n++) {
        if (!m.is_delivered[n] && !m.is_returned[n])
            return false;
    }
    return true;
}

/* The server is kind, the client does what it must: nothing stays anywhere. */
static void settle(void)
{
    for (int i = 0; i < 100 && !is_settled(); i++) {
        judge(true);
        for (; m.n_features > 0; m.n_features--)
            say(FEATURES);
        deliver(true);
        if (m.is_ws)
            ws_reopen();
        else
            bosh_send(true);
        fake_loop_pass(m.g.loop, i % 8 == 7 ? 61000 : 10);
        turn();
    }
    if (!is_settled())
        fail_msg("a stanza of %u is nowhere", m.n_stanzas);
}

static void begin(unsigned seed)
{
    struct session_settings settings = gateway_settings();

    memset(&m, 0, sizeof(m));
    m.schedule = m.seed = seed;
    m.is_rude = draw(4) == 0;
    m.is_ws = draw(2) == 0;
    m.is_legacy = draw(3) == 0;
    buf_init(&m.out, 1u << 20);
    bosh_body_init(&m.body, 20000);
    gateway_begin(&m.g, &settings);
    m.oracle = oracle_new();
    begin_client();
}

static void end(void)
{
    m.is_over = true;
    if (m.ws != NULL)
        ws_lost(m.ws);
    bosh_drop_all(m.g.host);
    fake_loop_pass(m.g.loop, 5000);
    if (m.peer != NULL)
        read_sent();
    gateway_end(&m.g);
    oracle_free(m.oracle);
    buf_free(&m.out);
    bosh_body_free(&m.body);
    m.schedule = 0;
}

static int name_schedule(void **state)
{
    (void)state;
    if (m.schedule != 0)
        print_message("in schedule %u\n", m.schedule);
    return 0;
}

static void ignore(const char *line, size_t len)
{
    (void)line;
    (void)len;
}

/* G09, G14, G16, G17, J18, J30, J31; decision 25 */
static void whatever_comes_early_each_server_takes_it(void **state)
{
    log_setup(LOG_ERROR, LOG_TEXT);
    log_set_sink(ignore);
    for (unsigned seed = 1; seed <= SCHEDULES; seed++) {
        begin(seed);
        for (int i = 0; i < STEPS && !m.is_over; i++)
            step();
        if (!m.is_rude)
            settle();
        end();
    }
    print_message("%lu delivered, %lu returned, %lu restarts\n", n_delivered,
                  n_returned, n_restarts);
    assert_true(n_delivered > SCHEDULES * 5ul);
    assert_true(n_returned > SCHEDULES / 2ul);
    assert_true(n_restarts > SCHEDULES / 4ul);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(whatever_comes_early_each_server_takes_it,
                                  name_schedule),
    };

    return cmocka_run_group_tests_name("login_model", tests, NULL, NULL);
}
