/*
 * doab-bench-relay - the floor: what a gateway costs that reads no XML and
 * knows no session; doab-bench(1).
 *
 *   doab-bench-relay http|websocket|tcp 127.0.0.1:PORT 127.0.0.1:SERVER
 *
 * Each client has a connection to the server of its own.  http: the body of a
 * POST goes to the server, and what comes back is its answer; a POST that
 * comes while another waits is kept until then.  websocket: messages, without
 * their frames, go to the server; the handshake is not checked.  tcp: bytes.
 */
#include "http.h"
#include "serve.h"

#include <stdio.h>
#include <stdlib.h>

struct pair {
    struct wire client;
    struct wire server;
    unsigned n_gone;
    unsigned held; /* requests that wait for an answer */
    bool is_upgraded;
};

static struct address server_address;
static const struct slice nothing = {NULL, 0};

/* One end takes the other along. */
static void on_gone(void *owner)
{
    struct pair *both = owner;

    wire_close(&both->client);
    wire_close(&both->server);
    if (++both->n_gone == 2)
        free(both);
}

/* ---- bytes ---- */

static size_t tcp_up(void *owner, const char *at, size_t len)
{
    struct pair *both = owner;

    wire_send(&both->server, (struct slice){at, len}, nothing);
    return len;
}

static size_t tcp_down(void *owner, const char *at, size_t len)
{
    struct pair *both = owner;

    wire_send(&both->client, (struct slice){at, len}, nothing);
    return len;
}

/* ---- HTTP ---- */

static size_t http_up(void *owner, const char *at, size_t len)
{
    struct pair *both = owner;
    struct slice body;
    size_t used = http_read_request(at, len, &body);

    if (used == 0)
        return 0;
    both->held++;
    if (body.len > 0)
        wire_send(&both->server, body, nothing);
    return used;
}

/* A message that is larger than a read waits for its end, since what is passed
 * on is one answer or one frame. */
static bool is_whole(const char *at, size_t len)
{
    static const char tag[] = "</message>";
    size_t n = sizeof(tag) - 1;

    return len >= n && memcmp(at + len - n, tag, n) == 0;
}

static size_t http_down(void *owner, const char *at, size_t len)
{
    struct pair *both = owner;
    char head[200];
    int n;

    if (both->held == 0 || !is_whole(at, len))
        return 0;
    both->held--;
    n = snprintf(head, sizeof(head),
                 "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\n"
                 "Cache-Control: no-store\r\n"
                 "Access-Control-Allow-Origin: *\r\n"
                 "Content-Length: %zu\r\n\r\n",
                 len);
    wire_send(&both->client, (struct slice){head, (size_t)n},
              (struct slice){at, len});
    return len;
}

/* ---- WebSocket ---- */

static size_t take_upgrade(struct pair *both, const char *at, size_t len)
{
    static const char answer[] =
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Protocol: xmpp\r\n"
        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    const char *end = memmem(at, len, "\r\n\r\n", 4);

    if (end == NULL)
        return 0;
    both->is_upgraded = true;
    wire_send(&both->client, SLICE(answer), nothing);
    return (size_t)(end - at) + 4;
}

/* A masked frame below 64 KiB; 0: not whole. */
static size_t take_frame(struct pair *both, const char *at, size_t len)
{
    static char text[65536];
    const unsigned char *h = (const unsigned char *)at;
    size_t head = 6;
    size_t n;

    if (len < 8)
        return 0;
    n = h[1] & 0x7F;
    if (n == 126) {
        n = (size_t)h[2] << 8 | h[3];
        head = 8;
    }
    if (len < head + n)
        return 0;
    for (size_t i = 0; i < n; i++)
        text[i] = (char)(at[head + i] ^ at[head - 4 + i % 4]);
    wire_send(&both->server, (struct slice){text, n}, nothing);
    return head + n;
}

static size_t websocket_up(void *owner, const char *at, size_t len)
{
    struct pair *both = owner;
    size_t used = 0;
    size_t n;

    if (!both->is_upgraded)
        return take_upgrade(both, at, len);
    do {
        n = take_frame(both, at + used, len - used);
        used += n;
    } while (n > 0 && used < len);
    return used;
}

static size_t websocket_down(void *owner, const char *at, size_t len)
{
    struct pair *both = owner;
    unsigned char head[4] = {0x81, (unsigned char)len};
    size_t n = 2;

    if (len > 65535) {
        wire_close(&both->server); /* no such message comes from doab-bench */
        return 0;
    }
    if (!is_whole(at, len))
        return 0;
    if (len >= 126) {
        head[1] = 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        n = 4;
    }
    wire_send(&both->client, (struct slice){(char *)head, n},
              (struct slice){at, len});
    return len;
}

/* ---- start ---- */

static struct wire_ops client_ops = {.received = tcp_up, .gone = on_gone};
static struct wire_ops server_ops = {.received = tcp_down, .gone = on_gone};

static void on_accepted(int fd)
{
    struct pair *both = calloc(1, sizeof(*both));

    if (both == NULL || !wire_take(&both->client, fd, &client_ops, both)) {
        fprintf(stderr, "no memory, or epoll takes no more\n");
        exit(1);
    }
    wire_open(&both->server, &server_address, &server_ops, both);
}

static bool relay_listen(const struct address *at)
{
    return wire_listen(at, on_accepted);
}

static bool read_mode(const char *mode)
{
    if (strcmp(mode, "tcp") == 0)
        return true;
    if (strcmp(mode, "http") == 0) {
        client_ops.received = http_up;
        server_ops.received = http_down;
        return true;
    }
    client_ops.received = websocket_up;
    server_ops.received = websocket_down;
    return strcmp(mode, "websocket") == 0;
}

int main(int argc, char **argv)
{
    if (argc != 4 || !read_mode(argv[1]) ||
        !address_read(&server_address, argv[3]))
        return serve_usage(argc, argv,
                           "doab-bench-relay http|websocket|tcp "
                           "127.0.0.1:PORT 127.0.0.1:SERVER");
    serve(argv[2], relay_listen);
}
