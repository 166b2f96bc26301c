/*
 * bosh_write.h - the <body/> of answers (XEP-0124 section 7.2, 8, 17;
 * XEP-0206 section 4).  Pure.
 */
#ifndef SESSION_BOSH_WRITE_H
#define SESSION_BOSH_WRITE_H

#include "base/base.h"
#include "base/buf.h"
#include "bosh_grant.h"

/* Answers that are the same for every session; constants. */
struct slice bosh_empty_body(void);
struct slice bosh_error_body(void); /* type='error': recoverable (F30) */

/* What the server said in its header, told once (A41, A45, A46). */
struct bosh_header {
    struct slice from;
    struct slice authid;
    struct slice version;
    struct slice lang;
};

struct bosh_write {
    const char *sid;                  /* creation: with `grant`; else NULL */
    const struct bosh_grant *grant;   /* creation only */
    const struct bosh_header *header; /* NULL: nothing to tell */
    uint64_t ack;       /* highest rid received in order; 0: not told (C01) */
    uint64_t report;    /* an answer that seems lost; 0: none (C09) */
    uint64_t report_ms; /* how long ago it was sent */
    bool is_error;      /* type='error' */
    bool is_terminal;
    const char *condition; /* with is_terminal; NULL: none */
    struct slice payload;  /* canonical elements, may be empty */
    struct slice error;    /* <stream:error/> or a <text/> after the payload,
                              or empty */
};

/* Appends the whole body.  ERR_NOMEM, ERR_LIMIT. */
MUST_CHECK enum err bosh_write_body(struct buf *to,
                                    const struct bosh_write *what);

/* Appends a <text/> that explains a condition, for `error`: XEP-0124 has no
 * place for what a stream error would say, and lets any element stand in a
 * body.  ERR_NOMEM, ERR_LIMIT. */
MUST_CHECK enum err bosh_write_text(struct buf *to, const char *text);

#endif /* SESSION_BOSH_WRITE_H */
