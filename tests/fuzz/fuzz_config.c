/*
 * fuzz_config.c - any bytes as a configuration file.
 *
 * Beyond not failing: a file is refused with a reason or accepted without
 * one, and what was accepted, dumped and read again, is dumped the same; or it
 * is refused for two keys that contradict each other, since a dump sets both
 * and a file that sets one of them may be meant so.
 */
#include "app/config.h"

#include <stdint.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define DUMP_BYTES (4u << 20)

static void require(bool fact)
{
    if (!fact)
        abort();
}

/* Each line is of the kind "bosh.wait = 9s is above bosh.wait_max = 5s: …". */
static bool only_contradicts(struct slice lines)
{
    while (lines.len > 0) {
        const char *end = memchr(lines.at, '\n', lines.len);
        size_t len = (size_t)(end - lines.at) + 1;

        if (memmem(lines.at, len, " is above ", 10) == NULL)
            return false;
        lines.at += len;
        lines.len -= len;
    }
    return true;
}

static struct config *load(struct slice text, bool is_dump)
{
    struct config *c = NULL;
    struct buf problems;
    enum err err;

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    err = config_load_text(&c, "fuzz", text, &problems);
    require(err == ERR_OK || err == ERR_INVALID);
    require((err == ERR_OK) == (c != NULL));
    require((err == ERR_OK) == (problems.len == 0));
    require(!is_dump || only_contradicts(buf_slice(&problems)));
    buf_free(&problems);
    return c;
}

/* The lines `section.key = value` of a dump; those with titles left out. */
static void plain_lines(struct slice dump, struct buf *out, bool as_file)
{
    while (dump.len > 0) {
        const char *end = memchr(dump.at, '\n', dump.len);
        struct slice line = {dump.at, (size_t)(end - dump.at) + 1};
        size_t name = 0;

        dump.at += line.len;
        dump.len -= line.len;
        while (line.at[name] >= 'a' && line.at[name] <= 'z')
            name++;
        if (line.at[name] != '.')
            continue;
        if (!as_file) {
            require(buf_append_slice(out, line) == ERR_OK);
            continue;
        }
        require(buf_append(out, line.at, name) == ERR_OK);
        require(buf_append_text(out, " { ") == ERR_OK);
        require(buf_append(out, line.at + name + 1, line.len - name - 1) ==
                ERR_OK);
        require(buf_append_text(out, "}\n") == ERR_OK);
    }
}

static void dump(const struct config *c, struct buf *lines, struct buf *file)
{
    struct buf all;

    buf_init(&all, DUMP_BYTES);
    buf_init(lines, DUMP_BYTES);
    require(config_dump(c, &all) == ERR_OK);
    plain_lines(buf_slice(&all), lines, false);
    if (file != NULL) {
        buf_init(file, DUMP_BYTES);
        plain_lines(buf_slice(&all), file, true);
    }
    buf_free(&all);
}

static void ignore(void *arg, const char *text)
{
    (void)arg;
    require(text[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct config *c = load((struct slice){(const char *)data, len}, false);
    struct config *again;
    struct buf lines;
    struct buf file;
    struct buf lines_again;

    if (c == NULL)
        return 0;
    config_warn(c, ignore, NULL);
    dump(c, &lines, &file);
    again = load(buf_slice(&file), true);
    if (again != NULL) {
        dump(again, &lines_again, NULL);
        require(slice_equal(buf_slice(&lines), buf_slice(&lines_again)));
        buf_free(&lines_again);
    }
    buf_free(&lines);
    buf_free(&file);
    config_free(c);
    config_free(again);
    return 0;
}
