#include "null.h"

#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define STREAM_FEATURES                                                        \
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' "               \
    "xmlns:stream='http://etherx.jabber.org/streams' id='%08x' "               \
    "from='localhost' version='1.0' xml:lang='en'><stream:features>%s"         \
    "</stream:features>"
#define MECHANISMS                                                             \
    "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"                    \
    "<mechanism>ANONYMOUS</mechanism><mechanism>PLAIN</mechanism>"             \
    "</mechanisms>"
#define BIND "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"

struct client {
    struct wire wire;
    bool is_proved;
    unsigned number;
    struct client *next;
    struct client **to_me; /* what points to it in the list */
};

static struct client *clients;
static unsigned n_clients;

static void say(struct client *c, const char *text)
{
    wire_send(&c->wire, slice_of(text), (struct slice){NULL, 0});
}

/* ---- XMPP ---- */

static void answer_stream(struct client *c)
{
    char text[700];

    snprintf(text, sizeof(text), STREAM_FEATURES, c->number,
             c->is_proved ? BIND : MECHANISMS);
    say(c, text);
}

/* Every <iq/> is taken for the one that binds; its id is given back. */
static void answer_iq(struct client *c, struct slice iq)
{
    const char *id = memmem(iq.at, iq.len, " id=", 4);
    char text[400];
    size_t len = 0;

    if (id != NULL) {
        const char *end =
            memchr(id + 5, id[4], iq.len - (size_t)(id + 5 - iq.at));

        len = end != NULL ? (size_t)(end - id - 5) : 0;
    }
    snprintf(text, sizeof(text),
             "<iq type='result' id='%.*s'>"
             "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'>"
             "<jid>u%u@localhost/r</jid></bind></iq>",
             len < 100 ? (int)len : 0, len > 0 ? id + 5 : "", c->number);
    say(c, text);
}

/* An element up to its end tag, or to "/>" of its start tag.  0: not whole. */
static size_t length_of(const char *at, size_t len, const char *end_tag)
{
    const char *gt = memchr(at, '>', len);
    const char *end;

    if (gt == NULL)
        return 0;
    if (gt[-1] == '/')
        return (size_t)(gt - at) + 1;
    end = memmem(gt, len - (size_t)(gt - at), end_tag, strlen(end_tag));
    return end == NULL ? 0 : (size_t)(end - at) + strlen(end_tag);
}

static bool begins(const char *at, size_t len, const char *with)
{
    return len >= strlen(with) && memcmp(at, with, strlen(with)) == 0;
}

/* Takes what stands at the front; 0: it is not whole. */
static size_t take_xml(struct client *c, const char *at, size_t len)
{
    const char *gt = memchr(at, '>', len);
    size_t tag = gt != NULL ? (size_t)(gt - at) + 1 : 0;
    size_t n;

    if (at[0] != '<')
        return 1; /* white space between stanzas */
    if (tag == 0)
        return 0;
    if (begins(at, len, "<message")) {
        n = length_of(at, len, "</message>");
        if (n > 0)
            wire_send(&c->wire, (struct slice){at, n}, (struct slice){NULL, 0});
        return n;
    }
    if (begins(at, len, "<iq")) {
        n = length_of(at, len, "</iq>");
        if (n > 0)
            answer_iq(c, (struct slice){at, n});
        return n;
    }
    if (begins(at, len, "<auth")) {
        n = length_of(at, len, "</auth>");
        if (n > 0) {
            c->is_proved = true;
            say(c, "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        }
        return n;
    }
    if (begins(at, len, "<presence"))
        return length_of(at, len, "</presence>");
    if (begins(at, len, "<stream:stream"))
        answer_stream(c);
    if (begins(at, len, "</stream:stream")) {
        say(c, "</stream:stream>");
        wire_end(&c->wire);
    }
    return tag;
}

/* ---- HTTP ---- */

/* The body of a request, back; whoever speaks HTTP/1.0 wants the connection
 * closed behind it. */
static size_t take_request(struct client *c, const char *at, size_t len)
{
    static const char old[] = " HTTP/1.0\r\n";
    struct slice body;
    size_t used = http_read_request(at, len, &body);
    const char *line_end;
    char head[200];
    bool is_old;
    int n;

    if (used == 0)
        return 0;
    line_end = memchr(at, '\n', used);
    is_old =
        memmem(at, (size_t)(line_end + 1 - at), old, sizeof(old) - 1) != NULL;
    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nContent-Type: text/xml; "
                 "charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                 body.len);
    wire_send(&c->wire, (struct slice){head, (size_t)n}, body);
    if (is_old)
        wire_end(&c->wire);
    return used;
}

/* ---- both ---- */

/* A stream begins with '<', a request with the letters of its method. */
static size_t take_one(struct client *c, const char *at, size_t len)
{
    if (at[0] >= 'A' && at[0] <= 'Z')
        return take_request(c, at, len);
    return take_xml(c, at, len);
}

static size_t on_received(void *owner, const char *at, size_t len)
{
    struct client *c = owner;
    size_t used = 0;
    size_t n = 1;

    while (used < len && n > 0 && c->wire.fd >= 0) {
        n = take_one(c, at + used, len - used);
        used += n;
    }
    return used;
}

static void on_gone(void *owner)
{
    struct client *c = owner;

    *c->to_me = c->next;
    if (c->next != NULL)
        c->next->to_me = c->to_me;
    free(c);
}

static const struct wire_ops ops = {.received = on_received, .gone = on_gone};

static void on_accepted(int fd)
{
    struct client *c = calloc(1, sizeof(*c));

    if (c == NULL) {
        close(fd);
        return;
    }
    if (!wire_take(&c->wire, fd, &ops, c)) {
        free(c);
        return;
    }
    c->number = n_clients++;
    c->next = clients;
    c->to_me = &clients;
    if (clients != NULL)
        clients->to_me = &c->next;
    clients = c;
}

bool null_listen(const struct address *at)
{
    return wire_listen(at, on_accepted);
}

void null_close(void)
{
    for (struct client *c = clients; c != NULL; c = c->next)
        wire_close(&c->wire);
}
