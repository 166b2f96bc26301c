/*
 * doab-bench - load for a connection manager of XMPP; doab-bench(1).
 */
#include "bench.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define FDS_BESIDES 32 /* of standard streams, epoll, /proc */

static bool raise_fds(const struct options *o)
{
    rlim_t need = (rlim_t)o->sessions * o->kind->connections + FDS_BESIDES;
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

static bool start(struct bench *b)
{
    if (!raise_fds(&b->o))
        return false;
    signal(SIGPIPE, SIG_IGN);
    /* A message that is due is sent then, not when it suits the timers. */
    prctl(PR_SET_TIMERSLACK, 1UL);
    memset(b->stanza_text, 'x', sizeof(b->stanza_text) - 1);
    b->epoll = epoll_create1(EPOLL_CLOEXEC);
    b->sessions = calloc(b->o.sessions, sizeof(*b->sessions));
    b->latency = histogram_new();
    if (b->epoll >= 0 && b->sessions != NULL && b->latency != NULL)
        return true;
    fprintf(stderr, "doab-bench: no memory or file descriptors\n");
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
    free(b.sessions);
    free(b.latency);
    close(b.epoll);
    return is_good ? 0 : 1;
}
