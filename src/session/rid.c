#include "rid.h"

#include <assert.h>

enum err rid_open(struct rid_window *w, uint64_t first_rid, unsigned requests,
                  unsigned cache_max)
{
    if (first_rid == 0 || first_rid > RID_MAX)
        return ERR_INVALID;
    if (requests == 0 || requests > RID_REQUESTS_MAX)
        return ERR_INVALID;
    if (cache_max == 0 || cache_max > RID_REQUESTS_MAX)
        return ERR_INVALID;

    memset(w, 0, sizeof(*w));
    w->next = w->oldest_open = first_rid;
    w->requests = (uint8_t)requests;
    w->cache_max = (uint8_t)cache_max;
    return ERR_OK;
}

/* rid is above next: inside the window, or one above it if its kind may. */
static enum rid_verdict admit_early(struct rid_window *w, uint64_t rid,
                                    enum rid_kind kind)
{
    /* R = next - 1, so that R + W is next + (W - 1); differences only. */
    uint64_t above_next = rid - w->next;
    uint64_t allowed = kind == RID_ORDINARY ? w->requests - 1u : w->requests;
    uint32_t bit;

    if (above_next > allowed)
        return RID_REJECT;
    bit = UINT32_C(1) << (above_next - 1);
    if ((w->parked & bit) != 0)
        return RID_RETAKE;
    w->parked |= bit;
    return RID_PARK;
}

enum rid_verdict rid_admit(struct rid_window *w, uint64_t rid,
                           enum rid_kind kind)
{
    if (rid == 0 || rid > RID_MAX)
        return RID_REJECT;
    if (rid < w->oldest_open)
        return w->oldest_open - rid <= w->cached ? RID_REPLAY : RID_REJECT;
    if (rid < w->next)
        return RID_RETAKE;
    if (rid == w->next)
        return RID_DELIVER;
    return admit_early(w, rid, kind);
}

bool rid_delivered(struct rid_window *w)
{
    bool was_parked = (w->parked & 1u) != 0;

    w->next++;
    w->parked >>= 1;
    return was_parked;
}

void rid_unpark(struct rid_window *w, uint64_t rid)
{
    assert(rid > w->next && rid - w->next <= RID_REQUESTS_MAX);

    w->parked &= ~(UINT32_C(1) << (rid - w->next - 1));
}

void rid_jump(struct rid_window *w, uint64_t rid)
{
    assert(rid > w->next && rid - w->next <= RID_REQUESTS_MAX);

    w->parked >>= rid - w->next;
    w->next = rid;
}

unsigned rid_answered(struct rid_window *w)
{
    assert(w->oldest_open < w->next);

    w->oldest_open++;
    if (w->cached == w->cache_max)
        return 1;
    w->cached++;
    return 0;
}
