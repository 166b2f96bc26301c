#include "bench.h"

#include <stdio.h>
#include <stdlib.h>

#define STANZA_MAX (BENCH_TEXT_MAX + 2048)

/* A server's answer is searched, not parsed: the generator must cost less
 * than what it measures. */
static bool has(struct slice s, const char *needle)
{
    return memmem(s.at, s.len, needle, strlen(needle)) != NULL;
}

void session_fail(struct session *s, const char *why)
{
    bool was_ready = s->state == SESSION_READY;

    if (s->state == SESSION_FAILED)
        return;
    s->state = SESSION_FAILED;
    s->bench->o.kind->close(s);
    plan_session_failed(s, was_ready, why);
}

void session_open(struct session *s)
{
    s->own = calloc(1, s->bench->o.kind->state_bytes);
    if (s->own == NULL) {
        s->state = SESSION_FAILED;
        plan_session_failed(s, false, "out of memory");
        return;
    }
    s->state = SESSION_OPENING;
    s->bench->o.kind->open(s);
}

void session_close(struct session *s)
{
    if (s->own != NULL && s->state != SESSION_FAILED)
        s->bench->o.kind->close(s);
    s->state = SESSION_FAILED;
    free(s->own);
    free(s->jid);
    s->own = NULL;
    s->jid = NULL;
}

/* ---- login ---- */

