#include "session/login.h"

#include <stdlib.h>

void login_fini(struct login *l)
{
    free(l->asked_id);
    l->asked_id = NULL;
}

void login_note_sent(struct login *l, const struct element *e)
{
    if (e->kind == ELEMENT_SM_RESUME)
        l->is_resuming = true;
    if (l->has_succeeded || e->kind != ELEMENT_IQ || !e->is_iq_auth ||
        e->type != ELEMENT_TYPE_SET || e->id.len == 0)
        return;
    /* The last one counts; without memory the login shows later. */
    free(l->asked_id);
    l->asked_id = strndup(e->id.at, e->id.len);
}

/* XEP-0078 section 3.2: an empty result.  One with a child is the answer to
 * another question under the same id, such as which fields are wanted. */
static bool is_answer(const struct login *l, const struct element *e)
{
    return l->asked_id != NULL && e->kind == ELEMENT_IQ &&
           e->type == ELEMENT_TYPE_RESULT && !e->has_children &&
           slice_is(e->id, l->asked_id);
}

/* No server sends a message or a presence to who is not logged in. */
static bool is_proof(const struct login *l, const struct element *e)
{
    return e->kind == ELEMENT_SUCCESS || e->kind == ELEMENT_SASL2_SUCCESS ||
           e->kind == ELEMENT_MESSAGE || e->kind == ELEMENT_PRESENCE ||
           is_answer(l, e);
}

bool login_note_received(struct login *l, const struct element *e)
{
    l->is_managed = l->is_managed || e->is_managed;
    l->is_resumable = l->is_resumable || e->is_resumable;
    if (e->kind == ELEMENT_SM_RESUMED || e->kind == ELEMENT_SM_FAILED)
        l->is_resuming = false;
    if (l->has_succeeded || !is_proof(l, e))
        return false;
    l->has_succeeded = true;
    login_fini(l);
    return true;
}
