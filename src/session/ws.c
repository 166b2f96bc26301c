#include "session/ws.h"

#include "base/metrics.h"
#include "ws_legacy.h"
#include "upstream/idna.h"
#include "ws_int.h"
#include "session/session_host.h"

#include <stdlib.h>
#include <string.h>

#define NAME_MAX_BYTES 3071 /* of a JID in <open/> (RFC 7622) */

/* Empty messages keep a connection alive for some clients; more than so many
 * in a minute are a flood (J15). */
#define EMPTY_MAX       100
#define EMPTY_PERIOD_MS 60000

static void ws_on_opened(void *arg, const struct stream_header *header);
static void ws_on_element(void *arg, const struct element *e);
static void ws_on_drained(void *arg);

static const struct session_ops session_ops = {
    .opened = ws_on_opened,
    .element = ws_on_element,
    .drained = ws_on_drained,
    .ended = ws_on_ended,
    .shutdown = ws_on_shutdown,
};

/* ---- from the server ---- */

static void heed_congestion(struct ws *w)
{
    if (w->is_paused || w->session == NULL || !w->up->is_congested(w->owner))
        return;
    w->is_paused = true;
    session_pause(w->session);
}

/* The new stream is that of the <open/> before it. */
static void take_next_names(struct ws *w)
{
    free(w->names.from);
    w->names = w->next;
    memset(&w->next, 0, sizeof(w->next));
}

static void ws_on_opened(void *arg, const struct stream_header *header)
{
    struct ws *w = arg;

    if (w->state == WS_CONNECTING)
        ws_enter(w, WS_OPEN);
    else if (w->next.is_given)
        take_next_names(w);
    if (w->state == WS_OPEN)
        ws_say_open(w, header);
}

static void ws_on_element(void *arg, const struct element *e)
{
    struct ws *w = arg;

    if (w->state != WS_OPEN && w->state != WS_CLOSING_SERVER)
        return;
    w->has_login = session_is_authenticated(w->session);
    w->is_past_login = w->has_login && !element_is_of_login(e->kind);
    if (w->up->send(w->owner, e->bytes))
        heed_congestion(w);
}

static void ws_on_drained(void *arg)
{
    struct ws *w = arg;

    if (!w->is_stopped)
        return;
    w->is_stopped = false;
    if (w->up->flow != NULL)
        w->up->flow(w->owner, true);
}

static void heed_server_congestion(struct ws *w)
{
    if (w->is_stopped || w->up->flow == NULL || w->session == NULL ||
        !session_is_congested(w->session))
        return;
    w->is_stopped = true;
    w->up->flow(w->owner, false);
}

/* ---- from the client ---- */

/* `major.minor`; anything else counts as none. */
static void ws_read_version(struct ws_names *n, struct slice version)
{
    unsigned number[2] = {0, 0};
    size_t part = 0;
    size_t i;

    n->major = n->minor = 0;
    for (i = 0; i < version.len; i++) {
        char c = version.at[i];

        if (c == '.' && part == 0 && i > 0)
            part = 1;
        else if (c >= '0' && c <= '9' && number[part] < 10)
            number[part] = number[part] * 10 + (unsigned)(c - '0');
        else
            return;
    }
    n->major = (uint8_t)number[0];
    n->minor = (uint8_t)number[1];
}

/* ERR_NOMEM.  *kept is replaced; NULL when s is absent or empty. */
static enum err ws_keep(char **kept, struct slice s)
{
    char *copy = NULL;

    if (s.len > 0) {
        copy = strndup(s.at, s.len);
        if (copy == NULL)
            return ERR_NOMEM;
    }
    free(*kept);
    *kept = copy;
    return ERR_OK;
}

static enum err keep_names(struct ws_names *n, const struct ws_element *f)
{
    n->is_given = true;
    ws_read_version(n, f->version);
    return ws_keep(&n->from, f->from);
}

/* The domain is that of the first <open/>, or the default. */
static enum err keep_domain(struct ws *w, struct slice to)
{
    return ws_keep(&w->to,
                   to.len > 0 ? to : slice_of(session_host_default(w->host)));
}

/* The first <open/> (RFC 7395 section 3.4), or stream header. */
static void take_open(struct ws *w, const struct ws_element *f)
{
    struct session_params params = {
        .transport = SESSION_WEBSOCKET,
        .to = f->to,
        .from = f->from,
        .lang = f->lang,
        .client = w->client,
        .is_secure = w->is_secure,
    };
    enum session_end why;
    enum err err;

    ws_read_version(&w->names, f->version); /* an error is told by it, too */
    if (f->to.len > NAME_MAX_BYTES || f->from.len > NAME_MAX_BYTES) {
        ws_reject(w, "improper-addressing", SESSION_END_ADDRESSING);
        return;
    }
    if (keep_names(&w->names, f) != ERR_OK || keep_domain(w, f->to) != ERR_OK) {
        ws_refuse(w, "internal-server-error", SESSION_END_INTERNAL);
        return;
    }
    err = session_open(&w->session, w->host, &params, &session_ops, w, &why);
    if (err != ERR_OK) {
        ws_refuse(w, ws_refusal_condition(why), why);
        return;
    }
    timer_stop(&w->timer);
    free(w->client);
    w->client = NULL;
    ws_enter(w, WS_CONNECTING);
}

