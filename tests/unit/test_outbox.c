#include "session/outbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static void push(struct outbox *o, const char *text, bool is_alone)
{
    assert_int_equal(outbox_push(o, slice_of(text), is_alone), ERR_OK);
}

static void assert_next(struct outbox *o, size_t max_bytes, const char *text)
{
    uint32_t n;
    size_t len = outbox_peek(o, max_bytes, &n);

    assert_int_equal(len, strlen(text));
    assert_memory_equal(buf_at(&o->bytes), text, len);
    outbox_drop(o, n);
}

/* B29: whole elements, as many as fit */
static void elements_are_never_split(void **state)
{
    struct outbox o;

    outbox_init(&o, 1000);
    push(&o, "<a/>", false);
    push(&o, "<bb/>", false);
    push(&o, "<c/>", false);
    assert_next(&o, 9, "<a/><bb/>");
    assert_next(&o, 9, "<c/>");
    assert_true(outbox_is_empty(&o));
    assert_null(o.bytes.data);
}

/* T59 */
static void one_element_goes_however_large(void **state)
{
    struct outbox o;

    outbox_init(&o, 1000);
    push(&o, "<larger-than-that/>", false);
    push(&o, "<b/>", false);
    assert_next(&o, 5, "<larger-than-that/>");
    assert_next(&o, 5, "<b/>");
}

/* G01 */
static void features_go_alone(void **state)
{
    struct outbox o;

    outbox_init(&o, 1000);
    push(&o, "<success/>", false);
    push(&o, "<features/>", true);
    push(&o, "<iq/>", false);
    assert_next(&o, 900, "<success/>");
    assert_next(&o, 900, "<features/>");
    assert_next(&o, 900, "<iq/>");
}

static void refusal_changes_nothing(void **state)
{
    struct outbox o;

    outbox_init(&o, 6);
    push(&o, "<aa/>", false);
    assert_int_equal(outbox_push(&o, SLICE("<b/>"), false), ERR_LIMIT);
    assert_int_equal(o.count, 1);
    assert_next(&o, 100, "<aa/>");
    outbox_free(&o);
}

static void order_is_kept_over_many_rounds(void **state)
{
    struct outbox o;
    char text[16];
    unsigned in = 0;
    unsigned out = 0;
    uint32_t n;

    outbox_init(&o, 100000);
    while (out < 5000) {
        for (n = 0; n < 7; n++) {
            snprintf(text, sizeof(text), "<%05u/>", in++);
            push(&o, text, false);
        }
        for (n = 0; n < 6 && out < 5000; n++) {
            snprintf(text, sizeof(text), "<%05u/>", out++);
            assert_next(&o, 1, text);
        }
    }
    outbox_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_are_never_split),
        cmocka_unit_test(one_element_goes_however_large),
        cmocka_unit_test(features_go_alone),
        cmocka_unit_test(refusal_changes_nothing),
        cmocka_unit_test(order_is_kept_over_many_rounds),
    };

    return cmocka_run_group_tests_name("outbox", tests, NULL, NULL);
}
