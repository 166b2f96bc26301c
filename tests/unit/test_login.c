#include "session/login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define KEPT_MAX 1000

static struct element iq(enum element_type type, const char *id)
{
    struct element e;

    memset(&e, 0, sizeof(e));
    e.kind = ELEMENT_IQ;
    e.type = type;
    e.id = slice_of(id);
    e.bytes = SLICE("<iq/>");
    return e;
}

static struct element of(enum element_kind kind)
{
    return (struct element){.kind = kind, .bytes = SLICE("<a/>")};
}

static enum login_act sends(struct login *l, enum element_kind kind)
{
    struct element e = of(kind);

    return login_send(l, &e);
}

static enum login_act receives(struct login *l, enum element_kind kind)
{
    struct element e = of(kind);

    return login_receive(l, &e);
}

/* A stream is there, and nobody has logged in. */
static struct login fresh(enum login_manner manner)
{
    struct login l;

    login_init(&l, manner, NULL);
    assert_int_equal(l.state, LOGIN_OPENING);
    assert_int_equal(login_header(&l), LOGIN_RELEASE);
    assert_int_equal(l.state, LOGIN_NONE);
    return l;
}

static void ask(struct login *l, const char *id)
{
    struct element e = iq(ELEMENT_TYPE_SET, id);

    e.is_iq_auth = e.has_children = true;
    assert_int_equal(login_send(l, &e), LOGIN_PASS);
}

static void keep(struct login *l, enum element_kind kind, const char *bytes)
{
    struct element e = {.kind = kind, .bytes = slice_of(bytes)};

    assert_int_equal(login_keep(l, &e, KEPT_MAX), ERR_OK);
}

/* What login_next yields until it yields no more; the last act. */
static enum login_act drain(struct login *l, char *out, size_t cap)
{
    enum login_act act;
    struct element e;

    memset(out, 0, cap);
    while ((act = login_next(l, &e)) == LOGIN_PASS) {
        assert_true(strlen(out) + e.bytes.len < cap);
        memcpy(out + strlen(out), e.bytes.at, e.bytes.len);
        login_drop(l);
    }
    return act;
}

/* ---- proofs ---- */

/* K44, G16: what says that a login has succeeded. */
static void success_is_seen(void **state)
{
    static const enum element_kind yes[] = {ELEMENT_SUCCESS,
                                            ELEMENT_SASL2_SUCCESS,
                                            ELEMENT_MESSAGE, ELEMENT_PRESENCE};
    static const enum element_kind no[] = {
        ELEMENT_FEATURES, ELEMENT_CHALLENGE,     ELEMENT_FAILURE,
        ELEMENT_SASL2,    ELEMENT_SASL2_FAILURE, ELEMENT_IQ,
        ELEMENT_OTHER,    ELEMENT_ERROR};

    for (size_t i = 0; i < COUNT_OF(yes); i++) {
        struct login l = fresh(LOGIN_BY_RESTART);

        (void)receives(&l, yes[i]);
        assert_true(l.has_succeeded);
        assert_true(l.state >= LOGIN_DUE);
        login_fini(&l);
    }
    for (size_t i = 0; i < COUNT_OF(no); i++) {
        struct login l = fresh(LOGIN_BY_RESTART);

        (void)receives(&l, no[i]);
        assert_false(l.has_succeeded);
        assert_int_equal(l.state, LOGIN_NONE);
        login_fini(&l);
    }
}

/* K44: XEP-0078 succeeds by an empty result to the last question, and needs no
 * new stream. */
static void login_without_sasl_succeeds_by_its_result(void **state)
{
    struct login l = fresh(LOGIN_BY_RESTART);
    struct element fields = iq(ELEMENT_TYPE_RESULT, "a2");
    struct element other = iq(ELEMENT_TYPE_RESULT, "a1");
    struct element longer = iq(ELEMENT_TYPE_RESULT, "a22");
    struct element result = iq(ELEMENT_TYPE_RESULT, "a2");

    fields.has_children = true;
    (void)login_receive(&l, &result); /* nobody asked */
    ask(&l, "a1");
    ask(&l, "a2");
    assert_int_equal(l.state, LOGIN_IQ_AUTH);
    assert_int_equal(sends(&l, ELEMENT_IQ), LOGIN_PASS);
    (void)login_receive(&l, &fields);
    (void)login_receive(&l, &other);
    (void)login_receive(&l, &longer);
    assert_false(l.has_succeeded);
    assert_int_equal(login_receive(&l, &result), LOGIN_PASS);
    assert_true(l.has_succeeded);
    assert_int_equal(l.state, LOGIN_SHOWN);
    assert_null(l.asked_id);
    assert_int_equal(login_ask(&l), LOGIN_TOO_LATE);
    login_fini(&l);
}

