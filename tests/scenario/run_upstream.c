#include "run.h"

#include "xmpp/xml_write.h"

#include <ctype.h>

#define STREAM_TAG "<stream:stream"
#define STREAM_END "</stream:stream>"

/* --- Bytes to items ------------------------------------------------------- */

static bool starts(struct slice s, const char *text)
{
    size_t len = strlen(text);

    return s.len >= len && memcmp(s.at, text, len) == 0;
}

/* Length of the tag at the front, > included; 0: it is not whole. */
static size_t tag_len(struct slice s)
{
    char quote = '\0';

    for (size_t i = 0; i < s.len; i++) {
        if (quote != '\0')
            quote = s.at[i] == quote ? '\0' : quote;
        else if (s.at[i] == '"' || s.at[i] == '\'')
            quote = s.at[i];
        else if (s.at[i] == '>')
            return i + 1;
    }
    return 0;
}

/* Length of the element at the front; 0: it is not whole.  What doab writes
 * has neither CDATA nor comments, and no bare > (H10, H11). */
static size_t element_len(struct slice s)
{
    size_t depth = 0;
    size_t i = 0;

    while (i < s.len) {
        struct slice rest = {s.at + i, s.len - i};
        size_t len = rest.at[0] == '<' ? tag_len(rest) : 1;

        if (len == 0)
            return 0;
        i += len;
        if (rest.at[0] != '<')
            continue;
        if (len > 1 && rest.at[1] == '/')
            depth--;
        else if (rest.at[len - 2] != '/')
            depth++;
        if (depth == 0)
            return i;
    }
    return 0;
}

static void add(struct run *r, struct server *v, enum item_kind kind,
                size_t len)
{
    struct item *item = arena_get(&r->arena, sizeof(*item));
    struct slice bytes = {buf_at(&v->in), len};
    const char *text = arena_text(&r->arena, bytes);

    item->kind = kind;
    item->bytes = (struct slice){text, len};
    if (kind == ITEM_HEADER)
        item->tree = tree_read(
            r, slice_of(arena_printf(&r->arena, "%s%s", text, STREAM_END)));
    if (kind == ITEM_ELEMENT) {
        item->tree = tree_read_literals(r, text);
        item->tree = item->tree == NULL ? NULL : item->tree->child;
    }
    if (v->last == NULL)
        v->items = item;
    else
        v->last->next = item;
    v->last = item;
    buf_consume(&v->in, len);
}

