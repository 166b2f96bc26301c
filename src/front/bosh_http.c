#include "front/bosh_http.h"

#include "base/metrics.h"
#include "front/gzip.h"
#include "session/bosh.h"
#include "session/bosh_body.h"
#include "session/session.h"
#include "session/session_host.h"
#include "http_head.h"

#include <assert.h>
#include <stdlib.h>

#define ALLOW         "GET, HEAD, OPTIONS, POST"
#define RETRY_AFTER_S 30

/* What re-serialising may add to a request: declarations and entities. */
#define PAYLOAD_FACTOR 6u

/* One request in the exchange's space. */
struct held {
    struct bosh_request request;    /* lent to the session */
    struct http_exchange *exchange; /* back pointer */
    struct bosh_http *bind;         /* borrowed: outlives every exchange */
    bool accepts_gzip;
};

static_assert(sizeof(struct held) <= HTTP_SPACE_BYTES,
              "a held request fits into its exchange");

struct bosh_http {
    struct bosh_http_params params;
    struct bosh_body body; /* of the request being read */
    bool body_is_whole;    /* not only its beginning */
    struct bosh *session;  /* borrowed: of its sid, here; or NULL */
    unsigned worker;       /* whose session it is: another one's perhaps */
    struct gzip *gzip;     /* owned; NULL: nothing is compressed */
};

static void bosh_http_on_answer(struct bosh_request *r,
                                const struct bosh_answer *a);
static void on_left(void *owner, enum http_left how);
static void on_awaited(void *owner);

static const struct http_exchange_ops exchange_ops = {
    .left = on_left,
    .awaited = on_awaited,
};

enum err bosh_http_new(struct bosh_http **out,
                       const struct bosh_http_params *params)
{
    struct bosh_http *b = calloc(1, sizeof(*b));

    if (b == NULL)
        return ERR_NOMEM;
    if (params->gzip && gzip_new(&b->gzip) != ERR_OK) {
        free(b);
        return ERR_NOMEM;
    }
    b->params = *params;
    bosh_body_init(&b->body, params->body_max_bytes * PAYLOAD_FACTOR);
    *out = b;
    return ERR_OK;
}

void bosh_http_free(struct bosh_http *b)
{
    if (b == NULL)
        return;
    bosh_body_free(&b->body);
    gzip_free(b->gzip);
    free(b);
}

/* ---- people who open the address ---- */

static void show_page(struct http_exchange *x)
{
    struct http_response page = {
        .status = 200,
        .content_type = SLICE("text/html; charset=utf-8"),
        .body = SLICE(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
            "<title>BOSH</title></head>\n<body><h1>It works</h1>\n"
            "<p>This is the BOSH address of an XMPP gateway. Give it to a "
            "chat client, for example as Converse's "
            "<code>bosh_service_url</code>.</p></body></html>\n"),
    };

    http_respond(x, &page);
}

/* ---- requests ---- */

/* decision 10: only what is really a coding is refused; libpurple sends its
 * media type in this header. */
static bool is_coded(const struct http_head *head)
{
    static const char *const codings[] = {
        "gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd",
    };
    size_t n;
    size_t i;

    (void)http_header(head, "content-encoding", &n);
    for (i = 0; n > 0 && i < COUNT_OF(codings); i++) {
        if (http_list_has(head, "content-encoding", codings[i]))
            return true;
    }
    return false;
}

/* Whose session the sid in b->body is. */
static void bosh_http_look_up(struct bosh_http *b)
{
    int worker = -1;

    b->session = NULL;
    b->worker = b->params.worker;
    if (!b->body.has_sid)
        return;
    if (b->params.move != NULL)
        worker = bosh_sid_worker(b->params.sessions, b->body.sid);
    if (worker >= 0 && (unsigned)worker < b->params.workers)
        b->worker = (unsigned)worker;
    if (b->worker == b->params.worker)
        b->session = bosh_find(b->params.sessions, b->body.sid);
}

/* True: the request is none of ours.  The connection goes where its session
 * is, when what was asked on it before is answered.  Without memory for that
 * it ends, and the client asks again. */
static bool is_moved(struct bosh_http *b, struct http_exchange *x)
{
    struct http_transfer transfer;

    if (b->worker == b->params.worker)
        return false;
    if (http_detach(x, &transfer) == ERR_OK)
        b->params.move(b->params.arg, b->worker, &transfer);
    else if (http_postpone(x) != ERR_OK)
        http_drop(x);
    return true;
}

/* The payload for a session of another worker, or of nobody, is not read; nor
 * is any where the beginning of a body is looked at. */
static bool wants_payload(void *arg, const struct bosh_body *body)
{
    struct bosh_http *b = arg;

    bosh_http_look_up(b);
    return b->body_is_whole && (!body->has_sid || b->session != NULL);
}

static enum bosh_verdict bosh_http_read_body(struct bosh_http *b,
                                             struct slice bytes, bool is_whole)
{
    struct bosh_body_tools tools = {
        .pool = session_host_pool(b->params.sessions),
        .copier = session_host_copier(b->params.sessions),
        .wants = wants_payload,
        .arg = b,
    };
    enum bosh_verdict verdict;

    b->body_is_whole = is_whole;
    verdict = bosh_body_read(&b->body, &tools, bytes);
    if (verdict != BOSH_BODY_OK && verdict != BOSH_BODY_FOREIGN)
        bosh_http_look_up(
            b); /* it was not asked: the tag is at fault, or cut off */
    return verdict;
}

