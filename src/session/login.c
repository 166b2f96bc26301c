#include "login.h"

#include "base/log.h"

#include <assert.h>
#include <stdlib.h>

/* ---- the table: docs/login.md has it in words ---- */

enum login_event {
    CLIENT_AUTH,     /* <auth/> */
    CLIENT_SASL2,    /* <authenticate/> */
    CLIENT_IQ_AUTH,  /* an iq that logs in */
    CLIENT_RESPONSE, /* the rest of SASL and SASL2 */
    CLIENT_PAYLOAD,  /* any other element */
    CLIENT_RESTART,  /* restart='true', or <open/> once more */
    SERVER_HEADER,
    SERVER_MOVED,
    SERVER_FEATURES,
    SERVER_SUCCESS, /* of SASL */
    SERVER_FAILURE,
    SERVER_SASL2_SUCCESS,
    SERVER_SASL2_FAILURE,
    SERVER_PROOF,   /* what is sent to nobody who is not logged in */
    SERVER_REFUSAL, /* of an iq that logs in */
    SERVER_OTHER,
};

#define IN(state) (1u << LOGIN_##state)
#define ANY       (IN(STATES) - 1u)

/* No element may be sent: between two headers. */
#define BETWEEN (IN(OPENING) | IN(RESTARTING) | IN(UNASKED))
/* A verdict is awaited that may change the stream. */
#define JUDGED (IN(SASL) | IN(SASL2))
/* A login may begin. */
#define READY (IN(NONE) | IN(IQ_AUTH) | IN(SHOWN) | JUDGED)

#define BY(manner) (1u << LOGIN_BY_##manner)
#define BY_BOSH    (BY(RESTART) | BY(ITSELF))
#define BY_ALL     (BY_BOSH | BY(OPEN))

#define STAYS LOGIN_STATES

