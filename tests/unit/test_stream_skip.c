/* Elements of the server above a limit.  L22 */
#include "stream_world.h"

#include "base/buf.h"

#define STANZAS "urn:ietf:params:xml:ns:xmpp-stanzas"
#define AFTER   "<message id='after'><body>x</body></message>"
#define AFTER_OUT                                                              \
    " <message xmlns=\"jabber:client\" id=\"after\"><body>x</body></message>"
#define CLIENT " xmlns=\"jabber:client\""

static void begin_with(struct world *w, const char *header)
{
    world_open_tls(w);
    world_say(w, header);
    world_say(w, FEATURES_SASL);
    w->log[0] = '\0';
    (void)world_heard(w);
}

static void begin(struct world *w)
{
    begin_with(w, HEADER);
}

static void append(struct buf *b, const char *text)
{
    assert_int_equal(buf_append_text(b, text), ERR_OK);
}

static void repeat(struct buf *b, const char *text, size_t n)
{
    while (n-- > 0)
        append(b, text);
}

static void number(struct buf *b, size_t n)
{
    assert_int_equal(buf_append_u64(b, n), ERR_OK);
}

/* --- Each limit ----------------------------------------------------------- */

static void large_text(struct buf *b)
{
    repeat(b, "x", ELEMENT_MAX);
}

static void large_cdata(struct buf *b)
{
    append(b, "<![CDATA[");
    repeat(b, "]]</message>>", ELEMENT_MAX / 10);
    append(b, "]]>");
}

static void many_children(struct buf *b)
{
    repeat(b, "<b c='/>'/>", ELEMENT_MAX / 10);
}

static void long_tag(struct buf *b)
{
    append(b, "<b c='");
    repeat(b, "</message>", ELEMENT_MAX / 5);
    append(b, "'/>");
}

static void longer_tag(struct buf *b)
{
    append(b, "<b c=\"");
    repeat(b, "/>'</message>", XML_TAG_MAX_BYTES / 10);
    append(b, "\"></b>");
}

static void deep(struct buf *b)
{
    repeat(b, "<b>", XML_SERVER_DEPTH_MAX);
    repeat(b, "</b>", XML_SERVER_DEPTH_MAX);
}

static void many_attributes(struct buf *b)
{
    append(b, "<b");
    for (size_t i = 0; i < XML_SERVER_ATTRS_MAX + 1; i++) {
        append(b, " a");
        number(b, i);
        append(b, "=''");
    }
    append(b, "/>");
}

static void many_declarations(struct buf *b)
{
    append(b, "<b");
    for (size_t i = 0; i < 600; i++) {
        append(b, " xmlns:a");
        number(b, i);
        append(b, "='u'");
    }
    append(b, "/>");
}

static void long_name(struct buf *b)
{
    append(b, "<");
    repeat(b, "b", XML_SERVER_NAME_MAX_BYTES + 1);
    append(b, "/>");
}

static void long_namespace(struct buf *b)
{
    append(b, "<b xmlns='");
    repeat(b, "u", XML_SERVER_NAME_MAX_BYTES + 1);
    append(b, "'><c/></b>");
}

/* Each character becomes a reference of four. */
static void growing_text(struct buf *b)
{
    append(b, "<![CDATA[");
    repeat(b, "<", ELEMENT_MAX - 100);
    append(b, "]]>");
}

/* The prefix is declared anew on each of them. */
static void growing_names(struct buf *b)
{
    repeat(b, "<stream:b/>", 800);
}

static const struct shape {
    void (*fill)(struct buf *b);
    const char *limit;
} shapes[] = {
    {large_text, "size"},
    {large_cdata, "size"},
    {many_children, "size"},
    {long_tag, "size"},
    {longer_tag, NULL}, /* size, or tag in one piece */
    {deep, "depth"},
    {many_attributes, "attributes"},
    {many_declarations, "output"},
    {long_name, "name"},
    {long_namespace, "name"},
    {growing_text, "output"},
    {growing_names, "output"},
};

