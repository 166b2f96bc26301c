#include "config_draft.h"

#include "config_check.h"
#include "config_keys.h"

#include <stdio.h>
#include <stdlib.h>

#define NAMES_BYTES 1024 /* of all keys of a section, one behind the other */

struct config_draft {
    struct config *config;        /* owned; NULL: handed over */
    struct config_report *report; /* borrowed: the maker's */
    size_t n_sections;            /* opened so far */

    /* The section that was opened last. */
    enum config_section section;
    void *base;                /* where its values go; NULL: passed over */
    struct config_mark *marks; /* of its keys: those here or the config's */
    struct config_mark titled_marks[CONFIG_KEYS_MAX];
};

/* --- Sections ------------------------------------------------------------- */

static enum err set_initials(enum config_section section, void *base)
{
    enum err err = ERR_OK;

    for (size_t i = 0; err == ERR_OK && i < config_n_keys; i++)
        if (config_keys[i].section == section)
            err = config_value_set_initial(&config_keys[i], base);
    return err;
}

/* There are few enough (CONFIG_SECTIONS_MAX) to move all for one more. */
static enum err add_listen(struct config_draft *d, unsigned line,
                           const char *title)
{
    struct config *c = d->config;
    struct config_listen *l =
        reallocarray(c->listens, c->n_listens + 1, sizeof(*l));

    if (l == NULL)
        return ERR_NOMEM;
    c->listens = l;
    l += c->n_listens++;
    *l = (struct config_listen){.address = strdup(title), .line = line};
    d->base = l;
    return l->address == NULL ? ERR_NOMEM : set_initials(SECTION_LISTEN, l);
}

static enum err add_domain(struct config_draft *d, unsigned line,
                           const char *title)
{
    struct config *c = d->config;
    struct config_domain *domain =
        reallocarray(c->domains, c->n_domains + 1, sizeof(*domain));

    if (domain == NULL)
        return ERR_NOMEM;
    c->domains = domain;
    domain += c->n_domains++;
    *domain = (struct config_domain){.pattern = strdup(title), .line = line};
    d->base = domain;
    return domain->pattern == NULL ? ERR_NOMEM
                                   : set_initials(SECTION_DOMAIN, domain);
}

/* "wait, wait_max": adds a name to out, as far as there is room. */
static void add_name(char out[NAMES_BYTES], const char *name)
{
    size_t used = strlen(out);

    snprintf(out + used, NAMES_BYTES - used, "%s%s", used == 0 ? "" : ", ",
             name);
}

struct place {
    char text[32];
};

/* ", first on line 3", or nothing for what came from no file. */
static struct place first_place(unsigned line)
{
    struct place place = {""};

    if (line > 0)
        snprintf(place.text, sizeof(place.text), ", first on line %u", line);
    return place;
}

static enum err refuse_section(struct config_draft *d, unsigned line,
                               const char *name)
{
    char known[NAMES_BYTES] = "";

    for (unsigned i = 0; i < SECTION_COUNT; i++)
        add_name(known, config_section_name(i));
    config_report(d->report, line, "unknown section %s; there are: %s",
                  log_quote(slice_of(name)).text, known);
    return ERR_INVALID;
}

static enum err open_plain(struct config_draft *d, unsigned line,
                           const char *title)
{
    if (title != NULL) {
        config_report(d->report, line, "section %s takes no title, not %s",
                      config_section_name(d->section),
                      log_quote(slice_of(title)).text);
        return ERR_INVALID;
    }
    d->base = d->config;
    d->marks = d->config->marks;
    return ERR_OK;
}

static enum err open_titled(struct config_draft *d, unsigned line,
                            const char *title)
{
    const char *name = config_section_name(d->section);

    if (title == NULL || strlen(title) > CONFIG_TITLE_MAX) {
        config_report(d->report, line,
                      "section %s needs a title of at most %d bytes", name,
                      CONFIG_TITLE_MAX);
        return ERR_INVALID;
    }
    memset(d->titled_marks, 0, sizeof(d->titled_marks));
    d->marks = d->titled_marks;
    if (d->section == SECTION_LISTEN)
        return add_listen(d, line, title); /* port 0 may be there twice */
    for (size_t i = 0; i < d->config->n_domains; i++)
        if (strcmp(d->config->domains[i].pattern, title) == 0) {
            config_report(d->report, line, "%s %s: this title is used twice%s",
                          name, log_quote(slice_of(title)).text,
                          first_place(d->config->domains[i].line).text);
            return ERR_INVALID;
        }
    return add_domain(d, line, title);
}

