/*
 * BOSH sessions against a model, without sockets: random schedules of
 * requests that overtake each other, connections that die, answers that get
 * lost, repeats, and stanzas both ways.  Whatever happens inside the window,
 * each side receives 1..n, in order, once (XEP-0124 sections 8, 14).
 *
 * session.h is defined here and not taken from the archive.
 */
#include "session/bosh.h"

#include "base/loop.h"
#include "../fakes/fakes.h"
#include "xmpp/xml_read.h"
#include "session/session_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SCHEDULES 10000
#define STEPS     60
#define RIDS_MAX  400
#define PLACES    12

struct session {
    const struct session_ops *ops;
    void *owner;
    struct log_ctx log;
};

/* One copy of a request on its way, or lent to the session. */
struct flight {
    struct bosh_request request; /* first: answered by address */
    bool is_used;
    bool is_held;
    bool has_left; /* FIN: nobody reads the answer */
    unsigned rid;
};

static struct {
    unsigned seed;
    struct loop *loop;
    struct xml_pool *pool;
    struct element_copier *copier;
    struct session_host *host;
    struct session session;
    struct bosh_body body;
    char sid[64];
    unsigned requests;
    unsigned first_rid;
    unsigned next_rid;       /* the client's */
    unsigned read_rid;       /* answers below it were read, in order */
    char *answers[RIDS_MAX]; /* of rid first_rid + i; what was received */
    char *given[RIDS_MAX];   /* what the session answered first */
    bool carries[RIDS_MAX];  /* that request has a stanza */
    struct flight flights[PLACES];
    unsigned up_seen, down_sent, down_seen; /* stanzas */
    bool is_over;
} m;

static unsigned draw(unsigned below)
{
    m.seed = m.seed * 1103515245u + 12345u;
    return (m.seed >> 16) % below;
}

/* ---- session.h ---- */

enum err session_open(struct session **out, struct session_host *host,
                      const struct session_params *params,
                      const struct session_ops *ops, void *owner,
                      enum session_end *why)
{
    m.session.ops = ops;
    m.session.owner = owner;
    *out = &m.session;
    return ERR_OK;
}

enum err session_send(struct session *s, const struct element *e)
{
    char expected[64];

    snprintf(expected, sizeof(expected), "<iq id=\"u%u\"/>", ++m.up_seen);
    assert_true(slice_is(e->bytes, expected));
    return ERR_OK;
}

enum err session_restart(struct session *s, struct slice from,
                         struct slice lang)
{
    return ERR_OK;
}

bool session_is_congested(const struct session *s)
{
    return false;
}

void session_pause(struct session *s)
{
}

void session_resume(struct session *s)
{
}

bool session_is_authenticated(const struct session *s)
{
    return true;
}

bool session_is_managed(const struct session *s)
{
    return true;
}

const char *session_cause(const struct session *s)
{
    return NULL;
}

const char *session_size_limit(const struct session *s, size_t max_bytes)
{
    return "";
}

const char *session_limit(const struct session *s)
{
    return "";
}

bool session_is_resumable(const struct session *s)
{
    return true;
}

const char *session_domain(const struct session *s)
{
    return "example.org";
}

struct log_ctx *session_log(struct session *s)
{
    return &s->log;
}

size_t session_stanza_max(const struct session *s)
{
    return 10000;
}

size_t session_early_max(const struct session *s)
{
    return 10000;
}

void session_end(struct session *s, enum session_end why, bool is_graceful)
{
}

void session_free(struct session *s)
{
}

void session_shutdown_all(struct session_host *host);

void session_shutdown_all(struct session_host *host)
{
}

/* ---- the client ---- */

/* Takes the stanzas out of an answer: each is the one that is due. */
static void read_answer(const char *body)
{
    const char *at = body;
    unsigned n;

    while ((at = strstr(at, "<m id=\"d")) != NULL) {
        n = (unsigned)strtoul(at + 8, NULL, 10);
        assert_int_equal(n, ++m.down_seen);
        at += 8;
    }
}

/* A client reads its answers in rid order, as they become complete. */
static void read_answers(void)
{
    while (m.read_rid < m.next_rid &&
           m.answers[m.read_rid - m.first_rid] != NULL)
        read_answer(m.answers[m.read_rid++ - m.first_rid]);
    /* A client that has its answer gives up its repeats; one that came when
     * the window has moved on would rightly end the session (B09). */
    for (size_t i = 0; i < PLACES; i++) {
        if (m.flights[i].rid < m.read_rid && !m.flights[i].is_held)
            m.flights[i].is_used = false;
    }
}

