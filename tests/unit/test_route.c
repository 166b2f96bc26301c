#include "front/route.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static enum route route_to(enum http_method method, const char *path)
{
    static struct http_head head;

    head.method = method;
    head.path = slice_of(path);
    return route_of(&head);
}

/* I05, Q17 */
static void known_paths_are_matched_exactly(void **state)
{
    static const struct {
        const char *path;
        enum route route;
    } rows[] = {
        {"/http-bind", ROUTE_BOSH},
        {"/http-bind/", ROUTE_BOSH},
        {"/xmpp-websocket", ROUTE_WEBSOCKET},
        {"/ws", ROUTE_WEBSOCKET},
        {"/ws-xmpp", ROUTE_WEBSOCKET},
        {"/xmpp-websocket/", ROUTE_WEBSOCKET},
        {"/ws/", ROUTE_WEBSOCKET},
        {"/ws-xmpp/", ROUTE_WEBSOCKET},
        {"/", ROUTE_PAGE},
        {"", ROUTE_PAGE},
        {"//", ROUTE_PAGE},
        {"/ws//", ROUTE_PAGE},
        {"/ws-xmpp/x", ROUTE_PAGE},
        {"/xmpp-websocket//", ROUTE_PAGE},
        {"/http-bind//", ROUTE_PAGE},
        {"//http-bind", ROUTE_PAGE},
        {"/HTTP-BIND", ROUTE_PAGE},
        {"/http%2dbind", ROUTE_PAGE},
        {"/x/../http-bind", ROUTE_PAGE},
        {"/..;/http-bind", ROUTE_PAGE},
        {"/http-bin", ROUTE_PAGE},
        {"/http-binds", ROUTE_PAGE},
    };

    (void)state;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (route_to(HTTP_POST, rows[i].path) != rows[i].route)
            fail_msg("%s goes elsewhere", rows[i].path);
        assert_int_equal(route_to(HTTP_OPTIONS, rows[i].path), rows[i].route);
    }
}

/* I03, I04 */
static void options_of_the_server_is_no_page(void **state)
{
    (void)state;
    assert_int_equal(route_to(HTTP_OPTIONS, "*"), ROUTE_SERVER);
    assert_int_equal(route_to(HTTP_KNOWN, "*"), ROUTE_PAGE); /* CONNECT * */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_paths_are_matched_exactly),
        cmocka_unit_test(options_of_the_server_is_no_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
