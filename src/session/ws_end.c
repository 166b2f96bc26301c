#include "session/ws.h"

#include "base/log.h"
#include "base/metrics.h"
#include "base/secret.h"
#include "ws_int.h"
#include "xmpp/xml_read.h"
#include "session/session_host.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

#define ID_CHARS 26
/* Our own <open/> and errors: what a server's header says, where each character
 * may become an entity, and the names of the client. */
#define OUT_MAX_BYTES (6 * XML_TAG_MAX_BYTES + 65536)

struct ending {
    const char *before; /* login: the stream error; NULL: none */
    const char *after;
};

/*
 * After login no condition of a lost server may be remote-connection-failed
 * or host-unknown: Converse gives up for good on these (Q26;
 * decision 6).  internal-server-error (RFC 6120 section 4.9.3.6) says that
 * the service cannot go on with this stream, and clients come back.  `reset`
 * (4.9.3.16) would promise that a new stream succeeds at once.
 * Before login all failures of the server look alike (decision 7).
 */
static const struct ending endings[SESSION_END_COUNT] = {
    [SESSION_END_BAD_REQUEST] = {"bad-format", "bad-format"},
    [SESSION_END_ITEM_NOT_FOUND] = {"internal-server-error",
                                    "internal-server-error"},
    [SESSION_END_POLICY] = {"resource-constraint", "policy-violation"},
    [SESSION_END_ADDRESSING] = {"improper-addressing", "improper-addressing"},
    [SESSION_END_HOST_UNKNOWN] = {"host-unknown", "host-unknown"},
    [SESSION_END_SERVER_UNREACHABLE] = {"remote-connection-failed",
                                        "internal-server-error"},
    [SESSION_END_SERVER_BUSY] = {"resource-constraint", "resource-constraint"},
    [SESSION_END_SERVER_ERROR] = {"remote-connection-failed",
                                  "internal-server-error"},
    [SESSION_END_SERVER_LOST] = {"remote-connection-failed",
                                 "internal-server-error"},
    [SESSION_END_SERVER_INVALID] = {"remote-connection-failed",
                                    "internal-server-error"},
    [SESSION_END_LOGIN_TIMEOUT] = {"policy-violation", "policy-violation"},
    [SESSION_END_SHUTDOWN] = {"system-shutdown", "system-shutdown"},
    [SESSION_END_INTERNAL] = {"internal-server-error", "internal-server-error"},
};

static const char *const state_name[] = {
    [WS_WAITING_OPEN] = "waiting-open",
    [WS_CONNECTING] = "connecting",
    [WS_OPEN] = "open",
    [WS_CLOSING_SERVER] = "closing-server",
    [WS_CLOSING_CLIENT] = "closing-client",
    [WS_CLOSED] = "closed",
};

static struct log_ctx *log_of(const struct ws *w)
{
    return w->session == NULL ? NULL : session_log(w->session);
}

void ws_enter(struct ws *w, enum ws_state next)
{
    static const unsigned from[] = {
        [WS_WAITING_OPEN] = 0,
        [WS_CONNECTING] = 1u << WS_WAITING_OPEN,
        [WS_OPEN] = 1u << WS_CONNECTING,
        [WS_CLOSING_SERVER] = 1u << WS_OPEN,
        [WS_CLOSING_CLIENT] =
            1u << WS_WAITING_OPEN | 1u << WS_CONNECTING | 1u << WS_OPEN,
        [WS_CLOSED] = 1u << WS_WAITING_OPEN | 1u << WS_CONNECTING |
                      1u << WS_OPEN | 1u << WS_CLOSING_SERVER |
                      1u << WS_CLOSING_CLIENT,
    };

    assert(from[next] & 1u << w->state);
    log_debug(log_of(w), "ws.state from=%s to=%s", state_name[w->state],
              state_name[next]);
    w->state = next;
}

/* ---- what we say ---- */

