/* decision 19: the mailbox through which workers reach each other. */
#include "base/mailbox.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define POSTERS 4
#define LETTERS 5000

struct poster {
    struct mailbox *box;
    pthread_t thread;
    unsigned n_read;
    bool in_order;
};

struct letter_of {
    struct poster *from;
    unsigned number;
};

static unsigned n_read;

static void on_letter(void *arg)
{
    struct letter_of *l = arg;

    l->from->in_order = l->from->in_order && l->number == l->from->n_read;
    l->from->n_read++;
    n_read++;
    free(l);
}

static void *post(void *arg)
{
    struct poster *p = arg;

    for (unsigned i = 0; i < LETTERS; i++) {
        struct letter_of *l = malloc(sizeof(*l));

        if (l == NULL)
            abort();
        *l = (struct letter_of){p, i};
        if (mailbox_post(p->box, on_letter, l) != ERR_OK)
            abort();
    }
    return NULL;
}

static void each_letter_is_read_once_and_in_the_order_of_its_poster(
    void **state)
{
    static struct poster posters[POSTERS];
    struct mailbox box;

    mailbox_init(&box);
    n_read = 0;
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){.box = &box, .in_order = true};
        assert_int_equal(
            pthread_create(&posters[i].thread, NULL, post, &posters[i]), 0);
    }
    /* While they post; bounded by them. */
    while (n_read < POSTERS * LETTERS / 2)
        mailbox_read(&box);
    for (unsigned i = 0; i < POSTERS; i++)
        pthread_join(posters[i].thread, NULL);
    mailbox_read(&box);
    for (unsigned i = 0; i < POSTERS; i++) {
        assert_int_equal(posters[i].n_read, LETTERS);
        assert_true(posters[i].in_order);
    }
    mailbox_read(&box); /* nothing is left */
    assert_int_equal(n_read, POSTERS * LETTERS);
}

static void post_another(void *arg)
{
    n_read++;
    if (n_read < 3)
        assert_int_equal(mailbox_post(arg, post_another, arg), ERR_OK);
}

static void what_a_letter_posts_has_its_turn_later(void **state)
{
    struct mailbox box;

    mailbox_init(&box);
    n_read = 0;
    assert_int_equal(mailbox_post(&box, post_another, &box), ERR_OK);
    for (unsigned i = 1; i <= 3; i++) {
        mailbox_read(&box);
        assert_int_equal(n_read, i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            each_letter_is_read_once_and_in_the_order_of_its_poster),
        cmocka_unit_test(what_a_letter_posts_has_its_turn_later),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
