#include "session/bosh_body.h"

#include "rid.h"

#include <assert.h>
#include <stdlib.h>

#define VALUES_MAX_BYTES 16384

/* What a worker keeps for the next request. */
#define ITEMS_KEPT 1024

/* <a/> is the shortest element, and all that is around them is none. */
#define ELEMENT_MIN_BYTES 4

/* One reading: lives on the stack of bosh_body_read. */
struct reading {
    struct bosh_body *body;
    const struct bosh_body_tools *tools;
    unsigned depth;
    bool is_foreign;
    bool is_nomem;
    bool is_too_big;
};

/* Where the value of an unqualified attribute goes. */
static const struct text_attr {
    const char *name;
    size_t offset; /* of a slice in struct bosh_body */
} text_attrs[] = {
    {"sid", offsetof(struct bosh_body, sid)},
    {"to", offsetof(struct bosh_body, to)},
    {"from", offsetof(struct bosh_body, from)},
    {"route", offsetof(struct bosh_body, route)},
    {"content", offsetof(struct bosh_body, content)},
    {"ver", offsetof(struct bosh_body, ver)},
    {"key", offsetof(struct bosh_body, key)},
    {"newkey", offsetof(struct bosh_body, newkey)},
    {"stream", offsetof(struct bosh_body, stream)},
};

static const struct number_attr {
    const char *name;
    size_t offset; /* of a bosh_number */
    uint64_t max;
} number_attrs[] = {
    {"rid", offsetof(struct bosh_body, rid), RID_MAX},
    {"wait", offsetof(struct bosh_body, wait), 65535},
    {"hold", offsetof(struct bosh_body, hold), 255},
    {"pause", offsetof(struct bosh_body, pause), 65535},
    {"ack", offsetof(struct bosh_body, ack), RID_MAX},
};

void bosh_body_init(struct bosh_body *b, size_t payload_max_bytes)
{
    memset(b, 0, sizeof(*b));
    buf_init(&b->payload, payload_max_bytes);
    buf_init(&b->values, VALUES_MAX_BYTES);
    buf_init(&b->ids, payload_max_bytes);
}

void bosh_body_free(struct bosh_body *b)
{
    buf_free(&b->payload);
    buf_free(&b->values);
    buf_free(&b->ids);
    free(b->items);
    b->items = NULL;
    b->items_cap = b->n_elements = 0;
}

/* Everything but the memory goes back to nothing. */
static enum err bosh_body_clear(struct bosh_body *b)
{
    struct bosh_body keep = *b;
    char *room;

    memset(b, 0, sizeof(*b));
    b->payload = keep.payload;
    b->values = keep.values;
    b->ids = keep.ids;
    if (keep.items_cap > ITEMS_KEPT) {
        free(keep.items);
    } else {
        b->items = keep.items;
        b->items_cap = keep.items_cap;
    }
    buf_clear(&b->ids, 0);
    buf_clear(&b->payload, 65536);
    buf_clear(&b->values, VALUES_MAX_BYTES);
    /* All of it at once, so that slices into it never move. */
    return buf_reserve(&b->values, VALUES_MAX_BYTES, &room);
}

static enum err bosh_body_refuse(struct reading *r, const char *reason)
{
    r->body->reason = reason;
    return ERR_INVALID;
}

static enum err bosh_body_keep(struct reading *r, struct slice value,
                               struct slice *out)
{
    struct buf *values = &r->body->values;
    size_t at = values->len;

    if (value.len > BOSH_VALUE_MAX_BYTES)
        return bosh_body_refuse(r, "attribute too long");
    if (buf_append_slice(values, value) != ERR_OK)
        return bosh_body_refuse(r, "attributes too long");
    *out = (struct slice){buf_at(values) + at, value.len};
    return ERR_OK;
}

/* Digits only: no sign, no white space, no exponent (A03, A11). */
static struct bosh_number number_of(struct slice text, uint64_t max)
{
    struct bosh_number n = {.is_given = true, .is_malformed = true};
    uint64_t value = 0;
    unsigned digit;
    size_t i;

