#include "front/http.h"

#include "base/log.h"
#include "base/metrics.h"
#include "http_conn.h"
#include "net/sock_text.h"
#include "http_chunk.h"

#include <assert.h>

/* An answer waits for its turn on the wire, or for the client to read. */
static bool has_unwritten(const struct http_conn *c)
{
    const struct http_exchange *x = c->first;

    while (x != NULL && !x->is_answered)
        x = x->next;
    return x != NULL;
}

bool http_is_full(const struct http_conn *c)
{
    return c->n_exchanges >= HTTP_PIPELINE_MAX || c->postponed != NULL ||
           sock_is_congested(c->sock) || has_unwritten(c);
}

void http_hurry(struct http_conn *c)
{
    for (struct http_exchange *x = c->first; x != NULL; x = x->next)
        if (!x->is_answered && x->ops != NULL && x->ops->awaited != NULL)
            x->ops->awaited(x->owner);
}

/* --- Whole requests ------------------------------------------------------- */

static void find_client(const struct http_conn *c, const struct http_head *head,
                        struct forwarded *who)
{
    struct addr peer = sock_peer(c->sock);

    forwarded_read(who, &c->server->params.forwarded, head, &peer, c->is_tls);
}

void http_dispatch(struct http_conn *c, const struct http_head *head,
                   struct slice head_bytes, struct slice body,
                   struct slice rest)
{
    const struct http_server_params *params = &c->server->params;
    struct http_request request = {.head = head, .body = body};
    struct forwarded who;
    struct http_dispatch now = {.head = head_bytes, .body = body, .rest = rest};

    now.x = http_exchange_new(c, head);
    if (now.x == NULL) {
        http_conn_break(c);
        return;
    }
    find_client(c, head, &who);
    request.is_tls = who.is_tls;
    request.client = &who.client;
    log_debug(NULL, "http.request c=%s path=%s body=%zu",
              addr_format_host(request.client).text, log_quote(head->path).text,
              body.len);

    timer_stop(&c->patience);
    c->waiting = HTTP_WAITS_NOT;
    if (!head->keep_alive)
        http_conn_stop_reading(c);
    c->now = &now;
    params->handler->request(params->arg, now.x, &request);
    assert(now.is_settled);
    c->now = NULL;
}

/* A body has become whole in c->in. */
static void complete(struct http_conn *c, struct slice rest)
{
    struct buf message;
    struct http_head head;
    struct slice bytes;
    enum http_verdict verdict;
    unsigned status;
    size_t used;

    /* The handler may move or end the connection: the bytes are ours. */
    buf_take(&message, &c->in);
    c->reading = HTTP_READS_HEAD;
    c->owes_continue = false;
    bytes = buf_slice(&message);
    verdict = http_parse_head(&head, bytes.at, c->head_len, c->head_len, &used,
                              &status);
    assert(verdict == HTTP_DONE && used == c->head_len);
    metrics_count(METRIC_HTTP_REQUESTS);
    http_dispatch(c, &head, (struct slice){bytes.at, used},
                  (struct slice){bytes.at + used, bytes.len - used}, rest);
    buf_free(&message);
}

/* --- Requests that are refused -------------------------------------------- */

void http_refuse(struct http_conn *c, const struct http_head *head,
                 unsigned status)
{
    struct http_server *srv = c->server;
    struct http_exchange *x = http_exchange_new(c, head);
    unsigned suppressed;

    if (x == NULL) {
        http_conn_break(c);
        return;
    }
    if (log_allow(&srv->refusals, loop_now_ms(srv->params.loop), &suppressed))
        log_info(NULL, "http.refused c=%s status=%u suppressed=%u",
                 sock_peer_host(c->sock).text, status, suppressed);
    x->keep_alive = false;
    http_conn_stop_reading(c);
    http_respond_status(x, status);
}

/* The same when the head, whole or not, stands in c->in. */
static void refuse_kept(struct http_conn *c, unsigned status)
{
    size_t len = c->reading == HTTP_READS_BODY ? c->head_len : c->in.len;
    struct http_head head;
    unsigned ignored;
    size_t used;

    http_parse_head(&head, buf_at(&c->in), len, SIZE_MAX, &used, &ignored);
    http_refuse(c, &head, status);
}

void http_refuse_late(struct http_conn *c)
{
    refuse_kept(c, 408);
}

/* --- Bodies --------------------------------------------------------------- */

/* Bytes of the body that are kept. */
static size_t body_len(const struct http_conn *c)
{
    return c->in.len - c->head_len;
}