/* The first rule that fits decides. */
static const struct rule {
    enum login_event event;
    unsigned in; /* these states */
    unsigned by; /* these manners */
    enum login_act act;
    enum login_state next;
} rules[] = {
    {CLIENT_AUTH, BETWEEN, BY_ALL, LOGIN_KEEP, STAYS},
    {CLIENT_AUTH, READY, BY_ALL, LOGIN_PASS, LOGIN_SASL},
    {CLIENT_AUTH, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {CLIENT_SASL2, BETWEEN, BY_ALL, LOGIN_KEEP, STAYS},
    {CLIENT_SASL2, READY, BY_ALL, LOGIN_PASS, LOGIN_SASL2},
    {CLIENT_SASL2, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {CLIENT_RESPONSE, BETWEEN, BY_ALL, LOGIN_KEEP, STAYS},
    {CLIENT_RESPONSE, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {CLIENT_IQ_AUTH, BETWEEN | JUDGED, BY_ALL, LOGIN_KEEP, STAYS},
    {CLIENT_IQ_AUTH, IN(NONE), BY_ALL, LOGIN_PASS, LOGIN_IQ_AUTH},
    {CLIENT_IQ_AUTH, IN(DUE), BY(OPEN), LOGIN_KEEP, STAYS},
    {CLIENT_IQ_AUTH, IN(DUE), BY_BOSH, LOGIN_KEEP_AND_RESTART, LOGIN_UNASKED},
    {CLIENT_IQ_AUTH, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {CLIENT_PAYLOAD, BETWEEN | JUDGED, BY_ALL, LOGIN_KEEP, STAYS},
    {CLIENT_PAYLOAD, IN(DUE), BY(OPEN), LOGIN_KEEP, STAYS},
    {CLIENT_PAYLOAD, IN(DUE), BY_BOSH, LOGIN_KEEP_AND_RESTART, LOGIN_UNASKED},
    {CLIENT_PAYLOAD, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {CLIENT_RESTART, IN(DUE), BY_ALL, LOGIN_RESTART, LOGIN_RESTARTING},
    {CLIENT_RESTART, IN(SASL), BY_ALL, LOGIN_KEEP, STAYS},
    {CLIENT_RESTART, IN(UNASKED), BY_ALL, LOGIN_PASS, LOGIN_RESTARTING},
    {CLIENT_RESTART, IN(FEATURES), BY_ALL, LOGIN_PASS, LOGIN_DONE},
    {CLIENT_RESTART, IN(OPENING) | IN(NONE) | IN(IQ_AUTH) | IN(SASL2), BY_ALL,
     LOGIN_TOO_EARLY, STAYS},
    {CLIENT_RESTART, ANY, BY_ALL, LOGIN_TOO_LATE, STAYS},

    {SERVER_HEADER, IN(OPENING), BY_ALL, LOGIN_RELEASE, LOGIN_NONE},
    {SERVER_HEADER, IN(RESTARTING), BY_ALL, LOGIN_RELEASE, LOGIN_DONE},
    {SERVER_HEADER, IN(UNASKED), BY_ALL, LOGIN_RELEASE, LOGIN_FEATURES},
    {SERVER_HEADER, ANY, BY_ALL, LOGIN_RELEASE, STAYS},

    {SERVER_MOVED, ANY, BY_ALL, LOGIN_PASS, LOGIN_OPENING},

    {SERVER_FEATURES, IN(FEATURES), BY_ALL, LOGIN_SWALLOW, LOGIN_DONE},
    {SERVER_FEATURES, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {SERVER_SUCCESS, READY, BY_ALL, LOGIN_RELEASE, LOGIN_DUE},
    {SERVER_SUCCESS, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {SERVER_FAILURE, IN(SASL), BY_ALL, LOGIN_RETURN, LOGIN_NONE},
    {SERVER_FAILURE, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {SERVER_SASL2_SUCCESS, READY, BY_ALL, LOGIN_RELEASE, LOGIN_DONE},
    {SERVER_SASL2_SUCCESS, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {SERVER_SASL2_FAILURE, IN(SASL2), BY_ALL, LOGIN_RETURN, LOGIN_NONE},
    {SERVER_SASL2_FAILURE, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {SERVER_PROOF, IN(NONE) | IN(IQ_AUTH), BY_ALL, LOGIN_PASS, LOGIN_SHOWN},
    {SERVER_PROOF, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {SERVER_REFUSAL, IN(IQ_AUTH), BY_ALL, LOGIN_PASS, LOGIN_NONE},
    {SERVER_REFUSAL, ANY, BY_ALL, LOGIN_PASS, STAYS},

    {SERVER_OTHER, ANY, BY_ALL, LOGIN_PASS, STAYS},
};

const char *login_state_name(enum login_state state)
{
    static const char *const names[] = {
        [LOGIN_OPENING] = "opening",
        [LOGIN_NONE] = "none",
        [LOGIN_IQ_AUTH] = "iq-auth",
        [LOGIN_SASL] = "sasl",
        [LOGIN_SASL2] = "sasl2",
        [LOGIN_DUE] = "restart-due",
        [LOGIN_RESTARTING] = "restarting",
        [LOGIN_UNASKED] = "restarting-unasked",
        [LOGIN_FEATURES] = "features-unasked",
        [LOGIN_SHOWN] = "shown",
        [LOGIN_DONE] = "done",
        [LOGIN_STATES] = "",
    };

    return names[state];
}

/* The only place that writes l->state. */
static void login_enter(struct login *l, enum login_state next)
{
    if (next == STAYS || next == l->state)
        return;
    log_debug(l->log, "login.state from=%s to=%s", login_state_name(l->state),
              login_state_name(next));
    l->state = next;
}

static enum login_act decide(struct login *l, enum login_event event)
{
    const struct rule *rule = rules;

    while (rule->event != event || (rule->in & 1u << l->state) == 0 ||
           (rule->by & 1u << l->manner) == 0)
        rule++; /* the last rule of each event is for all that is left */
    login_enter(l, rule->next);
    return rule->act;
}

/* ---- life ---- */

void login_init(struct login *l, enum login_manner manner,
                const struct log_ctx *log)
{
    memset(l, 0, sizeof(*l));
    early_init(&l->kept);
    l->manner = manner;
    l->log = log;
}

static void forget_question(struct login *l)
{
    free(l->asked_id);
    l->asked_id = NULL;
}

void login_forget_restart(struct login *l)
{
    free(l->from);
    free(l->lang);
    l->from = l->lang = NULL;
}

void login_fini(struct login *l)
{
    early_free(&l->kept);
    forget_question(l);
    login_forget_restart(l);
}

enum login_act login_header(struct login *l)
{
    return decide(l, SERVER_HEADER);
}

void login_moved(struct login *l)
{
    (void)decide(l, SERVER_MOVED);
}

/* What every message takes: both ways nothing is to be decided any more. */
static bool passes(const struct login *l, enum element_kind kind)
{
    return l->state >= LOGIN_SHOWN &&
           (kind == ELEMENT_MESSAGE || kind == ELEMENT_PRESENCE ||
            kind == ELEMENT_IQ);
}

/* ---- the client ---- */

static enum login_event event_of_client(const struct element *e)
{
    if (e->kind == ELEMENT_AUTH)
        return CLIENT_AUTH;
    if (e->kind == ELEMENT_SASL2_AUTHENTICATE)
        return CLIENT_SASL2;
    if (element_is_negotiation(e->kind))
        return CLIENT_RESPONSE;
    if (e->kind == ELEMENT_IQ && e->is_iq_auth && e->type == ELEMENT_TYPE_SET &&
        e->id.len > 0)
        return CLIENT_IQ_AUTH;
    return CLIENT_PAYLOAD;
}

/* The last question counts; without memory the login shows later. */
static void note_passed(struct login *l, enum login_event event,
                        const struct element *e)
{
    if (e->kind == ELEMENT_SM_RESUME)
        l->is_resuming = true;
    if (event != CLIENT_IQ_AUTH || l->has_succeeded)
        return;
    forget_question(l);
    l->asked_id = strndup(e->id.at, e->id.len);
}

enum login_act login_send(struct login *l, const struct element *e)
{
    enum login_event event;
    enum login_act act;

    if (passes(l, e->kind))
        return LOGIN_PASS;
    event = event_of_client(e);
    act = decide(l, event);
    if (act == LOGIN_PASS)
        note_passed(l, event, e);
    return act;
}

enum err login_keep(struct login *l, const struct element *e, size_t max_bytes)
{
    return early_push(&l->kept, e, max_bytes);
}

enum login_act login_next(struct login *l, struct element *e)
{
    enum login_act act;

    if (l->state == LOGIN_DUE &&
        (l->from != NULL || l->manner == LOGIN_BY_ITSELF))
        return decide(l, CLIENT_RESTART);
    if (!early_peek(&l->kept, e))
        return LOGIN_KEEP;
    act = login_send(l, e);
    return act == LOGIN_KEEP_AND_RESTART ? LOGIN_RESTART : act;
}

void login_drop(struct login *l)
{
    early_drop(&l->kept);
}

/* A restart behind an <auth/> that has not been answered yet (decision 25). */
static bool may_keep_restart(const struct login *l)
{
    return l->from == NULL &&
           (l->state == LOGIN_SASL ||
            (l->state == LOGIN_OPENING && early_has(&l->kept, ELEMENT_AUTH)));
}

enum login_act login_ask(struct login *l)
{
    if (may_keep_restart(l))
        return LOGIN_KEEP;
    if (l->from != NULL) /* one waits already */
        return LOGIN_TOO_LATE;
    return decide(l, CLIENT_RESTART);
}

enum err login_keep_restart(struct login *l, struct slice from,
                            struct slice lang)
{
    login_forget_restart(l);
    l->from = strndup(from.len == 0 ? "" : from.at, from.len);
    l->lang = strndup(lang.len == 0 ? "" : lang.at, lang.len);
    if (l->from != NULL && l->lang != NULL)
        return ERR_OK;
    login_forget_restart(l);
    return ERR_NOMEM;
}

/* ---- the server ---- */

/* XEP-0078 section 3.2: an empty result.  One with a child is the answer to
 * another question under the same id, such as which fields are wanted. */
static bool is_answer(const struct login *l, const struct element *e)
{
    return l->asked_id != NULL && e->kind == ELEMENT_IQ &&
           e->type == ELEMENT_TYPE_RESULT && !e->has_children &&
           slice_is(e->id, l->asked_id);
}

static enum login_event event_of_iq(const struct login *l,
                                    const struct element *e)
{
    if (is_answer(l, e))
        return SERVER_PROOF;
    if (l->asked_id != NULL && e->type == ELEMENT_TYPE_ERROR &&
        slice_is(e->id, l->asked_id))
        return SERVER_REFUSAL;
    return SERVER_OTHER;
}

static enum login_event event_of_server(const struct login *l,
                                        const struct element *e)
{
    static const uint8_t events[] = {
        [ELEMENT_FEATURES] = SERVER_FEATURES,
        [ELEMENT_SUCCESS] = SERVER_SUCCESS,
        [ELEMENT_FAILURE] = SERVER_FAILURE,
        [ELEMENT_SASL2_SUCCESS] = SERVER_SASL2_SUCCESS,
        [ELEMENT_SASL2_FAILURE] = SERVER_SASL2_FAILURE,
        /* No server sends these to a client that is not logged in. */
        [ELEMENT_MESSAGE] = SERVER_PROOF,
        [ELEMENT_PRESENCE] = SERVER_PROOF,
    };

    if (e->kind == ELEMENT_IQ)
        return event_of_iq(l, e);
    return e->kind < COUNT_OF(events) && events[e->kind] != 0
               ? (enum login_event)events[e->kind]
               : SERVER_OTHER;
}

static bool shows_success(enum login_event event)
{
    return event == SERVER_SUCCESS || event == SERVER_SASL2_SUCCESS ||
           event == SERVER_PROOF;
}

enum login_act login_receive(struct login *l, const struct element *e)
{
    enum login_event event;
    enum login_act act;

    l->is_managed = l->is_managed || e->is_managed;
    l->is_resumable = l->is_resumable || e->is_resumable;
    if (e->kind == ELEMENT_SM_RESUMED || e->kind == ELEMENT_SM_FAILED)
        l->is_resuming = false;
    if (passes(l, e->kind))
        return LOGIN_PASS;
    event = event_of_server(l, e);
    act = decide(l, event);
    if (shows_success(event)) {
        l->has_succeeded = true;
        forget_question(l);
    }
    if (act == LOGIN_RETURN)
        login_forget_restart(l);
    return act;
}
