/*
 * The key of a table is its own: whoever could tell which names share a slot
 * would make all of them share one (L14: hash flooding).
 */
#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define NAMES 64

struct seen {
    size_t count;
    char order[NAMES];
};

static void look(struct table_node *node, void *arg)
{
    struct seen *seen = arg;

    assert_true(seen->count < NAMES);
    seen->order[seen->count++] = node->key.at[0];
}

/* The order in which a table gives its nodes back shows their hashes. */
static void read_order(struct seen *seen)
{
    static char names[NAMES];
    struct table_node nodes[NAMES];
    struct table *t;
    size_t i;

    memset(nodes, 0, sizeof(nodes));
    memset(seen, 0, sizeof(*seen));
    assert_int_equal(table_new(&t, NAMES), ERR_OK);
    for (i = 0; i < NAMES; i++) {
        names[i] = (char)('!' + i);
        assert_int_equal(
            table_insert(t, &nodes[i], (struct slice){&names[i], 1}), ERR_OK);
    }
    table_each(t, look, seen);
    assert_int_equal(seen->count, NAMES);
    table_free(t);
}

static void tables_do_not_share_their_key(void **state)
{
    struct seen first;
    struct seen second;

    read_order(&first);
    read_order(&second);
    assert_memory_not_equal(first.order, second.order, NAMES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tables_do_not_share_their_key),
    };

    return cmocka_run_group_tests_name("table_seed", tests, NULL, NULL);
}