static void ws_end_say(struct ws *w, struct slice message)
{
    /* False: the carrier is closing and ws_lost follows; what comes after
     * this message is lost with it. */
    (void)w->up->send(w->owner, message);
}

static void say_close(struct ws *w)
{
    ws_end_say(w, slice_of(w->framing->close));
}

static void say_error(struct ws *w, const char *condition, const char *text)
{
    struct buf out;

    buf_init(&out, OUT_MAX_BYTES);
    if (ws_write_error(&out, condition, text) == ERR_OK)
        ws_end_say(w, buf_slice(&out));
    buf_free(&out);
}

/* RFC 6120 section 4.7.5: the lower of two versions; none to a client that
 * sent none.  Our own header says 1.0, and a server that answers with more is
 * held to it. */
static struct slice answer_version(const struct ws *w, struct slice server)
{
    if (w->names.major == 0 && w->names.minor == 0)
        return SLICE("");
    if (w->names.major == 0)
        return SLICE("0.9");
    return server.len == 0 ? SLICE("") : SLICE("1.0");
}

void ws_say_open(struct ws *w, const struct stream_header *header)
{
    struct ws_opening opening = {
        .from = header->from,
        .to = slice_of(w->names.from),
        .id = header->id,
        .lang = header->lang,
        .version = answer_version(w, header->version),
    };
    struct buf out;

    /* The features or the error come right behind it. */
    if (w->up->gather != NULL)
        w->up->gather(w->owner);
    buf_init(&out, OUT_MAX_BYTES);
    if (w->framing->write_open(&out, &opening) == ERR_OK)
        ws_end_say(w, buf_slice(&out));
    buf_free(&out);
}

/* Errors come inside a stream: a header of our own when the server has sent
 * none (RFC 6120 section 4.9.1.2; J25), from the domain that was asked for or
 * the default. */
static void say_own_open(struct ws *w)
{
    struct stream_header header = {
        .from = slice_of(w->to != NULL ? w->to : session_host_default(w->host)),
        .version = SLICE("1.0"),
    };
    char id[ID_CHARS + 1];

    secret_token(id, ID_CHARS);
    header.id = slice_of(id);
    ws_say_open(w, &header);
}

/* ---- the way out ---- */

static void ws_end_free_now(void *arg)
{
    struct ws *w = arg;

    free(w->client);
    free(w->to);
    free(w->names.from);
    free(w->next.from);
    free(w);
}

/* Silent from here on; memory goes at the end of the turn. */
static void ws_end_leave(struct ws *w, enum session_end why, bool is_graceful)
{
    struct session *session = w->session;

    ws_enter(w, WS_CLOSED);
    timer_stop(&w->timer);
    w->session = NULL;
    session_end(session, why, is_graceful);
    loop_defer(session_host_loop(w->host), &w->dead, ws_end_free_now, w);
}

void ws_finish(struct ws *w, enum session_end why)
{
    ws_end_leave(w, why, true);
    w->up->finish(w->owner, w->code, w->reason);
}

/* We end the stream: <close/> is said, in this message, and the client's is
 * awaited, a bounded time (J41). */
static void close_client_with(struct ws *w, struct slice message,
                              const char *reason, enum ws_code code)
{
    w->code = code;
    w->reason = reason;
    ws_enter(w, WS_CLOSING_CLIENT);
    timer_set(&w->timer, session_host_settings(w->host)->ws.close_ms);
    ws_end_say(w, message);
    if (w->is_stopped) /* the client's <close/> must get through */
        w->up->flow(w->owner, true);
    w->is_stopped = false;
}

static void close_client(struct ws *w, const char *reason, enum ws_code code)
{
    close_client_with(w, slice_of(w->framing->close), reason, code);
}

static enum ws_code ws_end_code_of(enum session_end why)
{
    return why == SESSION_END_SHUTDOWN ? WS_GOING_AWAY : WS_NORMAL;
}

const char *ws_refusal_condition(enum session_end why)
{
    const char *condition = endings[why].before;

    return condition != NULL ? condition : "internal-server-error";
}

