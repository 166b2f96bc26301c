#include "app/config_keys.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define FILE_BYTES 200000

/* Tests run at the top of the tree. */
static const char conf_name[] = "conf/doab.conf";
static const char man_name[] = "man/doab.conf.5";

static char *read_whole(const char *name)
{
    FILE *f = fopen(name, "re");
    char *text = calloc(1, FILE_BYTES + 1);
    size_t len;

    assert_non_null(f);
    assert_non_null(text);
    len = fread(text, 1, FILE_BYTES, f);
    assert_in_range(len, 1, FILE_BYTES - 1);
    fclose(f);
    return text;
}

/* Without '#' and with single blanks, so that folded lines compare. */
static char *unfold(const char *text)
{
    char *out = calloc(1, strlen(text) + 2);
    size_t len = 0;

    assert_non_null(out);
    for (; *text != '\0'; text++) {
        bool is_blank = *text == '#' || isspace((unsigned char)*text);

        if (!is_blank)
            out[len++] = *text;
        else if (len > 0 && out[len - 1] != ' ')
            out[len++] = ' ';
    }
    return out;
}

/* The value as conf/doab.conf must show it. */
static void default_text(const struct config_key *key, char *out, size_t cap)
{
    union {
        struct config config;
        struct config_listen listen;
        struct config_domain domain;
    } base;
    struct buf text;

    memset(&base, 0, sizeof(base));
    buf_init(&text, cap - 1);
    assert_int_equal(config_value_set_initial(key, &base), ERR_OK);
    assert_int_equal(config_value_write(key, &base, &text), ERR_OK);
    snprintf(out, cap, "%.*s", (int)text.len, buf_at(&text));
    config_value_free(key, &base);
    buf_free(&text);
}

/* The text from the line `begin` on, up to the line `end` or "". */
static char *part_of(const char *text, const char *begin, const char *end)
{
    const char *from = strstr(text, begin);
    const char *to;

    if (from == NULL)
        fail_msg("there is no \"%s\"", begin);
    to = strstr(from + strlen(begin), end);
    return to == NULL ? strdup(from) : strndup(from, (size_t)(to - from));
}

static void every_default_is_within_its_range(void **state)
{
    struct config c;
    struct config_listen l;
    struct config_domain d;

    memset(&c, 0, sizeof(c));
    memset(&l, 0, sizeof(l));
    memset(&d, 0, sizeof(d));
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        void *base = key->section == SECTION_LISTEN   ? (void *)&l
                     : key->section == SECTION_DOMAIN ? (void *)&d
                                                      : (void *)&c;

        if (config_value_set_initial(key, base) != ERR_OK)
            fail_msg("%s", key->name);
        config_value_free(key, base);
    }
}

static void rows_are_in_order_and_named_once(void **state)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];

        assert_ptr_equal(config_key_find(key->section, key->name), key);
        assert_true(key->min <= key->max);
        assert_true(i == 0 || key[-1].section <= key->section);
        assert_true((key->type == CONFIG_ENUM) == (key->words != NULL));
        assert_int_equal(key->help[strlen(key->help) - 1], '.');
    }
    assert_null(config_key_find(SECTION_BOSH, "level"));
    assert_null(config_key_find(SECTION_BOSH, ""));
}

static void the_sample_file_shows_every_key_at_its_default(void **state)
{
    char *conf = read_whole(conf_name);

    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        bool is_titled = config_section_is_titled(key->section);
        char begin[64];
        char value[256];
        char line[400];
        char *part;
        char *plain;
        char *help;

        snprintf(begin, sizeof(begin), "\n%s%s %s", is_titled ? "#" : "",
                 config_section_name(key->section), is_titled ? "" : "{\n");
        part = part_of(conf, begin, is_titled ? "\n#}" : "\n}");
        default_text(key, value, sizeof(value));
        snprintf(line, sizeof(line),
                 is_titled ? "\n#    %s = %s\n" : "\n    #%s = %s\n", key->name,
                 value);
        /* The last line of a part has lost its newline. */
        part = realloc(part, strlen(part) + 2);
        assert_non_null(part);
        memcpy(part + strlen(part), "\n", 2);
        if (strstr(part, line) == NULL)
            fail_msg("%s: no%s", conf_name, line);

        plain = unfold(part);
        help = unfold(key->help);
        if (strstr(plain, help) == NULL)
            fail_msg("%s: %s.%s is not explained by: %s", conf_name,
                     config_section_name(key->section), key->name, help);
        free(plain);
        free(help);
        free(part);
    }
    free(conf);
}

