#include "session/bosh_grant.h"
#include "session/bosh_cache.h"
#include "session/bosh_write.h"
#include "session/session_host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct bosh_settings settings = {
    .wait_s = 60,
    .wait_max_s = 120,
    .hold_max = 2,
    .inactivity_s = 90,
    .polling_s = 2,
    .maxpause_s = 120,
};

static struct bosh_number given(uint64_t value)
{
    return (struct bosh_number){.is_given = true, .value = value};
}

static struct bosh_grant granted(const struct bosh_body *body)
{
    struct bosh_grant g;

    assert_null(bosh_grant(&g, body, &settings));
    return g;
}

/* A11, A12, A31-A33 */
static void asks_for_nothing_and_gets_the_defaults(void **state)
{
    struct bosh_body body = {.rid = {.is_given = true, .value = 1}};
    struct bosh_grant g = granted(&body);

    assert_int_equal(g.wait_s, 60);
    assert_int_equal(g.hold, 1);
    assert_int_equal(g.requests, 2);
    assert_int_equal(g.inactivity_s, 90);
    assert_true(g.is_legacy); /* A10 */
    assert_false(g.is_polling);
}

/* A31, A33, T40, T41: never more than asked, never more than the cap */
static void asks_for_much_and_gets_the_caps(void **state)
{
    struct bosh_body body = {.rid = {.is_given = true, .value = 1}};
    struct bosh_grant g;

    body.wait = given(65535);
    body.hold = given(255);
    g = granted(&body);
    assert_int_equal(g.wait_s, 120);
    assert_int_equal(g.hold, 2);
    assert_int_equal(g.requests, 3);
    body.wait = given(10);
    body.hold = given(1);
    g = granted(&body);
    assert_int_equal(g.wait_s, 10);
    assert_int_equal(g.hold, 1);
}

/* A13, A35: either of the two makes it poll */
static void wait_or_hold_of_zero_is_polling(void **state)
{
    struct bosh_body body = {.rid = {.is_given = true, .value = 1}};
    struct bosh_grant g;

    body.wait = given(0);
    g = granted(&body);
    assert_true(g.is_polling);
    assert_int_equal(g.wait_s, 0);
    assert_true(g.inactivity_s > 90 + g.polling_s);
    body.wait = given(60);
    body.hold = given(0);
    g = granted(&body);
    assert_true(g.is_polling);
    assert_int_equal(g.hold, 0);
    assert_int_equal(g.requests, 1);
}

/* A03, A11, A12 */
static void malformed_numbers_are_refused(void **state)
{
    struct bosh_body body = {.ver = SLICE("1.6")};
    struct bosh_grant g;

    assert_string_equal(bosh_grant(&g, &body, &settings), "bad-request");
    assert_false(g.is_legacy);
    body.rid = given(1);
    body.wait.is_given = body.wait.is_malformed = true;
    assert_string_equal(bosh_grant(&g, &body, &settings), "bad-request");
    body.wait = given(1);
    body.hold.is_given = body.hold.is_malformed = true;
    assert_string_equal(bosh_grant(&g, &body, &settings), "bad-request");
}

/* A08, A09, A34 */
static void version_is_the_lower_of_both(void **state)
{
    static const struct {
        const char *asked;
        unsigned major, minor;
    } rows[] = {
        {"1.6", 1, 6},
        {"1.10", 1, 10},
        {"1.11", 1, 11},
        {"1.12", 1, 11},
        {"2.0", 1, 11},
        {"0.9", 0, 9},
        {"1", 1, 11},
        {"x", 1, 11},
        {"1.6x", 1, 11},
        {"", 1, 11},
        {"1.99999999999", 1, 11},
    };
    struct bosh_body body = {.rid = {.is_given = true, .value = 1}};
    struct bosh_grant g;
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        body.ver = slice_of(rows[i].asked);
        g = granted(&body);
        assert_false(g.is_legacy);
        assert_int_equal(g.ver_major, rows[i].major);
        assert_int_equal(g.ver_minor, rows[i].minor);
    }
}

/* A18-A20, decision 3: an allow-list; T22 */
static void content_is_never_echoed(void **state)
{
    static const struct {
        const char *asked, *type;
    } rows[] = {
        {"text/xml; charset=utf-8", "text/xml; charset=utf-8"},
        {"text/xml charset=utf-8", "text/xml; charset=utf-8"},
        {"Application/XML", "application/xml; charset=utf-8"},
        {"application/xml; charset=\"UTF-8\"",
         "application/xml; charset=utf-8"},
        {"text/html", "text/xml; charset=utf-8"},
        {"text/xml\r\nX: y", "text/xml; charset=utf-8"},
        {"application/xml; charset=utf-8; and more and more and more of it",
         "text/xml; charset=utf-8"},
    };
    struct bosh_body body = {.rid = {.is_given = true, .value = 1}};
    struct bosh_grant g;
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        body.content = slice_of(rows[i].asked);
        g = granted(&body);
        assert_true(slice_is(g.content_type, rows[i].type));
    }
}