static void expect_stub(struct world *w, const struct shape *shape,
                        size_t bytes)
{
    char want[600];
    const char *text = strstr(w->log, "limit of ");

    assert_non_null(text);
    if (shape->limit != NULL)
        assert_int_equal(strncmp(text + 9, shape->limit, strlen(shape->limit)),
                         0);
    snprintf(want, sizeof(want),
             "<message" CLIENT
             " from=\"a@b\" id=\"1\"><policy-violation xmlns=\"" STANZAS
             "\"/><text xmlns=\"" STANZAS "\" xml:lang=\"en\">The gateway left "
             "out this element of %zu bytes: above the limit of ",
             bytes);
    assert_int_equal(strncmp(w->log, want, strlen(want)), 0);
    text = strstr(text, "</text></message>");
    assert_non_null(text);
    assert_string_equal(text, "</text></message>" AFTER_OUT);
}

static size_t of_size(size_t step, size_t left)
{
    return step < left ? step : left;
}

/* In pieces of any size a stub comes, with the size of the element, and what is
 * behind it is read. */
static void what_is_above_a_limit_becomes_a_stub(void **state)
{
    static const size_t steps[] = {1, 7, 1000, 8192, 8193, 60000, SIZE_MAX};

    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct buf b;

        buf_init(&b, SIZE_MAX);
        append(&b, "<message from='a@b' id='1'><x>");
        shapes[i].fill(&b);
        append(&b, "</x></message>");
        for (size_t k = 0; k < COUNT_OF(steps); k++) {
            struct world w;

            begin(&w);
            for (size_t at = 0; at < b.len; at += of_size(steps[k], b.len - at))
                world_say_bytes(&w, buf_at(&b) + at,
                                of_size(steps[k], b.len - at));
            world_say(&w, AFTER);
            expect_stub(&w, &shapes[i], b.len);
            assert_string_equal(world_heard(&w), "");
            world_end(&w);
        }
        buf_free(&b);
    }
}

/* At the very limit nothing is left out. */
static void what_is_at_a_limit_passes(void **state)
{
    struct world w;
    struct buf b;

    buf_init(&b, SIZE_MAX);
    begin(&w);
    append(&b, "<a>");
    repeat(&b, "x", ELEMENT_MAX - 7);
    append(&b, "</a>");
    assert_int_equal(b.len, ELEMENT_MAX);
    world_say_bytes(&w, buf_at(&b), b.len);
    assert_int_equal(strlen(w.log), ELEMENT_MAX + strlen(CLIENT));
    world_end(&w);
    buf_free(&b);
}

/* --- Each form ------------------------------------------------------------ */

#define LEFT_OUT                                                               \
    "The gateway left out this element of # bytes: above the limit of "        \
    "size, 10000 bytes"
#define CONDITION                                                              \
    "<policy-violation xmlns=\"" STANZAS "\"/><text xmlns=\"" STANZAS          \
    "\" xml:lang=\"en\">" LEFT_OUT "</text>"
#define AS_ERROR "<error type=\"modify\">" CONDITION "</error>"

