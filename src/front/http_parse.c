#include "front/http_parse.h"
#include "http_authority.h"
#include "http_head.h"

#include "base/plain.h"

/* More empty lines than these before a request are no client's habit. */
#define EMPTY_LINES_MAX 4

/* What a byte may be part of. */
enum {
    TOKEN = 1,  /* tchar, RFC 9110 5.6.2 */
    VALUE = 2,  /* of a field: HTAB, SP, VCHAR, obs-text */
    TARGET = 4, /* of a request target: VCHAR */
};

#define WORD (TOKEN | VALUE | TARGET)
#define SIGN (VALUE | TARGET)

/* clang-format off */
static const unsigned char class_of[256] = {
    ['\t'] = VALUE, [' '] = VALUE,
    ['0' ... '9'] = WORD, ['A' ... 'Z'] = WORD, ['a' ... 'z'] = WORD,
    ['!'] = WORD, ['$'] = WORD, ['%'] = WORD, ['&'] = WORD, ['\''] = WORD,
    ['*'] = WORD, ['+'] = WORD, ['-'] = WORD, ['.'] = WORD, ['_'] = WORD,
    ['~'] = WORD, ['#'] = WORD, ['^'] = WORD, ['`'] = WORD, ['|'] = WORD,
    ['('] = SIGN, [')'] = SIGN, [','] = SIGN, [':'] = SIGN, [';'] = SIGN,
    ['='] = SIGN, ['['] = SIGN, [']'] = SIGN,
    ['"'] = SIGN, ['/'] = SIGN, ['<'] = SIGN, ['>'] = SIGN, ['?'] = SIGN,
    ['@'] = SIGN, ['\\'] = SIGN, ['{'] = SIGN, ['}'] = SIGN,
    [0x80 ... 0xff] = VALUE,
};
/* clang-format on */

static bool all_are(struct slice s, unsigned classes)
{
    for (size_t i = 0; i < s.len; i++) {
        if ((class_of[(unsigned char)s.at[i]] & classes) == 0)
            return false;
    }
    return true;
}

/* How many bytes from the first on may stand in a value. */
static size_t value_run(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        i += plain_visible_run(s.at + i, s.len - i);
        if (i < s.len && (class_of[(unsigned char)s.at[i]] & VALUE) == 0)
            return i;
    }
    return s.len;
}

/* --- The request line ----------------------------------------------------- */

static enum http_method method_of(struct slice name)
{
    static const struct {
        const char *name;
        enum http_method method;
    } methods[] = {
        {"POST", HTTP_POST},   {"GET", HTTP_GET},     {"OPTIONS", HTTP_OPTIONS},
        {"HEAD", HTTP_HEAD},   {"PUT", HTTP_KNOWN},   {"DELETE", HTTP_KNOWN},
        {"PATCH", HTTP_KNOWN}, {"TRACE", HTTP_KNOWN}, {"CONNECT", HTTP_KNOWN},
    };

    for (size_t i = 0; i < COUNT_OF(methods); i++) {
        if (slice_is(name, methods[i].name))
            return methods[i].method;
    }
    return HTTP_UNKNOWN;
}

/* 0, or the status to refuse with. */
static unsigned http_parse_read_version(struct http_head *head,
                                        struct slice version)
{
    if (version.len != 8 || memcmp(version.at, "HTTP/", 5) != 0 ||
        version.at[6] != '.')
        return 400;
    if (version.at[5] < '0' || version.at[5] > '9' || version.at[7] < '0' ||
        version.at[7] > '9')
        return 400;
    if (version.at[5] != '1')
        return 505;
    head->minor = version.at[7] == '0' ? 0 : 1;
    return 0;
}

static bool is_scheme(struct slice s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');

        if (!is_letter && (i == 0 || ((c < '0' || c > '9') && c != '+' &&
                                      c != '-' && c != '.')))
            return false;
    }
    return s.len > 0;
}

