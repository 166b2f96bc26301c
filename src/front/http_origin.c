#include "http_conn.h"

const char *http_origin_find(const struct http_origins *origins,
                             const struct http_head *head)
{
    size_t count;
    struct slice origin = http_header(head, "origin", &count);

    if (count != 1)
        return NULL;
    /* Whole and exact: "https://good.evil" is not "https://good" (I42). */
    for (size_t i = 0; i < origins->n; i++) {
        if (http_name_is(origin, origins->list[i]))
            return origins->list[i];
    }
    return NULL;
}

bool http_origin_is_allowed(const struct http_origins *origins,
                            const struct http_head *head)
{
    size_t count;

    if (origins->any || origins->n == 0)
        return true;
    http_header(head, "origin", &count);
    return count == 0 || http_origin_find(origins, head) != NULL;
}
