/*
 * ws_element_world.h - a message of a client, read by one of the two framings,
 * and what is asserted of it.  Who includes it defines FRAMING_READ: the
 * struct ws_framing that is tested.
 *
 * To be included by one file of a program.
 */
#ifndef TESTS_WS_ELEMENT_WORLD_H
#define TESTS_WS_ELEMENT_WORLD_H

#include "session/ws_element.h"

#include "xmpp/xml_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define LIMIT 4096 /* bytes of a message */

struct kit {
    struct xml_pool *pool;
    struct element_copier *copier;
    struct ws_element frame; /* of the message that was read last */
};

static inline int set_up(void **state)
{
    struct kit *kit = calloc(1, sizeof(*kit));

    assert_non_null(kit);
    assert_int_equal(xml_pool_new(&kit->pool, 2), ERR_OK);
    assert_int_equal(element_copier_new(&kit->copier), ERR_OK);
    ws_element_init(&kit->frame, LIMIT);
    *state = kit;
    return 0;
}

static inline int tear_down(void **state)
{
    struct kit *kit = *state;

    ws_element_free(&kit->frame);
    element_copier_free(kit->copier);
    xml_pool_free(kit->pool);
    free(kit);
    return 0;
}

static inline enum ws_element_verdict read_slice(void **state,
                                                 struct slice message)
{
    struct kit *kit = *state;

    return FRAMING_READ.read(&kit->frame, kit->pool, kit->copier, message,
                             LIMIT);
}

static inline enum ws_element_verdict read_text(void **state, const char *text)
{
    return read_slice(state, slice_of(text));
}

static inline void assert_slice(struct slice s, const char *text)
{
    if (!slice_is(s, text))
        fail_msg("\"%.*s\" is not \"%s\"", (int)s.len, s.at, text);
}

static inline void assert_wrong(void **state, const char *text,
                                const char *condition)
{
    struct kit *kit = *state;

    if (read_text(state, text) != WS_ELEMENT_WRONG)
        fail_msg("%s: was accepted", text);
    if (strcmp(kit->frame.condition, condition) != 0)
        fail_msg("%s: %s, not %s", text, kit->frame.condition, condition);
}

#endif /* TESTS_WS_ELEMENT_WORLD_H */