/* Takes "scheme://host[:port]" off an absolute target (RFC 9112 3.2.2). */
static bool skip_authority(struct slice *target)
{
    const char *end = target->at + target->len;
    const char *colon = memchr(target->at, ':', target->len);
    struct slice scheme = *target;
    struct slice authority;

    if (colon == NULL || end - colon < 4 || memcmp(colon, "://", 3) != 0)
        return false;
    scheme.len = (size_t)(colon - target->at);
    authority.at = colon + 3;
    authority.len = 0;
    while (authority.at + authority.len < end &&
           strchr("/?#", authority.at[authority.len]) == NULL)
        authority.len++;
    target->at = authority.at + authority.len;
    target->len = (size_t)(end - target->at);
    return is_scheme(scheme) && http_authority_is_valid(authority);
}

/* RFC 9112 3.2: finds the path in the target's four forms. */
static unsigned http_parse_read_path(struct http_head *head, bool is_connect)
{
    struct slice rest = head->target;
    bool is_absolute = false;
    const char *query;

    if (!all_are(rest, TARGET))
        return 400;
    head->path = rest;
    if (is_connect)
        return 0;
    if (slice_is(rest, "*"))
        return head->method == HTTP_OPTIONS ? 0 : 400;

    if (rest.at[0] != '/') {
        if (!skip_authority(&rest))
            return 400;
        is_absolute = true;
    }
    query = rest.len == 0 ? NULL : memchr(rest.at, '?', rest.len);
    head->path = rest;
    if (query != NULL)
        head->path.len = (size_t)(query - rest.at);
    if (is_absolute && rest.len == 0 && head->method == HTTP_OPTIONS)
        head->path = SLICE("*"); /* RFC 9112 3.2.4 */
    else if (is_absolute && head->path.len == 0)
        head->path = SLICE("/");
    return 0;
}

static unsigned read_request_line(struct http_head *head, struct slice line)
{
    const char *end = line.at + line.len;
    const char *space = line.len == 0 ? NULL : memchr(line.at, ' ', line.len);
    struct slice method = line;
    unsigned status;

    if (space != NULL)
        method.len = (size_t)(space - line.at);
    if (method.len == 0 || !all_are(method, TOKEN) || space == NULL)
        return 400;
    head->method = method_of(method);

    head->target.at = space + 1;
    space = end == head->target.at
                ? NULL
                : memchr(head->target.at, ' ', (size_t)(end - head->target.at));
    head->target.len =
        (size_t)((space == NULL ? end : space) - head->target.at);
    if (head->target.len > HTTP_TARGET_MAX_BYTES)
        return 414;
    if (head->target.len == 0)
        return 400;
    if (space == NULL) /* HTTP/0.9 knew no version */
        return all_are(head->target, TARGET) ? 505 : 400;
    status = http_parse_read_version(
        head, (struct slice){space + 1, (size_t)(end - space - 1)});
    if (status != 0)
        return status;
    return http_parse_read_path(head, slice_is(method, "CONNECT"));
}

/*
 * A request line without its end.  Only what will be refused anyway is
 * refused, with the same status, so that the result does not depend on how
 * the bytes were cut: a TLS hello on a plain port need not time out.
 */
static unsigned judge_partial_line(struct slice line)
{
    const char *space = line.len == 0 ? NULL : memchr(line.at, ' ', line.len);
    struct slice method = line;
    struct slice target;

    if (space != NULL)
        method.len = (size_t)(space - line.at);
    else if (method.len > 0 && line.at[line.len - 1] == '\r')
        method.len--; /* may be the first half of a line end */
    if (!all_are(method, TOKEN))
        return 400;
    if (space == NULL)
        return 0;
    if (method.len == 0)
        return 400;
    target.at = space + 1;
    target.len = line.len - method.len - 1;
    if (target.len > HTTP_TARGET_MAX_BYTES + 1 &&
        memchr(target.at, ' ', HTTP_TARGET_MAX_BYTES + 1) == NULL)
        return 414;
    return 0;
}

/* --- The header fields ---------------------------------------------------- */

