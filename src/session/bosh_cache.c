#include "session/bosh_cache.h"

#include <stdlib.h>

enum err bosh_cache_open(struct bosh_cache *c, unsigned count)
{
    c->replies = calloc(count, sizeof(*c->replies));
    if (c->replies == NULL)
        return ERR_NOMEM;
    c->count = count;
    return ERR_OK;
}

void bosh_cache_free(struct bosh_cache *c)
{
    unsigned i;

    for (i = 0; i < c->count; i++)
        buf_wipe(&c->replies[i].owned);
    free(c->replies);
    c->replies = NULL;
    c->count = 0;
}

const struct bosh_reply *bosh_cache_put(struct bosh_cache *c, uint64_t rid,
                                        unsigned status, struct slice constant,
                                        struct buf *owned, uint64_t now_ms)
{
    /* Answers are given in rid order: the place of rid - count is due. */
    struct bosh_reply *reply = &c->replies[rid % c->count];

    buf_free(&reply->owned);
    reply->rid = rid;
    reply->status = (uint16_t)status;
    reply->sent_ms = now_ms;
    reply->bytes = constant;
    if (constant.len == 0 && owned != NULL) {
        buf_take(&reply->owned, owned);
        reply->bytes = buf_slice(&reply->owned);
    }
    return reply;
}

void bosh_cache_drop(struct bosh_cache *c, uint64_t rid)
{
    unsigned i;

    for (i = 0; i < c->count; i++) {
        if (c->replies[i].rid > rid)
            continue;
        buf_free(&c->replies[i].owned);
        c->replies[i].rid = 0;
    }
}

const struct bosh_reply *bosh_cache_find(const struct bosh_cache *c,
                                         uint64_t rid)
{
    const struct bosh_reply *reply;

    if (c->count == 0 || rid == 0)
        return NULL;
    reply = &c->replies[rid % c->count];
    return reply->rid == rid ? reply : NULL;
}
