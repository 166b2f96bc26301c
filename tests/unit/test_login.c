#include "session/login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct element iq(enum element_type type, const char *id)
{
    struct element e;

    memset(&e, 0, sizeof(e));
    e.kind = ELEMENT_IQ;
    e.type = type;
    e.id = slice_of(id);
    return e;
}

static void ask(struct login *l, const char *id)
{
    struct element e = iq(ELEMENT_TYPE_SET, id);

    e.is_iq_auth = e.has_children = true;
    login_note_sent(l, &e);
}

/* K44, G16: what says that a login has succeeded, and once only. */
static void success_is_seen_once(void **state)
{
    static const enum element_kind yes[] = {ELEMENT_SUCCESS,
                                            ELEMENT_SASL2_SUCCESS,
                                            ELEMENT_MESSAGE, ELEMENT_PRESENCE};
    static const enum element_kind no[] = {
        ELEMENT_FEATURES, ELEMENT_CHALLENGE, ELEMENT_FAILURE, ELEMENT_SASL2,
        ELEMENT_IQ,       ELEMENT_OTHER,     ELEMENT_ERROR};

    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        struct element e = {.kind = yes[i]};
        struct login l = {0};

        assert_true(login_note_received(&l, &e));
        assert_true(l.has_succeeded);
        assert_false(login_note_received(&l, &e));
        login_fini(&l);
    }
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        struct element e = {.kind = no[i]};
        struct login l = {0};

        assert_false(login_note_received(&l, &e));
        assert_false(l.has_succeeded);
        login_fini(&l);
    }
}

/* K44: XEP-0078 succeeds by an empty result to the last question. */
static void login_without_sasl_succeeds_by_its_result(void **state)
{
    struct login l = {0};
    struct element fields = iq(ELEMENT_TYPE_RESULT, "a2");
    struct element other = iq(ELEMENT_TYPE_RESULT, "a1");
    struct element longer = iq(ELEMENT_TYPE_RESULT, "a22");
    struct element error = iq(ELEMENT_TYPE_ERROR, "a2");
    struct element result = iq(ELEMENT_TYPE_RESULT, "a2");

    fields.has_children = true;
    assert_false(login_note_received(&l, &result)); /* nobody asked */
    ask(&l, "a1");
    ask(&l, "a2");
    assert_false(login_note_received(&l, &fields));
    assert_false(login_note_received(&l, &other));
    assert_false(login_note_received(&l, &longer));
    assert_false(login_note_received(&l, &error));
    assert_true(login_note_received(&l, &result));
    assert_null(l.asked_id);
    login_fini(&l);
}

/* K44: nothing else that a client sends makes an answer a login. */
static void other_questions_are_no_login(void **state)
{
    struct login l = {0};
    struct element get = iq(ELEMENT_TYPE_GET, "a1");
    struct element set = iq(ELEMENT_TYPE_SET, "a1");
    struct element result = iq(ELEMENT_TYPE_RESULT, "a1");

    get.is_iq_auth = true;
    login_note_sent(&l, &get);
    login_note_sent(&l, &set);
    assert_false(login_note_received(&l, &result));
    ask(&l, "");
    result.id = SLICE("");
    assert_false(login_note_received(&l, &result));
    login_fini(&l);
}

/* K71 */
static void stream_management_is_remembered(void **state)
{
    struct element enabled = {.kind = ELEMENT_SM_ENABLED, .is_managed = true};
    struct element success = {.kind = ELEMENT_SASL2_SUCCESS,
                              .is_managed = true,
                              .is_resumable = true};
    struct login l = {0};

    assert_false(login_note_received(&l, &enabled));
    assert_true(l.is_managed && !l.is_resumable);
    assert_true(login_note_received(&l, &success));
    assert_true(l.is_managed && l.is_resumable);
    login_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_seen_once),
        cmocka_unit_test(login_without_sasl_succeeds_by_its_result),
        cmocka_unit_test(other_questions_are_no_login),
        cmocka_unit_test(stream_management_is_remembered),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