    if (text.len == 0 || text.len > 20)
        return n;
    for (i = 0; i < text.len; i++) {
        if (text.at[i] < '0' || text.at[i] > '9')
            return n;
        digit = (unsigned)(text.at[i] - '0');
        if (value > (max - digit) / 10)
            return n;
        value = value * 10 + digit;
    }
    n.value = value;
    n.is_malformed = false;
    return n;
}

static enum err read_type(struct reading *r, struct slice value)
{
    /* gloox says "terminal" (Q11). */
    if (slice_is(value, "terminate") || slice_is(value, "terminal"))
        r->body->type = BOSH_TYPE_TERMINATE;
    else if (slice_is(value, "error"))
        r->body->type = BOSH_TYPE_ERROR;
    else
        return bosh_body_refuse(r, "unknown type");
    return ERR_OK;
}

static enum err read_plain_attr(struct reading *r, const struct xml_attr *a)
{
    char *base = (char *)r->body;
    size_t i;

    for (i = 0; i < COUNT_OF(number_attrs); i++) {
        if (!slice_is(a->name.local, number_attrs[i].name))
            continue;
        *(struct bosh_number *)(void *)(base + number_attrs[i].offset) =
            number_of(a->value, number_attrs[i].max);
        return ERR_OK;
    }
    for (i = 0; i < COUNT_OF(text_attrs); i++) {
        if (slice_is(a->name.local, text_attrs[i].name))
            return bosh_body_keep(
                r, a->value,
                (struct slice *)(void *)(base + text_attrs[i].offset));
    }
    if (slice_is(a->name.local, "type"))
        return read_type(r, a->value);
    return ERR_OK; /* unknown ones are ignored (A25) */
}

static enum err read_restart(struct reading *r, struct slice value)
{
    if (slice_is(value, "true") || slice_is(value, "1"))
        r->body->is_restart = true;
    else if (!slice_is(value, "false") && !slice_is(value, "0"))
        return bosh_body_refuse(r, "restart is not a boolean");
    return ERR_OK;
}

/* By namespace, whatever the prefix (A22, G09). */
static enum err bosh_body_read_attr(struct reading *r, const struct xml_attr *a)
{
    if (a->name.ns.len == 0)
        return read_plain_attr(r, a);
    if (slice_is(a->name.ns, NS_XML) && slice_is(a->name.local, "lang"))
        return bosh_body_keep(r, a->value, &r->body->lang);
    if (!slice_is(a->name.ns, NS_XBOSH))
        return ERR_OK;
    if (slice_is(a->name.local, "version"))
        return bosh_body_keep(r, a->value, &r->body->xmpp_version);
    if (slice_is(a->name.local, "restart"))
        return read_restart(r, a->value);
    return ERR_OK;
}

static enum err read_root(struct reading *r, const struct xml_tag *tag)
{
    enum err err = ERR_OK;
    enum err one;
    size_t i;

    if (!slice_is(tag->name.ns, NS_HTTPBIND) ||
        !slice_is(tag->name.local, "body"))
        return bosh_body_refuse(r, "not a body of httpbind");
    /* The whole tag is read even if an attribute is at fault: whose session
     * this ends depends on the others (F18). */
    for (i = 0; i < tag->n_attrs; i++) {
        one = bosh_body_read_attr(r, &tag->attrs[i]);
        if (one != ERR_OK)
            err = one;
    }
    r->body->has_root = true;
    r->body->has_sid = r->body->sid.at != NULL;
    if (err == ERR_OK && r->tools->wants != NULL &&
        !r->tools->wants(r->tools->arg, r->body)) {
        r->is_foreign = true;
        return bosh_body_refuse(r, "no such session");
    }
    return err;
}

static enum err grow_items(struct bosh_body *b)
{
    size_t cap = b->items_cap == 0 ? 8 : b->items_cap * 2;
    void *items = realloc(b->items, cap * sizeof(*b->items));

    if (items == NULL)
        return ERR_NOMEM;
    b->items = items;
    b->items_cap = cap;
    return ERR_OK;
}

