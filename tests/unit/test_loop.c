#include "base/loop.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <threads.h>
#include <unistd.h>

#include <cmocka.h>

/* A literal as the void pointer of a callback, which only reads it. */
#define WORD(text) ((void *)(uintptr_t)(text))

static struct loop *loop;
static char trace[256];

static void note(const char *word)
{
    size_t len = strlen(trace);

    snprintf(trace + len, sizeof(trace) - len, "%s ", word);
}

static int begin(void **state)
{
    trace[0] = '\0';
    return loop_new(&loop) == ERR_OK ? 0 : -1;
}

static int end(void **state)
{
    loop_free(loop);
    return 0;
}

static void stop(void *arg)
{
    if (arg != NULL)
        note(arg);
    loop_stop(loop);
}

static void say(void *arg)
{
    note(arg);
}

static void timers_fire_in_order_and_never_early(void **state)
{
    struct timer a;
    struct timer b;
    struct timer c;
    struct timer never;
    uint64_t before_ms = loop_now_ms(loop);

    timer_init(&a, loop, say, WORD("a"));
    timer_init(&b, loop, say, WORD("b"));
    timer_init(&c, loop, stop, WORD("c"));
    timer_init(&never, loop, say, WORD("never"));
    timer_set(&c, 30);
    timer_set(&b, 500);
    timer_set(&b, 20); /* moved to an earlier time */
    timer_set(&a, 5);
    timer_set(&never, 10);
    timer_stop(&never);
    timer_stop(&never);
    assert_true(timer_is_set(&a));
    loop_run(loop);
    assert_string_equal(trace, "a b c ");
    assert_false(timer_is_set(&a));
    assert_in_range(loop_now_ms(loop) - before_ms, 30, 5000);
}

static struct timer chain;
static struct timer later;
static unsigned chain_left;

static void set_again(void *arg)
{
    if (--chain_left > 0)
        timer_set(&chain, 1);
    else
        loop_stop(loop);
}

static void a_timer_may_set_itself(void **state)
{
    chain_left = 5;
    timer_init(&chain, loop, set_again, NULL);
    timer_init(&later, loop, say, WORD("later"));
    timer_set(&later, 100000);
    timer_set(&chain, 0);
    loop_run(loop);
    assert_int_equal(chain_left, 0);
    assert_string_equal(trace, "");
    timer_stop(&later);
}

static struct defer first;
static struct defer second;
static struct defer third;

static void defer_more(void *arg)
{
    note("first");
    loop_defer(loop, &third, stop, WORD("third"));
    loop_defer(loop, &second, say, WORD("moved?")); /* queued: stays as it is */
}

static void deferred_calls_run_in_order_in_the_same_turn(void **state)
{
    struct defer dropped = {0};

    loop_defer(loop, &first, defer_more, NULL);
    loop_defer(loop, &dropped, say, WORD("dropped"));
    loop_defer(loop, &second, say, WORD("second"));
    loop_undefer(&dropped);
    loop_undefer(&dropped);
    loop_run(loop);
    assert_string_equal(trace, "first second third ");
    assert_false(list_holds(&first.node));
}

static unsigned rounds;

static void defer_itself(void *arg)
{
    rounds++;
    loop_defer(loop, &first, defer_itself, NULL);
}

static void stop_all(void *arg)
{
    loop_undefer(&first);
    loop_stop(loop);
}

static void endless_deferring_starves_no_timer(void **state)
{
    struct timer t;

    rounds = 0;
    timer_init(&t, loop, stop_all, NULL);
    timer_set(&t, 5);
    loop_defer(loop, &first, defer_itself, NULL);
    loop_run(loop);
    assert_true(rounds > 0);
}

static void freeing_runs_what_is_deferred(void **state)
{
    struct loop *other;
    struct defer d = {0};

    assert_int_equal(loop_new(&other), ERR_OK);
    loop_defer(other, &d, say, WORD("freed"));
    loop_free(other);
    assert_string_equal(trace, "freed ");
    loop_free(NULL);
}

struct end_of_pair {
    struct watch watch;
    int fd;
    unsigned calls;
};

static struct end_of_pair near_end;
static int far_fd;

static void open_pair(void)
{
    int fds[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds),
                     0);
    memset(&near_end, 0, sizeof(near_end));
    near_end.fd = fds[0];
    far_fd = fds[1];
}

static void close_pair(void)
{
    watch_stop(&near_end.watch);
    close(near_end.fd);
    close(far_fd);
}

static void on_ready(void *arg, unsigned events)
{
    struct end_of_pair *e = arg;
    char byte;

    e->calls++;
    if ((events & LOOP_WRITE) != 0) {
        note("write");
        watch_set(&e->watch, LOOP_READ);
        assert_int_equal(write(far_fd, "x", 1), 1);
    }
    if ((events & LOOP_READ) != 0) {
        note("read");
        assert_int_equal(read(e->fd, &byte, 1), 1);
        watch_set(&e->watch, 0);
        assert_int_equal(write(far_fd, "y", 1), 1);
    }
}

