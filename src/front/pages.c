#include "front/pages.h"

#include "base/table.h"
#include "http_head.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define DEPTH_MAX   16
#define PATH_BYTES  1024
#define ETAG_BYTES  24
#define EXTRA_BYTES 96

#define HTML  "text/html; charset=utf-8"
#define ALLOW "GET, HEAD, OPTIONS"

/* Scripts come from files of ours only, and may talk to any XMPP server. */
#define PAGE_POLICY                                                            \
    "default-src 'self'; img-src 'self' data: blob: https:; "                  \
    "media-src 'self' data: blob: https:; font-src 'self' data:; "             \
    "style-src 'self' 'unsafe-inline'; connect-src *; "                        \
    "script-src 'self' 'wasm-unsafe-eval'; object-src 'none'; "                \
    "base-uri 'self'; frame-ancestors 'self'"

struct page {
    struct table_node node;
    struct page *next;
    char *path; /* owned: the key, "/dist/a.css" */
    char *body; /* owned; NULL: borrowed by `content` from another */
    struct slice content;
    const char *type;
    char etag[ETAG_BYTES];
    char extra[EXTRA_BYTES]; /* the header lines of each answer */
};

struct pages {
    struct table *table;
    struct page *first; /* owned, as all behind it */
    size_t n_files;
    size_t total_bytes;
};

/* Where the walk stands, and what it says when it fails. */
struct walk {
    struct pages *pages;
    char path[PATH_BYTES]; /* in the URL: "/dist/" */
    char *why;
    size_t why_cap;
};

static const struct {
    const char *ending;
    const char *type;
} types[] = {
    {".html", HTML},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".mjs", "text/javascript; charset=utf-8"},
    {".json", "application/json"},
    {".svg", "image/svg+xml"},
    {".png", "image/png"},
    {".ico", "image/x-icon"},
    {".webp", "image/webp"},
    {".gif", "image/gif"},
    {".jpg", "image/jpeg"},
    {".jpeg", "image/jpeg"},
    {".ttf", "font/ttf"},
    {".woff", "font/woff"},
    {".woff2", "font/woff2"},
    {".wasm", "application/wasm"},
    {".mp3", "audio/mpeg"},
    {".ogg", "audio/ogg"},
    {".txt", "text/plain; charset=utf-8"},
    {".xml", "application/xml"},
};

static const char landing[] =
    "<!DOCTYPE html>\n"
    "<html lang=\"en\">\n"
    "<head><meta charset=\"utf-8\"><title>doab</title></head>\n"
    "<body>\n"
    "<h1>doab</h1>\n"
    "<p>This is an XMPP connection manager. A client in a browser reaches\n"
    "its server through one of these addresses of this host:</p>\n"
    "<ul>\n"
    "<li>BOSH: <code>/http-bind</code></li>\n"
    "<li>WebSocket: <code>/xmpp-websocket</code></li>\n"
    "</ul>\n"
    "</body>\n"
    "</html>\n";

/* --- Pages in memory ------------------------------------------------------ */

static bool ends_with(const char *text, const char *ending)
{
    size_t len = strlen(text);
    size_t ending_len = strlen(ending);

    return len > ending_len && strcmp(text + len - ending_len, ending) == 0;
}

static const char *pages_type_of(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(types); i++) {
        if (ends_with(path, types[i].ending))
            return types[i].type;
    }
    return "application/octet-stream";
}

/* The same content has the same tag in every process: a fixed key. */
static void tag(struct page *page)
{
    static const unsigned char key[16] = "doab pages, etag";
    bool is_html = strcmp(page->type, HTML) == 0;

    snprintf(page->etag, sizeof(page->etag), "\"%016llx\"",
             (unsigned long long)siphash(key, page->content));
    /* A page names its scripts and styles: it is asked for again, so that
     * old ones are not mixed with new ones for longer than needed. */
    snprintf(page->extra, sizeof(page->extra),
             "ETag: %s\r\nCache-Control: %s\r\n", page->etag,
             is_html ? "no-cache" : "max-age=300");
}

/* Takes body, also when it fails.  body NULL: content stays the caller's. */
static enum err pages_add(struct pages *p, const char *path, char *body,
                          struct slice content, const char *type)
{
    struct page *page = calloc(1, sizeof(*page));
    enum err err = ERR_NOMEM;

