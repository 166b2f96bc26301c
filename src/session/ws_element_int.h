/*
 * ws_element_int.h - one reader for the messages of RFC 7395 and those from
 * before it: for ws_element.c and ws_legacy.c only.
 */
#ifndef SESSION_WS_ELEMENT_INT_H
#define SESSION_WS_ELEMENT_INT_H

#include "ws_element.h"

enum ws_form {
    WS_FORM_MESSAGE, /* the root is the element */
    WS_FORM_HEADER,  /* the root is a stream header */
    WS_FORM_WRAPPED, /* the root is a stream header of ours, the element is
                        its only child */
};

struct ws_document {
    enum ws_form form;
    struct slice bytes; /* well-formed as a whole, if the client's are */
    size_t max_bytes;
};

/* Forgets what the frame held. */
void ws_element_clear(struct ws_element *f);

/* Answers WS_ELEMENT_WRONG. */
enum ws_element_verdict ws_element_wrong(struct ws_element *f,
                                         const char *condition);

/* What stands before the first character: WS_ELEMENT_ELEMENT, when there is
 * something to be read. */
enum ws_element_verdict ws_element_check(struct ws_element *f,
                                         struct slice message,
                                         size_t max_bytes);

enum ws_element_verdict ws_element_parse(struct ws_element *f,
                                         struct xml_pool *pool,
                                         struct element_copier *copier,
                                         const struct ws_document *document);

/* begin, the attributes, end. */
MUST_CHECK enum err ws_write_opening(struct buf *to, const char *begin,
                                     const struct ws_opening *o,
                                     const char *end);

#endif /* SESSION_WS_ELEMENT_INT_H */
