#include "front/forwarded.h"
#include "http_head.h"

#define HOP_BYTES 64 /* "[" an IPv6 address "]:65535" and room */

/* What was found in the hops so far, from left to right. */
struct search {
    const struct forwarded_rules *rules;
    struct addr client;
    struct slice proto; /* of the hop that named it */
    bool is_found;      /* else the next hop is the client */
};

/* An address with or without a port; it is kept without, since the port of
 * a client behind proxies says nothing here. */
static bool read_hop(struct addr *out, struct slice hop)
{
    char text[HOP_BYTES];
    char host[HOP_BYTES];
    uint16_t port;

    if (hop.len == 0 || hop.len >= sizeof(text))
        return false;
    memcpy(text, hop.at, hop.len);
    text[hop.len] = '\0';
    if (addr_split(text, host, sizeof(host), &port, 0) != ERR_OK ||
        addr_parse_ip(out, host, 0) != ERR_OK)
        return false;
    addr_unmap(out);
    return true;
}

static void add_hop(struct search *s, struct slice hop, struct slice proto)
{
    struct addr a;

    if (!read_hop(&a, hop)) {
        s->is_found = false;
        return;
    }
    if (s->is_found &&
        addr_net_list_has(s->rules->trusted, s->rules->n_trusted, &a))
        return;
    s->client = a;
    s->proto = proto;
    s->is_found = true;
}

/* --- X-Forwarded-For ------------------------------------------------------ */

static void add_list(struct search *s, struct slice list)
{
    struct slice hop;

    while (http_list_next(&list, &hop))
        if (hop.len > 0)
            add_hop(s, hop, (struct slice){NULL, 0});
}

static bool says_https(struct slice proto)
{
    return http_name_is(proto, "https") || http_name_is(proto, "wss");
}

/* Each proxy on the way may have added its own word. */
static bool read_x_proto(const struct http_head *head, bool is_tls)
{
    bool is_said = false;

    for (size_t i = 0; i < head->n_headers; i++) {
        struct slice list = head->headers[i].value;
        struct slice word;

        if (!http_name_is(head->headers[i].name, "x-forwarded-proto"))
            continue;
        while (http_list_next(&list, &word)) {
            if (!says_https(word))
                return false;
            is_said = true;
        }
    }
    return is_said || is_tls;
}

/* --- Forwarded ------------------------------------------------------------ */

static bool is_token(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static struct slice take_token(struct slice *rest)
{
    struct slice token = {rest->at, 0};

    while (token.len < rest->len && is_token(rest->at[token.len]))
        token.len++;
    *rest = (struct slice){rest->at + token.len, rest->len - token.len};
    return token;
}

/* What is between the quotes.  No address needs a backslash: a value that has
 * one stays as it is and is none.  False: the quotes do not end. */
static bool take_quoted(struct slice *rest, struct slice *out)
{
    size_t i = 1;

    while (i < rest->len && rest->at[i] != '"')
        i += rest->at[i] == '\\' ? 2 : 1;
    if (i >= rest->len)
        return false;
    *out = (struct slice){rest->at + 1, i - 1};
    *rest = (struct slice){rest->at + i + 1, rest->len - i - 1};
    return true;
}

static bool take_pair(struct slice *rest, struct slice *name,
                      struct slice *value)
{
    *name = take_token(rest);
    if (name->len == 0 || rest->len == 0 || rest->at[0] != '=')
        return false;
    *rest = (struct slice){rest->at + 1, rest->len - 1};
    if (rest->len > 0 && rest->at[0] == '"')
        return take_quoted(rest, value);
    *value = take_token(rest);
    return value->len > 0;
}

/* One element: pairs with ';' between them.  False: malformed. */
static bool forwarded_take_element(struct slice *rest, struct slice *hop,
                                   struct slice *proto)
{
    *hop = *proto = (struct slice){NULL, 0};
    for (;;) {
        struct slice name, value;

        *rest = http_trimmed(*rest);
        if (rest->len == 0 || rest->at[0] == ',')
            return true;
        if (rest->at[0] == ';') {
            *rest = (struct slice){rest->at + 1, rest->len - 1};
            continue;
        }
        if (!take_pair(rest, &name, &value))
            return false;
        if (http_name_is(name, "for"))
            *hop = value;
        else if (http_name_is(name, "proto"))
            *proto = value;
        *rest = http_trimmed(*rest);
        if (rest->len > 0 && rest->at[0] != ';' && rest->at[0] != ',')
            return false;
    }
}

static bool add_elements(struct search *s, struct slice list)
{
    for (;;) {
        struct slice hop, proto;
        const char *at = http_trimmed(list).at;

        if (!forwarded_take_element(&list, &hop, &proto))
            return false;
        if (list.at != at) /* else an empty element, which is allowed */
            add_hop(s, hop, proto);
        if (list.len == 0)
            return true;
        list = (struct slice){list.at + 1, list.len - 1}; /* the comma */
    }
}

/* --- Both ----------------------------------------------------------------- */

static bool search_hops(struct search *s, const struct http_head *head)
{
    bool is_x = s->rules->header == FORWARDED_X;

    for (size_t i = 0; i < head->n_headers; i++) {
        const struct http_header *h = &head->headers[i];

        if (!http_name_is(h->name, is_x ? "x-forwarded-for" : "forwarded"))
            continue;
        if (is_x)
            add_list(s, h->value);
        else if (!add_elements(s, h->value))
            return false;
    }
    return s->is_found;
}

void forwarded_read(struct forwarded *out, const struct forwarded_rules *rules,
                    const struct http_head *head, const struct addr *peer,
                    bool is_tls)
{
    struct search s = {.rules = rules};

    out->client = *peer;
    out->is_tls = is_tls;
    if (rules->header == FORWARDED_NONE || rules->n_trusted == 0 ||
        !addr_net_list_has(rules->trusted, rules->n_trusted, peer))
        return;
    if (rules->header == FORWARDED_X)
        out->is_tls = read_x_proto(head, is_tls);
    if (!search_hops(&s, head))
        return;
    out->client = s.client;
    if (s.proto.len > 0)
        out->is_tls = says_https(s.proto);
}
