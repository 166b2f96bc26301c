#include "run.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* --- Memory --------------------------------------------------------------- */

void *arena_get(struct arena *a, size_t len)
{
    struct block *b = calloc(1, sizeof(*b));

    if (b != NULL)
        b->at = calloc(1, len);
    if (b == NULL || b->at == NULL) {
        fputs("out of memory\n", stderr);
        exit(2);
    }
    b->next = a->first;
    a->first = b;
    return b->at;
}

char *arena_text(struct arena *a, struct slice s)
{
    char *text = arena_get(a, s.len + 1);

    if (s.len > 0)
        memcpy(text, s.at, s.len);
    return text;
}

char *arena_printf(struct arena *a, const char *fmt, ...)
{
    va_list args;
    char *text;
    int len;

    va_start(args, fmt);
    len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    text = arena_get(a, (size_t)len + 1);
    va_start(args, fmt);
    vsnprintf(text, (size_t)len + 1, fmt, args);
    va_end(args);
    return text;
}

void arena_free(struct arena *a)
{
    struct block *b = a->first;

    while (b != NULL) {
        struct block *next = b->next;

        free(b->at);
        free(b);
        b = next;
    }
    a->first = NULL;
}

/* --- Files ---------------------------------------------------------------- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* A comment begins a line, or follows white space and is followed by some:
 * so that no &#13; is taken for one. */
static void cut_comment(char *line)
{
    bool is_quoted = false;

    for (char *at = line; *at != '\0'; at++) {
        if (*at == '"' && (at == line || at[-1] != '\\'))
            is_quoted = !is_quoted;
        if (*at == '#' && !is_quoted &&
            (at == line || (is_space(at[-1]) && is_space(at[1])))) {
            *at = '\0';
            break;
        }
    }
    for (size_t n = strlen(line); n > 0 && isspace((unsigned char)line[n - 1]);)
        line[--n] = '\0';
}

/* An indented line goes on with the one before it. */
static bool add_line(struct run *r, struct script *out, unsigned number,
                     char *line)
{
    struct line *last =
        out->n_lines == 0 ? NULL : &out->lines[out->n_lines - 1];

    if (line[0] == '#' && out->title == NULL)
        out->title = arena_text(&r->arena, slice_of(line + 1));
    cut_comment(line);
    if (line[0] == '\0')
        return true;
    r->line = number;
    if (is_space(line[0]) && last == NULL)
        return fail(r, "a step", "a continuation of nothing");
    if (is_space(line[0])) {
        while (is_space(*line))
            line++;
        last->text = arena_printf(&r->arena, "%s\n%s", last->text, line);
        return true;
    }
    if (out->n_lines == STEPS_MAX)
        return fail(r, "fewer steps", "more than %d", STEPS_MAX);
    out->lines[out->n_lines++] = (struct line){
        .number = number,
        .text = arena_text(&r->arena, slice_of(line)),
    };
    return true;
}

bool script_load(struct run *r, struct script *out)
{
    char *bytes = arena_get(&r->arena, FILE_BYTES + 1);
    FILE *f = fopen(r->path, "r");
    unsigned number = 0;
    size_t len;
    char *line = bytes;

    memset(out, 0, sizeof(*out));
    if (f == NULL)
        return fail(r, "a file", "none that can be read");
    len = fread(bytes, 1, FILE_BYTES, f);
    fclose(f);
    if (len == FILE_BYTES)
        return fail(r, "a shorter file", "more than %d bytes", FILE_BYTES);
    while (line != NULL && *line != '\0') {
        char *end = strchr(line, '\n');

        if (end != NULL)
            *end++ = '\0';
        if (!add_line(r, out, ++number, line))
            return false;
        line = end;
    }
    if (out->title == NULL)
        return fail(r, "a sentence in the first comment", "none");
    return true;
}

/* --- Words ---------------------------------------------------------------- */

bool script_split(struct run *r, const char *line, struct step *out)
{
    const char *at = line;

    memset(out, 0, sizeof(*out));
    for (;;) {
        const char *start;
        bool is_quoted = false;

        while (isspace((unsigned char)*at))
            at++;
        if (*at == '\0')
            return out->n_words > 0;
        if (*at == '<' || *at == '"') {
            out->text = arena_text(&r->arena, slice_of(at));
            return true;
        }
        for (start = at; *at != '\0'; at++) {
            if (*at == '\'')
                is_quoted = !is_quoted;
            if (!is_quoted && isspace((unsigned char)*at))
                break;
        }
        if (out->n_words == WORDS_MAX)
            return fail(r, "fewer words", "more than %d", WORDS_MAX);
        out->words[out->n_words++] =
            arena_text(&r->arena, (struct slice){start, (size_t)(at - start)});
    }
}