static void refused_login_without_sasl_may_be_tried_again(void **state)
{
    struct login l = fresh(LOGIN_BY_OPEN);
    struct element error = iq(ELEMENT_TYPE_ERROR, "a1");
    struct element stranger = iq(ELEMENT_TYPE_ERROR, "a2");

    ask(&l, "a1");
    (void)login_receive(&l, &stranger);
    assert_int_equal(l.state, LOGIN_IQ_AUTH);
    (void)login_receive(&l, &error);
    assert_int_equal(l.state, LOGIN_NONE);
    assert_int_equal(login_ask(&l), LOGIN_TOO_EARLY);
    ask(&l, "a3");
    assert_int_equal(l.state, LOGIN_IQ_AUTH);
    assert_int_equal(sends(&l, ELEMENT_AUTH), LOGIN_PASS);
    assert_int_equal(l.state, LOGIN_SASL);
    login_fini(&l);
}

/* K44: nothing else that a client sends makes an answer a login. */
static void other_questions_are_no_login(void **state)
{
    struct login l = fresh(LOGIN_BY_RESTART);
    struct element get = iq(ELEMENT_TYPE_GET, "a1");
    struct element set = iq(ELEMENT_TYPE_SET, "a1");
    struct element nameless = iq(ELEMENT_TYPE_SET, "");
    struct element result = iq(ELEMENT_TYPE_RESULT, "a1");

    get.is_iq_auth = nameless.is_iq_auth = true;
    (void)login_send(&l, &get);
    (void)login_send(&l, &set);
    (void)login_receive(&l, &result);
    (void)login_send(&l, &nameless);
    result.id = SLICE("");
    (void)login_receive(&l, &result);
    assert_false(l.has_succeeded);
    login_fini(&l);
}

/* K71 */
static void stream_management_is_remembered(void **state)
{
    struct element enabled = {.kind = ELEMENT_SM_ENABLED, .is_managed = true};
    struct element success = {.kind = ELEMENT_SASL2_SUCCESS,
                              .is_managed = true,
                              .is_resumable = true};
    struct login l = fresh(LOGIN_BY_RESTART);

    (void)login_receive(&l, &enabled);
    assert_true(l.is_managed && !l.is_resumable && !l.has_succeeded);
    assert_int_equal(login_receive(&l, &success), LOGIN_RELEASE);
    assert_true(l.is_managed && l.is_resumable && l.has_succeeded);
    login_fini(&l);
}

/* G33: it is asked for when it is sent, not while it waits. */
static void resumption_begins_when_it_is_sent(void **state)
{
    struct element resume = {.kind = ELEMENT_SM_RESUME,
                             .bytes = SLICE("<resume/>")};
    struct login l = fresh(LOGIN_BY_OPEN);
    char sent[64];

    assert_int_equal(sends(&l, ELEMENT_AUTH), LOGIN_PASS);
    assert_int_equal(login_send(&l, &resume), LOGIN_KEEP);
    keep(&l, ELEMENT_SM_RESUME, "<resume/>");
    assert_false(l.is_resuming);
    (void)receives(&l, ELEMENT_SUCCESS);
    assert_int_equal(login_ask(&l), LOGIN_RESTART);
    assert_int_equal(login_header(&l), LOGIN_RELEASE);
    assert_int_equal(drain(&l, sent, sizeof(sent)), LOGIN_KEEP);
    assert_string_equal(sent, "<resume/>");
    assert_true(l.is_resuming);
    (void)receives(&l, ELEMENT_SM_FAILED);
    assert_false(l.is_resuming);
    login_fini(&l);
}

/* ---- restarts ---- */

/* RFC 6120 section 6.4.6: in no state but behind <success/> of SASL does
 * anything make a header. */
