#include "base/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define N_NODES 200
#define N_STEPS 60000

static struct wheel wheel;

/* A number of random size: every level of the wheel gets its share. */
static uint64_t random_delay(void)
{
    return ((uint64_t)rand() << 8 ^ (uint64_t)rand()) >> (10 + rand() % 34);
}

struct model {
    struct wheel_node nodes[N_NODES];
    uint64_t due_ms[N_NODES]; /* 0: not set */
    uint64_t now_ms;
    size_t count;
};

static void set(struct model *m, size_t i, uint64_t delay_ms)
{
    if (m->due_ms[i] == 0)
        m->count++;
    wheel_add(&wheel, &m->nodes[i], m->now_ms, delay_ms);
    if (delay_ms > WHEEL_DELAY_MAX_MS)
        delay_ms = WHEEL_DELAY_MAX_MS;
    m->due_ms[i] = m->now_ms + delay_ms;
}

static void clear(struct model *m, size_t i)
{
    wheel_remove(&wheel, &m->nodes[i]);
    if (m->due_ms[i] != 0)
        m->count--;
    m->due_ms[i] = 0;
}

static uint64_t earliest(const struct model *m)
{
    uint64_t due_ms = UINT64_MAX;
    size_t i;

    for (i = 0; i < N_NODES; i++)
        if (m->due_ms[i] != 0 && m->due_ms[i] < due_ms)
            due_ms = m->due_ms[i];
    return due_ms;
}

static void pass(struct model *m, uint64_t ms)
{
    struct wheel_node *node;
    uint64_t before_ms = 0;
    size_t i;

    m->now_ms += ms;
    while ((node = wheel_expire(&wheel, m->now_ms)) != NULL) {
        i = (size_t)(node - m->nodes);
        assert_true(m->due_ms[i] != 0);
        assert_true(m->due_ms[i] <= m->now_ms);
        assert_true(node->due_ms >= before_ms);
        assert_false(wheel_holds(node));
        before_ms = node->due_ms;
        m->due_ms[i] = 0;
        m->count--;
        if (rand() % 4 == 0) /* as a callback would */
            set(m, (size_t)rand() % N_NODES, random_delay());
        if (rand() % 4 == 0)
            clear(m, (size_t)rand() % N_NODES);
    }
    /* Set to be due at once: out by the next millisecond. */
    for (i = 0; i < N_NODES; i++)
        assert_true(m->due_ms[i] == 0 || m->due_ms[i] >= m->now_ms);
}

static void agrees_with_a_naive_model(void **state)
{
    static struct model m;
    unsigned step;

    srand(11);
    m.now_ms = 123456789;
    wheel_init(&wheel, m.now_ms);
    for (step = 0; step < N_STEPS; step++) {
        uint64_t next_ms;
        int dice = rand() % 10;

        if (dice < 5)
            set(&m, (size_t)rand() % N_NODES, random_delay());
        else if (dice < 7)
            clear(&m, (size_t)rand() % N_NODES);
        else
            pass(&m, dice < 9 ? (uint64_t)rand() % 100 : random_delay());

        assert_int_equal(wheel.count, m.count);
        if (!wheel_next(&wheel, &next_ms)) {
            assert_int_equal(m.count, 0);
            continue;
        }
        assert_true(m.count > 0);
        assert_true(next_ms <= earliest(&m) + 1);
    }
}

/* Follows wheel_next, as the loop does: every timer to the millisecond. */
static void following_its_advice_is_exact(void **state)
{
    struct wheel_node node = {0};
    unsigned i;

    srand(12);
    for (i = 0; i < 3000; i++) {
        uint64_t now_ms = random_delay();
        uint64_t delay_ms = 1 + random_delay() % WHEEL_DELAY_MAX_MS;
        uint64_t due_ms = now_ms + delay_ms;
        unsigned calls = 0;

        wheel_init(&wheel, now_ms);
        wheel_add(&wheel, &node, now_ms, delay_ms);
        while (wheel_holds(&node)) {
            uint64_t next_ms;

            assert_true(wheel_next(&wheel, &next_ms));
            assert_true(next_ms > now_ms && next_ms <= due_ms);
            now_ms = next_ms;
            if (wheel_expire(&wheel, now_ms) != NULL)
                assert_int_equal(now_ms, due_ms);
            assert_true(++calls <= WHEEL_LEVELS);
        }
        assert_false(wheel_next(&wheel, &now_ms));
    }
}

static void zero_delay_is_due_in_the_next_millisecond(void **state)
{
    struct wheel_node node = {0};

    wheel_init(&wheel, 1000);
    wheel_add(&wheel, &node, 1000, 0);
    assert_null(wheel_expire(&wheel, 1000));
    assert_ptr_equal(wheel_expire(&wheel, 1001), &node);
    assert_int_equal(wheel.count, 0);
}

static void too_long_is_cut(void **state)
{
    struct wheel_node node = {0};

    wheel_init(&wheel, 5);
    wheel_add(&wheel, &node, 5, UINT64_MAX);
    assert_int_equal(node.due_ms, 5 + WHEEL_DELAY_MAX_MS);
    assert_null(wheel_expire(&wheel, 4 + WHEEL_DELAY_MAX_MS));
    assert_ptr_equal(wheel_expire(&wheel, 5 + WHEEL_DELAY_MAX_MS), &node);
}

static void caller_may_be_far_ahead_of_the_wheel(void **state)
{
    struct wheel_node first = {0};
    struct wheel_node far = {0};
    uint64_t now_ms = 3 * (uint64_t)WHEEL_DELAY_MAX_MS;

    wheel_init(&wheel, 0);
    wheel_add(&wheel, &first, 0, WHEEL_DELAY_MAX_MS);
    wheel_add(&wheel, &far, now_ms, WHEEL_DELAY_MAX_MS);
    assert_ptr_equal(wheel_expire(&wheel, now_ms), &first);
    assert_null(wheel_expire(&wheel, now_ms + WHEEL_DELAY_MAX_MS - 1));
    assert_ptr_equal(wheel_expire(&wheel, now_ms + WHEEL_DELAY_MAX_MS), &far);
}

static void same_millisecond_comes_out_whole(void **state)
{
    static struct wheel_node nodes[50];
    size_t i;

    memset(nodes, 0, sizeof(nodes));
    wheel_init(&wheel, 0);
    for (i = 0; i < COUNT_OF(nodes); i++)
        wheel_add(&wheel, &nodes[i], 0, 4096);
    wheel_remove(&wheel, &nodes[3]);
    wheel_remove(&wheel, &nodes[3]);
    assert_null(wheel_expire(&wheel, 4095));
    for (i = 0; i < COUNT_OF(nodes) - 1; i++)
        assert_non_null(wheel_expire(&wheel, 4096));
    assert_null(wheel_expire(&wheel, 4096));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_a_naive_model),
        cmocka_unit_test(following_its_advice_is_exact),
        cmocka_unit_test(zero_delay_is_due_in_the_next_millisecond),
        cmocka_unit_test(too_long_is_cut),
        cmocka_unit_test(caller_may_be_far_ahead_of_the_wheel),
        cmocka_unit_test(same_millisecond_comes_out_whole),
    };

    return cmocka_run_group_tests_name("wheel", tests, NULL, NULL);
}
