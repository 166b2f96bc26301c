#include "bench.h"

#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#define EXIT_USAGE     64
#define FIRST_KEY      1000 /* of getopt: beyond all characters */
#define MESSAGES_S     60   /* for --messages without --seconds */
#define BENCH_SIZE_MAX (BENCH_TEXT_MAX - 2048)

static const struct kind *const kinds[] = {
    &kind_bosh, &kind_browser,        &kind_websocket,
    &kind_tcp,  &kind_bare_websocket, &kind_bare_http,
};

enum value {
    VALUE_NONE, /* sets a bool */
    VALUE_COUNT,
    VALUE_NUMBER,
    VALUE_WORD, /* goes into XML and HTTP as it is */
    VALUE_TEXT,
    VALUE_KIND,
    VALUE_ADDRESS,
    VALUE_PIDS,
    VALUE_HELP,
};

struct entry {
    const char *name;
    enum value value;
    size_t at;  /* in struct options */
    double min; /* of a number; bytes of a text */
    double max;
    const char *help;
};

#define AT(field) offsetof(struct options, field)

static const struct entry table[] = {
    {"kind", VALUE_KIND, AT(kind), 0, 0, "how clients talk (below); bosh"},
    {"to", VALUE_ADDRESS, AT(to), 0, 0, "ADDRESS:PORT of what is measured"},
    {"serve", VALUE_ADDRESS, AT(serve), 0, 0,
     "ADDRESS:PORT of a null server in this very process; none"},
    {"path", VALUE_WORD, AT(path), 1, 512,
     "of the HTTP request; as the kind has it"},
    {"domain", VALUE_WORD, AT(domain), 1, 253, "of XMPP; localhost"},
    {"user", VALUE_WORD, AT(user), 1, 100,
     "PREFIX: users PREFIX0, PREFIX1, ... by SASL PLAIN; else ANONYMOUS"},
    {"password", VALUE_TEXT, AT(password), 1, 100, "of all those users"},
    {"sessions", VALUE_COUNT, AT(sessions), 1, BENCH_SESSIONS_MAX,
     "how many are opened; 100"},
    {"active", VALUE_COUNT, AT(active), 1, BENCH_SESSIONS_MAX,
     "how many of them send; 64"},
    {"at-once", VALUE_COUNT, AT(at_once), 1, BENCH_SESSIONS_MAX,
     "how many are being opened at a time; 64"},
    {"size", VALUE_COUNT, AT(size), 1, BENCH_SIZE_MAX,
     "bytes of a stanza, about; 200"},
    {"items", VALUE_COUNT, AT(items), 0, BENCH_SIZE_MAX,
     "elements in a stanza, as far as its size has room; 0"},
    {"wait", VALUE_COUNT, AT(wait_s), 1, 3600,
     "seconds that BOSH holds a request; 60"},
    {"answers", VALUE_COUNT, AT(answers), 0, 1000,
     "empty answers of BOSH that each session gets while idle; 0"},
    {"idle", VALUE_NUMBER, AT(idle_s), 0, BENCH_SECONDS_MAX,
     "seconds without messages, before them; 0"},
    {"warm-up", VALUE_NUMBER, AT(warm_s), 0, BENCH_SECONDS_MAX,
     "seconds of messages that are not measured; 1"},
    {"seconds", VALUE_NUMBER, AT(seconds), 0, BENCH_SECONDS_MAX,
     "of measured messages; 5; 0: no messages"},
    {"messages", VALUE_COUNT, AT(messages), 1, 1e9,
     "exactly so many, without warm-up; --seconds is then the longest time; "
     "60"},
    {"rate", VALUE_NUMBER, AT(rate), 0.01, 1e7,
     "messages/s in all; else as fast as echoes come"},
    {"patience", VALUE_NUMBER, AT(patience_s), 0.1, BENCH_SECONDS_MAX,
     "seconds without a new session before it gives up; 20"},
    {"plain-headers", VALUE_NONE, AT(is_plain_header), 0, 0,
     "none of a browser's headers"},
    {"pid", VALUE_PIDS, AT(pids), 0, 0,
     "PID,PID,...: whose processor time and memory are read"},
    {"name", VALUE_TEXT, AT(name), 0, 200, "of this run, for the report"},
    {"quiet", VALUE_NONE, AT(is_quiet), 0, 0,
     "no progress, only the line of JSON"},
    {"yes-remote", VALUE_NONE, AT(allows_remote), 0, 0,
     "allow an address off loopback, where you may load"},
    {"help", VALUE_HELP, 0, 0, 0, "this"},
};

static void usage(void)
{
    printf("usage: doab-bench --to ADDRESS:PORT [OPTION...]\n\n");
    for (size_t i = 0; i < COUNT_OF(table); i++)
        printf("  --%-14s %s\n", table[i].name, table[i].help);
    printf("\nkinds:\n");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        printf("  %-16s %s\n", kinds[i]->name, kinds[i]->help);
}

static int complain(const char *option, const char *why)
{
    fprintf(stderr, "doab-bench: --%s %s\n", option, why);
    return EXIT_USAGE;
}

/* ---- values ---- */

static bool read_number(const char *text, double min, double max, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out >= min && *out <= max;
}

static bool read_count(const char *text, double min, double max, unsigned *out)
{
    double n;

    if (!read_number(text, min, max, &n) || n != (unsigned)n)
        return false;
    *out = (unsigned)n;
    return true;
}

static bool read_text(const char *text, const struct entry *e, const char **out)
{
    size_t len = strlen(text);

    *out = text;
    return len >= (size_t)e->min && len <= (size_t)e->max;
}

