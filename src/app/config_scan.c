#include "app/config_scan.h"

#include "app/config.h"
#include "base/utf8.h"

#include <ctype.h>
#include <stdlib.h>

struct scanner {
    struct config_scan *out;
    char *at; /* in out->text */
    unsigned line;
    unsigned depth;     /* of braces */
    unsigned open_line; /* of the outermost brace that is open */
    const char *why;    /* set when something is wrong */
};

/* Outside quotes.  '/' is looked at by itself; '|' and '(' mean something
 * to libConfuse that is not wanted here. */
static bool is_plain(char c)
{
    return isalnum((unsigned char)c) ||
           (c != '\0' && strchr(" \t\r\n=,_-.:*@%[]~", c) != NULL);
}

static bool fail(struct scanner *s, const char *why)
{
    s->why = why;
    return false;
}

static void scan_comment(struct scanner *s)
{
    for (; *s->at != '\0' && *s->at != '\n'; s->at++)
        *s->at = ' ';
}

/* A string does not span lines: a quote that was forgotten is found where
 * it is, not where the next one happens to stand. */
static bool scan_string(struct scanner *s)
{
    char quote = *s->at;

    for (s->at++; *s->at != quote; s->at++) {
        if (*s->at == '\0' || *s->at == '\n')
            return fail(s, "a string is not closed on its line");
        if (*s->at != '\\')
            continue;
        if (quote == '\'')
            return fail(s, "no backslash inside single quotes");
        if (s->at[1] != '"' && s->at[1] != '\\')
            return fail(s, "a backslash in a string stands only before "
                           "a quote or a backslash");
        s->at++;
    }
    s->at++;
    return true;
}

static bool scan_slash(struct scanner *s)
{
    if (s->at[1] == '/' || s->at[1] == '*')
        return fail(s, "comments begin with '#'; a value with // or /* "
                       "in it stands in quotes");
    s->at++;
    return true;
}

static bool scan_open(struct scanner *s)
{
    struct config_scan *out = s->out;

    if (s->depth == 0) {
        if (out->n_lines == CONFIG_SECTIONS_MAX)
            return fail(s, "too many sections");
        out->lines[out->n_lines++] = s->line;
        s->open_line = s->line;
    }
    s->depth++;
    s->at++;
    return true;
}

static bool scan_close(struct scanner *s)
{
    if (s->depth == 0)
        return fail(s, "a } without a { before it");
    s->depth--;
    s->at++;
    return true;
}

static bool scan_one(struct scanner *s)
{
    switch (*s->at) {
    case '#':
        scan_comment(s);
        return true;
    case '"':
    case '\'':
        return scan_string(s);
    case '{':
        return scan_open(s);
    case '}':
        return scan_close(s);
    case '/':
        return scan_slash(s);
    case '+':
        return fail(s, "a list is given once, with =");
    default:
        break;
    }
    if (!is_plain(*s->at))
        return fail(s, "a character that may only stand in quotes");
    s->at++;
    return true;
}

/* Bytes that may stand nowhere, comments included. */
static bool check_bytes(struct scanner *s, struct slice text)
{
    struct utf8 state = {0};

    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];

        if ((c < ' ' && c != '\n' && c != '\t' && c != '\r') || c == 0x7f)
            return fail(s, "a control character");
        if (!utf8_feed(&state, text.at + i, 1))
            return fail(s, "not UTF-8");
        if (c == '$' && i + 1 < text.len && text.at[i + 1] == '{')
            return fail(s, "${ is not expanded here and may stand nowhere");
        if (c == '\n')
            s->line++;
    }
    return utf8_is_complete(&state) || fail(s, "not UTF-8");
}

static bool scan_all(struct scanner *s, struct slice text)
{
    if (!check_bytes(s, text))
        return false;

    s->line = 1;
    s->at = s->out->text;
    while (*s->at != '\0') {
        if (*s->at == '\n')
            s->line++;
        if (!scan_one(s))
            return false;
    }
    if (s->depth > 0) {
        s->line = s->open_line;
        return fail(s, "this section is not closed");
    }
    return true;
}

enum err config_scan(struct config_scan *out, struct slice text, unsigned *line,
                     const char **why)
{
    struct config_scan scan = {0};
    struct scanner s = {.out = &scan, .line = 1};

    scan.text = malloc(text.len + 2);
    scan.lines = calloc(CONFIG_SECTIONS_MAX, sizeof(*scan.lines));
    if (scan.text == NULL || scan.lines == NULL) {
        config_scan_free(&scan);
        return ERR_NOMEM;
    }
    if (text.len > 0)
        memcpy(scan.text, text.at, text.len);
    memcpy(scan.text + text.len, "\n", 2);

    if (!scan_all(&s, text)) {
        *line = s.line;
        *why = s.why;
        config_scan_free(&scan);
        return ERR_INVALID;
    }
    *out = scan;
    return ERR_OK;
}

void config_scan_free(struct config_scan *scan)
{
    free(scan->text);
    free(scan->lines);
    *scan = (struct config_scan){0};
}
