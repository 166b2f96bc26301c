#include "config_parse.h"

#include "config_check.h"
#include "config_draft.h"
#include "base/ascii.h"
#include "base/utf8.h"

#include <stdlib.h>

enum token_kind {
    TOKEN_WORD,
    TOKEN_STRING,
    TOKEN_SIGN, /* one of { } = , */
    TOKEN_END,
};

struct token {
    enum token_kind kind;
    unsigned line;    /* where it begins */
    const char *text; /* in the parser's room; of TOKEN_END: "" */
};

struct parser {
    struct slice rest; /* of the text, behind the token */
    unsigned line;     /* of rest */
    struct utf8 utf8;
    struct token token; /* the one to be read next */
    char *room;         /* owned: the texts of all tokens, each with its NUL */
    char *room_end;     /* where the next one goes */

    struct config_draft *draft;   /* borrowed, as is the report */
    struct config_report *report; /* where config_parse leaves faults */
    unsigned open_line;           /* of the section that is open; 0: none */
    const char *items[CONFIG_ITEMS_MAX]; /* of the value: texts in room */
    enum err err;
};

/* --- Tokens: each function is false when reading must end, see p->err ----- */

static bool refuse_text(struct parser *p, const char *why)
{
    config_report(p->report, p->line, "%s", why);
    p->err = ERR_INVALID;
    return false;
}

static char next_char(const struct parser *p)
{
    return p->rest.len == 0 ? '\0' : *p->rest.at;
}

static bool begins_with(const struct parser *p, const char *two)
{
    return p->rest.len >= 2 && memcmp(p->rest.at, two, 2) == 0;
}

/* Over one byte, if it may stand anywhere at all: in a comment, too. */
static bool pass_byte(struct parser *p)
{
    char c = next_char(p);
    bool is_control = (unsigned char)c < ' ' || c == 0x7f;

    if (is_control && c != '\n' && c != '\t' && !begins_with(p, "\r\n"))
        return refuse_text(p, "a control character");
    if (!utf8_feed(&p->utf8, &c, 1))
        return refuse_text(p, "not UTF-8");
    if (begins_with(p, "${"))
        return refuse_text(p, "${ is not expanded here and may stand nowhere");
    p->line += c == '\n';
    p->rest.at++;
    p->rest.len--;
    return true;
}

static bool skip_comment(struct parser *p)
{
    while (p->rest.len > 0 && next_char(p) != '\n')
        if (!pass_byte(p))
            return false;
    return utf8_is_complete(&p->utf8) || refuse_text(p, "not UTF-8");
}

static bool skip_blanks(struct parser *p)
{
    while (p->rest.len > 0 && strchr(" \t\r\n#", next_char(p)) != NULL)
        if (!(next_char(p) == '#' ? skip_comment(p) : pass_byte(p)))
            return false;
    return true;
}

/* Over one byte that becomes part of the token. */
static bool keep_byte(struct parser *p)
{
    *p->room_end = next_char(p);
    if (!pass_byte(p))
        return false;
    p->room_end++;
    return true;
}

/* A string does not span lines: a quote that was forgotten is found where
 * it is, not where the next one happens to stand. */
static bool read_string(struct parser *p)
{
    char quote = next_char(p);

    if (!pass_byte(p))
        return false;
    while (next_char(p) != quote) {
        if (p->rest.len == 0 || next_char(p) == '\n' || begins_with(p, "\r\n"))
            return refuse_text(p, "a string is not closed on its line");
        if (next_char(p) == '\\' && quote == '\'')
            return refuse_text(p, "no backslash inside single quotes");
        if (next_char(p) == '\\' && !begins_with(p, "\\\"") &&
            !begins_with(p, "\\\\"))
            return refuse_text(
                p, "a backslash in a string stands only before a quote "
                   "or a backslash");
        if (next_char(p) == '\\' && !pass_byte(p))
            return false;
        if (!keep_byte(p))
            return false;
    }
    return pass_byte(p);
}

static bool is_word_char(char c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("_-.:/@%*[]~", c) != NULL);
}

static bool config_parse_read_word(struct parser *p)
{
    while (is_word_char(next_char(p))) {
        if (begins_with(p, "//") || begins_with(p, "/*"))
            return refuse_text(
                p, "comments begin with '#'; a value with // or /* in "
                   "it stands in quotes");
        if (!keep_byte(p))
            return false;
    }
    return true;
}

/* What begins no token; of some bytes pass_byte knows worse. */
static bool refuse_char(struct parser *p)
{
    bool is_plus = next_char(p) == '+';

    return pass_byte(p) &&
           refuse_text(p, is_plus
                              ? "a list is given once, with ="
                              : "a character that may only stand in quotes");
}