    if (page == NULL)
        goto fail;
    page->path = strdup(path);
    if (page->path == NULL)
        goto fail;
    page->content = content;
    page->type = type;
    tag(page);
    err = table_insert(p->table, &page->node, slice_of(page->path));
    if (err != ERR_OK)
        goto fail;
    page->body = body;
    page->next = p->first;
    p->first = page;
    return ERR_OK;

fail:
    if (page != NULL)
        free(page->path);
    free(page);
    free(body);
    return err;
}

/* --- Reading the directory ------------------------------------------------ */

static enum err pages_say(const struct walk *w, enum err err, const char *what)
{
    snprintf(w->why, w->why_cap, "pages: %s: %s", w->path, what);
    return err;
}

/* The file may be changing while we read: its end is where read() says. */
static enum err pages_read_file(struct walk *w, int fd, size_t size,
                                char **body, size_t *len)
{
    char *at = malloc(size + 1);
    size_t have = 0;
    ssize_t n = 1;

    if (at == NULL)
        return pages_say(w, ERR_NOMEM, "out of memory");
    while (n > 0 && have < size) {
        n = read(fd, at + have, size - have);
        if (n < 0 && errno == EINTR)
            n = 1;
        else if (n > 0)
            have += (size_t)n;
    }
    if (n < 0) {
        free(at);
        return pages_say(w, ERR_SYSTEM, strerror(errno));
    }
    *body = at;
    *len = have;
    return ERR_OK;
}

/* index.html answers for its directory, from the same memory. */
static enum err add_index(struct walk *w, struct slice content)
{
    char *name = strrchr(w->path, '/') + 1;

    if (strcmp(name, "index.html") != 0)
        return ERR_OK;
    *name = '\0';
    return pages_add(w->pages, w->path, NULL, content, HTML);
}

static enum err add_file(struct walk *w, int fd, const struct stat *st)
{
    struct pages *p = w->pages;
    struct slice content;
    char *body;
    size_t len;
    enum err err;

    if (p->n_files >= PAGES_FILES_MAX)
        return pages_say(w, ERR_LIMIT, "too many files");
    if ((uintmax_t)st->st_size > PAGES_BYTES_MAX - p->total_bytes)
        return pages_say(w, ERR_LIMIT, "files too large");
    err = pages_read_file(w, fd, (size_t)st->st_size, &body, &len);
    if (err != ERR_OK)
        return err;
    p->n_files++;
    p->total_bytes += len;
    content = (struct slice){body, len};
    err = pages_add(p, w->path, body, content, pages_type_of(w->path));
    if (err == ERR_OK)
        err = add_index(w, content);
    return err == ERR_OK ? ERR_OK : pages_say(w, err, err_name(err));
}

static bool is_left_out(const char *name)
{
    return name[0] == '.' || ends_with(name, ".map") ||
           strcmp(name, "node_modules") == 0;
}

static enum err walk_directory(struct walk *w, int fd, unsigned depth);

/* fd is of the entry whose path stands in w->path. */
static enum err walk_entry(struct walk *w, int fd, unsigned depth)
{
    size_t len = strlen(w->path);
    struct stat st;

    if (fstat(fd, &st) < 0)
        return pages_say(w, ERR_SYSTEM, strerror(errno));
    if (S_ISREG(st.st_mode))
        return add_file(w, fd, &st);
    if (!S_ISDIR(st.st_mode))
        return ERR_OK;
    if (depth == DEPTH_MAX)
        return pages_say(w, ERR_LIMIT, "too deep");
    if (len + 2 > sizeof(w->path))
        return pages_say(w, ERR_LIMIT, "name too long");
    memcpy(w->path + len, "/", 2);
    fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    return fd < 0 ? pages_say(w, ERR_SYSTEM, strerror(errno))
                  : walk_directory(w, fd, depth + 1);
}

/* Takes fd.  Leaves w->path as it was, unless it fails. */
static enum err walk_directory(struct walk *w, int fd, unsigned depth)
{
    DIR *dir = fdopendir(fd);
    size_t len = strlen(w->path);
    enum err err = ERR_OK;
    struct dirent *entry;