static void only_success_of_sasl_calls_for_a_new_stream(void **state)
{
    static const enum login_manner manners[] = {LOGIN_BY_RESTART,
                                                LOGIN_BY_ITSELF, LOGIN_BY_OPEN};
    char sent[64];

    for (size_t i = 0; i < COUNT_OF(manners); i++) {
        for (int s = 0; s < LOGIN_STATES; s++) {
            struct login l = fresh(manners[i]);
            enum login_act act;

            if (s == LOGIN_DUE)
                continue;
            l.state = (enum login_state)s;
            act = login_ask(&l);
            assert_true(act == LOGIN_TOO_EARLY || act == LOGIN_TOO_LATE ||
                        act == LOGIN_PASS || act == LOGIN_KEEP);
            assert_true((act == LOGIN_KEEP) == (s == LOGIN_SASL));
            for (int k = 0; k <= ELEMENT_SERVER_STANZA; k++) {
                l.state = (enum login_state)s;
                act = sends(&l, (enum element_kind)k);
                assert_true(act == LOGIN_PASS || act == LOGIN_KEEP);
                l.state = (enum login_state)s;
                (void)receives(&l, (enum element_kind)k);
                assert_true((k == ELEMENT_SUCCESS) || l.state != LOGIN_DUE);
                act = drain(&l, sent, sizeof(sent));
                assert_true(act == LOGIN_KEEP ||
                            (act == LOGIN_RESTART && k == ELEMENT_SUCCESS &&
                             manners[i] == LOGIN_BY_ITSELF));
            }
            login_fini(&l);
        }
    }
}

/* G09, J30: and once only. */
static void restart_after_success_is_made_once(void **state)
{
    struct login l = fresh(LOGIN_BY_RESTART);

    assert_int_equal(login_ask(&l), LOGIN_TOO_EARLY);
    (void)sends(&l, ELEMENT_AUTH);
    assert_int_equal(receives(&l, ELEMENT_SUCCESS), LOGIN_RELEASE);
    assert_int_equal(l.state, LOGIN_DUE);
    assert_int_equal(login_ask(&l), LOGIN_RESTART);
    assert_int_equal(login_ask(&l), LOGIN_TOO_LATE);
    assert_int_equal(sends(&l, ELEMENT_IQ), LOGIN_KEEP);
    assert_int_equal(login_header(&l), LOGIN_RELEASE);
    assert_int_equal(l.state, LOGIN_DONE);
    assert_int_equal(receives(&l, ELEMENT_FEATURES), LOGIN_PASS);
    assert_int_equal(login_ask(&l), LOGIN_TOO_LATE);
    assert_int_equal(sends(&l, ELEMENT_IQ), LOGIN_PASS);
    login_fini(&l);
}

/* decision 1: clients without ver. */
static void legacy_stream_begins_by_itself(void **state)
{
    struct login l = fresh(LOGIN_BY_ITSELF);
    struct element e;

    (void)sends(&l, ELEMENT_AUTH);
    assert_int_equal(receives(&l, ELEMENT_SUCCESS), LOGIN_RELEASE);
    assert_int_equal(login_next(&l, &e), LOGIN_RESTART);
    assert_int_equal(login_ask(&l), LOGIN_TOO_LATE);
    (void)login_header(&l);
    assert_int_equal(receives(&l, ELEMENT_FEATURES), LOGIN_PASS);
    login_fini(&l);
}

/* G17: payload begins it, and the features are not expected; unless they are
 * asked for after all. */
static void payload_begins_the_stream_of_who_does_not_ask(void **state)
{
    for (int asks = 0; asks < 2; asks++) {
        struct login l = fresh(LOGIN_BY_RESTART);
        char sent[64];

        (void)sends(&l, ELEMENT_AUTH);
        (void)receives(&l, ELEMENT_SUCCESS);
        assert_int_equal(sends(&l, ELEMENT_IQ), LOGIN_KEEP_AND_RESTART);
        keep(&l, ELEMENT_IQ, "<iq/>");
        assert_int_equal(sends(&l, ELEMENT_IQ), LOGIN_KEEP);
        (void)login_header(&l);
        assert_int_equal(drain(&l, sent, sizeof(sent)), LOGIN_KEEP);
        assert_string_equal(sent, "<iq/>");
        if (asks)
            assert_int_equal(login_ask(&l), LOGIN_PASS);
        assert_int_equal(receives(&l, ELEMENT_FEATURES),
                         asks ? LOGIN_PASS : LOGIN_SWALLOW);
        assert_int_equal(receives(&l, ELEMENT_FEATURES), LOGIN_PASS);
        assert_int_equal(l.state, LOGIN_DONE);
        login_fini(&l);
    }
}