/* H41: a declaration before each header, and nothing in it but these. */
static bool scan_declaration(struct run *r, struct server *v, size_t *len)
{
    struct slice s = buf_slice(&v->in);

    *len = tag_len(s);
    if (*len == 0)
        return true;
    if (!starts(s, "<?xml version='1.0'?>") &&
        !starts(s, "<?xml version=\"1.0\"?>") &&
        !starts(s, "<?xml version='1.0' encoding='UTF-8'?>") &&
        !starts(s, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"))
        return fail(r, "an XML declaration", "%.*s", (int)*len, s.at);
    v->had_declaration = true;
    buf_consume(&v->in, *len);
    return true;
}

static bool scan_header(struct run *r, struct server *v, size_t *len)
{
    *len = tag_len(buf_slice(&v->in));
    if (*len == 0)
        return true;
    if (!v->had_declaration)
        return fail(r, "an XML declaration before the header", "none");
    v->had_declaration = false;
    v->had_header = true;
    add(r, v, ITEM_HEADER, *len);
    if (v->last->tree == NULL || !tree_is(v->last->tree, NS_STREAMS, "stream"))
        return fail(r, "a stream header", "%s", v->last->bytes.at);
    return true;
}

static bool scan_one(struct run *r, struct server *v, size_t *len)
{
    struct slice s = buf_slice(&v->in);

    if (starts(s, "<?"))
        return scan_declaration(r, v, len);
    if (starts(s, STREAM_TAG))
        return scan_header(r, v, len);
    if (starts(s, STREAM_END)) {
        *len = strlen(STREAM_END);
        v->saw_end = true;
        add(r, v, ITEM_END, *len);
        return true;
    }
    if (s.at[0] != '<') {
        *len = 1;
        add(r, v, ITEM_TEXT, *len);
        return true;
    }
    *len = element_len(s);
    if (*len == 0)
        return true;
    add(r, v, ITEM_ELEMENT, *len);
    if (v->last->tree == NULL)
        return fail(r, "an element that can be read", "%s", v->last->bytes.at);
    return true;
}

bool upstream_scan(struct run *r, struct server *v)
{
    size_t len = 1;

    while (len > 0 && v->in.len > 0) {
        if (!scan_one(r, v, &len))
            return false;
    }
    return true;
}

/* --- What the scenario expects -------------------------------------------- */

static void take(struct server *v)
{
    v->items = v->items->next;
    if (v->items == NULL)
        v->last = NULL;
}

/* The first header of a connection goes without saying. */
static void skip_header(struct server *v)
{
    if (v->items != NULL && v->items->kind == ITEM_HEADER &&
        !v->has_shown_header)
        take(v);
    v->has_shown_header = v->has_shown_header || v->had_header;
}

static const char *seen(const struct server *v)
{
    if (v->items != NULL)
        return v->items->bytes.at;
    if (v->is_lost)
        return "nothing; the connection was dropped";
    return v->had_fin ? "nothing; the connection was closed" : "nothing";
}

static bool check_elements(struct run *r, struct server *v,
                           const struct step *s)
{
    const struct tree *e = tree_read_literals(r, s->text);

    if (e == NULL)
        return fail(r, "XML in the step", "%s", s->text);
    skip_header(v);
    for (e = e->child; e != NULL; e = e->next) {
        if (v->items == NULL || v->items->kind != ITEM_ELEMENT ||
            !tree_matches(e, v->items->tree, step_has(s, 1, "exactly")))
            return fail(r, s->text, "%s", seen(v));
        take(v);
    }
    return true;
}

/* The bytes of the next element, as they are. */
static bool check_bytes(struct run *r, struct server *v, const struct step *s)
{
    struct slice expected;

    if (!script_unquote(r, s->text, &expected))
        return false;
    skip_header(v);
    if (v->items == NULL || !slice_equal(v->items->bytes, expected))
        return fail(r, s->text, "%s", seen(v));
    take(v);
    return true;
}

/* header to=example.org -from: attributes that are there, and that are not. */
static bool check_header(struct run *r, struct server *v, const struct step *s)
{
    const struct item *item = v->items;
    const char *key;
    const char *value;

    v->has_shown_header = true;
    if (item == NULL || item->kind != ITEM_HEADER)
        return fail(r, "a stream header", "%s", seen(v));
    for (size_t i = 2; i < s->n_words; i++) {
        const char *word = s->words[i];
        const char *is;

        if (word[0] == '-') {
            if (tree_attr(item->tree, word + 1) != NULL)
                return fail(r, word, "%s", item->bytes.at);
            continue;
        }
        if (!word_split(r, word, &key, &value))
            return fail(r, "key=value", "%s", word);
        is = tree_attr(item->tree, key);
        if (is == NULL || strcmp(is, value) != 0)
            return fail(r, word, "%s", item->bytes.at);
    }
    take(v);
    return true;
}

static bool check_end(struct run *r, struct server *v)
{
    skip_header(v);
    if (v->items == NULL || v->items->kind != ITEM_END)
        return fail(r, "</stream:stream>", "%s", seen(v));
    take(v);
    return true;
}

/* Gone without </stream:stream>. */
static bool check_dropped(struct run *r, struct server *v)
{
    skip_header(v);
    if (v->items != NULL || v->saw_end || (!v->is_lost && !v->had_fin))
        return fail(r, "a dropped connection", "%s%s", seen(v),
                    v->saw_end ? "; </stream:stream> was sent" : "");
    return true;
}

/* Gone, in whatever way. */
static bool check_closed(struct run *r, struct server *v)
{
    skip_header(v);
    if (v->items != NULL || (!v->is_lost && !v->had_fin))
        return fail(r, "a closed connection", "%s", seen(v));
    return true;
}

static bool check_nothing(struct run *r, struct server *v)
{
    skip_header(v);
    if (v->items != NULL || v->is_lost || v->had_fin)
        return fail(r, "nothing", "%s", seen(v));
    return true;
}

bool upstream_check(struct run *r, const struct step *s)
{
    const char *verb = s->n_words < 2 ? "" : s->words[1];
    struct server *v = server_find(r, s->words[0], "upstream");
    bool is_right;

    if (strcmp(verb, "none") == 0)
        return v == NULL || fail(r, "no connection", "one");
    if (v == NULL)
        return fail(r, "a connection to the server", "none");
    if (strcmp(verb, "nothing") == 0)
        return check_nothing(r, v);
    if (strcmp(verb, "header") == 0)
        is_right = check_header(r, v, s);
    else if (strcmp(verb, "end") == 0)
        is_right = check_end(r, v);
    else if (strcmp(verb, "dropped") == 0)
        is_right = check_dropped(r, v);
    else if (strcmp(verb, "closed") == 0)
        is_right = check_closed(r, v);
    else if (s->text != NULL && s->text[0] == '<')
        is_right = check_elements(r, v, s);
    else if (s->text != NULL)
        is_right = check_bytes(r, v, s);
    else
        return fail(r, "a verb of upstream", "%s", verb);
    return is_right;
}

bool upstream_is_done(struct run *r)
{
    for (struct server *v = r->world->servers; v != NULL; v = v->next) {
        skip_header(v);
        while (v->items != NULL && v->items->kind == ITEM_END)
            take(v);
        if (v->items != NULL)
            return fail(r, "nothing more to the server", "%s", seen(v));
    }
    return true;
}
