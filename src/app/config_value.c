#include "config_keys.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* Times are counted in ms, sizes in bytes. */
static const struct suffix {
    enum config_type type;
    const char *text;
    uint64_t factor;
} suffixes[] = {
    {CONFIG_MS, "ms", 1},          {CONFIG_MS, "s", 1000},
    {CONFIG_MS, "m", 60000},       {CONFIG_MS, "h", 3600000},
    {CONFIG_BYTES, "", 1},         {CONFIG_BYTES, "k", 1024},
    {CONFIG_BYTES, "M", 1u << 20}, {CONFIG_COUNT, "", 1},
};

static const struct {
    const char *text;
    bool value;
} bools[] = {
    {"yes", true}, {"no", false},  {"true", true},
    {"on", true},  {"off", false}, {"false", false},
};

static void *at(const struct config_key *key, void *base)
{
    return (char *)base + key->offset;
}

static const void *at_const(const struct config_key *key, const void *base)
{
    return (const char *)base + key->offset;
}

/* --- Writing -------------------------------------------------------------- */

static void number_text(enum config_type type, uint64_t n, char *out,
                        size_t cap)
{
    const char *unit = "";

    if (type == CONFIG_SECONDS) {
        unit = "s";
    } else if (type == CONFIG_MS) {
        unit = n % 1000 == 0 ? "s" : "ms";
        n = n % 1000 == 0 ? n / 1000 : n;
    } else if (type == CONFIG_BYTES && n > 0 && n % (1u << 20) == 0) {
        unit = "M";
        n >>= 20;
    } else if (type == CONFIG_BYTES && n > 0 && n % 1024 == 0) {
        unit = "k";
        n >>= 10;
    }
    snprintf(out, cap, "%" PRIu64 "%s", n, unit);
}

