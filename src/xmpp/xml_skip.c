#include "xml_skip.h"

#include "xmpp/xml_read.h"

#include <stdlib.h>

#define NAME_MAX_BYTES  256  /* of the element and of its attributes */
#define VALUE_MAX_BYTES 3072 /* of a JID (RFC 7622 section 3.1), and more */
#define TAG_MAX_BYTES   (6 * VALUE_MAX_BYTES)

/* What is awaited inside of the start tag. */
enum part {
    PART_NAME,   /* of the element */
    PART_SPACE,  /* the name of an attribute, or the end */
    PART_ATTR,   /* inside of that name */
    PART_EQUALS, /* the quote */
    PART_VALUE,
};

struct xml_skip {
    struct xml_token token;
    unsigned depth;
    char last; /* byte: `/` in front of `>` ends an empty element */
    bool is_end_tag;
    bool gathers; /* the start tag is being read */
    bool is_tag_whole;
    enum part part;
    char quote;
    size_t name_len;
    size_t attr_len;
    size_t value_len;
    size_t tag_len;
    char name[NAME_MAX_BYTES];
    char attr[NAME_MAX_BYTES];
    char value[VALUE_MAX_BYTES];
    char tag[TAG_MAX_BYTES];
};

struct xml_skip *xml_skip_new(unsigned depth, const struct xml_token *token)
{
    struct xml_skip *s = calloc(1, sizeof(*s));

    if (s == NULL)
        return NULL;
    s->token = *token;
    s->depth = depth;
    s->gathers = depth == 0;
    return s;
}

void xml_skip_free(struct xml_skip *s)
{
    free(s);
}

/* --- The start tag -------------------------------------------------------- */

/* One byte more than fits stands for "too long". */
static void xml_skip_keep(char *text, size_t *len, size_t max, char c)
{
    if (*len < max)
        text[*len] = c;
    if (*len <= max)
        (*len)++;
}

static void xml_skip_put(struct xml_skip *s, struct slice text)
{
    if (text.len > sizeof(s->tag) - s->tag_len)
        return;
    memcpy(s->tag + s->tag_len, text.at, text.len);
    s->tag_len += text.len;
}

static bool is_wanted(const struct xml_skip *s)
{
    static const char *const names[] = {"from", "to",       "id",
                                        "type", "xml:lang", "xmlns"};
    struct slice attr = {s->attr, s->attr_len};
    const char *colon = memchr(s->name, ':', s->name_len);

    if (s->attr_len > sizeof(s->attr) || s->value_len > sizeof(s->value))
        return false;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_is(attr, names[i]))
            return true;
    /* The declaration of the element's prefix. */
    return colon != NULL && attr.len > 6 && memcmp(attr.at, "xmlns:", 6) == 0 &&
           attr.len - 6 == (size_t)(colon - s->name) &&
           memcmp(attr.at + 6, s->name, attr.len - 6) == 0;
}

static void end_value(struct xml_skip *s)
{
    struct slice quote = {&s->quote, 1};
    size_t room = s->attr_len + s->value_len + sizeof(" =''>") - 1;

    /* Whole or not at all; one byte stays for the `>`. */
    if (!is_wanted(s) || room > sizeof(s->tag) - s->tag_len)
        return;
    xml_skip_put(s, SLICE(" "));
    xml_skip_put(s, (struct slice){s->attr, s->attr_len});
    xml_skip_put(s, SLICE("="));
    xml_skip_put(s, quote);
    xml_skip_put(s, (struct slice){s->value, s->value_len});
    xml_skip_put(s, quote);
}

static void end_name(struct xml_skip *s)
{
    s->part = PART_SPACE;
    xml_skip_put(s, SLICE("<"));
    xml_skip_put(s, (struct slice){s->name, s->name_len});
}

static void begin_attr(struct xml_skip *s, char c)
{
    s->part = PART_ATTR;
    s->attr_len = 0;
    s->value_len = 0;
    xml_skip_keep(s->attr, &s->attr_len, sizeof(s->attr), c);
}

