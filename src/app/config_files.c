#include "config_check.h"

#include "settings.h"
#include "front/pages.h"
#include "net/tls.h"
#include "net/tls_roots.h"
#include "net/tls_ctx.h"

#include <stdlib.h>

#define WHY_BYTES 512

/* upstream.ca_file by itself: perhaps no domain uses it. */
static enum err check_ca(const struct config *c, struct tls_roots *roots,
                         struct config_report *r)
{
    struct tls_policy policy = {.ca_file = c->upstream.ca_file, .roots = roots};
    char why[WHY_BYTES] = "";
    struct tls_ctx *tls;
    enum err err;

    if (policy.ca_file[0] == '\0')
        return ERR_OK;
    err = tls_client_new(&tls, &policy, why, sizeof(why));
    if (err == ERR_OK)
        tls_ctx_free(tls);
    if (err == ERR_INVALID)
        config_report(r, 0, "ca_file: %s", why);
    return err == ERR_NOMEM ? err : ERR_OK;
}

/* CA file and ciphers, as the connections will use them. */
static enum err check_domain_tls(const struct config *c, size_t i,
                                 struct tls_roots *roots,
                                 struct config_report *r)
{
    const struct config_domain *d = &c->domains[i];
    char why[WHY_BYTES] = "";
    struct tls_policy policy;
    struct tls_pin *pins;
    struct tls_ctx *tls;
    enum err err;

    if (d->ca_file[0] == '\0' && d->ciphers[0] == '\0')
        return ERR_OK;
    err = settings_tls_policy(&policy, &pins, c, i);
    if (err != ERR_OK)
        return err;
    policy.roots = roots;
    err = tls_client_new(&tls, &policy, why, sizeof(why));
    free(pins);
    if (err == ERR_OK)
        tls_ctx_free(tls);
    if (err == ERR_INVALID)
        config_report(r, d->line, "%s", why);
    return err == ERR_NOMEM ? err : ERR_OK;
}

static enum err check_certificate(const struct config_listen *l,
                                  struct config_report *r)
{
    char why[WHY_BYTES] = "";
    struct tls_ctx *tls;
    enum err err;

    if (l->certificate[0] == '\0')
        return ERR_OK;
    err = tls_server_new(&tls, l->certificate, l->key, why, sizeof(why));
    if (err == ERR_OK)
        tls_ctx_free(tls);
    if (err == ERR_INVALID)
        config_report(r, l->line, "listen %s: %s",
                      log_quote(slice_of(l->address)).text, why);
    return err == ERR_NOMEM ? err : ERR_OK;
}

static enum err check_pages(const struct config *c, struct config_report *r)
{
    char why[WHY_BYTES] = "";
    struct pages *pages;
    enum err err = pages_new(&pages, c->pages.directory, why, sizeof(why));

    if (err == ERR_OK)
        pages_free(pages);
    else if (err != ERR_NOMEM)
        config_report(r, 0, "pages.directory: %s", why);
    return err == ERR_NOMEM ? err : ERR_OK;
}

static enum err check_tls(const struct config *c, struct config_report *r)
{
    struct tls_roots *roots;
    enum err err = tls_roots_new(&roots);

    if (err != ERR_OK)
        return err;
    err = check_ca(c, roots, r);
    for (size_t i = 0; err == ERR_OK && i < c->n_domains; i++)
        err = check_domain_tls(c, i, roots, r);
    tls_roots_free(roots);
    return err;
}

enum err config_check_files(const struct config *c, struct buf *problems)
{
    struct config_report r = {.to = problems, .file = c->file};
    enum err err = check_tls(c, &r);

    for (size_t i = 0; err == ERR_OK && i < c->n_listens; i++)
        err = check_certificate(&c->listens[i], &r);
    if (err == ERR_OK)
        err = check_pages(c, &r);
    if (err != ERR_OK)
        return err;
    return r.n == 0 ? ERR_OK : ERR_INVALID;
}