    if (dir == NULL) {
        close(fd);
        return pages_say(w, ERR_SYSTEM, strerror(errno));
    }
    for (entry = readdir(dir); entry != NULL && err == ERR_OK;
         entry = readdir(dir)) {
        size_t name_len = strlen(entry->d_name);
        int entry_fd;

        if (is_left_out(entry->d_name))
            continue;
        if (name_len >= sizeof(w->path) - len) {
            err = pages_say(w, ERR_LIMIT, "name too long");
            break;
        }
        memcpy(w->path + len, entry->d_name, name_len + 1);
        /* O_NONBLOCK: a FIFO in there must not stop us. */
        entry_fd = openat(dirfd(dir), entry->d_name,
                          O_RDONLY | O_NONBLOCK | O_CLOEXEC);
        if (entry_fd < 0) {
            err = pages_say(w, ERR_SYSTEM, strerror(errno));
            break;
        }
        err = walk_entry(w, entry_fd, depth);
        close(entry_fd);
        if (err == ERR_OK)
            w->path[len] = '\0';
    }
    closedir(dir);
    return err;
}

static enum err walk(struct pages *p, const char *directory, char *why,
                     size_t why_cap)
{
    struct walk w = {.pages = p, .path = "/", .why = why, .why_cap = why_cap};
    int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0) {
        snprintf(why, why_cap, "pages: %s: %s", directory, strerror(errno));
        return ERR_SYSTEM;
    }
    return walk_directory(&w, fd, 0);
}

enum err pages_new(struct pages **out, const char *directory, char *why,
                   size_t why_cap)
{
    struct pages *p = calloc(1, sizeof(*p));
    enum err err = ERR_NOMEM;

    snprintf(why, why_cap, "pages: out of memory");
    if (p == NULL)
        return ERR_NOMEM;
    err = table_new(&p->table, 2 * PAGES_FILES_MAX + 1);
    if (err == ERR_OK && directory != NULL && directory[0] != '\0')
        err = walk(p, directory, why, why_cap);
    if (err == ERR_OK && table_find(p->table, SLICE("/")) == NULL)
        err = pages_add(p, "/", NULL,
                        (struct slice){landing, sizeof(landing) - 1}, HTML);
    if (err != ERR_OK) {
        pages_free(p);
        return err;
    }
    why[0] = '\0';
    *out = p;
    return ERR_OK;
}

void pages_free(struct pages *p)
{
    struct page *page;

    if (p == NULL)
        return;
    page = p->first;
    while (page != NULL) {
        struct page *next = page->next;

        free(page->path);
        free(page->body);
        free(page);
        page = next;
    }
    table_free(p->table);
    free(p);
}

/* --- Requests ------------------------------------------------------------- */

/* RFC 9110 13.1.2: any of the tags, compared weakly, or "*". */
static bool client_has(const struct http_head *head, const char *etag)
{
    char weak[ETAG_BYTES + 2];

    snprintf(weak, sizeof(weak), "w/%s", etag);
    return http_list_has(head, "if-none-match", etag) ||
           http_list_has(head, "if-none-match", weak) ||
           http_list_has(head, "if-none-match", "*");
}

static void refuse_method(struct http_exchange *x)
{
    struct http_response r = {
        .status = 405,
        .content_type = SLICE("text/plain; charset=utf-8"),
        .body = SLICE("405 Method Not Allowed\n"),
        .allow = ALLOW,
    };

    http_respond(x, &r);
}

static void show(const struct page *page, struct http_exchange *x,
                 const struct http_request *r)
{
    struct http_response answer = {
        .status = 200,
        .content_type = slice_of(page->type),
        .body = page->content,
        .body_lasts = true,
        .extra = page->extra,
        .policy = PAGE_POLICY,
        .may_cache = true,
    };

    if (client_has(r->head, page->etag)) {
        answer.status = 304;
        answer.content_type = (struct slice){NULL, 0};
    }
    http_respond(x, &answer);
}

void pages_request(const struct pages *p, struct http_exchange *x,
                   const struct http_request *r)
{
    struct table_node *node = table_find(p->table, r->head->path);

    if (r->head->method == HTTP_UNKNOWN)
        http_respond_status(x, 501);
    else if (node == NULL)
        http_respond_status(x, 404);
    else if (r->head->method == HTTP_OPTIONS)
        http_respond_options(x, ALLOW);
    else if (r->head->method == HTTP_GET || r->head->method == HTTP_HEAD)
        show(CONTAINER_OF(node, struct page, node), x, r);
    else
        refuse_method(x);
}