static unsigned read_field(struct http_head *head, struct slice line)
{
    const char *colon = memchr(line.at, ':', line.len);
    struct http_header *h;

    if (head->n_headers == HTTP_HEADERS_MAX)
        return 431;
    /* A space is no token: refuses folded lines and "Name : value" (I14). */
    if (colon == NULL || colon == line.at)
        return 400;
    h = &head->headers[head->n_headers];
    h->name = (struct slice){line.at, (size_t)(colon - line.at)};
    h->value = (struct slice){colon + 1, line.len - h->name.len - 1};
    if (!all_are(h->name, TOKEN) || value_run(h->value) < h->value.len)
        return 400;
    h->value = http_trimmed(h->value);
    head->n_headers++;
    return 0;
}

/* A field without any fault and with its end, read in one go.  False: the
 * line is taken and judged as a whole, if it is one. */
static bool take_plain_field(struct http_head *head, struct slice *bytes)
{
    struct http_header *h = &head->headers[head->n_headers];
    struct slice rest;
    size_t n = 0;

    while (n < bytes->len &&
           (class_of[(unsigned char)bytes->at[n]] & TOKEN) != 0)
        n++;
    if (n == 0 || n == bytes->len || bytes->at[n] != ':' ||
        head->n_headers == HTTP_HEADERS_MAX)
        return false;
    rest = (struct slice){bytes->at + n + 1, bytes->len - n - 1};
    h->name = (struct slice){bytes->at, n};
    n = value_run(rest);
    h->value = http_trimmed((struct slice){rest.at, n});
    if (rest.len - n < 2 || rest.at[n] != '\r' || rest.at[n + 1] != '\n')
        return false;
    *bytes = (struct slice){rest.at + n + 2, rest.len - n - 2};
    head->n_headers++;
    return true;
}

/* What the fields that we read ourselves say, gathered in one pass. */
struct gathered {
    unsigned hosts;
    unsigned lengths;
    unsigned codings;
    struct slice last_coding;
    bool other_expectation;
    bool has_close;
    bool has_keep_alive;
};

/* Digits only: no sign, no list, no overflow (RFC 9112 6.3). */
static bool read_length(uint64_t *out, struct slice value)
{
    uint64_t number = 0;

    if (value.len == 0)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        unsigned digit = (unsigned)((unsigned char)value.at[i] - '0');

        if (digit > 9 || number > (UINT64_MAX - digit) / 10)
            return false;
        number = number * 10 + digit;
    }
    *out = number;
    return true;
}

static void gather_lists(struct gathered *g, struct http_head *head,
                         const struct http_header *h)
{
    struct slice list = h->value;
    struct slice element;

    while (http_list_next(&list, &element)) {
        if (h->name.len == 17) { /* Transfer-Encoding */
            g->codings++;
            g->last_coding = element;
        } else if (h->name.len == 6) { /* Expect */
            if (http_name_is(element, "100-continue"))
                head->expects_continue = head->minor > 0;
            else if (element.len > 0)
                g->other_expectation = head->minor > 0;
        } else if (http_name_is(element, "close")) {
            g->has_close = true;
        } else if (http_name_is(element, "keep-alive")) {
            g->has_keep_alive = true;
        }
    }
}

static unsigned http_parse_gather(struct gathered *g, struct http_head *head)
{
    for (size_t i = 0; i < head->n_headers; i++) {
        const struct http_header *h = &head->headers[i];

        if (http_name_is(h->name, "host")) {
            g->hosts++;
            /* Empty: the target has no authority (RFC 9112 3.2). */
            if (h->value.len > 0 && !http_authority_is_valid(h->value))
                return 400;
        } else if (http_name_is(h->name, "content-length")) {
            g->lengths++;
            if (!read_length(&head->content_length, h->value))
                return 400;
        } else if (http_name_is(h->name, "transfer-encoding") ||
                   http_name_is(h->name, "expect") ||
                   http_name_is(h->name, "connection")) {
            gather_lists(g, head, h);
        }
    }
    return 0;
}

