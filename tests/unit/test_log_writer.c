/* Lines go to readers of every kind, and nobody waits for them. */
#include "base/log_writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_S 20 /* then the alarm ends the program */
#define FLUSH_MS   10000
#define MANY       20000
#define THREADS    4
#define EACH       2000

static char got[4u << 20];

static size_t report(char *to, size_t cap, size_t dropped)
{
    return (size_t)snprintf(to, cap, "dropped=%zu\n", dropped);
}

static struct log_writer *open_writer(int fd)
{
    struct log_writer *w = NULL;

    alarm(PATIENCE_S);
    assert_int_equal(log_writer_new(&w, fd, report), ERR_OK);
    return w;
}

static void close_writer(struct log_writer *w)
{
    assert_true(log_writer_flush(w, FLUSH_MS));
    log_writer_free(w);
    alarm(0);
}

static bool put(struct log_writer *w, unsigned thread, unsigned i)
{
    char line[128];

    snprintf(line, sizeof(line), "line t=%u i=%u %060u\n", thread, i, 0);
    return log_writer_put(w, line, strlen(line));
}

/* Puts MANY lines; how many were taken. */
static unsigned put_many(struct log_writer *w)
{
    unsigned taken = 0;

    for (unsigned i = 0; i < MANY; i++)
        taken += put(w, 0, i);
    return taken;
}

static void *read_all(void *arg)
{
    const int *fd = arg;
    size_t len = 0;
    ssize_t n = 1;

    while (n > 0 && len < sizeof(got) - 1) {
        n = read(*fd, got + len, sizeof(got) - 1 - len);
        len += n > 0 ? (size_t)n : 0;
    }
    got[len] = '\0';
    return NULL;
}

/* The number behind `key` in the line at *at, which then is the next one. */
static unsigned number_of(const char **at, const char *key)
{
    const char *begin = strstr(*at, key);
    const char *end = strchr(*at, '\n');

    if (end == NULL || begin == NULL || begin > end)
        fail_msg("no %s in %.80s", key, *at);
    *at = end + 1;
    return (unsigned)strtoul(begin + strlen(key), NULL, 10);
}

/* --- A reader that stops -------------------------------------------------- */

/* How many of the lines of thread 0 are in `got`: each is in its place, and
 * where some are missing a line says how many. */
static unsigned count_lines(const char **at, unsigned n)
{
    unsigned taken = 0;
    unsigned next = 0;

    while (next < n) {
        if (strncmp(*at, "line t=0", 8) != 0) {
            next += number_of(at, "dropped=");
            continue;
        }
        assert_int_equal(number_of(at, " i="), next);
        next++;
        taken++;
    }
    assert_int_equal(next, n);
    return taken;
}

/* The reader takes nothing until all is put.  How soon the writer's thread
 * takes the first lines is the machine's business, so lines may be missing in
 * more than one place. */
static void check_stopped_reader(int reader, int writer)
{
    struct log_writer *w = open_writer(writer);
    unsigned taken = put_many(w);
    unsigned n = MANY;
    const char *at = got;
    pthread_t thread;

    assert_in_range(taken, LOG_WRITER_BYTES / 128, MANY - 1);
    assert_false(log_writer_flush(w, 20)); /* its thread is stuck by now */
    for (; put(w, 0, n); n++)
        taken++;
    assert_false(log_writer_put(w, "short\n", 6)); /* it overtakes none */
    assert_int_equal(pthread_create(&thread, NULL, read_all, &reader), 0);
    assert_true(log_writer_flush(w, FLUSH_MS));
    assert_true(put(w, 1, 7));
    close_writer(w);
    close(writer);
    pthread_join(thread, NULL);
    close(reader);

    assert_int_equal(count_lines(&at, n + 2), taken);
    assert_int_equal(number_of(&at, "t=1 i="), 7);
    assert_string_equal(at, "");
}

static void a_pipe_that_is_not_read_holds_up_nobody(void **state)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    check_stopped_reader(fds[0], fds[1]);
}

/* As where standard error is the journal's. */
static void nor_does_a_socket(void **state)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
                     0);
    check_stopped_reader(fds[0], fds[1]);
}

/* Another process that shares it has made it so. */
static void a_descriptor_may_be_non_blocking(void **state)
{
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
    check_stopped_reader(fds[0], fds[1]);
}

