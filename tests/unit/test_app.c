/* The process from its start to its end, also when a worker hangs. */
#include "app/app.h"

#include "app/config.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <cmocka.h>

#define VISITS_MAX 30000 /* a millisecond apart */
#define PATIENCE_S 20    /* then the alarm ends the program */

/* What happens to who accepts a connection. */
enum fault {
    NO_FAULT,
    HANGS,
    CRASHES, /* behind lines of log */
};

/* Of the process under test. */
static atomic_int fault;

/* Instead of the library's. */
int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags);

int accept4(int fd, struct sockaddr *addr, socklen_t *len, int flags)
{
    int peer = (int)syscall(SYS_accept4, fd, addr, len, flags);

    if (peer >= 0 && atomic_load(&fault) == CRASHES) {
        for (unsigned i = 0; i < 300; i++)
            log_warn(NULL, "words n=%u", i);
        log_warn(NULL, "last words");
        abort();
    }
    if (peer >= 0 && atomic_load(&fault) == HANGS) {
        sigset_t all;

        close(peer); /* so that the test hears of it */
        sigfillset(&all);
        for (;;)
            sigsuspend(&all);
    }
    return peer;
}

struct program {
    char directory[32];
    char socket[64];
    pid_t pid;
    int out;       /* what it prints */
    int err;       /* its log: the end that is read */
    int err_write; /* and the other one */
};

static _Noreturn void run(const struct program *p, const char *text, int out)
{
    struct config *c = NULL;
    struct buf problems;

    prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves none */
    dup2(out, STDOUT_FILENO);
    dup2(p->err_write, STDERR_FILENO);
    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    if (config_load_text(&c, "t.conf", slice_of(text), &problems) != ERR_OK)
        _exit(99);
    _exit(app_run(c));
}

static void fill(int fd)
{
    char block[4096];
    int flags = fcntl(fd, F_GETFL);

    memset(block, 'x', sizeof(block));
    assert_int_equal(fcntl(fd, F_SETFL, flags | O_NONBLOCK), 0);
    while (write(fd, block, sizeof(block)) > 0)
        ;
    assert_int_equal(fcntl(fd, F_SETFL, flags), 0);
}

enum full {
    NONE_IS_FULL,
    OUT_IS_FULL,
    ERR_IS_FULL,
};

/* With a unix socket, on which it is reached. */
static void start(struct program *p, enum full full, unsigned workers,
                  enum fault what)
{
    char text[400];
    int out[2];
    int err[2];

    alarm(PATIENCE_S);
    snprintf(p->directory, sizeof(p->directory), "/tmp/doab-app-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    snprintf(p->socket, sizeof(p->socket), "%s/s", p->directory);
    snprintf(text, sizeof(text),
             "listen 'unix:%s' { }\n"
             "limits { workers = %u drain_timeout = 200ms }\n"
             "log { level = debug }\n",
             p->socket, workers);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    assert_int_equal(pipe2(err, O_CLOEXEC), 0);
    if (full == OUT_IS_FULL)
        fill(out[1]);
    if (full == ERR_IS_FULL)
        fill(err[1]);
    p->out = out[0];
    p->err = err[0];
    p->err_write = err[1];
    atomic_store(&fault, (int)what);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0)
        run(p, text, out[1]);
    close(out[1]);
}

static void wait_ready(const struct program *p)
{
    char text[1024];
    size_t len = 0;

    do {
        ssize_t n = read(p->out, text + len, sizeof(text) - 1 - len);

        assert_true(n > 0);
        len += (size_t)n;
        text[len] = '\0';
    } while (strstr(text, "ready\n") == NULL);
}

/* As wait() has it. */
static int ending_of(struct program *p)
{
    int status = 0;

    while (waitpid(p->pid, &status, 0) < 0)
        assert_int_equal(errno, EINTR);
    assert_int_equal(rmdir(p->directory), 0);
    close(p->out);
    close(p->err);
    close(p->err_write);
    alarm(0);
    return status;
}

