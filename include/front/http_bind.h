/*
 * http_bind.h - the BOSH endpoint: an HTTP request in, session/bosh.h
 * underneath, its answer out.  Translates and nothing more.
 */
#ifndef FRONT_HTTP_BIND_H
#define FRONT_HTTP_BIND_H

#include "base/base.h"
#include "front/http.h"

struct http_bind;
struct session_host;

struct http_bind_params {
    struct session_host *sessions; /* borrowed */
    struct http_origins origins;   /* borrowed lists */
    size_t body_max_bytes;
    bool gzip;             /* answers are compressed where that may be */
    size_t gzip_min_bytes; /* smaller ones are not */
    /* The request's sid belongs to another of the `workers` workers: the
     * connection is packed up and *parcel given to it, for good.  NULL with
     * one worker. */
    void (*move)(void *arg, unsigned worker, struct http_parcel *parcel);
    void *arg;
    unsigned worker;  /* our own number */
    unsigned workers; /* how many there are */
};

/* ERR_NOMEM. */
MUST_CHECK enum err http_bind_new(struct http_bind **out,
                                  const struct http_bind_params *params);
void http_bind_free(struct http_bind *b);

/* A request for /http-bind: POST, OPTIONS, GET and HEAD (a short page for
 * people), 405 for others; 403 for a foreign origin; 415 for a request in a
 * content coding (decisions 10). */
void http_bind_request(struct http_bind *b, struct http_exchange *x,
                       const struct http_request *r);

/* Of struct http_handler: a request whose body is long and has begun.  One of
 * a known session may have params.body_max_bytes, and one that creates a
 * session what its payload may have; one for no session is answered at once. */
size_t http_bind_begun(struct http_bind *b, struct http_exchange *x,
                       const struct http_request *r);

#endif /* FRONT_HTTP_BIND_H */
