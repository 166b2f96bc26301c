/*
 * doab-bench - load for a connection manager of XMPP; doab-bench(1).
 */
#include "bench.h"
#include "null.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

#define FDS_BESIDES 32 /* of standard streams, epoll, /proc */

/* With the server inside, each session has its other end here, too. */
static bool has_fds(const struct options *o, unsigned long allowed)
{
    unsigned each = o->kind->connections + (o->serve.len > 0 ? 1 : 0);
    unsigned long need = (unsigned long)o->sessions * each + FDS_BESIDES;

    if (allowed >= need)
        return true;
    fprintf(stderr,
            "doab-bench: %u sessions need %lu file descriptors and the limit "
            "is %lu (ulimit -n)\n",
            o->sessions, need, allowed);
    return false;
}

static bool start(struct bench *b)
{
    unsigned long fds = wire_init();

    if (fds > 0 && !has_fds(&b->o, fds))
        return false;
    /* A message that is due is sent then, not when it suits the timers. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    memset(b->stanza_text, 'x', sizeof(b->stanza_text) - 1);
    b->sessions = calloc(b->o.sessions, sizeof(*b->sessions));
    b->latency = histogram_new();
    b->tenths = tenths_new();
    if (fds == 0 || b->sessions == NULL || b->latency == NULL ||
        b->tenths == NULL) {
        fprintf(stderr, "doab-bench: no memory or file descriptors\n");
        return false;
    }
    if (b->o.serve.len == 0 || null_listen(&b->o.serve))
        return true;
    perror("doab-bench: --serve");
    return false;
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
        .warm_s = -1,
        .seconds = -1,
        .patience_s = 20,
        .name = "",
    };
    status = options_read(argc, argv, &b.o);
    if (status != 0)
        return status;
    if (!start(&b))
        return 1;
    is_good = plan_run(&b);
    if (!b.o.is_quiet)
        report_text(&b);
    report_json(&b, is_good);
    for (unsigned i = 0; i < b.opened; i++)
        session_close(&b.sessions[i]);
    null_close();
    wire_fini();
    free(b.sessions);
    free(b.latency);
    tenths_free(b.tenths);
    return is_good ? 0 : 1;
}
