/*
 * route.h - which handler answers a path: an exact table (decision 10).  The
 * paths of the table may end with one slash.
 */
#ifndef FRONT_ROUTE_H
#define FRONT_ROUTE_H

#include "base/base.h"
#include "front/http_parse.h"

enum route {
    ROUTE_BOSH,      /* /http-bind */
    ROUTE_WEBSOCKET, /* /xmpp-websocket, /ws, /ws-xmpp */
    ROUTE_PAGE,      /* anything else: pages.h decides, 404 if unknown */
    ROUTE_SERVER,    /* OPTIONS * */
};

enum route route_of(const struct http_head *head);

#endif /* FRONT_ROUTE_H */
