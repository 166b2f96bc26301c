#include "process.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define SAY_MS   1000
#define CRASH_MS 200 /* for the lines before a crash */

enum err process_open_std(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        /* The lowest number that is free: this one. */
        if (open("/dev/null", O_RDWR) != fd)
            return ERR_SYSTEM;
    }
    return ERR_OK;
}

/* --- Hardening ------------------------------------------------------------ */

static void on_crash(int signo)
{
    (void)signo;
    (void)log_flush(CRASH_MS);
    /* It happens again, without a handler. */
}

/* The last lines before a crash say most.  A sanitizer has handlers of its
 * own, which stay. */
static void keep_last_lines(void)
{
    static const int signals[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    struct sigaction ours = {.sa_handler = on_crash, .sa_flags = SA_RESETHAND};
    struct sigaction before;

    sigemptyset(&ours.sa_mask);
    for (size_t i = 0; i < COUNT_OF(signals); i++)
        if (sigaction(signals[i], NULL, &before) == 0 &&
            before.sa_handler == SIG_DFL)
            (void)sigaction(signals[i], &ours, NULL);
}

void process_harden(void)
{
    struct rlimit none = {0, 0};

    umask(0077);
    signal(SIGPIPE, SIG_IGN);
    keep_last_lines();
    /* No core files with passwords in them, and no debugger. */
    if (prctl(PR_SET_DUMPABLE, 0) < 0 || setrlimit(RLIMIT_CORE, &none) < 0)
        log_warn(NULL, "start.harden error=%s",
                 log_quote(slice_of(strerror(errno))).text);
}

/* --- Files ---------------------------------------------------------------- */

size_t process_files_max(void)
{
    struct rlimit files;

    return getrlimit(RLIMIT_NOFILE, &files) < 0 ? 0 : (size_t)files.rlim_max;
}

size_t process_raise_files(void)
{
    struct rlimit files;
    rlim_t before;

    if (getrlimit(RLIMIT_NOFILE, &files) < 0)
        return 0;
    before = files.rlim_cur;
    files.rlim_cur = files.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &files) == 0)
        return (size_t)files.rlim_cur;
    log_warn(NULL, "start.files error=%s",
             log_quote(slice_of(strerror(errno))).text);
    return (size_t)before;
}

/* --- Standard output, and the end ----------------------------------------- */

/* A pipe that is ready takes PIPE_BUF bytes, unless another process is quicker
 * to fill it.  It is shared with others and so stays blocking. */
bool process_say(const char *text, size_t len)
{
    struct pollfd p = {.fd = STDOUT_FILENO, .events = POLLOUT};

    if (poll(&p, 1, SAY_MS) == 1) {
        (void)!write(STDOUT_FILENO, text, len);
        return true;
    }
    log_warn(NULL, "stdout.blocked");
    return false;
}

_Noreturn void process_exit(int status)
{
/* LeakSanitizer looks for leaks in such a handler. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    exit(status);
#else
    _exit(status);
#endif
}
