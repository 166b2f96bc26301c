/*
 * http_head.h - what the headers of a request say: single values, and lists.
 */
#ifndef FRONT_HTTP_HEAD_H
#define FRONT_HTTP_HEAD_H

#include "base/base.h"
#include "front/http_parse.h"

/* The value of the only header of that name (case-insensitive); "" with
 * at NULL when there is none; *count, if not NULL, how many there are. */
struct slice http_header(const struct http_head *head, const char *name,
                         size_t *count);
bool http_name_is_whole(struct slice name, const char *lower_case);

/* Length and first letter tell most names apart, and each request asks often;
 * the name that is asked for is a constant. */
static inline bool http_name_is(struct slice name, const char *lower_case)
{
    return name.len == strlen(lower_case) &&
           (name.at[0] | 0x20) == lower_case[0] &&
           http_name_is_whole(name, lower_case);
}

/* Without the white space around it that HTTP allows. */
struct slice http_trimmed(struct slice s);

/* Takes the next element, trimmed, off a comma-separated list, which is a
 * header's value at first; false at its end.  Elements may be empty. */
bool http_list_next(struct slice *list, struct slice *element);

/* True when the comma-separated list (all headers of that name together)
 * holds the token, compared without case. */
bool http_list_has(const struct http_head *head, const char *name,
                   const char *token);

#endif /* FRONT_HTTP_HEAD_H */
