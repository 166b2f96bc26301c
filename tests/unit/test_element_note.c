#include "element_copy.h"

static void the_few_attributes_that_matter_are_noted(void **state)
{
    static const struct {
        const char *in;
        enum element_type type;
        bool is_resumable;
    } rows[] = {
        {"<iq type='get'/>", ELEMENT_TYPE_GET, false},
        {"<iq type='set'/>", ELEMENT_TYPE_SET, false},
        {"<iq type='result'/>", ELEMENT_TYPE_RESULT, false},
        {"<message type='error'/>", ELEMENT_TYPE_ERROR, false},
        {"<message type='chat'/>", ELEMENT_TYPE_OTHER, false},
        {"<message/>", ELEMENT_TYPE_NONE, false},
        {"<message><a type='error'/></message>", ELEMENT_TYPE_NONE, false},
        {"<message xmlns:p='u' p:type='error'/>", ELEMENT_TYPE_NONE, false},
        {"<enabled xmlns='urn:xmpp:sm:3' resume='true'/>", ELEMENT_TYPE_NONE,
         true},
        {"<enabled xmlns='urn:xmpp:sm:2' resume='1'/>", ELEMENT_TYPE_NONE,
         true},
        {"<enabled xmlns='urn:xmpp:sm:3' resume='false'/>", ELEMENT_TYPE_NONE,
         false},
        {"<enabled xmlns='urn:xmpp:sm:3'/>", ELEMENT_TYPE_NONE, false},
        {"<enabled resume='true'/>", ELEMENT_TYPE_NONE, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char in[256];
        struct copy c;

        snprintf(in, sizeof(in), "<r xmlns='jabber:client'>%s</r>", rows[i].in);
        open_copy(&c, ELEMENT_TO_CLIENT, false, "");
        run(&c, in);
        if (c.last.type != rows[i].type ||
            c.last.is_resumable != rows[i].is_resumable)
            fail_msg("%s", rows[i].in);
        buf_free(&c.out);
    }
}

/* K71: with SASL2 and Bind 2 the answers of XEP-0198 are inside <success/>,
 * and nowhere else do they count. */
static void stream_management_inside_success_is_noted(void **state)
{
    static const struct {
        const char *in;
        bool is_managed;
        bool is_resumable;
    } rows[] = {
        {"<success xmlns='urn:xmpp:sasl:2'><bound xmlns='urn:xmpp:bind:0'>"
         "<enabled xmlns='urn:xmpp:sm:3' resume='true'/></bound></success>",
         true, true},
        {"<success xmlns='urn:xmpp:sasl:2'><bound xmlns='urn:xmpp:bind:0'>"
         "<enabled xmlns='urn:xmpp:sm:3'/></bound></success>",
         true, false},
        {"<success xmlns='urn:xmpp:sasl:2'><resumed xmlns='urn:xmpp:sm:3'/>"
         "</success>",
         true, true},
        {"<success xmlns='urn:xmpp:sasl:2'><failed xmlns='urn:xmpp:sm:3'/>"
         "</success>",
         false, false},
        {"<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><resumed "
         "xmlns='urn:xmpp:sm:3'/></success>",
         false, false},
        {"<message><enabled xmlns='urn:xmpp:sm:3' resume='true'/></message>",
         false, false},
    };

    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char in[400];
        struct copy c;

        snprintf(in, sizeof(in), "<r xmlns='jabber:client'>%s</r>", rows[i].in);
        open_copy(&c, ELEMENT_TO_CLIENT, false, "");
        run(&c, in);
        if (c.last.is_managed != rows[i].is_managed ||
            c.last.is_resumable != rows[i].is_resumable)
            fail_msg("%s", rows[i].in);
        buf_free(&c.out);
    }
}

/* K40: whole, in however many pieces its text comes; nobody's host is as long
 * as the last one. */
static void the_host_of_see_other_host_is_noted(void **state)
{
    char in[1200];
    char host[600];
    struct copy c;

    open_copy(&c, ELEMENT_TO_CLIENT, false, "");
    run(&c, STREAM("<stream:error><see-other-host xmlns='" NS_STREAM_ERRORS
                   "'>[2001:db8::1]&#58;52<![CDATA[22]]></see-other-host>"
                   "<text xmlns='" NS_STREAM_ERRORS "'>evil</text>"
                   "</stream:error>"));
    assert_true(slice_is(c.last.other_host, "[2001:db8::1]:5222"));
    buf_free(&c.out);

    memset(host, 'a', sizeof(host) - 1);
    host[sizeof(host) - 1] = '\0';
    snprintf(in, sizeof(in),
             STREAM("<stream:error><see-other-host xmlns='" NS_STREAM_ERRORS
                    "'>%s</see-other-host></stream:error>"),
             host);
    open_copy(&c, ELEMENT_TO_CLIENT, false, "");
    run(&c, in);
    assert_int_equal(c.last.other_host.len, 0);
    buf_free(&c.out);

    open_copy(&c, ELEMENT_TO_CLIENT, false, "");
    run(&c, STREAM("<stream:error><conflict xmlns='" NS_STREAM_ERRORS
                   "'>host</conflict></stream:error>"));
    assert_int_equal(c.last.other_host.len, 0);
    buf_free(&c.out);
}