enum err config_draft_open(struct config_draft *d, unsigned line,
                           const char *name, const char *title)
{
    d->base = NULL;
    if (d->n_sections == CONFIG_SECTIONS_MAX) {
        config_report(d->report, line, "too many sections, at most %d",
                      CONFIG_SECTIONS_MAX);
        return ERR_LIMIT;
    }
    d->n_sections++;
    if (!config_section_find(name, &d->section))
        return refuse_section(d, line, name);
    return config_section_is_titled(d->section) ? open_titled(d, line, title)
                                                : open_plain(d, line, title);
}

/* --- Keys ----------------------------------------------------------------- */

static enum err refuse_key(struct config_draft *d, unsigned line,
                           const char *name)
{
    char known[NAMES_BYTES] = "";

    for (size_t i = 0; i < config_n_keys; i++)
        if (config_keys[i].section == d->section)
            add_name(known, config_keys[i].name);
    config_report(d->report, line, "unknown key %s in %s; there are: %s",
                  log_quote(slice_of(name)).text,
                  config_section_name(d->section), known);
    return ERR_INVALID;
}

static enum err refuse_value(struct config_draft *d,
                             const struct config_key *key, unsigned line,
                             const char *value)
{
    char why[CONFIG_WHY_BYTES];

    config_value_range(key, why, sizeof(why));
    config_report(d->report, line, "%s.%s = %s: expected %s",
                  config_section_name(key->section), key->name, value, why);
    return ERR_INVALID;
}

static enum err mark_key(struct config_draft *d, const struct config_key *key,
                         unsigned line)
{
    struct config_mark *mark = &d->marks[key - config_keys];

    if (mark->is_set) {
        config_report(d->report, line, "%s.%s is set twice%s",
                      config_section_name(key->section), key->name,
                      first_place(mark->line).text);
        return ERR_INVALID;
    }
    *mark = (struct config_mark){true, line};
    return ERR_OK;
}

static enum err set_list(struct config_draft *d, const struct config_key *key,
                         const struct config_given *given)
{
    if (given->n > CONFIG_ITEMS_MAX)
        return refuse_value(d, key, given->line, "too many items");
    for (size_t i = 0; i < given->n; i++)
        if (strlen(given->texts[i]) > key->max)
            return refuse_value(d, key, given->line,
                                log_quote(slice_of(given->texts[i])).text);
    return config_value_set_list(key, d->base, given->texts, given->n);
}

static enum err set_scalar(struct config_draft *d, const struct config_key *key,
                           const struct config_given *given)
{
    char why[CONFIG_WHY_BYTES];
    enum err err;

    if (given->is_list || given->n != 1)
        return refuse_value(d, key, given->line, "a list");
    err = config_value_set(key, d->base, given->texts[0], why);
    return err == ERR_INVALID
               ? refuse_value(d, key, given->line,
                              log_quote(slice_of(given->texts[0])).text)
               : err;
}

enum err config_draft_set(struct config_draft *d, const char *name,
                          const struct config_given *given)
{
    const struct config_key *key;
    enum err err;

    if (d->base == NULL)
        return ERR_OK;
    key = config_key_find(d->section, name);
    if (key == NULL)
        return refuse_key(d, given->line, name);
    err = mark_key(d, key, given->line);
    if (err != ERR_OK)
        return err;
    return key->type == CONFIG_LIST ? set_list(d, key, given)
                                    : set_scalar(d, key, given);
}

/* --- Beginning and end ---------------------------------------------------- */

enum err config_draft_new(struct config_draft **out,
                          struct config_report *report)
{
    struct config_draft *d = calloc(1, sizeof(*d));
    enum err err = ERR_OK;

    if (d == NULL)
        return ERR_NOMEM;
    d->report = report;
    d->config = calloc(1, sizeof(*d->config));
    if (d->config != NULL)
        d->config->file = strdup(report->file);
    if (d->config == NULL || d->config->file == NULL)
        err = ERR_NOMEM;
    for (unsigned i = 0; err == ERR_OK && i < SECTION_COUNT; i++)
        if (!config_section_is_titled(i))
            err = set_initials(i, d->config);
    if (err != ERR_OK) {
        config_draft_free(d);
        return err;
    }
    *out = d;
    return ERR_OK;
}

void config_draft_free(struct config_draft *d)
{
    config_free(d->config);
    free(d);
}

static enum err add_default_listeners(struct config_draft *d)
{
    enum err err = add_listen(d, 0, "127.0.0.1:5280");

    return err == ERR_OK ? add_listen(d, 0, "[::1]:5280") : err;
}

enum err config_draft_finish(struct config **out, struct config_draft *d)
{
    enum err err = d->report->n > 0 ? ERR_INVALID : ERR_OK;

    if (err == ERR_OK && d->config->n_listens == 0)
        err = add_default_listeners(d);
    if (err == ERR_OK)
        err = config_check(d->config, d->report);
    if (err != ERR_OK)
        return err;
    *out = d->config;
    d->config = NULL;
    return ERR_OK;
}
