#include "xml_token.h"

#include "base/ascii.h"

/* Bytes of a name or a number; others cannot be inside of a reference. */
static bool is_reference_byte(char c)
{
    return ascii_is_alnum(c) || c == '#' || c == ':' || c == '.' || c == '-' ||
           c == '_' || ((unsigned char)c & 0x80) != 0;
}

static enum xml_token_state after_bang(char c)
{
    if (c == '-')
        return XML_TOKEN_DASH;
    if (c == '[')
        return XML_TOKEN_SECTION;
    return c == '>' ? XML_TOKEN_TEXT : XML_TOKEN_DECLARATION;
}

static enum xml_token_state after_less(char c)
{
    if (c == '/')
        return XML_TOKEN_END_TAG;
    if (c == '!')
        return XML_TOKEN_BANG;
    if (c == '?')
        return XML_TOKEN_INSTRUCTION;
    return c == '>' ? XML_TOKEN_TEXT : XML_TOKEN_TAG;
}

static enum xml_token_state after_tag(char c)
{
    if (c == '\'')
        return XML_TOKEN_QUOTED;
    if (c == '"')
        return XML_TOKEN_QUOTED2;
    return c == '>' ? XML_TOKEN_TEXT : XML_TOKEN_TAG;
}

/* `wanted` once more, or something else. */
static unsigned char xml_token_count(const struct xml_token *t, char c,
                                     char wanted)
{
    if (c != wanted)
        return 0;
    return t->run < 2 ? (unsigned char)(t->run + 1) : t->run;
}

/* The state behind c. */
static enum xml_token_state state_behind(struct xml_token *t, char c)
{
    unsigned char run = t->run;

    t->run = 0;
    switch ((enum xml_token_state)t->state) {
    case XML_TOKEN_TEXT:
        if (c == '<')
            return XML_TOKEN_OPENS;
        return c == '&' ? XML_TOKEN_REFERENCE : XML_TOKEN_TEXT;
    case XML_TOKEN_CDATA:
        if (c == '>' && run == 2)
            return XML_TOKEN_TEXT;
        t->run = run;
        t->run = xml_token_count(t, c, ']');
        return XML_TOKEN_CDATA;
    case XML_TOKEN_OPENS:
        return after_less(c);
    case XML_TOKEN_TAG:
        return after_tag(c);
    case XML_TOKEN_QUOTED:
        return c == '\'' ? XML_TOKEN_TAG : XML_TOKEN_QUOTED;
    case XML_TOKEN_QUOTED2:
        return c == '"' ? XML_TOKEN_TAG : XML_TOKEN_QUOTED2;
    case XML_TOKEN_BANG:
        return after_bang(c);
    case XML_TOKEN_DASH:
        return c == '-' ? XML_TOKEN_COMMENT : XML_TOKEN_TEXT;
    case XML_TOKEN_COMMENT:
        t->run = run;
        t->run = xml_token_count(t, c, '-');
        return t->run == 2 ? XML_TOKEN_COMMENT_END : XML_TOKEN_COMMENT;
    case XML_TOKEN_INSTRUCTION:
        if (c == '>' && run > 0)
            return XML_TOKEN_TEXT;
        t->run = c == '?';
        return XML_TOKEN_INSTRUCTION;
    case XML_TOKEN_SECTION:
        if (c == '[')
            return XML_TOKEN_CDATA;
        return c == '>' ? XML_TOKEN_TEXT : XML_TOKEN_SECTION;
    case XML_TOKEN_END_TAG:
        return c == '>' ? XML_TOKEN_TEXT : XML_TOKEN_END_TAG;
    case XML_TOKEN_DECLARATION:
        return c == '>' ? XML_TOKEN_TEXT : XML_TOKEN_DECLARATION;
    case XML_TOKEN_REFERENCE:
        return is_reference_byte(c) ? XML_TOKEN_REFERENCE : XML_TOKEN_TEXT;
    case XML_TOKEN_COMMENT_END:
        break;
    }
    return XML_TOKEN_TEXT;
}

void xml_token_step(struct xml_token *t, char c)
{
    t->state = (unsigned char)state_behind(t, c);
}

size_t xml_token_cut(struct xml_token *t, struct slice bytes)
{
    size_t whole = 0;
    size_t i = 0;

    while (i < bytes.len) {
        i += xml_token_run(t, (struct slice){bytes.at + i, bytes.len - i});
        if (i < bytes.len)
            xml_token_step(t, bytes.at[i++]);
        if (!xml_token_is_open(t))
            whole = i;
    }
    return whole;
}

size_t xml_token_first(const struct xml_token *t, struct slice bytes)
{
    struct xml_token ahead = *t;

    for (size_t i = 0; i < bytes.len; i++) {
        bool was_open = xml_token_is_open(&ahead);

        xml_token_step(&ahead, bytes.at[i]);
        if (was_open && !xml_token_is_open(&ahead))
            return i + 1;
    }
    return bytes.len;
}

size_t xml_token_finish(struct xml_token *t, struct slice bytes)
{
    size_t n = 0;

    while (n < bytes.len && xml_token_is_open(t)) {
        n += xml_token_run(t, (struct slice){bytes.at + n, bytes.len - n});
        if (n < bytes.len)
            xml_token_step(t, bytes.at[n++]);
    }
    return n;
}