/* K44: the login of XEP-0078 is known by its child. */
static void login_without_sasl_is_noted(void **state)
{
    struct copy c;

    open_copy(&c, ELEMENT_TO_SERVER, false, "");
    run(&c, STREAM("<iq type='set' id='a1'><query xmlns='jabber:iq:auth'>"
                   "<username>x</username></query></iq>"));
    assert_true(c.last.is_iq_auth && c.last.has_children);
    assert_true(slice_is(c.last.id, "a1"));
    buf_free(&c.out);
    open_copy(&c, ELEMENT_TO_SERVER, false, "");
    run(&c, STREAM("<iq type='set' id='a1'><query xmlns='jabber:iq:roster'/>"
                   "<x><query xmlns='jabber:iq:auth'/></x></iq>"));
    assert_false(c.last.is_iq_auth);
    buf_free(&c.out);
}

static void the_condition_of_a_stream_error_is_noted(void **state)
{
    struct copy c;

    open_copy(&c, ELEMENT_TO_CLIENT, false, "");
    run(&c, STREAM("<stream:error><a xmlns='u'/><text xmlns='" NS_STREAM_ERRORS
                   "'>x</text><conflict xmlns='" NS_STREAM_ERRORS
                   "'/><reset xmlns='" NS_STREAM_ERRORS "'/></stream:error>"));
    assert_int_equal(c.last.kind, ELEMENT_ERROR);
    assert_true(slice_is(c.last.error_condition, "conflict"));
    buf_truncate(&c.out, 0);
    run(&c, STREAM("<stream:error><conflict/></stream:error>"));
    assert_true(slice_is(c.last.error_condition, ""));
    buf_free(&c.out);
}

/* L72: PLAIN is taken out of both lists and nothing else is, whatever its
 * attributes and pieces; other mechanisms that begin alike stay. */
static void plain_is_taken_out_where_that_is_wanted(void **state)
{
    static const char in[] = STREAM(
        "<stream:features><mechanisms xmlns='" NS_SASL "'>"
        "<mechanism>SCRAM-SHA-1</mechanism><mechanism a='b'>PL<![CDATA[AIN]]>"
        "</mechanism><mechanism>PLAINER</mechanism><mechanism>PLAI</mechanism>"
        "<mechanism/></mechanisms>"
        "<authentication xmlns='" NS_SASL2 "'><mechanism>PLAIN</mechanism>"
        "<inline/></authentication><x xmlns='u'><mechanism>PLAIN</mechanism>"
        "</x></stream:features>");
    static const char only[] =
        STREAM("<stream:features><mechanisms xmlns='" NS_SASL "'>"
               "<mechanism>PLAIN</mechanism></mechanisms><b xmlns='u'/>"
               "</stream:features>");
    struct copy c;

    open_copy(&c, ELEMENT_TO_CLIENT, false, "");
    c.params.strips_plain = true;
    run(&c, in);
    expect_out(&c, FEATURES
               "><mechanisms xmlns=\"" NS_SASL "\"><mechanism>SCRAM-SHA-1"
               "</mechanism><mechanism>PLAINER</mechanism><mechanism>PLAI"
               "</mechanism><mechanism/></mechanisms>"
               "<authentication xmlns=\"" NS_SASL2 "\"><inline/>"
               "</authentication><x xmlns=\"u\"><mechanism>PLAIN</mechanism>"
               "</x></stream:features>");
    buf_free(&c.out);
    open_copy(&c, ELEMENT_TO_CLIENT, false, "");
    c.params.strips_plain = true;
    run(&c, only);
    expect_out(&c, FEATURES "><mechanisms xmlns=\"" NS_SASL
                            "\"/><b xmlns=\"u\"/></stream:features>");
    buf_free(&c.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_few_attributes_that_matter_are_noted),
        cmocka_unit_test(stream_management_inside_success_is_noted),
        cmocka_unit_test(the_host_of_see_other_host_is_noted),
        cmocka_unit_test(login_without_sasl_is_noted),
        cmocka_unit_test(the_condition_of_a_stream_error_is_noted),
        cmocka_unit_test(plain_is_taken_out_where_that_is_wanted),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