static void keep_answer(unsigned rid, struct slice body, bool is_lost)
{
    unsigned i = rid - m.first_rid;
    char *text = strndup(body.at, body.len);

    assert_non_null(text);
    if (strstr(text, "terminate") != NULL)
        fail_msg("rid %u: %s", rid, text);
    /* B07: a repeat gets the very same bytes. */
    if (m.given[i] == NULL)
        m.given[i] = strdup(text);
    assert_string_equal(text, m.given[i]);
    /* One answer in five is lost on its way. */
    if (m.answers[i] == NULL && !is_lost && draw(5) > 0)
        m.answers[i] = strdup(text);
    free(text);
    read_answers();
}

static void on_answer(struct bosh_request *r, const struct bosh_answer *a)
{
    struct flight *f = CONTAINER_OF(r, struct flight, request);

    assert_true(f->is_used && f->is_held);
    f->is_used = f->is_held = false;
    if (m.is_over)
        return; /* told that doab goes down */
    assert_int_equal(a->status, 200);
    if (memmem(a->body.at, a->body.len, " type=\"error\"", 13) != NULL)
        return; /* recoverable: repeated like a lost one (F30, F31) */
    keep_answer(f->rid, a->body, f->has_left);
}

static bool is_under_way(unsigned rid)
{
    for (size_t i = 0; i < PLACES; i++) {
        if (m.flights[i].is_used && m.flights[i].rid == rid)
            return true;
    }
    return false;
}

static void take_off(unsigned rid)
{
    for (size_t i = 0; i < PLACES; i++) {
        if (m.flights[i].is_used)
            continue;
        m.flights[i] = (struct flight){.is_used = true, .rid = rid};
        m.flights[i].request.answer = on_answer;
        return;
    }
}

static void send_new(void)
{
    unsigned i = m.next_rid - m.first_rid;

    if (m.next_rid - m.read_rid >= m.requests || i >= RIDS_MAX)
        return;
    m.carries[i] = draw(2) == 0;
    take_off(m.next_rid++);
}

/* What was not answered and is nowhere is sent again; sometimes what is. */
static void repeat_lost(bool also_others)
{
    for (unsigned rid = m.read_rid; rid < m.next_rid; rid++) {
        if (m.answers[rid - m.first_rid] == NULL &&
            (!is_under_way(rid) || (also_others && draw(8) == 0)))
            take_off(rid);
    }
}

/* The number of the stanza that a request carries: repeats are verbatim. */
static unsigned stanza_of(unsigned rid)
{
    unsigned n = 0;

    for (unsigned i = 0; i <= rid - m.first_rid; i++)
        n += m.carries[i];
    return n;
}

static void receive(struct flight *f, const char *text)
{
    struct addr client = {.len = 0};
    struct bosh_origin origin = {.client = &client};
    enum bosh_verdict verdict = bosh_body_read(
        &m.body, &(struct bosh_body_tools){.pool = m.pool, .copier = m.copier},
        slice_of(text));

    assert_int_equal(verdict, BOSH_BODY_OK);
    f->is_held = true;
    origin.session = bosh_find(m.host, m.body.sid);
    bosh_receive(m.host, &f->request, &m.body, verdict, &origin);
}

static void arrive(struct flight *f)
{
    char text[256];
    char stanza[64] = "";

    if (m.carries[f->rid - m.first_rid])
        snprintf(stanza, sizeof(stanza), "<iq id='u%u'/>", stanza_of(f->rid));
    snprintf(text, sizeof(text),
             "<body xmlns='http://jabber.org/protocol/httpbind' rid='%u' "
             "sid='%s'>%s</body>",
             f->rid, m.sid, stanza);
    receive(f, text);
}

static struct flight *any(bool is_held)
{
    size_t from = draw(PLACES);

    for (size_t i = 0; i < PLACES; i++) {
        struct flight *f = &m.flights[(from + i) % PLACES];

        if (f->is_used && f->is_held == is_held)
            return f;
    }
    return NULL;
}

/* A connection dies: with what is on its way, or while it is held. */
static void kill_one(void)
{
    struct flight *f = any(draw(2) == 0);

    if (f == NULL)
        return;
    if (f->is_held && draw(3) == 0) {
        f->has_left = true;
        bosh_left(&f->request, BOSH_LEFT_FIN);
        return;
    }
    if (f->is_held)
        bosh_left(&f->request, BOSH_LEFT_RST);
    f->is_used = f->is_held = false;
}

static void serve(void)
{
    char text[64];
    struct element e = {.kind = ELEMENT_OTHER};

    snprintf(text, sizeof(text), "<m id=\"d%u\"/>", ++m.down_sent);
    e.bytes = slice_of(text);
    m.session.ops->element(m.session.owner, &e);
}

