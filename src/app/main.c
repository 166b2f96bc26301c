#include "app.h"
#include "config.h"
#include "worker_pool.h"
#include "files.h"
#include "libraries.h"
#include "process.h"
#include "front/gzip.h"
#include "net/tls.h"
#include "net/tls_ctx.h"
#include "upstream/idna.h"
#include "dns/resolve_channel.h"
#include "xmpp/xml_read.h"

#include <getopt.h>
#include <stdio.h>
#include <sysexits.h>
#include <unistd.h>

#define DEFAULT_FILE "/etc/doab/doab.conf"
#define DUMP_BYTES   (4u << 20)

enum task {
    TASK_RUN,
    TASK_CHECK,
    TASK_DUMP,
    TASK_VERSION,
    TASK_HELP
};

struct options {
    const char *file;
    enum task task;
    bool is_quiet;
};

static const char help[] =
    "usage: doab [-c FILE]            run in the foreground\n"
    "       doab -t [-q] [-c FILE]    check the configuration; -q: quietly\n"
    "       doab --dump-config [-c FILE]\n"
    "                                 show the settings in effect\n"
    "       doab -V                   show versions, and security fixes that\n"
    "                                 libraries lack\n"
    "       doab --help               show this\n"
    "\n"
    "Without -c the configuration is " DEFAULT_FILE ".\n"
    "See doab(8) and doab.conf(5).\n";

enum {
    OPTION_DUMP = 256,
    OPTION_HELP
};

/* False: the command line is wrong; getopt has said why. */
static bool main_parse(struct options *o, int argc, char **argv)
{
    static const struct option longs[] = {
        {"dump-config", no_argument, NULL, OPTION_DUMP},
        {"help", no_argument, NULL, OPTION_HELP},
        {NULL, 0, NULL, 0},
    };
    int c;

    while ((c = getopt_long(argc, argv, "c:tqV", longs, NULL)) != -1) {
        switch (c) {
        case 'c':
            o->file = optarg;
            break;
        case 't':
            o->task = TASK_CHECK;
            break;
        case 'q':
            o->is_quiet = true;
            break;
        case 'V':
            o->task = TASK_VERSION;
            break;
        case OPTION_DUMP:
            o->task = TASK_DUMP;
            break;
        case OPTION_HELP:
            o->task = TASK_HELP;
            break;
        default:
            return false;
        }
    }
    if (optind < argc)
        fprintf(stderr, "doab: unexpected argument '%s'\n", argv[optind]);
    return optind == argc;
}

static int main_status_of(enum err err)
{
    if (err == ERR_OK)
        return EX_OK;
    if (err == ERR_SYSTEM)
        return EX_NOINPUT;
    return err == ERR_INVALID ? EX_CONFIG : EX_OSERR;
}

static void print(FILE *to, const struct buf *text)
{
    fwrite(buf_at(text), 1, text->len, to);
}

static int main_load(struct config **out, const char *file)
{
    struct buf problems;
    enum err err;

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    err = config_load(out, file, &problems);
    print(stderr, &problems);
    /* There is no room for what is wrong, either. */
    if (err != ERR_OK && problems.len == 0)
        err = ERR_NOMEM;
    if (err == ERR_NOMEM)
        fprintf(stderr, "doab: out of memory\n");
    buf_free(&problems);
    return main_status_of(err);
}

static void main_warn(void *arg, const char *text)
{
    fprintf(stderr, "%s: warning: %s\n", (const char *)arg, text);
}

static int main_check(struct config *c, bool is_quiet)
{
    struct buf problems;
    enum err err;

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    err = config_check_files(c, &problems);
    print(stderr, &problems);
    buf_free(&problems);
    if (err == ERR_OK && !is_quiet) {
        struct files files =
            files_share(c, worker_pool_size(c), process_files_max());

        config_warn(c, main_warn, c->file);
        files_warn(&files, c, main_warn, c->file);
        printf("%s: ok\n", c->file);
    }
    return main_status_of(err);
}

static int dump(const struct config *c)
{
    struct buf text;
    enum err err;

    buf_init(&text, DUMP_BYTES);
    err = config_dump(c, &text);
    print(stdout, &text);
    buf_free(&text);
    return err == ERR_OK ? EX_OK : EX_OSERR;
}

static int with_config(const struct options *o)
{
    struct config *c = NULL;
    int status = main_load(&c, o->file);

    if (status != EX_OK)
        return status;
    switch (o->task) {
    case TASK_CHECK:
        status = main_check(c, o->is_quiet);
        break;
    case TASK_DUMP:
        status = dump(c);
        break;
    case TASK_RUN:
    case TASK_VERSION:
    case TASK_HELP:
        status = app_run(c);
        break;
    }
    config_free(c);
    return status;
}

static void print_warning(void *arg, const char *text)
{
    printf("warning: %s\n", text);
}

static void print_versions(void)
{
    printf("doab %s\n", DOAB_VERSION);
    printf("%s\n", tls_library());
    printf("%s\n", xml_library());
    printf("c-ares %s\n", resolve_channel_library());
    printf("zlib %s\n", gzip_library());
    printf("libidn2 %s\n", idna_library());
    libraries_explain(print_warning, NULL);
}

int main(int argc, char **argv)
{
    struct options o = {.file = DEFAULT_FILE, .task = TASK_RUN};
    int status;

    if (process_open_std() != ERR_OK)
        return EX_OSERR; /* and no place to say so */
    if (!main_parse(&o, argc, argv)) {
        fputs(help, stderr);
        return EX_USAGE;
    }
    if (o.task == TASK_HELP) {
        fputs(help, stdout);
        return EX_OK;
    }
    if (o.task == TASK_VERSION) {
        print_versions();
        return EX_OK;
    }
    if (o.task == TASK_RUN && geteuid() == 0) {
        fprintf(stderr, "doab: will not run as root; give it a user of its "
                        "own\n");
        return EX_NOPERM;
    }
    status = with_config(&o);
    if (o.task == TASK_RUN)
        process_exit(status);
    return status;
}