/* ---- what comes early (decision 25) ---- */

/* Behind <auth/>: in order, and behind the restart, asked for or not. */
static void payload_waits_for_the_verdict(void **state)
{
    static const struct {
        enum login_manner manner;
        bool asks;
        enum login_act at_success;
    } cases[] = {
        {LOGIN_BY_RESTART, false, LOGIN_RESTART},
        {LOGIN_BY_RESTART, true, LOGIN_RESTART},
        {LOGIN_BY_ITSELF, false, LOGIN_RESTART},
        {LOGIN_BY_OPEN, false, LOGIN_KEEP}, /* J31: never by ourselves */
        {LOGIN_BY_OPEN, true, LOGIN_RESTART},
    };
    char sent[64];

    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct login l = fresh(cases[i].manner);

        assert_int_equal(sends(&l, ELEMENT_AUTH), LOGIN_PASS);
        assert_int_equal(sends(&l, ELEMENT_IQ), LOGIN_KEEP);
        keep(&l, ELEMENT_IQ, "<iq/>");
        if (cases[i].asks) {
            assert_int_equal(login_ask(&l), LOGIN_KEEP);
            assert_int_equal(login_keep_restart(&l, SLICE("a@b"), SLICE("de")),
                             ERR_OK);
            assert_int_equal(login_ask(&l), LOGIN_TOO_LATE);
        }
        assert_int_equal(sends(&l, ELEMENT_RESPONSE), LOGIN_PASS);
        keep(&l, ELEMENT_MESSAGE, "<message/>");
        assert_int_equal(receives(&l, ELEMENT_CHALLENGE), LOGIN_PASS);
        assert_int_equal(receives(&l, ELEMENT_SUCCESS), LOGIN_RELEASE);
        assert_int_equal(drain(&l, sent, sizeof(sent)), cases[i].at_success);
        assert_string_equal(sent, "");
        if (cases[i].asks)
            assert_string_equal(l.from, "a@b");
        login_forget_restart(&l);
        if (cases[i].at_success == LOGIN_KEEP)
            assert_int_equal(login_ask(&l), LOGIN_RESTART);
        assert_int_equal(login_header(&l), LOGIN_RELEASE);
        assert_int_equal(drain(&l, sent, sizeof(sent)), LOGIN_KEEP);
        assert_string_equal(sent, "<iq/><message/>");
        login_fini(&l);
    }
}

/* Before the server's first header everything waits, and then goes by the
 * table. */
static void everything_waits_for_the_first_header(void **state)
{
    struct login l;
    char sent[64];

    login_init(&l, LOGIN_BY_OPEN, NULL);
    assert_int_equal(login_ask(&l), LOGIN_TOO_EARLY);
    assert_int_equal(sends(&l, ELEMENT_IQ), LOGIN_KEEP);
    keep(&l, ELEMENT_IQ, "<iq/>");
    assert_int_equal(login_ask(&l), LOGIN_TOO_EARLY);
    assert_int_equal(sends(&l, ELEMENT_AUTH), LOGIN_KEEP);
    keep(&l, ELEMENT_AUTH, "<auth/>");
    assert_int_equal(login_ask(&l), LOGIN_KEEP);
    assert_int_equal(login_keep_restart(&l, SLICE(""), SLICE("")), ERR_OK);
    keep(&l, ELEMENT_MESSAGE, "<message/>");
    assert_int_equal(login_header(&l), LOGIN_RELEASE);
    assert_int_equal(drain(&l, sent, sizeof(sent)), LOGIN_KEEP);
    assert_string_equal(sent, "<iq/><auth/>");
    assert_int_equal(l.state, LOGIN_SASL);
    (void)receives(&l, ELEMENT_SUCCESS);
    assert_int_equal(drain(&l, sent, sizeof(sent)), LOGIN_RESTART);
    login_fini(&l);
}