static const struct form {
    const char *tag;
    const char *end;
    const char *stub; /* with the size, or without */
} forms[] = {
    {"<iq type='result' id='1' from='a&amp;b' to='c'>", "</iq>",
     "<iq" CLIENT " type=\"error\" id=\"1\" from=\"a&amp;b\" to=\"c\">" AS_ERROR
     "</iq>"},
    {"<iq type='error' id='1'>", "</iq>",
     "<iq" CLIENT " type=\"error\" id=\"1\">" AS_ERROR "</iq>"},
    {"<iq type='get' id='1' x='y'>", "</iq>",
     "<iq" CLIENT " type=\"get\" id=\"1\"/>"},
    {"<iq id='1' type='set'>", "</iq>",
     "<iq" CLIENT " id=\"1\" type=\"set\"/>"},
    {"<iq>", "</iq>", "<iq" CLIENT "/>"},
    {"<message>", "</message>", "<message" CLIENT ">" CONDITION "</message>"},
    {"<message type='groupchat' xml:lang='fr' from='r@m/n'>", "</message>",
     "<message" CLIENT
     " type=\"groupchat\" xml:lang=\"fr\" from=\"r@m/n\">" CONDITION
     "</message>"},
    {"<message type='error' to='a'>", "</message>",
     "<message" CLIENT " type=\"error\" to=\"a\">" AS_ERROR "</message>"},
    {"<presence type='unavailable' from='a'>", "</presence>",
     "<presence" CLIENT " type=\"unavailable\" from=\"a\">" CONDITION
     "</presence>"},
    {"<presence type='error'>", "</presence>",
     "<presence" CLIENT " type=\"error\">" AS_ERROR "</presence>"},
    {"<c:iq xmlns:c='jabber:client' type='result' id='1'>", "</c:iq>",
     "<iq" CLIENT " type=\"error\" id=\"1\">" AS_ERROR "</iq>"},
    {"<r xmlns='urn:x' id='1' h='2'>", "</r>", "<r xmlns=\"urn:x\" id=\"1\"/>"},
    {"<y:r xmlns:y='urn:y' y:id='1'>", "</y:r>", "<y:r xmlns:y=\"urn:y\"/>"},
    {"<iq xmlns='urn:other' type='result'>", "</iq>",
     "<iq xmlns=\"urn:other\" type=\"result\"/>"},
};

/* Replaces the # by the size. */
static void fill_in(char *want, size_t cap, const char *stub, size_t size)
{
    size_t n = strcspn(stub, "#");

    if (stub[n] == '\0')
        snprintf(want, cap, "%s", stub);
    else
        snprintf(want, cap, "%.*s%zu%s", (int)n, stub, size, stub + n + 1);
}

static void a_stub_is_answered_as_the_original(void **state)
{
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        for (int is_in_tag = 0; is_in_tag < 2; is_in_tag++) {
            char want[1000];
            struct world w;
            struct buf b;

            buf_init(&b, SIZE_MAX);
            append(&b, forms[i].tag);
            if (is_in_tag) { /* the start tag itself is too large */
                buf_truncate(&b, b.len - 1);
                append(&b, " large='");
            }
            repeat(&b, "x", ELEMENT_MAX * (is_in_tag ? 30 : 1));
            append(&b, is_in_tag ? "'>" : "");
            append(&b, forms[i].end);
            fill_in(want, sizeof(want), forms[i].stub, b.len);
            begin(&w);
            for (size_t at = 0; at < b.len; at += 5000)
                world_say_bytes(&w, buf_at(&b) + at, of_size(5000, b.len - at));
            assert_string_equal(w.log, want);
            world_end(&w);
            buf_free(&b);
        }
    }
}

/* An attribute of a stanza that would fill memory is left out; others stay. */
static void a_huge_attribute_is_left_out(void **state)
{
    static const size_t lengths[] = {4000, 20000, 60000, 200000};

    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct world w;
        struct buf b;

        buf_init(&b, SIZE_MAX);
        append(&b, "<iq type='result' id='1' to='");
        repeat(&b, "x", lengths[i]);
        append(&b, "' from='a'>");
        repeat(&b, "y", ELEMENT_MAX);
        append(&b, "</iq>");
        begin(&w);
        world_say_bytes(&w, buf_at(&b), b.len);
        assert_int_equal(strncmp(w.log,
                                 "<iq" CLIENT
                                 " type=\"error\" id=\"1\" from=\"a\"><error ",
                                 52),
                         0);
        world_end(&w);
        buf_free(&b);
    }
}

/* H34 */
static void a_stub_has_the_language_of_the_stream(void **state)
{
    struct world w;
    struct buf b;

    buf_init(&b, SIZE_MAX);
    append(&b, "<presence>");
    repeat(&b, "x", ELEMENT_MAX);
    append(&b, "</presence>");
    begin_with(&w, "<stream:stream xmlns='jabber:client' xml:lang='de' id='1' "
                   "version='1.0' "
                   "xmlns:stream='http://etherx.jabber.org/streams'>");
    world_say_bytes(&w, buf_at(&b), b.len);
    assert_non_null(strstr(w.log, "<presence" CLIENT " xml:lang=\"de\"><pol"));
    world_end(&w);
    buf_free(&b);
}

