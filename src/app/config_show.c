#include "config_keys.h"
#include "net/tls_ctx.h"

#include <stdio.h>
#include <stdlib.h>

#define WARNING_BYTES 512

static enum err dump_key(const struct config_key *key, const char *title,
                         const void *base, struct buf *to)
{
    enum err err = buf_append_text(to, config_section_name(key->section));

    if (err == ERR_OK && title != NULL)
        err = buf_append_text(to, "[");
    if (err == ERR_OK && title != NULL)
        err = buf_append_text(to, title);
    if (err == ERR_OK)
        err = buf_append_text(to, title != NULL ? "]." : ".");
    if (err == ERR_OK)
        err = buf_append_text(to, key->name);
    if (err == ERR_OK)
        err = buf_append_text(to, " = ");
    if (err != ERR_OK)
        return err;
    err = key->flags & CONFIG_SECRET ? buf_append_text(to, "…")
                                     : config_value_write(key, base, to);
    return err == ERR_OK ? buf_append_text(to, "\n") : err;
}

static enum err dump_section(enum config_section section, const char *title,
                             const void *base, struct buf *to)
{
    enum err err = ERR_OK;

    for (size_t i = 0; err == ERR_OK && i < config_n_keys; i++)
        if (config_keys[i].section == section)
            err = dump_key(&config_keys[i], title, base, to);
    return err;
}

/* A section of which there is none: its defaults, under the empty title. */
static enum err dump_absent(enum config_section section, struct buf *to)
{
    union {
        struct config_listen listen;
        struct config_domain domain;
    } none;
    enum err err = ERR_OK;

    memset(&none, 0, sizeof(none));
    for (size_t i = 0; err == ERR_OK && i < config_n_keys; i++)
        if (config_keys[i].section == section)
            err = config_value_set_initial(&config_keys[i], &none);
    if (err == ERR_OK)
        err = dump_section(section, "", &none, to);
    for (size_t i = 0; i < config_n_keys; i++)
        if (config_keys[i].section == section)
            config_value_free(&config_keys[i], &none);
    return err;
}

enum err config_dump(const struct config *c, struct buf *to)
{
    enum err err = ERR_OK;

    for (size_t i = 0; err == ERR_OK && i < c->n_listens; i++)
        err = dump_section(SECTION_LISTEN, c->listens[i].address,
                           &c->listens[i], to);
    for (size_t i = 0; err == ERR_OK && i < c->n_domains; i++)
        err = dump_section(SECTION_DOMAIN, c->domains[i].pattern,
                           &c->domains[i], to);
    if (err == ERR_OK && c->n_domains == 0)
        err = dump_absent(SECTION_DOMAIN, to);
    for (unsigned i = 0; err == ERR_OK && i < SECTION_COUNT; i++)
        if (!config_section_is_titled(i))
            err = dump_section(i, NULL, c, to);
    return err;
}

/* What makes TLS weaker than it is by default. */
static void warn_tls(const struct config_domain *d, const char *name,
                     void (*say)(void *arg, const char *text), void *arg)
{
    bool is_old = d->tls_min == TLS_FLOOR_1_0 || d->tls_min == TLS_FLOOR_1_1;
    char text[WARNING_BYTES];

    if (!d->verify && d->pins.n == 0 && d->mode != UPSTREAM_OPPORTUNISTIC) {
        snprintf(text, sizeof(text),
                 "domain %s: verify = no: anybody on the way to the server "
                 "can read and change everything",
                 name);
        say(arg, text);
    }
    if (is_old) {
        snprintf(text, sizeof(text),
                 "domain %s: tls_min = %s: that version is broken, and with "
                 "it come weak ciphers and short keys",
                 name, d->tls_min == TLS_FLOOR_1_0 ? "1.0" : "1.1");
        say(arg, text);
    }
    if (d->ciphers[0] != '\0' && tls_ciphers_are_weak(d->ciphers)) {
        snprintf(text, sizeof(text),
                 "domain %s: ciphers: some are weaker than the default", name);
        say(arg, text);
    }
}

static void warn_domain(const struct config_domain *d,
                        void (*say)(void *arg, const char *text), void *arg)
{
    struct log_quoted name = log_quote(slice_of(d->pattern));
    char text[WARNING_BYTES];

    if (strcmp(d->pattern, "*") == 0) {
        snprintf(text, sizeof(text),
                 "domain \"*\": any domain is served; whoever reaches this "
                 "gateway may use it towards any server");
        say(arg, text);
    }
    if (d->mode == UPSTREAM_PLAIN) {
        snprintf(text, sizeof(text),
                 "domain %s: mode = plain: passwords and messages travel "
                 "unencrypted to the server",
                 name.text);
        say(arg, text);
        return;
    }
    if (d->mode == UPSTREAM_OPPORTUNISTIC) {
        snprintf(text, sizeof(text),
                 "domain %s: mode = opportunistic: whoever is between here "
                 "and the server can switch encryption off",
                 name.text);
        say(arg, text);
    }
    warn_tls(d, name.text, say, arg);
}

void config_warn(const struct config *c,
                 void (*say)(void *arg, const char *text), void *arg)
{
    if (c->n_domains == 0)
        say(arg, "there is no domain section: no domain is served");
    for (size_t i = 0; i < c->n_domains; i++)
        warn_domain(&c->domains[i], say, arg);
}