/* ---- a schedule ---- */

static void settle(void)
{
    /* Nothing is lost any more than by chance: all must arrive. */
    for (int i = 0; i < 400 && (m.up_seen < stanza_of(m.next_rid - 1) ||
                                m.down_seen < m.down_sent);
         i++) {
        struct flight *f;

        while ((f = any(false)) != NULL)
            arrive(f);
        fake_loop_pass(m.loop, 10);
        send_new();
        repeat_lost(false);
        if (i % 8 == 7)
            fake_loop_pass(m.loop, 61000);
    }
    assert_int_equal(m.up_seen, stanza_of(m.next_rid - 1));
    assert_int_equal(m.down_seen, m.down_sent);
}

static void step(void)
{
    struct flight *f;

    switch (draw(8)) {
    case 0:
    case 1:
        send_new();
        break;
    case 2:
    case 3:
        f = any(false);
        if (f != NULL)
            arrive(f);
        break;
    case 4:
        serve();
        break;
    case 5:
        kill_one();
        break;
    case 6:
        repeat_lost(true);
        break;
    default:
        fake_loop_pass(m.loop, draw(20) == 0 ? 61000 : draw(50));
        break;
    }
}

static void create(void)
{
    struct flight *f = &m.flights[0];
    struct element features = {.kind = ELEMENT_FEATURES,
                               .bytes = SLICE("<f/>")};
    const char *sid;
    char text[256];

    m.first_rid = m.read_rid = m.next_rid = 1000 + draw(1000);
    take_off(m.next_rid++);
    snprintf(text, sizeof(text),
             "<body xmlns='http://jabber.org/protocol/httpbind' rid='%u' "
             "to='example.org' ver='1.11' wait='60' hold='%u'/>",
             m.first_rid, 1 + draw(2));
    receive(f, text);
    m.session.ops->element(m.session.owner, &features);
    fake_loop_pass(m.loop, 1);
    assert_non_null(m.given[0]);
    sid = strstr(m.given[0], " sid=\"");
    assert_non_null(sid);
    snprintf(m.sid, sizeof(m.sid), "%.*s", (int)strcspn(sid + 6, "\""),
             sid + 6);
    m.requests = strstr(m.given[0], " requests=\"3\"") != NULL ? 3 : 2;
    /* The answer with the sid cannot be asked for again: it arrived. */
    m.read_rid = m.next_rid;
}

static void begin(unsigned seed)
{
    struct session_host_params params = {.node = "n"};

    memset(&m, 0, sizeof(m));
    m.seed = seed;
    assert_int_equal(loop_new(&m.loop), ERR_OK);
    assert_int_equal(xml_pool_new(&m.pool, 2), ERR_OK);
    assert_int_equal(element_copier_new(&m.copier), ERR_OK);
    params.env.loop = m.loop;
    params.env.pool = m.pool;
    params.env.copier = m.copier;
    params.settings.sessions_max = 4;
    params.settings.queue_max_bytes = 100000;
    params.settings.stanza_max_bytes = 10000;
    params.settings.bosh = (struct bosh_settings){
        .wait_s = 60,
        .wait_max_s = 60,
        .hold_max = 2,
        .inactivity_s = 900,
        .tombstone_s = 1,
        .tombstones_max_bytes = 100000,
        .repeats_max = 1000,
        .gap_ms = 2000,
        .answer_max_bytes = 10000,
    };
    assert_int_equal(session_host_new(&m.host, &params), ERR_OK);
    bosh_body_init(&m.body, 10000);
}

static void end(void)
{
    m.is_over = true;
    bosh_drop_all(m.host);
    for (size_t i = 0; i < RIDS_MAX; i++) {
        free(m.answers[i]);
        free(m.given[i]);
    }
    fake_loop_pass(m.loop, 1);
    bosh_body_free(&m.body);
    session_host_free(m.host);
    element_copier_free(m.copier);
    xml_pool_free(m.pool);
    loop_free(m.loop);
}

/* B02, B03, B05-B08, B13, B20-B25, B80, B81, F31, T7, T58 */
static void whatever_happens_each_side_gets_all_once_in_order(void **state)
{
    unsigned long stanzas = 0;

    for (unsigned seed = 1; seed <= SCHEDULES; seed++) {
        begin(seed);
        create();
        for (int i = 0; i < STEPS; i++)
            step();
        settle();
        stanzas += m.up_seen + m.down_seen;
        end();
    }
    assert_true(stanzas > SCHEDULES * 5ul); /* or it tested nothing */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_each_side_gets_all_once_in_order),
    };

    return cmocka_run_group_tests_name("bosh_model", tests, NULL, NULL);
}
