#include "app/process.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static bool is_null_device(int fd)
{
    struct stat st;

    return fstat(fd, &st) == 0 && S_ISCHR(st.st_mode) &&
           st.st_rdev == makedev(1, 3);
}

/* Bit n of `missing`: descriptor n was closed. */
static bool are_as_expected(unsigned missing, const struct stat before[3])
{
    for (int fd = 0; fd < 3; fd++) {
        struct stat now;

        if ((missing >> fd & 1) != 0) {
            if (!is_null_device(fd) || write(fd, "x", 1) != 1)
                return false;
            continue;
        }
        if (fstat(fd, &now) < 0 || now.st_ino != before[fd].st_ino ||
            now.st_dev != before[fd].st_dev)
            return false;
    }
    return true;
}

static int status_without(unsigned missing)
{
    struct stat before[3];
    int status = 0;
    pid_t pid;

    for (int fd = 0; fd < 3; fd++)
        assert_int_equal(fstat(fd, &before[fd]), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        for (int fd = 0; fd < 3; fd++)
            if ((missing >> fd & 1) != 0)
                close(fd);
        if (process_open_std() != ERR_OK)
            _exit(1);
        _exit(are_as_expected(missing, before) ? 0 : 2);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void what_is_missing_of_the_first_three_is_opened(void **state)
{
    for (unsigned missing = 0; missing < 8; missing++)
        if (status_without(missing) != 0)
            fail_msg("without %u%u%u", missing & 1, missing >> 1 & 1,
                     missing >> 2);
}

static void files_are_raised_to_the_hard_limit(void **state)
{
    struct rlimit before;
    struct rlimit low;

    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    low = (struct rlimit){100, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(process_files_max(), before.rlim_max);
    assert_int_equal(process_raise_files(), before.rlim_max);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(low.rlim_cur, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_missing_of_the_first_three_is_opened),
        cmocka_unit_test(files_are_raised_to_the_hard_limit),
    };

    return cmocka_run_group_tests_name("process", tests, NULL, NULL);
}
