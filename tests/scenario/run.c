#include "run_settings.h"

#include "base/log.h"
#include "xmpp/xml_read.h"

#include <stdio.h>
#include <stdlib.h>

#define SHOWN_BYTES 2000

/* What no scenario wants to spell out. */
static const struct variable usual[] = {
    {"FEATURES", "<stream:features>"
                 "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'>"
                 "<mechanism>PLAIN</mechanism></mechanisms>"
                 "</stream:features>"},
    {"BIND", "<stream:features>"
             "<bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/>"
             "</stream:features>"},
    {"AUTH", "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' "
             "mechanism='PLAIN'>AGp1bGlldABz</auth>"},
    {"PASSWORD", "AGp1bGlldABz"},
    {"SUCCESS", "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"},
};

/* The scenario that runs: the log has no argument of ours. */
static struct run *current;

/* No sid and no SASL payload is logged at any level (L71). */
static void on_log(const char *line, size_t len)
{
    static const char *const secrets[] = {"SID", "SID2", "SID3", "PASSWORD"};

    if (current->is_verbose)
        fprintf(stderr, "%.*s", (int)len, line);
    for (size_t i = 0; i < COUNT_OF(secrets); i++) {
        const char *secret = script_get(current, secrets[i]);

        if (secret != NULL && memmem(line, len, secret, strlen(secret)) != NULL)
            fail(current, "no secret in the log", "%.*s", (int)len, line);
    }
}

bool fail(struct run *r, const char *expected, const char *fmt, ...)
{
    va_list args;

    if (r->has_failed)
        return false;
    r->has_failed = true;
    printf("# %s:%u: expected: %.*s\n# seen: ", r->path, r->line, SHOWN_BYTES,
           expected);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
    return false;
}

void trace(const struct run *r, const char *who, struct slice bytes)
{
    if (r->is_verbose)
        fprintf(stderr, "%s: %.*s\n", who,
                (int)(bytes.len < SHOWN_BYTES ? bytes.len : SHOWN_BYTES),
                bytes.at);
}

static bool run_lines(struct run *r, const struct script *script)
{
    for (size_t i = 0; i < script->n_lines; i++) {
        r->line = script->lines[i].number;
        if (!steps_run(r, script->lines[i].text))
            return false;
    }
    return true;
}

static bool run_file(struct xml_pool *pool, const char *path, bool is_verbose,
                     unsigned number)
{
    struct run r = {.path = path, .pool = pool, .is_verbose = is_verbose};
    const char *slash = strrchr(path, '/');
    struct script *script = arena_get(&r.arena, sizeof(*script));
    bool is_right;

    r.file = slash == NULL ? path : slash + 1;
    current = &r;
    settings_reset();
    for (size_t i = 0; i < COUNT_OF(usual); i++)
        script_set(&r, usual[i].name, usual[i].value);
    is_right = script_load(&r, script) && run_lines(&r, script);
    is_right = world_end(&r) && is_right && !r.has_failed;
    printf("%s %u - %s\n", is_right ? "ok" : "not ok", number, r.file);
    fflush(stdout);
    arena_free(&r.arena);
    return is_right;
}

int main(int argc, char **argv)
{
    struct xml_pool *pool;
    bool is_verbose = argc > 1 && strcmp(argv[1], "-v") == 0;
    int first = is_verbose ? 2 : 1;
    unsigned passed = 0;
    unsigned failed = 0;

    if (argc <= first) {
        fputs("usage: scenario [-v] FILE.scn...\n", stderr);
        return 64;
    }
    if (xml_pool_new(&pool, 2) != ERR_OK)
        return 2;
    log_setup(LOG_TRACE, LOG_TEXT);
    log_set_sink(on_log);
    printf("1..%d\n", argc - first);
    for (int i = first; i < argc; i++) {
        if (run_file(pool, argv[i], is_verbose, (unsigned)(i - first + 1)))
            passed++;
        else
            failed++;
    }
    settings_reset();
    domain_table_free(settings.domains);
    xml_pool_free(pool);
    printf("%u passed, %u failed\n", passed, failed);
    return failed > 0 ? 1 : 0;
}
