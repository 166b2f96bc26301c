/* The authorities that are trusted, read when doab starts. */
#include "tls_int.h"

#include "base/log.h"
#include "net/tls_roots.h"

#include <dirent.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>

#define PATH_BYTES 4096

/* What one file holds, or the system's places. */
struct root_set {
    struct root_set *next;
    X509_STORE *store; /* owned: one reference */
    char *ca_file;     /* owned; NULL: the system's */
};

struct tls_roots {
    struct root_set *sets; /* owned */
};

/* --- The system's places -------------------------------------------------- */

/* OpenSSL reads a directory by the hashes of names, at each handshake: the
 * names that it would look for are 8 digits, a dot and a number. */
static bool is_hashed_name(const char *name)
{
    size_t hash = strspn(name, "0123456789abcdef");
    size_t number;

    if (hash != 8 || name[hash] != '.')
        return false;
    number = strspn(name + hash + 1, "0123456789");
    return number > 0 && name[hash + 1 + number] == '\0';
}

/* A file that cannot be used is left out, as OpenSSL leaves it out when it
 * looks for a name; a lack of memory is none of the file's faults. */
static enum err load_optional(X509_STORE *store, const char *path)
{
    enum err err = ERR_OK;

    ERR_clear_error();
    if (X509_STORE_load_file(store, path) != 1 &&
        ERR_GET_REASON(ERR_peek_last_error()) == ERR_R_MALLOC_FAILURE)
        err = ERR_NOMEM;
    ERR_clear_error();
    return err;
}

static enum err load_directory(X509_STORE *store, const char *directory)
{
    char path[PATH_BYTES];
    enum err err = ERR_OK;
    struct dirent *entry;
    DIR *dir = opendir(directory);

    if (dir == NULL)
        return ERR_OK;
    for (entry = readdir(dir); err == ERR_OK && entry != NULL;
         entry = readdir(dir)) {
        int len;

        if (!is_hashed_name(entry->d_name))
            continue;
        len = snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (len > 0 && (size_t)len < sizeof(path))
            err = load_optional(store, path);
    }
    closedir(dir);
    return err;
}

/* Several, with colons between them. */
static enum err load_directories(X509_STORE *store, const char *list)
{
    enum err err = ERR_OK;

    while (err == ERR_OK && *list != '\0') {
        char one[PATH_BYTES];
        size_t len = strcspn(list, ":");

        if (len > 0 && len < sizeof(one)) {
            memcpy(one, list, len);
            one[len] = '\0';
            err = load_directory(store, one);
        }
        list += len + (list[len] == ':');
    }
    return err;
}

/* As OpenSSL: not where the program was given rights that its user lacks. */
static const char *tls_roots_place(const char *variable, const char *usual)
{
    const char *set = secure_getenv(variable);

    return set != NULL ? set : usual;
}

static size_t count_of(X509_STORE *store)
{
    int n = sk_X509_OBJECT_num(X509_STORE_get0_objects(store));

    return n > 0 ? (size_t)n : 0;
}

static enum err load_system(X509_STORE *store)
{
    const char *file = tls_roots_place(X509_get_default_cert_file_env(),
                                       X509_get_default_cert_file());
    const char *directories = tls_roots_place(X509_get_default_cert_dir_env(),
                                              X509_get_default_cert_dir());
    enum err err = load_optional(store, file);

    if (err == ERR_OK)
        err = load_directories(store, directories);
    if (err == ERR_OK && count_of(store) == 0)
        log_warn(NULL, "tls.no_roots file=%s directory=%s",
                 log_quote(slice_of(file)).text,
                 log_quote(slice_of(directories)).text);
    return err;
}

/* --- Sets ----------------------------------------------------------------- */

static enum err tls_roots_do_load(X509_STORE *store, const char *ca_file,
                                  char *why, size_t why_cap)
{
    if (ca_file == NULL)
        return load_system(store);
    ERR_clear_error();
    if (X509_STORE_load_file(store, ca_file) == 1)
        return ERR_OK;
    tls_explain(why, why_cap, "ca_file", ca_file);
    return ERR_INVALID;
}

enum err tls_roots_load(X509_STORE **out, const char *ca_file, char *why,
                        size_t why_cap)
{
    X509_STORE *store = X509_STORE_new();
    enum err err;

    if (store == NULL)
        return ERR_NOMEM;
    err = tls_roots_do_load(store, ca_file, why, why_cap);
    if (err != ERR_OK) {
        X509_STORE_free(store);
        return err;
    }
    log_debug(NULL, "tls.roots file=%s certificates=%zu",
              log_quote(slice_of(ca_file != NULL ? ca_file : "")).text,
              count_of(store));
    *out = store;
    return ERR_OK;
}

static bool tls_roots_is_of(const struct root_set *s, const char *ca_file)
{
    if (s->ca_file == NULL || ca_file == NULL)
        return s->ca_file == ca_file;
    return strcmp(s->ca_file, ca_file) == 0;
}

static void free_set(struct root_set *s)
{
    X509_STORE_free(s->store);
    free(s->ca_file);
    free(s);
}

enum err tls_roots_get(struct tls_roots *r, X509_STORE **out,
                       const char *ca_file, char *why, size_t why_cap)
{
    struct root_set *s;
    enum err err;

    for (s = r->sets; s != NULL; s = s->next) {
        if (!tls_roots_is_of(s, ca_file))
            continue;
        *out = s->store;
        return ERR_OK;
    }
    s = calloc(1, sizeof(*s));
    if (s == NULL)
        return ERR_NOMEM;
    if (ca_file != NULL)
        s->ca_file = strdup(ca_file);
    err = ca_file != NULL && s->ca_file == NULL
              ? ERR_NOMEM
              : tls_roots_load(&s->store, ca_file, why, why_cap);
    if (err != ERR_OK) {
        free_set(s);
        return err;
    }
    s->next = r->sets;
    r->sets = s;
    *out = s->store;
    return ERR_OK;
}

enum err tls_roots_new(struct tls_roots **out)
{
    *out = calloc(1, sizeof(**out));
    return *out != NULL ? ERR_OK : ERR_NOMEM;
}

void tls_roots_free(struct tls_roots *r)
{
    while (r != NULL && r->sets != NULL) {
        struct root_set *s = r->sets;

        r->sets = s->next;
        free_set(s);
    }
    free(r);
}