/* XEP-0388 has no restart: what waited goes at once. */
static void sasl2_sends_at_success(void **state)
{
    struct login l = fresh(LOGIN_BY_OPEN);
    char sent[64];

    assert_int_equal(sends(&l, ELEMENT_SASL2_AUTHENTICATE), LOGIN_PASS);
    assert_int_equal(login_ask(&l), LOGIN_TOO_EARLY);
    assert_int_equal(sends(&l, ELEMENT_IQ), LOGIN_KEEP);
    keep(&l, ELEMENT_IQ, "<iq/>");
    assert_int_equal(receives(&l, ELEMENT_SASL2), LOGIN_PASS);
    assert_int_equal(sends(&l, ELEMENT_SASL2), LOGIN_PASS);
    assert_int_equal(receives(&l, ELEMENT_SASL2_SUCCESS), LOGIN_RELEASE);
    assert_int_equal(drain(&l, sent, sizeof(sent)), LOGIN_KEEP);
    assert_string_equal(sent, "<iq/>");
    assert_int_equal(login_ask(&l), LOGIN_TOO_LATE);
    login_fini(&l);
}

/* A login that failed: what waited goes back, and another one may begin. */
static void failure_returns_what_waited(void **state)
{
    static const enum element_kind logins[][3] = {
        {ELEMENT_AUTH, ELEMENT_FAILURE, ELEMENT_SUCCESS},
        {ELEMENT_SASL2_AUTHENTICATE, ELEMENT_SASL2_FAILURE,
         ELEMENT_SASL2_SUCCESS},
    };

    for (size_t i = 0; i < COUNT_OF(logins); i++) {
        struct login l = fresh(LOGIN_BY_OPEN);
        char sent[64];

        (void)sends(&l, logins[i][0]);
        keep(&l, ELEMENT_IQ, "<iq/>");
        if (logins[i][0] == ELEMENT_AUTH)
            assert_int_equal(login_keep_restart(&l, SLICE("x"), SLICE("")),
                             ERR_OK);
        assert_int_equal(receives(&l, logins[i][1]), LOGIN_RETURN);
        assert_int_equal(l.state, LOGIN_NONE);
        assert_null(l.from); /* the restart went with it */
        assert_false(early_is_empty(&l.kept));
        login_drop(&l);
        (void)sends(&l, logins[i][0]);
        assert_int_equal(receives(&l, logins[i][2]), LOGIN_RELEASE);
        assert_int_equal(drain(&l, sent, sizeof(sent)), LOGIN_KEEP);
        login_fini(&l);
    }
}

/* The bound is on all that waits; what is refused changes nothing. */
static void what_waits_is_bounded_together(void **state)
{
    struct element e = of(ELEMENT_IQ);
    struct login l = fresh(LOGIN_BY_RESTART);
    size_t n;

    for (n = 0; login_keep(&l, &e, 10) == ERR_OK; n++)
        ;
    assert_int_equal(n, 2); /* of 4 bytes each */
    assert_int_equal(login_keep(&l, &e, 10), ERR_LIMIT);
    assert_int_equal(login_keep(&l, &e, 12), ERR_OK);
    assert_int_equal(login_keep(&l, &e, 1), ERR_LIMIT);
    login_fini(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(success_is_seen),
        cmocka_unit_test(login_without_sasl_succeeds_by_its_result),
        cmocka_unit_test(refused_login_without_sasl_may_be_tried_again),
        cmocka_unit_test(other_questions_are_no_login),
        cmocka_unit_test(stream_management_is_remembered),
        cmocka_unit_test(resumption_begins_when_it_is_sent),
        cmocka_unit_test(only_success_of_sasl_calls_for_a_new_stream),
        cmocka_unit_test(restart_after_success_is_made_once),
        cmocka_unit_test(legacy_stream_begins_by_itself),
        cmocka_unit_test(payload_begins_the_stream_of_who_does_not_ask),
        cmocka_unit_test(payload_waits_for_the_verdict),
        cmocka_unit_test(everything_waits_for_the_first_header),
        cmocka_unit_test(sasl2_sends_at_success),
        cmocka_unit_test(failure_returns_what_waited),
        cmocka_unit_test(what_waits_is_bounded_together),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
