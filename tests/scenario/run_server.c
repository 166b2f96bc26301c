#include "run_settings.h"

#include "../fakes/oracle.h"
#include "xmpp/xml_write.h"

#include <stdlib.h>

#define SERVER_MAX_BYTES (1u << 22)

#define HEADER                                                                 \
    "<?xml version='1.0'?><stream:stream xmlns='" NS_CLIENT                    \
    "' xmlns:stream='" NS_STREAMS "'"

static const char stream_end[] = "</stream:stream>";

/* server, server2, upstream2: the connections in the order in which doab made
 * them. */
struct server *server_find(struct run *r, const char *word, const char *base)
{
    const char *number = word + strlen(base);
    unsigned long n = *number == '\0' ? 1 : strtoul(number, NULL, 10);
    struct server *v = r->world->servers;

    while (v != NULL && --n > 0)
        v = v->next;
    return v;
}

/* From now on no server does anything by itself. */
bool server_manual(struct run *r, const struct step *s)
{
    settings.servers_are_manual = true;
    if (r->world != NULL)
        r->world->servers_are_manual = true;
    return true;
}

static bool transmit(struct run *r, struct server *v, struct slice bytes)
{
    trace(r, "server", bytes);
    oracle_hear(v->oracle, bytes);
    return wire_send(r, v->peer, bytes);
}

static bool send_text(struct run *r, struct server *v, const char *text)
{
    return transmit(r, v, slice_of(text));
}

/* The words change what a header has, and -word leaves it out. */
static bool send_header(struct run *r, struct server *v, const struct step *s)
{
    const char *usual[] = {
        arena_printf(&r->arena, "id=stream-%u", ++v->headers_sent),
        "from=example.org",
        "version=1.0",
    };
    const char *head = HEADER;
    const char *key;
    const char *value;

    for (size_t i = 0; i < COUNT_OF(usual); i++) {
        if (!word_split(r, usual[i], &key, &value))
            return false;
        if (s != NULL && (step_value(s, 2, key) != NULL ||
                          step_has(s, 2, arena_printf(&r->arena, "-%s", key))))
            continue;
        head = arena_printf(&r->arena, "%s %s='%s'", head, key, value);
    }
    for (size_t i = 2; s != NULL && i < s->n_words; i++) {
        if (word_split(r, s->words[i], &key, &value))
            head = arena_printf(&r->arena, "%s %s='%s'", head, key, value);
    }
    return send_text(r, v, arena_printf(&r->arena, "%s>", head));
}

static bool end(struct run *r, struct server *v)
{
    v->has_closed = true;
    if (!send_text(r, v, stream_end))
        return false;
    wire_fin(v->peer);
    return true;
}

/* --- By itself ------------------------------------------------------------ */

static bool read_new(struct run *r, bool *progress)
{
    struct fake_peer *peer = wire_next_connect(r);
    struct server **at = &r->world->servers;
    struct server *v;

    if (peer == NULL)
        return true;
    *progress = true;
    v = arena_get(&r->arena, sizeof(*v));
    v->peer = peer;
    v->oracle = oracle_new();
    buf_init(&v->in, SERVER_MAX_BYTES);
    while (*at != NULL)
        at = &(*at)->next;
    *at = v;
    if (!r->world->servers_are_manual) {
        v->is_answered = true;
        wire_accept(peer);
    }
    return true;
}

/* What a server does to what it was just sent. */
static bool react(struct run *r, struct server *v, const struct item *item)
{
    for (; item != NULL; item = item->next) {
        if (item->kind == ITEM_HEADER && !send_header(r, v, NULL))
            return false;
        if (item->kind == ITEM_END && !v->has_closed && !end(r, v))
            return false;
    }
    if (v->had_fin && !v->has_closed) {
        v->has_closed = true;
        wire_fin(v->peer);
    }
    return true;
}