/* What has no name that anyone could know is no stanza. */
static void an_element_of_a_name_without_end_is_dropped(void **state)
{
    static const size_t lengths[] = {XML_SERVER_NAME_MAX_BYTES + 1, 9990,
                                     XML_TAG_MAX_BYTES * 2};

    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct world w;
        struct buf b;

        buf_init(&b, SIZE_MAX);
        append(&b, "<");
        repeat(&b, "x", lengths[i]);
        append(&b, "/>");
        begin(&w);
        world_say_bytes(&w, buf_at(&b), b.len);
        assert_string_equal(w.log, "");
        world_say(&w, AFTER);
        assert_string_equal(w.log, &AFTER_OUT[1]);
        world_end(&w);
        buf_free(&b);
    }
}

/* --- What ends the stream ------------------------------------------------- */

/* No client can go on without them. */
static void what_negotiates_has_no_stub(void **state)
{
    static const char *const tags[] = {
        "<stream:features>",
        "<challenge xmlns='" SASL_NS "'>",
        "<success xmlns='" SASL_NS "'>",
        "<failure xmlns='" SASL_NS "'>",
        "<success xmlns='urn:xmpp:sasl:2'>",
        "<proceed xmlns='" TLS_NS "'>",
        "<stream:error>",
        "<enabled xmlns='urn:xmpp:sm:3'>",
        "<resumed xmlns='urn:xmpp:sm:3'>",
        "<failed xmlns='urn:xmpp:sm:3'>",
    };

    for (size_t i = 0; i < COUNT_OF(tags); i++) {
        struct world w;
        struct buf b;

        buf_init(&b, SIZE_MAX);
        append(&b, tags[i]);
        repeat(&b, "x", ELEMENT_MAX);
        begin(&w);
        world_say_bytes(&w, buf_at(&b), b.len);
        assert_string_equal(w.log, "");
        b.len = 0;
        append(&b, "</");
        append(&b, tags[i] + 1);
        if (strchr(buf_at(&b), ' ') != NULL)
            *strchr(buf_at(&b), ' ') = '>';
        world_say_bytes(&w, buf_at(&b), strcspn(buf_at(&b), ">") + 1);
        assert_string_equal(w.log, "ended(too-big)");
        assert_non_null(strstr(world_heard(&w), "<policy-violation "));
        world_end(&w);
        buf_free(&b);
    }
}

/* Skipping looks away from nothing that no stream may hold. */
static void what_no_stream_may_hold_ends_it_inside_too(void **state)
{
    static const struct {
        const char *text;
        const char *condition;
    } faults[] = {
        {"<!-- x -->", "<restricted-xml "},
        {"<?x y?>", "<restricted-xml "},
        {"<!DOCTYPE x>", "<restricted-xml "},
        {"\xff", "<unsupported-encoding "},
        {"\xc3(", "<unsupported-encoding "},
    };

    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        struct world w;
        struct buf b;

        buf_init(&b, SIZE_MAX);
        append(&b, "<message><x>");
        repeat(&b, "x", ELEMENT_MAX);
        begin(&w);
        world_say_bytes(&w, buf_at(&b), b.len);
        world_say(&w, faults[i].text);
        assert_string_equal(w.log, "ended(bad-xml)");
        assert_non_null(strstr(world_heard(&w), faults[i].condition));
        world_end(&w);
        buf_free(&b);
    }
}

/* --- Around it ------------------------------------------------------------ */

