/*
 * doab-bench - load for a connection manager of XMPP; doab-bench(1).
 */
#include "bench.h"

#include <arpa/inet.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_USAGE 64

static const struct kind *const kinds[] = {
    &kind_bosh, &kind_browser,        &kind_websocket,
    &kind_tcp,  &kind_bare_websocket, &kind_bare_http,
};

enum option_key {
    KEY_KIND = 1000,
    KEY_TO,
    KEY_PATH,
    KEY_DOMAIN,
    KEY_USER,
    KEY_PASSWORD,
    KEY_SESSIONS,
    KEY_ACTIVE,
    KEY_AT_ONCE,
    KEY_SIZE,
    KEY_WAIT,
    KEY_ANSWERS,
    KEY_IDLE,
    KEY_WARM,
    KEY_SECONDS,
    KEY_RATE,
    KEY_PATIENCE,
    KEY_PLAIN,
    KEY_QUIET,
    KEY_PID,
    KEY_NAME,
    KEY_REMOTE,
    KEY_HELP,
};

static const struct {
    struct option option;
    const char *help;
} table[] = {
    {{"kind", 1, NULL, KEY_KIND}, "how clients talk (below); bosh"},
    {{"to", 1, NULL, KEY_TO}, "ADDRESS:PORT of what is measured"},
    {{"path", 1, NULL, KEY_PATH}, "of the HTTP request; as the kind has it"},
    {{"domain", 1, NULL, KEY_DOMAIN}, "of XMPP; localhost"},
    {{"user", 1, NULL, KEY_USER},
     "PREFIX: users PREFIX0, PREFIX1, ... by "
     "SASL PLAIN; else ANONYMOUS"},
    {{"password", 1, NULL, KEY_PASSWORD}, "of all those users"},
    {{"sessions", 1, NULL, KEY_SESSIONS}, "how many are opened; 100"},
    {{"active", 1, NULL, KEY_ACTIVE}, "how many of them send; 64"},
    {{"at-once", 1, NULL, KEY_AT_ONCE}, "how many are being opened; 64"},
    {{"size", 1, NULL, KEY_SIZE}, "bytes of a stanza, about; 200"},
    {{"wait", 1, NULL, KEY_WAIT}, "seconds that BOSH holds a request; 60"},
    {{"answers", 1, NULL, KEY_ANSWERS},
     "empty answers that each session gets "
     "while idle; 0"},
    {{"idle", 1, NULL, KEY_IDLE}, "seconds without messages, before them; 0"},
    {{"warm-up", 1, NULL, KEY_WARM}, "seconds that are not measured; 1"},
    {{"seconds", 1, NULL, KEY_SECONDS}, "of measured messages; 5; 0: none"},
    {{"rate", 1, NULL, KEY_RATE},
     "messages/s in all; else as fast as echoes "
     "come"},
    {{"patience", 1, NULL, KEY_PATIENCE},
     "seconds without a new session "
     "before it gives up; 20"},
    {{"plain-headers", 0, NULL, KEY_PLAIN}, "none of a browser's headers"},
    {{"pid", 1, NULL, KEY_PID},
     "PID,PID,...: whose processor time and memory "
     "are read"},
    {{"name", 1, NULL, KEY_NAME}, "of this run, for the report"},
    {{"quiet", 0, NULL, KEY_QUIET}, "no progress, only the line of JSON"},
    {{"yes-remote", 0, NULL, KEY_REMOTE},
     "allow an address off loopback, "
     "where you may load"},
    {{"help", 0, NULL, KEY_HELP}, "this"},
};

static bool allows_remote;

static void usage(FILE *to)
{
    fprintf(to, "usage: doab-bench --to ADDRESS:PORT [OPTION...]\n\n");
    for (size_t i = 0; i < COUNT_OF(table); i++)
        fprintf(to, "  --%-14s %s\n", table[i].option.name, table[i].help);
    fprintf(to, "\nkinds:\n");
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        fprintf(to, "  %-16s %s\n", kinds[i]->name, kinds[i]->help);
}

static int complain(const char *what, const char *why)
{
    fprintf(stderr, "doab-bench: %s: %s\n", what, why);
    return EXIT_USAGE;
}

/* ---- reading the command line ---- */

static bool read_number(const char *text, double min, double max, double *out)
{
    char *end;

    *out = strtod(text, &end);
    return end != text && *end == '\0' && *out >= min && *out <= max;
}

