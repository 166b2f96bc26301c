#include "resolve_wire.h"

#include <arpa/nameser.h>
#include <strings.h>

#define HEAD_BYTES   12
#define RR_BYTES     10  /* type, class, TTL and length of a record */
#define RRS_MAX      256 /* looked at in one section */
#define NAME_BYTES   255 /* of a name on the wire */
#define LABEL_BYTES  63
#define IS_REPLY     0x8000u
#define OPCODE       0x7800u
#define IS_TRUNCATED 0x0200u
#define RCODE        0x000fu

/* Stands for every byte that no host name has, so that a name with one
 * equals none that we ask for. */
#define STRANGE '!'

struct wire {
    const unsigned char *at;
    size_t len;
    size_t pos;
};

/* One record; data_at and data_len lie inside the message. */
struct rr {
    char owner[RESOLVE_NAME_CAP];
    unsigned type;
    unsigned class;
    uint32_t ttl_s;
    size_t data_at;
    size_t data_len;
};

static unsigned get16(const struct wire *w, size_t at)
{
    return (unsigned)w->at[at] << 8 | w->at[at + 1];
}

static uint32_t get32(const struct wire *w, size_t at)
{
    return (uint32_t)get16(w, at) << 16 | get16(w, at + 2);
}

static char host_char(unsigned char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' ||
        c == '_')
        return (char)c;
    return STRANGE;
}

/* Adds a label to the n characters of out; false when the name is longer
 * than names are. */
static bool add_label(char *out, size_t *n, const unsigned char *at, size_t len)
{
    /* On the wire: a length for each label, and the root. */
    if (*n + (*n > 0) + len + 2 > NAME_BYTES)
        return false;
    if (*n > 0)
        out[(*n)++] = '.';
    for (size_t i = 0; i < len; i++)
        out[(*n)++] = host_char(at[i]);
    return true;
}

/*
 * A name at w->pos, which moves behind it.  A pointer must go back behind
 * where this name began or was continued, so that none is met twice.
 */
static bool resolve_wire_read_name(struct wire *w, char *out)
{
    size_t pos = w->pos;
    size_t before = pos;
    size_t end = 0; /* behind the first pointer */
    size_t n = 0;

    while (pos < w->len) {
        size_t len = w->at[pos];

        if (len == 0) {
            out[n] = '\0';
            w->pos = end > 0 ? end : pos + 1;
            return true;
        }
        if (len <= LABEL_BYTES) {
            if (len > w->len - pos - 1 ||
                !add_label(out, &n, w->at + pos + 1, len))
                return false;
            pos += 1 + len;
            continue;
        }
        if (len < 0xc0 || w->len - pos < 2)
            return false;
        if (end == 0)
            end = pos + 2;
        pos = get16(w, pos) & 0x3fff;
        if (pos < HEAD_BYTES || pos >= before)
            return false;
        before = pos;
    }
    return false;
}

static bool read_rr(struct wire *w, struct rr *rr)
{
    if (!resolve_wire_read_name(w, rr->owner) || w->len - w->pos < RR_BYTES)
        return false;
    rr->type = get16(w, w->pos);
    rr->class = get16(w, w->pos + 2);
    rr->ttl_s = get32(w, w->pos + 4);
    if (rr->ttl_s > INT32_MAX) /* RFC 2181 section 8 */
        rr->ttl_s = 0;
    rr->data_len = get16(w, w->pos + 8);
    rr->data_at = w->pos + RR_BYTES;
    if (rr->data_len > w->len - rr->data_at)
        return false;
    w->pos = rr->data_at + rr->data_len;
    return true;
}

/* A name in the data of a record, behind `skip` other bytes, up to the end
 * of the data less `tail`. */
static bool read_data_name(const struct wire *w, const struct rr *rr,
                           size_t skip, size_t tail, char *out)
{
    struct wire data = *w;

    if (rr->data_len < skip + tail)
        return false;
    data.pos = rr->data_at + skip;
    return resolve_wire_read_name(&data, out) &&
           data.pos == rr->data_at + rr->data_len - tail;
}

static bool read_record(const struct wire *w, const struct rr *rr,
                        struct wire_record *out)
{
    size_t ip_len = rr->type == ns_t_aaaa ? 16 : 4;

    memset(out, 0, sizeof(*out));
    if (rr->type != ns_t_srv) {
        if (rr->data_len != ip_len)
            return false;
        memcpy(out->ip, w->at + rr->data_at, ip_len);
        return true;
    }
    if (rr->data_len < 7)
        return false;
    out->priority = (uint16_t)get16(w, rr->data_at);
    out->weight = (uint16_t)get16(w, rr->data_at + 2);
    out->port = (uint16_t)get16(w, rr->data_at + 4);
    return read_data_name(w, rr, 6, 0, out->host);
}

static void shorten(struct wire_reply *out, uint32_t ttl_s)
{
    if (ttl_s < out->ttl_s)
        out->ttl_s = ttl_s;
}

/*
 * One pass over the answers for the records of `name`: they are kept, or, if
 * there is none, its CNAME is put into alias ("" when there is none either).
 * from moves behind the section.
 */
