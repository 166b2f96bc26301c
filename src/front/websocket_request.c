#include "websocket_request.h"

#include "base/digest.h"
#include "http_head.h"

#include <stdio.h>
#include <string.h>

/* 16 bytes in base64: 22 characters, the last of which holds two bits, and
 * two of padding. */
#define KEY_CHARS   24
#define KEY_PADDING 2

/* RFC 6455 section 1.3 */
#define ACCEPT_GUID "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

static bool is_base64(char c)
{
    return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
           (c >= '0' && c <= '9') || c == '+' || c == '/';
}

static bool is_key(struct slice key)
{
    size_t i;

    if (key.len != KEY_CHARS)
        return false;
    for (i = 0; i < KEY_CHARS - KEY_PADDING; i++)
        if (!is_base64(key.at[i]))
            return false;
    return memcmp(key.at + i, "==", KEY_PADDING) == 0;
}

unsigned websocket_request_check(const struct http_head *head,
                                 struct slice *key, bool *is_version)
{
    struct slice version;
    size_t keys;
    size_t versions;

    *is_version = false;
    if (head->method != HTTP_GET)
        return 405;
    if (head->minor < 1)
        return 400;
    if (!http_list_has(head, "upgrade", "websocket"))
        return 426;
    if (!http_list_has(head, "connection", "upgrade"))
        return 400;
    /* The body of an upgrade would be taken for frames by somebody. */
    if (head->is_chunked || (head->has_length && head->content_length > 0))
        return 400;

    version = http_header(head, "sec-websocket-version", &versions);
    if (versions != 1 || !slice_is(version, "13")) {
        *is_version = true;
        return 426;
    }
    *key = http_header(head, "sec-websocket-key", &keys);
    if (keys != 1 || !is_key(*key))
        return 400;
    if (!http_list_has(head, "sec-websocket-protocol", "xmpp"))
        return 400;
    return 101;
}

enum err websocket_answer(char out[WEBSOCKET_ANSWER_MAX_BYTES],
                          struct slice key, const struct websocket_extension *e)
{
    char extension[WEBSOCKET_EXTENSION_ANSWER_MAX_BYTES];
    char text[KEY_CHARS + sizeof(ACCEPT_GUID)];
    char accept[DIGEST_SHA1_BASE64 + 1];
    enum err err;

    if (key.len != KEY_CHARS)
        return ERR_INVALID;
    memcpy(text, key.at, KEY_CHARS);
    memcpy(text + KEY_CHARS, ACCEPT_GUID, sizeof(ACCEPT_GUID));
    err = digest_sha1_base64(accept, slice_of(text));
    if (err != ERR_OK)
        return err;
    websocket_extension_answer(extension, e);
    snprintf(out, WEBSOCKET_ANSWER_MAX_BYTES,
             "HTTP/1.1 101 Switching Protocols\r\n"
             "Upgrade: websocket\r\n"
             "Connection: Upgrade\r\n"
             "Sec-WebSocket-Accept: %s\r\n"
             "Sec-WebSocket-Protocol: xmpp\r\n"
             "%s"
             "\r\n",
             accept, extension);
    return ERR_OK;
}
