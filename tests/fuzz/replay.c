/*
 * replay.c - runs one fuzz target over stored inputs, without libFuzzer.
 *
 * Arguments are files and directories; a directory stands for the files in it,
 * in the order of their names.  A finding ends the program by signal or by
 * sanitizer report; the name of the input goes to stderr.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECONDS_PER_INPUT 20

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t inputs;

/* The input under test, for whoever reads the report of a finding. */
static const char *current;

/* Sanitizers leave by their own exit; they call this before, when present. */
__attribute__((weak)) void __sanitizer_set_death_callback(void (*fn)(void));

static void say(const char *text)
{
    ssize_t n = write(STDERR_FILENO, text, strlen(text));

    (void)n;
}

/* May run in a signal handler. */
static void name_input(void)
{
    if (current == NULL)
        return;
    say("replay: the finding is in ");
    say(current);
    say("\n");
    current = NULL;
}

static void on_signal(int signum)
{
    if (signum == SIGALRM)
        say("replay: one input takes too long\n");
    name_input();
    signal(signum, SIG_DFL);
    raise(signum);
}

static void watch_signals(void)
{
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL};

    signal(SIGABRT, on_signal);
    signal(SIGALRM, on_signal);
    signal(SIGTERM, on_signal);
    if (__sanitizer_set_death_callback != NULL) {
        __sanitizer_set_death_callback(name_input);
        return; /* its handlers of faults say more than ours */
    }
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        signal(faults[i], on_signal);
}

static void die(const char *what, const char *path)
{
    fprintf(stderr, "replay: %s %s: %s\n", what, path, strerror(errno));
    exit(1);
}

/*
 * The input lies in a block of exactly its size, so that a sanitizer sees a
 * read of one byte too many.  An empty one gets a block, too: a target need
 * not expect NULL.
 */
static void replay_file(const char *path, size_t len)
{
    FILE *file = fopen(path, "rb");
    uint8_t *data = malloc(len > 0 ? len : 1);

    if (file == NULL || data == NULL)
        die("cannot open", path);
    if (fread(data, 1, len, file) != len)
        die("cannot read", path);
    fclose(file);

    current = path;
    alarm(SECONDS_PER_INPUT);
    LLVMFuzzerTestOneInput(data, len);
    alarm(0);
    current = NULL;
    free(data);
    inputs++;
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay(const char *path);

static void replay_directory(const char *path)
{
    struct dirent **entries;
    int count = scandir(path, &entries, is_visible, alphasort);

    if (count < 0)
        die("cannot list", path);
    for (int i = 0; i < count; i++) {
        char *name;

        if (asprintf(&name, "%s/%s", path, entries[i]->d_name) < 0)
            die("no memory for", path);
        replay(name);
        free(name);
        free(entries[i]);
    }
    free(entries);
}

static void replay(const char *path)
{
    struct stat st;

    if (stat(path, &st) != 0)
        die("cannot find", path);
    if (S_ISDIR(st.st_mode))
        replay_directory(path);
    else
        replay_file(path, (size_t)st.st_size);
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');

    watch_signals();
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%s: %zu inputs replayed\n", name != NULL ? name + 1 : argv[0],
           inputs);
    return 0;
}
