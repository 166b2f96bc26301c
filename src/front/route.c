#include "front/route.h"

/* Each may end with one slash: a redirect to the other spelling would turn a
 * POST into a GET, and browsers follow none for a WebSocket. */
static const struct {
    const char *path;
    enum route route;
} routes[] = {
    {"/http-bind", ROUTE_BOSH},
    {"/xmpp-websocket", ROUTE_WEBSOCKET},
    {"/ws", ROUTE_WEBSOCKET},
    {"/ws-xmpp", ROUTE_WEBSOCKET},
};

/* No decoding, no normalising: what is not written like this is a page, and
 * pages are found by their exact name, too (L15, Openfire). */
enum route route_of(const struct http_head *head)
{
    struct slice path = head->path;

    if (head->method == HTTP_OPTIONS && slice_is(path, "*"))
        return ROUTE_SERVER;
    if (path.len > 0 && path.at[path.len - 1] == '/')
        path.len--;
    for (size_t i = 0; i < COUNT_OF(routes); i++) {
        if (slice_is(path, routes[i].path))
            return routes[i].route;
    }
    return ROUTE_PAGE;
}