/* The exit status; its socket has gone. */
static int ending(struct program *p)
{
    int status = ending_of(p);

    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* The file is there some time before the socket listens. */
static int visit(const struct program *p)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int result = -1;

    snprintf(at.sun_path, sizeof(at.sun_path), "%s", p->socket);
    for (unsigned tries = 0; result != 0 && tries < VISITS_MAX; tries++) {
        result = connect(fd, (const struct sockaddr *)&at, sizeof(at));
        if (result != 0)
            usleep(1000);
    }
    assert_int_equal(result, 0);
    return fd;
}

/* Until every worker hangs. */
static void hang(const struct program *p, unsigned workers)
{
    for (unsigned i = 0; i < workers; i++) {
        int fd = visit(p);
        char byte;

        assert_int_equal(read(fd, &byte, 1), 0);
        close(fd);
    }
}

/* --- The log -------------------------------------------------------------- */

/* It starts, serves and ends though its log is full from the beginning. */
static void a_log_that_nobody_reads_stops_nothing(void **state)
{
    struct program p;
    char answer[16];
    int fd;

    start(&p, ERR_IS_FULL, 2, NO_FAULT);
    wait_ready(&p);
    fd = visit(&p);
    assert_int_equal(write(fd, "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27), 27);
    assert_int_equal(recv(fd, answer, 12, MSG_WAITALL), 12);
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    close(fd);
    kill(p.pid, SIGTERM);
    assert_int_equal(ending(&p), EX_OK);
}

static void neither_does_standard_output(void **state)
{
    struct program p;
    char byte;
    int fd;

    start(&p, OUT_IS_FULL, 1, NO_FAULT);
    fd = visit(&p);
    assert_int_equal(write(fd, "GET / HTTP/1.0\r\n\r\n", 18), 18);
    assert_int_equal(read(fd, &byte, 1), 1);
    close(fd);
    kill(p.pid, SIGTERM);
    assert_int_equal(ending(&p), EX_OK);
}

/* --- The end -------------------------------------------------------------- */

static void two_signals_end_it_though_every_worker_hangs(void **state)
{
    struct program p;

    start(&p, NONE_IS_FULL, 3, HANGS);
    wait_ready(&p);
    hang(&p, 3);
    kill(p.pid, SIGTERM);
    usleep(100000); /* two at once would be one */
    kill(p.pid, SIGTERM);
    assert_int_equal(ending(&p), EX_SOFTWARE);
}

static void one_signal_ends_it_after_the_drain(void **state)
{
    struct program p;
    char text[65536];
    ssize_t n;
    int err;

    start(&p, NONE_IS_FULL, 1, HANGS);
    wait_ready(&p);
    hang(&p, 1);
    err = dup(p.err);
    kill(p.pid, SIGINT);
    assert_int_equal(ending(&p), EX_SOFTWARE);
    n = read(err, text, sizeof(text) - 1);
    close(err);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, "end.forced workers=1\n"));
}

/* They are on their way to another thread when it comes. */
static void the_last_lines_before_a_crash_are_written(void **state)
{
    struct program p;
    char text[65536];
    ssize_t n;
    int status;
    int err;

    start(&p, NONE_IS_FULL, 1, CRASHES);
    wait_ready(&p);
    err = dup(p.err);
    close(visit(&p));
    unlink(p.socket);
    status = ending_of(&p);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    n = read(err, text, sizeof(text) - 1);
    close(err);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, " warn last words\n"));
}

static void nor_does_a_full_log_keep_it(void **state)
{
    struct program p;

    start(&p, NONE_IS_FULL, 2, HANGS);
    wait_ready(&p);
    hang(&p, 2);
    fill(p.err_write);
    kill(p.pid, SIGTERM);
    usleep(100000);
    kill(p.pid, SIGTERM);
    usleep(100000);
    kill(p.pid, SIGTERM);
    assert_int_equal(ending(&p), EX_SOFTWARE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_nobody_reads_stops_nothing),
        cmocka_unit_test(neither_does_standard_output),
        cmocka_unit_test(two_signals_end_it_though_every_worker_hangs),
        cmocka_unit_test(one_signal_ends_it_after_the_drain),
        cmocka_unit_test(nor_does_a_full_log_keep_it),
        cmocka_unit_test(the_last_lines_before_a_crash_are_written),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("app", tests, NULL, NULL);
}
