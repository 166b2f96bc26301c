#include "xml_write_escape.h"

#include "base/plain.h"

enum {
    IN_TEXT = 1,
    IN_ATTR = 2
};

/* Where a byte may not stand for itself (H11).  What XML would normalise is
 * written as a reference, so that every parser reads the same; a quote only
 * where it would end its value, and `>` only where it would end a CDATA
 * section that is none (XML 1.0 section 2.4). */
static const unsigned char special[256] = {
    ['&'] = IN_TEXT | IN_ATTR,
    ['<'] = IN_TEXT | IN_ATTR,
    ['\r'] = IN_TEXT | IN_ATTR,
    ['>'] = IN_TEXT,
    ['"'] = IN_ATTR,
    ['\t'] = IN_ATTR,
    ['\n'] = IN_ATTR,
};

static const char *reference(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&apos;";
    case '\r':
        return "&#xD;";
    case '\n':
        return "&#xA;";
    default:
        return "&#x9;";
    }
}

/* The index of the next byte that cannot stand for itself, or s.len. */
static size_t find_special(struct slice s, size_t i, unsigned where)
{
    for (; i < s.len; i++) {
        i += plain_run(s.at + i, s.len - i);
        if (i < s.len && (special[(unsigned char)s.at[i]] & where) != 0)
            break;
    }
    return i < s.len ? i : s.len;
}

static enum err append_reference(struct buf *to, char c)
{
    return buf_append_text(to, reference(c));
}

/* Only `]]>` must not stand in text; of what pieces it came does not matter. */
static bool would_end_cdata(const struct buf *to)
{
    return to->len >= 2 && memcmp(buf_at(to) + to->len - 2, "]]", 2) == 0;
}

enum err xml_escape_text(struct buf *to, struct slice text)
{
    size_t begin = 0;
    enum err err;

    for (size_t i = 0; (i = find_special(text, i, IN_TEXT)) < text.len; i++) {
        err = buf_append(to, text.at + begin, i - begin);
        if (err != ERR_OK)
            return err;
        begin = i;
        if (text.at[i] == '>' && !would_end_cdata(to))
            continue;
        err = append_reference(to, text.at[i]);
        if (err != ERR_OK)
            return err;
        begin = i + 1;
    }
    if (begin == text.len)
        return ERR_OK;
    return buf_append(to, text.at + begin, text.len - begin);
}

/* The quotation mark of which the value has fewer. */
static char quote_for(struct slice value)
{
    size_t n_double = 0;
    size_t n_single = 0;

    for (size_t i = 0; i < value.len; i++) {
        n_double += value.at[i] == '"';
        n_single += value.at[i] == '\'';
    }
    return n_double > n_single ? '\'' : '"';
}

/* In quotation marks; from value.at[i] on it has special bytes. */
static enum err escape_attr(struct buf *to, struct slice value, size_t i,
                            char quote)
{
    enum err err = buf_append(to, &quote, 1);

    if (err == ERR_OK)
        err = buf_append(to, value.at, i);
    for (; i < value.len && err == ERR_OK; i++) {
        char c = value.at[i];
        bool is_quote = c == '"' || c == '\'';

        if (is_quote ? c == quote : (special[(unsigned char)c] & IN_ATTR) != 0)
            err = append_reference(to, c);
        else
            err = buf_append(to, &c, 1);
    }
    return err == ERR_OK ? buf_append(to, &quote, 1) : err;
}

/* ` name=`, the name in three parts. */
static enum err append_name(struct buf *to, struct slice prefix,
                            struct slice local)
{
    enum err err = buf_append(to, " ", 1);

    if (err == ERR_OK && prefix.len > 0) {
        err = buf_append_slice(to, prefix);
        if (err == ERR_OK)
            err = buf_append(to, ":", 1);
    }
    if (err == ERR_OK)
        err = buf_append_slice(to, local);
    return err == ERR_OK ? buf_append(to, "=", 1) : err;
}

static char *xml_write_escape_put(char *to, struct slice s)
{
    if (s.len > 0)
        memcpy(to, s.at, s.len);
    return to + s.len;
}

/* All in one piece: nearly every attribute needs no reference. */
static enum err append_plain_attr(struct buf *to, struct slice prefix,
                                  struct slice local, struct slice value)
{
    size_t len = prefix.len + local.len + value.len;
    size_t marks = sizeof(" =\"\"") - 1 + (prefix.len > 0 ? 1 : 0);
    char *at;
    enum err err = buf_reserve(to, len + marks, &at);

    if (err != ERR_OK)
        return err;
    *at++ = ' ';
    if (prefix.len > 0) {
        at = xml_write_escape_put(at, prefix);
        *at++ = ':';
    }
    at = xml_write_escape_put(at, local);
    *at++ = '=';
    *at++ = '"';
    at = xml_write_escape_put(at, value);
    *at = '"';
    buf_added(to, len + marks);
    return ERR_OK;
}

enum err xml_append_attr(struct buf *to, struct slice prefix,
                         struct slice local, struct slice value)
{
    size_t len = find_special(value, 0, IN_ATTR);
    enum err err;

    if (len == value.len)
        return append_plain_attr(to, prefix, local, value);
    err = append_name(to, prefix, local);
    if (err != ERR_OK)
        return err;
    return escape_attr(to, value, len, quote_for(value));
}

enum err xml_write_attr(struct buf *to, const char *name, struct slice value)
{
    enum err err;

    if (value.at == NULL)
        return ERR_OK;
    err = append_name(to, SLICE(""), slice_of(name));
    if (err != ERR_OK)
        return err;
    return escape_attr(to, value, find_special(value, 0, IN_ATTR), '"');
}
