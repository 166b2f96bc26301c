#include "app/config_parse.h"

#include "app/config_check.h"
#include "app/config_keys.h"
#include "app/config_scan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <confuse.h>

#define ITEM_GROWTH 16
#define FLAG_ENDED  (1 << 30) /* ours, on a section: no flag of libConfuse */

/* One reading of a file. */
struct loader {
    struct config *config; /* borrowed, as are the next two */
    const struct config_scan *scan;
    struct config_report *report;
    bool is_out_of_memory;

    /* The section that is being read. */
    const cfg_t *current; /* NULL between sections */
    size_t sections_seen;
    void *base; /* where its values go */
    unsigned seen_line[CONFIG_KEYS_MAX];

    /* The list that is being read: strings that libConfuse owns are copied,
     * since a repeated list replaces them. */
    char **items;
    size_t n_items;
    const struct config_key *items_of; /* NULL: there are none */
};

/* libConfuse's callbacks have no argument of ours, and its scanner is a
 * global, too: one file is read at a time. */
static struct loader *loading;

static int on_item(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result);
static int on_value(cfg_t *cfg, cfg_opt_t *opt);
static int on_section_end(cfg_t *cfg, cfg_opt_t *opt);
static void on_error(cfg_t *cfg, const char *fmt, va_list args);

/* --- Sections ------------------------------------------------------------- */

static enum config_section section_of(const char *name)
{
    enum config_section section = SECTION_LISTEN;

    while (strcmp(config_section_name(section), name) != 0)
        section++; /* libConfuse knows only names of the table */
    return section;
}

/* True: values of the section go to l->base. */
static bool enter(struct loader *l, const cfg_t *cfg)
{
    enum config_section section = section_of(cfg->name);
    unsigned line;

    if (l->current == cfg)
        return true;
    line = l->sections_seen < l->scan->n_lines
               ? l->scan->lines[l->sections_seen]
               : (unsigned)cfg->line;
    l->current = cfg;
    l->sections_seen++;
    l->base = l->config;
    if (config_section_is_titled(section)) {
        for (size_t i = 0; i < config_n_keys; i++)
            if (config_keys[i].section == section)
                l->seen_line[i] = 0;
        l->base = section == SECTION_LISTEN
                      ? (void *)config_add_listen(l->config, cfg->title, line)
                      : (void *)config_add_domain(l->config, cfg->title, line);
    }
    if (l->base == NULL)
        l->is_out_of_memory = true;
    return l->base != NULL;
}

/* False: the key was set before. */
static bool see(struct loader *l, const struct config_key *key, unsigned line)
{
    size_t index = (size_t)(key - config_keys);
    unsigned first = l->seen_line[index];

    if (first != 0) {
        config_report(l->report, line, "%s.%s is set twice, first on line %u",
                      config_section_name(key->section), key->name, first);
        return false;
    }
    l->seen_line[index] = line;
    if (!config_section_is_titled(key->section))
        l->config->line_of[index] = line;
    return true;
}

/* --- Values --------------------------------------------------------------- */

static void drop_items(struct loader *l)
{
    for (size_t i = 0; i < l->n_items; i++)
        free(l->items[i]);
    free(l->items);
    l->items = NULL;
    l->n_items = 0;
    l->items_of = NULL;
}

static void store_items(struct loader *l, const struct config_key *key)
{
    if (config_value_set_list(key, l->base, l->items, l->n_items) != ERR_OK)
        l->is_out_of_memory = true;
    drop_items(l);
}

static void add_item(struct loader *l, const struct config_key *key,
                     const cfg_opt_t *opt, const char *value, unsigned line)
{
    /* libConfuse has counted this one already, and a repeated list anew. */
    if (opt->nvalues == 1) {
        if (l->items_of != NULL && l->items_of != key)
            store_items(l, l->items_of); /* another list of this section */
        drop_items(l);
        l->items_of = key;
        if (!see(l, key, line))
            return;
    }
    if (l->n_items == CONFIG_ITEMS_MAX || strlen(value) > key->max) {
        config_report(l->report, line, "%s.%s has too many or too long items",
                      config_section_name(key->section), key->name);
        return;
    }
    if (l->n_items % ITEM_GROWTH == 0) {
        char **more =
            realloc(l->items, (l->n_items + ITEM_GROWTH) * sizeof(*more));

        if (more == NULL) {
            l->is_out_of_memory = true;
            return;
        }
        l->items = more;
    }
    l->items[l->n_items] = strdup(value);
    if (l->items[l->n_items] == NULL)
        l->is_out_of_memory = true;
    else
        l->n_items++;
}

