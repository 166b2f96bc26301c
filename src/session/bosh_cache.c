#include "bosh_cache.h"

#include <stdlib.h>

static void bosh_cache_forget(struct bosh_reply *reply)
{
    if (reply->is_owned)
        buf_drop(reply->bytes);
    reply->is_owned = false;
    reply->bytes = (struct slice){"", 0};
}

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
        bosh_cache_forget(&c->replies[i]);
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

    bosh_cache_forget(reply);
    reply->rid = rid;
    reply->status = (uint16_t)status;
    reply->sent_ms = now_ms;
    reply->bytes = constant;
    if (constant.len == 0 && owned != NULL)
        reply->bytes = buf_give(owned);
    reply->is_owned = constant.len == 0 && owned != NULL;
    return reply;
}

void bosh_cache_drop(struct bosh_cache *c, uint64_t rid)
{
    unsigned i;

    for (i = 0; i < c->count; i++) {
        if (c->replies[i].rid > rid)
            continue;
        bosh_cache_forget(&c->replies[i]);
        c->replies[i].rid = 0;
    }
}

void bosh_cache_trim(struct bosh_cache *c, uint64_t newest, unsigned keep,
                     size_t max_bytes)
{
    size_t bytes = 0;
    uint64_t age;

    /* From the newest back: what exceeds the room, and all before it, goes. */
    for (age = 0; age < c->count && age < newest; age++) {
        const struct bosh_reply *reply = bosh_cache_find(c, newest - age);

        bytes += reply == NULL || !reply->is_owned ? 0 : reply->bytes.len;
        if (bytes > max_bytes && age >= keep) {
            bosh_cache_drop(c, newest - age);
            return;
        }
    }
}

size_t bosh_cache_bytes(const struct bosh_cache *c)
{
    size_t bytes = c->count * sizeof(*c->replies);
    unsigned i;

    for (i = 0; i < c->count; i++)
        bytes += c->replies[i].is_owned ? c->replies[i].bytes.len : 0;
    return bytes;
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