/* A byte of the tag behind its `<`, in front of its `>`. */
static void xml_skip_gather(struct xml_skip *s, char c)
{
    switch (s->part) {
    case PART_NAME:
        if (!xml_is_space(c) && c != '/')
            xml_skip_keep(s->name, &s->name_len, sizeof(s->name), c);
        else if (s->name_len <= sizeof(s->name))
            end_name(s);
        else
            s->part = PART_SPACE;
        break;
    case PART_SPACE:
        if (!xml_is_space(c) && c != '/')
            begin_attr(s, c);
        break;
    case PART_ATTR:
        if (c == '=')
            s->part = PART_EQUALS;
        else if (!xml_is_space(c))
            xml_skip_keep(s->attr, &s->attr_len, sizeof(s->attr), c);
        break;
    case PART_EQUALS:
        if (c == '\'' || c == '"') {
            s->quote = c;
            s->part = PART_VALUE;
        }
        break;
    case PART_VALUE:
        if (c != s->quote) {
            xml_skip_keep(s->value, &s->value_len, sizeof(s->value), c);
        } else {
            end_value(s);
            s->part = PART_SPACE;
        }
        break;
    }
}

static void end_tag_of_element(struct xml_skip *s)
{
    if (s->part == PART_NAME && s->name_len <= sizeof(s->name))
        end_name(s);
    if (s->tag_len > 0)
        xml_skip_put(s, SLICE(">"));
    s->gathers = false;
    s->is_tag_whole = true;
}

struct slice xml_skip_tag(const struct xml_skip *s)
{
    return (struct slice){s->tag, s->tag_len};
}

bool xml_skip_is_done(const struct xml_skip *s)
{
    return s->is_tag_whole && s->depth == 0;
}

/* --- All of it ------------------------------------------------------------ */

/* A tag ended at the byte that was just read.  before: the byte in front. */
static void end_tag(struct xml_skip *s, char before)
{
    if (s->is_end_tag)
        s->depth--;
    else if (before != '/')
        s->depth++;
}

static bool is_in_tag(enum xml_token_state state)
{
    return state == XML_TOKEN_OPENS || state == XML_TOKEN_TAG ||
           state == XML_TOKEN_QUOTED || state == XML_TOKEN_QUOTED2 ||
           state == XML_TOKEN_END_TAG;
}

static enum xml_skip_verdict skip_byte(struct xml_skip *s, char c)
{
    enum xml_token_state was = (enum xml_token_state)s->token.state;
    char before = s->last;

    xml_token_step(&s->token, c);
    s->last = c;
    if (xml_token_is_restricted(&s->token))
        return XML_SKIP_RESTRICTED;
    if (was == XML_TOKEN_OPENS)
        s->is_end_tag = c == '/';
    if (!is_in_tag(was))
        return XML_SKIP_MORE;
    if (xml_token_is_open(&s->token)) {
        if (s->gathers)
            xml_skip_gather(s, c);
        return XML_SKIP_MORE;
    }
    end_tag(s, before);
    if (s->gathers) {
        end_tag_of_element(s);
        return XML_SKIP_TAG;
    }
    return s->depth == 0 ? XML_SKIP_DONE : XML_SKIP_MORE;
}

enum xml_skip_verdict xml_skip_read(struct xml_skip *s, struct slice bytes,
                                    size_t *used)
{
    enum xml_skip_verdict verdict = XML_SKIP_MORE;
    size_t i = 0;

    while (i < bytes.len && verdict == XML_SKIP_MORE) {
        struct slice rest = {bytes.at + i, bytes.len - i};
        size_t n = s->gathers ? 0 : xml_token_run(&s->token, rest);

        if (n > 0) {
            i += n;
            s->last = bytes.at[i - 1];
        } else {
            verdict = skip_byte(s, bytes.at[i++]);
        }
    }
    *used = i;
    return verdict;
}
