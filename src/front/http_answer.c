#include "front/http.h"

#include "base/ascii.h"
#include "base/log.h"
#include "base/metrics.h"
#include "http_conn.h"
#include "net/sock_text.h"

#include <assert.h>
#include <stdio.h>
#include <time.h>

#define HEAD_BYTES    3584    /* ours, an origin, extra lines, header names */
#define PIECE_BYTES   32768   /* of a lasting body, at a time */
#define PREFLIGHT_AGE "86400" /* seconds; browsers cut it */

#define STRICT_POLICY "default-src 'none'; sandbox"

struct text {
    size_t len;
    char at[HEAD_BYTES];
};

/* Not inline: a head has a good twenty of them, and their code would have to
 * come from memory when little is going on. */
static __attribute__((noinline)) void put(struct text *t, const char *at,
                                          size_t len)
{
    assert(len <= sizeof(t->at) - t->len);
    memcpy(t->at + t->len, at, len);
    t->len += len;
}

#define PUT(t, literal) put(t, literal, sizeof(literal) - 1)

static void http_answer_put_text(struct text *t, const char *text)
{
    put(t, text, strlen(text));
}

static void put_number(struct text *t, uint64_t number)
{
    char digits[20];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + number % 10);
        number /= 10;
    } while (number > 0);
    put(t, digits + at, sizeof(digits) - at);
}