static size_t base64(char *out, const char *at, size_t len)
{
    static const char digits[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *to = out;

    for (size_t i = 0; i < len; i += 3) {
        unsigned left = (unsigned)(len - i);
        unsigned a = (unsigned char)at[i];
        unsigned b = left > 1 ? (unsigned char)at[i + 1] : 0;
        unsigned c = left > 2 ? (unsigned char)at[i + 2] : 0;

        *to++ = digits[a >> 2];
        *to++ = digits[(a & 3) << 4 | b >> 4];
        *to++ = left > 1 ? digits[(b & 15) << 2 | c >> 6] : '=';
        *to++ = left > 2 ? digits[c & 63] : '=';
    }
    return (size_t)(to - out);
}

static void send_text(struct session *s, const char *text)
{
    s->bench->o.kind->send(s, slice_of(text));
}

/* SASL PLAIN for the user of this number, or ANONYMOUS. */
static void send_proof(struct session *s)
{
    const struct options *o = &s->bench->o;
    char plain[300];
    char encoded[404];
    char text[600];
    int n;

    if (o->user == NULL) {
        send_text(s, "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
                     "mechanism='ANONYMOUS'/>");
        return;
    }
    plain[0] = '\0';
    n = snprintf(plain + 1, sizeof(plain) - 1, "%s%u", o->user, s->number);
    n += 2;
    n += snprintf(plain + n, sizeof(plain) - (size_t)n, "%s", o->password);
    n = (int)base64(encoded, plain, (size_t)n);
    snprintf(text, sizeof(text),
             "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
             "mechanism='PLAIN'>%.*s</auth>",
             n, encoded);
    send_text(s, text);
}

static void send_bind(struct session *s)
{
    send_text(s, "<iq xmlns='jabber:client' type='set' id='bind'>"
                 "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>");
}

static bool take_jid(struct session *s, struct slice in)
{
    const char *from = memmem(in.at, in.len, "<jid>", 5);
    const char *to;

    if (from == NULL)
        return false;
    from += 5;
    to = memchr(from, '<', in.len - (size_t)(from - in.at));
    if (to == NULL)
        return false;
    s->jid = strndup(from, (size_t)(to - from));
    return s->jid != NULL;
}

static bool has_features(struct slice in)
{
    return has(in, "</stream:features>") || has(in, "</features>");
}

/* One step when the answer to the last is whole: true, all of it is done
 * with. */
static bool log_in(struct session *s, struct slice in)
{
    switch (s->state) {
    case SESSION_OPENING:
        if (!has_features(in))
            return false;
        s->state = SESSION_PROVING;
        send_proof(s);
        return true;
    case SESSION_PROVING:
        if (has(in, "<failure")) {
            session_fail(s, "the server refuses the login");
            return true;
        }
        if (!has(in, "<success"))
            return false;
        s->state = SESSION_RESTARTING;
        s->bench->o.kind->restart(s);
        return true;
    case SESSION_RESTARTING:
        if (!has_features(in))
            return false;
        s->state = SESSION_BINDING;
        send_bind(s);
        return true;
    case SESSION_BINDING:
        if (!has(in, "</iq>"))
            return false;
        if (!take_jid(s, in))
            session_fail(s, "the server binds no address");
        else
            session_is_up(s);
        return true;
    case SESSION_NEW:
    case SESSION_READY:
    case SESSION_FAILED:
        break;
    }
    return true;
}

void session_is_up(struct session *s)
{
    s->state = SESSION_READY;
    plan_session_ready(s);
}

/* ---- messages ---- */

/* As rosters and lists are: what a gateway has to read and to write anew. */
#define ITEMS_BEGIN "<x xmlns='urn:doab:bench'>"
#define ITEM        "<item jid='juliet@example.org' name='Juliet' mode='both'/>"
#define ITEMS_END   "</x>"

/* So many items as there is room for. */
static char *put_items(char *at, unsigned wanted, unsigned room)
{
    const unsigned around = sizeof(ITEMS_BEGIN ITEMS_END) - 1;
    const unsigned each = sizeof(ITEM) - 1;

    if (wanted == 0 || room < around + each)
        return at;
    at = stpcpy(at, ITEMS_BEGIN);
    for (room -= around; wanted > 0 && room >= each; wanted--, room -= each)
        at = stpcpy(at, ITEM);
    return stpcpy(at, ITEMS_END);
}

static unsigned room_after(unsigned size, size_t used)
{
    return size > used ? size - (unsigned)used : 0;
}

void session_send_message(struct session *s, uint64_t due_ns)
{
    static const char end[] = "</body></message>";
    static char text[STANZA_MAX];
    const struct options *o = &s->bench->o;
    char body[32];
    size_t tail = sizeof(end) - 1 +
                  (size_t)snprintf(body, sizeof(body), "<body>[%u]", s->next);
    char *at = text;

    at += snprintf(text, sizeof(text),
                   "<message xmlns='jabber:client' to='%s' type='chat' "
                   "id='m%u'>",
                   s->jid != NULL ? s->jid : "", s->next);
    at = put_items(at, o->items,
                   room_after(o->size, (size_t)(at - text) + tail));
    at += snprintf(at, sizeof(text) - (size_t)(at - text), "%s%.*s%s", body,
                   (int)room_after(o->size, (size_t)(at - text) + tail),
                   s->bench->stanza_text, end);
    s->is_busy = true;
    s->start_ns = due_ns;
    s->bench->o.kind->send(s, (struct slice){text, (size_t)(at - text)});
}

/* The echo of the message under way; anything else is passed over. */
static void take_message(struct session *s, struct slice m)
{
    char mark[16];

    snprintf(mark, sizeof(mark), "[%u]", s->next);
    if (!s->is_busy || !has(m, mark))
        return;
    s->is_busy = false;
    s->next++;
    plan_message_done(s);
}

static size_t take_messages(struct session *s, const char *at, size_t len)
{
    static const char end[] = "</message>";
    size_t used = 0;

    while (used < len && s->state == SESSION_READY) {
        const char *to = memmem(at + used, len - used, end, sizeof(end) - 1);
        size_t n;

        if (to == NULL)
            break;
        n = (size_t)(to - at) + sizeof(end) - 1 - used;
        take_message(s, (struct slice){at + used, n});
        used += n;
    }
    return used;
}

size_t session_input(struct session *s, const char *at, size_t len)
{
    if (s->state == SESSION_READY)
        return take_messages(s, at, len);
    if (s->state != SESSION_FAILED && has((struct slice){at, len}, "error>"))
        session_fail(s, "the server sends a stream error");
    return log_in(s, (struct slice){at, len}) ? len : 0;
}