static bool read_count(const char *text, unsigned min, unsigned max,
                       unsigned *out)
{
    double n;

    if (!read_number(text, min, max, &n) || n != (unsigned)n)
        return false;
    *out = (unsigned)n;
    return true;
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

/* 127.0.0.1:5280 or [::1]:5280. */
static bool read_address(const char *text, struct options *o)
{
    struct sockaddr_in *v4 = (void *)&o->to;
    struct sockaddr_in6 *v6 = (void *)&o->to;
    const char *colon = strrchr(text, ':');
    char host[128];
    unsigned port;
    size_t len;

    if (colon == NULL || !read_count(colon + 1, 1, 65535, &port))
        return false;
    len = (size_t)(colon - text);
    if (len == 0 || len >= sizeof(host))
        return false;
    memcpy(host, text, len);
    host[len] = '\0';
    snprintf(o->host, sizeof(o->host), "%s", text);
    if (inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        o->to_len = sizeof(*v4);
        return true;
    }
    if (host[0] != '[' || host[len - 1] != ']')
        return false;
    host[len - 1] = '\0';
    if (inet_pton(AF_INET6, host + 1, &v6->sin6_addr) != 1)
        return false;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    o->to_len = sizeof(*v6);
    return true;
}

static bool read_pids(const char *text, struct options *o)
{
    while (*text != '\0') {
        char *end;
        long pid = strtol(text, &end, 10);

        if (end == text || pid <= 0 || o->n_pids == BENCH_PIDS_MAX)
            return false;
        o->pids[o->n_pids++] = (int)pid;
        text = *end == ',' ? end + 1 : end;
        if (*end != ',' && *end != '\0')
            return false;
    }
    return o->n_pids > 0;
}

static bool read_option(int key, const char *arg, struct options *o)
{
    switch (key) {
    case KEY_KIND:
        return read_kind(arg, &o->kind);
    case KEY_TO:
        return read_address(arg, o);
    case KEY_SESSIONS:
        return read_count(arg, 1, BENCH_SESSIONS_MAX, &o->sessions);
    case KEY_ACTIVE:
        return read_count(arg, 1, BENCH_SESSIONS_MAX, &o->active);
    case KEY_AT_ONCE:
        return read_count(arg, 1, BENCH_SESSIONS_MAX, &o->at_once);
    case KEY_SIZE:
        return read_count(arg, 1, BENCH_TEXT_MAX - 2048, &o->size);
    case KEY_WAIT:
        return read_count(arg, 1, 3600, &o->wait_s);
    case KEY_ANSWERS:
        return read_count(arg, 0, 1000, &o->answers);
    case KEY_IDLE:
        return read_number(arg, 0, BENCH_SECONDS_MAX, &o->idle_s);
    case KEY_WARM:
        return read_number(arg, 0, BENCH_SECONDS_MAX, &o->warm_s);
    case KEY_SECONDS:
        return read_number(arg, 0, BENCH_SECONDS_MAX, &o->seconds);
    case KEY_RATE:
        return read_number(arg, 0.01, 1e7, &o->rate);
    case KEY_PATIENCE:
        return read_number(arg, 0.1, BENCH_SECONDS_MAX, &o->patience_s);
    case KEY_PID:
        return read_pids(arg, o);
    default:
        return false;
    }
}

/* Those that any value is good for. */
static bool take_word(int key, const char *arg, struct options *o)
{
    switch (key) {
    case KEY_PATH:
        o->path = arg;
        break;
    case KEY_DOMAIN:
        o->domain = arg;
        break;
    case KEY_USER:
        o->user = arg;
        break;
    case KEY_PASSWORD:
        o->password = arg;
        break;
    case KEY_NAME:
        o->name = arg;
        break;
    case KEY_PLAIN:
        o->is_plain_header = true;
        break;
    case KEY_QUIET:
        o->is_quiet = true;
        break;
    case KEY_REMOTE:
        allows_remote = true;
        break;
    default:
        return false;
    }
    return true;
}

static bool is_loopback(const struct options *o)
{
    const struct sockaddr_in *v4 = (const void *)&o->to;
    const struct sockaddr_in6 *v6 = (const void *)&o->to;

    if (o->to.ss_family == AF_INET)
        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static int check(struct options *o)
{
    if (o->to_len == 0)
        return complain("--to", "is missing");
    if (!is_loopback(o) && !allows_remote)
        return complain("--to", "not on loopback: say --yes-remote if it is "
                                "yours to load");
    if ((o->user == NULL) != (o->password == NULL))
        return complain("--user", "and --password go together");
    if (o->active > o->sessions)
        o->active = o->sessions;
    if (o->path == NULL)
        o->path = o->kind == &kind_websocket || o->kind == &kind_bare_websocket
                      ? "/xmpp-websocket"
                      : "/http-bind";
    return 0;
}

static int read_options(int argc, char **argv, struct options *o)
{
    struct option list[COUNT_OF(table) + 1] = {0};
    int key;

    for (size_t i = 0; i < COUNT_OF(table); i++)
        list[i] = table[i].option;
    while ((key = getopt_long(argc, argv, "", list, NULL)) != -1) {
        if (key == KEY_HELP) {
            usage(stdout);
            exit(0);
        }
        if (key == '?')
            return EXIT_USAGE;
        if (!take_word(key, optarg, o) && !read_option(key, optarg, o))
            return complain(optarg, "not a value for this option");
    }
    if (optind < argc)
        return complain(argv[optind], "not an option");
    return check(o);
}

/* ---- the run and its report ---- */

/* Two connections for BOSH, one otherwise. */
static bool raise_fds(const struct options *o)
{
    bool is_bosh = o->kind == &kind_bosh || o->kind == &kind_browser;
    rlim_t need = (rlim_t)o->sessions * (is_bosh ? 2 : 1) + 32;
    struct rlimit r;

    if (getrlimit(RLIMIT_NOFILE, &r) < 0)
        return true;
    r.rlim_cur = r.rlim_max;
    setrlimit(RLIMIT_NOFILE, &r);
    if (r.rlim_cur >= need)
        return true;
    fprintf(stderr,
            "doab-bench: %u sessions need %lu file descriptors and the limit "
            "is %lu (ulimit -n)\n",
            o->sessions, (unsigned long)need, (unsigned long)r.rlim_cur);
    return false;
}

static void report(const struct bench *b, bool is_good)
{
    const struct options *o = &b->o;
    const struct histogram *h = b->latency;

    printf("{\"name\":\"%s\",\"kind\":\"%s\",\"ok\":%s,\"why\":\"%s\","
           "\"sessions\":%u,\"failed\":%u,\"lost\":%u,\"active\":%u,"
           "\"size\":%u,\"rate\":%.0f,"
           "\"setups_per_s\":%.1f,\"setup_cpu_us\":%.1f,"
           "\"bytes_per_session\":%.0f,\"bytes_per_idle_session\":%.0f,"
           "\"idle_cpu\":%.4f,"
           "\"messages\":%llu,\"messages_per_s\":%.1f,\"cpu_us\":%.2f,"
           "\"own_cpu_us\":%.2f,\"p50_ms\":%.3f,\"p95_ms\":%.3f,"
           "\"p99_ms\":%.3f,\"p999_ms\":%.3f}\n",
           o->name, o->kind->name, is_good ? "true" : "false", b->why, b->ready,
           b->failed, b->lost, o->active, o->size, o->rate,
           b->setup_s > 0 ? b->ready / b->setup_s : 0, b->setup_cpu_us,
           b->memory_ready, b->memory_idle, b->idle_cpu,
           (unsigned long long)b->messages, b->message_rate, b->message_cpu_us,
           b->own_cpu_us, histogram_at(h, 0.5), histogram_at(h, 0.95),
           histogram_at(h, 0.99), histogram_at(h, 0.999));
}

static void explain(const struct bench *b)
{
    const struct histogram *h = b->latency;

    if (b->o.is_quiet)
        return;
    fprintf(stderr, "%u sessions, %u failed%s%s\n", b->ready, b->failed,
            b->why[0] != '\0' ? "; first: " : "", b->why);
    fprintf(stderr, "%.0f setups/s, %.0f us of the server each\n",
            b->setup_s > 0 ? b->ready / b->setup_s : 0, b->setup_cpu_us);
    fprintf(stderr,
            "%.0f bytes a session, %.0f after the idle time, in which "
            "%.2f %% of a core\n",
            b->memory_ready, b->memory_idle, b->idle_cpu * 100);
    fprintf(stderr,
            "%.0f messages/s, %.2f us of the server and %.2f of mine each\n"
            "p50 %.3f  p95 %.3f  p99 %.3f  p99.9 %.3f ms\n",
            b->message_rate, b->message_cpu_us, b->own_cpu_us,
            histogram_at(h, 0.5), histogram_at(h, 0.95), histogram_at(h, 0.99),
            histogram_at(h, 0.999));
}

int main(int argc, char **argv)
{
    static struct bench b;
    bool is_good;
    int status;

    b.o = (struct options){
        .kind = &kind_bosh,
        .domain = "localhost",
        .sessions = 100,
        .active = 64,
        .at_once = 64,
        .size = 200,
        .wait_s = 60,
        .warm_s = 1,
        .seconds = 5,
        .patience_s = 20,
        .name = "",
    };
    status = read_options(argc, argv, &b.o);
    if (status != 0)
        return status;
    if (!raise_fds(&b.o))
        return 1;
    memset(b.stanza_text, 'x', sizeof(b.stanza_text) - 1);
    b.epoll = epoll_create1(EPOLL_CLOEXEC);
    b.sessions = calloc(b.o.sessions, sizeof(*b.sessions));
    b.latency = histogram_new();
    if (b.epoll < 0 || b.sessions == NULL || b.latency == NULL)
        return complain("start", "no memory or descriptors");
    is_good = plan_run(&b);
    explain(&b);
    report(&b, is_good);
    for (unsigned i = 0; i < b.opened; i++)
        session_close(&b.sessions[i]);
    free(b.sessions);
    free(b.latency);
    close(b.epoll);
    return is_good ? 0 : 1;
}
