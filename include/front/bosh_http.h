/*
 * bosh_http.h - the BOSH endpoint: an HTTP request in, session/bosh.h
 * underneath, its answer out.  Translates and nothing more.
 */
#ifndef FRONT_BOSH_HTTP_H
#define FRONT_BOSH_HTTP_H

#include "base/base.h"
#include "front/http.h"

struct bosh_http;
struct session_host;

struct bosh_http_params {
    struct session_host *sessions; /* borrowed */
    struct http_origins origins;   /* borrowed lists */
    size_t body_max_bytes;
    bool gzip;             /* answers are compressed where that may be */
    size_t gzip_min_bytes; /* smaller ones are not */
    /* The request's sid belongs to another of the `workers` workers: the
     * connection is packed up and *transfer given to it, for good.  NULL with
     * one worker. */
    void (*move)(void *arg, unsigned worker, struct http_transfer *transfer);
    void *arg;
    unsigned worker;  /* our own number */
    unsigned workers; /* how many there are */
};

/* ERR_NOMEM. */
MUST_CHECK enum err bosh_http_new(struct bosh_http **out,
                                  const struct bosh_http_params *params);
void bosh_http_free(struct bosh_http *b);

/* A request for /http-bind: POST, OPTIONS, GET and HEAD (a short page for
 * people), 405 for others; 403 for a foreign origin; 415 for a request in a
 * content coding (decision 10). */
void bosh_http_request(struct bosh_http *b, struct http_exchange *x,
                       const struct http_request *r);

/* Of struct http_handler: a request whose body is long and has begun.  One of
 * a known session may have params.body_max_bytes, and one that creates a
 * session what its payload may have; one for no session is answered at once. */
size_t bosh_http_begun(struct bosh_http *b, struct http_exchange *x,
                       const struct http_request *r);

#endif /* FRONT_BOSH_HTTP_H */