static void ws_end_refuse(struct ws *w, const char *condition, const char *text,
                          enum session_end why)
{
    struct session *session = w->session;
    /* A resumable stream stays the server's to keep for a client that comes
     * back through another gateway (G33). */
    bool is_graceful = why != SESSION_END_SHUTDOWN || session == NULL ||
                       !session_is_resumable(session);

    if (w->state != WS_OPEN)
        say_own_open(w);
    say_error(w, condition, text);
    close_client(w, condition, ws_end_code_of(why));
    w->session = NULL;
    session_end(session, why, is_graceful);
}

void ws_refuse(struct ws *w, const char *condition, enum session_end why)
{
    ws_end_refuse(w, condition, NULL, why);
}

/* What ws_message_max is, in words for the client. */
static const char *size_limit(const struct ws *w)
{
    if (w->session != NULL)
        return session_size_limit(w->session, ws_message_max(w));
    return "above limits.stanza_max_unauthenticated";
}

static void note_rejected(struct ws *w, const char *condition)
{
    static _Thread_local struct log_limit limit = LOG_LIMIT_INIT;
    uint64_t now_ms = loop_now_ms(session_host_loop(w->host));
    unsigned suppressed;

    metrics_count(METRIC_WS_BAD_MESSAGES);
    if (log_allow(&limit, now_ms, &suppressed))
        log_info(log_of(w), "ws.rejected condition=%s suppressed=%u", condition,
                 suppressed);
}

void ws_reject(struct ws *w, const char *condition, enum session_end why)
{
    note_rejected(w, condition);
    ws_refuse(w, condition, why);
}

void ws_reject_limit(struct ws *w, const char *text)
{
    note_rejected(w, "policy-violation");
    ws_end_refuse(w, "policy-violation", text != NULL ? text : size_limit(w),
                  SESSION_END_POLICY);
}

/* ---- the session ends ---- */

/* The server's condition as the reason of the Close frame, which outlives the
 * server's bytes: those of RFC 6120 section 4.9.3, else our own word. */
static const char *ws_end_reason_of(const struct element *error,
                                    enum session_end why)
{
    static const char *const conditions[] = {
        "bad-format",
        "bad-namespace-prefix",
        "conflict",
        "connection-timeout",
        "host-gone",
        "host-unknown",
        "improper-addressing",
        "internal-server-error",
        "invalid-from",
        "invalid-id",
        "invalid-namespace",
        "invalid-xml",
        "not-authorized",
        "not-well-formed",
        "policy-violation",
        "remote-connection-failed",
        "reset",
        "resource-constraint",
        "restricted-xml",
        "see-other-host",
        "system-shutdown",
        "undefined-condition",
        "unsupported-encoding",
        "unsupported-feature",
        "unsupported-stanza-type",
        "unsupported-version",
    };
    size_t i;

    for (i = 0; error != NULL && i < COUNT_OF(conditions); i++)
        if (slice_is(error->error_condition, conditions[i]))
            return conditions[i];
    return session_end_name(why);
}

void ws_on_ended(void *arg, enum session_end why, const struct element *error)
{
    struct ws *w = arg;
    struct session *session = w->session;
    const char *cause = session_cause(session);
    const char *condition =
        w->has_login ? endings[why].after : endings[why].before;
    const char *reason = condition;

    w->session = NULL;
    if (error != NULL || condition == NULL)
        reason = ws_end_reason_of(error, why);
    session_free(session);
    if (w->state == WS_CONNECTING)
        say_own_open(w);
    if (error != NULL)
        ws_end_say(w, error->bytes); /* J43 */
    else if (condition != NULL && w->state != WS_CLOSING_SERVER)
        say_error(w, condition, cause);

    if (w->state == WS_CLOSING_SERVER) {
        say_close(w);
        ws_finish(w, why);
        return;
    }
    close_client(w, reason, ws_end_code_of(why));
}

