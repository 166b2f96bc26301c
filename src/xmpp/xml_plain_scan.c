#include "xml_plain_scan.h"

#include "base/plain.h"

/* What a byte may be part of. */
enum class {
    NAME_START = 1,
    NAME = 2,
    TEXT = 4,  /* stands for itself in text, */
    VALUE = 8, /* in the value of an attribute */
};

#define ANY  (TEXT | VALUE)
#define WORD (NAME | ANY)

/* U+FFFE and U+FFFF, which no document may hold, begin with EF; `>` may end
 * what may not stand in text. */
/* clang-format off */
static const unsigned char class_of[256] = {
    ['\t'] = TEXT, ['\n'] = TEXT, [' ' ... '!'] = ANY, ['"'] = TEXT,
    ['#' ... '%'] = ANY, ['\''] = TEXT, ['(' ... ','] = ANY, ['-'] = WORD,
    ['.'] = WORD, ['/'] = ANY, ['0' ... '9'] = WORD, [':' ... ';'] = ANY,
    ['='] = ANY, ['>'] = VALUE, ['?' ... '@'] = ANY,
    ['A' ... 'Z'] = NAME_START | WORD, ['[' ... '^'] = ANY,
    ['_'] = NAME_START | WORD, ['`'] = ANY, ['a' ... 'z'] = NAME_START | WORD,
    ['{' ... 0xee] = ANY, [0xf0 ... 0xff] = ANY,
};
/* clang-format on */

static bool xml_plain_scan_is_of(char c, enum class class)
{
    return (class_of[(unsigned char)c] & class) != 0;
}

/* Passes over text or values: whole blocks, and what is special elsewhere. */
static void xml_plain_scan_pass(struct xml_scan *s, enum class class)
{
    for (; s->at < s->end; s->at++) {
        s->at += plain_run(s->at, (size_t)(s->end - s->at));
        if (s->at == s->end || !xml_plain_scan_is_of(*s->at, class))
            break;
    }
}

/* --- Names ---------------------------------------------------------------- */

static bool take_part(struct xml_scan *s, struct slice *part)
{
    const char *at = s->at;

    if (!xml_plain_scan_is_of(xml_scan_peek(s), NAME_START))
        return false;
    while (at < s->end && xml_plain_scan_is_of(*at, NAME))
        at++;
    *part = (struct slice){s->at, (size_t)(at - s->at)};
    s->at = at;
    return true;
}

bool xml_scan_name(struct xml_scan *s, struct xml_name *name)
{
    const char *begin = s->at;

    name->ns = SLICE("");
    name->prefix = SLICE("");
    if (!take_part(s, &name->local))
        return false;
    if (xml_scan_take(s, ':')) {
        name->prefix = name->local;
        if (!take_part(s, &name->local))
            return false;
    }
    return xml_scan_since(s, begin).len <= s->name_max_bytes;
}

/* --- Text ----------------------------------------------------------------- */

bool xml_scan_entity(struct xml_scan *s, struct slice *means)
{
    static const struct {
        struct slice reference;
        struct slice means;
    } entities[] = {
        {SLICE("&amp;"), SLICE("&")},  {SLICE("&lt;"), SLICE("<")},
        {SLICE("&gt;"), SLICE(">")},   {SLICE("&quot;"), SLICE("\"")},
        {SLICE("&apos;"), SLICE("'")},
    };

    for (size_t i = 0; i < COUNT_OF(entities); i++) {
        if (xml_scan_take_text(s, entities[i].reference)) {
            *means = entities[i].means;
            return true;
        }
    }
    return false;
}

/* What text may hold only in some places: false where it may not. */
static bool take_rare(struct xml_scan *s, const char *begin)
{
    const unsigned char *at = (const unsigned char *)s->at;

    if (*at == '>' && s->at - begin >= 2 && at[-1] == ']' && at[-2] == ']')
        return false; /* ends a section, even where there is none */
    if (*at == 0xEF && (s->end - s->at < 3 || (at[1] == 0xBF && at[2] >= 0xBE)))
        return false; /* U+FFFE, U+FFFF */
    s->at++;
    return true;
}

bool xml_scan_text(struct xml_scan *s, struct slice *text)
{
    const char *begin = s->at;

    for (;;) {
        xml_plain_scan_pass(s, TEXT);
        switch (xml_scan_peek(s)) {
        case '<':
        case '&':
            *text = xml_scan_since(s, begin);
            return true;
        case '>':
        case '\xEF':
            if (!take_rare(s, begin))
                return false;
            break;
        default: /* the end, or what is not plain */
            return false;
        }
    }
}

/* --- Values --------------------------------------------------------------- */

static bool xml_plain_scan_keep(struct xml_scan *s, struct slice text)
{
    if (text.len > XML_SCAN_DECODED_MAX - s->decoded_len)
        return false;
    memcpy(s->decoded + s->decoded_len, text.at, text.len);
    s->decoded_len += text.len;
    return true;
}

/* Some of a value: up to its end, a reference, or the other kind of quote. */
static bool decode_some(struct xml_scan *s, char quote)
{
    const char *begin = s->at;
    struct slice means;

    if (xml_scan_peek(s) == '&')
        return xml_scan_entity(s, &means) && xml_plain_scan_keep(s, means);
    if (!xml_scan_take(s, quote == '"' ? '\'' : '"'))
        xml_plain_scan_pass(s, VALUE);
    return s->at > begin && xml_plain_scan_keep(s, xml_scan_since(s, begin));
}

bool xml_scan_value(struct xml_scan *s, struct slice *value)
{
    const char *begin;
    char *decoded = s->decoded + s->decoded_len;
    char quote;

    if (!xml_scan_take(s, '='))
        return false;
    quote = xml_scan_peek(s);
    if (quote != '"' && quote != '\'')
        return false;
    begin = ++s->at;
    xml_plain_scan_pass(s, VALUE);
    *value = xml_scan_since(s, begin);
    if (xml_scan_take(s, quote))
        return true;

    if (!xml_plain_scan_keep(s, *value))
        return false;
    while (!xml_scan_take(s, quote)) {
        if (!decode_some(s, quote))
            return false;
    }
    value->at = decoded;
    value->len = (size_t)(s->decoded + s->decoded_len - decoded);
    return true;
}
