/*
 * doab-bench-server - a server that does next to nothing, so that what stands
 * in front of it is what is measured; doab-bench(1).
 *
 *   doab-bench-server 127.0.0.1:PORT          XMPP: any login, echoes messages
 *   doab-bench-server --http 127.0.0.1:PORT   HTTP: echoes the body of a POST
 *   doab-bench-server --bytes 127.0.0.1:PORT  echoes every byte
 */
#include "loop.h"

#include <stdio.h>
#include <stdlib.h>

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
    struct peer peer;
    bool is_proved;
    unsigned number;
};

static unsigned n_clients;

static void on_gone(struct peer *p)
{
    free(p);
}

static void say(struct peer *p, const char *text)
{
    peer_send(p, slice_of(text), (struct slice){NULL, 0});
}

/* ---- XMPP ---- */

static void answer_stream(struct client *c)
{
    char text[700];

    snprintf(text, sizeof(text), STREAM_FEATURES, c->number,
             c->is_proved ? BIND : MECHANISMS);
    say(&c->peer, text);
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
    say(&c->peer, text);
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
static size_t take_one(struct client *c, const char *at, size_t len)
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
            peer_send(&c->peer, (struct slice){at, n}, (struct slice){NULL, 0});
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
            say(&c->peer,
                "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>");
        }
        return n;
    }
    if (begins(at, len, "<presence"))
        return length_of(at, len, "</presence>");
    if (begins(at, len, "<stream:stream"))
        answer_stream(c);
    if (begins(at, len, "</stream:stream")) {
        say(&c->peer, "</stream:stream>");
        peer_end(&c->peer);
    }
    return tag;
}

static size_t on_xmpp(struct peer *p, const char *at, size_t len)
{
    size_t used = 0;
    size_t n = 1;

    while (used < len && n > 0 && p->fd >= 0) {
        n = take_one((struct client *)p, at + used, len - used);
        used += n;
    }
    return used;
}

/* ---- the others ---- */

static size_t on_http(struct peer *p, const char *at, size_t len)
{
    static const char name[] = "\r\nContent-Length:";
    const char *end = memmem(at, len, "\r\n\r\n", 4);
    const char *field;
    char head[200];
    size_t n = 0;
    size_t used;
    int head_len;

    if (end == NULL)
        return 0;
    used = (size_t)(end - at) + 4;
    for (field = at; field < end && n == 0; field++)
        if (strncasecmp(field, name, sizeof(name) - 1) == 0)
            n = strtoul(field + sizeof(name) - 1, NULL, 10);
    if (len - used < n)
        return 0;
    head_len = snprintf(head, sizeof(head),
                        "HTTP/1.1 200 OK\r\nContent-Type: text/xml; "
                        "charset=utf-8\r\nContent-Length: %zu\r\n\r\n",
                        n);
    peer_send(p, (struct slice){head, (size_t)head_len},
              (struct slice){at + used, n});
    return used + n;
}

static size_t on_bytes(struct peer *p, const char *at, size_t len)
{
    peer_send(p, (struct slice){at, len}, (struct slice){NULL, 0});
    return len;
}

static struct peer_ops ops = {on_xmpp, on_gone};

static void on_accepted(int fd)
{
    struct client *c = calloc(1, sizeof(*c));

    if (c == NULL || !peer_start(&c->peer, fd, &ops)) {
        free(c);
        return;
    }
    c->number = n_clients++;
}

int main(int argc, char **argv)
{
    const char *how = argc == 3 ? argv[1] : "";

    if (strcmp(how, "--http") == 0) {
        ops.received = on_http;
    } else if (strcmp(how, "--bytes") == 0) {
        ops.received = on_bytes;
    } else if (argc != 2 || argv[1][0] == '-') {
        return loop_usage(argc, argv,
                          "doab-bench-server [--http | --bytes] "
                          "127.0.0.1:PORT");
    }
    loop_listen(argv[argc - 1], on_accepted);
    loop_run_forever();
}