static bool is_same_domain(struct slice a, struct slice b)
{
    struct domain_name name[2];

    return domain_normalise(&name[0], a) == ERR_OK &&
           domain_normalise(&name[1], b) == ERR_OK &&
           strcmp(name[0].unicode, name[1].unicode) == 0;
}

/* A second <open/>: legal only as a restart that a login calls for (RFC 7395
 * section 3.7; J18, J30, J31); one behind <auth/> waits for its success. */
static void take_restart(struct ws *w, const struct ws_element *f)
{
    if (f->to.len > 0 && !is_same_domain(f->to, slice_of(w->to))) {
        ws_reject(w, "host-unknown", SESSION_END_HOST_UNKNOWN);
        return;
    }
    if (f->from.len > NAME_MAX_BYTES) {
        ws_reject(w, "improper-addressing", SESSION_END_ADDRESSING);
        return;
    }
    switch (session_restart(w->session, f->from, f->lang)) {
    case ERR_OK:
        if (keep_names(&w->next, f) == ERR_OK)
            break;
        ws_reject(w, "internal-server-error", SESSION_END_INTERNAL);
        break;
    case ERR_MISSING:
        ws_reject(w, "not-authorized", SESSION_END_BAD_REQUEST);
        break;
    case ERR_INVALID:
        ws_reject(w, "policy-violation", SESSION_END_POLICY);
        break;
    case ERR_LIMIT:
    case ERR_NOMEM:
    case ERR_SYSTEM:
        ws_reject(w, "internal-server-error", SESSION_END_INTERNAL);
        break;
    case ERR_CLOSED: /* `ended` was called, or is about to be */
        break;
    }
}

static void ws_take_element(struct ws *w, const struct element *e)
{
    /* `ended` may be called from inside, w itself stays for this turn. */
    switch (session_send(w->session, e)) {
    case ERR_OK:
        heed_server_congestion(w);
        break;
    case ERR_LIMIT:
        ws_reject_limit(w, session_limit(w->session));
        break;
    case ERR_NOMEM:
    case ERR_SYSTEM:
        ws_reject(w, "internal-server-error", SESSION_END_INTERNAL);
        break;
    case ERR_INVALID:
    case ERR_MISSING:
        ws_reject(w,
                  e->kind == ELEMENT_SERVER_STANZA ? "invalid-namespace"
                                                   : "unsupported-stanza-type",
                  SESSION_END_BAD_REQUEST);
        break;
    case ERR_CLOSED: /* `ended` was called, or is about to be */
        break;
    }
}

/* The client's <close/> (RFC 7395 section 3.6; J40). */
static void take_close(struct ws *w)
{
    w->code = WS_NORMAL;
    w->reason = "";
    if (w->state == WS_OPEN) {
        ws_enter(w, WS_CLOSING_SERVER);
        timer_set(&w->timer, session_host_settings(w->host)->ws.close_ms);
        /* Its stream is read on, unless the client does not read. */
        w->is_paused = false;
        session_close(w->session); /* `ended` may come from inside */
        heed_congestion(w);
        return;
    }
    (void)w->up->send(w->owner, slice_of(w->framing->close));
    ws_finish(w, SESSION_END_CLIENT_CLOSED);
}

/* Ignored and counted, but not without end (J15). */
static void take_empty(struct ws *w)
{
    uint64_t now_ms = loop_now_ms(session_host_loop(w->host));

    metrics_count(METRIC_WS_EMPTY_MESSAGES);
    if (now_ms - w->empty_since_ms >= EMPTY_PERIOD_MS) {
        w->empty_since_ms = now_ms;
        w->n_empty = 0;
    }
    if (++w->n_empty > EMPTY_MAX)
        ws_reject(w, "policy-violation", SESSION_END_POLICY);
}

/* A message that is nothing we can use, or above a limit. */
static COLD void reject_element(struct ws *w, const struct ws_element *f)
{
    if (strcmp(f->condition, "policy-violation") == 0)
        ws_reject_limit(w, f->limit);
    else
        ws_reject(w, f->condition, SESSION_END_BAD_REQUEST);
}

