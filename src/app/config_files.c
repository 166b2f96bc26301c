#include "app/config_check.h"

#include "front/pages.h"
#include "net/tls.h"

#define WHY_BYTES 512

static enum err check_ca(const char *ca_file, unsigned line,
                         struct config_report *r)
{
    char why[WHY_BYTES] = "";
    struct tls_ctx *tls;
    enum err err;

    if (ca_file[0] == '\0')
        return ERR_OK;
    err = tls_client_new(&tls, ca_file, why, sizeof(why));
    if (err == ERR_OK)
        tls_ctx_free(tls);
    if (err == ERR_INVALID)
        config_report(r, line, "ca_file: %s", why);
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

enum err config_check_files(const struct config *c, struct buf *problems)
{
    struct config_report r = {.to = problems, .file = c->file};
    enum err err = check_ca(c->upstream.ca_file, 0, &r);

    for (size_t i = 0; err == ERR_OK && i < c->n_domains; i++)
        err = check_ca(c->domains[i].ca_file, c->domains[i].line, &r);
    for (size_t i = 0; err == ERR_OK && i < c->n_listens; i++)
        err = check_certificate(&c->listens[i], &r);
    if (err == ERR_OK)
        err = check_pages(c, &r);
    if (err != ERR_OK)
        return err;
    return r.n == 0 ? ERR_OK : ERR_INVALID;
}