static enum err begin_element(struct reading *r)
{
    struct bosh_body *b = r->body;
    struct element_params params = {
        .filter = ELEMENT_TO_SERVER,
        .rescope_httpbind = true,
    };
    enum err err;

    if (b->n_elements == b->items_cap) {
        err = grow_items(b);
        if (err != ERR_OK)
            return err;
    }
    /* A later body's language is not the stream's: its children say it
     * themselves upstream (H25). */
    if (b->has_sid)
        params.lang = b->lang;
    b->items[b->n_elements].at = b->payload.len;
    element_copier_begin(r->tools->copier, &b->payload, &params);
    return ERR_OK;
}

/* What may never come from a client at top level (H24, H26, G07). */
static const char *refused_kind(enum element_kind kind)
{
    if (kind == ELEMENT_SERVER_STANZA)
        return "jabber:server stanza";
    if (kind == ELEMENT_STREAM || kind == ELEMENT_FEATURES)
        return "stream element as payload";
    if (kind == ELEMENT_OPEN || kind == ELEMENT_CLOSE)
        return "framing element as payload";
    if (kind == ELEMENT_PROCEED || kind == ELEMENT_TLS_FAILURE)
        return "TLS element as payload";
    return NULL;
}

static enum err failed(struct reading *r, enum err err)
{
    if (err == ERR_NOMEM)
        r->is_nomem = true;
    if (err == ERR_LIMIT) {
        r->is_too_big = true;
        r->body->reason = r->body->limit = "above limits.body_max";
    }
    return err;
}

static enum err bosh_body_on_start(void *arg, const struct xml_tag *tag)
{
    struct reading *r = arg;
    enum err err = ERR_OK;

    r->depth++;
    if (r->depth == 1)
        return read_root(r, tag);
    if (r->depth == 2)
        err = begin_element(r);
    if (err == ERR_OK)
        err = element_copier_start(r->tools->copier, tag);
    return err == ERR_OK ? ERR_OK : failed(r, err);
}

static enum err keep_element(struct bosh_body *b, const struct element *e)
{
    struct bosh_item *item = &b->items[b->n_elements];

    item->len = (uint32_t)e->bytes.len;
    item->kind = (uint8_t)e->kind;
    item->type = (uint8_t)e->type & 0x7F;
    item->is_iq_auth = e->is_iq_auth;
    item->id_at = b->ids.len;
    item->id_len = 0;
    b->n_elements++;
    if (!e->is_iq_auth || e->id.len > UINT16_MAX)
        return ERR_OK;
    item->id_len = (uint16_t)e->id.len;
    return buf_append_slice(&b->ids, e->id);
}

static enum err bosh_body_on_end(void *arg, const struct xml_name *name)
{
    struct reading *r = arg;
    struct element element;
    const char *reason;
    bool done = false;
    enum err err;

    r->depth--;
    if (r->depth == 0)
        return ERR_OK;
    err = element_copier_end(r->tools->copier, &done, &element);
    if (err != ERR_OK)
        return failed(r, err);
    if (!done)
        return ERR_OK;
    reason = refused_kind(element.kind);
    if (reason != NULL)
        return bosh_body_refuse(r, reason);
    err = keep_element(r->body, &element);
    return err == ERR_OK ? ERR_OK : failed(r, err);
}

static enum err bosh_body_on_text(void *arg, struct slice text)
{
    struct reading *r = arg;
    enum err err;
    size_t i;

    if (r->depth > 1) {
        err = element_copier_text(r->tools->copier, text);
        return err == ERR_OK ? ERR_OK : failed(r, err);
    }
    /* White space between children is never forwarded (H04, T27). */
    for (i = 0; i < text.len; i++) {
        if (memchr(" \t\r\n", text.at[i], 4) == NULL)
            return bosh_body_refuse(r, "text in body");
    }
    return ERR_OK;
}