/* A30-A37, A44, A47, decision 11: in one string */
static void creation_answer_has_every_attribute(void **state)
{
    struct bosh_body body = {.rid = {.is_given = true, .value = 1},
                             .ver = SLICE("1.6")};
    struct bosh_grant g = granted(&body);
    struct bosh_header header = {SLICE("example.org"), SLICE("a\"b"),
                                 SLICE("1.0"), SLICE("en")};
    struct bosh_write what = {.sid = "n-0aabc",
                              .grant = &g,
                              .header = &header,
                              .payload = SLICE("<stream:features/>")};
    struct buf b;

    buf_init(&b, 4096);
    assert_int_equal(bosh_write_body(&b, &what), ERR_OK);
    assert_int_equal(buf_append(&b, "", 1), ERR_OK);
    assert_string_equal(
        buf_at(&b), "<body xmlns=\"http://jabber.org/protocol/httpbind\""
                    " xmlns:stream=\"http://etherx.jabber.org/streams\""
                    " xmlns:xmpp=\"urn:xmpp:xbosh\" sid=\"n-0aabc\" wait=\"60\""
                    " requests=\"2\" hold=\"1\" inactivity=\"90\" polling=\"2\""
                    " maxpause=\"120\" ver=\"1.6\" xmpp:restartlogic=\"true\""
                    " from=\"example.org\" authid=\"a&quot;b\" xml:lang=\"en\""
                    " xmpp:version=\"1.0\"><stream:features/></body>");
    buf_free(&b);
}

static void terminal_answers_name_the_condition(void **state)
{
    struct bosh_write what = {.is_terminal = true,
                              .condition = "item-not-found"};
    struct buf b;

    buf_init(&b, 4096);
    assert_int_equal(bosh_write_body(&b, &what), ERR_OK);
    assert_true(slice_is(buf_slice(&b),
                         "<body xmlns=\"http://jabber.org/protocol/httpbind\""
                         " type=\"terminate\" condition=\"item-not-found\"/>"));
    buf_clear(&b, 0);
    what.condition = NULL;
    assert_int_equal(bosh_write_body(&b, &what), ERR_OK);
    assert_true(slice_is(buf_slice(&b),
                         "<body xmlns=\"http://jabber.org/protocol/httpbind\""
                         " type=\"terminate\"/>"));
    buf_free(&b);
}

/* B07, B11, B12 */
static void cache_keeps_the_last_answers(void **state)
{
    struct bosh_cache c;
    struct buf b;
    unsigned rid;

    assert_int_equal(bosh_cache_open(&c, 2), ERR_OK);
    assert_null(bosh_cache_find(&c, 0));
    for (rid = 5; rid <= 7; rid++) {
        buf_init(&b, 64);
        assert_int_equal(buf_append_u64(&b, rid), ERR_OK);
        bosh_cache_put(&c, rid, 200, (struct slice){"", 0}, &b, 0);
        assert_null(b.data);
    }
    assert_null(bosh_cache_find(&c, 5));
    assert_true(slice_is(bosh_cache_find(&c, 6)->bytes, "6"));
    assert_true(slice_is(bosh_cache_find(&c, 7)->bytes, "7"));
    bosh_cache_put(&c, 8, 200, bosh_empty_body(), NULL, 0);
    assert_ptr_equal(bosh_cache_find(&c, 8)->bytes.at, bosh_empty_body().at);
    bosh_cache_free(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(asks_for_nothing_and_gets_the_defaults),
        cmocka_unit_test(asks_for_much_and_gets_the_caps),
        cmocka_unit_test(wait_or_hold_of_zero_is_polling),
        cmocka_unit_test(malformed_numbers_are_refused),
        cmocka_unit_test(version_is_the_lower_of_both),
        cmocka_unit_test(content_is_never_echoed),
        cmocka_unit_test(creation_answer_has_every_attribute),
        cmocka_unit_test(terminal_answers_name_the_condition),
        cmocka_unit_test(cache_keeps_the_last_answers),
    };

    return cmocka_run_group_tests_name("bosh_grant", tests, NULL, NULL);
}