/* Each time the reader goes on it hears what it missed since. */
static void what_is_dropped_is_told_each_time(void **state)
{
    struct log_writer *w;
    unsigned missing[2] = {0, 0};
    const char *at = got;
    pthread_t thread;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    w = open_writer(fds[1]);
    for (unsigned round = 0; round < 2; round++) {
        missing[round] = MANY - put_many(w);
        assert_true(round > 0 || missing[round] > 0);
        if (round == 0)
            assert_int_equal(pthread_create(&thread, NULL, read_all, &fds[0]),
                             0);
        /* The second time it reads, but all is put faster than it does. */
        assert_true(log_writer_flush(w, FLUSH_MS));
    }
    close_writer(w);
    close(fds[1]);
    pthread_join(thread, NULL);
    close(fds[0]);
    for (unsigned sum = missing[0] + missing[1]; sum > 0;) {
        at = strstr(at, "dropped=");
        assert_non_null(at);
        sum -= number_of(&at, "dropped=");
    }
    assert_null(strstr(at, "dropped="));
}

/* --- What cannot be written ----------------------------------------------- */

static void a_full_disk_drops_and_counts(void **state)
{
    int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    struct log_writer *w = open_writer(fd);
    const char *at = got;
    int fds[2];

    for (unsigned i = 0; i < 3; i++)
        assert_true(put(w, 0, i));
    assert_true(log_writer_flush(w, FLUSH_MS));
    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    assert_int_equal(dup3(fds[1], fd, O_CLOEXEC), fd); /* room again */
    assert_true(put(w, 0, 3));
    close_writer(w);
    close(fd);
    close(fds[1]);
    read_all(&fds[0]);
    close(fds[0]);
    assert_int_equal(number_of(&at, "dropped="), 3);
    assert_int_equal(number_of(&at, " i="), 3);
    assert_string_equal(at, "");
}

static void a_line_that_was_cut_gets_an_end(void **state)
{
    char name[] = "/tmp/doab-log-XXXXXX";
    struct rlimit before;
    struct rlimit low;
    struct log_writer *w;
    int fd = mkstemp(name);

    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    low = (struct rlimit){8, before.rlim_max};
    w = open_writer(fd);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &low), 0);
    assert_true(log_writer_put(w, "one\n", 4));
    assert_true(log_writer_put(w, "second\n", 7));
    assert_true(log_writer_put(w, "third\n", 6));
    assert_true(log_writer_flush(w, FLUSH_MS));
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_true(log_writer_put(w, "last\n", 5));
    close_writer(w);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    read_all(&fd);
    close(fd);
    unlink(name);
    assert_string_equal(got, "one\nseco\ndropped=2\nlast\n");
}

static void a_reader_that_has_gone_is_no_reason_to_wait(void **state)
{
    struct log_writer *w;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    w = open_writer(fds[1]);
    (void)put_many(w); /* it waits in the middle of these */
    close(fds[0]);
    close_writer(w);
    close(fds[1]);
}

/* --- Threads -------------------------------------------------------------- */

static struct log_writer *shared;

static void *put_each(void *arg)
{
    const unsigned *thread = arg;

    for (unsigned i = 0; i < EACH; i++)
        (void)put(shared, *thread, i);
    return NULL;
}

static void lines_of_several_threads_stay_whole_and_in_order(void **state)
{
    unsigned numbers[THREADS];
    unsigned next[THREADS] = {0};
    pthread_t threads[THREADS];
    pthread_t reader;
    const char *at = got;
    int fds[2];

    assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
    shared = open_writer(fds[1]);
    assert_int_equal(pthread_create(&reader, NULL, read_all, &fds[0]), 0);
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        assert_int_equal(
            pthread_create(&threads[i], NULL, put_each, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    close_writer(shared);
    close(fds[1]);
    pthread_join(reader, NULL);
    close(fds[0]);

    while (*at != '\0') {
        const char *line = at;
        unsigned thread;
        unsigned i;

        if (strncmp(line, "dropped=", 8) == 0) {
            (void)number_of(&at, "dropped=");
            continue;
        }
        i = number_of(&at, " i=");
        assert_int_equal(strncmp(line, "line t=", 7), 0);
        thread = (unsigned)strtoul(line + 7, NULL, 10);
        assert_true(thread < THREADS);
        assert_true(i >= next[thread]);
        next[thread] = i + 1;
        assert_int_equal(at[-2], '0');
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pipe_that_is_not_read_holds_up_nobody),
        cmocka_unit_test(nor_does_a_socket),
        cmocka_unit_test(a_descriptor_may_be_non_blocking),
        cmocka_unit_test(what_is_dropped_is_told_each_time),
        cmocka_unit_test(a_full_disk_drops_and_counts),
        cmocka_unit_test(a_line_that_was_cut_gets_an_end),
        cmocka_unit_test(a_reader_that_has_gone_is_no_reason_to_wait),
        cmocka_unit_test(lines_of_several_threads_stay_whole_and_in_order),
    };

    signal(SIGPIPE, SIG_IGN);
    return cmocka_run_group_tests_name("log_writer", tests, NULL, NULL);
}