struct element bosh_body_element(const struct bosh_body *b, size_t i)
{
    const struct bosh_item *item = &b->items[i];
    struct element e = {
        .kind = (enum element_kind)item->kind,
        .type = (enum element_type)item->type,
        .is_iq_auth = item->is_iq_auth,
        .bytes = {buf_at(&b->payload) + item->at, item->len},
        .id = {buf_at(&b->ids) + item->id_at, item->id_len},
    };

    assert(i < b->n_elements);
    return e;
}

static enum bosh_verdict bosh_body_verdict_of(const struct reading *r,
                                              enum xml_verdict xml)
{
    struct bosh_body *b = r->body;

    if (r->is_foreign)
        return BOSH_BODY_FOREIGN;
    if (r->is_nomem || xml == XML_NOMEM) {
        b->reason = "no memory";
        return BOSH_BODY_NOMEM;
    }
    if (xml == XML_TOO_BIG)
        b->reason = b->limit = xml_limit_text(xml_pool_limit(r->tools->pool));
    if (b->reason == NULL)
        b->reason = xml_verdict_condition(xml);
    if (r->is_too_big || xml == XML_TOO_BIG)
        return BOSH_BODY_TOO_BIG;
    return BOSH_BODY_BAD;
}

enum bosh_verdict bosh_body_read(struct bosh_body *b,
                                 const struct bosh_body_tools *tools,
                                 struct slice bytes)
{
    static const struct xml_handler handler = {.start = bosh_body_on_start,
                                               .end = bosh_body_on_end,
                                               .text = bosh_body_on_text};
    struct reading r = {.body = b, .tools = tools};
    struct xml_limits limits = {
        .bytes_max = bytes.len,
        .depth_max = XML_DEPTH_MAX,
        .attrs_max = XML_ATTRS_MAX,
        .elements_max = (unsigned)(bytes.len / ELEMENT_MIN_BYTES) + 1,
        .name_max_bytes = XML_NAME_MAX_BYTES,
    };
    enum xml_verdict xml;

    if (bosh_body_clear(b) != ERR_OK)
        return BOSH_BODY_NOMEM;
    if (bytes.len == 0) {
        b->reason = "empty body";
        return BOSH_BODY_BAD;
    }
    xml = xml_parse(tools->pool, bytes, &limits, &handler, &r);
    if (xml == XML_OK)
        return BOSH_BODY_OK;
    b->n_elements = 0;
    return bosh_body_verdict_of(&r, xml);
}

/* The same bytes in the copy's own memory. */
static void rebase(struct slice *s, const struct bosh_body *to,
                   const struct bosh_body *from)
{
    if (s->at != NULL)
        s->at = buf_at(&to->values) + (s->at - buf_at(&from->values));
}

enum err bosh_body_copy(struct bosh_body *to, const struct bosh_body *from)
{
    size_t n = from->n_elements;
    char *base = (char *)to;
    size_t i;

    *to = *from;
    buf_init(&to->values, VALUES_MAX_BYTES);
    buf_init(&to->payload, from->payload.len);
    buf_init(&to->ids, from->ids.len);
    to->items = n == 0 ? NULL : malloc(n * sizeof(*to->items));
    to->items_cap = n;
    if ((n > 0 && to->items == NULL) ||
        buf_append_slice(&to->values, buf_slice(&from->values)) != ERR_OK ||
        buf_append_slice(&to->payload, buf_slice(&from->payload)) != ERR_OK ||
        buf_append_slice(&to->ids, buf_slice(&from->ids)) != ERR_OK) {
        bosh_body_free(to);
        return ERR_NOMEM;
    }
    if (n > 0)
        memcpy(to->items, from->items, n * sizeof(*to->items));
    for (i = 0; i < COUNT_OF(text_attrs); i++)
        rebase((struct slice *)(void *)(base + text_attrs[i].offset), to, from);
    rebase(&to->lang, to, from);
    rebase(&to->xmpp_version, to, from);
    return ERR_OK;
}

bool bosh_body_is_poll(const struct bosh_body *b)
{
    return b->n_elements == 0 && !b->is_restart && !b->pause.is_given &&
           b->type == BOSH_TYPE_NONE;
}
