/* When a loop that waits is woken for a timer. */
#include "base/loop.h"

#include "base/loop_clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

/* A timer that is set anew once the loop has asked to be woken for it. */
struct late {
    struct loop *loop;
    struct timer timer;
    struct watch watch; /* ready at once */
    uint64_t then_ms;
    unsigned fired;
};

static void on_fire(void *arg)
{
    struct late *l = arg;

    l->fired++;
    loop_stop(l->loop);
}

static void set_anew(void *arg, unsigned events)
{
    struct late *l = arg;

    (void)events;
    timer_set(&l->timer, l->then_ms);
    watch_set(&l->watch, 0);
}

/* How long it takes until it fires, in ms. */
static uint64_t time_of_timer(uint64_t delay_ms, uint64_t then_ms)
{
    struct late l = {.then_ms = then_ms};
    int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    uint64_t begin_ms;
    uint64_t end_ms;

    assert_true(fd >= 0);
    assert_int_equal(loop_new(&l.loop), ERR_OK);
    begin_ms = loop_now_ms(l.loop);
    timer_init(&l.timer, l.loop, on_fire, &l);
    timer_set(&l.timer, delay_ms);
    assert_int_equal(
        watch_start(&l.watch, l.loop, fd, LOOP_WRITE, set_anew, &l), ERR_OK);
    loop_run(l.loop);
    end_ms = loop_now_ms(l.loop);
    assert_int_equal(l.fired, 1);
    watch_stop(&l.watch);
    loop_free(l.loop);
    close(fd);
    return end_ms - begin_ms;
}

/* The loop is woken after 10 ms, in vain, and must ask again. */
static void a_timer_that_is_put_off_still_fires(void **state)
{
    assert_in_range(time_of_timer(10, 40), 40, 2000);
}

static void a_timer_that_is_brought_forward_is_not_late(void **state)
{
    uint64_t least_ms = UINT64_MAX;

    /* The alarm that is set first goes off after a tick in any case; only a
     * machine that is busy all the time is as late as that. */
    for (unsigned i = 0; i < 5 && least_ms >= LOOP_TICK_MS; i++) {
        uint64_t took_ms = time_of_timer(100000, 10);

        if (took_ms < least_ms)
            least_ms = took_ms;
    }
    assert_in_range(least_ms, 10, LOOP_TICK_MS - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timer_that_is_put_off_still_fires),
        cmocka_unit_test(a_timer_that_is_brought_forward_is_not_late),
    };

    return cmocka_run_group_tests_name("loop_alarm", tests, NULL, NULL);
}
