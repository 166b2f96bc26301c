#include "session/bosh_body.h"

#include "xmpp/xml_read.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define BIND "xmlns='http://jabber.org/protocol/httpbind'"

static struct xml_pool *pool;
static struct element_copier *copier;
static struct bosh_body body;

static int set_up(void **state)
{
    if (xml_pool_new(&pool, 4) != ERR_OK ||
        element_copier_new(&copier) != ERR_OK)
        return -1;
    bosh_body_init(&body, 1 << 20);
    return 0;
}

static int tear_down(void **state)
{
    bosh_body_free(&body);
    element_copier_free(copier);
    xml_pool_free(pool);
    return 0;
}

static enum bosh_verdict read_body(const char *text)
{
    return bosh_body_read(
        &body, &(struct bosh_body_tools){.pool = pool, .copier = copier},
        slice_of(text));
}

static void assert_refused(const char *text)
{
    assert_int_equal(read_body(text), BOSH_BODY_BAD);
    assert_int_equal(body.n_elements, 0);
    assert_non_null(body.reason);
}

static unsigned n_asked;

static bool wants_none(void *arg, const struct bosh_body *b)
{
    n_asked++;
    assert_true(b->has_root);
    return arg != NULL;
}

/* A start tag says whose body it is: nothing behind it is read for nobody. */
static void payload_that_is_not_wanted_is_not_read(void **state)
{
    static const char *const texts[] = {
        "<body " BIND " sid='s' rid='1'><message/></body>",
        "<body " BIND " sid='s' rid='1'><not-well-formed",
        "<body " BIND " sid='s' rid='1'>",
        "<body " BIND " sid='s' rid='1'/>",
    };
    struct bosh_body_tools tools = {
        .pool = pool, .copier = copier, .wants = wants_none};

    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        n_asked = 0;
        assert_int_equal(bosh_body_read(&body, &tools, slice_of(texts[i])),
                         BOSH_BODY_FOREIGN);
        assert_int_equal(n_asked, 1);
        assert_true(slice_is(body.sid, "s"));
        assert_int_equal(body.rid.value, 1);
        assert_int_equal(body.n_elements, 0);
        assert_int_equal(body.payload.len, 0);
    }
    tools.arg = &n_asked;
    assert_int_equal(bosh_body_read(&body, &tools, slice_of(texts[0])),
                     BOSH_BODY_OK);
    assert_int_equal(body.n_elements, 1);
    /* Not asked of a tag that is no body, or at fault itself. */
    tools.arg = NULL;
    n_asked = 0;
    assert_int_equal(bosh_body_read(&body, &tools, SLICE("<body sid='s'/>")),
                     BOSH_BODY_BAD);
    assert_int_equal(
        bosh_body_read(&body, &tools,
                       SLICE("<body " BIND " sid='s' type='odd'/>")),
        BOSH_BODY_BAD);
    assert_int_equal(n_asked, 0);
}

/* As Converse sends it (Q01); A01, A22 */
static void creation_request_is_read_whole(void **state)
{
    assert_int_equal(
        read_body("<?xml version='1.0'?>\n<body " BIND
                  " content='text/xml; charset=utf-8' hold='1'"
                  " rid='4503599627370496' to='example.org' ver='1.6'"
                  " wait='59' xml:lang='en' xmlns:x='urn:xmpp:xbosh'"
                  " x:version='1.0' unknown='1'/>\n"),
        BOSH_BODY_OK);
    assert_false(body.has_sid);
    assert_true(body.has_root);
    assert_int_equal(body.rid.value, 4503599627370496);
    assert_int_equal(body.wait.value, 59);
    assert_int_equal(body.hold.value, 1);
    assert_true(slice_is(body.to, "example.org"));
    assert_true(slice_is(body.ver, "1.6"));
    assert_true(slice_is(body.lang, "en"));
    assert_true(slice_is(body.xmpp_version, "1.0"));
    assert_true(slice_is(body.content, "text/xml; charset=utf-8"));
    assert_true(bosh_body_is_poll(&body));
}

/* A02 */
static void empty_sid_is_a_sid(void **state)
{
    assert_int_equal(read_body("<body " BIND " sid='' rid='1'/>"),
                     BOSH_BODY_OK);
    assert_true(body.has_sid);
}