static void the_manual_shows_every_key_with_its_default(void **state)
{
    char *man = read_whole(man_name);

    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        char begin[64];
        char item[100];
        char value[256];
        char text[300];
        char *section;
        char *part;

        snprintf(begin, sizeof(begin), "\n.Ss %s\n",
                 config_section_name(key->section));
        section = part_of(man, begin, "\n.S");
        snprintf(item, sizeof(item), "\n.It Cm %s ", key->name);
        part = part_of(section, item, "\n.It ");
        default_text(key, value, sizeof(value));
        snprintf(text, sizeof(text), "\nDefault: %s",
                 strcmp(value, "\"\"") == 0 ? "empty" : value);
        if (strstr(part, text) == NULL)
            fail_msg("%s: %s%s: expected%s", man_name, begin + 1, item, text);
        free(part);
        free(section);
    }
    free(man);
}

static struct buf dump_of(struct slice text)
{
    struct config *c = NULL;
    struct buf problems;
    struct buf out;

    buf_init(&problems, CONFIG_PROBLEMS_BYTES);
    buf_init(&out, FILE_BYTES);
    if (config_load_text(&c, conf_name, text, &problems) != ERR_OK)
        fail_msg("%.*s", (int)problems.len, buf_at(&problems));
    assert_int_equal(config_dump(c, &out), ERR_OK);
    assert_int_equal(buf_append(&out, "", 1), ERR_OK);
    buf_free(&problems);
    config_free(c);
    return out;
}

static void the_sample_file_changes_nothing(void **state)
{
    char *conf = read_whole(conf_name);
    struct buf got = dump_of(slice_of(conf));
    struct buf expected = dump_of(SLICE(""));

    assert_string_equal(buf_at(&got), buf_at(&expected));
    buf_free(&got);
    buf_free(&expected);
    free(conf);
}

/* A '#' directly before a letter is a key that is out of use. */
static void the_sample_file_is_right_without_its_comment_signs(void **state)
{
    char *conf = read_whole(conf_name);
    struct buf got;
    struct buf expected;

    for (char *p = conf; *p != '\0'; p++) {
        bool at_start = p == conf || p[-1] == '\n' || p[-1] == ' ';

        if (*p != '#' || !at_start)
            continue;
        if (islower((unsigned char)p[1]) || p[1] == '}' ||
            strncmp(p, "#    #", 6) == 0 || strncmp(p, "#    ", 5) == 0)
            *p = ' ';
    }
    got = dump_of(slice_of(conf));
    expected = dump_of(SLICE("listen \"[::1]:5280\" { }\n"
                             "listen \"127.0.0.1:5280\" { }\n"
                             "domain \"example.org\" { }"));
    assert_string_equal(buf_at(&got), buf_at(&expected));
    buf_free(&got);
    buf_free(&expected);
    free(conf);
}

static void a_dump_names_every_key(void **state)
{
    struct buf dump = dump_of(SLICE(""));

    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];
        char line[100];

        snprintf(line, sizeof(line), "%s.%s = ",
                 key->section == SECTION_LISTEN ? "listen[127.0.0.1:5280]"
                 : key->section == SECTION_DOMAIN
                     ? "domain[]"
                     : config_section_name(key->section),
                 key->name);
        if (strstr(buf_at(&dump), line) == NULL)
            fail_msg("no %s", line);
    }
    buf_free(&dump);

    dump = dump_of(SLICE("domain a.example { ca_file = 'a\"b' }"
                         "http { origins = { 'https://a', 'https://b' } }"
                         "limits { drain_timeout = 90500ms body_max = 3M }"));
    assert_non_null(
        strstr(buf_at(&dump), "\ndomain[a.example].ca_file = \"a\\\"b\"\n"));
    assert_null(strstr(buf_at(&dump), "domain[]"));
    assert_non_null(strstr(
        buf_at(&dump), "\nhttp.origins = { \"https://a\", \"https://b\" }\n"));
    assert_non_null(
        strstr(buf_at(&dump), "\nlimits.drain_timeout = 90500ms\n"));
    assert_non_null(strstr(buf_at(&dump), "\nlimits.body_max = 3M\n"));
    buf_free(&dump);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_default_is_within_its_range),
        cmocka_unit_test(rows_are_in_order_and_named_once),
        cmocka_unit_test(the_sample_file_shows_every_key_at_its_default),
        cmocka_unit_test(the_manual_shows_every_key_with_its_default),
        cmocka_unit_test(the_sample_file_changes_nothing),
        cmocka_unit_test(the_sample_file_is_right_without_its_comment_signs),
        cmocka_unit_test(a_dump_names_every_key),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