static void watches_report_what_is_asked_for(void **state)
{
    struct timer t;

    open_pair();
    timer_init(&t, loop, stop, NULL);
    timer_set(&t, 20);
    assert_int_equal(
        watch_start(&near_end.watch, loop, near_end.fd, 0, on_ready, &near_end),
        ERR_OK);
    watch_set(&near_end.watch, LOOP_READ | LOOP_WRITE);
    watch_set(&near_end.watch, LOOP_WRITE);
    loop_run(loop);
    assert_string_equal(trace, "write read ");

    /* A byte waits; asked for again, it is reported again. */
    timer_set(&t, 20);
    watch_set(&near_end.watch, LOOP_READ);
    loop_run(loop);
    assert_string_equal(trace, "write read read ");
    watch_stop(&near_end.watch);
    watch_stop(&near_end.watch);
    watch_set(&near_end.watch, LOOP_READ); /* harmless when not started */
    close_pair();
}

static void stop_watching(void *arg, unsigned events)
{
    watch_stop(&near_end.watch);
    note("once");
    stop(NULL);
}

static void a_watch_may_be_stopped_in_its_own_call(void **state)
{
    open_pair();
    assert_int_equal(write(far_fd, "x", 1), 1);
    assert_int_equal(watch_start(&near_end.watch, loop, near_end.fd, LOOP_READ,
                                 stop_watching, NULL),
                     ERR_OK);
    loop_run(loop);
    assert_string_equal(trace, "once ");
    assert_null(near_end.watch.loop);
    close_pair();
}

/* What an epoll set of this process has the kernel tell of fd; -1: none holds
 * it. */
static long polled_events(int fd)
{
    long events = -1;
    char wanted[32];
    char line[256];

    snprintf(wanted, sizeof(wanted), "tfd: %8d ", fd);
    for (int i = 0; i < 64; i++) {
        FILE *info;

        snprintf(line, sizeof(line), "/proc/self/fdinfo/%d", i);
        info = fopen(line, "r");
        while (info != NULL && fgets(line, sizeof(line), info) != NULL) {
            const char *at = strstr(line, "events:");

            if (at != NULL && strstr(line, wanted) != NULL)
                events = strtol(at + strlen("events:"), NULL, 16);
        }
        if (info != NULL)
            fclose(info);
    }
    return events;
}

/* decision 38: an fd that another thread has by now is none of ours. */
static void a_stopped_fd_is_out_of_the_kernels_set_at_once(void **state)
{
    struct timer t;

    open_pair();
    timer_init(&t, loop, stop, NULL);
    timer_set(&t, 1);
    assert_int_equal(watch_start(&near_end.watch, loop, near_end.fd, LOOP_READ,
                                 on_ready, &near_end),
                     ERR_OK);
    loop_run(loop);
    assert_true(polled_events(near_end.fd) >= 0);
    watch_stop(&near_end.watch);
    assert_int_equal(polled_events(near_end.fd), -1);
    watch_stop(&near_end.watch); /* harmless when not started */

    /* And it can come back. */
    assert_int_equal(watch_start(&near_end.watch, loop, near_end.fd, LOOP_READ,
                                 stop_watching, NULL),
                     ERR_OK);
    assert_int_equal(write(far_fd, "x", 1), 1);
    loop_run(loop);
    assert_string_equal(trace, "once ");
    close_pair();
}

/* Several pairs whose near ends become ready one after the other. */
#define CROWD 5

static struct {
    struct watch watch;
    int fds[2];
    int number;
} crowd[CROWD];

static void on_crowd(void *arg, unsigned events)
{
    int number = *(int *)arg;
    char text[2] = {(char)('0' + number), '\0'};

    note(text);
    if (number == 2) { /* that one is ready, too, and not yet told */
        watch_stop(&crowd[4].watch);
        assert_int_equal(watch_start(&crowd[4].watch, loop, crowd[4].fds[0],
                                     LOOP_READ, on_crowd, &crowd[4].number),
                         ERR_OK);
    }
    if (number == 3)
        stop(NULL);
}

/* Nobody is overtaken by who became ready later, and what was known of a watch
 * before it stopped is not told after. */
static void ready_watches_are_told_in_the_kernels_order(void **state)
{
    static const int order[CROWD] = {1, 0, 2, 4, 3};

    for (int i = 0; i < CROWD; i++) {
        crowd[i].number = i;
        assert_int_equal(
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, crowd[i].fds),
            0);
        assert_int_equal(watch_start(&crowd[i].watch, loop, crowd[i].fds[0],
                                     LOOP_READ, on_crowd, &crowd[i].number),
                         ERR_OK);
    }
    for (int i = 0; i < CROWD; i++)
        assert_int_equal(write(crowd[order[i]].fds[1], "x", 1), 1);
    loop_run(loop);
    assert_string_equal(trace, "1 0 2 3 ");
    for (int i = 0; i < CROWD; i++) {
        watch_stop(&crowd[i].watch);
        close(crowd[i].fds[0]);
        close(crowd[i].fds[1]);
    }
}

