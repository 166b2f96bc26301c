#include "ws_legacy.h"

#include "ws_element_int.h"
#include "xmpp/xml_read.h"
#include "xmpp/xml_write.h"

#include <string.h>

#define HEADER                                                                 \
    "<stream:stream xmlns=\"" NS_CLIENT "\" xmlns:stream=\"" NS_STREAMS "\""
#define BEGIN "<stream:stream"
#define END   "</stream:stream"

static bool begins(struct slice s, const char *text)
{
    size_t len = strlen(text);

    return s.len >= len && memcmp(s.at, text, len) == 0;
}

static struct slice behind(struct slice s, size_t len)
{
    return (struct slice){s.at + len, s.len - len};
}

static struct slice skip_white(struct slice s)
{
    return behind(s, xml_space_len(s.at, s.len));
}

static struct slice trim_end(struct slice s)
{
    while (s.len > 0 && xml_is_space(s.at[s.len - 1]))
        s.len--;
    return s;
}

bool ws_legacy_is_header(struct slice message)
{
    struct slice s = message;

    if (begins(s, "<?xml")) {
        const char *end = memmem(s.at, s.len, "?>", 2);

        if (end == NULL)
            return false;
        s = skip_white(behind(s, (size_t)(end - s.at) + 2));
    }
    if (!begins(s, BEGIN))
        return false;
    s = behind(s, strlen(BEGIN));
    return s.len == 0 || s.at[0] == '>' || s.at[0] == '/' ||
           xml_is_space(s.at[0]);
}

static bool is_end(struct slice message)
{
    struct slice s = trim_end(message);

    if (!begins(s, END))
        return false;
    return slice_is(skip_white(behind(s, strlen(END))), ">");
}

/* Reads before, message and after as one document. */
static enum ws_element_verdict parse_between(struct ws_element *f,
                                             struct xml_pool *pool,
                                             struct element_copier *copier,
                                             struct ws_document *document,
                                             const char *const around[2])
{
    enum ws_element_verdict verdict = WS_ELEMENT_NOMEM;
    struct buf copy;
    enum err err;

    document->max_bytes += strlen(around[0]) + strlen(around[1]);
    buf_init(&copy, document->max_bytes);
    err = buf_append_text(&copy, around[0]);
    if (err == ERR_OK)
        err = buf_append_slice(&copy, document->bytes);
    if (err == ERR_OK)
        err = buf_append_text(&copy, around[1]);
    if (err == ERR_OK) {
        document->bytes = buf_slice(&copy);
        verdict = ws_element_parse(f, pool, copier, document);
    }
    buf_free(&copy); /* it may hold a password */
    buf_free(&copy);
    return verdict;
}

/* Strophe leaves the header open, others close it in itself. */
static bool is_self_closed(struct slice s)
{
    return s.len >= 2 && memcmp(s.at + s.len - 2, "/>", 2) == 0;
}

static enum ws_element_verdict read_message(struct ws_element *f,
                                            struct xml_pool *pool,
                                            struct element_copier *copier,
                                            struct slice message,
                                            size_t max_bytes)
{
    static const char *const wrapper[] = {HEADER ">", END ">"};
    static const char *const end[] = {"", END ">"};
    static const char *const nothing[] = {"", ""};
    struct ws_document document = {WS_FORM_WRAPPED, message, max_bytes};
    enum ws_element_verdict verdict;

    ws_element_clear(f);
    verdict = ws_element_check(f, message, max_bytes);
    if (verdict != WS_ELEMENT_ELEMENT)
        return verdict;
    if (is_end(message))
        return WS_ELEMENT_CLOSE;
    if (!ws_legacy_is_header(message))
        return parse_between(f, pool, copier, &document, wrapper);
    document.form = WS_FORM_HEADER;
    document.bytes = trim_end(message); /* a line's end is no content */
    return parse_between(f, pool, copier, &document,
                         is_self_closed(document.bytes) ? nothing : end);
}

/* Strophe 1.1 wants `<stream:stream ` first, all of it in one line, and
 * closes it itself where it parses it. */
static enum err ws_legacy_write_header(struct buf *to,
                                       const struct ws_opening *o)
{
    return ws_write_opening(to, HEADER, o, ">");
}

const struct ws_framing ws_legacy_framing = {
    .read = read_message,
    .write_open = ws_legacy_write_header,
    .close = END ">",
    .can_move = false,
};
