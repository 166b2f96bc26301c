#include "log_writer.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define REPORT_BYTES 256
#define FLUSH_NAP_NS 1000000

/* One half is filled while the other one is written. */
struct half {
    size_t len;
    size_t n;       /* lines in it */
    size_t dropped; /* and lines that belong behind them */
    char text[LOG_WRITER_BYTES];
};

struct log_writer {
    int fd; /* borrowed: see log_writer_new */
    log_writer_report_fn *report;
    pthread_t thread;
    pthread_mutex_t lock; /* of the next four; held for a copy at most */
    pthread_cond_t changed;
    struct half *filling; /* one of the halves, as is the next one */
    struct half *writing; /* the thread's own while it writes */
    bool is_ending;
    atomic_size_t n_waiting; /* lines in both halves */
    size_t lost;             /* the thread's own: refused by the system */
    bool is_torn;            /* the last line was written in part */
    struct half halves[2];
};

/* --- The thread ----------------------------------------------------------- */

/* Another process may have made the descriptor non-blocking: it is shared. */
static void wait_for_reader(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLOUT};

    (void)poll(&p, 1, -1);
}

static bool write_line(struct log_writer *w, const char *at, size_t len)
{
    size_t left = len;

    while (left > 0) {
        ssize_t done = write(w->fd, at, left);

        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0 && errno == EAGAIN) {
            wait_for_reader(w->fd);
            continue;
        }
        if (done <= 0) {
            w->is_torn = w->is_torn || left < len;
            return false;
        }
        at += done;
        left -= (size_t)done;
    }
    return true;
}

/* Says how many lines are missing here; they stay counted when it cannot. */
static bool write_report(struct log_writer *w)
{
    char text[REPORT_BYTES];
    size_t len = 0;

    if (w->lost == 0)
        return true;
    if (w->is_torn)
        text[len++] = '\n';
    len += w->report(text + len, sizeof(text) - len, w->lost);
    if (!write_line(w, text, len))
        return false;
    w->lost = 0;
    w->is_torn = false;
    return true;
}

static void write_half(struct log_writer *w, const struct half *h)
{
    size_t at = 0;

    while (at < h->len) {
        const char *line = h->text + at;
        const char *end = memchr(line, '\n', h->len - at);
        size_t len = end != NULL ? (size_t)(end - line) + 1 : h->len - at;

        if (!write_report(w) || !write_line(w, line, len))
            w->lost++;
        at += len;
    }
    w->lost += h->dropped;
    (void)write_report(w);
    /* Last: who has seen none waiting may join this thread. */
    atomic_fetch_sub(&w->n_waiting, h->n);
}

/* False: there is nothing left, and nothing will come. */
static bool take_half(struct log_writer *w)
{
    struct half *full;
    bool has_some;

    pthread_mutex_lock(&w->lock);
    while (w->filling->len == 0 && !w->is_ending)
        pthread_cond_wait(&w->changed, &w->lock);
    full = w->filling;
    has_some = full->len > 0;
    w->filling = w->writing;
    w->writing = full;
    w->filling->len = w->filling->n = w->filling->dropped = 0;
    pthread_mutex_unlock(&w->lock);
    return has_some;
}

static void *log_writer_run(void *arg)
{
    struct log_writer *w = arg;

    while (take_half(w))
        write_half(w, w->writing);
    return NULL;
}

/* --- What others call ----------------------------------------------------- */

/* Signals are for the thread that reads them: all are blocked in this one. */
static int log_writer_start(struct log_writer *w)
{
    sigset_t all;
    sigset_t before;
    int error;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&w->thread, NULL, log_writer_run, w);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error == 0)
        pthread_setname_np(w->thread, "doab-log");
    return error;
}

enum err log_writer_new(struct log_writer **out, int fd,
                        log_writer_report_fn *report)
{
    struct log_writer *w = calloc(1, sizeof(*w));
    int error;

    if (w == NULL)
        return ERR_NOMEM;
    w->fd = fd;
    w->report = report;
    w->filling = &w->halves[0];
    w->writing = &w->halves[1];
    atomic_init(&w->n_waiting, 0);
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->changed, NULL);
    error = log_writer_start(w);
    if (error != 0) {
        free(w);
        errno = error;
        return ERR_SYSTEM;
    }
    *out = w;
    return ERR_OK;
}

bool log_writer_put(struct log_writer *w, const char *line, size_t len)
{
    struct half *h;
    bool fits;

    pthread_mutex_lock(&w->lock);
    h = w->filling;
    /* After the first that was dropped no shorter one overtakes it. */
    fits = h->dropped == 0 && len <= sizeof(h->text) - h->len;
    if (fits) {
        memcpy(h->text + h->len, line, len);
        h->len += len;
        h->n++;
        atomic_fetch_add(&w->n_waiting, 1);
    } else {
        h->dropped++;
    }
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    return fits;
}

bool log_writer_flush(struct log_writer *w, unsigned timeout_ms)
{
    static const struct timespec nap = {.tv_nsec = FLUSH_NAP_NS};
    unsigned waited_ms;

    for (waited_ms = 0; atomic_load(&w->n_waiting) > 0; waited_ms++) {
        if (waited_ms >= timeout_ms)
            return false;
        (void)nanosleep(&nap, NULL);
    }
    return true;
}

void log_writer_free(struct log_writer *w)
{
    if (w == NULL)
        return;
    pthread_mutex_lock(&w->lock);
    w->is_ending = true;
    pthread_cond_signal(&w->changed);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    pthread_cond_destroy(&w->changed);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
