#include "run_settings.h"

#include <stdio.h>

typedef bool step_fn(struct run *r, const struct step *s);

/* Several steps under one name. */
struct macro {
    const char *name;
    const char *lines[14];
};

static const struct macro macros[] = {
    /* A BOSH session after login: rids 1000 to 1003 are answered. */
    {"login",
     {"create login1", "server $FEATURES", "reply login1 200 $FEATURES",
      "post login2 on=login1 rid=1001 sid=$SID <body>$AUTH</body>",
      "upstream $AUTH", "server $SUCCESS", "reply login2 200 $SUCCESS",
      "post login3 on=login1 rid=1002 sid=$SID xmpp:restart=true",
      "upstream header to=example.org", "server $BIND",
      "reply login3 200 $BIND"}},
    {"ws-login",
     {"ws W open", "ws W send <open to='example.org' version='1.0'/>",
      "ws W got <open from='example.org'/>", "server $FEATURES",
      "ws W got $FEATURES", "ws W send $AUTH", "upstream $AUTH",
      "server $SUCCESS", "ws W got $SUCCESS",
      "ws W send <open to='example.org' version='1.0'/>",
      "upstream header to=example.org", "ws W got <open id='stream-2'/>",
      "server $BIND", "ws W got $BIND"}},
};

static bool turn(struct run *r, const struct step *s)
{
    return world_settle(r);
}

static const struct verb {
    const char *name;
    bool is_setting; /* before there is a world */
    step_fn *run;
} verbs[] = {
    {"config", true, settings_config},
    {"domain", true, settings_domain},
    {"dns", true, world_dns},
    {"manual", true, server_manual},
    {"post", false, client_post},
    {"create", false, client_create},
    {"get", false, client_ask},
    {"head", false, client_ask},
    {"put", false, client_ask},
    {"options", false, client_ask},
    {"raw", false, client_raw},
    {"drop", false, client_end},
    {"fin", false, client_end},
    {"stall", false, client_end},
    {"unstall", false, client_end},
    {"reply", false, reply_check},
    {"held", false, reply_held},
    {"same", false, reply_same},
    {"contains", false, reply_contains},
    {"lacks", false, reply_contains},
    {"header", false, reply_header},
    {"closed", false, reply_closed},
    {"open", false, reply_closed},
    {"continued", false, reply_continued},
    {"ws", false, ws_step},
    {"pass", false, world_pass},
    {"turn", false, turn},
    {"drain", false, world_drain},
    {"sessions", false, world_sessions},
};

/* "server2" is a `server`. */
static bool is_numbered(const char *word, const char *name)
{
    size_t len = strlen(name);

    return strncmp(word, name, len) == 0 &&
           strspn(word + len, "0123456789") == strlen(word + len);
}

static bool run_step(struct run *r, const struct step *s)
{
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(s->words[0], verbs[i].name) == 0)
            return (verbs[i].is_setting || world_start(r)) &&
                   verbs[i].run(r, s);
    }
    if (is_numbered(s->words[0], "server"))
        return world_start(r) && server_say(r, s);
    if (is_numbered(s->words[0], "upstream"))
        return world_start(r) && upstream_check(r, s);
    return fail(r, "a step", "%s", s->words[0]);
}

static bool run_macro(struct run *r, const struct macro *m)
{
    for (size_t i = 0; i < COUNT_OF(m->lines) && m->lines[i] != NULL; i++) {
        if (!steps_run(r, m->lines[i]))
            return false;
    }
    return true;
}

bool steps_run(struct run *r, const char *line)
{
    const char *text = script_expand(r, line);
    struct step step;

    if (r->is_verbose)
        fprintf(stderr, "--- %s:%u %s\n", r->file, r->line, text);
    if (!script_split(r, text, &step) || step.n_words == 0)
        return r->has_failed ? false : fail(r, "a step", "%s", line);
    for (size_t i = 0; i < COUNT_OF(macros); i++) {
        if (strcmp(step.words[0], macros[i].name) == 0)
            return run_macro(r, &macros[i]);
    }
    return run_step(r, &step);
}
