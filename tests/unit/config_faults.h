/*
 * config_faults.h - what a configuration's text is told about its faults.
 * To be included after cmocka.h.
 */
#ifndef TESTS_CONFIG_FAULTS_H
#define TESTS_CONFIG_FAULTS_H

#include "app/config.h"

#include <stdio.h>

static struct buf problems;

/* The problems that text has, "" for none. */
static const char *faults_of(const char *text)
{
    static char out[CONFIG_PROBLEMS_BYTES + 1];
    struct config *c = NULL;
    enum err err;

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    err = config_load_text(&c, "t.conf", slice_of(text), &problems);
    if (err == ERR_OK)
        assert_int_equal(problems.len, 0);
    else
        assert_int_equal(err, ERR_INVALID);
    snprintf(out, sizeof(out), "%.*s", (int)problems.len, buf_at(&problems));
    assert_true(err == ERR_OK || out[0] != '\0');
    config_free(c);
    buf_free(&problems);
    return out;
}

static void assert_fault(const char *text, const char *begin, const char *word)
{
    const char *got = faults_of(text);

    if (strncmp(got, begin, strlen(begin)) != 0 || strstr(got, word) == NULL)
        fail_msg("<%s>: expected \"%s…%s…\", got \"%s\"", text, begin, word,
                 got);
}

#endif /* TESTS_CONFIG_FAULTS_H */