static bool is_too_long(const struct http_conn *c)
{
    uint64_t left = c->is_chunked ? c->chunks.left : c->left;

    return body_len(c) > c->body_max_bytes ||
           left > c->body_max_bytes - body_len(c);
}

/* Asks how much of the body may come.  rest: what was read behind it already.
 * False: the request is refused, or the connection gone. */
static bool http_read_ask(struct http_conn *c, struct slice rest)
{
    const struct http_server_params *params = &c->server->params;
    struct slice kept = buf_slice(&c->in);
    struct http_dispatch now = {
        .head = {kept.at, c->head_len},
        .body = {kept.at + c->head_len, body_len(c)},
        .rest = rest,
        .is_begun = true,
    };
    struct http_head head;
    struct http_request request = {.head = &head, .body = now.body};
    struct forwarded who;
    unsigned status;
    size_t max_bytes;
    size_t used;

    http_parse_head(&head, kept.at, c->head_len, c->head_len, &used, &status);
    now.x = http_exchange_new(c, &head);
    if (now.x == NULL) {
        http_conn_break(c);
        return false;
    }
    now.x->keep_alive = false; /* an answer now comes before the end of it */
    find_client(c, &head, &who);
    request.is_tls = who.is_tls;
    request.client = &who.client;
    c->now = &now;
    max_bytes = params->handler->begun(params->arg, now.x, &request);
    assert((max_bytes == 0) == now.is_settled);
    c->now = NULL;
    if (max_bytes == 0)
        return false;
    http_exchange_pop_last(c);
    c->body_max_bytes = max_bytes < params->limits.body_max_bytes
                            ? max_bytes
                            : params->limits.body_max_bytes;
    if (!is_too_long(c))
        return true;
    refuse_kept(c, 413);
    return false;
}

/* False: the connection is refused, broken or gone. */
static bool add_to_body(struct http_conn *c, struct slice piece,
                        struct slice rest)
{
    const struct http_server_params *params = &c->server->params;
    size_t max_bytes = c->body_max_bytes > 0 ? c->body_max_bytes
                                             : params->limits.body_max_bytes;

    if (piece.len > max_bytes - body_len(c)) {
        refuse_kept(c, 413);
        return false;
    }
    if (buf_append_slice(&c->in, piece) != ERR_OK) {
        http_conn_break(c);
        return false;
    }
    if (c->body_max_bytes > 0 || body_len(c) <= HTTP_BODY_FIRST_BYTES ||
        params->handler->begun == NULL)
        return true;
    return http_read_ask(c, rest);
}

static size_t read_chunks(struct http_conn *c, const char *at, size_t len)
{
    enum http_verdict verdict = HTTP_MORE;
    struct slice piece;
    size_t done = 0;
    size_t used;

    while (verdict == HTTP_MORE && done < len) {
        verdict =
            http_parse_chunk(&c->chunks, at + done, len - done, &used, &piece);
        done += used;
        if (piece.len > 0 &&
            !add_to_body(c, piece, (struct slice){at + done, len - done}))
            return len;
    }
    if (verdict == HTTP_WRONG)
        refuse_kept(c, http_chunks_status(&c->chunks));
    else if (verdict == HTTP_DONE)
        complete(c, (struct slice){at + done, len - done});
    return done;
}

static size_t http_read_read_body(struct http_conn *c, const char *at,
                                  size_t len)
{
    size_t n = len < c->left ? len : (size_t)c->left;

    c->owes_continue = false; /* it did not wait */
    if (c->is_chunked)
        return read_chunks(c, at, len);
    c->left -= n;
    if (c->left == 0)
        c->body_max_bytes = c->server->params.limits.body_max_bytes; /* whole */
    if (!add_to_body(c, (struct slice){at, n}, (struct slice){NULL, 0}))
        return len;
    if (c->left == 0)
        complete(c, (struct slice){at + n, len - n});
    return n;
}

/* --- Heads ---------------------------------------------------------------- */

/* The head is whole, its body is not: both are gathered in c->in. */
static size_t begin_body(struct http_conn *c, const struct http_head *head,
                         struct slice head_bytes, bool has_more)
{
    if (buf_append_slice(&c->in, head_bytes) != ERR_OK) {
        http_conn_break(c);
        return 0;
    }
    c->reading = HTTP_READS_BODY;
    c->head_len = head_bytes.len;
    c->is_chunked = head->is_chunked;
    c->left = head->content_length;
    c->body_max_bytes = 0;
    http_chunks_init(&c->chunks, c->server->params.limits.body_max_bytes);
    if (head->expects_continue && !has_more) {
        c->owes_continue = true;
        http_advance(c);
    }
    return head_bytes.len;
}