/* B51, G13: holds and restarts work behind a stub as behind any element. */
static void a_stub_may_pause_restart_and_abort(void **state)
{
    static const enum act acts[] = {ACT_PAUSE, ACT_ABORT, ACT_RELEASE,
                                    ACT_CLOSE};

    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        struct world w;
        struct buf b;

        buf_init(&b, SIZE_MAX);
        append(&b, "<message id='1'>");
        repeat(&b, "<x>y</x>", ELEMENT_MAX / 7);
        append(&b, "</message>" AFTER "</stream:stream>");
        begin(&w);
        w.act = acts[i];
        w.act_in = IN_ELEMENT;
        world_say_bytes(&w, buf_at(&b), b.len);
        assert_non_null(strstr(w.log, "<policy-violation"));
        assert_true((strstr(w.log, "after") != NULL) == (acts[i] == ACT_CLOSE));
        if (acts[i] == ACT_PAUSE) {
            w.act = ACT_NONE;
            stream_resume(w.stream);
            world_turn(&w);
            assert_non_null(strstr(w.log, AFTER_OUT " ended(closed)"));
        }
        world_end(&w);
        buf_free(&b);
    }
}

static void a_released_stream_skips_too(void **state)
{
    struct world w;
    struct buf b;

    buf_init(&b, SIZE_MAX);
    append(&b, "<message id='1'>");
    repeat(&b, "<x>y</x>", ELEMENT_MAX / 7);
    begin(&w);
    stream_release(w.stream);
    w.stream = NULL;
    world_say_bytes(&w, buf_at(&b), b.len);
    world_say(&w, "</message>");
    assert_false(world_is_gone(&w));
    world_say(&w, "</stream:stream>");
    assert_true(world_is_gone(&w));
    world_end(&w);
    buf_free(&b);
}

/* L21: before login a server may send less. */
static void login_lifts_the_limit(void **state)
{
    struct world w;
    struct buf b;

    buf_init(&b, SIZE_MAX);
    append(&b, "<iq type='result' id='1'>");
    repeat(&b, "x", STREAM_LOGIN_MAX_BYTES);
    append(&b, "</iq>");
    world_open_limited(&w, 4 * STREAM_LOGIN_MAX_BYTES);
    world_say(&w, HEADER FEATURES_SASL);
    w.log[0] = '\0';
    world_say_bytes(&w, buf_at(&b), b.len);
    assert_non_null(strstr(w.log, "policy-violation"));
    assert_non_null(strstr(w.log, "size, 262144 bytes"));
    stream_set_authenticated(w.stream);
    w.log[0] = '\0';
    world_say_bytes(&w, buf_at(&b), b.len);
    assert_null(strstr(w.log, "policy-violation"));
    assert_int_equal(w.last_bytes, b.len + strlen(CLIENT));
    world_end(&w);
    buf_free(&b);
}

static void skipped_elements_are_counted_and_logged(void **state)
{
    struct metrics counts;
    struct world w;
    struct buf b;

    memset(&counts, 0, sizeof(counts));
    metrics_bind(&counts);
    buf_init(&b, SIZE_MAX);
    append(&b, "<message>");
    repeat(&b, "x", ELEMENT_MAX);
    append(&b, "</message>");
    begin(&w);
    counts.value[METRIC_STANZAS_DOWN] = 0;
    world_say_bytes(&w, buf_at(&b), b.len);
    world_say_bytes(&w, buf_at(&b), b.len);
    assert_int_equal(counts.value[METRIC_STANZAS_SKIPPED], 2);
    assert_int_equal(counts.value[METRIC_STANZAS_DOWN], 2);
    metrics_bind(NULL);
    world_end(&w);
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_above_a_limit_becomes_a_stub),
        cmocka_unit_test(what_is_at_a_limit_passes),
        cmocka_unit_test(a_stub_is_answered_as_the_original),
        cmocka_unit_test(a_huge_attribute_is_left_out),
        cmocka_unit_test(a_stub_has_the_language_of_the_stream),
        cmocka_unit_test(an_element_of_a_name_without_end_is_dropped),
        cmocka_unit_test(what_negotiates_has_no_stub),
        cmocka_unit_test(what_no_stream_may_hold_ends_it_inside_too),
        cmocka_unit_test(a_stub_may_pause_restart_and_abort),
        cmocka_unit_test(a_released_stream_skips_too),
        cmocka_unit_test(login_lifts_the_limit),
        cmocka_unit_test(skipped_elements_are_counted_and_logged),
    };

    return cmocka_run_group_tests_name("stream_skip", tests, NULL, NULL);
}
