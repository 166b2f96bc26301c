#include "bench.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Nanoseconds on a processor, as the scheduler counts them; ticks of
 * /proc/PID/stat would be too coarse for a message. */
static bool add_task(int pid, const char *task, struct cost *out)
{
    char path[300];
    uint64_t ns = 0;
    bool is_read;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/task/%s/schedstat", pid, task);
    f = fopen(path, "re");
    if (f == NULL)
        return true; /* that thread has just ended */
    is_read = fscanf(f, "%" SCNu64, &ns) == 1;
    fclose(f);
    out->cpu_ns += ns;
    out->threads++;
    return is_read;
}

static bool add_cpu(int pid, struct cost *out)
{
    char path[64];
    struct dirent *e;
    bool is_read = true;
    DIR *d;

    snprintf(path, sizeof(path), "/proc/%d/task", pid);
    d = opendir(path);
    if (d == NULL)
        return false;
    while ((e = readdir(d)) != NULL)
        if (e->d_name[0] != '.' && !add_task(pid, e->d_name, out))
            is_read = false;
    closedir(d);
    return is_read;
}

static bool add_memory(int pid, struct cost *out)
{
    char path[64];
    char line[256];
    uint64_t kib = 0;
    bool is_read = false;
    FILE *f;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    f = fopen(path, "re");
    if (f == NULL)
        return false;
    while (!is_read && fgets(line, sizeof(line), f) != NULL)
        is_read = sscanf(line, "VmRSS: %" SCNu64, &kib) == 1;
    fclose(f);
    out->rss_bytes += kib * 1024;
    return is_read;
}

bool process_cost(const int *pids, size_t n, struct cost *out)
{
    *out = (struct cost){0};
    for (size_t i = 0; i < n; i++)
        if (!add_cpu(pids[i], out) || !add_memory(pids[i], out))
            return false;
    return true;
}

uint64_t process_own_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
