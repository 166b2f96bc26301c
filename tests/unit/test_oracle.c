/* The oracle of tests/fakes: what it lets pass, and each fault that it must
 * see. */
#include "../fakes/oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define DECLARATION "<?xml version='1.0'?>"
#define TAG                                                                    \
    "<stream:stream xmlns='jabber:client' "                                    \
    "xmlns:stream='http://etherx.jabber.org/streams' to='a'>"
#define HEADER   DECLARATION TAG
#define SUCCESS  "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
#define STARTTLS "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define END      "</stream:stream>"

/* What doab sends; a line `server:` is what the server says in between, `tls`
 * that TLS is on. */
struct story {
    const char *parts[8];
};

static const char *tell(const struct story *s, bool in_pieces)
{
    struct oracle *o = oracle_new();
    static char fault[256];
    const char *said = NULL;
    size_t i, k;

    for (i = 0; i < COUNT_OF(s->parts) && s->parts[i] != NULL; i++) {
        struct slice part = slice_of(s->parts[i]);

        if (strcmp(part.at, "tls") == 0) {
            oracle_secure(o);
        } else if (strncmp(part.at, "server:", 7) == 0) {
            oracle_hear(o, slice_of(part.at + 7));
        } else if (in_pieces) {
            for (k = 0; k < part.len; k++)
                said = oracle_read(o, (struct slice){part.at + k, 1});
        } else {
            said = oracle_read(o, part);
        }
    }
    if (said == NULL)
        said = oracle_end(o);
    snprintf(fault, sizeof(fault), "%s", said == NULL ? "" : said);
    oracle_free(o);
    return fault[0] == '\0' ? NULL : fault;
}

static void what_a_server_takes_passes(void **state)
{
    static const struct story stories[] = {
        {{""}},
        {{HEADER}},
        {{HEADER, "<iq/>", " ", "<message><body>a</body></message>", END}},
        {{HEADER "<a xmlns='urn:x'/>" END}},
        {{HEADER, STARTTLS, "tls", HEADER, "<iq/>"}},
        {{HEADER, STARTTLS}},
        {{HEADER, "server:" HEADER SUCCESS, HEADER, "<iq/>" END}},
        {{HEADER, "<iq/>", "server:\n" HEADER "<a/>" SUCCESS,
          HEADER "<iq/>" END}},
        {{"tls", HEADER, "server:" HEADER SUCCESS, HEADER "<iq/>"}},
        {{HEADER, STARTTLS, "server:" HEADER SUCCESS, "tls", HEADER,
          "server:" HEADER SUCCESS, HEADER}},
    };

    for (size_t i = 0; i < COUNT_OF(stories); i++) {
        assert_null(tell(&stories[i], false));
        assert_null(tell(&stories[i], true));
    }
}

static void each_fault_is_seen(void **state)
{
    static const struct {
        struct story story;
        const char *fault;
    } faults[] = {
        {{{TAG}}, "no XML declaration"},
        {{{"<iq/>"}}, "no stream header"},
        {{{HEADER "<iq>", "</message>"}}, "not well-formed: mismatched"},
        {{{HEADER "<iq/>", HEADER}}, "a header that no <success/>"},
        {{{HEADER, "server:" HEADER "<a>" SUCCESS "</a>", HEADER}},
         "a header that no <success/>"},
        {{{HEADER, "server:" HEADER SUCCESS, HEADER, HEADER}},
         "a header that no <success/>"},
        {{{HEADER, "server:" HEADER SUCCESS, STARTTLS, "tls", HEADER, HEADER}},
         "a header that no <success/>"},
        {{{HEADER, "server:" HEADER SUCCESS, "<iq>" HEADER}},
         "not well-formed"},
        {{{HEADER, "server:" HEADER SUCCESS, TAG}}, "a header inside"},
        {{{HEADER, STARTTLS "<iq/>"}}, "bytes behind <starttls/>"},
        {{{HEADER, STARTTLS, "<iq/>"}}, "bytes behind <starttls/>"},
        {{{HEADER, STARTTLS, "tls", "<iq/>"}}, "no stream header"},
        {{{HEADER END, " "}}, "bytes behind </stream:stream>"},
        {{{HEADER END HEADER}}, ""},
        {{{HEADER "hello"}}, "text between"},
        {{{HEADER "<iq xmlns='jabber:server'/>"}}, "of servers"},
        {{{HEADER "<iq><!-- -->"}}, "a comment"},
        {{{HEADER "<iq><?a b?>"}}, "a processing"},
        {{{HEADER "<iq><![CDATA[a]]>"}}, "a CDATA"},
        {{{DECLARATION "<!DOCTYPE a>" TAG}}, "a document type"},
        {{{"<?xml version='1.0' encoding='UTF-16'?>" TAG}}, ""},
        {{{HEADER "<iq"}}, "cut off"},
        {{{HEADER "<iq>"}}, "cut off"},
        {{{HEADER "<iq/>\xc3"}}, "cut off"},
    };

    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        for (int pieces = 0; pieces < 2; pieces++) {
            const char *seen = tell(&faults[i].story, pieces == 1);

            if (seen == NULL || strstr(seen, faults[i].fault) == NULL)
                fail_msg("%zu: %s, and not %s", i, seen == NULL ? "ok" : seen,
                         faults[i].fault);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_server_takes_passes),
        cmocka_unit_test(each_fault_is_seen),
    };

    return cmocka_run_group_tests_name("oracle", tests, NULL, NULL);
}
