/*
 * resolve.c - stands in for dns/resolve.c: a table instead of DNS.
 */
#include "fake_resolve.h"

#include "base/loop.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX 64

struct fake_name {
    char name[256];
    bool is_silent;
    bool has_srv;
    enum resolve_status srv_status;
    struct resolve_target targets[RESOLVE_TARGETS_MAX];
    size_t n_targets;
    bool has_host;
    enum resolve_status host_status;
    struct addr addrs[RESOLVE_ADDRS_MAX];
    size_t n_addrs;
    bool has_more;
    unsigned more_ms;
    struct addr more[RESOLVE_ADDRS_MAX];
    size_t n_more;
};

struct resolver {
    struct loop *loop;
    struct resolve *questions; /* owned: not answered yet */
};

struct resolve {
    struct resolve *next;
    struct resolver *resolver;
    char name[256];
    uint16_t port;
    resolve_srv_fn *srv_done;
    resolve_host_fn *host_done;
    void *owner;
    struct defer answer;
    struct timer more;
};

static struct fake_name names[NAMES_MAX];
static size_t n_names;
static unsigned n_questions;
static unsigned n_pending;
static char asked[1000];

static struct fake_name *find(const char *name)
{
    for (size_t i = 0; i < n_names; i++)
        if (strcmp(names[i].name, name) == 0)
            return &names[i];
    return NULL;
}

static struct fake_name *find_or_add(const char *name)
{
    struct fake_name *f = find(name);

    if (f != NULL)
        return f;
    assert(n_names < NAMES_MAX);
    f = &names[n_names++];
    memset(f, 0, sizeof(*f));
    snprintf(f->name, sizeof(f->name), "%s", name);
    return f;
}

void fake_resolve_set_srv(const char *domain, enum resolve_status status,
                          const struct resolve_target *targets, size_t n)
{
    struct fake_name *f = find_or_add(domain);

    assert(n <= RESOLVE_TARGETS_MAX);
    f->has_srv = true;
    f->srv_status = status;
    f->n_targets = n;
    for (size_t i = 0; i < n; i++)
        f->targets[i] = targets[i];
}

static size_t read_addrs(struct addr *out, const char *at)
{
    size_t n = 0;

    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, ",");
        char text[64];
        enum err err;

        assert(len < sizeof(text) && n < RESOLVE_ADDRS_MAX);
        memcpy(text, at, len);
        text[len] = '\0';
        err = addr_parse_ip(&out[n++], text, 0);
        assert(err == ERR_OK);
        (void)err;
        at += len + (at[len] == ',');
    }
    return n;
}

void fake_resolve_set_host(const char *host, enum resolve_status status,
                           const char *addrs)
{
    struct fake_name *f = find_or_add(host);

    f->has_host = true;
    f->has_more = false;
    f->host_status = status;
    f->n_addrs = read_addrs(f->addrs, addrs);
}

void fake_resolve_set_more(const char *host, const char *addrs,
                           unsigned after_ms)
{
    struct fake_name *f = find_or_add(host);

    assert(f->n_addrs > 0 && f->host_status == RESOLVE_OK);
    f->has_more = true;
    f->more_ms = after_ms;
    f->n_more = read_addrs(f->more, addrs);
}

void fake_resolve_set_silent(const char *name)
{
    find_or_add(name)->is_silent = true;
}

void fake_resolve_reset(void)
{
    n_names = 0;
    n_questions = 0;
    asked[0] = '\0';
}

const char *fake_resolve_asked(void)
{
    return asked;
}

unsigned fake_resolve_questions(void)
{
    return n_questions;
}

unsigned fake_resolve_pending(void)
{
    return n_pending;
}

enum err resolver_new(struct resolver **out, struct loop *loop,
                      const struct resolver_params *params)
{
    struct resolver *r = calloc(1, sizeof(*r));

    if (r == NULL)
        return ERR_NOMEM;
    r->loop = loop;
    *out = r;
    return ERR_OK;
}

static void question_free(struct resolve *q)
{
    struct resolve **at = &q->resolver->questions;

    while (*at != q)
        at = &(*at)->next;
    *at = q->next;
    loop_undefer(&q->answer);
    timer_stop(&q->more);
    n_pending--;
    free(q);
}

