#include "base/table.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_MANY 100000
#define N_FEW  600 /* all are looked for at each step; the seed is random */

struct item {
    struct table_node node;
    char key[16];
    unsigned seen;
};

static struct item *item_of(struct table_node *node)
{
    return CONTAINER_OF(node, struct item, node);
}

static void see(struct table_node *node, void *arg)
{
    item_of(node)->seen++;
    ++*(size_t *)arg;
}

static void see_and_remove(struct table_node *node, void *arg)
{
    table_remove(arg, node);
}

static void put(struct table *t, struct item *item)
{
    assert_int_equal(table_insert(t, &item->node, slice_of(item->key)), ERR_OK);
}

static void look_for(const struct table *t, const struct item *items,
                     size_t from, size_t to)
{
    for (size_t i = from; i <= to; i++)
        assert_ptr_equal(table_find(t, slice_of(items[i].key)), &items[i].node);
}

static void many_nodes_are_found_while_it_grows(void **state)
{
    struct item *items = calloc(N_MANY, sizeof(*items));
    struct table *t;
    size_t seen = 0;
    size_t i;

    assert_int_equal(table_new(&t, N_MANY), ERR_OK);
    for (i = 0; i < N_MANY; i++) {
        snprintf(items[i].key, sizeof(items[i].key), "sid-%zu", i);
        put(t, &items[i]);
        look_for(t, items, i < N_FEW ? 0 : i / 2, i < N_FEW ? i : i / 2);
        if (i % 9973 == 0) {
            size_t so_far = 0;

            table_each(t, see, &so_far);
            assert_int_equal(so_far, i + 1);
        }
    }
    for (i = 0; i < N_MANY; i++) {
        assert_ptr_equal(table_find(t, slice_of(items[i].key)), &items[i].node);
        items[i].seen = 0;
    }
    table_each(t, see, &seen);
    assert_int_equal(seen, N_MANY);
    for (i = 0; i < N_MANY; i++)
        assert_int_equal(items[i].seen, 1);

    for (i = 0; i < N_MANY; i += 2)
        table_remove(t, &items[i].node);
    assert_int_equal(table_count(t), N_MANY / 2);
    for (i = 0; i < N_MANY; i++)
        assert_int_equal(table_find(t, slice_of(items[i].key)) != NULL, i % 2);
    table_free(t);
    free(items);
}

/* Removes in the midst of growing, from both arrays. */
static void each_may_remove_what_it_sees(void **state)
{
    struct item items[40];
    struct table *t;
    size_t i;

    assert_int_equal(table_new(&t, 100), ERR_OK);
    memset(items, 0, sizeof(items));
    for (i = 0; i < 18; i++) {
        snprintf(items[i].key, sizeof(items[i].key), "%zu", i);
        put(t, &items[i]);
    }
    table_each(t, see_and_remove, t);
    assert_int_equal(table_count(t), 0);
    for (i = 0; i < 18; i++)
        assert_null(table_find(t, slice_of(items[i].key)));
    for (i = 0; i < 40; i++) {
        snprintf(items[i].key, sizeof(items[i].key), "%zu", i);
        put(t, &items[i]);
    }
    assert_int_equal(table_count(t), 40);
    table_free(t);
}

static void refuses_twins_and_too_many(void **state)
{
    struct item a = {.key = "a"};
    struct item twin = {.key = "a"};
    struct item b = {.key = "b"};
    struct item c = {.key = ""};
    struct table *t;

    assert_int_equal(table_new(&t, 2), ERR_OK);
    put(t, &a);
    assert_int_equal(table_insert(t, &twin.node, slice_of(twin.key)),
                     ERR_INVALID);
    assert_false(twin.node.is_in);
    table_remove(t, &twin.node); /* idle */
    put(t, &b);
    assert_int_equal(table_insert(t, &c.node, slice_of(c.key)), ERR_LIMIT);
    table_remove(t, &a.node);
    table_remove(t, &a.node);
    assert_int_equal(table_count(t), 1);
    put(t, &c); /* the empty key is a key */
    assert_ptr_equal(table_find(t, slice_of("")), &c.node);
    table_free(t);
    table_free(NULL);
}

static void siphash_matches_the_papers_vector(void **state)
{
    /* From the reference vectors of SipHash-2-4, inputs 00 01 02 …. */
    static const struct {
        size_t len;
        uint64_t hash;
    } vectors[] = {
        {0, UINT64_C(0x726fdb47dd0e0e31)},  {1, UINT64_C(0x74f839c593dc67fd)},
        {7, UINT64_C(0xab0200f58b01d137)},  {8, UINT64_C(0x93f5f5799a932462)},
        {15, UINT64_C(0xa129ca6149be45e5)}, {63, UINT64_C(0x958a324ceb064572)},
    };
    unsigned char key[16];
    char bytes[64];
    size_t i;

    for (i = 0; i < sizeof(bytes); i++)
        bytes[i] = (char)i;
    for (i = 0; i < sizeof(key); i++)
        key[i] = (unsigned char)i;
    for (i = 0; i < COUNT_OF(vectors); i++)
        assert_true(siphash(key, (struct slice){bytes, vectors[i].len}) ==
                    vectors[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_nodes_are_found_while_it_grows),
        cmocka_unit_test(each_may_remove_what_it_sees),
        cmocka_unit_test(refuses_twins_and_too_many),
        cmocka_unit_test(siphash_matches_the_papers_vector),
    };

    return cmocka_run_group_tests_name("table", tests, NULL, NULL);
}