static void set_scalar(struct loader *l, const struct config_key *key,
                       const char *value, unsigned line)
{
    char why[CONFIG_WHY_BYTES];
    enum err err;

    if (!see(l, key, line))
        return;
    err = config_value_set(key, l->base, value, why);
    if (err == ERR_NOMEM)
        l->is_out_of_memory = true;
    if (err == ERR_INVALID)
        config_report(l->report, line, "%s.%s = %s: expected %s",
                      config_section_name(key->section), key->name,
                      log_quote(slice_of(value)).text, why);
}

/* Each value as it is read: cfg->line is its line only now. */
static int on_item(cfg_t *cfg, cfg_opt_t *opt, const char *value, void *result)
{
    struct loader *l = loading;
    const struct config_key *key;

    *(const char **)result = value;
    if (!enter(l, cfg))
        return 1;
    key = config_key_find(section_of(cfg->name), opt->name);
    if (key->type != CONFIG_LIST)
        set_scalar(l, key, value, (unsigned)cfg->line);
    else
        add_item(l, key, opt, value, (unsigned)cfg->line);
    return l->is_out_of_memory ? 1 : 0;
}

/* After a value, and behind the brace of a list. */
static int on_value(cfg_t *cfg, cfg_opt_t *opt)
{
    return loading->is_out_of_memory ? 1 : 0;
}

/* libConfuse calls back neither for an empty list nor reliably at the end of
 * another one, but marks the option; the mark stays when the section is
 * opened again. */
static void take_list(struct loader *l, const struct config_key *key,
                      const cfg_opt_t *opt)
{
    unsigned seen_line = l->seen_line[key - config_keys];

    if (!(opt->flags & CFGF_MODIFIED))
        return;
    if (opt->nvalues == 0 && seen_line != 0)
        see(l, key, seen_line); /* set, and then emptied */
    if (opt->nvalues > 0 && l->items_of != key)
        return;
    if (opt->nvalues > 0)
        store_items(l, key);
    else if (config_value_set_list(key, l->base, NULL, 0) != ERR_OK)
        l->is_out_of_memory = true;
}

/* Usually the last one; but a title that came before gets a new section in
 * the old one's place. */
static cfg_t *ended_section(cfg_opt_t *opt)
{
    unsigned i = cfg_opt_size(opt) - 1;

    if (!(opt->flags & CFGF_MULTI))
        return cfg_opt_getnsec(opt, 0); /* may be opened again */
    while (cfg_opt_getnsec(opt, i)->flags & FLAG_ENDED)
        i--;
    return cfg_opt_getnsec(opt, i);
}

static int on_section_end(cfg_t *cfg, cfg_opt_t *opt)
{
    struct loader *l = loading;
    cfg_t *section = ended_section(opt);

    if (!enter(l, section))
        return 1;
    section->flags |= FLAG_ENDED;
    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];

        if (key->type == CONFIG_LIST &&
            key->section == section_of(section->name))
            take_list(l, key, cfg_getopt(section, key->name));
    }
    l->current = NULL;
    return l->is_out_of_memory ? 1 : 0;
}

/* --- libConfuse ----------------------------------------------------------- */

/* "it knows: wait, wait_max, …" */
static void known_names(const cfg_t *cfg, char *out, size_t cap)
{
    size_t used = 0;

    out[0] = '\0';
    for (const cfg_opt_t *opt = cfg->opts; opt->name != NULL; opt++) {
        int n = snprintf(out + used, cap - used, "%s%s", used == 0 ? "" : ", ",
                         opt->name);

        if (n < 0 || (size_t)n >= cap - used)
            return;
        used += (size_t)n;
    }
}

