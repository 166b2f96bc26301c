#include "stream_world.h"

/* --- Elements ------------------------------------------------------------- */

/* H34, G05, K47 */
static void elements_arrive_in_order_and_clean(void **state)
{
    struct world w;

    world_open(&w, UPSTREAM_TLS);
    world_accept(&w);
    world_secure(&w);
    world_say(&w, "<?xml version='1.0'?><stream:stream "
                  "xmlns='jabber:client' xml:lang='en' id='1' version='1.0' "
                  "xmlns:stream='http://etherx.jabber.org/streams'> \n");
    world_say(&w, FEATURES_TLS " <message id='m1'><body>x</body></message>\n"
                               "<iq xml:lang='fr' type='get' id='i'/>");
    assert_non_null(strstr(w.log, "opened(1) <stream:features"));
    assert_null(strstr(w.log, "starttls"));
    assert_non_null(strstr(w.log, "<message xmlns=\"jabber:client\" "
                                  "id=\"m1\" xml:lang=\"en\">"
                                  "<body>x</body></message>"));
    assert_null(strstr(strstr(w.log, "<iq"), "\"en\""));
    world_end(&w);
}

static void every_split_gives_the_same(void **state)
{
    static const char *const text = HEADER_ID("s") FEATURES_SASL
        "<message id='1'><body>a&amp;\xc3\xa4</body></message> <iq/>";
    struct world w;
    char want[sizeof(w.log)];

    world_open_tls(&w);
    world_say(&w, text);
    snprintf(want, sizeof(want), "%s", w.log);
    world_end(&w);

    for (size_t at = 0; at <= strlen(text); at++) {
        world_open_tls(&w);
        world_say_bytes(&w, text, at);
        world_say(&w, text + at);
        assert_string_equal(w.log, want);
        world_end(&w);
    }
    world_open_tls(&w);
    for (size_t at = 0; at < strlen(text); at++)
        world_say_bytes(&w, text + at, 1);
    assert_string_equal(w.log, want);
    world_end(&w);
}

#define STREAMS "http://etherx.jabber.org/streams"

/* RFC 6120 section 4.8: the spellings of one stream, with a stanza of text
 * that the plain reader takes and one that it leaves to expat. */