static void words_text(const struct config_key *key, char *out, size_t cap)
{
    size_t used = 0;

    for (size_t i = 0; key->words[i] != NULL; i++) {
        bool is_last = key->words[i + 1] == NULL;
        int n =
            snprintf(out + used, cap - used, "%s%s",
                     i == 0 ? "" : (is_last ? " or " : ", "), key->words[i]);

        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

void config_value_range(const struct config_key *key, char *out, size_t cap)
{
    const char *what = "a number";
    char min[32];
    char max[32];

    number_text(key->type, key->min, min, sizeof(min));
    number_text(key->type, key->max, max, sizeof(max));

    switch (key->type) {
    case CONFIG_BOOL:
        snprintf(out, cap, "yes or no");
        return;
    case CONFIG_ENUM:
        words_text(key, out, cap);
        return;
    case CONFIG_LIST:
        snprintf(out, cap,
                 "a list such as { \"a\", \"b\" } of at most %d texts, each "
                 "of %" PRIu64 " to %" PRIu64 " bytes",
                 CONFIG_ITEMS_MAX, key->min, key->max);
        return;
    case CONFIG_TEXT:
        snprintf(out, cap, "a text of %" PRIu64 " to %" PRIu64 " bytes",
                 key->min, key->max);
        return;
    case CONFIG_MS:
        what = "a time with its unit (ms, s, m, h)";
        break;
    case CONFIG_SECONDS:
        what = "a time in whole seconds with its unit (s, m, h)";
        break;
    case CONFIG_BYTES:
        what = "a size (in bytes, or with k or M)";
        break;
    case CONFIG_COUNT:
        break;
    }
    snprintf(out, cap, "%s from %s to %s", what, min, max);
}

static enum err write_text(const char *text, struct buf *to)
{
    enum err err = buf_append_text(to, "\"");

    for (; err == ERR_OK && *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            err = buf_append_text(to, "\\");
        if (err == ERR_OK)
            err = buf_append(to, text, 1);
    }
    return err == ERR_OK ? buf_append_text(to, "\"") : err;
}

static enum err write_list(const struct config_list *list, struct buf *to)
{
    enum err err = buf_append_text(to, "{");

    for (size_t i = 0; err == ERR_OK && i < list->n; i++) {
        err = buf_append_text(to, i == 0 ? " " : ", ");
        if (err == ERR_OK)
            err = write_text(list->items[i], to);
    }
    return err == ERR_OK ? buf_append_text(to, " }") : err;
}

enum err config_value_write(const struct config_key *key, const void *base,
                            struct buf *to)
{
    const void *value = at_const(key, base);
    char number[32];
    unsigned word;

    switch (key->type) {
    case CONFIG_BOOL:
        return buf_append_text(to, *(const bool *)value ? "yes" : "no");
    case CONFIG_TEXT:
        return write_text(*(char *const *)value, to);
    case CONFIG_LIST:
        return write_list(value, to);
    case CONFIG_ENUM:
        memcpy(&word, value, sizeof(word));
        return buf_append_text(to, key->words[word]);
    case CONFIG_BYTES:
        number_text(key->type, *(const size_t *)value, number, sizeof(number));
        break;
    case CONFIG_MS:
    case CONFIG_SECONDS:
    case CONFIG_COUNT:
        number_text(key->type, *(const unsigned *)value, number,
                    sizeof(number));
        break;
    }
    return buf_append_text(to, number);
}

/* --- Parsing -------------------------------------------------------------- */

/* Digits and a suffix of the type; *out in its smallest unit. */
static bool parse_number(enum config_type type, const char *text, uint64_t *out)
{
    enum config_type unit = type == CONFIG_SECONDS ? CONFIG_MS : type;
    uint64_t number = 0;
    const char *p = text;

    for (; isdigit((unsigned char)*p); p++) {
        if (p - text >= 18)
            return false; /* more than any key takes, and near overflow */
        number = number * 10 + (uint64_t)(*p - '0');
    }
    if (p == text)
        return false;

    for (size_t i = 0; i < COUNT_OF(suffixes); i++) {
        const struct suffix *s = &suffixes[i];

        if (s->type != unit || strcmp(s->text, p) != 0)
            continue;
        if (number > UINT64_MAX / s->factor)
            return false;
        *out = number * s->factor;
        return true;
    }
    return false;
}

static bool set_number(const struct config_key *key, void *value,
                       const char *text)
{
    uint64_t number;

    if (!parse_number(key->type, text, &number))
        return false;
    if (key->type == CONFIG_SECONDS) {
        if (number % 1000 != 0)
            return false;
        number /= 1000;
    }
    if (number < key->min || number > key->max)
        return false;

    if (key->type == CONFIG_BYTES)
        *(size_t *)value = (size_t)number;
    else
        *(unsigned *)value = (unsigned)number;
    return true;
}

static bool set_bool(bool *value, const char *text)
{
    for (size_t i = 0; i < COUNT_OF(bools); i++) {
        if (strcmp(text, bools[i].text) != 0)
            continue;
        *value = bools[i].value;
        return true;
    }
    return false;
}

static bool set_word(const struct config_key *key, void *value,
                     const char *text)
{
    for (unsigned i = 0; key->words[i] != NULL; i++) {
        if (strcmp(text, key->words[i]) != 0)
            continue;
        memcpy(value, &i, sizeof(i));
        return true;
    }
    return false;
}

static enum err set_text(const struct config_key *key, char **value,
                         const char *text)
{
    size_t len = strlen(text);
    char *copy;

    if (len < key->min || len > key->max)
        return ERR_INVALID;
    copy = strdup(text);
    if (copy == NULL)
        return ERR_NOMEM;
    free(*value);
    *value = copy;
    return ERR_OK;
}

enum err config_value_set(const struct config_key *key, void *base,
                          const char *text, char why[CONFIG_WHY_BYTES])
{
    void *value = at(key, base);
    enum err err = ERR_INVALID;

    switch (key->type) {
    case CONFIG_BOOL:
        err = set_bool(value, text) ? ERR_OK : ERR_INVALID;
        break;
    case CONFIG_ENUM:
        err = set_word(key, value, text) ? ERR_OK : ERR_INVALID;
        break;
    case CONFIG_TEXT:
        err = set_text(key, value, text);
        break;
    case CONFIG_LIST:
        break; /* config_value_set_list */
    case CONFIG_MS:
    case CONFIG_SECONDS:
    case CONFIG_BYTES:
    case CONFIG_COUNT:
        err = set_number(key, value, text) ? ERR_OK : ERR_INVALID;
        break;
    }
    if (err == ERR_INVALID)
        config_value_range(key, why, CONFIG_WHY_BYTES);
    return err;
}

static void free_list(struct config_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){NULL, 0};
}

enum err config_value_set_list(const struct config_key *key, void *base,
                               const char *const *items, size_t n)
{
    struct config_list list = {NULL, 0};
    struct config_list *value = at(key, base);

    list.items = calloc(n > 0 ? n : 1, sizeof(*list.items));
    if (list.items == NULL)
        return ERR_NOMEM;
    for (; list.n < n; list.n++) {
        list.items[list.n] = strdup(items[list.n]);
        if (list.items[list.n] == NULL)
            goto fail;
    }
    free_list(value);
    *value = list;
    return ERR_OK;

fail:
    free_list(&list);
    return ERR_NOMEM;
}

enum err config_value_set_initial(const struct config_key *key, void *base)
{
    char why[CONFIG_WHY_BYTES];

    if (key->type != CONFIG_LIST)
        return config_value_set(key, base, key->initial, why);
    return config_value_set_list(key, base, &key->initial,
                                 key->initial[0] == '\0' ? 0 : 1);
}

void config_value_free(const struct config_key *key, void *base)
{
    char **text;

    if (key->type == CONFIG_LIST)
        free_list(at(key, base));
    if (key->type != CONFIG_TEXT)
        return;
    text = at(key, base);
    free(*text);
    *text = NULL;
}