static void on_error(cfg_t *cfg, const char *fmt, va_list args)
{
    static const char unknown[] = "no such option";
    struct loader *l = loading;
    bool is_root = strcmp(cfg->name, "root") == 0;
    char text[CONFIG_WHY_BYTES];
    char known[CONFIG_WHY_BYTES];

    if (strncmp(fmt, unknown, sizeof(unknown) - 1) == 0) {
        const char *name = va_arg(args, const char *);

        known_names(cfg, known, sizeof(known));
        config_report(
            l->report, (unsigned)cfg->line, "unknown %s %s%s%s; there are: %s",
            is_root ? "section" : "key", log_quote(slice_of(name)).text,
            is_root ? "" : " in ", is_root ? "" : cfg->name, known);
        return;
    }
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    vsnprintf(text, sizeof(text), fmt, args);
#pragma GCC diagnostic pop
    config_report(l->report, (unsigned)cfg->line, "%s",
                  log_quote(slice_of(text)).text);
}

/* Returns what stands behind the end mark. */
static cfg_opt_t *make_key_options(enum config_section section, cfg_opt_t *out)
{
    static const cfg_opt_t one =
        CFG_STR_CB(NULL, NULL, CFGF_NODEFAULT, on_item);
    static const cfg_opt_t end = CFG_END();

    for (size_t i = 0; i < config_n_keys; i++) {
        const struct config_key *key = &config_keys[i];

        if (key->section != section)
            continue;
        *out = one;
        out->name = key->name;
        out->validcb = on_value;
        if (key->type == CONFIG_LIST)
            out->flags |= CFGF_LIST;
        out++;
    }
    *out = end;
    return out + 1;
}

/* What libConfuse is told: every key is a string or a list of strings, and
 * our own table knows the rest. */
static cfg_t *make_parser(void)
{
    cfg_opt_t keys[CONFIG_KEYS_MAX + SECTION_COUNT];
    cfg_opt_t *next = keys;
    cfg_opt_t sections[SECTION_COUNT + 1];
    cfg_t *cfg;

    for (unsigned i = 0; i < SECTION_COUNT; i++) {
        cfg_opt_t section =
            CFG_SEC(config_section_name(i), next, CFGF_NODEFAULT);

        next = make_key_options(i, next);
        /* Port 0 may be listened on several times. */
        if (config_section_is_titled(i))
            section.flags |= CFGF_MULTI | CFGF_TITLE;
        if (i == SECTION_DOMAIN)
            section.flags |= CFGF_NO_TITLE_DUPES;
        section.validcb = on_section_end;
        sections[i] = section;
    }
    sections[SECTION_COUNT] = (cfg_opt_t)CFG_END();
    cfg = cfg_init(sections, CFGF_NONE);
    if (cfg != NULL)
        cfg_set_error_function(cfg, on_error);
    return cfg;
}

static enum err parse(struct loader *l, cfg_t *cfg)
{
    FILE *stream = fmemopen(l->scan->text, strlen(l->scan->text), "r");
    int result;

    if (stream == NULL)
        return ERR_NOMEM;
    loading = l;
    result = cfg_parse_fp(cfg, stream);
    loading = NULL;
    fclose(stream);

    if (l->is_out_of_memory)
        return ERR_NOMEM;
    if (result != CFG_SUCCESS && l->report->n == 0)
        config_report(l->report, 1, "cannot be parsed");
    return l->report->n == 0 ? ERR_OK : ERR_INVALID;
}

enum err config_parse(struct config *c, const struct config_scan *scan,
                      struct config_report *report)
{
    struct loader l = {.config = c, .scan = scan, .report = report};
    cfg_t *cfg = make_parser();
    enum err err;

    if (cfg == NULL)
        return ERR_NOMEM;
    err = parse(&l, cfg);
    drop_items(&l);
    cfg_free(cfg);
    return err;
}

const char *config_parse_library(void)
{
    return confuse_version;
}