void resolver_free(struct resolver *r)
{
    if (r == NULL)
        return;
    while (r->questions != NULL)
        question_free(r->questions);
    free(r);
}

void resolve_cancel(struct resolve *q)
{
    if (q != NULL)
        question_free(q);
}

static void on_answer_srv(void *arg)
{
    struct resolve *q = arg;
    struct fake_name *f = find(q->name);
    resolve_srv_fn *done = q->srv_done;
    void *owner = q->owner;

    question_free(q);
    if (f == NULL || !f->has_srv)
        done(owner, RESOLVE_NONE, NULL, 0);
    else
        done(owner, f->srv_status, f->targets, f->n_targets);
}

static void copy_addrs(struct addr *to, const struct addr *from, size_t n,
                       uint16_t port)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = from[i];
        addr_set_port(&to[i], port);
    }
}

static void on_answer_host(void *arg)
{
    struct resolve *q = arg;
    struct fake_name *f = find(q->name);
    resolve_host_fn *done = q->host_done;
    void *owner = q->owner;
    struct addr addrs[RESOLVE_ADDRS_MAX];
    enum resolve_status status = RESOLVE_NONE;
    size_t n = 0;

    if (addr_parse_ip(&addrs[0], q->name, q->port) == ERR_OK) {
        status = RESOLVE_OK;
        n = 1;
    } else if (f != NULL && f->has_host) {
        status = f->host_status;
        n = f->n_addrs;
        copy_addrs(addrs, f->addrs, n, q->port);
        if (f->has_more) {
            timer_set(&q->more, f->more_ms);
            done(owner, status, addrs, n, true);
            return;
        }
    }
    question_free(q);
    done(owner, status, addrs, n, false);
}

static void on_answer_more(void *arg)
{
    struct resolve *q = arg;
    const struct fake_name *f = find(q->name);
    resolve_host_fn *done = q->host_done;
    void *owner = q->owner;
    struct addr addrs[RESOLVE_ADDRS_MAX];

    copy_addrs(addrs, f->more, f->n_more, q->port);
    question_free(q);
    done(owner, RESOLVE_OK, addrs, f->n_more, false);
}

static void note_asker(const struct resolve_question *question)
{
    const struct addr *client = question->client;
    size_t len = strlen(asked);

    snprintf(asked + len, sizeof(asked) - len, "%s%s %s %s",
             len > 0 ? ", " : "", question->name,
             client == NULL || client->len == 0 ? "-"
                                                : addr_format_host(client).text,
             question->is_configured ? "configured" : "open");
}

static struct resolve *ask(struct resolver *r,
                           const struct resolve_question *question, void *owner)
{
    struct resolve *q = calloc(1, sizeof(*q));

    if (q == NULL)
        return NULL;
    q->resolver = r;
    q->owner = owner;
    timer_init(&q->more, r->loop, on_answer_more, q);
    snprintf(q->name, sizeof(q->name), "%s", question->name);
    note_asker(question);
    q->next = r->questions;
    r->questions = q;
    n_questions++;
    n_pending++;
    return q;
}

static void answer_later(struct resolve *q, loop_fn *fn)
{
    const struct fake_name *f = find(q->name);

    if (f == NULL || !f->is_silent)
        loop_defer(q->resolver->loop, &q->answer, fn, q);
}

enum err resolve_srv(struct resolve **out, struct resolver *r,
                     const struct resolve_question *question,
                     resolve_srv_fn *done, void *owner)
{
    struct resolve *q = ask(r, question, owner);

    if (q == NULL)
        return ERR_NOMEM;
    q->srv_done = done;
    *out = q;
    answer_later(q, on_answer_srv);
    return ERR_OK;
}

enum err resolve_host(struct resolve **out, struct resolver *r,
                      const struct resolve_question *question,
                      resolve_host_fn *done, void *owner)
{
    struct resolve *q = ask(r, question, owner);

    if (q == NULL)
        return ERR_NOMEM;
    q->host_done = done;
    q->port = question->port;
    *out = q;
    answer_later(q, on_answer_host);
    return ERR_OK;
}