static const char *http_answer_reason_of(unsigned status)
{
    static const struct {
        unsigned status;
        const char *reason;
    } reasons[] = {
        {200, "OK"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
    };

    for (size_t i = 0; i < COUNT_OF(reasons); i++) {
        if (reasons[i].status == status)
            return reasons[i].reason;
    }
    return "Other";
}

/* The lines that every answer has, made once a second: the date in IMF-fixdate
 * (RFC 9110 5.6.7), not by strftime, whose names of days follow the locale. */
static struct slice common_lines(struct http_server *srv)
{
    static const char days[] = "SunMonTueWedThuFriSat";
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    struct timespec now;
    struct tm tm;

    clock_gettime(CLOCK_REALTIME_COARSE, &now);
    if (srv->common_s != now.tv_sec || srv->common_len == 0) {
        gmtime_r(&now.tv_sec, &tm);
        srv->common_len = (size_t)snprintf(
            srv->common, sizeof(srv->common),
            "Date: %.3s, %02d %.3s %04d %02d:%02d:%02d GMT\r\n"
            "X-Content-Type-Options: nosniff\r\n",
            days + 3 * tm.tm_wday, tm.tm_mday, months + 3 * tm.tm_mon,
            (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
        srv->common_s = now.tv_sec;
    }
    return (struct slice){srv->common, srv->common_len};
}

/* Which headers of the request another answer may follow from. */
static void put_vary(struct text *t, const struct http_exchange *x,
                     const struct http_response *r)
{
    const struct http_origins *origins = &x->conn->server->params.origins;
    bool by_origin = !origins->leaves_headers && !origins->any;

    if (by_origin && r->varies_by_coding)
        PUT(t, "Vary: Origin, Accept-Encoding\r\n");
    else if (by_origin)
        PUT(t, "Vary: Origin\r\n");
    else if (r->varies_by_coding)
        PUT(t, "Vary: Accept-Encoding\r\n");
}

/* True when a script of the request's origin may see the answer. */
static bool put_origin(struct text *t, const struct http_exchange *x)
{
    const struct http_origins *origins = &x->conn->server->params.origins;

    if (origins->leaves_headers)
        return false;
    if (origins->any) {
        PUT(t, "Access-Control-Allow-Origin: *\r\n");
        return true;
    }
    if (x->origin == NULL)
        return false;
    PUT(t, "Access-Control-Allow-Origin: ");
    http_answer_put_text(t, x->origin);
    PUT(t, "\r\n");
    if (origins->allows_credentials)
        PUT(t, "Access-Control-Allow-Credentials: true\r\n");
    return true;
}

static void put_preflight(struct text *t, const struct http_origins *origins,
                          const char *methods)
{
    PUT(t, "Access-Control-Allow-Methods: ");
    http_answer_put_text(t, methods);
    PUT(t, "\r\nAccess-Control-Allow-Headers: Content-Type");
    for (size_t i = 0; i < origins->n_headers; i++) {
        if (ascii_equal(slice_of(origins->headers[i]), SLICE("content-type")))
            continue;
        PUT(t, ", ");
        http_answer_put_text(t, origins->headers[i]);
    }
    PUT(t, "\r\nAccess-Control-Max-Age: " PREFLIGHT_AGE "\r\n");
}

static void put_optional(struct text *t, const struct http_response *r)
{
    if (r->content_type.at != NULL) {
        PUT(t, "Content-Type: ");
        put(t, r->content_type.at, r->content_type.len);
        PUT(t, "\r\n");
    }
    if (r->content_encoding != NULL) {
        PUT(t, "Content-Encoding: ");
        http_answer_put_text(t, r->content_encoding);
        PUT(t, "\r\n");
    }
    if (r->allow != NULL) {
        PUT(t, "Allow: ");
        http_answer_put_text(t, r->allow);
        PUT(t, "\r\n");
    }
    if (r->retry_after_s > 0) {
        PUT(t, "Retry-After: ");
        put_number(t, r->retry_after_s);
        PUT(t, "\r\n");
    }
    if (!r->may_cache)
        PUT(t, "Cache-Control: no-store\r\n");
    if (r->policy != NULL) {
        PUT(t, "Content-Security-Policy: ");
        http_answer_put_text(t, r->policy);
        PUT(t, "\r\n");
    } else if (r->content_type.at != NULL) {
        PUT(t, "Content-Security-Policy: " STRICT_POLICY "\r\n");
    }
    if (r->extra != NULL)
        http_answer_put_text(t, r->extra);
}

static bool has_length(unsigned status)
{
    return status != 204 && status != 304 && status >= 200;
}

static void put_status(struct text *t, unsigned status)
{
    if (status == 200) {
        PUT(t, "HTTP/1.1 200 OK\r\n");
        return;
    }
    PUT(t, "HTTP/1.1 ");
    put_number(t, status);
    PUT(t, " ");
    http_answer_put_text(t, http_answer_reason_of(status));
    PUT(t, "\r\n");
}

static void http_answer_put_head(struct text *t, const struct http_exchange *x,
                                 const struct http_response *r, bool says_close,
                                 bool is_preflight)
{
    struct slice common = common_lines(x->conn->server);

    put_status(t, r->status);
    put(t, common.at, common.len);
    if (has_length(r->status)) {
        PUT(t, "Content-Length: ");
        put_number(t, r->body.len);
        PUT(t, "\r\n");
    }
    if (says_close)
        PUT(t, "Connection: close\r\n");
    else if (x->is_old && x->keep_alive)
        PUT(t, "Connection: keep-alive\r\n"); /* I17 */
    put_vary(t, x, r);
    if (put_origin(t, x) && is_preflight)
        put_preflight(t, &x->conn->server->params.origins, r->allow);
    put_optional(t, r);
    PUT(t, "\r\n");
}

/* --- The order of the wire ------------------------------------------------ */

/* Cuts a piece off what lasts. */
static struct slice next_piece(struct http_exchange *x)
{
    struct slice piece = x->lasting;

    if (piece.len > PIECE_BYTES)
        piece.len = PIECE_BYTES;
    x->lasting.at += piece.len;
    x->lasting.len -= piece.len;
    return piece;
}

/* Only while the sock is not congested: then it takes answers of any size. */
static void http_answer_write_parts(struct http_conn *c, struct slice head,
                                    struct slice body)
{
    struct slice parts[2] = {head, body};

    if (sock_write(c->sock, parts, body.len > 0 ? 2 : 1) != ERR_OK)
        http_conn_break(c);
}

/* True: all of the exchange's answer is with the sock. */
static bool http_answer_write_answer(struct http_exchange *x)
{
    struct http_conn *c = x->conn;

    while ((x->answer.len > 0 || x->lasting.len > 0) && !c->is_broken) {
        if (sock_is_congested(c->sock))
            return false; /* `drained` comes */
        if (x->answer.len > 0) {
            http_answer_write_parts(c, buf_slice(&x->answer), next_piece(x));
            buf_free(&x->answer);
        } else {
            http_answer_write_parts(c, next_piece(x), (struct slice){NULL, 0});
        }
    }
    return !c->is_broken;
}

void http_advance(struct http_conn *c)
{
    static const struct slice go_on = {"HTTP/1.1 100 Continue\r\n\r\n", 25};

    if (c->reading == HTTP_READS_CLOSED || c->is_broken)
        return;
    while (c->first != NULL && c->first->is_answered) {
        if (!http_answer_write_answer(c->first))
            return;
        http_exchange_pop(c);
    }
    if (c->first == NULL && c->owes_continue && !sock_is_congested(c->sock)) {
        c->owes_continue = false;
        http_answer_write_parts(c, go_on, (struct slice){NULL, 0});
    }
}

/* Not its turn yet, or the client does not read. */
static void http_answer_keep(struct http_exchange *x, struct slice head,
                             struct slice body)
{
    if (buf_append_slice(&x->answer, head) != ERR_OK ||
        buf_append_slice(&x->answer, body) != ERR_OK)
        http_conn_break(x->conn);
}

static void transmit(struct http_exchange *x, const struct http_response *r,
                     struct slice head)
{
    struct http_conn *c = x->conn;
    struct slice body = r->body;

    if (x->is_head || !has_length(r->status))
        body.len = 0;
    if (r->body_lasts) {
        x->lasting = body;
        body.len = 0;
    }
    if (x != c->first || sock_is_congested(c->sock))
        http_answer_keep(x, head, body);
    else if (r->body_lasts)
        http_answer_write_parts(c, head, next_piece(x));
    else
        http_answer_write_parts(c, head, body);
}

static void respond(struct http_exchange *x, const struct http_response *r,
                    bool is_preflight)
{
    struct http_conn *c = x->conn;
    struct text head;
    bool closes;

    if (x->is_answered)
        return; /* dead: the owner is just being told */
    x->is_answered = true;
    if (c->now != NULL && c->now->x == x)
        c->now->is_settled = true;
    if (r->status >= 400)
        metrics_count(METRIC_HTTP_ERRORS);
    log_debug(NULL, "http.answer c=%s status=%u body=%zu",
              sock_peer_host(c->sock).text, r->status, r->body.len);
    if (c->is_broken)
        return;

    closes = r->must_close || !x->keep_alive || c->server->is_draining ||
             c->reading == HTTP_READS_NOTHING;
    if (closes)
        http_conn_stop_reading(c);
    head.len = 0;
    /* What is pipelined behind it is still answered; the last one says it. */
    http_answer_put_head(&head, x, r, closes && x == c->last, is_preflight);
    transmit(x, r, (struct slice){head.at, head.len});
    http_advance(c);
    http_conn_settle(c);
}

void http_respond(struct http_exchange *x, const struct http_response *r)
{
    respond(x, r, false);
}

void http_respond_status(struct http_exchange *x, unsigned status)
{
    char body[64];
    int len = snprintf(body, sizeof(body), "%u %s\n", status,
                       http_answer_reason_of(status));
    struct http_response r = {
        .status = status,
        .content_type = SLICE("text/plain; charset=utf-8"),
        .body = {body, (size_t)len},
    };

    respond(x, &r, false);
}

void http_respond_options(struct http_exchange *x, const char *allow)
{
    struct http_response r = {.status = 204, .allow = allow};

    respond(x, &r, true);
}