/* A03, A11, T9 */
static void numbers_are_digits_within_their_range(void **state)
{
    static const struct {
        const char *text;
        bool is_good;
    } rows[] = {
        {"1", true},    {"9007199254740991", true},
        {"0001", true}, {"9007199254740992", false},
        {"", false},    {"18446744073709551617", false},
        {"-1", false},  {"+1", false},
        {"1e3", false}, {" 1", false},
        {"0x1", false}, {"99999999999999999999999999", false},
    };
    char text[200];
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++) {
        snprintf(text, sizeof(text), "<body " BIND " rid='%s'/>", rows[i].text);
        assert_int_equal(read_body(text), BOSH_BODY_OK);
        assert_true(body.rid.is_given);
        assert_int_equal(body.rid.is_malformed, !rows[i].is_good);
    }
    assert_int_equal(read_body("<body " BIND " wait='65536' hold='256'/>"),
                     BOSH_BODY_OK);
    assert_true(body.wait.is_malformed && body.hold.is_malformed);
    assert_false(body.rid.is_given);
}

/* H20, H22, G04, H12 */
static void payload_becomes_canonical(void **state)
{
    assert_int_equal(
        read_body("<body " BIND " sid='s' rid='2' xmlns:c='jabber:client'>\n"
                  "  <message to='a'><body>x &amp; y</body></message>\n"
                  "<c:presence/><auth mechanism='PLAIN' "
                  "xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>AA==</auth>"
                  "</body>"),
        BOSH_BODY_OK);
    assert_int_equal(body.n_elements, 3);
    assert_int_equal(bosh_body_element(&body, 0).kind, ELEMENT_MESSAGE);
    assert_int_equal(bosh_body_element(&body, 1).kind, ELEMENT_PRESENCE);
    assert_int_equal(bosh_body_element(&body, 2).kind, ELEMENT_AUTH);
    assert_true(slice_is(bosh_body_element(&body, 0).bytes,
                         "<message to=\"a\"><body>x &amp; y</body></message>"));
    assert_true(slice_is(bosh_body_element(&body, 1).bytes, "<presence/>"));
    assert_false(bosh_body_is_poll(&body));
}

/* H25 */
static void language_of_a_later_body_reaches_its_children(void **state)
{
    assert_int_equal(read_body("<body " BIND " sid='s' rid='2' xml:lang='de'>"
                               "<message/><message xml:lang='fr'/></body>"),
                     BOSH_BODY_OK);
    assert_true(slice_is(bosh_body_element(&body, 0).bytes,
                         "<message xml:lang=\"de\"/>"));
    assert_true(slice_is(bosh_body_element(&body, 1).bytes,
                         "<message xml:lang=\"fr\"/>"));
}

/* H01-H04, H24, H26, G07, B76, G15, F01 */
static void what_no_body_may_hold_is_refused(void **state)
{
    static const char *const rows[] = {
        "",
        "<body/>",
        "<body xmlns='jabber:client'/>",
        "<html " BIND "/>",
        "<body " BIND ">text</body>",
        "<body " BIND "><message></body>",
        "<body " BIND "><!-- c --></body>",
        "<body " BIND "><?p i?></body>",
        "<!DOCTYPE body [<!ENTITY a 'b'>]><body " BIND ">&a;</body>",
        "<body " BIND "/><body " BIND "/>",
        "<body " BIND "><x:y/></body>",
        "<body " BIND " type='now'/>",
        "<body " BIND " xmlns:x='urn:xmpp:xbosh' x:restart='yes'/>",
        "<body " BIND "><message xmlns='jabber:server'/></body>",
        "<body " BIND "><s:stream "
        "xmlns:s='http://etherx.jabber.org/streams'/></body>",
        "<body " BIND "><s:features "
        "xmlns:s='http://etherx.jabber.org/streams'/></body>",
        "<body " BIND
        "><open xmlns='urn:ietf:params:xml:ns:xmpp-framing'/></body>",
        "<body " BIND " to='\xff'/>",
        "<body " BIND " to='a' to='b'/>",
    };
    size_t i;

    for (i = 0; i < COUNT_OF(rows); i++)
        assert_refused(rows[i]);
}

/* F18: what was read of the start tag is known */
static void fault_after_the_start_tag_leaves_its_attributes(void **state)
{
    assert_refused("<body " BIND " sid='abc' rid='7'><message></body>");
    assert_true(body.has_root);
    assert_true(slice_is(body.sid, "abc"));
    assert_int_equal(body.rid.value, 7);
    assert_refused("<body " BIND " sid='abc' rid='7'");
    assert_false(body.has_root);
}

/* Q11; G09 */
static void spellings_of_clients_are_understood(void **state)
{
    assert_int_equal(read_body("<body " BIND " type='terminal'/>"),
                     BOSH_BODY_OK);
    assert_int_equal(body.type, BOSH_TYPE_TERMINATE);
    assert_int_equal(read_body("<body " BIND " xmlns:r='urn:xmpp:xbosh'"
                               " r:restart='1'/>"),
                     BOSH_BODY_OK);
    assert_true(body.is_restart);
    assert_int_equal(read_body("<body " BIND " restart='true'/>"),
                     BOSH_BODY_OK);
    assert_false(body.is_restart); /* another namespace: another attribute */
}