/* Where clients go when we go; NULL: nowhere that this one may be told.  No
 * client is sent from TLS to clear text (RFC 7395 section 3.6.1; J46). */
static const char *other_uri(const struct ws *w)
{
    const char *uri = session_host_settings(w->host)->ws.see_other_uri;
    bool is_secure = uri != NULL && strncasecmp(uri, "wss:", 4) == 0;

    if (uri == NULL || uri[0] == '\0' || !w->framing->can_move ||
        (w->is_secure && !is_secure))
        return NULL;
    return uri;
}

/* <close see-other-uri=…/>, and no stream error before it: Strophe would give
 * up at that.  Before our <open/> it is an answer, too (RFC 7395 section
 * 3.4). */
static enum err move_client(struct ws *w, const char *uri)
{
    struct session *session = w->session;
    struct buf out;
    enum err err;

    buf_init(&out, OUT_MAX_BYTES);
    err = ws_write_close_to(&out, uri);
    if (err == ERR_OK) {
        close_client_with(w, buf_slice(&out), "system-shutdown", WS_GOING_AWAY);
        w->session = NULL;
        session_end(session, SESSION_END_SHUTDOWN,
                    !session_is_resumable(session));
    }
    buf_free(&out);
    return err;
}

void ws_on_shutdown(void *arg)
{
    struct ws *w = arg;
    const char *uri = other_uri(w);

    if (w->state == WS_CLOSING_SERVER)
        return; /* it ends by itself, and soon */
    if (uri == NULL || move_client(w, uri) != ERR_OK)
        ws_refuse(w, "system-shutdown", SESSION_END_SHUTDOWN);
}

void ws_shutdown(struct ws *w)
{
    if (w->state != WS_WAITING_OPEN)
        return;
    w->code = WS_GOING_AWAY;
    w->reason = "system-shutdown";
    ws_finish(w, SESSION_END_SHUTDOWN);
}

void ws_on_timer(void *arg)
{
    struct ws *w = arg;

    if (w->state == WS_WAITING_OPEN) { /* J27 */
        w->code = WS_POLICY;
        w->reason = "no open";
        ws_finish(w, SESSION_END_CLIENT_GONE);
        return;
    }
    if (w->state == WS_CLOSING_SERVER) /* the server does not answer */
        say_close(w);
    ws_finish(w, SESSION_END_CLIENT_CLOSED);
}

static const char *fault_condition(enum ws_code code)
{
    switch (code) {
    case WS_TOO_BIG:
    case WS_POLICY:
    case WS_UNSUPPORTED:
        return "policy-violation";
    case WS_BAD_DATA:
        return "unsupported-encoding";
    case WS_PROTOCOL_ERROR:
        return "bad-format";
    case WS_NORMAL:
    case WS_GOING_AWAY:
    case WS_INTERNAL:
        break;
    }
    return "internal-server-error";
}

void ws_fault(struct ws *w, enum ws_code code)
{
    const char *condition = fault_condition(code);
    /* Before <open/> only a message can be an error of XMPP, not a frame. */
    bool is_first = w->state == WS_WAITING_OPEN && code == WS_TOO_BIG;

    if (w->state == WS_CLOSED)
        return;
    if (w->state == WS_CONNECTING || is_first) /* J13, J25 */
        say_own_open(w);
    if (w->state == WS_CONNECTING || w->state == WS_OPEN || is_first) {
        say_error(w, condition, code == WS_TOO_BIG ? size_limit(w) : NULL);
        say_close(w);
    }
    w->code = code;
    w->reason = condition;
    ws_finish(w, code == WS_TOO_BIG ? SESSION_END_POLICY
                                    : SESSION_END_BAD_REQUEST);
}

void ws_lost(struct ws *w)
{
    bool said_goodbye = w->state == WS_CLOSING_SERVER;

    if (w->state == WS_CLOSED)
        return;
    ws_end_leave(
        w, said_goodbye ? SESSION_END_CLIENT_CLOSED : SESSION_END_CLIENT_GONE,
        said_goodbye);
}