static void hand_in(struct bosh_http *b, struct http_exchange *x,
                    const struct http_request *r, enum bosh_verdict verdict)
{
    struct bosh_origin origin = {
        .client = r->client,
        .session = b->session,
        .is_secure = r->is_tls,
    };
    struct held *held = http_space(x);

    held->exchange = x;
    held->bind = b;
    held->accepts_gzip = b->gzip != NULL && gzip_accepts(r->head);
    held->request.answer = bosh_http_on_answer;
    http_hold(x, &exchange_ops, held);
    bosh_receive(b->params.sessions, &held->request, &b->body, verdict,
                 &origin);
}

static void post(struct bosh_http *b, struct http_exchange *x,
                 const struct http_request *r)
{
    enum bosh_verdict verdict = bosh_http_read_body(b, r->body, true);

    if (!is_moved(b, x))
        hand_in(b, x, r, verdict);
}

/* The connection goes to the session's worker before the rest of the body
 * comes.  Behind a request that is not answered it stays, and is moved when
 * the body is whole. */
static size_t move_begun(struct bosh_http *b, struct http_exchange *x)
{
    struct http_transfer transfer;

    if (http_detach(x, &transfer) != ERR_OK)
        return b->params.body_max_bytes;
    b->params.move(b->params.arg, b->worker, &transfer);
    return 0;
}

/* The beginning of a body may end inside a character, which is not UTF-8: the
 * last one is left out. */
static struct slice whole_characters(struct slice s)
{
    while (s.len > 0 && ((unsigned char)s.at[s.len - 1] & 0xC0) == 0x80)
        s.len--;
    if (s.len > 0)
        s.len--;
    return s;
}

size_t bosh_http_begun(struct bosh_http *b, struct http_exchange *x,
                       const struct http_request *r)
{
    if (!http_origin_is_allowed(&b->params.origins, r->head)) {
        metrics_count(METRIC_ORIGINS_REFUSED);
        http_respond_status(x, 403);
        return 0;
    }
    if (r->head->method != HTTP_POST || is_coded(r->head))
        return HTTP_BODY_FIRST_BYTES;
    (void)bosh_http_read_body(b, whole_characters(r->body), false);
    if (!b->body.has_root)
        return HTTP_BODY_FIRST_BYTES;
    if (!b->body.has_sid)
        return HTTP_BODY_FIRST_BYTES + session_host_settings(b->params.sessions)
                                           ->stanza_max_unauthenticated_bytes;
    if (b->worker != b->params.worker)
        return move_begun(b, x);
    if (b->session != NULL)
        return b->params.body_max_bytes;
    hand_in(b, x, r, BOSH_BODY_FOREIGN);
    return 0;
}

void bosh_http_request(struct bosh_http *b, struct http_exchange *x,
                       const struct http_request *r)
{
    if (!http_origin_is_allowed(&b->params.origins, r->head)) {
        metrics_count(METRIC_ORIGINS_REFUSED);
        http_respond_status(x, 403);
        return;
    }
    switch (r->head->method) {
    case HTTP_POST:
        if (is_coded(r->head))
            http_respond_status(x, 415);
        else
            post(b, x, r);
        break;
    case HTTP_GET:
    case HTTP_HEAD:
        show_page(x);
        break;
    case HTTP_OPTIONS:
        http_respond_options(x, ALLOW);
        break;
    case HTTP_KNOWN: {
        struct http_response wrong = {
            .status = 405,
            .content_type = SLICE("text/plain; charset=utf-8"),
            .body = SLICE("405 Method Not Allowed\n"),
            .allow = ALLOW,
        };

        http_respond(x, &wrong);
        break;
    }
    case HTTP_UNKNOWN:
        http_respond_status(x, 501);
        break;
    }
}

/* ---- answers ---- */

static bool is_compressible(const struct held *held,
                            const struct bosh_answer *a)
{
    return held->accepts_gzip && a->may_compress && a->status == 200 &&
           a->body.len >= held->bind->params.gzip_min_bytes;
}

/* By sessions_max or a drain (decision 9). */
static void respond_busy(struct http_exchange *x)
{
    struct http_response busy = {
        .status = 503,
        .content_type = SLICE("text/plain; charset=utf-8"),
        .body = SLICE("503 no new sessions now\n"),
        .retry_after_s = RETRY_AFTER_S,
    };

    metrics_count(METRIC_CONNECTIONS_REFUSED);
    http_respond(x, &busy);
}

/* The session keeps what it said as it is: a repeat is coded, or not, for the
 * request that repeats (B12, T21). */
static void bosh_http_on_answer(struct bosh_request *r,
                                const struct bosh_answer *a)
{
    struct held *held = CONTAINER_OF(r, struct held, request);
    struct gzip *gzip = held->bind->gzip;
    struct http_response response = {
        .status = a->status,
        .content_type = a->content_type,
        .body = a->body,
        .varies_by_coding = gzip != NULL,
        .must_close = a->must_close,
    };
    struct buf coded;

    if (a->status == 503) {
        respond_busy(held->exchange);
        return;
    }
    buf_init(&coded, a->body.len);
    if (is_compressible(held, a) &&
        gzip_compress(gzip, a->body, &coded) == ERR_OK) {
        response.body = buf_slice(&coded);
        response.content_encoding = "gzip";
    }
    http_respond(held->exchange, &response);
    buf_free(&coded);
}

static void on_left(void *owner, enum http_left how)
{
    struct held *held = owner;

    bosh_left(&held->request,
              how == HTTP_LEFT_FIN ? BOSH_LEFT_FIN : BOSH_LEFT_RST);
}

static void on_awaited(void *owner)
{
    struct held *held = owner;

    bosh_hurry(&held->request);
}
