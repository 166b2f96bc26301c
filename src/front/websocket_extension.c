#include "websocket_extension.h"
#include "http_head.h"

#include <stdio.h>
#include <string.h>

#define NAME "permessage-deflate"

/* One parameter: name, and what stands behind `=` without quotes. */
struct param {
    struct slice name;
    struct slice value;
    bool has_value;
};

/* What an offer has said so far. */
struct offer {
    bool is_good;
    bool server_no_context;
    bool client_no_context;
    bool has_client_bits;
    bool has_server_bits;
    uint8_t server_bits;
};

static void skip(struct slice *s, size_t n)
{
    s->at += n;
    s->len -= n;
}

static void skip_space(struct slice *s)
{
    while (s->len > 0 && (s->at[0] == ' ' || s->at[0] == '\t'))
        skip(s, 1);
}

static bool skip_char(struct slice *s, char c)
{
    skip_space(s);
    if (s->len == 0 || s->at[0] != c)
        return false;
    skip(s, 1);
    skip_space(s);
    return true;
}

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

/* False: there is none. */
static bool read_token(struct slice *s, struct slice *token)
{
    size_t len = 0;

    while (len < s->len && is_token_char(s->at[len]))
        len++;
    *token = (struct slice){s->at, len};
    skip(s, len);
    return len > 0;
}

/* RFC 6455 section 9.1: what is quoted must be a token all the same.  One
 * with a backslash in it would be one too; nobody writes it, and it is not
 * understood here. */
static bool read_value(struct slice *s, struct slice *value)
{
    bool is_quoted = s->len > 0 && s->at[0] == '"';

    if (is_quoted)
        skip(s, 1);
    if (!read_token(s, value))
        return false;
    if (!is_quoted)
        return true;
    if (s->len == 0 || s->at[0] != '"')
        return false;
    skip(s, 1);
    return true;
}

static bool read_param(struct slice *s, struct param *p)
{
    memset(p, 0, sizeof(*p));
    if (!read_token(s, &p->name))
        return false;
    p->has_value = skip_char(s, '=');
    return !p->has_value || read_value(s, &p->value);
}

/* 8 to 15 in decimal without leading zeros (RFC 7692 section 7.1.2); 0: it
 * is none. */
static uint8_t read_bits(struct slice value)
{
    if (value.len == 1 && value.at[0] >= '8' && value.at[0] <= '9')
        return (uint8_t)(value.at[0] - '0');
    if (value.len == 2 && value.at[0] == '1' && value.at[1] >= '0' &&
        value.at[1] <= '5')
        return (uint8_t)(10 + value.at[1] - '0');
    return 0;
}

static bool note_once(bool *seen)
{
    bool is_first = !*seen;

    *seen = true;
    return is_first;
}

/* False: the offer is declined for this one (RFC 7692 section 7.1). */
static bool take_param(struct offer *o, const struct param *p)
{
    if (slice_is(p->name, "server_no_context_takeover"))
        return note_once(&o->server_no_context) && !p->has_value;
    if (slice_is(p->name, "client_no_context_takeover"))
        return note_once(&o->client_no_context) && !p->has_value;
    /* We take any window of the client's. */
    if (slice_is(p->name, "client_max_window_bits"))
        return note_once(&o->has_client_bits) &&
               (!p->has_value || read_bits(p->value) != 0);
    if (!slice_is(p->name, "server_max_window_bits"))
        return false;
    o->server_bits = read_bits(p->value);
    return note_once(&o->has_server_bits) &&
           o->server_bits >= WS_WINDOW_BITS_MIN;
}

/* One element of the list.  False: it cannot be read, nor what follows. */
static bool read_offer(struct slice *s, struct offer *o)
{
    struct slice name;
    struct param p;

    memset(o, 0, sizeof(*o));
    if (!read_token(s, &name))
        return false;
    o->is_good = slice_is(name, NAME);
    while (skip_char(s, ';')) {
        if (!read_param(s, &p))
            return false;
        o->is_good = o->is_good && take_param(o, &p);
    }
    skip_space(s);
    return s->len == 0 || s->at[0] == ',';
}

/* The first good one of a header's list. */
static bool find_offer(struct slice list, struct offer *o)
{
    bool is_read = true;

    do {
        while (skip_char(&list, ','))
            continue;
        skip_space(&list);
        if (list.len == 0)
            return false;
        is_read = read_offer(&list, o);
    } while (is_read && !o->is_good);
    return is_read;
}

struct websocket_extension websocket_extension_choose(
    const struct http_head *head)
{
    struct websocket_extension e = {.window_bits = WS_WINDOW_BITS_MAX};
    struct offer o;
    size_t i;

    for (i = 0; i < head->n_headers && !e.is_deflate; i++) {
        if (!http_name_is(head->headers[i].name, "sec-websocket-extensions") ||
            !find_offer(head->headers[i].value, &o))
            continue;
        e.is_deflate = true;
        e.names_bits = o.has_server_bits;
        if (o.has_server_bits)
            e.window_bits = o.server_bits;
    }
    return e;
}

void websocket_extension_answer(char out[WEBSOCKET_EXTENSION_ANSWER_MAX_BYTES],
                                const struct websocket_extension *e)
{
    char bits[sizeof("; server_max_window_bits=15")] = "";

    out[0] = '\0';
    if (!e->is_deflate)
        return;
    if (e->names_bits)
        snprintf(bits, sizeof(bits), "; server_max_window_bits=%u",
                 (unsigned)e->window_bits % 100);
    snprintf(out, WEBSOCKET_EXTENSION_ANSWER_MAX_BYTES,
             "Sec-WebSocket-Extensions: " NAME "; server_no_context_takeover"
             "; client_no_context_takeover%s\r\n",
             bits);
}