static const struct spelling {
    const char *root;
    const char *features;
    const char *message;
    const char *entity;
    const char *end;
} spellings[] = {
    {"<stream:stream xmlns='jabber:client' xmlns:stream='" STREAMS
     "' id='1' version='1.0'>",
     "<stream:features/>", "<message id='m'><body>x</body></message>",
     "<iq id='i'><![CDATA[\xc3\xa4]]></iq>", "</stream:stream>"},
    /* The streams namespace under another prefix, or as the default. */
    {"<s:stream xmlns='jabber:client' xmlns:s='" STREAMS
     "' id='1' version='1.0'>",
     "<s:features/>", "<message id='m'><body>x</body></message>",
     "<iq id='i'><![CDATA[\xc3\xa4]]></iq>", "</s:stream>"},
    {"<stream xmlns='" STREAMS "' id='1' version='1.0'>", "<features/>",
     "<message xmlns='jabber:client' id='m'><body>x</body></message>",
     "<iq xmlns='jabber:client' id='i'><![CDATA[\xc3\xa4]]></iq>", "</stream>"},
    {"<stream xmlns='" STREAMS "' xmlns:c='jabber:client' id='1' "
     "version='1.0'>",
     "<features/>", "<c:message id='m'><c:body>x</c:body></c:message>",
     "<c:iq id='i'><![CDATA[\xc3\xa4]]></c:iq>", "</stream>"},
    /* jabber:client under a prefix, of the root or of each stanza. */
    {"<stream:stream xmlns:client='jabber:client' xmlns:stream='" STREAMS
     "' id='1' version='1.0'>",
     "<stream:features/>",
     "<client:message id='m'><client:body>x</client:body></client:message>",
     "<client:iq id='i'><![CDATA[\xc3\xa4]]></client:iq>", "</stream:stream>"},
    {"<stream:stream xmlns:stream='" STREAMS "' id='1' version='1.0'>",
     "<stream:features/>",
     "<c:message xmlns:c='jabber:client' id='m'><c:body>x</c:body></c:message>",
     "<c:iq xmlns:c='jabber:client' id='i'><![CDATA[\xc3\xa4]]></c:iq>",
     "</stream:stream>"},
    {"<stream:stream xmlns:stream='" STREAMS "' id='1' version='1.0'>",
     "<f:features xmlns:f='" STREAMS "'/>",
     "<message xmlns='jabber:client' id='m'><body>x</body></message>",
     "<iq xmlns='jabber:client' id='i'><![CDATA[\xc3\xa4]]></iq>",
     "</stream:stream>"},
    /* A default that is none, or says nothing of stanzas. */
    {"<stream:stream xmlns='' xmlns:stream='" STREAMS "' id='1' "
     "version='1.0'>",
     "<features xmlns='" STREAMS "'/>",
     "<message xmlns='jabber:client' id='m'><body>x</body></message>",
     "<iq xmlns='jabber:client' id='i'><![CDATA[\xc3\xa4]]></iq>",
     "</stream:stream>"},
    {"<stream:stream xmlns='urn:other' xmlns:stream='" STREAMS
     "' xmlns:jabber='jabber:client' id='1' version='1.0'>",
     "<stream:features/>",
     "<jabber:message id='m'><body xmlns='jabber:client'>x</body>"
     "</jabber:message>",
     "<iq xmlns='jabber:client' id='i'><![CDATA[\xc3\xa4]]></iq>",
     "</stream:stream>"},
    /* Both prefixes the other way round, and both of one namespace. */
    {"<client:stream xmlns:stream='jabber:client' xmlns:client='" STREAMS
     "' id='1' version='1.0'>",
     "<client:features/>",
     "<stream:message id='m'><stream:body>x</stream:body></stream:message>",
     "<stream:iq id='i'><![CDATA[\xc3\xa4]]></stream:iq>", "</client:stream>"},
    {"<a:stream xmlns='jabber:client' xmlns:a='" STREAMS "' xmlns:b='" STREAMS
     "' xmlns:c='jabber:client' id='1' version='1.0'>",
     "<b:features/>", "<c:message id='m'><body>x</body></c:message>",
     "<iq id='i'><![CDATA[\xc3\xa4]]></iq>", "</a:stream>"},
};

static const char spelled_out[] =
    "opened(1) <stream:features xmlns:stream=\"" STREAMS "\"/> "
    "<message xmlns=\"jabber:client\" id=\"m\"><body>x</body></message> "
    "<iq xmlns=\"jabber:client\" id=\"i\">\xc3\xa4</iq> ended(closed)";

/* What the owner is told without the declarations that the writer keeps
 * although nothing needs them any more. */
static const char *without_spare_declarations(struct world *w)
{
    static const char *const spare[] = {
        " xmlns:c=\"jabber:client\"",
        " xmlns:f=\"" STREAMS "\"",
        " xmlns=\"" STREAMS "\"",
    };

    for (size_t i = 0; i < COUNT_OF(spare); i++) {
        size_t len = strlen(spare[i]);

        for (char *at = w->log; (at = strstr(at, spare[i])) != NULL;)
            memmove(at, at + len, strlen(at + len) + 1);
    }
    return w->log;
}

static void hear_in_pieces(const struct spelling *s, size_t piece)
{
    char text[1500];
    size_t len = (size_t)snprintf(text, sizeof(text), "%s%s%s%s%s", s->root,
                                  s->features, s->message, s->entity, s->end);
    struct world w;

    assert_true(len < sizeof(text));
    world_open_tls(&w);
    for (size_t at = 0; at < len; at += piece)
        world_say_bytes(&w, text + at, len - at < piece ? len - at : piece);
    assert_string_equal(without_spare_declarations(&w), spelled_out);
    world_end(&w);
}

/* K42, RFC 6120 section 4.8 */
static void any_spelling_of_the_namespaces_is_understood(void **state)
{
    static const size_t pieces[] = {1, 2, 7, 61, 2000};

    for (size_t i = 0; i < COUNT_OF(spellings); i++)
        for (size_t p = 0; p < COUNT_OF(pieces); p++)
            hear_in_pieces(&spellings[i], pieces[p]);
}

