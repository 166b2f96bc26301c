/* base/list.h: nodes that are embedded in what a list holds. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct item {
    int number;
    struct list_node node;
};

static int number_of(struct list_node *n)
{
    return CONTAINER_OF(n, struct item, node)->number;
}

static void assert_order(const struct list *l, const int *numbers, size_t n)
{
    size_t i = 0;

    LIST_EACH(node, l)
    {
        assert_true(i < n);
        assert_int_equal(number_of(node), numbers[i]);
        i++;
    }
    assert_int_equal(i, n);
}

static void nodes_keep_their_order(void **state)
{
    struct item items[] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct list l;

    list_init(&l);
    assert_true(list_is_empty(&l));
    list_append(&l, &items[1].node);
    list_append(&l, &items[2].node);
    list_prepend(&l, &items[0].node);
    assert_false(list_is_empty(&l));
    assert_order(&l, (const int[]){0, 1, 2}, 3);
    assert_ptr_equal(list_next(&l, &items[0].node), &items[1].node);
    assert_null(list_next(&l, &items[2].node));

    list_remove(&items[1].node);
    assert_order(&l, (const int[]){0, 2}, 2);
    list_insert_before(&items[2].node, &items[1].node);
    assert_order(&l, (const int[]){0, 1, 2}, 3);
}

static void a_node_may_be_removed_twice_and_used_again(void **state)
{
    struct item item = {.number = 7};
    struct list l;

    list_init(&l);
    list_remove(&item.node); /* in no list */
    list_append(&l, &item.node);
    assert_true(list_holds(&item.node));
    list_remove(&item.node);
    list_remove(&item.node);
    assert_false(list_holds(&item.node));
    assert_true(list_is_empty(&l));
    list_append(&l, &item.node);
    assert_order(&l, (const int[]){7}, 1);
}

static void a_visit_may_remove_what_it_visits(void **state)
{
    struct item items[] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct list l;

    list_init(&l);
    for (size_t i = 0; i < COUNT_OF(items); i++)
        list_append(&l, &items[i].node);
    LIST_EACH(node, &l)
    {
        if (number_of(node) != 1)
            list_remove(node);
    }
    assert_order(&l, (const int[]){1}, 1);
}

static void nodes_are_taken_from_the_front(void **state)
{
    struct item items[] = {{.number = 0}, {.number = 1}};
    struct list l;

    list_init(&l);
    assert_null(list_pop(&l));
    list_append(&l, &items[0].node);
    list_append(&l, &items[1].node);
    assert_ptr_equal(list_first(&l), &items[0].node);
    assert_ptr_equal(list_pop(&l), &items[0].node);
    assert_ptr_equal(list_pop(&l), &items[1].node);
    assert_null(list_pop(&l));
}

static void one_list_goes_behind_another(void **state)
{
    struct item items[] = {{.number = 0}, {.number = 1}, {.number = 2}};
    struct list to;
    struct list from;

    list_init(&to);
    list_init(&from);
    list_move_all(&to, &from);
    assert_true(list_is_empty(&to));
    list_append(&from, &items[0].node);
    list_move_all(&to, &from);
    assert_true(list_is_empty(&from));
    list_append(&from, &items[1].node);
    list_append(&from, &items[2].node);
    list_move_all(&to, &from);
    assert_true(list_is_empty(&from));
    assert_order(&to, (const int[]){0, 1, 2}, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_keep_their_order),
        cmocka_unit_test(a_node_may_be_removed_twice_and_used_again),
        cmocka_unit_test(a_visit_may_remove_what_it_visits),
        cmocka_unit_test(nodes_are_taken_from_the_front),
        cmocka_unit_test(one_list_goes_behind_another),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