static bool scan_token(struct parser *p)
{
    char c = next_char(p);

    if (p->rest.len == 0)
        return true;
    if (is_word_char(c)) {
        p->token.kind = TOKEN_WORD;
        return config_parse_read_word(p);
    }
    if (c == '"' || c == '\'') {
        p->token.kind = TOKEN_STRING;
        return read_string(p);
    }
    if (c == '\0' || strchr("{}=,", c) == NULL)
        return refuse_char(p);
    p->token.kind = TOKEN_SIGN;
    return keep_byte(p);
}

static bool next_token(struct parser *p)
{
    if (!skip_blanks(p))
        return false;
    p->token = (struct token){TOKEN_END, p->line, p->room_end};
    if (!scan_token(p))
        return false;
    *p->room_end++ = '\0';
    return true;
}

/* --- Grammar -------------------------------------------------------------- */

static bool is_sign(const struct parser *p, char sign)
{
    return p->token.kind == TOKEN_SIGN && *p->token.text == sign;
}

static bool is_text_token(const struct parser *p)
{
    return p->token.kind == TOKEN_WORD || p->token.kind == TOKEN_STRING;
}

static bool refuse_token(struct parser *p, const char *expected)
{
    p->err = ERR_INVALID;
    if (p->token.kind != TOKEN_END)
        config_report(p->report, p->token.line, "expected %s, not %s%s",
                      expected,
                      p->token.kind == TOKEN_STRING ? "the string " : "",
                      log_quote(slice_of(p->token.text)).text);
    else if (p->open_line > 0)
        config_report(p->report, p->open_line, "this section is not closed");
    else
        config_report(p->report, p->token.line,
                      "expected %s, not the end of the file", expected);
    return false;
}

static bool take_sign(struct parser *p, char sign, const char *expected)
{
    return is_sign(p, sign) ? next_token(p) : refuse_token(p, expected);
}

static bool take_name(struct parser *p, const char *expected)
{
    return p->token.kind == TOKEN_WORD ? next_token(p)
                                       : refuse_token(p, expected);
}

/* What the draft refuses it has reported; the text is read on. */
static bool goes_on(struct parser *p, enum err err)
{
    if (err == ERR_OK)
        return true;
    p->err = err == ERR_NOMEM ? ERR_NOMEM : ERR_INVALID;
    return err == ERR_INVALID;
}

static bool take_item(struct parser *p, struct config_given *given)
{
    if (!is_text_token(p))
        return refuse_token(p, given->is_list ? "a text or }" : "a value");
    if (given->n == CONFIG_ITEMS_MAX) {
        config_report(p->report, p->token.line,
                      "too many items in a list, at most %d", CONFIG_ITEMS_MAX);
        p->err = ERR_INVALID;
        return false;
    }
    p->items[given->n++] = p->token.text;
    return next_token(p);
}

static bool take_items(struct parser *p, struct config_given *given)
{
    while (!is_sign(p, '}')) {
        if (!take_item(p, given))
            return false;
        if (!is_sign(p, '}') && !take_sign(p, ',', ", or }"))
            return false;
    }
    return next_token(p);
}

static bool parse_key(struct parser *p)
{
    const char *name = p->token.text;
    struct config_given given = {.texts = p->items};

    if (!take_name(p, "a key or }") ||
        !take_sign(p, '=', "= behind a key, or } before it"))
        return false;
    given.is_list = is_sign(p, '{');
    if (given.is_list && !next_token(p))
        return false;
    given.line = p->token.line;
    if (!(given.is_list ? take_items(p, &given) : take_item(p, &given)))
        return false;
    return goes_on(p, config_draft_set(p->draft, name, &given));
}

static bool parse_section(struct parser *p)
{
    struct token name = p->token;
    const char *title = NULL;

    if (!take_name(p, "the name of a section"))
        return false;
    if (is_text_token(p)) {
        title = p->token.text;
        if (!next_token(p))
            return false;
    }
    if (!goes_on(p, config_draft_open(p->draft, name.line, name.text, title)) ||
        !take_sign(p, '{', "{ behind a section's name or title"))
        return false;
    p->open_line = name.line;
    while (!is_sign(p, '}'))
        if (!parse_key(p))
            return false;
    p->open_line = 0;
    return next_token(p);
}

enum err config_parse(struct slice text, struct config_draft *draft,
                      struct config_report *report)
{
    struct parser p = {
        .rest = text,
        .line = 1,
        .draft = draft,
        .report = report,
        .room = malloc(2 * text.len + 1), /* a NUL for each byte, and one */
    };
    bool is_right;

    if (p.room == NULL)
        return ERR_NOMEM;
    p.room_end = p.room;
    is_right = next_token(&p);
    while (is_right && p.token.kind != TOKEN_END)
        is_right = parse_section(&p);
    free(p.room);
    return p.err;
}
