/* A loop that comes back late: what waited in sockets comes before timers, and
 * deadlines move. */
#include "base/loop.h"

#include "base/loop_clock.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define GAP_MS      1900
#define SOCKETS     200 /* more than a turn serves */
#define INACTIVE_MS 1000

/* As a session: what comes by its socket puts its end off. */
struct session {
    struct fixture *all;
    struct watch watch;
    struct timer end;
    int fd;
};

struct fixture {
    struct loop *loop;
    struct timer block;
    struct timer finish;
    struct session sessions[SOCKETS];
    unsigned served;
    unsigned ended;
    uint64_t before_ms;
};

static void on_message(void *arg, unsigned events)
{
    struct session *s = arg;
    uint64_t count;

    (void)events;
    assert_int_equal(read(s->fd, &count, sizeof(count)), sizeof(count));
    s->all->served++;
    timer_set(&s->end, 100000);
}

static void on_end(void *arg)
{
    struct session *s = arg;

    if (++s->all->ended == SOCKETS)
        loop_stop(s->all->loop);
}

static void on_finish(void *arg)
{
    struct fixture *f = arg;

    loop_stop(f->loop);
}

/* For all of them something comes while the loop does not run. */
static void on_block(void *arg)
{
    struct fixture *f = arg;
    uint64_t one = 1;

    f->before_ms = loop_now_ms(f->loop);
    for (unsigned i = 0; i < SOCKETS; i++)
        assert_int_equal(write(f->sessions[i].fd, &one, sizeof(one)),
                         sizeof(one));
    usleep(GAP_MS * 1000);
    timer_set(&f->finish, INACTIVE_MS / 2);
}

static void set_up(struct fixture *f)
{
    assert_int_equal(loop_new(&f->loop), ERR_OK);
    timer_init(&f->block, f->loop, on_block, f);
    timer_init(&f->finish, f->loop, on_finish, f);
    for (unsigned i = 0; i < SOCKETS; i++) {
        struct session *s = &f->sessions[i];

        s->all = f;
        s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        assert_int_equal(
            watch_start(&s->watch, f->loop, s->fd, LOOP_READ, on_message, s),
            ERR_OK);
        timer_init(&s->end, f->loop, on_end, s);
        timer_set(&s->end, INACTIVE_MS);
    }
}

static void tear_down(struct fixture *f)
{
    for (unsigned i = 0; i < SOCKETS; i++) {
        watch_stop(&f->sessions[i].watch);
        timer_stop(&f->sessions[i].end);
        close(f->sessions[i].fd);
    }
    timer_stop(&f->block);
    timer_stop(&f->finish);
    loop_free(f->loop);
}

static void a_callback_that_takes_long_ends_no_session(void **state)
{
    static struct fixture f;

    set_up(&f);
    timer_set(&f.block, 10);
    loop_run(f.loop);
    assert_int_equal(f.served, SOCKETS);
    assert_int_equal(f.ended, 0);
    /* Only the time behind the gap has passed. */
    assert_in_range(loop_now_ms(f.loop) - f.before_ms, INACTIVE_MS / 2, GAP_MS);
    tear_down(&f);
}

static void stop_for_a_while(void *arg)
{
    struct fixture *f = arg;
    pid_t self = getpid();
    pid_t child;
    uint64_t one = 1;

    f->before_ms = loop_now_ms(f->loop);
    for (unsigned i = 0; i < SOCKETS; i++)
        assert_int_equal(write(f->sessions[i].fd, &one, sizeof(one)),
                         sizeof(one));
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        kill(self, SIGSTOP);
        usleep(GAP_MS * 1000);
        kill(self, SIGCONT);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    timer_set(&f->finish, INACTIVE_MS / 2);
}

static void neither_does_a_process_that_was_stopped(void **state)
{
    static struct fixture f;

    set_up(&f);
    timer_init(&f.block, f.loop, stop_for_a_while, &f);
    timer_set(&f.block, 10);
    loop_run(f.loop);
    assert_int_equal(f.served, SOCKETS);
    assert_int_equal(f.ended, 0);
    tear_down(&f);
}

/* Those that nothing came for end, when their time has come. */
static void deadlines_are_moved_and_not_dropped(void **state)
{
    static struct fixture f;

    set_up(&f);
    for (unsigned i = 0; i < SOCKETS; i++)
        watch_set(&f.sessions[i].watch, 0);
    timer_set(&f.block, 10);
    loop_run(f.loop);
    assert_int_equal(f.ended, 0); /* half of their time is left */
    loop_run(f.loop);
    assert_int_equal(f.ended, SOCKETS);
    assert_int_equal(f.served, 0);
    tear_down(&f);
}

/* What is dated by others goes on. */
static void the_clock_of_the_machine_does_not_stand(void **state)
{
    static struct fixture f;
    uint64_t before_ms;

    set_up(&f);
    timer_set(&f.block, 10);
    before_ms = loop_boot_ms(f.loop);
    loop_run(f.loop);
    assert_true(loop_boot_ms(f.loop) - before_ms >= GAP_MS);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_callback_that_takes_long_ends_no_session),
        cmocka_unit_test(neither_does_a_process_that_was_stopped),
        cmocka_unit_test(deadlines_are_moved_and_not_dropped),
        cmocka_unit_test(the_clock_of_the_machine_does_not_stand),
    };

    return cmocka_run_group_tests_name("loop_gap", tests, NULL, NULL);
}
