#include "config.h"

#include "config_check.h"
#include "config_draft.h"
#include "config_keys.h"
#include "config_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum err config_load_text(struct config **out, const char *file,
                          struct slice text, struct buf *problems)
{
    struct config_report report = {.to = problems, .file = file};
    struct config_draft *draft;
    enum err err;

    if (text.len > CONFIG_BYTES_MAX) {
        config_report(&report, 0, "larger than %u bytes", CONFIG_BYTES_MAX);
        return ERR_INVALID;
    }
    err = config_draft_new(&draft, &report);
    if (err != ERR_OK)
        return err;
    err = config_parse(text, draft, &report);
    if (err == ERR_OK)
        err = config_draft_finish(out, draft);
    config_draft_free(draft);
    return err;
}

/* As far as it may be long, and a little further. */
static enum err read_file(struct buf *text, const char *file)
{
    FILE *stream = fopen(file, "re");
    enum err err = ERR_OK;
    int saved;

    if (stream == NULL)
        return ERR_SYSTEM;
    while (err == ERR_OK && text->len <= CONFIG_BYTES_MAX && !feof(stream) &&
           !ferror(stream)) {
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

    buf_init(&text, CONFIG_BYTES_MAX + BUFSIZ);
    err = read_file(&text, file);
    if (err == ERR_SYSTEM)
        config_report(&report, 0, "%s", strerror(errno));
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