static void count_hang_up(void *arg, unsigned events)
{
    assert_int_equal(events, LOOP_READ);
    note("ended");
    stop(NULL);
}

/* A hang-up is kept for whoever waits for something, and does not keep a loop
 * busy that waits for nothing. */
static void a_hang_up_is_told_once_it_is_waited_for(void **state)
{
    struct timer t;

    open_pair();
    close(far_fd);
    timer_init(&t, loop, stop, NULL);
    timer_set(&t, 20);
    assert_int_equal(
        watch_start(&near_end.watch, loop, near_end.fd, 0, count_hang_up, NULL),
        ERR_OK);
    assert_true((polled_events(near_end.fd) & EPOLLHUP) != 0);
    loop_run(loop);
    assert_string_equal(trace, "");
    assert_int_equal(polled_events(near_end.fd) & (EPOLLHUP | EPOLLERR), 0);
    watch_set(&near_end.watch, LOOP_READ);
    loop_run(loop);
    assert_string_equal(trace, "ended ");
    watch_stop(&near_end.watch);
    close(near_end.fd);
}

static void what_cannot_be_watched_is_refused(void **state)
{
    memset(&near_end, 0, sizeof(near_end));
    assert_int_equal(
        watch_start(&near_end.watch, loop, -1, LOOP_READ, on_ready, NULL),
        ERR_SYSTEM);
    assert_null(near_end.watch.loop);
}

static struct timer turn_timer;

static void order_read(void *arg, unsigned events)
{
    char byte;

    assert_int_equal(read(near_end.fd, &byte, 1), 1);
    note("watch");
    loop_defer(loop, &first, stop, WORD("defer"));
}

static void order_begin(void *arg)
{
    /* Both become due in the next turn. */
    assert_int_equal(write(far_fd, "x", 1), 1);
    timer_set(&turn_timer, 1);
    usleep(3000);
}

static void a_turn_is_watches_then_timers_then_deferred(void **state)
{
    struct timer t;

    open_pair();
    timer_init(&t, loop, order_begin, NULL);
    timer_init(&turn_timer, loop, say, WORD("timer"));
    timer_set(&t, 1);
    assert_int_equal(watch_start(&near_end.watch, loop, near_end.fd, LOOP_READ,
                                 order_read, NULL),
                     ERR_OK);
    loop_run(loop);
    assert_string_equal(trace, "watch timer defer ");
    close_pair();
}

static struct defer share;

static void share_read(void *arg, unsigned events)
{
    char byte;

    assert_int_equal(read(near_end.fd, &byte, 1), 1);
    note("watch");
}

static void share_stop(void *arg)
{
    note("again");
    loop_stop(loop);
}

static void share_taken(void *arg)
{
    note(arg);
    assert_int_equal(write(far_fd, "x", 1), 1);
    loop_defer_next(loop, &share, share_stop, NULL);
    loop_defer_next(loop, &share, say, WORD("moved?")); /* stays as it is */
}

static void a_call_of_the_next_turn_waits_for_the_sockets(void **state)
{
    open_pair();
    assert_int_equal(watch_start(&near_end.watch, loop, near_end.fd, LOOP_READ,
                                 share_read, NULL),
                     ERR_OK);
    loop_defer_next(loop, &share, share_taken, WORD("share"));
    loop_run(loop);
    assert_string_equal(trace, "share watch again ");
    assert_false(list_holds(&share.node));
    close_pair();
}

static int wake_it(void *arg)
{
    usleep(5000);
    loop_wake(loop);
    loop_wake(loop);
    return 0;
}

static void another_thread_can_wake_it(void **state)
{
    thrd_t thread;

    loop_on_wake(loop, stop, WORD("woken"));
    assert_int_equal(thrd_create(&thread, wake_it, NULL), thrd_success);
    loop_run(loop);
    thrd_join(thread, NULL);
    assert_string_equal(trace, "woken ");
}

static void scratch_is_large_enough_for_a_read(void **state)
{
    size_t cap = 0;

    assert_non_null(loop_scratch(loop, &cap));
    assert_true(cap >= 16384);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(timers_fire_in_order_and_never_early),
        TEST(a_timer_may_set_itself),
        TEST(deferred_calls_run_in_order_in_the_same_turn),
        TEST(endless_deferring_starves_no_timer),
        TEST(freeing_runs_what_is_deferred),
        TEST(watches_report_what_is_asked_for),
        TEST(a_watch_may_be_stopped_in_its_own_call),
        TEST(a_stopped_fd_is_out_of_the_kernels_set_at_once),
        TEST(ready_watches_are_told_in_the_kernels_order),
        TEST(a_hang_up_is_told_once_it_is_waited_for),
        TEST(what_cannot_be_watched_is_refused),
        TEST(a_turn_is_watches_then_timers_then_deferred),
        TEST(a_call_of_the_next_turn_waits_for_the_sockets),
        TEST(another_thread_can_wake_it),
        TEST(scratch_is_large_enough_for_a_read),
    };

    return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
