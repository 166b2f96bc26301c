#include "http.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

const char browser_headers[] =
    "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, "
    "like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n"
    "sec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\"\r\n"
    "sec-ch-ua-mobile: ?0\r\n"
    "sec-ch-ua-platform: \"Linux\"\r\n"
    "Accept: */*\r\n"
    "Origin: https://chat.example.org\r\n"
    "Sec-Fetch-Site: same-site\r\n"
    "Sec-Fetch-Mode: cors\r\n"
    "Sec-Fetch-Dest: empty\r\n"
    "Referer: https://chat.example.org/\r\n"
    "Accept-Encoding: identity\r\n"
    "Accept-Language: en-GB,en;q=0.9\r\n";

void http_post(struct wire *w, const struct options *o, struct slice body)
{
    char head[2048];
    int n = snprintf(head, sizeof(head),
                     "POST %s HTTP/1.1\r\nHost: %s\r\n%s"
                     "Content-Type: text/xml; charset=utf-8\r\n"
                     "Content-Length: %zu\r\n\r\n",
                     o->path, o->host,
                     o->is_plain_header ? "" : browser_headers, body.len);

    wire_send(w, (struct slice){head, (size_t)n}, body);
}

/* The value of a header, or NULL. */
static const char *find(const char *at, const char *end, const char *name)
{
    size_t len = strlen(name);

    while (at < end) {
        const char *line = memchr(at, '\n', (size_t)(end - at));

        if (line == NULL)
            return NULL;
        line++;
        if ((size_t)(end - line) > len && strncasecmp(line, name, len) == 0 &&
            line[len] == ':')
            return line + len + 1;
        at = line;
    }
    return NULL;
}

/* Moves the chunks together behind the head. */
static enum answer read_chunks(char *at, size_t len, size_t *used,
                               struct slice *body)
{
    size_t pos = 0;
    size_t out = 0;

    for (;;) {
        const char *eol = memmem(at + pos, len - pos, "\r\n", 2);
        unsigned long n;

        if (eol == NULL)
            return ANSWER_PARTIAL;
        n = strtoul(at + pos, NULL, 16);
        pos = (size_t)(eol - at) + 2;
        if (n > len || len - pos < n + 2)
            return ANSWER_PARTIAL;
        if (n == 0)
            break;
        out += n;
        pos += n + 2;
    }
    *used = pos + 2;
    pos = 0;
    *body = (struct slice){at, out};
    for (size_t to = 0; to < out;) {
        const char *eol = memmem(at + pos, len - pos, "\r\n", 2);
        unsigned long n = strtoul(at + pos, NULL, 16);

        pos = (size_t)(eol - at) + 2;
        memmove(at + to, at + pos, n);
        to += n;
        pos += n + 2;
    }
    return ANSWER_WHOLE;
}

size_t http_read_request(const char *at, size_t len, struct slice *body)
{
    const char *end = memmem(at, len, "\r\n\r\n", 4);
    const char *value;
    size_t head;
    size_t n;

    if (end == NULL)
        return 0;
    head = (size_t)(end - at) + 4;
    value = find(at, end, "content-length");
    n = value != NULL ? strtoul(value, NULL, 10) : 0;
    if (len - head < n)
        return 0;
    *body = (struct slice){at + head, n};
    return head + n;
}

enum answer http_read_answer(char *at, size_t len, size_t *used,
                             unsigned *status, struct slice *body)
{
    char *end = memmem(at, len, "\r\n\r\n", 4);
    const char *value;
    enum answer answer;
    size_t head;
    size_t n;

    if (end == NULL)
        return ANSWER_PARTIAL;
    if (len < 12 || memcmp(at, "HTTP/1.", 7) != 0)
        return ANSWER_WRONG;
    *status = (unsigned)strtoul(at + 9, NULL, 10);
    end += 2;
    head = (size_t)(end - at) + 2;
    value = find(at, end, "content-length");
    if (value != NULL) {
        n = strtoul(value, NULL, 10);
        if (len - head < n)
            return ANSWER_PARTIAL;
        *body = (struct slice){at + head, n};
        *used = head + n;
        return ANSWER_WHOLE;
    }
    value = find(at, end, "transfer-encoding");
    if (value == NULL)
        return ANSWER_WRONG;
    answer = read_chunks(at + head, len - head, used, body);
    *used += head;
    return answer;
}
