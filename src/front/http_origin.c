#include "base/ascii.h"
#include "http_conn.h"
#include "http_head.h"

static bool http_origin_has_prefix(struct slice s, struct slice prefix)
{
    return s.len >= prefix.len &&
           ascii_equal((struct slice){s.at, prefix.len}, prefix);
}

static bool has_suffix(struct slice s, struct slice suffix)
{
    return s.len >= suffix.len &&
           ascii_equal((struct slice){s.at + s.len - suffix.len, suffix.len},
                       suffix);
}

/* One or more labels of a host name, without the dot behind them. */
static bool is_labels(struct slice s)
{
    char last = '.';

    for (size_t i = 0; i < s.len; i++) {
        if (!ascii_is_alnum(s.at[i]) && s.at[i] != '-' && s.at[i] != '_' &&
            (s.at[i] != '.' || last == '.'))
            return false;
        last = s.at[i];
    }
    return last != '.';
}

/* entry: a site whose host is *.example.org; star points to the asterisk. */
static bool is_below(struct slice origin, const char *entry, const char *star)
{
    struct slice scheme = {entry, (size_t)(star - entry)};
    struct slice host = slice_of(star + 1); /* with the dot before it */
    struct slice labels;

    if (origin.len > HTTP_ORIGIN_MAX_BYTES ||
        !http_origin_has_prefix(origin, scheme))
        return false;
    origin.at += scheme.len;
    origin.len -= scheme.len;
    if (!has_suffix(origin, host))
        return false;
    labels = (struct slice){origin.at, origin.len - host.len};
    return is_labels(labels);
}

const char *http_origin_find(const struct http_origins *origins,
                             const struct http_head *head, struct slice *below)
{
    size_t count;
    struct slice origin = http_header(head, "origin", &count);

    *below = (struct slice){NULL, 0};
    if (count != 1)
        return NULL;
    /* Whole and exact: "https://good.evil" is not "https://good" (I42). */
    for (size_t i = 0; i < origins->n; i++) {
        const char *entry = origins->list[i];
        const char *star = strchr(entry, '*');

        if (star == NULL && http_name_is(origin, entry))
            return entry;
        if (star != NULL && is_below(origin, entry, star)) {
            *below = origin;
            return entry;
        }
    }
    return NULL;
}

bool http_origin_is_allowed(const struct http_origins *origins,
                            const struct http_head *head)
{
    struct slice below;
    size_t count;

    if (origins->any)
        return true;
    http_header(head, "origin", &count);
    return count == 0 || http_origin_find(origins, head, &below) != NULL;
}
