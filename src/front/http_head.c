/* What a head says, once it is parsed. */
#include "http_head.h"

struct slice http_trimmed(struct slice s)
{
    while (s.len > 0 && (s.at[0] == ' ' || s.at[0] == '\t')) {
        s.at++;
        s.len--;
    }
    while (s.len > 0 && (s.at[s.len - 1] == ' ' || s.at[s.len - 1] == '\t'))
        s.len--;
    return s;
}

bool http_name_is_whole(struct slice name, const char *lower_case)
{
    size_t i;

    for (i = 0; i < name.len && lower_case[i] != '\0'; i++) {
        char c = name.at[i];

        if (c >= 'A' && c <= 'Z')
            c = (char)(c + ('a' - 'A'));
        if (c != lower_case[i])
            return false;
    }
    return i == name.len && lower_case[i] == '\0';
}

/* The next header of that name from *i on, which is left behind it; NULL: no
 * more. */
static const struct http_header *next_named(const struct http_head *head,
                                            const char *name, size_t *i)
{
    size_t len = strlen(name);

    while (*i < head->n_headers) {
        const struct http_header *h = &head->headers[(*i)++];

        if (h->name.len == len && http_name_is_whole(h->name, name))
            return h;
    }
    return NULL;
}

struct slice http_header(const struct http_head *head, const char *name,
                         size_t *count)
{
    struct slice found = {NULL, 0};
    const struct http_header *h;
    size_t n = 0;
    size_t i = 0;

    while ((h = next_named(head, name, &i)) != NULL) {
        if (n == 0)
            found = h->value;
        n++;
    }
    if (count != NULL)
        *count = n;
    return found;
}

bool http_list_next(struct slice *list, struct slice *element)
{
    const char *comma;

    if (list->at == NULL)
        return false;
    comma = list->len == 0 ? NULL : memchr(list->at, ',', list->len);
    if (comma == NULL) {
        *element = http_trimmed(*list);
        list->at = NULL;
        return true;
    }
    *element =
        http_trimmed((struct slice){list->at, (size_t)(comma - list->at)});
    list->len -= (size_t)(comma - list->at) + 1;
    list->at = comma + 1;
    return true;
}

bool http_list_has(const struct http_head *head, const char *name,
                   const char *token)
{
    const struct http_header *h;
    size_t i = 0;

    while ((h = next_named(head, name, &i)) != NULL) {
        struct slice list = h->value;
        struct slice element;

        while (http_list_next(&list, &element)) {
            if (http_name_is(element, token))
                return true;
        }
    }
    return false;
}