/* How many bytes are done with; 0: a head that is not whole, or the end. */
static size_t read_head(struct http_conn *c, const char *at, size_t len)
{
    const struct http_limits *limits = &c->server->params.limits;
    struct http_head head;
    unsigned status;
    size_t used;

    /* Old clients end a body with a line end that belongs to nothing: it is
     * no request that has begun. */
    if (at[0] == '\n')
        return 1;
    if (at[0] == '\r' && len > 1 && at[1] == '\n')
        return 2;

    switch (http_parse_head(&head, at, len, limits->header_max_bytes, &used,
                            &status)) {
    case HTTP_MORE:
        return 0;
    case HTTP_WRONG:
        http_refuse(c, &head, status);
        return 0;
    case HTTP_DONE:
        break;
    }
    if (head.has_length && head.content_length > limits->body_max_bytes) {
        http_refuse(c, &head, 413);
        return 0;
    }
    if (head.is_chunked || head.content_length > len - used)
        return begin_body(c, &head, (struct slice){at, used}, len > used);

    /* The usual case: nothing was copied. */
    metrics_count(METRIC_HTTP_REQUESTS);
    len -= used + (size_t)head.content_length;
    http_dispatch(c, &head, (struct slice){at, used},
                  (struct slice){at + used, (size_t)head.content_length},
                  (struct slice){at + used + head.content_length, len});
    return used + (size_t)head.content_length;
}

/* Bytes of a request that has begun are taken; a new one only while this turn
 * has a share left. */
static bool may_begin(const struct http_conn *c, unsigned n, size_t done)
{
    return n < HTTP_TURN_REQUESTS && done < HTTP_TURN_BYTES && !http_is_full(c);
}

/* Takes what this turn may take; returns how many bytes that were. */
static size_t http_read_feed(struct http_conn *c, struct slice bytes,
                             bool *has_share)
{
    unsigned n = 0;
    size_t done = 0;
    size_t used = 1;

    *has_share = true;
    while (done < bytes.len && used > 0) {
        const char *at = bytes.at + done;

        if (c->reading == HTTP_READS_BODY) {
            used = http_read_read_body(c, at, bytes.len - done);
        } else if (c->reading == HTTP_READS_HEAD && may_begin(c, n, done)) {
            used = read_head(c, at, bytes.len - done);
            n++;
        } else {
            *has_share = false;
            break;
        }
        done += used;
    }
    return done;
}

/* There is more to read, which waits in c->in: for the next turn, or for an
 * answer to be written. */
static void http_read_wait_for_turn(struct http_conn *c)
{
    if (!c->is_paused) {
        c->is_paused = true;
        sock_pause(c->sock);
    }
    if (has_unwritten(c))
        http_hurry(c);
}

static bool may_keep(const struct http_conn *c)
{
    return c->reading == HTTP_READS_HEAD && !c->is_broken;
}

void http_read_kept(struct http_conn *c)
{
    struct buf kept;
    bool has_share;
    size_t done;

    buf_take(&kept, &c->in);
    done = http_read_feed(c, buf_slice(&kept), &has_share);
    if (done < kept.len && may_keep(c)) {
        buf_consume(&kept, done);
        buf_take(&c->in, &kept);
        if (!has_share)
            http_read_wait_for_turn(c);
    }
    buf_free(&kept);
}

static void read_fresh(struct http_conn *c, struct slice bytes)
{
    bool has_share;
    size_t done = http_read_feed(c, bytes, &has_share);

    if (done == bytes.len || !may_keep(c))
        return;
    if (buf_append(&c->in, bytes.at + done, bytes.len - done) != ERR_OK)
        http_conn_break(c);
    else if (!has_share)
        http_read_wait_for_turn(c);
}

void http_read_bytes(struct http_conn *c, const char *at, size_t len)
{
    size_t head_max_bytes = c->server->params.limits.header_max_bytes;

    if (c->reading != HTTP_READS_HEAD || c->in.len == 0) {
        read_fresh(c, (struct slice){at, len});
        return;
    }
    if (buf_append(&c->in, at, len) != ERR_OK) {
        http_conn_break(c);
        return;
    }
    /* A head that drips in is parsed anew for each line, not each byte. */
    if (!c->is_paused &&
        (memchr(at, '\n', len) != NULL || c->in.len >= head_max_bytes))
        http_read_kept(c);
}