/* Before the first <open/> nothing else may come (J20, J22). */
static void take_first(struct ws *w, const struct ws_element *f,
                       enum ws_element_verdict verdict)
{
    switch (verdict) {
    case WS_ELEMENT_OPEN:
        take_open(w, f);
        break;
    case WS_ELEMENT_CLOSE:
        take_close(w);
        break;
    case WS_ELEMENT_ELEMENT:
        ws_reject(w, "not-authorized", SESSION_END_BAD_REQUEST);
        break;
    case WS_ELEMENT_WRONG:
        reject_element(w, f);
        break;
    case WS_ELEMENT_NOMEM:
        ws_refuse(w, "internal-server-error", SESSION_END_INTERNAL);
        break;
    case WS_ELEMENT_EMPTY:
        take_empty(w);
        break;
    }
}

static void take_next(struct ws *w, const struct ws_element *f,
                      enum ws_element_verdict verdict)
{
    switch (verdict) {
    case WS_ELEMENT_OPEN:
        take_restart(w, f);
        break;
    case WS_ELEMENT_CLOSE:
        take_close(w);
        break;
    case WS_ELEMENT_ELEMENT:
        ws_take_element(w, &f->element);
        break;
    case WS_ELEMENT_WRONG:
        reject_element(w, f);
        break;
    case WS_ELEMENT_NOMEM:
        ws_reject(w, "internal-server-error", SESSION_END_INTERNAL);
        break;
    case WS_ELEMENT_EMPTY:
        take_empty(w);
        break;
    }
}

static void ws_take(struct ws *w, const struct ws_element *f,
                    enum ws_element_verdict verdict)
{
    switch (w->state) {
    case WS_WAITING_OPEN:
        take_first(w, f, verdict);
        break;
    case WS_CONNECTING:
    case WS_OPEN:
        take_next(w, f, verdict);
        break;
    case WS_CLOSING_CLIENT: /* only its <close/> is of interest (J41) */
        if (verdict == WS_ELEMENT_CLOSE)
            ws_finish(w, SESSION_END_CLIENT_CLOSED);
        break;
    case WS_CLOSING_SERVER: /* nothing may follow <close/> (J47) */
    case WS_CLOSED:
        break;
    }
}

/* ---- public ---- */

enum err ws_open(struct ws **out, struct session_host *host,
                 const struct addr *client, bool is_secure,
                 const struct ws_ops *ops, void *owner)
{
    struct ws *w;

    if (session_host_is_draining(host))
        return ERR_CLOSED;
    if (session_host_is_full(host))
        return ERR_LIMIT;
    w = calloc(1, sizeof(*w));
    if (w == NULL)
        return ERR_NOMEM;
    w->client = malloc(sizeof(*w->client));
    if (w->client == NULL) {
        free(w);
        return ERR_NOMEM;
    }
    *w->client = *client;
    w->host = host;
    w->is_secure = is_secure;
    w->framing = &ws_framing;
    w->names.major = 1; /* until it says <open/> */
    w->up = ops;
    w->owner = owner;
    timer_init(&w->timer, session_host_loop(host), ws_on_timer, w);
    timer_set(&w->timer, session_host_settings(w->host)->ws.open_ms);
    *out = w;
    return ERR_OK;
}

/* The first message decides how both sides frame theirs (J22). */
static void choose_framing(struct ws *w, struct slice message)
{
    if (w->state == WS_WAITING_OPEN &&
        session_host_settings(w->host)->ws.is_legacy_allowed &&
        ws_legacy_is_header(message))
        w->framing = &ws_legacy_framing;
}

void ws_message(struct ws *w, struct slice message)
{
    size_t max_bytes = ws_message_max(w);
    enum ws_element_verdict verdict;
    struct ws_element frame;

    if (w->state == WS_CLOSING_SERVER || w->state == WS_CLOSED)
        return;
    choose_framing(w, message);
    ws_element_init(&frame, max_bytes);
    verdict =
        w->framing->read(&frame, session_host_pool(w->host),
                         session_host_copier(w->host), message, max_bytes);
    ws_take(w, &frame, verdict);
    /* It may have held a password. */
    if (frame.element.kind == ELEMENT_AUTH ||
        frame.element.kind == ELEMENT_RESPONSE ||
        frame.element.kind == ELEMENT_SASL2 ||
        frame.element.kind == ELEMENT_SASL2_AUTHENTICATE)
        buf_free(&frame.bytes);
    ws_element_free(&frame);
}

size_t ws_message_max(const struct ws *w)
{
    const struct session_settings *settings = session_host_settings(w->host);

    if (w->session != NULL)
        return session_stanza_max(w->session);
    /* What was on its way when we said <close/> is no offence. */
    return w->state == WS_WAITING_OPEN
               ? settings->stanza_max_unauthenticated_bytes
               : settings->stanza_max_bytes;
}

bool ws_may_compress(const struct ws *w)
{
    return w->is_past_login;
}

void ws_drained(struct ws *w)
{
    if (!w->is_paused || w->session == NULL)
        return;
    w->is_paused = false;
    session_resume(w->session);
}
