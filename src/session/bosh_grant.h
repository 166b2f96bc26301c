/*
 * bosh_grant.h - what a session creation request asked for, and what it gets
 * (XEP-0124 sections 7.1, 7.2; conformance A06-A52; decisions 3, 11).  Pure.
 */
#ifndef SESSION_BOSH_GRANT_H
#define SESSION_BOSH_GRANT_H

#include "base/base.h"
#include "session/bosh_body.h"
#include "session/session.h"
#include "session/session_host.h"

struct bosh_grant {
    uint16_t wait_s;
    uint16_t inactivity_s;
    uint16_t polling_s;
    uint16_t maxpause_s;
    uint8_t hold;
    uint8_t requests;   /* hold + 1 */
    bool is_polling;    /* wait or hold is 0 */
    bool is_legacy;     /* the client sent no ver (A10) */
    bool acks;          /* the client will acknowledge (A17) */
    uint16_t ver_major; /* min of both sides; not used when legacy */
    uint16_t ver_minor;
    struct slice content_type; /* constant text */
};

/* NULL: granted, *out is set.  Else the terminal condition to answer with;
 * out->is_legacy and out->content_type are set even then. */
const char *bosh_grant(struct bosh_grant *out, const struct bosh_body *body,
                       const struct bosh_settings *settings);

#endif /* SESSION_BOSH_GRANT_H */