static bool read_answers(struct wire *from, size_t n_rrs, const char *name,
                         unsigned type, struct wire_reply *out, char *alias)
{
    uint32_t alias_ttl_s = 0;
    struct rr rr;

    alias[0] = '\0';
    for (size_t i = 0; i < n_rrs; i++) {
        if (!read_rr(from, &rr))
            return false;
        if (rr.class != ns_c_in || strcasecmp(rr.owner, name) != 0)
            continue;
        if (rr.type == ns_t_cname && alias[0] == '\0') {
            if (!read_data_name(from, &rr, 0, 0, alias))
                return false;
            alias_ttl_s = rr.ttl_s;
        }
        if (rr.type != type || out->n == RESOLVE_RECORDS_MAX)
            continue;
        if (!read_record(from, &rr, &out->records[out->n]))
            return false;
        out->n++;
        shorten(out, rr.ttl_s);
    }
    if (out->n == 0 && alias[0] != '\0')
        shorten(out, alias_ttl_s);
    return true;
}

/* True when name is zone or below it. */
static bool is_within(const char *name, const char *zone)
{
    size_t len = strlen(name);
    size_t zone_len = strlen(zone);

    if (zone_len == 0)
        return true;
    if (zone_len > len || strcasecmp(name + len - zone_len, zone) != 0)
        return false;
    return zone_len == len || name[len - zone_len - 1] == '.';
}

/* There is no record.  How long that holds says the SOA of the zone (RFC
 * 2308 section 5); false: it is no statement about the name but a referral
 * (section 2.2). */
static bool read_absence(struct wire *w, size_t n_rrs, const char *name,
                         struct wire_reply *out)
{
    bool has_ns = false;
    struct rr rr;

    for (size_t i = 0; i < n_rrs; i++) {
        if (!read_rr(w, &rr))
            return false;
        has_ns |= rr.type == ns_t_ns;
        if (rr.type != ns_t_soa || rr.class != ns_c_in ||
            !is_within(name, rr.owner) || rr.data_len < 22)
            continue;
        out->has_soa = true;
        shorten(out, rr.ttl_s);
        shorten(out, get32(w, rr.data_at + rr.data_len - 4));
    }
    return out->has_soa || out->is_missing || !has_ns;
}

/* The question is ours, word by word. */
static bool read_question(struct wire *w, const char *name, unsigned type)
{
    char asked[RESOLVE_NAME_CAP];

    if (get16(w, 4) != 1 || !resolve_wire_read_name(w, asked) ||
        w->len - w->pos < 4)
        return false;
    w->pos += 4;
    return strcasecmp(asked, name) == 0 && get16(w, w->pos - 4) == type &&
           get16(w, w->pos - 2) == ns_c_in;
}

static size_t resolve_wire_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

enum err resolve_wire_read(struct wire_reply *out, struct slice bytes,
                           const char *name, int type)
{
    struct wire w = {(const unsigned char *)bytes.at, bytes.len, HEAD_BYTES};
    char current[RESOLVE_NAME_CAP];
    char next[RESOLVE_NAME_CAP];
    struct wire answers;
    unsigned flags;

    memset(out, 0, sizeof(*out));
    out->ttl_s = INT32_MAX;
    if (bytes.len < HEAD_BYTES || strlen(name) >= sizeof(current))
        return ERR_INVALID;
    flags = get16(&w, 2);
    if ((flags & IS_REPLY) == 0 || (flags & (OPCODE | IS_TRUNCATED)) != 0)
        return ERR_INVALID;
    out->is_missing = (flags & RCODE) == ns_r_nxdomain;
    if ((flags & RCODE) != ns_r_noerror && !out->is_missing)
        return ERR_INVALID;
    if (!read_question(&w, name, (unsigned)type))
        return ERR_INVALID;

    memcpy(current, name, strlen(name) + 1);
    answers = w;
    while (true) {
        w = answers;
        if (!read_answers(&w, resolve_wire_least(get16(&w, 6), RRS_MAX),
                          current, (unsigned)type, out, next))
            return ERR_INVALID;
        if (out->n > 0)
            return ERR_OK;
        if (next[0] == '\0')
            break;
        if (++out->n_aliases > RESOLVE_ALIASES_MAX ||
            !resolve_wire_is_host(next))
            return ERR_INVALID;
        memcpy(current, next, sizeof(current));
    }

    if (out->n_aliases > 0)
        memcpy(out->alias, current, sizeof(out->alias));
    if (get16(&w, 6) > RRS_MAX)
        return ERR_INVALID; /* a crowd, and nothing of it is for us */
    return read_absence(&w, resolve_wire_least(get16(&w, 8), RRS_MAX), current,
                        out)
               ? ERR_OK
               : ERR_INVALID;
}

bool resolve_wire_is_host(const char *name)
{
    size_t len = strlen(name);
    size_t label = 0;

    if (len == 0 || len > 253)
        return false;
    for (size_t i = 0; i <= len; i++) {
        char c = name[i];

        if (c == '.' || c == '\0') {
            if (label == 0 || label > LABEL_BYTES)
                return false;
            label = 0;
            continue;
        }
        if (host_char((unsigned char)c) != c || c == STRANGE)
            return false;
        label++;
    }
    return true;
}