/* Decides framing, persistence and expectation of a head read whole. */
static unsigned http_parse_conclude(struct http_head *head)
{
    struct gathered g = {0};
    unsigned status = http_parse_gather(&g, head);

    if (status != 0)
        return status;
    if (g.hosts > 1 || (g.hosts == 0 && head->minor > 0))
        return 400; /* I13 */
    /* Also equal lengths: nobody sends two who means well (I10). */
    if (g.lengths > 1 || (g.lengths > 0 && g.codings > 0))
        return 400;
    if (g.codings > 0) {
        if (head->minor == 0 || !http_name_is(g.last_coding, "chunked"))
            return 400; /* RFC 9112 6.1, 6.3 */
        if (g.codings > 1)
            return 501;
    }
    if (g.other_expectation)
        return 417;

    head->has_length = g.lengths > 0;
    head->is_chunked = g.codings > 0;
    head->keep_alive = !g.has_close && (head->minor > 0 || g.has_keep_alive);
    return 0;
}

/* Takes a line that has ended off the bytes, without its end.  RFC 9112 2.2
 * allows to accept a bare LF.  No client of ours sends it, and what is in front
 * may read it as part of the line. */
static bool next_line(struct slice *bytes, struct slice *line, bool *is_bare)
{
    const char *lf =
        bytes->len == 0 ? NULL : memchr(bytes->at, '\n', bytes->len);
    size_t len;

    if (lf == NULL)
        return false;
    len = (size_t)(lf - bytes->at);
    *line = (struct slice){bytes->at, len};
    *is_bare = len == 0 || lf[-1] != '\r';
    if (!*is_bare)
        line->len--;
    bytes->at = lf + 1;
    bytes->len -= len + 1;
    return true;
}

static unsigned skip_empty_lines(struct slice *bytes)
{
    for (unsigned n = 0; bytes->len > 0; n++) {
        size_t end = bytes->at[0] == '\r' ? 2 : 1;

        if (bytes->at[0] != '\r' && bytes->at[0] != '\n')
            return 0;
        if (n == EMPTY_LINES_MAX)
            return 400;
        if (bytes->len < end)
            return 0; /* half of a line end */
        if (bytes->at[end - 1] != '\n')
            return 400;
        bytes->at += end;
        bytes->len -= end;
    }
    return 0;
}

/* Reads lines up to the empty one.  0 and *is_whole false: more is needed. */
static unsigned read_lines(struct http_head *out, struct slice *bytes,
                           bool is_cut, bool *is_whole)
{
    struct slice line;
    bool is_bare;
    unsigned status = skip_empty_lines(bytes);

    *is_whole = false;
    if (status != 0)
        return status;
    if (!next_line(bytes, &line, &is_bare)) {
        status = judge_partial_line(*bytes);
        return status == 0 && is_cut ? 414 : status;
    }
    status = read_request_line(out, line);
    if (status == 0 && is_bare)
        status = 400;
    while (status == 0) {
        if (take_plain_field(out, bytes))
            continue;
        if (!next_line(bytes, &line, &is_bare))
            break;
        if (is_bare)
            return 400;
        if (line.len == 0) {
            *is_whole = true;
            return http_parse_conclude(out);
        }
        status = read_field(out, line);
    }
    return status == 0 && is_cut ? 431 : status;
}

enum http_verdict http_parse_head(struct http_head *out, const char *at,
                                  size_t len, size_t head_max_bytes,
                                  size_t *used, unsigned *status)
{
    bool is_cut = len >= head_max_bytes;
    struct slice bytes = {at, is_cut ? head_max_bytes : len};
    bool is_whole;

    /* The array of headers (3 KB) is left as it is. */
    memset(out, 0, offsetof(struct http_head, headers));
    out->n_headers = 0;
    out->method = HTTP_UNKNOWN;
    *status = read_lines(out, &bytes, is_cut, &is_whole);
    if (*status != 0)
        return HTTP_WRONG;
    if (!is_whole)
        return HTTP_MORE;
    *used = (size_t)(bytes.at - at);
    return HTTP_DONE;
}
