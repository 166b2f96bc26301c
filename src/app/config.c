#include "app/config.h"

#include "app/config_check.h"
#include "app/config_keys.h"
#include "app/config_parse.h"
#include "app/config_scan.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static enum err set_initials(enum config_section section, void *base)
{
    for (size_t i = 0; i < config_n_keys; i++) {
        enum err err;

        if (config_keys[i].section != section)
            continue;
        err = config_value_set_initial(&config_keys[i], base);
        if (err != ERR_OK)
            return err;
    }
    return ERR_OK;
}

struct config_listen *config_add_listen(struct config *c, const char *title,
                                        unsigned line)
{
    struct config_listen *l = &c->listens[c->n_listens++];

    l->line = line;
    l->address = strdup(title);
    if (l->address == NULL || set_initials(SECTION_LISTEN, l) != ERR_OK)
        return NULL;
    return l;
}

struct config_domain *config_add_domain(struct config *c, const char *title,
                                        unsigned line)
{
    struct config_domain *d = &c->domains[c->n_domains++];

    d->line = line;
    d->pattern = strdup(title);
    if (d->pattern == NULL || set_initials(SECTION_DOMAIN, d) != ERR_OK)
        return NULL;
    return d;
}

static enum err add_default_listeners(struct config *c)
{
    static const char *const addresses[] = {"127.0.0.1:5280", "[::1]:5280"};

    for (size_t i = 0; i < COUNT_OF(addresses); i++)
        if (config_add_listen(c, addresses[i], 0) == NULL)
            return ERR_NOMEM;
    return ERR_OK;
}

static enum err config_new(struct config **out, const char *file,
                           size_t n_sections)
{
    struct config *c = calloc(1, sizeof(*c));
    enum err err = ERR_OK;

    if (c == NULL)
        return ERR_NOMEM;
    /* Room for what there may be, and for the listeners by default. */
    c->listens = calloc(n_sections + 2, sizeof(*c->listens));
    c->domains = calloc(n_sections + 1, sizeof(*c->domains));
    c->file = strdup(file);
    if (c->listens == NULL || c->domains == NULL || c->file == NULL)
        err = ERR_NOMEM;
    for (unsigned i = 0; err == ERR_OK && i < SECTION_COUNT; i++)
        if (!config_section_is_titled(i))
            err = set_initials(i, c);
    if (err != ERR_OK) {
        config_free(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

static enum err fill(struct config *c, const struct config_scan *scan,
                     struct config_report *report)
{
    enum err err = config_parse(c, scan, report);

    if (err == ERR_OK && c->n_listens == 0)
        err = add_default_listeners(c);
    if (err == ERR_OK)
        err = config_check(c, report);
    return err;
}

enum err config_load_text(struct config **out, const char *file,
                          struct slice text, struct buf *problems)
{
    struct config_report report = {.to = problems, .file = file};
    struct config_scan scan;
    struct config *c = NULL;
    const char *why = "";
    unsigned line = 0;
    enum err err = config_scan(&scan, text, &line, &why);

    if (err == ERR_INVALID)
        config_report(&report, line, "%s", why);
    if (err != ERR_OK)
        return err;

    err = config_new(&c, file, scan.n_lines);
    if (err == ERR_OK)
        err = fill(c, &scan, &report);
    config_scan_free(&scan);
    if (err != ERR_OK) {
        config_free(c);
        return err;
    }
    *out = c;
    return ERR_OK;
}

static enum err read_file(struct buf *text, const char *file)
{
    FILE *stream = fopen(file, "re");
    enum err err = ERR_OK;
    int saved;

    if (stream == NULL)
        return ERR_SYSTEM;
    while (err == ERR_OK && !feof(stream) && !ferror(stream)) {
        char *room;

        err = buf_reserve(text, BUFSIZ, &room);
        if (err == ERR_OK)
            buf_added(text, fread(room, 1, BUFSIZ, stream));
    }
    saved = errno;
    if (err == ERR_OK && ferror(stream))
        err = ERR_SYSTEM;
    fclose(stream);
    errno = saved;
    return err;
}

enum err config_load(struct config **out, const char *file,
                     struct buf *problems)
{
    struct config_report report = {.to = problems, .file = file};
    struct buf text;
    enum err err;

    buf_init(&text, CONFIG_BYTES_MAX);
    err = read_file(&text, file);
    if (err == ERR_SYSTEM)
        config_report(&report, 0, "%s", strerror(errno));
    if (err == ERR_LIMIT) {
        config_report(&report, 0, "larger than %u bytes", CONFIG_BYTES_MAX);
        err = ERR_INVALID;
    }
    if (err == ERR_OK)
        err = config_load_text(out, file, buf_slice(&text), problems);
    buf_free(&text);
    return err;
}

static void free_values(enum config_section section, void *base)
{
    for (size_t i = 0; i < config_n_keys; i++)
        if (config_keys[i].section == section)
            config_value_free(&config_keys[i], base);
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->n_listens; i++) {
        free(c->listens[i].address);
        free_values(SECTION_LISTEN, &c->listens[i]);
    }
    for (size_t i = 0; i < c->n_domains; i++) {
        free(c->domains[i].pattern);
        free_values(SECTION_DOMAIN, &c->domains[i]);
    }
    for (unsigned i = 0; i < SECTION_COUNT; i++)
        if (!config_section_is_titled(i))
            free_values(i, c);
    free(c->http.trusted);
    free(c->upstream.port_numbers);
    free(c->upstream.forbidden);
    free(c->listens);
    free(c->domains);
    free(c->file);
    free(c);
}