/* Nothing that would have to be escaped. */
static bool read_word(const char *text, const struct entry *e, const char **out)
{
    for (const char *c = text; *c != '\0'; c++)
        if ((unsigned char)*c <= ' ' || strchr("<>&'\"\\", *c) != NULL)
            return false;
    return read_text(text, e, out);
}

static bool read_kind(const char *text, const struct kind **out)
{
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (strcmp(kinds[i]->name, text) != 0)
            continue;
        *out = kinds[i];
        return true;
    }
    return false;
}

static bool read_address(const char *text, struct address *out)
{
    return address_read(out, text) && address_port(out) != 0;
}

static bool read_pids(const char *text, struct options *o)
{
    while (*text != '\0') {
        char *end;
        long pid = strtol(text, &end, 10);

        if (end == text || pid <= 0 || pid > INT32_MAX ||
            o->n_pids == BENCH_PIDS_MAX || (*end != ',' && *end != '\0'))
            return false;
        o->pids[o->n_pids++] = (int)pid;
        text = *end == ',' ? end + 1 : end;
    }
    return o->n_pids > 0;
}

static bool read_value(const struct entry *e, const char *arg,
                       struct options *o)
{
    void *at = (char *)o + e->at;

    switch (e->value) {
    case VALUE_NONE:
        *(bool *)at = true;
        return true;
    case VALUE_COUNT:
        return read_count(arg, e->min, e->max, at);
    case VALUE_NUMBER:
        return read_number(arg, e->min, e->max, at);
    case VALUE_WORD:
        return read_word(arg, e, at);
    case VALUE_TEXT:
        return read_text(arg, e, at);
    case VALUE_KIND:
        return read_kind(arg, at);
    case VALUE_ADDRESS:
        if (at == &o->to)
            o->host = arg;
        return read_address(arg, at);
    case VALUE_PIDS:
        return read_pids(arg, o);
    case VALUE_HELP:
        break;
    }
    usage();
    exit(0);
}

static int refuse(const struct entry *e, const char *arg)
{
    const char *option = e->name;

    fprintf(stderr, "doab-bench: --%s %s: ", option, arg);
    switch (e->value) {
    case VALUE_COUNT:
        fprintf(stderr, "not a whole number from %.0f to %.0f\n", e->min,
                e->max);
        break;
    case VALUE_NUMBER:
        fprintf(stderr, "not a number from %g to %.0f\n", e->min, e->max);
        break;
    case VALUE_WORD:
        fprintf(stderr,
                "not 1 to %.0f characters without spaces, quotes, "
                "< > and &\n",
                e->max);
        break;
    case VALUE_TEXT:
        fprintf(stderr, "not %.0f to %.0f characters\n", e->min, e->max);
        break;
    case VALUE_KIND:
        fprintf(stderr, "not one of the kinds; see --help\n");
        break;
    case VALUE_ADDRESS:
        fprintf(stderr, "not an address and a port, as 127.0.0.1:5280 or "
                        "[::1]:5280\n");
        break;
    case VALUE_PIDS:
        fprintf(stderr, "not 1 to %d process ids\n", BENCH_PIDS_MAX);
        break;
    case VALUE_NONE:
    case VALUE_HELP:
        break;
    }
    return EXIT_USAGE;
}

/* ---- all of them ---- */

static void fill_in(struct options *o)
{
    bool is_exact = o->messages > 0;

    if (o->active > o->sessions)
        o->active = o->sessions;
    if (o->path == NULL)
        o->path = o->kind->path;
    if (o->warm_s < 0)
        o->warm_s = is_exact ? 0 : 1;
    if (o->seconds < 0)
        o->seconds = is_exact ? MESSAGES_S : 5;
}

static int check(const struct options *o)
{
    if (o->to.len == 0)
        return complain("to", "is missing");
    if (!address_is_loopback(&o->to) && !o->allows_remote)
        return complain("to", "is not on loopback: say --yes-remote if it is "
                              "yours to load");
    if (o->serve.len > 0 && !address_is_loopback(&o->serve))
        return complain("serve", "is not on loopback, and is never elsewhere");
    if ((o->user == NULL) != (o->password == NULL))
        return complain("user", "and --password go together");
    if (o->answers > 0 && o->kind->connections < 2)
        return complain("answers", "is for bosh and browser");
    if (o->messages > 0 && o->warm_s > 0)
        return complain("messages", "goes without --warm-up");
    if (o->messages > 0 && o->seconds <= 0)
        return complain("messages", "needs some --seconds");
    return 0;
}

int options_read(int argc, char **argv, struct options *o)
{
    struct option list[COUNT_OF(table) + 1] = {0};
    int key;

    for (size_t i = 0; i < COUNT_OF(table); i++) {
        bool is_alone =
            table[i].value == VALUE_NONE || table[i].value == VALUE_HELP;

        list[i] = (struct option){table[i].name, is_alone ? 0 : 1, NULL,
                                  FIRST_KEY + (int)i};
    }
    while ((key = getopt_long(argc, argv, "", list, NULL)) != -1) {
        const struct entry *e;

        if (key < FIRST_KEY)
            return EXIT_USAGE; /* getopt has said why */
        e = &table[key - FIRST_KEY];
        if (!read_value(e, optarg, o))
            return refuse(e, optarg);
    }
    if (optind < argc) {
        fprintf(stderr, "doab-bench: %s: not an option\n", argv[optind]);
        return EXIT_USAGE;
    }
    fill_in(o);
    return check(o);
}
