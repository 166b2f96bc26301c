#include "xml_write_escape.h"

#include "base/plain.h"

enum {
    IN_TEXT = 1,
    IN_ATTR = 2
};

/* Where a byte cannot stand for itself (H11).  What XML would normalise is
 * written as a reference, so that every parser reads the same. */
static const unsigned char special[256] = {
    ['&'] = IN_TEXT | IN_ATTR, ['<'] = IN_TEXT | IN_ATTR,
    ['>'] = IN_TEXT | IN_ATTR, ['\r'] = IN_TEXT | IN_ATTR,
    ['"'] = IN_ATTR,           ['\''] = IN_ATTR,
    ['\t'] = IN_ATTR,          ['\n'] = IN_ATTR,
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

static enum err escape(struct buf *to, struct slice s, unsigned where)
{
    size_t begin = 0;
    enum err err;

    for (size_t i = 0; (i = find_special(s, i, where)) < s.len; i++) {
        err = buf_append(to, s.at + begin, i - begin);
        if (err == ERR_OK)
            err = buf_append_text(to, reference(s.at[i]));
        if (err != ERR_OK)
            return err;
        begin = i + 1;
    }
    if (begin == s.len)
        return ERR_OK;
    return buf_append(to, s.at + begin, s.len - begin);
}

enum err xml_escape_attr(struct buf *to, struct slice value)
{
    return escape(to, value, IN_ATTR);
}

enum err xml_escape_text(struct buf *to, struct slice text)
{
    return escape(to, text, IN_TEXT);
}

/* ` name="value"`, the name in three parts. */
enum err xml_append_attr(struct buf *to, struct slice prefix,
                         struct slice local, struct slice value)
{
    enum err err = buf_append(to, " ", 1);

    if (err == ERR_OK && prefix.len > 0) {
        err = buf_append_slice(to, prefix);
        if (err == ERR_OK)
            err = buf_append(to, ":", 1);
    }
    if (err == ERR_OK)
        err = buf_append_slice(to, local);
    if (err == ERR_OK)
        err = buf_append(to, "=\"", 2);
    if (err == ERR_OK)
        err = xml_escape_attr(to, value);
    if (err == ERR_OK)
        err = buf_append(to, "\"", 1);
    return err;
}

enum err xml_write_attr(struct buf *to, const char *name, struct slice value)
{
    if (value.at == NULL)
        return ERR_OK;
    return xml_append_attr(to, SLICE(""), slice_of(name), value);
}