/* A server may spell each header anew; a long prefix is a prefix. */
static void a_restart_may_change_the_spelling(void **state)
{
    char prefix[1025];
    char root[2400];
    struct world w;

    memset(prefix, 'p', sizeof(prefix) - 1);
    prefix[sizeof(prefix) - 1] = '\0';
    snprintf(root, sizeof(root),
             "<%s:stream xmlns:%s='" STREAMS "' version='1.0' id='2'>", prefix,
             prefix);
    world_open_tls(&w);
    w.restart_at = ELEMENT_SUCCESS;
    world_say(&w, HEADER_ID("1") FEATURES_SASL SUCCESS);
    w.log[0] = '\0';
    for (size_t at = 0; root[at] != '\0'; at++)
        world_say_bytes(&w, root + at, 1);
    world_say(&w, "<message xmlns='jabber:client'/>");
    assert_string_equal(w.log, "opened(2) <message xmlns=\"jabber:client\"/>");
    world_end(&w);
}

/* Two streams of one worker, each in the middle of an element. */
static void streams_do_not_share_what_they_copy(void **state)
{
    struct world w;
    struct world v;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("w"));
    world_open_tls(&v);
    world_say(&v, HEADER_ID("v"));
    world_say(&w, "<message id='w'><body>w");
    world_say(&v, "<message id='v'><body>v");
    world_say(&w, "w</body></message>");
    world_say(&v, "v</body></message>");
    assert_non_null(strstr(w.log, "<body>ww</body>"));
    assert_non_null(strstr(v.log, "<body>vv</body>"));
    world_end(&w);
    world_end(&v);
}

/* K50, L60: what the server must not send */
static void faults_of_the_server_are_told_and_end_the_stream(void **state)
{
    static const struct {
        const char *text;
        const char *condition;
        const char *end;
    } bad[] = {
        {"<message></presence>", "not-well-formed", "ended(bad-xml)"},
        {"<x:y/>", "not-well-formed", "ended(bad-xml)"},
        {"text", "not-well-formed", "ended(bad-xml)"},
        {"<!-- c -->", "restricted-xml", "ended(bad-xml)"},
        {"<message>\xff</message>", "unsupported-encoding", "ended(bad-xml)"},
        {"<stream:stream/>", "bad-format", "ended(bad-xml)"},
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct world w;
        const char *text;

        world_open_tls(&w);
        world_say(&w, HEADER_ID("1"));
        w.log[0] = '\0';
        world_heard(&w);
        world_say(&w, bad[i].text);
        text = world_heard(&w);
        assert_string_equal(w.log, bad[i].end);
        if (strstr(text, bad[i].condition) == NULL)
            fail_msg("%s: %s", bad[i].text, text);
        assert_non_null(strstr(text, "</stream:stream>"));
        world_end(&w);
    }
}

/* K50: what was whole before the fault arrives, in whatever pieces it came. */
static void whole_elements_before_a_fault_arrive(void **state)
{
    static const char *const bad[] = {
        "<iq/><message>\xc3\xa4\xff</message>",
        "<iq/><message></presence>",
        "<iq/>\xff",
        "<iq/><message>\xed\xa0\x80",
    };

    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        for (size_t cut = 0; cut < strlen(bad[i]); cut++) {
            struct world w;

            world_open_tls(&w);
            world_say(&w, HEADER_ID("1"));
            world_say_bytes(&w, bad[i], cut);
            world_say_bytes(&w, bad[i] + cut, strlen(bad[i]) - cut);
            assert_string_equal(w.log, "opened(1) <iq xmlns=\"jabber:client\"/>"
                                       " ended(bad-xml)");
            world_end(&w);
        }
    }
}

static void a_stream_error_is_handed_up(void **state)
{
    struct world w;

    world_open_tls(&w);
    world_say(&w, HEADER_ID("1"));
    world_heard(&w);
    world_say(&w, "<stream:error><conflict "
                  "xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"
                  "</stream:error></stream:stream>");
    assert_string_equal(w.log, "opened(1) ended(stream-error,conflict)");
    assert_string_equal(world_heard(&w), "</stream:stream>");
    world_end(&w);
}

/* --- Restart -------------------------------------------------------------- */

