#include "dns/resolve_srv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ROUNDS 20000

/* A generator that always starts at the same seed (xorshift64*), so that the
 * draw is judged and not the day's luck. */
static uint64_t state64;

static uint64_t seeded_below(uint64_t below)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % below;
    uint64_t drawn;

    do {
        state64 ^= state64 >> 12;
        state64 ^= state64 << 25;
        state64 ^= state64 >> 27;
        drawn = state64 * UINT64_C(2685821657736338717);
    } while (drawn >= limit);
    return drawn % below;
}

/* How often target `which` comes at place `place`. */
static unsigned count(const unsigned *weights, size_t n, size_t which,
                      size_t place)
{
    unsigned times = 0;

    for (unsigned round = 0; round < ROUNDS; round++) {
        struct resolve_target t[4];

        memset(t, 0, sizeof(t));
        for (size_t i = 0; i < n; i++) {
            t[i].port = (uint16_t)(i + 1);
            t[i].weight = (uint16_t)weights[i];
        }
        resolve_srv_order(t, n, seeded_below);
        times += t[place].port == which + 1;
    }
    return times;
}

/* Within five standard deviations, on each of three seeds. */
static void assert_share(const unsigned *weights, size_t n, size_t which,
                         size_t place, double share)
{
    double variance = ROUNDS * share * (1 - share);

    for (uint64_t seed = 1; seed <= 3; seed++) {
        double off;

        state64 = seed * UINT64_C(0x9e3779b97f4a7c15);
        off = count(weights, n, which, place) - ROUNDS * share;
        assert_true(off * off <= 25 * variance + 1);
    }
}

#define SHARE(which, place, share, ...)                                        \
    assert_share((const unsigned[]){__VA_ARGS__},                              \
                 COUNT_OF(((const unsigned[]){__VA_ARGS__})), which, place,    \
                 share)

/* K02, T34: the sum itself can be drawn, so that of weights 0 and 1 each is
 * first every other time: 0 for a draw of 0, 1 for a draw of 1. */
static void the_draw_includes_the_sum(void **state)
{
    SHARE(0, 0, 0.5, 0, 1);
    SHARE(0, 0, 1.0 / 101, 0, 100);
    SHARE(1, 0, 65535.0 / 65536, 0, 65535);
}

/* K02: without zeros the first of the list has one number more, and who is
 * first of the list is chance: (w/(sum+1) + 1/(n*(sum+1))). */
static void weights_decide_by_chance(void **state)
{
    SHARE(1, 0, 30.5 / 41, 10, 30);
    SHARE(0, 0, 10.5 / 41, 10, 30);
    SHARE(2, 0, (60 + 1.0 / 3) / 101, 10, 30, 60);
    SHARE(3, 0, 0.25, 7, 7, 7, 7);
}

/* K02: a new draw for each place, among those that are left. */
static void the_draw_is_repeated_for_each_place(void **state)
{
    /* 0 is second when 1 or 2 was first, and then drawn: a wrong order by
     * weight alone would make it second never. */
    double first1 = (30 + 1.0 / 3) / 101;
    double first2 = (60 + 1.0 / 3) / 101;

    SHARE(0, 1, first1 * 10.5 / 71 + first2 * 10.5 / 41, 10, 30, 60);
    SHARE(0, 2, first1 * 60.5 / 71 + first2 * 30.5 / 41, 10, 30, 60);
}

/* K03 */
static void zero_weights_are_shuffled(void **state)
{
    for (size_t which = 0; which < 4; which++)
        for (size_t place = 0; place < 4; place++)
            SHARE(which, place, 0.25, 0, 0, 0, 0);
}

/* K02 */
static void a_lower_priority_comes_first_whatever_the_weight(void **state)
{
    for (unsigned round = 0; round < 50; round++) {
        struct resolve_target t[3];

        memset(t, 0, sizeof(t));
        t[0].priority = 65535;
        t[0].weight = 65535;
        t[1].priority = 10;
        t[2].priority = 9;
        resolve_srv_order(t, 3, seeded_below);
        assert_int_equal(t[0].priority, 9);
        assert_int_equal(t[1].priority, 10);
        assert_int_equal(t[2].priority, 65535);
    }
    resolve_srv_order(NULL, 0, seeded_below);
}

/* K04-K08: all sixteen. */
static void both_answers_make_one_verdict(void **state)
{
    enum {
        OK = RESOLVE_OK,
        NO = RESOLVE_NONE,
        AB = RESOLVE_ABSENT,
        FA = RESOLVE_FAILED
    };
    static const struct {
        int client, direct, both;
    } rows[] = {
        {OK, OK, OK}, {OK, NO, OK}, {OK, AB, OK}, {OK, FA, OK},
        {NO, OK, OK}, {NO, NO, NO}, {NO, AB, AB}, {NO, FA, FA},
        {AB, OK, OK}, {AB, NO, AB}, {AB, AB, AB}, {AB, FA, AB},
        {FA, OK, OK}, {FA, NO, FA}, {FA, AB, AB}, {FA, FA, FA},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++)
        assert_int_equal(resolve_srv_judge((enum resolve_status)rows[i].client,
                                           (enum resolve_status)rows[i].direct),
                         rows[i].both);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_draw_includes_the_sum),
        cmocka_unit_test(weights_decide_by_chance),
        cmocka_unit_test(the_draw_is_repeated_for_each_place),
        cmocka_unit_test(zero_weights_are_shuffled),
        cmocka_unit_test(a_lower_priority_comes_first_whatever_the_weight),
        cmocka_unit_test(both_answers_make_one_verdict),
    };

    state64 = 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