bool word_split(struct run *r, const char *word, const char **key,
                const char **value)
{
    const char *equals = strchr(word, '=');
    struct slice v;

    if (equals == NULL || equals == word)
        return false;
    v = slice_of(equals + 1);
    if (v.len >= 2 && v.at[0] == '\'' && v.at[v.len - 1] == '\'')
        v = (struct slice){v.at + 1, v.len - 2};
    *key = arena_text(&r->arena, (struct slice){word, (size_t)(equals - word)});
    *value = arena_text(&r->arena, v);
    return true;
}

const char *step_value(const struct step *s, size_t first, const char *key)
{
    size_t len = strlen(key);

    for (size_t i = first; i < s->n_words; i++) {
        if (strncmp(s->words[i], key, len) == 0 && s->words[i][len] == '=')
            return s->words[i] + len + 1;
    }
    return NULL;
}

bool step_has(const struct step *s, size_t first, const char *word)
{
    for (size_t i = first; i < s->n_words; i++) {
        if (strcmp(s->words[i], word) == 0)
            return true;
    }
    return false;
}

/* --- Variables ------------------------------------------------------------ */

const char *script_get(const struct run *r, const char *name)
{
    for (size_t i = 0; i < r->n_variables; i++) {
        if (strcmp(r->variables[i].name, name) == 0)
            return r->variables[i].value;
    }
    return NULL;
}

void script_set(struct run *r, const char *name, const char *value)
{
    size_t i = 0;

    while (i < r->n_variables && strcmp(r->variables[i].name, name) != 0)
        i++;
    if (i == VARIABLES_MAX)
        return;
    r->variables[i].name = arena_text(&r->arena, slice_of(name));
    r->variables[i].value = arena_text(&r->arena, slice_of(value));
    if (i == r->n_variables)
        r->n_variables++;
}

/* $FILL:n stands for n letters. */
static const char *filling(struct run *r, const char **at)
{
    unsigned long n = strtoul(*at + strlen("FILL:"), (char **)(void *)at, 10);
    char *text = arena_get(&r->arena, n + 1);

    memset(text, 'a', n);
    return text;
}

const char *script_expand(struct run *r, const char *text)
{
    const char *out = "";
    const char *at = text;
    const char *dollar;

    for (dollar = strchr(at, '$'); dollar != NULL; dollar = strchr(at, '$')) {
        const char *name = dollar + 1;
        const char *end = name;
        const char *value;

        while (isupper((unsigned char)*end) || isdigit((unsigned char)*end))
            end++;
        if (strncmp(name, "FILL:", 5) == 0) {
            end = name;
            value = filling(r, &end);
        } else {
            value = script_get(
                r, arena_text(&r->arena,
                              (struct slice){name, (size_t)(end - name)}));
        }
        out = arena_printf(&r->arena, "%s%.*s%s", out, (int)(dollar - at), at,
                           value == NULL ? "(unknown)" : value);
        at = end;
    }
    return arena_printf(&r->arena, "%s%s", out, at);
}

static int hex_of(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, tolower(c));

    return at == NULL ? -1 : (int)(at - digits);
}

bool script_unquote(struct run *r, const char *text, struct slice *out)
{
    char *bytes = arena_get(&r->arena, strlen(text) + 1);
    const char *escapes = "rnt\"\\";
    const char *meant = "\r\n\t\"\\";
    size_t len = 0;

    if (*text != '"')
        return fail(r, "a \"quoted text\"", "%s", text);
    for (text++; *text != '"'; text++) {
        const char *escape;

        if (*text == '\0')
            return fail(r, "a closing quote", "the end of the line");
        if (*text != '\\') {
            bytes[len++] = *text;
            continue;
        }
        text++;
        escape = *text == '\0' ? NULL : strchr(escapes, *text);
        if (escape != NULL) {
            bytes[len++] = meant[escape - escapes];
        } else if (*text == 'x' && hex_of(text[1]) >= 0 &&
                   hex_of(text[2]) >= 0) {
            bytes[len++] = (char)(hex_of(text[1]) * 16 + hex_of(text[2]));
            text += 2;
        } else {
            return fail(r, "\\r \\n \\t \\\" \\\\ or \\xHH", "another escape");
        }
    }
    *out = (struct slice){bytes, len};
    return true;
}