/* G09, G13, H41 */
static void a_restart_begins_a_new_stream(void **state)
{
    static const char *const before[] = {
        "",
        "\n",
        " \t\r\n",
        "<?xml version='1.0'?>",
        "\n  <?xml version='1.0' encoding='UTF-8'?>\n",
    };

    for (size_t i = 0; i < COUNT_OF(before); i++) {
        struct world w;
        const char *text;

        world_open_tls(&w);
        world_say(&w, HEADER_ID("1") "<success "
                                     "xmlns='urn:ietf:params:xml:ns:xmpp-"
                                     "sasl'/>");
        world_heard(&w);
        w.log[0] = '\0';
        assert_int_equal(stream_restart(w.stream, SLICE(""), SLICE("en")),
                         ERR_OK);
        text = world_heard(&w);
        assert_ptr_equal(strstr(text, "<?xml"), text);
        assert_null(strstr(text, "from="));
        assert_non_null(strstr(text, "xml:lang=\"en\""));
        world_say(&w, before[i]);
        world_say(&w, ROOT("2") "<iq/>");
        assert_string_equal(w.log, "opened(2) <iq xmlns=\"jabber:client\"/>");
        world_end(&w);
    }
}

/* T49: inside a tag that is not complete no new stream begins, wherever the
 * packets are cut. */
static void a_new_stream_begins_between_elements_only(void **state)
{
    static const char *const text = "<iq a='" ROOT("2") "'/>";
    size_t at;

    for (at = 1; at <= strlen(text); at++) {
        struct world w;

        world_open_tls(&w);
        world_say(&w, HEADER_ID("1") SUCCESS);
        assert_int_equal(stream_restart(w.stream, SLICE(""), SLICE("")),
                         ERR_OK);
        w.log[0] = '\0';
        world_say_bytes(&w, text, at);
        world_say(&w, text + at);
        assert_string_equal(w.log, "ended(bad-xml)");
        world_end(&w);
    }
}

/* T49: at every byte, restart called before and from inside a callback */
static void what_was_sent_before_belongs_to_the_old_stream(void **state)
{
    static const char *const text = "<message id='o'/> <iq id='o'><a/></iq>\n"
                                    "<?xml version='1.0'?>" ROOT("2") "<iq/>";
    const char *want =
        " <message xmlns=\"jabber:client\" id=\"o\"/> "
        "<iq xmlns=\"jabber:client\" id=\"o\"><a/></iq> opened(2) "
        "<iq xmlns=\"jabber:client\"/>";

    for (size_t at = 0; at <= strlen(text); at++) {
        struct world w;

        world_open_tls(&w);
        world_say(&w, HEADER_ID("1"));
        w.restart_at = at % 2 == 0 ? ELEMENT_SUCCESS : ELEMENT_OTHER;
        world_say(&w, SUCCESS);
        if (at % 2 != 0)
            assert_int_equal(stream_restart(w.stream, SLICE(""), SLICE("")),
                             ERR_OK);
        world_say_bytes(&w, text, at);
        world_say(&w, text + at);
        assert_non_null(strstr(w.log, want));
        world_end(&w);
    }
}

static void success_and_old_elements_in_one_piece(void **state)
{
    struct world w;

    world_open_tls(&w);
    w.restart_at = ELEMENT_SUCCESS;
    world_say(&w, HEADER_ID("1") SUCCESS "<message id='o'/>");
    assert_non_null(strstr(w.log, "id=\"o\"/>"));
    world_say(&w, HEADER_ID("2"));
    assert_non_null(strstr(w.log, "opened(2)"));
    world_end(&w);

    world_open_tls(&w);
    w.restart_at = ELEMENT_SUCCESS;
    world_say(&w, HEADER_ID("1") SUCCESS "</stream:stream>");
    assert_non_null(strstr(w.log, "ended(closed)"));
    world_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(elements_arrive_in_order_and_clean),
        cmocka_unit_test(every_split_gives_the_same),
        cmocka_unit_test(any_spelling_of_the_namespaces_is_understood),
        cmocka_unit_test(a_restart_may_change_the_spelling),
        cmocka_unit_test(streams_do_not_share_what_they_copy),
        cmocka_unit_test(faults_of_the_server_are_told_and_end_the_stream),
        cmocka_unit_test(whole_elements_before_a_fault_arrive),
        cmocka_unit_test(a_stream_error_is_handed_up),
        cmocka_unit_test(a_restart_begins_a_new_stream),
        cmocka_unit_test(a_new_stream_begins_between_elements_only),
        cmocka_unit_test(what_was_sent_before_belongs_to_the_old_stream),
        cmocka_unit_test(success_and_old_elements_in_one_piece),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