static void limits_are_reached(void **state)
{
    char *text = calloc(1, 40000);
    size_t len;

    assert_non_null(text);
    len = (size_t)snprintf(text, 200, "<body " BIND " to='");
    memset(text + len, 'a', BOSH_VALUE_MAX_BYTES + 1);
    memcpy(text + len + BOSH_VALUE_MAX_BYTES + 1, "'/>", 4);
    assert_refused(text);
    free(text);
}

/* Strophe puts all that waits into one request; how many are in it does not
 * matter, nor what each of them costs when the request must wait.  F07 */
static void a_body_has_room_for_any_number_of_elements(void **state)
{
    static const size_t numbers[] = {256, 257, 300, 5000, 65000};
    struct bosh_body copy;

    for (size_t k = 0; k < COUNT_OF(numbers); k++) {
        struct buf text;

        buf_init(&text, SIZE_MAX);
        assert_int_equal(
            buf_append_text(&text, "<body " BIND " sid='s' rid='9'>"), ERR_OK);
        for (size_t i = 0; i < numbers[k]; i++)
            assert_int_equal(
                buf_append_text(&text, i % 1000 == 7 ? "<iq id='7'/>" : "<a/>"),
                ERR_OK);
        assert_int_equal(buf_append_text(&text, "</body>"), ERR_OK);
        assert_int_equal(bosh_body_read(&body,
                                        &(struct bosh_body_tools){
                                            .pool = pool, .copier = copier},
                                        buf_slice(&text)),
                         BOSH_BODY_OK);
        buf_free(&text);
        assert_int_equal(body.n_elements, numbers[k]);
        assert_int_equal(bosh_body_copy(&copy, &body), ERR_OK);
        assert_int_equal(bosh_body_element(&copy, 7).kind, ELEMENT_IQ);
        assert_true(
            slice_is(bosh_body_element(&copy, numbers[k] - 1).bytes, "<a/>"));
        assert_true(copy.items_cap * sizeof(*copy.items) <= 16 * numbers[k]);
        bosh_body_free(&copy);
    }
    assert_int_equal(read_body("<body " BIND "/>"), BOSH_BODY_OK);
    assert_true(body.items_cap <= 1024); /* a worker keeps little of it */
}

/* XEP-0078: the id of each is its own, though they are read one by one. */
static void elements_keep_their_ids(void **state)
{
    assert_int_equal(
        read_body("<body " BIND " sid='s' rid='9'>"
                  "<iq type='set' id='one'><query xmlns='jabber:iq:auth'/></iq>"
                  "<iq type='set' id='two'><query xmlns='jabber:iq:auth'/></iq>"
                  "</body>"),
        BOSH_BODY_OK);
    assert_true(slice_is(bosh_body_element(&body, 0).id, "one"));
    assert_true(slice_is(bosh_body_element(&body, 1).id, "two"));
}

/* B05: what is parked lives on its own */
static void copy_does_not_share_memory(void **state)
{
    struct bosh_body copy;

    assert_int_equal(read_body("<body " BIND " sid='s1' rid='9'><iq id='a'/>"
                               "<iq id='b'/></body>"),
                     BOSH_BODY_OK);
    assert_int_equal(bosh_body_copy(&copy, &body), ERR_OK);
    assert_int_equal(read_body("<body " BIND " sid='zz' rid='1'><a>"
                               "xxxxxxxxxxxxxxxxxxxxxxxxxxx</a></body>"),
                     BOSH_BODY_OK);
    assert_true(slice_is(copy.sid, "s1"));
    assert_int_equal(copy.n_elements, 2);
    assert_true(slice_is(bosh_body_element(&copy, 0).bytes, "<iq id=\"a\"/>"));
    assert_true(slice_is(bosh_body_element(&copy, 1).bytes, "<iq id=\"b\"/>"));
    bosh_body_free(&copy);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creation_request_is_read_whole),
        cmocka_unit_test(payload_that_is_not_wanted_is_not_read),
        cmocka_unit_test(empty_sid_is_a_sid),
        cmocka_unit_test(numbers_are_digits_within_their_range),
        cmocka_unit_test(payload_becomes_canonical),
        cmocka_unit_test(language_of_a_later_body_reaches_its_children),
        cmocka_unit_test(what_no_body_may_hold_is_refused),
        cmocka_unit_test(fault_after_the_start_tag_leaves_its_attributes),
        cmocka_unit_test(spellings_of_clients_are_understood),
        cmocka_unit_test(limits_are_reached),
        cmocka_unit_test(a_body_has_room_for_any_number_of_elements),
        cmocka_unit_test(elements_keep_their_ids),
        cmocka_unit_test(copy_does_not_share_memory),
    };

    return cmocka_run_group_tests_name("bosh_body", tests, set_up, tear_down);
}
