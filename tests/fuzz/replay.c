/*
 * replay.c - runs one fuzz target over stored inputs, without libFuzzer.
 *
 * Arguments are files and directories; a directory stands for the files in it,
 * in the order of their names.  A finding ends the program by signal or by
 * sanitizer report, after the name of the input was printed to stderr.
 */
#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t inputs;

/* The input under test, for whoever reads the report of a crash. */
static const char *current;

static void report(void)
{
    if (current != NULL)
        fprintf(stderr, "replay: while reading %s\n", current);
}

static void die(const char *what, const char *path)
{
    fprintf(stderr, "replay: %s %s: %s\n", what, path, strerror(errno));
    current = NULL;
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
    fprintf(stderr, "replay: %s\n", path);
    LLVMFuzzerTestOneInput(data, len);
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

    atexit(report);
    for (int i = 1; i < argc; i++)
        replay(argv[i]);
    printf("%s: %zu inputs replayed\n", name != NULL ? name + 1 : argv[0],
           inputs);
    return 0;
}