/* Whatever a scenario is about, no server is sent what it would not take. */
static bool judge(struct run *r, struct server *v, struct slice sent)
{
    const char *fault = oracle_read(v->oracle, sent);

    if (fault == NULL && v->had_fin)
        fault = oracle_end(v->oracle);
    return fault == NULL || fail(r, "bytes that a server takes", "%s: %.*s",
                                 fault, (int)sent.len, sent.at);
}

static bool read_server(struct run *r, struct server *v, bool *progress)
{
    struct item *last = v->last;
    size_t had = v->in.len;
    bool had_fin = v->had_fin;
    struct slice sent;

    if (v->is_lost)
        return true;
    if (!wire_take(r, v->peer, &v->in))
        return false;
    v->had_fin = wire_is_closed(v->peer);
    v->is_lost = wire_is_dropped(v->peer);
    sent = (struct slice){buf_at(&v->in) + had, v->in.len - had};
    if (sent.len > 0)
        trace(r, "upstream", sent);
    if (!judge(r, v, sent))
        return false;
    *progress |= v->in.len > had || v->had_fin != had_fin || v->is_lost;
    if (!upstream_scan(r, v))
        return false;
    if (v->is_lost || r->world->servers_are_manual)
        return true;
    return react(r, v, last == NULL ? v->items : last->next);
}

bool server_read_all(struct run *r, bool *progress)
{
    if (!read_new(r, progress))
        return false;
    for (struct server *v = r->world->servers; v != NULL; v = v->next) {
        if (!read_server(r, v, progress))
            return false;
    }
    return true;
}

/* --- By the scenario ------------------------------------------------------ */

static bool say_text(struct run *r, struct server *v, const char *text)
{
    struct slice bytes;

    if (text[0] == '<')
        return send_text(r, v, text);
    return script_unquote(r, text, &bytes) && transmit(r, v, bytes);
}

static bool secure(struct server *v, bool is_trusted)
{
    if (!wire_secure(v->peer, is_trusted))
        return false;
    oracle_secure(v->oracle);
    return true;
}

static bool act(struct run *r, struct server *v, const struct step *s)
{
    const char *verb = s->n_words < 2 ? "" : s->words[1];

    bool is_answer = strcmp(verb, "accept") == 0 || strcmp(verb, "refuse") == 0;

    if (v->has_closed || v->is_answered != !is_answer)
        return fail(r, "a server that can do that", "one that cannot");
    v->is_answered = true;
    if (strcmp(verb, "header") == 0)
        return send_header(r, v, s);
    if (s->text != NULL)
        return say_text(r, v, s->text);
    if (strcmp(verb, "end") == 0)
        return end(r, v);
    if (strcmp(verb, "accept") == 0)
        wire_accept(v->peer);
    else if (strcmp(verb, "refuse") == 0)
        wire_refuse(v->peer);
    else if (strcmp(verb, "close") == 0)
        wire_fin(v->peer);
    else if (strcmp(verb, "reset") == 0)
        wire_reset(v->peer);
    else if (strcmp(verb, "secure") == 0 || strcmp(verb, "distrust") == 0)
        return secure(v, strcmp(verb, "secure") == 0) ||
               fail(r, "a TLS handshake", "none");
    else if (strcmp(verb, "stall") == 0 || strcmp(verb, "unstall") == 0)
        wire_stall(v->peer, strcmp(verb, "stall") == 0);
    else
        return fail(r, "a verb of server", "%s", verb);
    v->has_closed |= strcmp(verb, "close") == 0;
    return true;
}

bool server_say(struct run *r, const struct step *s)
{
    struct server *v = server_find(r, s->words[0], "server");

    if (v == NULL)
        return fail(r, "a connection to the server", "none");
    return act(r, v, s) && world_settle(r);
}

void server_leave_all(struct run *r)
{
    for (struct server *v = r->world->servers; v != NULL; v = v->next) {
        if (!v->is_lost)
            wire_reset(v->peer);
    }
}

void server_free_all(struct world *w)
{
    for (struct server *v = w->servers; v != NULL; v = v->next) {
        buf_free(&v->in);
        oracle_free(v->oracle);
    }
}
