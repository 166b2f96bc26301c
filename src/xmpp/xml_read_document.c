/* Whole documents: BOSH bodies and WebSocket messages. */
#include "xmpp/xml_read.h"

#include "base/utf8.h"
#include "xml_read_parser.h"

#include <limits.h>

static struct slice without_mark(struct slice bytes)
{
    if (bytes.len >= 3 && memcmp(bytes.at, "\xEF\xBB\xBF", 3) == 0)
        return (struct slice){bytes.at + 3, bytes.len - 3};
    return bytes;
}

/*
 * A document that is only its root element and white space around it can be
 * read as the child of a root of ours, by a parser that stays inside of that
 * root: no reset, and no new hash salt from the kernel, for each document.
 */
static bool is_only_root(struct slice *bytes)
{
    size_t space = xml_space_len(bytes->at, bytes->len);
    struct slice root = {bytes->at + space, bytes->len - space};

    while (root.len > 0 && xml_is_space(root.at[root.len - 1]))
        root.len--;
    if (root.len < 2 || root.at[0] != '<' || root.at[1] == '!' ||
        root.at[1] == '?')
        return false;
    *bytes = root;
    return true;
}

static bool is_behind_root(const struct xml_reader *r)
{
    return r->has_root && r->depth == 0;
}

/* Nothing is open, and nothing follows that expat keeps or lets pass: an
 * incomplete token, a reference to white space. */
static bool is_whole(const struct xml_reader *r)
{
    return is_behind_root(r) && r->stopped_at == r->parser->fed;
}

static enum xml_verdict parse_enclosed(struct xml_reader *r,
                                       struct xml_pool *pool,
                                       struct slice bytes)
{
    enum xml_verdict verdict;

    if (!xml_parser_take(pool, r, SLICE("<d>")))
        return XML_NOMEM;
    r->is_enclosed = true;
    r->depth = 0;
    r->stopped_at = 0;
    verdict = xml_parser_feed(r, bytes, false);
    if (verdict == XML_OK && !is_whole(r))
        verdict = XML_NOT_WELL_FORMED;
    /* Behind the root there are no references, not even undeclared ones. */
    if (verdict == XML_RESTRICTED && !r->is_stopped && is_behind_root(r))
        verdict = XML_NOT_WELL_FORMED;
    xml_parser_put(r, verdict == XML_OK);
    return verdict;
}

/* Whether the root tag, behind a declaration or not, begins in UTF-16. */
static bool begins_in_utf16(struct slice bytes)
{
    static const char end[] = "?>";
    const char *behind =
        bytes.len < 5 || memcmp(bytes.at, "<?xml", 5) != 0
            ? NULL
            : memmem(bytes.at, bytes.len, end, sizeof(end) - 1);

    if (behind != NULL) {
        behind += sizeof(end) - 1;
        bytes.len -= (size_t)(behind - bytes.at);
        bytes.at = behind;
    }
    return bytes.len >= 2 &&
           (memcmp(bytes.at, "<\0", 2) == 0 || memcmp(bytes.at, "\0<", 2) == 0);
}

/* Of bytes that are not UTF-8, or have U+0000, which is no character of XML
 * (XML 1.0 section 2.2) and never gets to expat, which would guess that it is
 * UTF-16. */
static COLD enum xml_verdict verdict_of_bytes(struct slice bytes)
{
    if (begins_in_utf16(bytes) || !utf8_is_valid_with_nul(bytes))
        return XML_BAD_ENCODING;
    return XML_NOT_WELL_FORMED;
}

static enum xml_verdict parse_document(struct xml_reader *r,
                                       struct xml_pool *pool,
                                       struct slice bytes)
{
    enum xml_verdict verdict;

    if (!utf8_is_valid(bytes))
        return verdict_of_bytes(bytes);

    /* expat would swallow a second mark (H06), and guess at the encoding of
     * what begins with anything but markup. */
    bytes = without_mark(bytes);
    if (bytes.len == 0 || without_mark(bytes).len != bytes.len)
        return XML_NOT_WELL_FORMED;
    if (is_only_root(&bytes)) {
        if (xml_reader_try_plain(r, pool, bytes, NULL) > 0)
            return r->verdict;
        return parse_enclosed(r, pool, bytes);
    }
    if (!xml_parser_take(pool, r, SLICE("")))
        return XML_NOMEM;

    verdict = xml_parser_feed(r, bytes, true);
    xml_parser_put(r, false);
    return verdict;
}

enum xml_verdict xml_parse(struct xml_pool *pool, struct slice bytes,
                           const struct xml_limits *limits,
                           const struct xml_handler *handler, void *arg)
{
    struct xml_reader r = {
        .handler = handler,
        .arg = arg,
        .limits = *limits,
        .limit = XML_LIMIT_BYTES,
    };
    enum xml_verdict verdict = XML_TOO_BIG;

    if (bytes.len <= limits->bytes_max && bytes.len <= INT_MAX)
        verdict = parse_document(&r, pool, bytes);
    if (verdict == XML_TOO_BIG)
        pool->limit = r.limit;
    return verdict;
}

enum xml_limit xml_pool_limit(const struct xml_pool *pool)
{
    return pool->limit;
}
